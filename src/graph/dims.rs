//! Shapes, window sizes and padding: the plain numbers that every stage after the syntax speaks in.

use serde::Serialize;
use std::fmt;

/// The shape of one image's activations, without the batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(untagged)]
pub enum Shape {
    /// A feature map, channels × height × width.
    Map {
        /// C
        channels: usize,
        /// H
        height: usize,
        /// W
        width: usize,
    },
    /// A flat vector of features.
    Vector {
        /// F
        features: usize,
    },
}

impl Shape {
    /// A feature map C×H×W.
    pub fn map(channels: usize, height: usize, width: usize) -> Self {
        Shape::Map { channels, height, width }
    }

    /// A vector of `features`.
    pub fn vector(features: usize) -> Self {
        Shape::Vector { features }
    }

    /// Number of elements an image.
    pub fn elements(self) -> usize {
        match self {
            Shape::Map { channels, height, width } => channels * height * width,
            Shape::Vector { features } => features,
        }
    }

    /// Channels of a map, features of a vector: the axis that batch norm keeps.
    pub fn channels(self) -> usize {
        match self {
            Shape::Map { channels, .. } => channels,
            Shape::Vector { features } => features,
        }
    }

    /// Height × width of a map, 1 × 1 of a vector.
    pub fn plane(self) -> Pair {
        match self {
            Shape::Map { height, width, .. } => Pair { height, width },
            Shape::Vector { .. } => Pair::square(1),
        }
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Shape::Map { channels, height, width } => write!(f, "{channels}x{height}x{width}"),
            Shape::Vector { features } => write!(f, "{features}"),
        }
    }
}

/// A vertical and a horizontal extent: a kernel, a stride, a dilation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub struct Pair {
    /// Vertical extent.
    pub height: usize,
    /// Horizontal extent.
    pub width: usize,
}

impl Pair {
    /// Height and width.
    pub fn new(height: usize, width: usize) -> Self {
        Pair { height, width }
    }

    /// The same in both directions.
    pub fn square(side: usize) -> Self {
        Pair { height: side, width: side }
    }

    /// height · width.
    pub fn area(self) -> usize {
        self.height * self.width
    }

    /// The larger of the two.
    pub fn longest(self) -> usize {
        self.height.max(self.width)
    }
}

impl fmt::Display for Pair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.height, self.width)
    }
}

/// Explicit padding, in pixels, on each side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Default)]
pub struct Padding {
    /// Rows above.
    pub top: usize,
    /// Rows below.
    pub bottom: usize,
    /// Columns to the left.
    pub left: usize,
    /// Columns to the right.
    pub right: usize,
}

impl Padding {
    /// The same on all four sides.
    pub fn all(amount: usize) -> Self {
        Padding { top: amount, bottom: amount, left: amount, right: amount }
    }

    /// Top equals bottom and left equals right.
    pub fn is_symmetric(self) -> bool {
        self.top == self.bottom && self.left == self.right
    }

    /// No padding at all.
    pub fn is_zero(self) -> bool {
        self == Padding::default()
    }
}

impl fmt::Display for Padding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Padding { top, bottom, left, right } = *self;
        if top == bottom && top == left && top == right {
            write!(f, "{top}")
        } else {
            write!(f, "({top}, {bottom}, {left}, {right})")
        }
    }
}
