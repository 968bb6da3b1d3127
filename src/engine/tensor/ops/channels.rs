//! One number a channel: spread over the channel, and the mean of it. On the CPU both are products with ones, which is
//! many times faster there than a broadcast or a strided reduction, and sums in blocks instead of one long chain.

use crate::engine::tensor::device::{KernelStyle, Recording, TensorDevice};
use crate::engine::tensor::ops::groups::Groups;
use crate::engine::tensor::value::Matrix;
use dfdx::prelude::*;
use std::collections::HashMap;

/// Rows of ones, by length, and what they are for; and the groups of a batch.
#[derive(Debug)]
pub(in crate::engine::tensor) struct Ones<D: TensorDevice> {
    device: D,
    pub style: KernelStyle,
    rows: HashMap<usize, Matrix<D>>,
    /// By the pixels of a map, for the batch that is worked on.
    groups: HashMap<usize, Groups<D>>,
}

impl<D: TensorDevice> Ones<D> {
    /// None yet.
    pub fn new(device: D, style: KernelStyle) -> Self {
        Self { device, style, rows: HashMap::new(), groups: HashMap::new() }
    }

    /// 1 × `length`.
    pub fn row(&mut self, length: usize) -> Result<Matrix<D>, D::Err> {
        if let Some(row) = self.rows.get(&length) {
            return Ok(row.clone());
        }
        let row: Matrix<D> = self.device.try_ones_like(&(1, length))?;
        self.rows.insert(length, row.clone());
        Ok(row)
    }

    /// `length` × 1.
    pub fn column(&mut self, length: usize) -> Result<Matrix<D>, D::Err> {
        self.row(length)?.try_reshape_like(&(length, 1))
    }

    /// The groups of `images` images each on maps of `plane` pixels.
    pub fn groups(&mut self, images: &[usize], plane: usize) -> Result<Groups<D>, D::Err> {
        if let Some(groups) = self.groups.get(&plane).filter(|groups| groups.images == images) {
            return Ok(groups.clone());
        }
        let groups = Groups::new(&self.device, images, plane)?;
        self.groups.insert(plane, groups.clone());
        Ok(groups)
    }

    /// Forgets what other batch sizes needed.
    pub fn clear(&mut self) {
        self.rows.clear();
        self.groups.clear();
    }
}

/// C × 1 to C × `length`. It may be a view with strides of 0: good for arithmetic with a whole matrix, and for nothing
/// else.
pub(in crate::engine::tensor) fn spread<D: TensorDevice, T: Recording<D>>(
    ones: &mut Ones<D>,
    x: Matrix<D, T>,
    length: usize,
) -> Result<Matrix<D, T>, D::Err> {
    match ones.style {
        KernelStyle::Gemm => x.try_matmul(ones.row(length)?),
        KernelStyle::FewLaunches => {
            let (channels, _) = *x.shape();
            x.try_reshape_like(&(channels,))?.try_broadcast_like::<_, Axis<1>>(&(channels, length))
        }
    }
}

/// The mean of each channel of (C·plane) × batch, as C × 1: first over the batch, then over the plane.
pub(in crate::engine::tensor) fn channel_means<D: TensorDevice, T: Recording<D>>(
    ones: &mut Ones<D>,
    x: Matrix<D, T>,
    channels: usize,
) -> Result<Matrix<D, T>, D::Err> {
    let (rows, batch) = *x.shape();
    let plane = rows / channels.max(1);
    let sums = match ones.style {
        KernelStyle::Gemm => {
            let over_batch = x.try_matmul(ones.column(batch)?)?;
            over_batch.try_reshape_like(&(channels, plane))?.try_matmul(ones.column(plane)?)?
        }
        KernelStyle::FewLaunches => {
            let sums = x.try_reshape_like(&(channels, plane * batch))?.try_sum::<(usize,), Axis<1>>()?;
            sums.try_reshape_like(&(channels, 1))?
        }
    };
    sums.try_div((plane * batch) as f32)
}

/// Adds one number to each channel of (C·plane) × batch.
pub(in crate::engine::tensor) fn add_bias<D: TensorDevice, T: Recording<D>>(
    ones: &mut Ones<D>,
    x: Matrix<D, T>,
    bias: &Matrix<D>,
) -> Result<Matrix<D, T>, D::Err> {
    let shape = *x.shape();
    let (channels, _) = *bias.shape();
    let length = shape.0 / channels.max(1) * shape.1;
    let (x, tape) = x.try_reshape_like(&(channels, length))?.split_tape();
    let bias = spread(ones, bias.clone().put_tape(tape), length)?;
    bias.try_add(x)?.try_reshape_like(&shape)
}
