//! Pooling.

use super::channels::Ones;
use super::place::{Placement, spread_rows};
use crate::engine::tensor::device::{Recording, TensorDevice};
use crate::engine::tensor::value::{Matrix, Rows, upload, upload_rows};
use crate::engine::tensor::window::Windows;
use crate::graph::layer::Divisor;
use dfdx::prelude::*;

/// A max pool, ready to run: one choice of rows a tap.
#[derive(Debug)]
pub(in crate::engine::tensor) struct MaxPool<D: TensorDevice> {
    taps: Vec<Rows<D>>,
}

impl<D: TensorDevice> MaxPool<D> {
    /// `maxima` as [`Windows::maxima`] gives them.
    pub fn new(device: &D, maxima: Vec<Vec<usize>>) -> Result<Self, D::Err> {
        let taps = maxima.into_iter().map(|rows| upload_rows(device, rows)).collect::<Result<_, _>>()?;
        Ok(Self { taps })
    }

    /// A later tap wins only when it is greater, so the first of equals does, and it alone gets the gradient
    /// (dfdx's own maximum gives it to all of them).
    pub fn forward<T: Recording<D>>(&self, x: Matrix<D, T>) -> Result<Matrix<D, T>, D::Err> {
        let mut taps = self.taps.iter();
        let Some(first) = taps.next() else { return Ok(x) };
        let (x, tape) = x.split_tape();
        let mut best: Matrix<D, T> = x.clone().put_tape(tape).try_gather(first.clone())?;
        for tap in taps {
            let (so_far, tape) = best.split_tape();
            let candidate: Matrix<D, T> = x.clone().put_tape(tape).try_gather(tap.clone())?;
            let (candidate, tape) = candidate.split_tape();
            let greater = candidate.gt(&so_far);
            best = greater.try_choose(candidate.put_tape(tape), so_far)?;
        }
        Ok(best)
    }
}

/// An average pool, ready to run.
#[derive(Debug)]
pub(in crate::engine::tensor) struct AvgPool<D: TensorDevice> {
    extended: Option<Placement<D>>,
    rows: Rows<D>,
    taps: usize,
    divisor: Divisors<D>,
}

#[derive(Debug)]
enum Divisors<D: TensorDevice> {
    Same(f32),
    /// C·windows × 1.
    EachWindow(Matrix<D>),
}

impl<D: TensorDevice> AvgPool<D> {
    /// `None` when a window would be divided by nothing.
    pub fn new(device: &D, windows: &Windows, divisor: Divisor) -> Result<Option<Self>, D::Err> {
        let counts = match divisor {
            Divisor::PaddedWindow => windows.inside_padded(),
            Divisor::ImageOnly => windows.inside(),
        };
        let Some(&first) = counts.first().filter(|_| !counts.contains(&0)) else { return Ok(None) };
        let divisor = if counts.iter().all(|&count| count == first) {
            Divisors::Same(first as f32)
        } else {
            let channels = windows.input.channels();
            let all = (0..channels).flat_map(|_| counts.iter().map(|&count| count as f32)).collect();
            Divisors::EachWindow(upload(device, all, channels * counts.len(), 1)?)
        };
        let rows = windows.input.elements();
        let extended = windows.touches_padding().then(|| Placement::with_zero_row(device, rows)).transpose()?;
        let rows = upload_rows(device, windows.taps_first(rows))?;
        Ok(Some(Self { extended, rows, taps: windows.taps(), divisor }))
    }

    /// The taps are summed by a product with ones.
    pub fn forward<T: Recording<D>>(&self, ones: &mut Ones<D>, x: Matrix<D, T>) -> Result<Matrix<D, T>, D::Err> {
        let x = match &self.extended {
            Some(extended) => extended.apply(x)?,
            None => x,
        };
        let taps: Matrix<D, T> = x.try_gather(self.rows.clone())?;
        let (rows, batch) = *taps.shape();
        let shape = (rows / self.taps, batch);
        let (taps, tape) = taps.try_reshape_like(&(self.taps, shape.0 * batch))?.split_tape();
        let sums = ones.row(self.taps)?.put_tape(tape).try_matmul(taps)?.try_reshape_like(&shape)?;
        match &self.divisor {
            Divisors::Same(divisor) => sums.try_div(*divisor),
            Divisors::EachWindow(divisors) => sums.try_div(spread_rows(divisors, &shape)?),
        }
    }
}

/// The mean of each channel of each image: (C·plane) × batch to C × batch.
pub(in crate::engine::tensor) fn global_avg_pool<D: TensorDevice, T: Recording<D>>(
    x: Matrix<D, T>,
    channels: usize,
) -> Result<Matrix<D, T>, D::Err> {
    let (rows, batch) = *x.shape();
    let plane = rows / channels.max(1);
    let x = x.try_reshape_like(&(channels, plane, batch))?;
    x.try_sum::<(usize, usize), Axis<1>>()?.try_div(plane as f32)
}
