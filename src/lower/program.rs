//! The contract between the compiler and the engines.
//!
//! A [`Program`] is a straight list of tensor operations in an order in which they can run. Nothing in it is a
//! default: shapes, padding, epsilons, decays and roundings are all written out, so that two engines given the
//! same `Program` have nothing left to choose. Batches are N×C×H×W `f32`, convolution weights O×(I/groups)×H×W,
//! linear weights O×I; every shape here leaves the batch out.

use crate::graph::dims::{Padding, Pair, Shape};
use crate::graph::layer::Divisor;
use serde::Serialize;

/// Index into [`Program::values`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct ValueId(pub usize);

/// Index into [`Program::parameters`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct ParameterId(pub usize);

/// Index into [`Program::statistics`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct StatisticId(pub usize);

/// A network, ready to run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Program {
    /// Name of the `net`.
    pub net: String,
    /// Every activation; `values[0]` is the batch of images. Each other value is the output of exactly one op.
    pub values: Vec<Value>,
    /// What the optimizer trains.
    pub parameters: Vec<Parameter>,
    /// Batch-norm running statistics: part of the model, but not trained.
    pub statistics: Vec<Statistic>,
    /// In an order in which every input is computed before it is read.
    pub ops: Vec<Op>,
    /// The class scores before softmax: a vector of [`Program::classes`].
    pub logits: ValueId,
    /// What training minimises.
    pub loss: Loss,
    /// Images that share the statistics of every batch norm in training, by their position in the batch; the last group of a
    /// batch may be smaller. `None`: the whole batch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub norm_group: Option<usize>,
}

/// An activation.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Value {
    /// Name of the layer that made it (`images` for the input).
    pub name: String,
    /// Shape of one image's share.
    pub shape: Shape,
}

/// A trained tensor.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Parameter {
    /// Stable name, such as `stage2.0.conv1.weight`.
    pub name: String,
    /// Dimensions: conv weight O×(I/groups)×H×W, linear weight O×I, the rest one dimension.
    pub dims: Vec<usize>,
    /// What it is, for parameter groups (decay except batch norm, …).
    pub role: Role,
    /// How it starts.
    pub init: Init,
}

impl Parameter {
    /// Number of elements.
    pub fn elements(&self) -> usize {
        self.dims.iter().product()
    }
}

/// What a parameter is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Weight of a convolution.
    ConvWeight,
    /// Weight of a linear layer.
    LinearWeight,
    /// Bias of a convolution or linear layer.
    Bias,
    /// Scale (gamma) of a batch norm.
    NormScale,
    /// Shift (beta) of a batch norm.
    NormShift,
}

/// Starting values, with the numbers worked out.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Init {
    /// Every element the same.
    Constant {
        /// The value.
        value: f32,
    },
    /// Normal with mean 0.
    Normal {
        /// Standard deviation.
        std: f32,
    },
    /// Uniform in [-bound, bound).
    Uniform {
        /// Half the width.
        bound: f32,
    },
    /// Normal with mean 0, drawn again wherever it lies beyond two deviations: its own standard deviation is 0.8796 of
    /// `deviation`.
    TruncatedNormal {
        /// Standard deviation before the tails are cut off.
        deviation: f32,
    },
}

impl Init {
    /// Standard deviation of what is drawn; 0 for a constant.
    pub fn std(self) -> f64 {
        match self {
            Init::Constant { .. } => 0.0,
            Init::Normal { std } => f64::from(std),
            Init::Uniform { bound } => f64::from(bound) / 3f64.sqrt(),
            Init::TruncatedNormal { deviation } => f64::from(deviation) * Init::TRUNCATION,
        }
    }

    /// Standard deviation of a standard normal cut off at ±2: √(1 − 4φ(2)/(2Φ(2) − 1)).
    pub const TRUNCATION: f64 = 0.879_625_661_034_239_8;
}

/// A running statistic of a batch norm, one number a channel.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Statistic {
    /// Stable name, such as `stage2.0.bn1.running_mean`.
    pub name: String,
    /// Number of channels.
    pub channels: usize,
    /// 0 for a mean, 1 for a variance.
    pub initial: f32,
}

/// One tensor operation.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Op {
    /// Name of the layer, such as `stage2.0.conv1`.
    pub name: String,
    /// What is computed.
    pub kind: OpKind,
    /// What it reads, in order.
    pub inputs: Vec<ValueId>,
    /// What it makes.
    pub output: ValueId,
}

/// How a batch norm's running variance is estimated from a batch of m values a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum VarianceEstimate {
    /// Sum of squares / (m − 1), as PyTorch and Caffe; with m = 1 the biased one, as there is no other.
    Unbiased,
    /// Sum of squares / m, as Keras 3 and burn.
    Biased,
}

