//! The weight gradient by the transpose of Winograd's convolution: dw = Gᵀ·\[Σ (A·dy·Aᵀ) ⊙ (Bᵀ·x·B)\]·G.
//!
//! At each of the 36 points the sum over tiles and images is a matrix product O×T · T×I. Its inner axis runs over the
//! lanes, so x is transposed first, 16 channels at a time: then the vectors run over input channels, the transformed dy
//! is broadcast, and no sum over lanes is ever needed.
#![allow(unsafe_code)]

use super::ConvShape;
use super::transform::{self, AREA, POINTS, Tile};
use crate::engine::native::kernels::LANES;
use crate::engine::native::kernels::isa::Isa;
use crate::engine::native::kernels::simd::{self, Simd, Task};
use crate::graph::dims::Pair;
use std::ops::Range;

/// Tiles that are worked on at once: a rectangle of at most this many.
const TILES: usize = 4;
/// Runs of LANES input channels that are worked on at once.
const RUNS: usize = 2;
/// Numbers from one pixel of the transposed source to the next: LANES images of LANES channels, and a line more, so that
/// a tile's pixels do not fall into the same cache sets.
const PIXEL: usize = LANES * LANES + LANES;

/// Pixels from the one that is transposed to the one that is prefetched. Not many: the same pixels of all planes fall into
/// a few sets of the L2 cache when a plane is a power of two, and would soon drive each other out.
const AHEAD: usize = 6;

/// The weight gradient of a convolution that [`super::winograd::covers`].
#[derive(Debug, Clone)]
pub(super) struct WinogradWeights {
    isa: Isa,
    shape: ConvShape,
    /// Tiles of one rectangle.
    rectangle: Pair,
}

impl WinogradWeights {
    /// For a shape that [`super::winograd::covers`].
    pub fn new(shape: &ConvShape, isa: Isa) -> Self {
        let mut this = WinogradWeights { isa, shape: *shape, rectangle: Pair::square(1) };
        let grid = this.tile_grid();
        let width = grid.width.min(TILES);
        this.rectangle = Pair::new(grid.height.min(TILES / width), width);
        this
    }

    /// Outputs of a tile on one axis.
    fn outputs(&self) -> usize {
        POINTS + 1 - self.shape.kernel.height
    }

    fn tile_grid(&self) -> Pair {
        let output = self.shape.output();
        Pair::new(output.height.div_ceil(self.outputs()), output.width.div_ceil(self.outputs()))
    }

    /// Estimated cycles of a block, in multiply-adds of a vector: what to choose an algorithm by.
    pub fn cost(&self) -> usize {
        let s = &self.shape;
        let inputs = s.group_inputs().next_multiple_of(LANES);
        let transforms = s.groups * inputs * 350 + s.out_channels * 130;
        self.tile_grid().area() * (transforms + s.out_channels * inputs * AREA)
    }

    fn inner(&self) -> usize {
        self.rectangle.area() * LANES
    }

    /// Numbers from one point to the next of the transformed gradient, `[point][channel][inner]`, and of the transformed
    /// source, `[point][inner][channel]`: an odd number of vectors.
    fn gradient_step(&self) -> usize {
        self.shape.group_outputs() * self.inner() + LANES
    }

    fn source_step(&self) -> usize {
        self.inner() * RUNS * LANES + LANES
    }

    fn padded_inputs(&self) -> usize {
        self.shape.group_inputs().next_multiple_of(LANES)
    }

    /// Pixels of source under a rectangle of tiles.
    fn window(&self) -> Pair {
        let extent = |tiles: usize| (tiles - 1) * self.outputs() + POINTS;
        Pair::new(extent(self.rectangle.height), extent(self.rectangle.width))
    }

    /// Numbers of scratch: sums at each point for a group's filters, both transformed operands, transposed source.
    pub fn scratch_len(&self) -> usize {
        let sums = AREA * self.shape.group_outputs() * self.padded_inputs();
        sums + AREA * (self.gradient_step() + self.source_step()) + self.window().area() * PIXEL
    }

