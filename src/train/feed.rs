//! Where an engine gets its batches from: pixels that a loader prepares ahead or, where the images lie on the engine's
//! own device, only which images they are. Both are the same batches.

use super::failure::RunError;
use crate::data::Subset;
use crate::data::loader::{LoadedBatch, Loader, LoaderOptions};
use crate::data::picks::{Picker, Picks};
use crate::engine::resident::{ImageSet, Picked, Resident, SetId};
use crate::engine::{Engine, EngineError, Update};
use std::time::Duration;

/// Batches for one engine.
#[derive(Debug)]
pub enum Feed {
    /// As pixels.
    Pixels(Loader),
    /// As choices from a set on the device.
    Picks(Picker, SetId),
}

/// One batch.
#[derive(Debug)]
pub enum Fed {
    /// As pixels.
    Pixels(LoadedBatch),
    /// As choices from a set on the device.
    Picks(Picks, SetId),
}

impl Feed {
    /// Batches of `images` for `engine`, which takes the images to its device if it can.
    ///
    /// # Errors
    /// When there is no batch to be had of these images, or the device fails.
    pub fn new(engine: &mut dyn Engine, images: &Subset, options: LoaderOptions) -> Result<Feed, RunError> {
        let Some(resident) = engine.resident() else { return Feed::pixels(images, options) };
        let set = ImageSet::new(images.split(), &options.normalization, options.augment);
        // Checked first: a set is prepared as these options say.
        let picker = Picker::new(images, options.clone())?;
        match resident.keep(&set)? {
            Some(id) => Ok(Feed::Picks(picker, id)),
            None => Feed::pixels(images, options),
        }
    }

    /// Batches for whatever engine.
    ///
    /// # Errors
    /// As for [`Loader::new`].
    pub fn pixels(images: &Subset, options: LoaderOptions) -> Result<Feed, RunError> {
        Ok(Feed::Pixels(Loader::new(images, options)?))
    }

    /// Time spent waiting for batches so far.
    pub fn waited(&self) -> Duration {
        match self {
            Feed::Pixels(loader) => loader.waited(),
            Feed::Picks(..) => Duration::ZERO,
        }
    }
}

impl Iterator for Feed {
    type Item = Fed;

    fn next(&mut self) -> Option<Fed> {
        match self {
            Feed::Pixels(loader) => loader.next().map(Fed::Pixels),
            Feed::Picks(picker, set) => {
                let mut picks = Picks::default();
                picker.next_into(&mut picks).then_some(Fed::Picks(picks, *set))
            }
        }
    }
}

impl Fed {
    /// Number of images.
    pub fn len(&self) -> usize {
        match self {
            Fed::Pixels(loaded) => loaded.len(),
            Fed::Picks(picks, _) => picks.indices.len(),
        }
    }

    /// Whether there is no image: never.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A step of training on it.
    ///
    /// # Errors
    /// When the engine fails.
    pub fn train(&self, engine: &mut dyn Engine, update: &Update<'_>) -> Result<(), EngineError> {
        match self {
            Fed::Pixels(loaded) => engine.train_step(&loaded.batch(), update),
            Fed::Picks(picks, set) => on_device(engine)?.train_picked(&picked(picks, *set), update),
        }
    }

    /// Its metrics.
    ///
    /// # Errors
    /// When the engine fails.
    pub fn evaluate(&self, engine: &mut dyn Engine) -> Result<(), EngineError> {
        match self {
            Fed::Pixels(loaded) => engine.evaluate(&loaded.batch()),
            Fed::Picks(picks, set) => on_device(engine)?.evaluate_picked(&picked(picks, *set)),
        }
    }

    /// Its moments.
    ///
    /// # Errors
    /// When the engine fails.
    pub fn moments(&self, engine: &mut dyn Engine) -> Result<Vec<Vec<f32>>, EngineError> {
        match self {
            Fed::Pixels(loaded) => engine.moments(&loaded.batch()),
            Fed::Picks(picks, set) => on_device(engine)?.moments_picked(&picked(picks, *set)),
        }
    }
}

fn picked(picks: &Picks, set: SetId) -> Picked<'_> {
    let Picks { indices, variations, labels, keys, .. } = picks;
    Picked { set, indices, variations, labels, keys }
}

fn on_device(engine: &mut dyn Engine) -> Result<&mut dyn Resident, EngineError> {
    engine.resident().ok_or_else(|| EngineError::Batch("its images lie with another engine".into()))
}