/// The operations.
///
/// Window ops: output row `y` reads input rows `y·stride.height − padding.top + i·dilation.height`, columns likewise.
/// The output size is that of the output value: in ceil mode the last window may reach beyond the bottom and right
/// padding, where there is nothing to read.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub enum OpKind {
    /// Cross-correlation (what every framework calls convolution); padding reads zeros.
    Conv {
        /// O×(I/groups)×H×W.
        weight: ParameterId,
        /// One a channel.
        bias: Option<ParameterId>,
        /// Size of the window.
        kernel: Pair,
        /// Step between windows.
        stride: Pair,
        /// Zeros round the input.
        padding: Padding,
        /// Step between the taps of one window.
        dilation: Pair,
        /// Number of independent channel groups.
        groups: usize,
    },
    /// y = x·Wᵀ + b on vectors.
    Linear {
        /// O×I.
        weight: ParameterId,
        /// One an output.
        bias: Option<ParameterId>,
    },
    /// Ioffe & Szegedy 2015. In training y = scale·(x − mean)/√(variance + epsilon) + shift over the batch (and
    /// the plane, for maps), with the biased variance; the running statistics become
    /// decay·old + (1 − decay)·batch. In evaluation the running statistics take the batch's place.
    ///
    /// With [`Program::norm_group`] each group of images is a batch of its own in this. The running statistics still
    /// move once a step, so that `decay` remembers as many steps as without groups: towards the mean over the groups,
    /// weighted by their images, of the groups' means, and of their variances, each by `running_variance` over its own
    /// values. (TensorFlow's `virtual_batch_size` likewise takes the mean over its virtual batches.) How far the means
    /// of groups lie apart is not counted, as no image is normalised by it.
    BatchNorm {
        /// gamma
        scale: ParameterId,
        /// beta
        shift: ParameterId,
        /// Running mean.
        mean: StatisticId,
        /// Running variance.
        variance: StatisticId,
        /// Added to the variance.
        epsilon: f32,
        /// Weight of the old running value (PyTorch's 1 − momentum).
        decay: f32,
        /// Estimate that goes into the running variance.
        running_variance: VarianceEstimate,
    },
    /// max(x, 0); its gradient at 0 is 0.
    Relu,
    /// Hyperbolic tangent.
    Tanh,
    /// 1/(1 + e⁻ˣ).
    Sigmoid,
    /// Maximum of each window; padding never wins. The gradient goes to the first maximum in row order.
    MaxPool {
        /// Size of the window.
        kernel: Pair,
        /// Step between windows.
        stride: Pair,
        /// Excluded border.
        padding: Padding,
    },
    /// Mean of each window.
    AvgPool {
        /// Size of the window.
        kernel: Pair,
        /// Step between windows.
        stride: Pair,
        /// Zeros round the input.
        padding: Padding,
        /// What the sum is divided by.
        divisor: Divisor,
    },
    /// Mean over the plane: C×H×W to a vector of C.
    GlobalAvgPool,
    /// Across channels: y_c = x_c / (k + alpha·Σ x²)^beta, the sum over channels c − (size−1)/2 ..= c + (size−1)/2 that exist.
    LocalResponseNorm {
        /// Number of neighbouring channels, odd.
        size: usize,
        /// Factor of the sum itself (a Caffe or PyTorch alpha divided by `size`).
        alpha: f32,
        /// Exponent.
        beta: f32,
        /// Added to the sum.
        k: f32,
    },
    /// In training each element is 0 with probability `rate`, else x/(1 − rate); in evaluation nothing happens.
    /// Element `i` of image `n` (C×H×W order) is dropped when [`crate::random::dropped`] says so for the image's
    /// key, this `stream` and `i`.
    Dropout {
        /// Probability of a zero.
        rate: f32,
        /// Tells the dropouts of one network apart.
        stream: u64,
    },
    /// C×H×W to a vector, in that order.
    Flatten,
    /// Sum of two or more inputs of one shape.
    Add,
    /// Inputs side by side: maps along the channels, vectors end to end.
    Concat,
    /// Every stride-th pixel, from 0.
    Subsample {
        /// Step.
        stride: Pair,
    },
    /// Zero channels before and after.
    PadChannels {
        /// Zero channels before the first.
        before: usize,
        /// Zero channels after the last.
        after: usize,
    },
}

/// What training minimises, as a mean over the batch.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Loss {
    /// Cross-entropy of the softmax of the logits with the target: 1 − smoothing for the label, and smoothing / classes
    /// for every class besides, the label too (Szegedy et al. 2016, section 7; PyTorch's `label_smoothing`). Metrics are
    /// without smoothing, so that all losses that are read can be compared.
    SoftmaxCrossEntropy {
        /// Share of the target that is spread evenly, 0 ≤ smoothing < 1.
        smoothing: f32,
    },
}

impl Loss {
    /// Share of the target that is spread evenly over the classes.
    pub fn smoothing(self) -> f32 {
        match self {
            Loss::SoftmaxCrossEntropy { smoothing } => smoothing,
        }
    }
}

impl Program {
    /// Shape of one input image.
    pub fn input(&self) -> Shape {
        self.values.first().map_or(Shape::vector(0), |value| value.shape)
    }

    /// Number of classes.
    pub fn classes(&self) -> usize {
        self.shape(self.logits).elements()
    }

    /// Shape of a value, for one image.
    ///
    /// # Panics
    /// If the id belongs to another program.
    pub fn shape(&self, id: ValueId) -> Shape {
        self.values[id.0].shape
    }

    /// Images of each group of a batch that has statistics of its own in training, in order.
    pub fn norm_groups(&self, batch: usize) -> Vec<usize> {
        let group = self.norm_group.unwrap_or(batch).clamp(1, batch.max(1));
        (0..batch).step_by(group).map(|first| group.min(batch - first)).collect()
    }

    /// Number of trained numbers.
    pub fn parameter_count(&self) -> usize {
        self.parameters.iter().map(Parameter::elements).sum()
    }
}
