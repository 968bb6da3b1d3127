//! Batches, prepared on a background thread while the last one trains.
//!
//! Everything drawn for an image depends on (seed, epoch, index of the image in its split, which is its rank where the
//! split is in the order of the ranks: `rank.rs`) alone, and the order of an epoch on
//! (seed, epoch): the batches are the same bits wherever a run starts and however many threads there are.

use super::augment::{Augment, PadValue, Variation};
use super::batch::Batch;
use super::normalize::Normalization;
use super::sampler::{BatchIndices, BatchSampler};
use super::{DataError, Subset};
use std::sync::mpsc::{Receiver, Sender, SyncSender, TryRecvError, channel, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// The order of the images.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// As the subset has them.
    Sequential,
    /// A new permutation for each epoch.
    Shuffled,
}

/// How images become batches.
#[derive(Debug, Clone, PartialEq)]
pub struct LoaderOptions {
    /// Images a batch.
    pub batch: usize,
    /// Their order.
    pub order: Order,
    /// Crops and flips; none in evaluation.
    pub augment: Option<Augment>,
    /// From bytes to numbers.
    pub normalization: Normalization,
    /// The run's seed.
    pub seed: u64,
    /// First epoch.
    pub epoch: u64,
    /// First step within that epoch.
    pub step: u64,
    /// The epoch before which it ends; `None` for no end.
    pub end: Option<u64>,
}

impl LoaderOptions {
    /// Training: shuffled, epoch after epoch without end, the last batch kept.
    pub fn training(batch: usize, normalization: Normalization, augment: Option<Augment>, seed: u64) -> Self {
        LoaderOptions { batch, order: Order::Shuffled, augment, normalization, seed, epoch: 0, step: 0, end: None }
    }

    /// Evaluation: every image once, in order, as it is.
    pub fn evaluation(batch: usize, normalization: Normalization) -> Self {
        LoaderOptions {
            batch,
            order: Order::Sequential,
            augment: None,
            normalization,
            seed: 0,
            epoch: 0,
            step: 0,
            end: Some(1),
        }
    }

    /// Starts at a step of an epoch: what a resumed run does. `step` may be that of the epoch's end.
    #[must_use]
    pub fn starting_at(mut self, epoch: u64, step: u64) -> Self {
        (self.epoch, self.step) = (epoch, step);
        self
    }

    /// Batches in an epoch of `images` images; 0 when the batch size is.
    pub fn steps_per_epoch(&self, images: usize) -> u64 {
        if self.batch == 0 { 0 } else { images.div_ceil(self.batch) as u64 }
    }
}

/// Memory of a batch, used again and again.
#[derive(Debug, Default)]
struct Buffers {
    images: Vec<f32>,
    drawn: BatchIndices,
}

/// A batch that was prepared. Its memory goes back to the loader when it is dropped.
#[derive(Debug)]
pub struct LoadedBatch {
    buffers: Buffers,
    home: Sender<Buffers>,
}

impl LoadedBatch {
    /// What an engine takes.
    pub fn batch(&self) -> Batch<'_> {
        let Buffers { images, drawn } = &self.buffers;
        Batch::of_pixels(images, &drawn.labels, &drawn.keys)
    }

    /// The epoch it belongs to, from 0.
    #[cfg(any(test, feature = "internals"))]
    pub fn epoch(&self) -> u64 {
        self.buffers.drawn.epoch
    }

    /// Its number within the epoch, from 0.
    #[cfg(any(test, feature = "internals"))]
    pub fn step(&self) -> u64 {
        self.buffers.drawn.step
    }

    /// The index of each image in its split.
    #[cfg(any(test, feature = "internals"))]
    pub fn indices(&self) -> &[u32] {
        &self.buffers.drawn.indices
    }

    /// Number of images.
    #[cfg(any(test, feature = "internals"))]
    pub fn len(&self) -> usize {
        self.buffers.drawn.labels.len()
    }

    /// Whether there is no image: never.
    #[cfg(any(test, feature = "internals"))]
    pub fn is_empty(&self) -> bool {
        self.buffers.drawn.labels.is_empty()
    }
}

impl Drop for LoadedBatch {
    fn drop(&mut self) {
        // A loader that has gone does not want it back.
        let _ = self.home.send(std::mem::take(&mut self.buffers));
    }
}

/// An iterator over batches that a background thread prepares ahead.
#[derive(Debug)]
pub struct Loader {
    /// Both are there until the end or the drop.
    batches: Option<Receiver<LoadedBatch>>,
    thread: Option<JoinHandle<()>>,
    waited: Duration,
}

