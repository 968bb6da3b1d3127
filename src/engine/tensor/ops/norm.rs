//! Batch norm (Ioffe & Szegedy 2015) and local response norm (Krizhevsky, Sutskever & Hinton 2012).

use super::channels::{Ones, channel_means, spread};
use super::groups::Groups;
use crate::engine::tensor::device::{KernelStyle, Recording, TensorDevice};
use crate::engine::tensor::value::{Matrix, upload};
use dfdx::prelude::*;

/// Mean and biased variance of each group of a batch, C × groups, off the tape.
#[derive(Debug)]
pub(in crate::engine::tensor) struct Moments<D: TensorDevice> {
    pub mean: Matrix<D>,
    pub variance: Matrix<D>,
    /// Images of each group; one entry where all of the batch is normalised together.
    pub images: Vec<usize>,
    /// Numbers a channel of one image.
    pub plane: usize,
}

/// An output with its tape, and the moments it was normalised with.
type Normalised<D, T> = (Matrix<D, T>, Moments<D>);

/// (x − mean)·scale/√(variance + epsilon) + shift with the moments of each group of the batch, which come back too.
/// `images` has those of each group.
pub(in crate::engine::tensor) fn batch_norm<D: TensorDevice, T: Recording<D>>(
    ones: &mut Ones<D>,
    x: Matrix<D, T>,
    scale: &Matrix<D>,
    shift: &Matrix<D>,
    epsilon: f32,
    images: Vec<usize>,
) -> Result<Normalised<D, T>, D::Err> {
    let shape = *x.shape();
    let (channels, _) = *scale.shape();
    let plane = shape.0 / channels.max(1);
    let count = plane * shape.1;
    let over = match images.len() {
        0 | 1 => Over::Batch,
        _ => Over::Groups(ones.groups(&images, plane)?),
    };

    let (x, tape) = x.split_tape();
    let mean = over.means(ones, x.clone().put_tape(tape), channels)?;
    let (mean, tape) = mean.split_tape();
    let (means, tape) = over.spread(ones, mean.clone().put_tape(tape), count)?.split_tape();
    let centred = x.try_reshape_like(&(channels, count))?.put_tape(tape).try_sub(means)?;
    let (centred, tape) = centred.split_tape();
    let squares = centred.clone().put_tape(tape).try_square()?.try_reshape_like(&shape)?;
    let (variance, tape) = over.means(ones, squares, channels)?.split_tape();

    let inverse = inverse_root(ones, variance.clone().put_tape(tape), epsilon)?;
    let factor = over.times(ones, inverse, scale)?;
    let (factor, tape) = over.spread(ones, factor, count)?.split_tape();
    let (scaled, tape) = centred.put_tape(tape).try_mul(factor)?.split_tape();
    let shifted = spread(ones, shift.clone().put_tape(tape), count)?.try_add(scaled)?;
    Ok((shifted.try_reshape_like(&shape)?, Moments { mean, variance, images, plane }))
}

/// What means are taken over.
enum Over<D: TensorDevice> {
    /// All images.
    Batch,
    /// Those of each group.
    Groups(Groups<D>),
}

impl<D: TensorDevice> Over<D> {
    /// The means of each channel of (C·plane) × batch: C × 1, or C × groups.
    fn means<T: Recording<D>>(
        &self,
        ones: &mut Ones<D>,
        x: Matrix<D, T>,
        channels: usize,
    ) -> Result<Matrix<D, T>, D::Err> {
        match self {
            Over::Batch => channel_means(ones, x, channels),
            Over::Groups(groups) => groups.means(x, channels),
        }
    }

    /// To each number of a channel what belongs to it. As with [`spread`], it may be a view.
    fn spread<T: Recording<D>>(
        &self,
        ones: &mut Ones<D>,
        x: Matrix<D, T>,
        count: usize,
    ) -> Result<Matrix<D, T>, D::Err> {
        match self {
            Over::Batch => spread(ones, x, count),
            Over::Groups(groups) => groups.spread(x),
        }
    }