    /// Adds to dw what a run of blocks contributes, for the filters of output channels `channels`; unused lanes of the
    /// gradients are zero.
    pub fn run(&self, inputs: &[f32], gradients: &[f32], channels: Range<usize>, dw: &mut [f32], scratch: &mut [f32]) {
        let s = &self.shape;
        assert_eq!(inputs.len() / s.input_len(), gradients.len() / s.output_len());
        assert_eq!(dw.len(), channels.len() * s.filter_len());
        assert!(channels.end <= s.out_channels && scratch.len() >= self.scratch_len());
        for group in 0..s.groups {
            let first = group * s.group_outputs();
            let wanted = channels.start.max(first)..channels.end.min(first + s.group_outputs());
            if wanted.is_empty() {
                continue;
            }
            let from = (wanted.start - channels.start) * s.filter_len();
            let dw = &mut dw[from..from + wanted.len() * s.filter_len()];
            if s.kernel.height == 3 {
                simd::run(self.isa, Run::<3, 4> { winograd: self, inputs, gradients, group, wanted, dw, scratch });
            } else {
                simd::run(self.isa, Run::<5, 2> { winograd: self, inputs, gradients, group, wanted, dw, scratch });
            }
        }
    }
}

/// One group's filters `wanted`.
struct Run<'a, const K: usize, const M: usize> {
    winograd: &'a WinogradWeights,
    inputs: &'a [f32],
    gradients: &'a [f32],
    group: usize,
    wanted: Range<usize>,
    dw: &'a mut [f32],
    scratch: &'a mut [f32],
}

impl<const K: usize, const M: usize> Task for Run<'_, K, M> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let w = self.winograd;
        let s = &w.shape;
        let (grid, output) = (w.tile_grid(), s.output());
        let (plane, target_plane) = (s.input.area() * LANES, output.area() * LANES);
        let (sources, padded, filters) = (s.group_inputs(), w.padded_inputs(), self.wanted.len());
        let (gradient_step, source_step) = (w.gradient_step(), w.source_step());
        let (sums, rest) = self.scratch.split_at_mut(AREA * filters * padded);
        let (dy, rest) = rest.split_at_mut(AREA * gradient_step);
        let (x, transposed) = rest.split_at_mut(AREA * source_step);
        sums.fill(0.0);
        let blocks = self.inputs.chunks_exact(s.input_len()).zip(self.gradients.chunks_exact(s.output_len()));
        for (input, gradient) in blocks {
            let planes = &input[self.group * sources * plane..][..sources * plane];
            for corner in 0..grid.height.div_ceil(w.rectangle.height) * grid.width.div_ceil(w.rectangle.width) {
                let across = grid.width.div_ceil(w.rectangle.width);
                let top = corner / across * w.rectangle.height;
                let left = corner % across * w.rectangle.width;
                let tiles =
                    Pair::new(w.rectangle.height.min(grid.height - top), w.rectangle.width.min(grid.width - left));
                let inner = tiles.area() * LANES;
                for (filter, channel) in self.wanted.clone().enumerate() {
                    let plane = &gradient[channel * target_plane..][..target_plane];
                    for tile in 0..tiles.area() {
                        let (y, x) = ((top + tile / tiles.width) * M, (left + tile % tiles.width) * M);
                        let tile = &mut dy[filter * inner + tile * LANES..];
                        gradient_tile::<S, M>(simd, plane, output, (y, x), tile, gradient_step);
                        // The next channel's: soon enough to be still there.
                        let next = plane.as_ptr().wrapping_add(target_plane + (y * output.width + x) * LANES);
                        for (i, j) in (0..M).flat_map(|i| (0..M).map(move |j| (i, j))) {
                            simd::prefetch(next.wrapping_add((i * output.width + j) * LANES));
                        }
                    }
                }
                let window = Pair::new((tiles.height - 1) * M + POINTS, (tiles.width - 1) * M + POINTS);
                let from = ((top * M) as isize - s.padding.top as isize, (left * M) as isize - s.padding.left as isize);
                for first in (0..sources).step_by(RUNS * LANES) {
                    let runs = RUNS.min((sources - first).div_ceil(LANES));
                    for run in 0..runs {
                        let planes = &planes[(first + run * LANES) * plane..];
                        transpose_window(simd, planes, s.input, from, window, transposed);
                        for tile in 0..tiles.area() {
                            let (y, x_at) = (tile / tiles.width * M, tile % tiles.width * M);
                            for lane in 0..LANES {
                                let from = &transposed[(y * window.width + x_at) * PIXEL + lane * LANES..];
                                let to = &mut x[((tile * LANES + lane) * runs + run) * LANES..];
                                assert!(from.len() >= (5 * window.width + 5) * PIXEL + LANES);
                                assert!(to.len() >= (AREA - 1) * source_step + LANES);
                                let mut rows = [from.as_ptr(); POINTS];
                                for (i, row) in rows.iter_mut().enumerate() {
                                    *row = row.wrapping_add(i * window.width * PIXEL);
                                }
                                let from = Tile { rows, column_step: PIXEL, ends: [true; 2] };
                                // SAFETY: both fit, by the assertions.
                                unsafe { transform::input(simd, &from, to.as_mut_ptr(), source_step) };
                            }
                        }
                    }
                    for point in 0..AREA {
                        let product = Product {
                            dy: dy[point * gradient_step..].as_ptr(),
                            x: x[point * source_step..].as_ptr(),
                            sums: sums[point * filters * padded + first..].as_mut_ptr(),
                            inner,
                            sums_step: padded,
                        };
                        // SAFETY: dy holds filters·inner numbers of this point, x inner·runs vectors, and sums rows of
                        // `padded` numbers of which `runs` vectors from `first` exist.
                        unsafe {
                            if runs == RUNS {
                                product.rows::<S, RUNS>(simd, filters);
                            } else {
                                product.rows::<S, 1>(simd, filters);
                            }
                        }
                    }
                }
            }
        }
        let matrix = transform::filter_matrix(K);
        for (filter, dw) in self.dw.chunks_exact_mut(s.filter_len()).enumerate() {
            for first in (0..sources).step_by(LANES) {
                let mut points = [[simd.zero(); POINTS]; POINTS];
                for (point, vector) in points.iter_mut().flatten().enumerate() {
                    let sums = &sums[(point * filters + filter) * padded + first..][..LANES];
                    // SAFETY: LANES numbers.
                    *vector = unsafe { simd.load(sums.as_ptr()) };
                }
                let taps = transform::filter_gradient::<S, K>(simd, &matrix, &points);
                for (tap, vector) in taps.iter().flatten().enumerate() {
                    let lanes = simd.lanes(*vector);
                    let dw = dw[first * K * K + tap..].iter_mut().step_by(K * K);
                    dw.zip(&lanes).for_each(|(dw, lane)| *dw += lane);
                }
            }
        }
    }
}

