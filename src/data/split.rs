//! Images with their labels, and selections of them.

use super::rank::Fingerprint;
use super::{DataError, Take};
use crate::graph::dims::Shape;
use crate::random::{self, Purpose};
use std::sync::{Arc, OnceLock};

/// Images and labels: N·C·H·W bytes, plane after plane, and N labels. Lengths and labels are known to fit.
#[derive(Debug, Clone)]
pub struct Split {
    shape: Shape,
    images: Vec<u8>,
    labels: Vec<u32>,
    /// Once somebody asked for it, or it came with the order.
    fingerprint: OnceLock<Fingerprint>,
}

/// What is known of the fingerprint makes no difference.
impl PartialEq for Split {
    fn eq(&self, other: &Split) -> bool {
        (self.shape, &self.images, &self.labels) == (other.shape, &other.images, &other.labels)
    }
}

impl Eq for Split {}

impl Split {
    /// A split of images of `shape`, with labels below `classes`.
    ///
    /// # Errors
    /// [`DataError::Option`] when lengths or labels do not fit, or there are more images than 32 bits count.
    pub fn new(shape: Shape, classes: usize, images: Vec<u8>, labels: Vec<u32>) -> Result<Split, DataError> {
        let elements = shape.elements();
        if elements == 0 || labels.len().checked_mul(elements) != Some(images.len()) {
            let (bytes, count) = (images.len(), labels.len());
            return Err(DataError::Option(format!("{bytes} bytes are not {count} images of {shape}")));
        }
        if u32::try_from(labels.len()).is_err() {
            return Err(DataError::Option(format!("{} images are too many", labels.len())));
        }
        let fits = |label: u32| usize::try_from(label).is_ok_and(|label| label < classes);
        if let Some((index, label)) = labels.iter().enumerate().find(|&(_, &label)| !fits(label)) {
            return Err(DataError::Option(format!("image {index} has label {label} of {classes} classes")));
        }
        Ok(Split { shape, images, labels, fingerprint: OnceLock::new() })
    }

    /// Shape of one image.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// Number of images.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there is no image.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// All images, N·C·H·W bytes.
    pub fn images(&self) -> &[u8] {
        &self.images
    }

    /// All labels.
    pub fn labels(&self) -> &[u32] {
        &self.labels
    }

    /// One image, C·H·W bytes.
    ///
    /// # Panics
    /// If there is no image `index`.
    pub fn image(&self, index: usize) -> &[u8] {
        let elements = self.shape.elements();
        &self.images[index * elements..][..elements]
    }

    /// What it is, whatever it came in. The first call takes the time to hash all images, unless they were ranked.
    pub fn fingerprint(&self) -> &Fingerprint {
        self.fingerprint.get_or_init(|| Fingerprint::of(self))
    }

    /// Keeps the images of these indices, in this order, and knows the fingerprint that it has then. An index that comes
    /// twice, or that no image has, is passed over.
    pub(super) fn keep(&mut self, order: &[u32], fingerprint: Fingerprint) {
        let elements = self.shape.elements();
        // Images change places in the memory they are in: a set is too large to have twice. Those up to `target` are in
        // their places; of the others these say which image is at a place, and at which place an image is.
        let mut at: Vec<u32> = (0..self.labels.len() as u32).collect();
        let mut place = at.clone();
        let mut target = 0;
        for &image in order {
            let Some(from) = place.get(image as usize).map(|&from| from as usize).filter(|&from| from >= target) else {
                continue;
            };
            if from != target {
                let (before, behind) = self.images.split_at_mut(from * elements);
                before[target * elements..][..elements].swap_with_slice(&mut behind[..elements]);
                self.labels.swap(target, from);
                at.swap(target, from);
                place[at[from] as usize] = from as u32;
            }
            place[image as usize] = target as u32;
            target += 1;
        }
        self.images.truncate(target * elements);
        self.labels.truncate(target);
        self.images.shrink_to_fit();
        self.labels.shrink_to_fit();
        self.fingerprint = OnceLock::from(fingerprint);
    }
}

/// Some images of a split, by their indices in it. An image keeps its index, so that what is drawn for it (crops,
/// flips, dropout) does not depend on what else was selected.
#[derive(Debug, Clone)]
pub struct Subset {
    split: Arc<Split>,
    /// Each below the split's length.
    indices: Arc<[u32]>,
}

impl Subset {
    /// Every image of a split, in its order.
    pub fn all(split: &Arc<Split>) -> Subset {
        // `Split::new` holds the length below 2³².
        Subset { split: Arc::clone(split), indices: (0..split.len() as u32).collect() }
    }

