//! Pools on one block of 16 images.

use super::LANES;
use super::multiversion::multiversion;
use super::pointwise::Lanes;
use crate::graph::dims::{Padding, Pair};
use crate::lower::program::Divisor;

/// A window sliding over planes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Number of planes.
    pub channels: usize,
    /// Height × width of an input plane.
    pub input: Pair,
    /// Height × width of an output plane.
    pub output: Pair,
    /// Size.
    pub kernel: Pair,
    /// Step.
    pub stride: Pair,
    /// Border.
    pub padding: Padding,
}

impl Window {
    /// The input rows that output row `y` sees.
    #[inline(always)]
    fn rows(&self, y: usize) -> std::ops::Range<usize> {
        clip(y * self.stride.height, self.padding.top, self.kernel.height, self.input.height)
    }

    /// The input columns that output column `x` sees.
    #[inline(always)]
    fn columns(&self, x: usize) -> std::ops::Range<usize> {
        clip(x * self.stride.width, self.padding.left, self.kernel.width, self.input.width)
    }

    /// 1 / what an average at (y, x) divides by; 0 where the window lies outside.
    #[inline(always)]
    fn share(&self, y: usize, x: usize, divisor: Divisor) -> f32 {
        let (rows, columns) = match divisor {
            Divisor::ImageOnly => (self.rows(y).len(), self.columns(x).len()),
            Divisor::PaddedWindow => {
                let Padding { top, bottom, left, right } = self.padding;
                (
                    clip(y * self.stride.height, 0, self.kernel.height, self.input.height + top + bottom).len(),
                    clip(x * self.stride.width, 0, self.kernel.width, self.input.width + left + right).len(),
                )
            }
        };
        if rows * columns == 0 { 0.0 } else { 1.0 / (rows * columns) as f32 }
    }
}

#[inline(always)]
fn clip(start: usize, padding: usize, kernel: usize, size: usize) -> std::ops::Range<usize> {
    let end = (start + kernel).saturating_sub(padding).min(size);
    start.saturating_sub(padding).min(end)..end
}

/// Planes of a block as vectors of lanes.
#[inline(always)]
fn planes(x: &[f32], plane: Pair) -> impl Iterator<Item = &[Lanes]> {
    x.as_chunks::<LANES>().0.chunks_exact(plane.area())
}

#[inline(always)]
fn planes_mut(x: &mut [f32], plane: Pair) -> impl Iterator<Item = &mut [Lanes]> {
    x.as_chunks_mut::<LANES>().0.chunks_exact_mut(plane.area())
}

