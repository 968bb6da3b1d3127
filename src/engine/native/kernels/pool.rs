//! Pools on one block of 16 images.

use super::LANES;
use super::isa::Isa;
use super::pointwise::Lanes;
use super::simd::{self, Simd, Task};
use crate::graph::dims::{Padding, Pair};
use crate::graph::layer::Divisor;

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

    /// Whether the windows tile the input: each pixel is seen once.
    fn tiles(&self) -> bool {
        let Pair { height, width } = self.output;
        self.stride == self.kernel
            && self.padding.is_zero()
            && self.input == Pair::new(height * self.kernel.height, width * self.kernel.width)
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

/// y ← maximum of each window; NaN wins, as in PyTorch.
pub fn max_pool(isa: Isa, window: &Window, x: &[f32], y: &mut [f32]) {
    simd::run(isa, MaxPool { window, x, y });
}

/// dx += the gradient of each window at its first maximum in row order. dx is written over unless `add`.
pub fn max_pool_backward(isa: Isa, window: &Window, x: &[f32], y: &[f32], dy: &[f32], add: bool, dx: &mut [f32]) {
    simd::run(isa, MaxPoolBackward { window, x, y, dy, add, dx });
}

/// y ← mean of each window.
pub fn avg_pool(isa: Isa, window: &Window, divisor: Divisor, x: &[f32], y: &mut [f32]) {
    simd::run(isa, AvgPool { window, divisor, x, y });
}

/// dx += the gradient's share of each pixel of each window. dx is written over unless `add`.
pub fn avg_pool_backward(isa: Isa, window: &Window, divisor: Divisor, dy: &[f32], add: bool, dx: &mut [f32]) {
    simd::run(isa, AvgPoolBackward { window, divisor, dy, add, dx });
}

/// y ← mean of each plane.
pub fn global_avg_pool(isa: Isa, plane: usize, x: &[f32], y: &mut [f32]) {
    simd::run(isa, GlobalAvgPool { plane, x, y });
}

/// dx ← (or +=, with `add`) the gradient of each plane's mean.
pub fn global_avg_pool_backward(isa: Isa, plane: usize, dy: &[f32], add: bool, dx: &mut [f32]) {
    simd::run(isa, GlobalAvgPoolBackward { plane, dy, add, dx });
}

struct MaxPool<'a> {
    window: &'a Window,
    x: &'a [f32],
    y: &'a mut [f32],
}

impl Task for MaxPool<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let window = self.window;
        for (x, y) in planes(self.x, window.input).zip(planes_mut(self.y, window.output)) {
            for (row, y) in y.chunks_exact_mut(window.output.width).enumerate() {
                for (column, y) in y.iter_mut().enumerate() {
                    let mut best = s.splat(f32::NEG_INFINITY);
                    let columns = window.columns(column);
                    for i in window.rows(row) {
                        for tap in &x[i * window.input.width..][columns.clone()] {
                            // The maximum is `tap` where that is NaN; a NaN that is there stays.
                            best = s.select_equal(best, best, s.max(best, s.read(tap)), best);
                        }
                    }
                    s.write(y, best);
                }
            }
        }
    }
}

struct MaxPoolBackward<'a> {
    window: &'a Window,
    x: &'a [f32],
    y: &'a [f32],
    dy: &'a [f32],
    add: bool,
    dx: &'a mut [f32],
}

