//! The instructions that a [`Program`](crate::lower::program::Program) is compiled to.
//!
//! A [`BlockStep`] is run for one block of 16 images and touches only that block's memory; a [`JointStep`] waits for all
//! blocks. Everything between two joint steps can run block after block on any thread: there is one wait a batch norm,
//! and none in a net without.

use super::kernels::LANES;
use super::kernels::lrn::Response;
use super::kernels::pointwise::Activation;
use super::kernels::pool::Window;
use crate::graph::dims::Pair;
use crate::graph::layer::Divisor;

/// A piece of a block's memory: index into the plan's table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Slot(pub usize);

/// A layer with weights: index into one of the tables of [`super::layers::Layers`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layer(pub usize);

/// One thing to do.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// Name of the program's op it serves.
    pub name: String,
    /// Whether it belongs to the backward pass.
    pub backward: bool,
    /// What to do.
    pub kind: Kind,
    /// Floating-point operations an image, of those that are counted (multiply-adds as two).
    pub flops: u64,
}

/// Where a step runs.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// On each block by itself.
    Block(BlockStep),
    /// Once, after every block has come so far.
    Joint(JointStep),
}

/// What is done to a block. Gradients are written over `dx`, or added to it with `add`.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)]
pub enum BlockStep {
    /// The block's images, 16 innermost.
    Pack {
        to: Slot,
    },
    /// Convolution with everything that could be folded into it.
    Conv {
        layer: Layer,
        x: Slot,
        residual: Option<Slot>,
        relu: bool,
        y: Slot,
    },
    /// y = x·Wᵀ + b
    Linear {
        layer: Layer,
        x: Slot,
        relu: bool,
        y: Slot,
    },
    /// The block's share of the batch statistics.
    NormStatistics {
        layer: Layer,
        x: Slot,
        partial: Slot,
    },
    /// Normalise, add, relu.
    NormApply {
        layer: Layer,
        x: Slot,
        addend: Option<Slot>,
        relu: bool,
        y: Slot,
    },
    /// A nonlinearity; x and y may be one.
    Activate {
        kind: Activation,
        x: Slot,
        y: Slot,
    },
    /// Sum of several; the first may be y.
    Sum {
        inputs: Vec<Slot>,
        relu: bool,
        y: Slot,
    },
    /// Dropout, forward or backward; x and y may be one.
    Dropout {
        stream: u64,
        rate: f32,
        x: Slot,
        y: Slot,
    },
    MaxPool {
        window: Window,
        x: Slot,
        y: Slot,
    },
    AvgPool {
        window: Window,
        divisor: Divisor,
        x: Slot,
        y: Slot,
    },
    GlobalAvgPool {
        plane: usize,
        x: Slot,
        y: Slot,
    },
    LocalResponse {
        response: Response,
        x: Slot,
        y: Slot,
    },
    Subsample {
        input: Pair,
        output: Pair,
        stride: Pair,
        x: Slot,
        y: Slot,
    },
    /// Zeros.
    Clear {
        to: Slot,
    },
    /// A run of numbers from one slot to another: concatenation, zero channels and their gradients.
    Move {
        from: Slot,
        from_start: usize,
        to: Slot,
        to_start: usize,
        len: usize,
        add: bool,
    },
    /// Softmax cross-entropy into the metrics, and its gradient.
    Loss {
        logits: Slot,
        gradient: Option<Slot>,
        smoothing: f32,
    },
    /// g ← g·f′(y)
    ActivateBackward {
        kind: Activation,
        y: Slot,
        g: Slot,
    },
    /// Sums over plane and images of dy, a channel.
    BiasGradient {
        plane: usize,
        dy: Slot,
        partial: Slot,
    },
    ConvWeightGradient {
        layer: Layer,
        x: Slot,
        dy: Slot,
        partial: Slot,
    },
    ConvDataGradient {
        layer: Layer,
        dy: Slot,
        dx: Slot,
        add: bool,
    },
    LinearDataGradient {
        layer: Layer,
        dy: Slot,
        dx: Slot,
        add: bool,
    },
    /// Batch norm's two sums; masks g in place by `output` where there is one.
    NormReduce {
        layer: Layer,
        x: Slot,
        g: Slot,
        relu: bool,
        output: Option<Slot>,
        partial: Slot,
    },
    /// Batch norm's input gradient, in place or into another slot.
    NormInputGradient {
        layer: Layer,
        x: Slot,
        g: Slot,
        relu: bool,
        dx: Slot,
    },
    MaxPoolBackward {
        window: Window,
        x: Slot,
        y: Slot,
        dy: Slot,
        dx: Slot,
        add: bool,
    },
    AvgPoolBackward {
        window: Window,
        divisor: Divisor,
        dy: Slot,
        dx: Slot,
        add: bool,
    },
    GlobalAvgPoolBackward {
        plane: usize,
        dy: Slot,
        dx: Slot,
        add: bool,
    },
    LocalResponseBackward {
        response: Response,
        x: Slot,
        dy: Slot,
        dx: Slot,
        add: bool,
    },
    SubsampleBackward {
        input: Pair,
        output: Pair,
        stride: Pair,
        dy: Slot,
        dx: Slot,
        add: bool,
    },
}