multiversion! {
    /// y ← maximum of each window; NaN wins, as in PyTorch.
    pub fn max_pool(window: &Window, x: &[f32], y: &mut [f32]) {
        for (x, y) in planes(x, window.input).zip(planes_mut(y, window.output)) {
            for (row, y) in y.chunks_exact_mut(window.output.width).enumerate() {
                for (column, y) in y.iter_mut().enumerate() {
                    let mut best = [f32::NEG_INFINITY; LANES];
                    let columns = window.columns(column);
                    for i in window.rows(row) {
                        for taps in &x[i * window.input.width..][columns.clone()] {
                            for lane in 0..LANES {
                                let better = (taps[lane] > best[lane]) | taps[lane].is_nan();
                                best[lane] = if better { taps[lane] } else { best[lane] };
                            }
                        }
                    }
                    *y = best;
                }
            }
        }
    }

    /// dx += the gradient of each window at its first maximum in row order. dx is cleared first unless `add`.
    pub fn max_pool_backward(window: &Window, x: &[f32], y: &[f32], dy: &[f32], add: bool, dx: &mut [f32]) {
        if !add {
            dx.fill(0.0);
        }
        let inputs = planes(x, window.input).zip(planes(y, window.output)).zip(planes(dy, window.output));
        for (((x, y), dy), dx) in inputs.zip(planes_mut(dx, window.input)) {
            let width = window.output.width;
            for (row, (y, dy)) in y.chunks_exact(width).zip(dy.chunks_exact(width)).enumerate() {
                for (column, (y, dy)) in y.iter().zip(dy).enumerate() {
                    // What is still to be given away: 0 once a maximum was met.
                    let mut left = *dy;
                    let columns = window.columns(column);
                    for i in window.rows(row) {
                        let taps = &x[i * window.input.width..][columns.clone()];
                        let gradients = &mut dx[i * window.input.width..][columns.clone()];
                        for (x, dx) in taps.iter().zip(gradients) {
                            for lane in 0..LANES {
                                let here = (x[lane] == y[lane]) | x[lane].is_nan();
                                dx[lane] += if here { left[lane] } else { 0.0 };
                                left[lane] = if here { 0.0 } else { left[lane] };
                            }
                        }
                    }
                }
            }
        }
    }

    /// y ← mean of each window.
    pub fn avg_pool(window: &Window, divisor: Divisor, x: &[f32], y: &mut [f32]) {
        for (x, y) in planes(x, window.input).zip(planes_mut(y, window.output)) {
            for (row, y) in y.chunks_exact_mut(window.output.width).enumerate() {
                for (column, y) in y.iter_mut().enumerate() {
                    let mut sum = [0.0f32; LANES];
                    let columns = window.columns(column);
                    for i in window.rows(row) {
                        for taps in &x[i * window.input.width..][columns.clone()] {
                            for lane in 0..LANES {
                                sum[lane] += taps[lane];
                            }
                        }
                    }
                    let share = window.share(row, column, divisor);
                    *y = sum.map(|sum| sum * share);
                }
            }
        }
    }

    /// dx += the gradient's share of each pixel of each window. dx is cleared first unless `add`.
    pub fn avg_pool_backward(window: &Window, divisor: Divisor, dy: &[f32], add: bool, dx: &mut [f32]) {
        if !add {
            dx.fill(0.0);
        }
        for (dy, dx) in planes(dy, window.output).zip(planes_mut(dx, window.input)) {
            for (row, dy) in dy.chunks_exact(window.output.width).enumerate() {
                for (column, dy) in dy.iter().enumerate() {
                    let share = window.share(row, column, divisor);
                    let part = dy.map(|dy| dy * share);
                    let columns = window.columns(column);
                    for i in window.rows(row) {
                        for dx in &mut dx[i * window.input.width..][columns.clone()] {
                            for lane in 0..LANES {
                                dx[lane] += part[lane];
                            }
                        }
                    }
                }
            }
        }
    }

    /// y ← mean of each plane.
    pub fn global_avg_pool(plane: usize, x: &[f32], y: &mut [f32]) {
        let share = 1.0 / plane as f32;
        let x = x.as_chunks::<LANES>().0.chunks_exact(plane);
        for (x, y) in x.zip(y.as_chunks_mut::<LANES>().0) {
            let mut sum = [0.0f32; LANES];
            for run in x.chunks(64) {
                let mut part = [0.0f32; LANES];
                for x in run {
                    for lane in 0..LANES {
                        part[lane] += x[lane];
                    }
                }
                for lane in 0..LANES {
                    sum[lane] += part[lane];
                }
            }
            *y = sum.map(|sum| sum * share);
        }
    }

    /// dx ← (or +=, with `add`) the gradient of each plane's mean.
    pub fn global_avg_pool_backward(plane: usize, dy: &[f32], add: bool, dx: &mut [f32]) {
        let share = 1.0 / plane as f32;
        let dx = dx.as_chunks_mut::<LANES>().0.chunks_exact_mut(plane);
        for (dx, dy) in dx.zip(dy.as_chunks::<LANES>().0) {
            let part = dy.map(|dy| dy * share);
            for dx in dx {
                for lane in 0..LANES {
                    dx[lane] = if add { dx[lane] + part[lane] } else { part[lane] };
                }
            }
        }
    }
}