    /// `x`, C × 1 or C × groups, times a number a channel.
    fn times<T: Recording<D>>(
        &self,
        ones: &mut Ones<D>,
        x: Matrix<D, T>,
        scale: &Matrix<D>,
    ) -> Result<Matrix<D, T>, D::Err> {
        match self {
            Over::Batch => x.try_mul(scale.clone()),
            Over::Groups(groups) => {
                let (x, tape) = x.split_tape();
                spread(ones, scale.clone().put_tape(tape), groups.images.len())?.try_mul(x)
            }
        }
    }
}

/// 1/√(variance + epsilon). As a power it is one launch less in each direction, and rounds less well.
fn inverse_root<D: TensorDevice, T: Recording<D>>(
    ones: &Ones<D>,
    variance: Matrix<D, T>,
    epsilon: f32,
) -> Result<Matrix<D, T>, D::Err> {
    let sum = variance.try_add(epsilon)?;
    match ones.style {
        KernelStyle::Gemm => sum.try_sqrt()?.try_recip(),
        KernelStyle::FewLaunches => sum.try_powf(-0.5),
    }
}

/// The same with moments that are given.
pub(in crate::engine::tensor) fn batch_norm_fixed<D: TensorDevice, T: Recording<D>>(
    ones: &mut Ones<D>,
    x: Matrix<D, T>,
    (scale, shift): (&Matrix<D>, &Matrix<D>),
    (mean, variance): (&Matrix<D>, &Matrix<D>),
    epsilon: f32,
) -> Result<Matrix<D, T>, D::Err> {
    let shape = *x.shape();
    let (channels, _) = *scale.shape();
    let count = shape.0 / channels.max(1) * shape.1;
    let means = spread(ones, mean.clone(), count)?;
    let (centred, tape) = x.try_reshape_like(&(channels, count))?.try_sub(means)?.split_tape();
    let inverse = inverse_root(ones, variance.clone(), epsilon)?;
    let (factor, tape) = spread(ones, inverse.put_tape(tape).try_mul(scale.clone())?, count)?.split_tape();
    let (scaled, tape) = centred.put_tape(tape).try_mul(factor)?.split_tape();
    spread(ones, shift.clone().put_tape(tape), count)?.try_add(scaled)?.try_reshape_like(&shape)
}

/// A local response norm, ready to run.
#[derive(Debug)]
pub(in crate::engine::tensor) struct ResponseNorm<D: TensorDevice> {
    /// C × C, 1 where two channels are neighbours: summing over neighbours is one product.
    neighbours: Matrix<D>,
    alpha: f32,
    beta: f32,
    k: f32,
}

impl<D: TensorDevice> ResponseNorm<D> {
    /// `size` is odd.
    pub fn new(device: &D, channels: usize, size: usize, alpha: f32, beta: f32, k: f32) -> Result<Self, D::Err> {
        let reach = size.saturating_sub(1) / 2;
        let near = |i: usize| f32::from(u8::from((i / channels).abs_diff(i % channels) <= reach));
        let neighbours = upload(device, (0..channels * channels).map(near).collect(), channels, channels)?;
        Ok(Self { neighbours, alpha, beta, k })
    }

    /// x / (k + alpha·Σ x²)^beta.
    pub fn forward<T: Recording<D>>(&self, x: Matrix<D, T>) -> Result<Matrix<D, T>, D::Err> {
        let shape = *x.shape();
        let (channels, _) = *self.neighbours.shape();
        let x = x.try_reshape_like(&(channels, shape.0 / channels.max(1) * shape.1))?;
        let (x, tape) = x.split_tape();
        let (squares, tape) = x.clone().put_tape(tape).try_square()?.split_tape();
        let sums = self.neighbours.clone().put_tape(tape).try_matmul(squares)?;
        let factor = sums.try_mul(self.alpha)?.try_add(self.k)?.try_powf(-self.beta)?;
        factor.try_mul(x)?.try_reshape_like(&shape)
    }
}
