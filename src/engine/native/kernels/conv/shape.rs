//! The sizes of a convolution.

use crate::engine::native::kernels::LANES;
use crate::graph::dims::{Padding, Pair};

/// The sizes of a two-dimensional convolution of one image, checked to fit together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ConvShape {
    /// I
    pub in_channels: usize,
    /// O
    pub out_channels: usize,
    /// H×W of the input.
    pub input: Pair,
    /// Size of the window.
    pub kernel: Pair,
    /// Step between windows.
    pub stride: Pair,
    /// Zeros round the input.
    pub padding: Padding,
    /// Step between the taps of one window.
    pub dilation: Pair,
    /// Independent channel groups.
    pub groups: usize,
}

/// Sizes that make no convolution.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no convolution has these sizes: {0}")]
pub struct ConvShapeError(pub &'static str);

impl ConvShape {
    /// Checks that there is at least one channel, output pixel and tap, and that groups divide both channel counts.
    ///
    /// # Errors
    /// [`ConvShapeError`] naming what does not fit.
    pub fn validate(&self) -> Result<(), ConvShapeError> {
        let positive = [self.in_channels, self.out_channels, self.groups];
        let pairs = [self.input, self.kernel, self.stride, self.dilation];
        if positive.contains(&0) || pairs.iter().any(|pair| pair.area() == 0) {
            return Err(ConvShapeError("a size is zero"));
        }
        if !self.in_channels.is_multiple_of(self.groups) || !self.out_channels.is_multiple_of(self.groups) {
            return Err(ConvShapeError("the groups do not divide the channels"));
        }
        let window = self.window();
        if self.padded().height < window.height || self.padded().width < window.width {
            return Err(ConvShapeError("the window is larger than the padded input"));
        }
        Ok(())
    }

    /// Input with its padding.
    pub fn padded(&self) -> Pair {
        let p = self.padding;
        Pair::new(self.input.height + p.top + p.bottom, self.input.width + p.left + p.right)
    }

    /// Extent of the dilated window.
    pub fn window(&self) -> Pair {
        let extent = |kernel: usize, dilation: usize| (kernel - 1) * dilation + 1;
        Pair::new(extent(self.kernel.height, self.dilation.height), extent(self.kernel.width, self.dilation.width))
    }

    /// H×W of the output.
    pub fn output(&self) -> Pair {
        let (padded, window) = (self.padded(), self.window());
        Pair::new(
            (padded.height - window.height) / self.stride.height + 1,
            (padded.width - window.width) / self.stride.width + 1,
        )
    }

    /// Input channels of one group.
    pub fn group_inputs(&self) -> usize {
        self.in_channels / self.groups
    }

    /// Output channels of one group.
    pub fn group_outputs(&self) -> usize {
        self.out_channels / self.groups
    }

    /// Numbers in one block of input.
    pub fn input_len(&self) -> usize {
        self.in_channels * self.input.area() * LANES
    }

    /// Numbers in one block of output.
    pub fn output_len(&self) -> usize {
        self.out_channels * self.output().area() * LANES
    }

    /// Weights of one output channel, (I/groups)·kh·kw.
    pub fn filter_len(&self) -> usize {
        self.group_inputs() * self.kernel.area()
    }

    /// Numbers in the weight O×(I/groups)×kh×kw.
    pub fn weight_len(&self) -> usize {
        self.out_channels * self.filter_len()
    }

    /// Multiply-adds of one image by the definition, counting taps that fall on padding.
    #[cfg(any(test, feature = "bench"))]
    pub fn multiply_adds(&self) -> usize {
        self.weight_len() * self.output().area()
    }
}