/// Batches that wait for their turn, beside the one being filled and the one in use.
const AHEAD: usize = 2;

impl Loader {
    /// Starts to prepare batches of `images`.
    ///
    /// # Errors
    /// [`DataError::Option`] when there is no image, the batch size is 0, the start lies beyond the end of its
    /// epoch, or augmentation or normalisation does not fit the images; [`DataError::Thread`] when the system refuses a
    /// thread.
    pub fn new(images: &Subset, options: LoaderOptions) -> Result<Loader, DataError> {
        let sampler = BatchSampler::new(images, options)?;
        let (sender, batches) = sync_channel(AHEAD);
        let producer = Producer { sampler };
        let thread = std::thread::Builder::new()
            .name("netc-loader".into())
            .spawn(move || producer.run(&sender))
            .map_err(DataError::Thread)?;
        Ok(Loader { batches: Some(batches), thread: Some(thread), waited: Duration::ZERO })
    }

    /// Time that the caller has spent waiting for batches so far, the first one included.
    pub fn waited(&self) -> Duration {
        self.waited
    }

    /// Ends the thread. A thread that panicked has found a mistake of ours: it is passed on rather than taken for the
    /// end of the data.
    fn finish(&mut self) {
        self.batches = None;
        if let Some(Err(panic)) = self.thread.take().map(JoinHandle::join)
            && !std::thread::panicking()
        {
            std::panic::resume_unwind(panic);
        }
    }
}

impl Iterator for Loader {
    type Item = LoadedBatch;

    fn next(&mut self) -> Option<LoadedBatch> {
        let batches = self.batches.as_ref()?;
        let batch = match batches.try_recv() {
            Ok(batch) => Some(batch),
            Err(TryRecvError::Disconnected) => None,
            Err(TryRecvError::Empty) => {
                let begin = Instant::now();
                let batch = batches.recv().ok();
                self.waited += begin.elapsed();
                batch
            }
        };
        if batch.is_none() {
            self.finish();
        }
        batch
    }
}

impl Drop for Loader {
    fn drop(&mut self) {
        // The thread waits only for room in the channel; without a receiver that ends with an error, and so does it.
        self.finish();
    }
}

/// What the background thread runs.
struct Producer {
    sampler: BatchSampler,
}

impl Producer {
    fn run(mut self, batches: &SyncSender<LoadedBatch>) {
        let (home, returned) = channel();
        let elements = self.sampler.images().split().shape().elements();
        let mut scratch = Scratch { bytes: vec![0; elements], numbers: vec![0.0; elements] };
        loop {
            let mut buffers: Buffers = returned.try_recv().unwrap_or_default();
            if !self.sampler.next_into(&mut buffers.drawn) {
                return;
            }
            self.fill(&mut buffers, &mut scratch);
            if batches.send(LoadedBatch { buffers, home: home.clone() }).is_err() {
                return;
            }
        }
    }

    fn fill(&self, buffers: &mut Buffers, scratch: &mut Scratch) {
        let split = self.sampler.images().split();
        let elements = split.shape().elements();
        let BatchIndices { indices, variations, .. } = &buffers.drawn;
        buffers.images.resize(indices.len() * elements, 0.0);
        for ((&index, &variation), target) in
            indices.iter().zip(variations).zip(buffers.images.chunks_exact_mut(elements))
        {
            self.prepare(split.image(index as usize), variation, target, scratch);
        }
    }

    /// One image, varied and normalised.
    fn prepare(&self, image: &[u8], variation: Variation, target: &mut [f32], scratch: &mut Scratch) {
        let plane = self.sampler.images().split().shape().plane();
        let options = self.sampler.options();
        let normalization = &options.normalization;
        let Some(augment) = options.augment else {
            return normalization.apply(image, target, plane.area());
        };
        // Which comes first is what the padding's value means.
        match augment.pad_value {
            PadValue::Zero => {
                normalization.apply(image, &mut scratch.numbers, plane.area());
                variation.apply(&scratch.numbers, target, plane.height, plane.width);
            }
            PadValue::Black => {
                variation.apply(image, &mut scratch.bytes, plane.height, plane.width);
                normalization.apply(&scratch.bytes, target, plane.area());
            }
        }
    }
}

/// One image on its way.
struct Scratch {
    bytes: Vec<u8>,
    numbers: Vec<f32>,
}

#[cfg(test)]
mod tests;