/// What is done with all blocks at hand. Sums over blocks go in the order of the blocks.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)]
pub enum JointStep {
    /// Batch statistics, what normalises by them, and the running statistics.
    NormStatistics { layer: Layer, partial: Slot },
    /// Gradients of scale and shift, and what the input gradient needs.
    NormGradient { layer: Layer, partial: Slot, add_scale: bool, add_shift: bool },
    /// A parameter's gradient from each block's share.
    SumGradient { parameter: usize, partial: Slot, add: bool },
    /// dW = dyᵀ·x over the batch.
    LinearWeightGradient { layer: Layer, x: Slot, dy: Slot, add: bool },
}

impl Step {
    /// The slots it touches.
    pub fn slots(&self) -> Vec<Slot> {
        match &self.kind {
            Kind::Block(step) => step.slots(),
            Kind::Joint(step) => step.slots(),
        }
    }

    /// What it is called in a table.
    pub fn label(&self) -> &'static str {
        match &self.kind {
            Kind::Block(step) => step.label(),
            Kind::Joint(step) => step.label(),
        }
    }

    /// Replaces a slot by another.
    pub fn rename(&mut self, from: Slot, to: Slot) {
        let each = |slot: &mut Slot| {
            if *slot == from {
                *slot = to;
            }
        };
        match &mut self.kind {
            Kind::Block(step) => step.visit(each),
            Kind::Joint(step) => step.visit(each),
        }
    }
}

impl JointStep {
    fn visit(&mut self, mut each: impl FnMut(&mut Slot)) {
        match self {
            JointStep::NormStatistics { partial, .. }
            | JointStep::NormGradient { partial, .. }
            | JointStep::SumGradient { partial, .. } => each(partial),
            JointStep::LinearWeightGradient { x, dy, .. } => [x, dy].into_iter().for_each(each),
        }
    }

    fn slots(&self) -> Vec<Slot> {
        let mut slots = Vec::new();
        self.clone().visit(|slot| slots.push(*slot));
        slots
    }

    fn label(&self) -> &'static str {
        match self {
            JointStep::NormStatistics { .. } => "norm statistics, all blocks",
            JointStep::NormGradient { .. } => "norm gradient, all blocks",
            JointStep::SumGradient { .. } => "sum of gradients",
            JointStep::LinearWeightGradient { .. } => "linear weight gradient",
        }
    }
}

impl BlockStep {
    fn visit(&mut self, mut each: impl FnMut(&mut Slot)) {
        use BlockStep as B;
        match self {
            B::Pack { to } | B::Clear { to } => each(to),
            B::Conv { x, residual, y, .. } => [x, y].into_iter().chain(residual).for_each(each),
            B::Linear { x, y, .. }
            | B::Activate { x, y, .. }
            | B::Dropout { x, y, .. }
            | B::MaxPool { x, y, .. }
            | B::AvgPool { x, y, .. }
            | B::GlobalAvgPool { x, y, .. }
            | B::LocalResponse { x, y, .. }
            | B::Subsample { x, y, .. } => [x, y].into_iter().for_each(each),
            B::NormStatistics { x, partial, .. } => [x, partial].into_iter().for_each(each),
            B::NormApply { x, addend, y, .. } => [x, y].into_iter().chain(addend).for_each(each),
            B::Sum { inputs, y, .. } => {
                each(y);
                inputs.iter_mut().for_each(each);
            }
            B::Move { from, to, .. } => [from, to].into_iter().for_each(each),
            B::Loss { logits, gradient, .. } => {
                each(logits);
                gradient.iter_mut().for_each(each);
            }
            B::ActivateBackward { y, g, .. } => [y, g].into_iter().for_each(each),
            B::BiasGradient { dy, partial, .. } => [dy, partial].into_iter().for_each(each),
            B::ConvWeightGradient { x, dy, partial, .. } => [x, dy, partial].into_iter().for_each(each),
            B::ConvDataGradient { dy, dx, .. }
            | B::LinearDataGradient { dy, dx, .. }
            | B::AvgPoolBackward { dy, dx, .. }
            | B::GlobalAvgPoolBackward { dy, dx, .. }
            | B::SubsampleBackward { dy, dx, .. } => [dy, dx].into_iter().for_each(each),
            B::NormReduce { x, g, output, partial, .. } => [x, g, partial].into_iter().chain(output).for_each(each),
            B::NormInputGradient { x, g, dx, .. } => [x, g, dx].into_iter().for_each(each),
            B::MaxPoolBackward { x, y, dy, dx, .. } => [x, y, dy, dx].into_iter().for_each(each),
            B::LocalResponseBackward { x, dy, dx, .. } => [x, dy, dx].into_iter().for_each(each),
        }
    }

