//! The block steps that compute gradients.

use super::{LayerIndex, Slot, slots};
use crate::engine::native::kernels::lrn::Response;
use crate::engine::native::kernels::pointwise::Activation;
use crate::engine::native::kernels::pool::Window;
use crate::graph::dims::Pair;
use crate::graph::layer::Divisor;

/// A step that computes gradients of a block. They are written over `dx`, or added to it with `add`.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)]
pub enum Backward {
    /// g ← g·f′(y)
    Activate { kind: Activation, y: Slot, g: Slot },
    /// Sums over plane and images of dy, a channel.
    BiasGradient { plane: usize, dy: Slot, partial: Slot },
    /// The block's share of the gradient of a convolution's weights.
    ConvWeightGradient { layer: LayerIndex, x: Slot, dy: Slot, partial: Slot },
    /// dx of a convolution.
    ConvDataGradient { layer: LayerIndex, dy: Slot, dx: Slot, add: bool },
    /// dx of a linear layer.
    LinearDataGradient { layer: LayerIndex, dy: Slot, dx: Slot, add: bool },
    /// Batch norm's two sums; masks g in place by `output` where there is one.
    NormReduce { layer: LayerIndex, x: Slot, g: Slot, relu: bool, output: Option<Slot>, partial: Slot },
    /// Batch norm's input gradient, in place or into another slot.
    NormInputGradient { layer: LayerIndex, x: Slot, g: Slot, relu: bool, dx: Slot },
    /// Zeros and scales by the images' keys, as forward; dy and dx may be one.
    Dropout { stream: u64, rate: f32, dy: Slot, dx: Slot },
    /// dy of each window to its first maximum.
    MaxPool { window: Window, x: Slot, y: Slot, dy: Slot, dx: Slot, add: bool },
    /// dy of each window, spread over it.
    AvgPool { window: Window, divisor: Divisor, dy: Slot, dx: Slot, add: bool },
    /// dy of each plane, spread over it.
    GlobalAvgPool { plane: usize, dy: Slot, dx: Slot, add: bool },
    /// dx of local response normalisation.
    LocalResponse { response: Response, x: Slot, dy: Slot, dx: Slot, add: bool },
    /// dy where it was read, zero elsewhere.
    Subsample { input: Pair, output: Pair, stride: Pair, dy: Slot, dx: Slot, add: bool },
    /// A run of a gradient: of concatenation and zero channels, and where a value has several readers.
    Move { from: Slot, from_start: usize, to: Slot, len: usize, add: bool },
}

slots!(Backward, |step, each| match step {
    Backward::Activate { y, g, .. } => [y, g].into_iter().for_each(each),
    Backward::BiasGradient { dy, partial, .. } => [dy, partial].into_iter().for_each(each),
    Backward::ConvWeightGradient { x, dy, partial, .. } => [x, dy, partial].into_iter().for_each(each),
    Backward::ConvDataGradient { dy, dx, .. }
    | Backward::LinearDataGradient { dy, dx, .. }
    | Backward::Dropout { dy, dx, .. }
    | Backward::AvgPool { dy, dx, .. }
    | Backward::GlobalAvgPool { dy, dx, .. }
    | Backward::Subsample { dy, dx, .. } => [dy, dx].into_iter().for_each(each),
    Backward::NormReduce { x, g, output, partial, .. } => [x, g, partial].into_iter().chain(output).for_each(each),
    Backward::NormInputGradient { x, g, dx, .. } => [x, g, dx].into_iter().for_each(each),
    Backward::MaxPool { x, y, dy, dx, .. } => [x, y, dy, dx].into_iter().for_each(each),
    Backward::LocalResponse { x, dy, dx, .. } => [x, dy, dx].into_iter().for_each(each),
    Backward::Move { from, to, .. } => [from, to].into_iter().for_each(each),
});

impl Backward {
    pub(super) fn label(&self) -> &'static str {
        match self {
            Backward::Activate { .. } => "nonlinearity gradient",
            Backward::BiasGradient { .. } => "bias gradient",
            Backward::ConvWeightGradient { .. } => "conv weight gradient",
            Backward::ConvDataGradient { .. } => "conv data gradient",
            Backward::LinearDataGradient { .. } => "linear data gradient",
            Backward::NormReduce { .. } => "norm sums",
            Backward::NormInputGradient { .. } => "norm data gradient",
            Backward::Dropout { .. } => "dropout",
            Backward::MaxPool { .. } => "max pool gradient",
            Backward::AvgPool { .. } => "average pool gradient",
            Backward::GlobalAvgPool { .. } => "global average pool gradient",
            Backward::LocalResponse { .. } => "local response norm gradient",
            Backward::Subsample { .. } => "subsample gradient",
            Backward::Move { .. } => "move",
        }
    }
}
