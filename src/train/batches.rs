//! Where an engine gets its batches from: pixels that a loader prepares ahead or, where the images lie on the engine's
//! own device, only which images they are. Both are the same batches.

use super::error::RunError;
use crate::data::Subset;
use crate::data::batch::{Batch, ImageSet, SetId};
use crate::data::loader::{LoadedBatch, Loader, LoaderOptions};
use crate::data::sampler::{BatchIndices, BatchSampler};
use crate::engine::Engine;
use std::time::Duration;

/// Batches for one engine.
#[derive(Debug)]
pub enum BatchSource {
    /// As pixels.
    Pixels(Loader),
    /// As indices into a set on the device.
    Indices(BatchSampler, SetId),
}

/// One batch, with the memory that it is in.
#[derive(Debug)]
pub enum NextBatch {
    /// As pixels.
    Pixels(LoadedBatch),
    /// As indices into a set on the device.
    Indices(BatchIndices, SetId),
}

impl BatchSource {
    /// Batches of `images` for `engine`, which takes the images to its device if it can.
    ///
    /// # Errors
    /// When there is no batch to be had of these images, or the device fails.
    pub fn new(engine: &mut dyn Engine, images: &Subset, options: LoaderOptions) -> Result<Self, RunError> {
        let set = ImageSet::new(images.split(), &options.normalization, options.augment);
        // Checked first: a set is prepared as these options say.
        let sampler = BatchSampler::new(images, options.clone())?;
        match engine.keep(&set)? {
            Some(id) => Ok(BatchSource::Indices(sampler, id)),
            None => BatchSource::pixels(images, options),
        }
    }

    /// Batches for any engine.
    ///
    /// # Errors
    /// As for [`Loader::new`].
    pub fn pixels(images: &Subset, options: LoaderOptions) -> Result<Self, RunError> {
        Ok(BatchSource::Pixels(Loader::new(images, options)?))
    }

    /// Time spent waiting for batches so far.
    pub fn waited(&self) -> Duration {
        match self {
            BatchSource::Pixels(loader) => loader.waited(),
            BatchSource::Indices(..) => Duration::ZERO,
        }
    }
}

impl Iterator for BatchSource {
    type Item = NextBatch;

    fn next(&mut self) -> Option<NextBatch> {
        match self {
            BatchSource::Pixels(loader) => loader.next().map(NextBatch::Pixels),
            BatchSource::Indices(sampler, set) => {
                let mut indices = BatchIndices::default();
                sampler.next_into(&mut indices).then_some(NextBatch::Indices(indices, *set))
            }
        }
    }
}

impl NextBatch {
    /// What an engine takes.
    pub fn batch(&self) -> Batch<'_> {
        match self {
            NextBatch::Pixels(loaded) => loaded.batch(),
            NextBatch::Indices(indices, set) => indices.batch(*set),
        }
    }
}
