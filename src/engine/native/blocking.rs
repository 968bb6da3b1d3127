//! How a batch is cut into blocks of 16 images.
//!
//! Where batch norm takes its statistics per group of images, every group begins a block of its own; the last block of a
//! group, as that of a batch, may have unused lanes. So a block is of one group, and groups need not be multiples of 16.

use super::kernels;
use super::kernels::LANES;
use std::ops::Range;

/// A batch cut into groups, and those into blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Blocking {
    images: usize,
    /// Images of every group but the last, which may have fewer.
    group: usize,
}

impl Blocking {
    /// Of a batch of `images`, in groups of so many images, or all in one.
    pub fn new(images: usize, group: Option<usize>) -> Blocking {
        Blocking { images, group: group.unwrap_or(images).clamp(1, images.max(1)) }
    }

    /// Number of groups.
    pub fn groups(self) -> usize {
        self.images.div_ceil(self.group)
    }

    /// Blocks of every group but the last.
    fn per_group(self) -> usize {
        kernels::blocks(self.group)
    }

    /// Number of blocks.
    pub fn blocks(self) -> usize {
        self.blocks_of(self.groups().saturating_sub(1)).end
    }

    /// The group that a block is of.
    pub fn group_of(self, block: usize) -> usize {
        block / self.per_group()
    }

    /// The images of a group, by their place in the batch.
    pub fn images_of(self, group: usize) -> Range<usize> {
        let start = (group * self.group).min(self.images);
        start..(start + self.group).min(self.images)
    }

    /// The blocks of a group.
    pub fn blocks_of(self, group: usize) -> Range<usize> {
        let start = group * self.per_group();
        start..start + kernels::blocks(self.images_of(group).len())
    }

    /// The images of a block, by their place in the batch.
    pub fn images(self, block: usize) -> Range<usize> {
        let group = self.images_of(self.group_of(block));
        let start = (group.start + block % self.per_group() * LANES).min(group.end);
        start..(start + LANES).min(group.end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(images: usize, group: Option<usize>) -> Vec<Range<usize>> {
        let blocking = Blocking::new(images, group);
        (0..blocking.blocks()).map(|block| blocking.images(block)).collect()
    }

    #[test]
    fn a_batch_without_groups_is_cut_every_16_images() {
        assert_eq!(cut(40, None), [0..16, 16..32, 32..40]);
        assert_eq!(cut(17, Some(99)), [0..16, 16..17]);
        assert!(cut(0, None).is_empty() && cut(0, Some(4)).is_empty());
    }

    #[test]
    fn every_group_begins_a_block() {
        assert_eq!(cut(50, Some(20)), [0..16, 16..20, 20..36, 36..40, 40..50]);
        assert_eq!(cut(7, Some(3)), [0..3, 3..6, 6..7]);
        let blocking = Blocking::new(50, Some(20));
        assert_eq!((0..5).map(|block| blocking.group_of(block)).collect::<Vec<_>>(), [0, 0, 1, 1, 2]);
        assert_eq!((0..3).map(|group| blocking.blocks_of(group)).collect::<Vec<_>>(), [0..2, 2..4, 4..5]);
    }

    #[test]
    fn every_image_is_in_one_block_and_one_group() {
        for images in 1..70 {
            for group in (1..80).map(Some).chain([None]) {
                let blocking = Blocking::new(images, group);
                let blocks = (0..blocking.blocks()).flat_map(|block| blocking.images(block));
                assert!(blocks.eq(0..images), "{images} {group:?}");
                let groups = (0..blocking.groups()).flat_map(|group| blocking.blocks_of(group));
                assert!(groups.eq(0..blocking.blocks()), "{images} {group:?}");
                for block in 0..blocking.blocks() {
                    let group = blocking.images_of(blocking.group_of(block));
                    let images = blocking.images(block);
                    assert!(!images.is_empty() && group.start <= images.start && images.end <= group.end);
                }
            }
        }
    }
}