/// A·dy·Aᵀ of the M×M tile of a plane at (y, x), zero outside the plane.
#[inline(always)]
fn gradient_tile<S: Simd, const M: usize>(
    simd: S,
    plane: &[f32],
    size: Pair,
    (y, x): (usize, usize),
    to: &mut [f32],
    point_step: usize,
) {
    assert!(plane.len() >= size.area() * LANES && to.len() >= (AREA - 1) * point_step + LANES);
    let mut tile = [[simd.zero(); M]; M];
    if y + M <= size.height && x + M <= size.width {
        for (i, row) in tile.iter_mut().enumerate() {
            for (j, v) in row.iter_mut().enumerate() {
                // SAFETY: the tile is inside the plane.
                *v = unsafe { simd.load(plane.as_ptr().add(((y + i) * size.width + x + j) * LANES)) };
            }
        }
        // SAFETY: the last point fits, by the assertion.
        unsafe { transform::gradient(simd, tile, to.as_mut_ptr(), point_step) };
        return;
    }
    for (i, row) in tile.iter_mut().enumerate().take(size.height - y) {
        for (j, v) in row.iter_mut().enumerate().take(size.width - x) {
            // SAFETY: (y + i, x + j) is inside the plane.
            *v = unsafe { simd.load(plane.as_ptr().add(((y + i) * size.width + x + j) * LANES)) };
        }
    }
    // SAFETY: the last point fits, by the assertion.
    unsafe { transform::gradient(simd, tile, to.as_mut_ptr(), point_step) };
}

