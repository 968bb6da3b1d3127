//! Random crops from a padded image, and horizontal flips.

use super::DataError;
use crate::random::{self, Purpose};
use serde::{Deserialize, Serialize};

/// What the pixels round the image are before it is cropped. The two differ: normalised black is about −2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PadValue {
    /// 0 after normalisation, the mean colour where the mean is subtracted (He et al. 2015, fb.resnet.torch).
    #[default]
    Zero,
    /// 0 before normalisation (torchvision's `RandomCrop` before `Normalize`, TensorFlow's official models).
    Black,
}

/// How training images are varied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Augment {
    /// Pixels added on every side before a crop of the original size is taken; 0 for no crops.
    pub pad: usize,
    /// What they hold.
    pub pad_value: PadValue,
    /// Mirror every second image, left to right.
    pub flip: bool,
}

impl Augment {
    /// Crops from 4 padded pixels, and flips: He et al. 2015, section 4.2.
    pub const HE_2015: Augment = Augment { pad: 4, pad_value: PadValue::Zero, flip: true };

    /// Checks it against the images' size.
    ///
    /// # Errors
    /// [`DataError::Option`] when a crop could lie wholly in the padding.
    pub fn validate(&self, height: usize, width: usize) -> Result<(), DataError> {
        if self.pad > 0 && self.pad >= height.min(width) {
            let pad = self.pad;
            return Err(DataError::Option(format!(
                "crops from {pad} padded pixels can miss an image of {height}x{width}: pad less than its shorter side"
            )));
        }
        Ok(())
    }

    /// What happens to image `index` in `epoch`.
    pub fn draw(&self, seed: u64, epoch: u64, index: u64) -> Variation {
        let key = random::key(Purpose::Augment, &[seed, epoch, index]);
        let offsets = 2 * self.pad as u64 + 1;
        let offset = |draw| random::below(key, draw, offsets) as isize - self.pad as isize;
        Variation { down: offset(0), right: offset(1), flip: self.flip && random::below(key, 2, 2) == 1 }
    }
}

/// One crop and flip. The crop is taken first, then mirrored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Variation {
    /// Row of the original that becomes the first, from −pad to pad.
    pub down: isize,
    /// Column of the original that becomes the first, from −pad to pad.
    pub right: isize,
    /// Whether the result is mirrored, left to right.
    pub flip: bool,
}

impl Variation {
    /// The row of an image of `height` rows that becomes row `row`; `None` is outside.
    pub fn row(self, row: usize, height: usize) -> Option<usize> {
        row.checked_add_signed(self.down).filter(|&from| from < height)
    }

    /// The column of an image of `width` columns that becomes column `column`; `None` is outside.
    pub fn column(self, column: usize, width: usize) -> Option<usize> {
        let cut = if self.flip { width.checked_sub(column + 1)? } else { column };
        cut.checked_add_signed(self.right).filter(|&from| from < width)
    }

    /// Writes the varied `source` to `target`, both planes of `height`×`width`; what comes from outside is `T::default()`.
    ///
    /// # Panics
    /// If the two lengths differ or are not whole planes.
    pub fn apply<T: Copy + Default>(self, source: &[T], target: &mut [T], height: usize, width: usize) {
        assert_eq!(source.len(), target.len());
        let area = height * width;
        // Columns of the target that have a source: right + column must lie in 0..width.
        let first = (-self.right).clamp(0, width as isize) as usize;
        let end = (width as isize - self.right).clamp(first as isize, width as isize) as usize;
        for (source, target) in source.chunks_exact(area).zip(target.chunks_exact_mut(area)) {
            for (row, target) in target.chunks_exact_mut(width).enumerate() {
                let from = row as isize + self.down;
                if from < 0 || from >= height as isize || first == end {
                    target.fill(T::default());
                    continue;
                }
                let begin = from as usize * width + (first as isize + self.right) as usize;
                target[..first].fill(T::default());
                target[first..end].copy_from_slice(&source[begin..begin + (end - first)]);
                target[end..].fill(T::default());
                if self.flip {
                    target.reverse();
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    #[test]
    fn all_81_crops_of_pad_4_occur_equally_often() {
        let mut seen: HashMap<(isize, isize, bool), u32> = HashMap::new();
        let draws = 81 * 2 * 100;
        for index in 0..draws {
            let v = Augment::HE_2015.draw(1, 2, index);
            *seen.entry((v.down, v.right, v.flip)).or_default() += 1;
        }
        assert_eq!(seen.len(), 162);
        assert!(seen.keys().all(|(down, right, _)| down.abs() <= 4 && right.abs() <= 4));
        // 100 expected, standard deviation 10: five of them.
        assert!(seen.values().all(|&count| (50..150).contains(&count)), "{seen:?}");
    }

    #[test]
    fn draws_depend_on_seed_epoch_and_index_alone() {
        let draws = |seed, epoch| (0..50).map(|index| Augment::HE_2015.draw(seed, epoch, index)).collect::<Vec<_>>();
        assert_eq!(draws(1, 1), draws(1, 1));
        assert_ne!(draws(1, 1), draws(1, 2));
        assert_ne!(draws(1, 1), draws(2, 1));
        let none = Augment { pad: 0, pad_value: PadValue::Black, flip: false };
        assert!((0..50).all(|index| none.draw(1, 1, index) == Variation::default()));
    }

    #[test]
    fn a_crop_equals_cutting_from_the_padded_image() {
        let (height, width, pad) = (3usize, 4usize, 2usize);
        let source: Vec<u8> = (1..=24).collect();
        for (down, right) in (-2..=2).flat_map(|down| (-2..=2).map(move |right| (down, right))) {
            for flip in [false, true] {
                let mut target = vec![99; 24];
                Variation { down, right, flip }.apply(&source, &mut target, height, width);
                for (channel, row, column) in
                    (0..2).flat_map(|c| (0..3).flat_map(move |r| (0..4).map(move |k| (c, r, k))))
                {
                    let cut = if flip { width - 1 - column } else { column };
                    let padded = |y: usize, x: usize| {
                        let inside = (pad..pad + height).contains(&y) && (pad..pad + width).contains(&x);
                        if inside { source[channel * 12 + (y - pad) * width + x - pad] } else { 0 }
                    };
                    let expected = padded(row + (down + 2) as usize, cut + (right + 2) as usize);
                    assert_eq!(target[channel * 12 + row * width + column], expected, "{down} {right} {flip}");
                    let variation = Variation { down, right, flip };
                    let from = variation.row(row, height).zip(variation.column(column, width));
                    assert_eq!(from.map_or(0, |(y, x)| source[channel * 12 + y * width + x]), expected);
                }
            }
        }
    }

    #[test]
    fn crops_that_miss_the_image_are_refused() {
        assert!(Augment { pad: 31, ..Augment::HE_2015 }.validate(32, 32).is_ok());
        assert!(Augment { pad: 32, ..Augment::HE_2015 }.validate(40, 32).is_err());
        // And even then nothing panics.
        let mut target = [7u8; 4];
        Variation { down: 0, right: 9, flip: true }.apply(&[1; 4], &mut target, 2, 2);
        Variation { down: 0, right: -9, flip: true }.apply(&[1; 4], &mut target, 2, 2);
        assert_eq!(target, [0; 4]);
    }
}
