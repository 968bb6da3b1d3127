//! The layers of the graph, with their attributes as numbers.

use super::dims::{Padding, Pair, Shape};
use serde::Serialize;

/// Padding as it was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Pad {
    /// These many pixels.
    Explicit(Padding),
    /// TensorFlow's SAME: output = ⌈input / stride⌉, an odd pixel goes below and to the right.
    Same,
}

/// How a pool's output size is rounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Rounding {
    /// Windows that do not fit are left out (PyTorch's default).
    Floor,
    /// A last window may reach over the edge (Caffe's default).
    Ceil,
}

/// What an average pool divides by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Divisor {
    /// The part of the window inside the padded image (PyTorch's `count_include_pad=True`, Caffe).
    PaddedWindow,
    /// The part of the window inside the image itself (TensorFlow).
    ImageOnly,
}

/// What the alpha of a local response norm multiplies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Squares {
    /// The sum of the squares over `size`, whether or not so many channels exist (cuda-convnet, Caffe, PyTorch).
    Mean,
    /// The sum itself (Krizhevsky et al. 2012, TensorFlow).
    Sum,
}

/// A sliding window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Window {
    /// Its size.
    pub kernel: Pair,
    /// Its step.
    pub stride: Pair,
    /// The border round the input.
    pub pad: Pad,
    /// The step inside it.
    pub dilation: Pair,
    /// How the output size is rounded.
    pub rounding: Rounding,
}

/// Where `pad_channels` puts its zeros.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ZeroChannels {
    /// All after the last channel.
    End,
    /// Half before, half after (an odd one after).
    Split,
}

/// One layer.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "layer", rename_all = "snake_case")]
pub enum Layer {
    /// The images.
    Input {
        /// Of one image.
        shape: Shape,
    },
    /// Convolution.
    Conv {
        /// Output channels.
        out: usize,
        /// Its window.
        window: Window,
        /// Independent channel groups.
        groups: usize,
        /// Whether it has a bias.
        bias: bool,
    },
    /// Fully connected.
    Linear {
        /// Output features.
        out: usize,
        /// Whether it has a bias.
        bias: bool,
    },
    /// Batch norm; what is not given comes from the recipe.
    BatchNorm {
        /// Added to the variance.
        epsilon: Option<f64>,
        /// Weight of the old running value.
        decay: Option<f64>,
    },
    /// max(x, 0)
    Relu,
    /// Hyperbolic tangent.
    Tanh,
    /// Logistic function.
    Sigmoid,
    /// Maximum of windows.
    MaxPool {
        /// Its window.
        window: Window,
    },
    /// Mean of windows.
    AvgPool {
        /// Its window.
        window: Window,
        /// What the sum is divided by.
        divisor: Divisor,
    },
    /// Mean of the plane.
    GlobalAvgPool,
    /// Local response norm across channels (Krizhevsky et al. 2012, section 3.3).
    Lrn {
        /// Neighbouring channels, odd.
        size: usize,
        /// Factor of the squares.
        alpha: f64,
        /// Whether of their mean or of their sum.
        squares: Squares,
        /// Exponent.
        beta: f64,
        /// Added to the sum.
        k: f64,
    },
    /// Dropout.
    Dropout {
        /// Probability of a zero.
        rate: f64,
    },
    /// Map to vector.
    Flatten,
    /// Sum.
    Add,
    /// Side by side.
    Concat,
    /// Every stride-th pixel.
    Subsample {
        /// The step.
        stride: Pair,
    },
    /// Zero channels up to a width.
    PadChannels {
        /// Channels afterwards.
        to: usize,
        /// Where they go.
        place: ZeroChannels,
    },
}

impl Layer {
    /// Its name in the language.
    pub fn word(&self) -> &'static str {
        match self {
            Layer::Input { .. } => "input",
            Layer::Conv { .. } => "conv",
            Layer::Linear { .. } => "linear",
            Layer::BatchNorm { .. } => "bn",
            Layer::Relu => "relu",
            Layer::Tanh => "tanh",
            Layer::Sigmoid => "sigmoid",
            Layer::MaxPool { .. } => "max_pool",
            Layer::AvgPool { .. } => "avg_pool",
            Layer::GlobalAvgPool => "global_avg_pool",
            Layer::Lrn { .. } => "lrn",
            Layer::Dropout { .. } => "dropout",
            Layer::Flatten => "flatten",
            Layer::Add => "add",
            Layer::Concat => "concat",
            Layer::Subsample { .. } => "subsample",
            Layer::PadChannels { .. } => "pad_channels",
        }
    }

    /// The window of a convolution or pool.
    pub fn window(&self) -> Option<&Window> {
        match self {
            Layer::Conv { window, .. } | Layer::MaxPool { window } | Layer::AvgPool { window, .. } => Some(window),
            _ => None,
        }
    }
}
