//! Which images each batch is made of, and what becomes of them, before a pixel is touched.
//!
//! It is the one place that decides it: the loader makes pixels of it, and an engine that has the images already needs
//! no more than this.

use super::augment::Variation;
use super::batch::{Batch, Images, SetId};
use super::loader::{LoaderOptions, Order};
use super::{DataError, Subset};
use crate::random::{self, Purpose};

/// The images of one batch. All lists have the same length.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BatchIndices {
    /// The epoch it belongs to, from 0.
    pub epoch: u64,
    /// Its number within the epoch, from 0.
    pub step: u64,
    /// The index of each image in its split.
    pub indices: Vec<u32>,
    /// How each is cropped and flipped.
    pub variations: Vec<Variation>,
    /// Classes.
    pub labels: Vec<u32>,
    /// What dropout draws from.
    pub keys: Vec<u64>,
}

impl BatchIndices {
    /// The batch of these images, which an engine keeps as `set`.
    pub fn batch(&self, set: SetId) -> Batch<'_> {
        let BatchIndices { indices, variations, labels, keys, .. } = self;
        Batch { images: Images::Resident { set, indices, variations }, labels, keys }
    }
}

/// Draws batch after batch.
#[derive(Debug)]
pub struct BatchSampler {
    images: Subset,
    options: LoaderOptions,
    steps_per_epoch: u64,
    epoch: u64,
    step: u64,
    /// The images of `epoch`, once one of its steps was asked for.
    order: Vec<u32>,
}

impl BatchSampler {
    /// Starts where `options` says.
    ///
    /// # Errors
    /// [`DataError::Option`] when there is no image, the batch size is 0, the start lies beyond the end of its
    /// epoch, or augmentation or normalisation does not fit the images.
    pub fn new(images: &Subset, options: LoaderOptions) -> Result<BatchSampler, DataError> {
        let shape = images.split().shape();
        let steps_per_epoch = options.steps_per_epoch(images.len());
        if images.is_empty() {
            return Err(DataError::Option("there is no image to make batches of".into()));
        }
        if options.batch == 0 {
            return Err(DataError::Option("the batch size must be at least 1".into()));
        }
        if options.step > steps_per_epoch {
            let step = options.step;
            return Err(DataError::Option(format!("there is no step {step} in an epoch of {steps_per_epoch}")));
        }
        options.normalization.validate(shape)?;
        if let Some(augment) = options.augment {
            augment.validate(shape.plane().height, shape.plane().width)?;
        }
        let (epoch, step) = (options.epoch, options.step);
        Ok(BatchSampler { images: images.clone(), options, steps_per_epoch, epoch, step, order: Vec::new() })
    }

    /// What it draws from.
    pub fn images(&self) -> &Subset {
        &self.images
    }

    /// How images become batches.
    pub fn options(&self) -> &LoaderOptions {
        &self.options
    }

    /// Draws the next batch into `batch`; `false` after the last one.
    pub fn next_into(&mut self, batch: &mut BatchIndices) -> bool {
        if self.step >= self.steps_per_epoch {
            (self.epoch, self.step) = (self.epoch + 1, 0);
            self.order.clear();
        }
        if self.options.end.is_some_and(|end| self.epoch >= end) {
            return false;
        }
        if self.order.is_empty() {
            self.order = self.order();
        }
        let Some(indices) = self.order.chunks(self.options.batch).nth(self.step as usize) else { return false };
        let (seed, epoch) = (self.options.seed, self.epoch);
        (batch.epoch, batch.step) = (epoch, self.step);
        batch.indices.clear();
        batch.indices.extend_from_slice(indices);
        let of_split = self.images.split().labels();
        batch.labels.clear();
        batch.labels.extend(indices.iter().map(|&index| of_split[index as usize]));
        batch.keys.clear();
        let key = |&index: &u32| random::key(Purpose::Dropout, &[seed, epoch, u64::from(index)]);
        batch.keys.extend(indices.iter().map(key));
        batch.variations.clear();
        let augment = self.options.augment;
        let vary = |&index: &u32| augment.map(|augment| augment.draw(seed, epoch, u64::from(index)));
        batch.variations.extend(indices.iter().map(|index| vary(index).unwrap_or_default()));
        self.step += 1;
        true
    }

