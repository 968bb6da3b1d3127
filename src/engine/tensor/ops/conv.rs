//! Convolution as one product: the patches of the whole batch side by side, times the weights. The choice of rows
//! that makes the patches holds stride, padding and dilation. Chellapilla, Puri & Simard, "High performance convolutional
//! neural networks for document processing", 2006.

use super::channels::{Ones, add_bias};
use super::place::Placement;
use crate::engine::tensor::device::{Recording, TensorDevice};
use crate::engine::tensor::value::{Matrix, Rows, upload_rows};
use crate::engine::tensor::window::Windows;
use dfdx::prelude::*;

/// A convolution, ready to run.
#[derive(Debug)]
pub(in crate::engine::tensor) struct Convolution<D: TensorDevice> {
    /// A row of zeros for the padding to read, where there is padding.
    extended: Option<Placement<D>>,
    /// The patches; `None` where each pixel is its own patch.
    patches: Option<Rows<D>>,
    groups: usize,
    out_channels: usize,
    /// (I/groups)·H·W of the weight.
    depth: usize,
    windows: usize,
}

impl<D: TensorDevice> Convolution<D> {
    /// Works out the rows. `groups` divides both channel numbers.
    pub fn new(device: &D, windows: &Windows, out_channels: usize, groups: usize) -> Result<Self, D::Err> {
        let rows = windows.input.elements();
        let extended = windows.touches_padding().then(|| Placement::with_zero_row(device, rows)).transpose()?;
        let patches = (!windows.is_identity()).then(|| upload_rows(device, windows.patches(rows))).transpose()?;
        let depth = windows.input.channels() / groups * windows.taps();
        Ok(Self { extended, patches, groups, out_channels, depth, windows: windows.windows() })
    }

    /// `weight` is O × depth, `bias` O × 1. With `constant_input` nothing asks for the input's gradient, and the
    /// costly way back to it is left out.
    pub fn forward<T: Recording<D>>(
        &self,
        ones: &mut Ones<D>,
        x: Matrix<D, T>,
        weight: &Matrix<D>,
        bias: Option<&Matrix<D>>,
        constant_input: bool,
    ) -> Result<Matrix<D, T>, D::Err> {
        let (_, batch) = *x.shape();
        let (x, tape) = x.split_tape();
        let (patches, tape) =
            if constant_input { (self.patches(x)?, tape) } else { self.patches(x.put_tape(tape))?.split_tape() };
        let columns = self.windows * batch;
        let weight = weight.clone().put_tape(tape);
        let y = if self.groups == 1 {
            weight.try_matmul(patches.try_reshape_like(&(self.depth, columns))?)?
        } else {
            let weight = weight.try_reshape_like(&(self.groups, self.out_channels / self.groups, self.depth))?;
            let patches = patches.try_reshape_like(&(self.groups, self.depth, columns))?;
            weight.try_matmul(patches)?.try_reshape_like(&(self.out_channels, columns))?
        };
        let y = y.try_reshape_like(&(self.out_channels * self.windows, batch))?;
        match bias {
            Some(bias) => add_bias(ones, y, bias),
            None => Ok(y),
        }
    }

    fn patches<T: Recording<D>>(&self, x: Matrix<D, T>) -> Result<Matrix<D, T>, D::Err> {
        let x = match &self.extended {
            Some(extended) => extended.apply(x)?,
            None => x,
        };
        match &self.patches {
            Some(rows) => x.try_gather(rows.clone()),
            None => Ok(x),
        }
    }
}
