//! One block at work: what its steps share, wherever they are in the pass.

use super::{Context, slices};
use crate::engine::EngineError;
use crate::engine::native::kernels::loss::BlockLoss;
use crate::engine::native::kernels::{LANES, pointwise};
use crate::engine::native::layers::Layers;
use crate::engine::native::step::{BlockStep, Slot};
use rayon::prelude::*;
use std::ops::Range;

/// One block, at work.
pub struct Work<'a> {
    pub context: &'a Context<'a>,
    pub layers: &'a Layers,
    /// Its images.
    pub images: Range<usize>,
    /// The group that these are of.
    pub group: usize,
}

impl Work<'_> {
    pub(super) fn slots<'m, const N: usize>(
        &self,
        memory: &'m mut [f32],
        slots: [Slot; N],
    ) -> Result<[&'m mut [f32]; N], EngineError> {
        slices(memory, self.context.plan, slots)
    }

    pub(super) fn parameter(&self, index: Option<usize>) -> Option<&[f32]> {
        self.context.parameters.get(index?).map(Vec::as_slice)
    }

    pub(super) fn weights(&self, index: usize) -> &[f32] {
        self.parameter(Some(index)).unwrap_or(&[])
    }

    /// Runs one step; `loss` is written by the step that computes it.
    pub fn run(&self, step: &BlockStep, memory: &mut [f32], loss: &mut BlockLoss) -> Result<(), EngineError> {
        match step {
            BlockStep::Forward(step) => self.forward(step, memory, loss),
            BlockStep::Backward(step) => self.backward(step, memory),
        }
    }

    /// Runs `f` for the `channels` of `target`, each `len` numbers of it: at once, or in parts on several threads where
    /// there are more threads than blocks. What is computed for a channel is the same either way.
    pub(super) fn in_parts(
        &self,
        channels: usize,
        len: usize,
        target: &mut [f32],
        f: impl Fn(Range<usize>, &mut [f32], &mut [f32]) + Sync + Send,
    ) {
        let threads = self.context.threads;
        if self.context.threads_per_block < 2 {
            return threads.with_scratch(|scratch| f(0..channels, target, scratch));
        }
        let part = channels.div_ceil(self.context.threads_per_block).next_multiple_of(4);
        target.par_chunks_mut(part * len).enumerate().with_max_len(1).for_each(|(index, target)| {
            let channels = index * part..((index + 1) * part).min(channels);
            threads.with_scratch(|scratch| f(channels, target, scratch));
        });
    }

    /// Dropout is its own derivative: the same forward and backward.
    pub(super) fn dropout(
        &self,
        memory: &mut [f32],
        stream: u64,
        rate: f32,
        x: Slot,
        y: Slot,
    ) -> Result<(), EngineError> {
        let Context { isa, batch, .. } = *self.context;
        if x != y {
            let [x, y] = self.slots(memory, [x, y])?;
            pointwise::copy(isa, x, y);
        }
        let mut keys = [0; LANES];
        keys.iter_mut().zip(&batch.keys[self.images.clone()]).for_each(|(to, from)| *to = *from);
        let [y] = self.slots(memory, [y])?;
        pointwise::dropout(isa, &keys, stream, rate, y);
        Ok(())
    }
}
