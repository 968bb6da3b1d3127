//! Batches, as engines take them.

use super::Split;
use super::augment::{Augment, PadValue, Variation};
use super::normalize::Normalization;
use std::sync::Arc;

/// A batch of N images with their labels.
#[derive(Debug, Clone, Copy)]
pub struct Batch<'a> {
    /// The images, already normalised and augmented, or how to make them so.
    pub images: Images<'a>,
    /// N class indices, each below the number of classes.
    pub labels: &'a [u32],
    /// N keys, each a function of (seed, epoch, index of the image): what dropout draws from.
    pub keys: &'a [u64],
}

/// The images of a batch.
#[derive(Debug, Clone, Copy)]
pub enum Images<'a> {
    /// N·C·H·W numbers, N×C×H×W.
    Pixels(&'a [f32]),
    /// N images of a set that an engine keeps on its own device, so that a step carries a few numbers there instead of
    /// pixels.
    Resident {
        /// Where the images are.
        set: SetId,
        /// The index of each image in its split.
        indices: &'a [u32],
        /// How each is cropped and flipped; `Variation::default()` leaves an image as it is.
        variations: &'a [Variation],
    },
}

impl<'a> Batch<'a> {
    /// A batch of pixels, N×C×H×W.
    pub fn of_pixels(pixels: &'a [f32], labels: &'a [u32], keys: &'a [u64]) -> Self {
        Batch { images: Images::Pixels(pixels), labels, keys }
    }

    /// N·C·H·W numbers, unless the images lie on a device.
    pub fn pixels(&self) -> Option<&'a [f32]> {
        match self.images {
            Images::Pixels(pixels) => Some(pixels),
            Images::Resident { .. } => None,
        }
    }

    /// N.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there is no image.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }
}

/// The number of a set that an engine keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SetId(pub usize);

/// A set of images and how they become numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct ImageSet {
    /// The images, as bytes.
    pub split: Arc<Split>,
    /// From bytes to numbers.
    pub normalization: Normalization,
    /// What lies round an image that is cropped; `None` where nothing is.
    pub outside: Option<PadValue>,
}

impl ImageSet {
    /// The images of a split as a loader of these options would prepare them.
    pub fn new(split: &Arc<Split>, normalization: &Normalization, augment: Option<Augment>) -> Self {
        let outside = augment.map(|augment| augment.pad_value);
        ImageSet { split: Arc::clone(split), normalization: normalization.clone(), outside }
    }

    /// Whether what was prepared for `self` also serves `other`.
    pub fn serves(&self, other: &ImageSet) -> bool {
        Arc::ptr_eq(&self.split, &other.split)
            && self.normalization == other.normalization
            && (other.outside.is_none() || self.outside == other.outside)
    }
}
