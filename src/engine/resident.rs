//! Images that lie on an engine's own device, so that a step carries a few numbers there instead of pixels.

use super::{EngineError, Update};
use crate::data::Split;
use crate::data::augment::{Augment, PadValue, Variation};
use crate::data::normalize::Normalization;
use crate::lower::program::Program;
use std::sync::Arc;

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

/// The number of a set that an engine keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SetId(pub(super) usize);

/// A batch of images that lie on the device already. All lists have the same length.
#[derive(Debug, Clone, Copy)]
pub struct Picked<'a> {
    /// Where the images are.
    pub set: SetId,
    /// The index of each image in its split.
    pub indices: &'a [u32],
    /// How each is cropped and flipped; [`Variation::default`] leaves an image as it is.
    pub variations: &'a [Variation],
    /// Class indices, each below the number of classes.
    pub labels: &'a [u32],
    /// As [`super::Batch::keys`].
    pub keys: &'a [u64],
}

impl Picked<'_> {
    /// Number of images.
    pub fn len(&self) -> usize {
        self.indices.len()
    }

    /// Whether there is no image.
    pub fn is_empty(&self) -> bool {
        self.indices.is_empty()
    }

    /// Checks the lengths, labels and indices, for a set of `images` images.
    ///
    /// # Errors
    /// [`EngineError::Batch`] with what does not fit.
    pub fn validate(&self, program: &Program, images: usize) -> Result<(), EngineError> {
        let count = self.len();
        let problem = if self.is_empty() {
            "the batch is empty".to_string()
        } else if [self.variations.len(), self.labels.len(), self.keys.len()] != [count; 3] {
            let (variations, labels, keys) = (self.variations.len(), self.labels.len(), self.keys.len());
            format!("{variations} crops, {labels} labels and {keys} keys for {count} images")
        } else if let Some(label) = self.labels.iter().find(|&&label| label as usize >= program.classes()) {
            format!("label {label} of {} classes", program.classes())
        } else if let Some(index) = self.indices.iter().find(|&&index| index as usize >= images) {
            format!("image {index} of {images}")
        } else {
            return Ok(());
        };
        Err(EngineError::Batch(problem))
    }
}

/// What an engine with a device of its own offers beside [`super::Engine`]: the same, on images that lie there.
pub trait Resident {
    /// Puts a set on the device, unless it is there already. `None` where there is no room for it: batches then have to
    /// come as pixels.
    ///
    /// # Errors
    /// [`EngineError::Device`], and [`EngineError::Batch`] when the images are not of the network's input.
    fn keep(&mut self, set: &ImageSet) -> Result<Option<SetId>, EngineError>;

    /// The pixels of a batch as the network sees them, N×C×H×W. For tests.
    ///
    /// # Errors
    /// A batch that does not fit, or a device that fails.
    fn pixels(&mut self, batch: &Picked<'_>) -> Result<Vec<f32>, EngineError>;

    /// [`super::Engine::train_step`].
    ///
    /// # Errors
    /// As there.
    fn train_picked(&mut self, batch: &Picked<'_>, update: &Update<'_>) -> Result<(), EngineError>;

    /// [`super::Engine::evaluate`].
    ///
    /// # Errors
    /// As there.
    fn evaluate_picked(&mut self, batch: &Picked<'_>) -> Result<(), EngineError>;

    /// [`super::Engine::moments`].
    ///
    /// # Errors
    /// As there.
    fn moments_picked(&mut self, batch: &Picked<'_>) -> Result<Vec<Vec<f32>>, EngineError>;
}
