//! What is done with all blocks at hand.

use super::{LayerIndex, Slot, slots};

/// What is done with all blocks at hand. Sums over blocks go in the order of the blocks.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)]
pub enum BarrierStep {
    /// Batch statistics, what normalises by them, and the running statistics.
    NormStatistics { layer: LayerIndex, partial: Slot },
    /// Gradients of scale and shift, and what the input gradient needs.
    NormGradient { layer: LayerIndex, partial: Slot, add_scale: bool, add_shift: bool },
    /// A parameter's gradient from each block's share.
    SumGradient { parameter: usize, partial: Slot, add: bool },
    /// dW = dyᵀ·x over the batch.
    LinearWeightGradient { layer: LayerIndex, x: Slot, dy: Slot, add: bool },
}

slots!(BarrierStep, |step, each| match step {
    BarrierStep::NormStatistics { partial, .. }
    | BarrierStep::NormGradient { partial, .. }
    | BarrierStep::SumGradient { partial, .. } => each(partial),
    BarrierStep::LinearWeightGradient { x, dy, .. } => [x, dy].into_iter().for_each(each),
});

impl BarrierStep {
    pub(super) fn label(&self) -> &'static str {
        match self {
            BarrierStep::NormStatistics { .. } => "norm statistics, all blocks",
            BarrierStep::NormGradient { .. } => "norm gradient, all blocks",
            BarrierStep::SumGradient { .. } => "sum of gradients",
            BarrierStep::LinearWeightGradient { .. } => "linear weight gradient",
        }
    }
}