    /// The indices of the images of this epoch.
    fn order(&self) -> Vec<u32> {
        let indices = self.images.indices();
        match self.options.order {
            Order::Sequential => indices.to_vec(),
            Order::Shuffled => {
                let key = random::key(Purpose::Shuffle, &[self.options.seed, self.epoch]);
                let order = random::permutation(key, indices.len());
                order.into_iter().map(|position| indices[position as usize]).collect()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Split;
    use crate::data::augment::{Augment, PadValue};
    use crate::data::normalize::Normalization;
    use crate::graph::dims::Shape;
    use std::sync::Arc;

    const AUGMENT: Augment = Augment { pad: 1, pad_value: PadValue::Zero, flip: true };

    /// `count` images of 1x2x2, of the classes 0, 1, 2, 0, 1, …
    fn images(count: usize) -> Subset {
        let labels = (0..count).map(|index| (index % 3) as u32).collect();
        Subset::all(&Arc::new(Split::new(Shape::map(1, 2, 2), 3, vec![0; 4 * count], labels).unwrap()))
    }

    fn training(seed: u64) -> LoaderOptions {
        LoaderOptions { end: Some(3), ..LoaderOptions::training(4, Normalization::None, Some(AUGMENT), seed) }
    }

    fn drawn(images: &Subset, options: LoaderOptions) -> Vec<BatchIndices> {
        let mut sampler = BatchSampler::new(images, options).unwrap();
        let mut batch = BatchIndices::default();
        let mut batches = Vec::new();
        while sampler.next_into(&mut batch) {
            batches.push(batch.clone());
        }
        batches
    }

    fn epoch(batches: &[BatchIndices], epoch: u64) -> Vec<u32> {
        batches.iter().filter(|batch| batch.epoch == epoch).flat_map(|batch| batch.indices.clone()).collect()
    }

    #[test]
    fn an_epoch_has_every_image_once_and_the_next_one_in_another_order() {
        let batches = drawn(&images(10), training(5));
        let places: Vec<_> = batches.iter().map(|batch| (batch.epoch, batch.step, batch.indices.len())).collect();
        assert_eq!(places[..4], [(0, 0, 4), (0, 1, 4), (0, 2, 2), (1, 0, 4)]);
        let orders = [0, 1, 2].map(|number| epoch(&batches, number));
        for order in &orders {
            let mut sorted = order.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, (0..10).collect::<Vec<_>>());
        }
        assert!(orders[0] != orders[1] && orders[1] != orders[2] && orders[0] != orders[2], "{orders:?}");
        assert_ne!(orders[0], epoch(&drawn(&images(10), training(6)), 0));
    }

    #[test]
    fn labels_keys_and_variations_are_those_of_the_image_in_its_epoch() {
        let batches = drawn(&images(10), training(5));
        for batch in &batches {
            let BatchIndices { epoch, indices, labels, keys, variations, .. } = batch;
            assert_eq!(labels, &indices.iter().map(|index| index % 3).collect::<Vec<_>>());
            let key = |&index: &u32| random::key(Purpose::Dropout, &[5, *epoch, u64::from(index)]);
            assert_eq!(keys, &indices.iter().map(key).collect::<Vec<_>>());
            let vary = |&index: &u32| AUGMENT.draw(5, *epoch, u64::from(index));
            assert_eq!(variations, &indices.iter().map(vary).collect::<Vec<_>>());
        }
    }

    #[test]
    fn from_any_step_on_it_is_the_same() {
        let (images, all) = (images(10), drawn(&images(10), training(5)));
        for (epoch, step) in [(0, 2), (0, 3), (1, 1), (2, 2)] {
            let rest = drawn(&images, training(5).starting_at(epoch, step));
            assert_eq!(rest, all[(3 * epoch + step) as usize..], "from step {step} of epoch {epoch}");
        }
    }

    #[test]
    fn evaluation_takes_the_images_of_a_subset_as_they_come() {
        let subset = images(10).limit(5).unwrap();
        let batches = drawn(&subset, LoaderOptions::evaluation(4, Normalization::None));
        let expected: Vec<u32> = subset.indices().to_vec();
        assert_eq!((batches.len(), epoch(&batches, 0)), (2, expected));
        assert!(batches.iter().flat_map(|batch| &batch.variations).all(|variation| *variation == Variation::default()));
    }

    #[test]
    fn what_makes_no_batch_is_refused() {
        let refused = |count, options| matches!(BatchSampler::new(&images(count), options), Err(DataError::Option(_)));
        assert!(refused(0, training(5)));
        assert!(refused(10, LoaderOptions { batch: 0, ..training(5) }));
        assert!(refused(10, training(5).starting_at(0, 4)));
        assert!(!refused(10, training(5).starting_at(0, 3)));
    }
}
