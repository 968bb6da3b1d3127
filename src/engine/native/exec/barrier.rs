//! Runs the steps that need all blocks. Sums over blocks go by the tree of [`super::tree`].

use super::{Context, Outputs, tree};
use crate::engine::EngineError;
use crate::engine::native::step::{BarrierStep, Slot};
use rayon::prelude::*;
use std::ops::Range;

/// Numbers of a weight gradient that one thread sums at a time.
const CHUNK: usize = 4096;

/// Rows of a linear layer's weight gradient that one thread does at a time.
const LINEAR_ROWS: usize = 16;

/// A slot in every block's memory.
pub(super) struct Parts<'m> {
    memory: &'m [f32],
    block_len: usize,
    range: Range<usize>,
    pub blocks: usize,
}

impl<'m> Parts<'m> {
    /// That of a block.
    pub fn of(&self, block: usize) -> &'m [f32] {
        &self.memory[block * self.block_len..][self.range.clone()]
    }
}

/// Numbers of scratch that a thread needs to sum the weight gradient of a linear layer with so many inputs over `blocks`.
pub fn linear_scratch(inputs: usize, blocks: usize) -> usize {
    (tree::levels(blocks) + 1) * LINEAR_ROWS * inputs
}

impl Context<'_> {
    pub(super) fn run_barrier(
        &self,
        step: &BarrierStep,
        memory: &[f32],
        outputs: &mut Outputs<'_>,
    ) -> Result<(), EngineError> {
        match *step {
            BarrierStep::NormStatistics { layer, partial } => {
                let norm = &mut outputs.layers.norms[layer.0];
                self.norm_statistics(norm, partial, memory, outputs.statistics)
            }
            BarrierStep::NormGradient { layer, partial, add_scale, add_shift } => {
                let norm = &mut outputs.layers.norms[layer.0];
                for (parameter, add) in [(norm.scale, add_scale), (norm.shift, add_shift)] {
                    if !add {
                        outputs.gradients[parameter].fill(0.0);
                    }
                }
                self.norm_gradient(norm, partial, memory, outputs.gradients)
            }
            BarrierStep::SumGradient { parameter, partial, add } => {
                let parts = self.parts(memory, partial)?;
                let gradient = &mut outputs.gradients[parameter];
                let sum = |(chunk, gradient): (usize, &mut [f32])| {
                    let numbers = chunk * CHUNK..chunk * CHUNK + gradient.len();
                    let part = |block| &parts.of(block)[numbers.clone()];
                    tree::add_up(parts.blocks, &part, gradient, add);
                    Ok(())
                };
                if gradient.len() <= 2 * CHUNK {
                    gradient.chunks_mut(CHUNK).enumerate().try_for_each(sum)
                } else {
                    self.threads.each(gradient.par_chunks_mut(CHUNK).enumerate(), sum)
                }
            }
            BarrierStep::LinearWeightGradient { layer, x, dy, add } => {
                let linear = &outputs.layers.linears[layer.0];
                let (x, dy) = (self.parts(memory, x)?, self.parts(memory, dy)?);
                let rows = outputs.gradients[linear.weight].par_chunks_mut(LINEAR_ROWS * linear.inputs);
                self.threads.each(rows.enumerate(), |(run, gradient)| {
                    let rows = run * LINEAR_ROWS..((run + 1) * LINEAR_ROWS).min(linear.outputs);
                    self.threads.with_scratch(|scratch| {
                        let (own, levels) = scratch.split_at_mut(linear.kernel.scratch_len(1));
                        let mut write = |block: usize, gradient: &mut [f32], add: bool| {
                            linear.kernel.weight_gradient(x.of(block), dy.of(block), rows.clone(), gradient, add, own);
                        };
                        tree::accumulate(0..x.blocks, gradient, add, levels, &mut write);
                        Ok(())
                    })
                })
            }
        }
    }

    /// A slot of every block.
    pub(super) fn parts<'m>(&self, memory: &'m [f32], slot: Slot) -> Result<Parts<'m>, EngineError> {
        let (range, block_len) = (self.plan.slots[slot.0].range(), self.plan.block_len);
        let blocks = self.blocking.blocks();
        if range.end > block_len || memory.len() < blocks * block_len {
            return Err(super::overlap());
        }
        Ok(Parts { memory, block_len, range, blocks })
    }
}