impl Task for MaxPoolBackward<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let window = self.window;
        let over = !self.add && window.tiles();
        if !self.add && !over {
            self.dx.fill(0.0);
        }
        let outputs = planes(self.y, window.output).zip(planes(self.dy, window.output));
        let width = window.output.width;
        for ((x, (y, dy)), dx) in planes(self.x, window.input).zip(outputs).zip(planes_mut(self.dx, window.input)) {
            for (row, (y, dy)) in y.chunks_exact(width).zip(dy.chunks_exact(width)).enumerate() {
                for (column, (y, dy)) in y.iter().zip(dy).enumerate() {
                    // What is still to be given away: 0 once the maximum was met.
                    let (y, mut left) = (s.read(y), s.read(dy));
                    let columns = window.columns(column);
                    for i in window.rows(row) {
                        let taps = &x[i * window.input.width..][columns.clone()];
                        let gradients = &mut dx[i * window.input.width..][columns.clone()];
                        for (x, dx) in taps.iter().zip(gradients) {
                            let x = s.read(x);
                            let given = s.select_equal(x, y, left, s.zero());
                            left = s.select_equal(x, y, s.zero(), left);
                            let sum = if over { given } else { s.add(s.read(dx), given) };
                            s.write(dx, sum);
                        }
                    }
                }
            }
        }
    }
}

struct AvgPool<'a> {
    window: &'a Window,
    divisor: Divisor,
    x: &'a [f32],
    y: &'a mut [f32],
}

impl Task for AvgPool<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let window = self.window;
        for (x, y) in planes(self.x, window.input).zip(planes_mut(self.y, window.output)) {
            for (row, y) in y.chunks_exact_mut(window.output.width).enumerate() {
                for (column, y) in y.iter_mut().enumerate() {
                    let mut sum = s.zero();
                    let columns = window.columns(column);
                    for i in window.rows(row) {
                        for tap in &x[i * window.input.width..][columns.clone()] {
                            sum = s.add(sum, s.read(tap));
                        }
                    }
                    s.write(y, s.mul(sum, s.splat(window.share(row, column, self.divisor))));
                }
            }
        }
    }
}

struct AvgPoolBackward<'a> {
    window: &'a Window,
    divisor: Divisor,
    dy: &'a [f32],
    add: bool,
    dx: &'a mut [f32],
}

impl Task for AvgPoolBackward<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let window = self.window;
        let over = !self.add && window.tiles();
        if !self.add && !over {
            self.dx.fill(0.0);
        }
        for (dy, dx) in planes(self.dy, window.output).zip(planes_mut(self.dx, window.input)) {
            for (row, dy) in dy.chunks_exact(window.output.width).enumerate() {
                for (column, dy) in dy.iter().enumerate() {
                    let part = s.mul(s.read(dy), s.splat(window.share(row, column, self.divisor)));
                    let columns = window.columns(column);
                    for i in window.rows(row) {
                        for dx in &mut dx[i * window.input.width..][columns.clone()] {
                            let sum = if over { part } else { s.add(s.read(dx), part) };
                            s.write(dx, sum);
                        }
                    }
                }
            }
        }
    }
}

struct GlobalAvgPool<'a> {
    plane: usize,
    x: &'a [f32],
    y: &'a mut [f32],
}

impl Task for GlobalAvgPool<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let share = s.splat(1.0 / self.plane as f32);
        let x = self.x.as_chunks::<LANES>().0.chunks_exact(self.plane);
        for (x, y) in x.zip(self.y.as_chunks_mut::<LANES>().0) {
            let mut sum = s.zero();
            // Sums of short runs: the error does not grow with the plane.
            for run in x.chunks(64) {
                let mut part = s.zero();
                for x in run {
                    part = s.add(part, s.read(x));
                }
                sum = s.add(sum, part);
            }
            s.write(y, s.mul(sum, share));
        }
    }
}

struct GlobalAvgPoolBackward<'a> {
    plane: usize,
    dy: &'a [f32],
    add: bool,
    dx: &'a mut [f32],
}

impl Task for GlobalAvgPoolBackward<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let share = s.splat(1.0 / self.plane as f32);
        let dx = self.dx.as_chunks_mut::<LANES>().0.chunks_exact_mut(self.plane);
        for (dx, dy) in dx.zip(self.dy.as_chunks::<LANES>().0) {
            let part = s.mul(s.read(dy), share);
            for dx in dx {
                let sum = if self.add { s.add(s.read(dx), part) } else { part };
                s.write(dx, sum);
            }
        }
    }
}