    fn slots(&self) -> Vec<Slot> {
        let mut slots = Vec::new();
        self.clone().visit(|slot| slots.push(*slot));
        slots
    }

    /// For a step that can work in place: what it reads there, and where it writes.
    pub fn in_place(&self) -> Option<(Slot, Slot)> {
        match self {
            BlockStep::Activate { x, y, .. } | BlockStep::Dropout { x, y, .. } => Some((*x, *y)),
            BlockStep::Sum { inputs, y, .. } => {
                let (first, rest) = inputs.split_first()?;
                (!rest.contains(first)).then_some((*first, *y))
            }
            _ => None,
        }
    }

    fn label(&self) -> &'static str {
        use BlockStep as B;
        match self {
            B::Pack { .. } => "pack images",
            B::Conv { residual: None, relu: false, .. } => "conv",
            B::Conv { residual: None, relu: true, .. } => "conv + relu",
            B::Conv { residual: Some(_), relu: false, .. } => "conv + add",
            B::Conv { residual: Some(_), relu: true, .. } => "conv + add + relu",
            B::Linear { relu: false, .. } => "linear",
            B::Linear { relu: true, .. } => "linear + relu",
            B::NormStatistics { .. } => "norm statistics",
            B::NormApply { addend: None, relu: false, .. } => "norm",
            B::NormApply { addend: None, relu: true, .. } => "norm + relu",
            B::NormApply { addend: Some(_), relu: false, .. } => "norm + add",
            B::NormApply { addend: Some(_), relu: true, .. } => "norm + add + relu",
            B::Activate { kind: Activation::Relu, .. } => "relu",
            B::Activate { kind: Activation::Tanh, .. } => "tanh",
            B::Activate { kind: Activation::Sigmoid, .. } => "sigmoid",
            B::Sum { relu: false, .. } => "add",
            B::Sum { relu: true, .. } => "add + relu",
            B::Dropout { .. } => "dropout",
            B::MaxPool { .. } => "max pool",
            B::AvgPool { .. } => "average pool",
            B::GlobalAvgPool { .. } => "global average pool",
            B::LocalResponse { .. } => "local response norm",
            B::Subsample { .. } => "subsample",
            B::Clear { .. } => "clear",
            B::Move { .. } => "move",
            B::Loss { .. } => "loss",
            B::ActivateBackward { .. } => "nonlinearity gradient",
            B::BiasGradient { .. } => "bias gradient",
            B::ConvWeightGradient { .. } => "conv weight gradient",
            B::ConvDataGradient { .. } => "conv data gradient",
            B::LinearDataGradient { .. } => "linear data gradient",
            B::NormReduce { .. } => "norm sums",
            B::NormInputGradient { .. } => "norm data gradient",
            B::MaxPoolBackward { .. } => "max pool gradient",
            B::AvgPoolBackward { .. } => "average pool gradient",
            B::GlobalAvgPoolBackward { .. } => "global average pool gradient",
            B::LocalResponseBackward { .. } => "local response norm gradient",
            B::SubsampleBackward { .. } => "subsample gradient",
        }
    }
}

/// Numbers that a value of one image takes in a block's memory.
pub fn block_len(elements: usize) -> usize {
    elements * LANES
}
