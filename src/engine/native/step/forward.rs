//! The block steps that compute values: the forward pass, and what the backward pass computes anew.

use super::{LayerIndex, Slot, slots};
use crate::engine::native::kernels::lrn::Response;
use crate::engine::native::kernels::pointwise::Activation;
use crate::engine::native::kernels::pool::Window;
use crate::graph::dims::Pair;
use crate::graph::layer::Divisor;

/// A step that computes values of a block.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)]
pub enum Forward {
    /// The block's images, 16 innermost.
    Pack { to: Slot },
    /// Convolution with everything that could be folded into it.
    Conv { layer: LayerIndex, x: Slot, residual: Option<Slot>, relu: bool, y: Slot },
    /// y = x·Wᵀ + b
    Linear { layer: LayerIndex, x: Slot, relu: bool, y: Slot },
    /// The block's share of the batch statistics.
    NormStatistics { layer: LayerIndex, x: Slot, partial: Slot },
    /// Normalise, add, relu.
    NormApply { layer: LayerIndex, x: Slot, addend: Option<Slot>, relu: bool, y: Slot },
    /// A nonlinearity; x and y may be one.
    Activate { kind: Activation, x: Slot, y: Slot },
    /// Sum of several; the first may be y.
    Sum { inputs: Vec<Slot>, relu: bool, y: Slot },
    /// Zeros and scales by the images' keys; x and y may be one.
    Dropout { stream: u64, rate: f32, x: Slot, y: Slot },
    /// Maximum of each window.
    MaxPool { window: Window, x: Slot, y: Slot },
    /// Mean of each window.
    AvgPool { window: Window, divisor: Divisor, x: Slot, y: Slot },
    /// Mean of each plane.
    GlobalAvgPool { plane: usize, x: Slot, y: Slot },
    /// Local response normalisation.
    LocalResponse { response: Response, x: Slot, y: Slot },
    /// Every so many rows and columns.
    Subsample { input: Pair, output: Pair, stride: Pair, x: Slot, y: Slot },
    /// Zeros.
    Clear { to: Slot },
    /// A run of numbers into another slot: concatenation and zero channels.
    Move { from: Slot, to: Slot, to_start: usize, len: usize },
    /// Softmax cross-entropy into the metrics, and its gradient.
    Loss { logits: Slot, gradient: Option<Slot>, smoothing: f32 },
}

slots!(Forward, |step, each| match step {
    Forward::Pack { to } | Forward::Clear { to } => each(to),
    Forward::Conv { x, residual, y, .. } => [x, y].into_iter().chain(residual).for_each(each),
    Forward::Linear { x, y, .. }
    | Forward::Activate { x, y, .. }
    | Forward::Dropout { x, y, .. }
    | Forward::MaxPool { x, y, .. }
    | Forward::AvgPool { x, y, .. }
    | Forward::GlobalAvgPool { x, y, .. }
    | Forward::LocalResponse { x, y, .. }
    | Forward::Subsample { x, y, .. } => [x, y].into_iter().for_each(each),
    Forward::NormStatistics { x, partial, .. } => [x, partial].into_iter().for_each(each),
    Forward::NormApply { x, addend, y, .. } => [x, y].into_iter().chain(addend).for_each(each),
    Forward::Sum { inputs, y, .. } => {
        each(y);
        for input in inputs {
            each(input);
        }
    }
    Forward::Move { from, to, .. } => [from, to].into_iter().for_each(each),
    Forward::Loss { logits, gradient, .. } => {
        each(logits);
        if let Some(gradient) = gradient {
            each(gradient);
        }
    }
});

impl Forward {
    /// For a step that can work in place: what it reads there, and where it writes.
    pub(super) fn in_place(&self) -> Option<(Slot, Slot)> {
        match self {
            Forward::Activate { x, y, .. } | Forward::Dropout { x, y, .. } => Some((*x, *y)),
            Forward::Sum { inputs, y, .. } => {
                let (first, rest) = inputs.split_first()?;
                (!rest.contains(first)).then_some((*first, *y))
            }
            Forward::Pack { .. }
            | Forward::Conv { .. }
            | Forward::Linear { .. }
            | Forward::NormStatistics { .. }
            | Forward::NormApply { .. }
            | Forward::MaxPool { .. }
            | Forward::AvgPool { .. }
            | Forward::GlobalAvgPool { .. }
            | Forward::LocalResponse { .. }
            | Forward::Subsample { .. }
            | Forward::Clear { .. }
            | Forward::Move { .. }
            | Forward::Loss { .. } => None,
        }
    }

    pub(super) fn label(&self) -> &'static str {
        match self {
            Forward::Pack { .. } => "pack images",
            Forward::Conv { residual: None, relu: false, .. } => "conv",
            Forward::Conv { residual: None, relu: true, .. } => "conv + relu",
            Forward::Conv { residual: Some(_), relu: false, .. } => "conv + add",
            Forward::Conv { residual: Some(_), relu: true, .. } => "conv + add + relu",
            Forward::Linear { relu: false, .. } => "linear",
            Forward::Linear { relu: true, .. } => "linear + relu",
            Forward::NormStatistics { .. } => "norm statistics",
            Forward::NormApply { addend: None, relu: false, .. } => "norm",
            Forward::NormApply { addend: None, relu: true, .. } => "norm + relu",
            Forward::NormApply { addend: Some(_), relu: false, .. } => "norm + add",
            Forward::NormApply { addend: Some(_), relu: true, .. } => "norm + add + relu",
            Forward::Activate { kind: Activation::Relu, .. } => "relu",
            Forward::Activate { kind: Activation::Tanh, .. } => "tanh",
            Forward::Activate { kind: Activation::Sigmoid, .. } => "sigmoid",
            Forward::Sum { relu: false, .. } => "add",
            Forward::Sum { relu: true, .. } => "add + relu",
            Forward::Dropout { .. } => "dropout",
            Forward::MaxPool { .. } => "max pool",
            Forward::AvgPool { .. } => "average pool",
            Forward::GlobalAvgPool { .. } => "global average pool",
            Forward::LocalResponse { .. } => "local response norm",
            Forward::Subsample { .. } => "subsample",
            Forward::Clear { .. } => "clear",
            Forward::Move { .. } => "move",
            Forward::Loss { .. } => "loss",
        }
    }
}
