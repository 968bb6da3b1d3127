//! What the engine tells of itself: its plans, the bytes it takes, the time of each step.

use super::exec::Profile;
use super::{NativeEngine, Plan, Purpose};
use std::sync::atomic::Ordering;

/// Time of one step, summed over threads and calls.
#[derive(Debug, Clone, PartialEq)]
pub struct StepTime {
    /// Name of the program's op.
    pub op: String,
    /// What the step does.
    pub step: &'static str,
    /// Whether it belongs to the backward pass.
    pub backward: bool,
    /// Seconds, over all threads.
    pub seconds: f64,
    /// Counted operations an image.
    pub flops: u64,
}

impl NativeEngine {
    /// The steps and memory of a pass; its `Display` prints them.
    pub fn plan(&self, purpose: Purpose) -> &Plan {
        match purpose {
            Purpose::Train => &self.train,
            Purpose::Evaluate => &self.evaluate,
        }
    }

    /// The plan of a pass as text, with the bytes that a batch of `images` takes: what `netc dump --stage plan` prints.
    pub fn describe(&self, purpose: Purpose, images: usize) -> String {
        let (activations, fixed) = (self.activation_bytes(purpose, images), self.fixed_bytes());
        let blocks = self.blocking(purpose, images).blocks();
        let (held, what) = match purpose {
            Purpose::Train => (blocks, "blocks"),
            Purpose::Evaluate => (self.threads.count().min(blocks), "threads, each with the memory of a block"),
        };
        format!(
            "{}\n{images} images, {held} {what}: {activations} bytes\nweights, velocities, gradients, packed weights, \
             statistics, scratch: {fixed} bytes\npeak: {} bytes\n",
            self.plan(purpose),
            activations + fixed
        )
    }

    /// Bytes of activations, gradients of activations and partial sums that a batch of `images` takes.
    pub fn activation_bytes(&self, purpose: Purpose, images: usize) -> usize {
        let blocks = self.blocking(purpose, images).blocks();
        4 * match purpose {
            Purpose::Train => self.train.block_len * blocks,
            Purpose::Evaluate => self.evaluate.block_len * self.threads.count().min(blocks),
        }
    }

    /// Bytes of everything else: weights, velocities, gradients, packed weights, statistics, scratch.
    pub fn fixed_bytes(&self) -> usize {
        let kept = [&self.velocities, &self.squares, &self.averages];
        let tensors = [&self.parameters, &self.gradients, &self.statistics].into_iter().chain(kept);
        let numbers: usize = tensors.flatten().map(Vec::len).sum();
        4 * numbers + self.layers.bytes() + self.threads.bytes()
    }

    /// Bytes of numbers held now. After a step with a batch of n images this is
    /// `fixed_bytes() + activation_bytes(purpose, n)`, with the largest such batch so far.
    pub fn peak_bytes(&self) -> usize {
        self.fixed_bytes() + 4 * self.arena.len()
    }

    /// Starts counting the time of each step (from zero), or stops.
    pub fn set_profiling(&mut self, on: bool) {
        let new = |plan: &Plan| Profile::new(plan.steps.len());
        self.profile = on.then(|| (new(&self.train), new(&self.evaluate)));
    }

    /// The time of each step of a pass since profiling began; empty without profiling.
    pub fn step_times(&self, purpose: Purpose) -> Vec<StepTime> {
        let Some((train, evaluate)) = &self.profile else { return Vec::new() };
        let profile = if purpose == Purpose::Train { train } else { evaluate };
        let steps = self.plan(purpose).steps.iter().zip(&profile.nanoseconds);
        steps
            .map(|(step, time)| StepTime {
                op: step.name.clone(),
                step: step.label(),
                backward: step.backward,
                seconds: time.load(Ordering::Relaxed) as f64 * 1e-9,
                flops: step.flops,
            })
            .collect()
    }
}