/// Transposes a window of (up to) LANES planes to `[pixel][image][channel]`, zero outside the planes and where there is
/// no channel.
#[inline(always)]
fn transpose_window<S: Simd>(
    simd: S,
    planes: &[f32],
    size: Pair,
    (top, left): (isize, isize),
    window: Pair,
    to: &mut [f32],
) {
    let plane = size.area() * LANES;
    let channels = (planes.len() / plane).min(LANES);
    assert!(to.len() >= window.area() * PIXEL);
    for (row, to) in to.chunks_exact_mut(window.width * PIXEL).take(window.height).enumerate() {
        let y = top + row as isize;
        for (column, to) in to.chunks_exact_mut(PIXEL).enumerate() {
            let x = left + column as isize;
            if y < 0 || y as usize >= size.height || x < 0 || x as usize >= size.width {
                to.fill(0.0);
                continue;
            }
            let from = &planes[(y as usize * size.width + x as usize) * LANES..];
            if channels == LANES {
                assert!(from.len() >= (LANES - 1) * plane + LANES && to.len() >= LANES * LANES);
                // SAFETY: LANES rows of LANES numbers each way, by the assertion.
                unsafe { simd.transpose(from.as_ptr(), plane, to.as_mut_ptr(), LANES) };
                // At the end of a row, the start of the next; a window may be wider than the plane.
                let down = ((column + AHEAD) / window.width).wrapping_mul(size.width.wrapping_sub(window.width));
                for channel in 0..LANES {
                    simd::prefetch(
                        from.as_ptr()
                            .wrapping_add(down.wrapping_add(AHEAD).wrapping_mul(LANES))
                            .wrapping_add(channel * plane),
                    );
                }
            } else {
                for (image, to) in to.chunks_exact_mut(LANES).take(LANES).enumerate() {
                    for (channel, to) in to.iter_mut().enumerate() {
                        *to = if channel < channels { from[channel * plane + image] } else { 0.0 };
                    }
                }
            }
        }
    }
}

/// `sums[r][c]` += Σ over i of `dy[r][i]·x[i][c]` at one point.
#[derive(Clone, Copy)]
struct Product {
    dy: *const f32,
    x: *const f32,
    sums: *mut f32,
    inner: usize,
    sums_step: usize,
}

impl Product {
    /// All of `rows` rows, C vectors of columns.
    ///
    /// # Safety
    /// `rows`·`inner` numbers of dy, `inner`·C vectors of x, and C vectors of each row of sums exist.
    #[inline(always)]
    unsafe fn rows<S: Simd, const C: usize>(mut self, simd: S, rows: usize) {
        let mut left = rows;
        // SAFETY: each step takes rows that are left.
        unsafe {
            if S::ROWS * S::COLUMNS > 16 {
                if C == 1 {
                    left = self.tiles::<S, 16, C>(simd, left);
                }
                left = self.tiles::<S, 8, C>(simd, left);
            }
            if S::ROWS > 2 {
                left = self.tiles::<S, 4, C>(simd, left);
            }
            left = self.tiles::<S, 2, C>(simd, left);
            self.tiles::<S, 1, C>(simd, left);
        }
    }

    /// As many tiles of R rows as there are in `left`; how many rows are left then.
    ///
    /// # Safety
    /// As for [`Product::rows`].
    #[inline(always)]
    unsafe fn tiles<S: Simd, const R: usize, const C: usize>(&mut self, simd: S, mut left: usize) -> usize {
        while left >= R {
            // SAFETY: R rows are left; the pointers move past them.
            unsafe {
                self.tile::<S, R, C>(simd);
                self.dy = self.dy.add(R * self.inner);
                self.sums = self.sums.wrapping_add(R * self.sums_step);
            }
            left -= R;
        }
        left
    }

    /// # Safety
    /// As for [`Product::rows`], with R rows.
    #[inline(always)]
    unsafe fn tile<S: Simd, const R: usize, const C: usize>(self, simd: S) {
        let mut sums = [[simd.zero(); C]; R];
        // SAFETY: the caller's.
        unsafe {
            for (r, row) in sums.iter_mut().enumerate() {
                for (c, sum) in row.iter_mut().enumerate() {
                    *sum = simd.load(self.sums.add(r * self.sums_step + c * LANES));
                }
            }
            for i in 0..self.inner {
                let mut columns = [simd.zero(); C];
                for (c, column) in columns.iter_mut().enumerate() {
                    *column = simd.load(self.x.add((i * C + c) * LANES));
                }
                for (r, row) in sums.iter_mut().enumerate() {
                    let gradient = simd.splat(*self.dy.add(r * self.inner + i));
                    for (sum, &column) in row.iter_mut().zip(&columns) {
                        *sum = simd.mul_add(gradient, column, *sum);
                    }
                }
            }
            for (r, row) in sums.into_iter().enumerate() {
                for (c, sum) in row.into_iter().enumerate() {
                    simd.store(self.sums.add(r * self.sums_step + c * LANES), sum);
                }
            }
        }
    }
}