    /// At most the first `limit` of these images.
    ///
    /// # Errors
    /// [`DataError::Option`] when `limit` is 0.
    pub fn limit(&self, limit: usize) -> Result<Subset, DataError> {
        let count = Take::First(limit).count(self.len())?;
        Ok(Subset { split: Arc::clone(&self.split), indices: self.indices.iter().copied().take(count).collect() })
    }

    /// Sets `count` of these images aside: (the rest, the held-out images), each in the order they had. Which
    /// they are is a random draw of places in that order, which depends on `seed` and on how many there are alone.
    ///
    /// # Errors
    /// [`DataError::Option`] when nothing would be held out, or nothing be left.
    pub fn hold_out(&self, count: usize, seed: u64) -> Result<(Subset, Subset), DataError> {
        if count == 0 || count >= self.len() {
            return Err(DataError::Option(format!(
                "cannot hold out {count} of {} images: at least 1 must be held out and at least 1 left",
                self.len()
            )));
        }
        let mut held = vec![false; self.len()];
        for position in random::permutation(random::key(Purpose::Split, &[seed]), self.len()).into_iter().take(count) {
            held[position as usize] = true;
        }
        let select = |wanted: bool| Subset {
            split: Arc::clone(&self.split),
            indices: self.indices.iter().zip(&held).filter(|&(_, &held)| held == wanted).map(|(&i, _)| i).collect(),
        };
        Ok((select(false), select(true)))
    }

    /// The split it selects from.
    pub fn split(&self) -> &Arc<Split> {
        &self.split
    }

    /// The selected indices into the split.
    pub fn indices(&self) -> &[u32] {
        &self.indices
    }

    /// Number of images.
    pub fn len(&self) -> usize {
        self.indices.len()
    }

    /// Whether there is no image.
    pub fn is_empty(&self) -> bool {
        self.indices.is_empty()
    }

    /// The images, C·H·W bytes each.
    pub fn images(&self) -> impl Iterator<Item = &[u8]> {
        self.indices.iter().map(|&index| self.split.image(index as usize))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(count: usize) -> Arc<Split> {
        let images = (0..count * 2).map(|x| x as u8).collect();
        Arc::new(Split::new(Shape::map(1, 1, 2), 10, images, vec![3; count]).unwrap())
    }

    #[test]
    fn lengths_and_labels_must_fit() {
        let shape = Shape::map(1, 1, 2);
        assert!(Split::new(shape, 10, vec![0; 4], vec![0, 9]).is_ok());
        assert!(Split::new(shape, 10, vec![0; 5], vec![0, 9]).is_err());
        assert!(Split::new(shape, 10, vec![0; 4], vec![0, 10]).is_err());
        assert!(Split::new(Shape::map(0, 1, 2), 10, vec![], vec![]).is_err());
        assert_eq!(split(3).image(1), [2, 3]);
    }

    #[test]
    fn a_held_out_part_and_the_rest_make_the_whole() {
        let all = Subset::all(&split(100));
        let (rest, held) = all.hold_out(30, 1).unwrap();
        assert_eq!((rest.len(), held.len()), (70, 30));
        let mut both: Vec<u32> = rest.indices().iter().chain(held.indices()).copied().collect();
        assert!(rest.indices().is_sorted() && held.indices().is_sorted());
        both.sort_unstable();
        assert_eq!(both, (0..100).collect::<Vec<u32>>());
        assert_ne!(held.indices(), all.hold_out(30, 2).unwrap().1.indices());
        assert_eq!(held.indices(), all.hold_out(30, 1).unwrap().1.indices());
        // Not simply the first or the last ones.
        assert!(held.indices().iter().any(|&i| i < 50) && held.indices().iter().any(|&i| i >= 50));
    }

    #[test]
    fn impossible_selections_are_errors() {
        let all = Subset::all(&split(10));
        for count in [0, 10, 11, usize::MAX] {
            assert!(matches!(all.hold_out(count, 0), Err(DataError::Option(_))), "{count}");
        }
        assert!(matches!(all.limit(0), Err(DataError::Option(_))));
        assert_eq!(all.limit(4).unwrap().indices(), [0, 1, 2, 3]);
        assert_eq!(all.limit(40).unwrap().len(), 10);
        let empty = Subset::all(&split(0));
        assert!(empty.hold_out(1, 0).is_err());
        assert!(empty.is_empty() && empty.split().is_empty());
    }
}
