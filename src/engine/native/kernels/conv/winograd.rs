//! Convolution with unit stride by Winograd's F(4×4, 3×3) and F(2×2, 5×5): a quarter (0.36) of the products.
//!
//! Four tiles at a time: transform all source channels, multiply at each of the 36 points (a matrix product over
//! channels), transform back into the target. The data gradient is the same with the filters turned round.
#![allow(unsafe_code)]

use super::ConvShape;
use super::target::Target;
use super::transform::{self, AREA, POINTS, Tile};
use crate::engine::native::kernels::LANES;
use crate::engine::native::kernels::isa::Isa;
use crate::engine::native::kernels::simd::{self, Simd, Task};
use crate::engine::native::kernels::tile::{accumulate, columns, even_runs, with_tile};
use crate::graph::dims::Pair;

/// Tiles that are worked on at once: the columns of the widest register tile.
const TILES: usize = 4;

/// A correlation of `source` planes into `target` planes, a group at a time, K×K taps and M×M outputs a tile.
#[derive(Debug, Clone)]
pub(super) struct Winograd {
    isa: Isa,
    groups: usize,
    /// Source and target channels of one group.
    sources: usize,
    targets: usize,
    source: Pair,
    target: Pair,
    /// What tap (0, 0) of target position (0, 0) reads.
    origin: (isize, isize),
    taps: usize,
    /// (start, length) of the register tiles of a group's target channels.
    tiles: Vec<(usize, usize)>,
    /// Whether the filters are turned round when they are packed.
    turned: bool,
}

/// Whether the algorithm exists for a shape.
pub(super) fn covers(s: &ConvShape) -> bool {
    let unit = Pair::square(1);
    (s.kernel == Pair::square(3) || s.kernel == Pair::square(5)) && s.stride == unit && s.dilation == unit
}

impl Winograd {
    /// y = conv(x, w), where [`covers`] says so.
    pub fn forward(s: &ConvShape, isa: Isa) -> Self {
        Winograd {
            isa,
            groups: s.groups,
            sources: s.group_inputs(),
            targets: s.group_outputs(),
            source: s.input,
            target: s.output(),
            origin: (-(s.padding.top as isize), -(s.padding.left as isize)),
            taps: s.kernel.height,
            tiles: even_runs(s.group_outputs(), simd::rows(isa)),
            turned: false,
        }
    }

    /// dx = convᵀ(dy, w): dx at i sums dy at i + padding − k over taps k, or at i + padding − (K − 1) + k turned round.
    pub fn backward(s: &ConvShape, isa: Isa) -> Self {
        let origin = |before: usize| before as isize - (s.kernel.height as isize - 1);
        Winograd {
            isa,
            groups: s.groups,
            sources: s.group_outputs(),
            targets: s.group_inputs(),
            source: s.output(),
            target: s.input,
            origin: (origin(s.padding.top), origin(s.padding.left)),
            taps: s.kernel.height,
            tiles: even_runs(s.group_inputs(), simd::rows(isa)),
            turned: true,
        }
    }

    /// Outputs of a tile on one axis.
    fn outputs(&self) -> usize {
        POINTS + 1 - self.taps
    }

    fn tile_grid(&self) -> Pair {
        Pair::new(self.target.height.div_ceil(self.outputs()), self.target.width.div_ceil(self.outputs()))
    }

    /// Estimated cycles of a block, in multiply-adds of a vector: what to choose an algorithm by.
    pub fn cost(&self) -> usize {
        let (inputs, outputs) = (self.groups * self.sources * 200, self.groups * self.targets * 190);
        self.tile_grid().area() * (inputs + outputs + self.groups * self.sources * self.targets * AREA)
    }

    /// Numbers from one point to the next of the transformed source: an odd number of vectors, so that the points of
    /// one tile do not fall into the same cache set.
    fn point_step(&self) -> usize {
        (self.sources * TILES + 1) * LANES
    }

    /// Numbers of scratch: transformed sources, products of one register tile, one tile with its border, zeros.
    pub fn scratch_len(&self) -> usize {
        AREA * self.point_step() + simd::rows(self.isa) * TILES * AREA * LANES + AREA * LANES + ZEROS
    }

    /// Numbers in the packed weights.
    pub fn packed_len(&self) -> usize {
        self.groups * self.targets * self.sources * AREA
    }

    /// Transforms and packs `weight(group, target channel, source channel, index in the filter)`.
    pub fn pack(&self, packed: &mut [f32], weight: impl Fn(usize, usize, usize, usize) -> f32) {
        assert_eq!(packed.len(), self.packed_len());
        if self.taps == 3 {
            simd::run(self.isa, Pack::<_, 3> { winograd: self, packed, weight });
        } else {
            simd::run(self.isa, Pack::<_, 5> { winograd: self, packed, weight });
        }
    }

    /// Computes the target's channels from all source planes of a block.
    pub fn run(&self, packed: &[f32], source: &[f32], target: &Target<'_>, scratch: &mut [f32]) {
        assert_eq!(packed.len(), self.packed_len());
        assert_eq!(source.len(), self.groups * self.sources * self.source.area() * LANES);
        assert!(scratch.len() >= self.scratch_len());
        if self.taps == 3 {
            simd::run(self.isa, Run::<4> { winograd: self, packed, source, target, scratch });
        } else {
            simd::run(self.isa, Run::<2> { winograd: self, packed, source, target, scratch });
        }
    }
}

/// Vectors of a zero row that any tile can read.
const ZEROS: usize = POINTS * LANES;

/// The 6×6 tile of a plane whose corner is at (y, x): in place if at most its first and last columns are outside (rows
/// that are read from `zeros` then), else copied to `border`.
#[inline(always)]
fn tile_of(plane: &[f32], size: Pair, (y, x): (isize, isize), zeros: &[f32], border: &mut [f32]) -> Tile {
    assert!(zeros.len() >= ZEROS && plane.len() >= size.area() * LANES);
    let ends = [x >= 0, x + (POINTS as isize) <= size.width as isize];
    let mut rows = [zeros.as_ptr(); POINTS];
    if x >= -1 && x + (POINTS as isize - 1) <= size.width as isize {
        for (i, row) in rows.iter_mut().enumerate() {
            let y = y + i as isize;
            if y >= 0 && (y as usize) < size.height {
                *row = plane.as_ptr().wrapping_offset((y * size.width as isize + x) * LANES as isize);
            }
        }
        return Tile { rows, column_step: LANES, ends };
    }
    copy_tile(plane, size, (y, x), border);
    for (row, from) in rows.iter_mut().zip(border.chunks_exact(POINTS * LANES)) {
        *row = from.as_ptr();
    }
    Tile { rows, column_step: LANES, ends: [true; 2] }
}

/// Copies a 6×6 tile, zero outside the plane: for planes narrower than a tile, and wide padding.
#[cold]
fn copy_tile(plane: &[f32], size: Pair, (y, x): (isize, isize), border: &mut [f32]) {
    for (i, row) in border.chunks_exact_mut(POINTS * LANES).enumerate().take(POINTS) {
        for (j, to) in row.chunks_exact_mut(LANES).enumerate() {
            let (y, x) = (y + i as isize, x + j as isize);
            if y >= 0 && (y as usize) < size.height && x >= 0 && (x as usize) < size.width {
                to.copy_from_slice(&plane[(y as usize * size.width + x as usize) * LANES..][..LANES]);
            } else {
                to.fill(0.0);
            }
        }
    }
}

struct Run<'a, const M: usize> {
    winograd: &'a Winograd,
    packed: &'a [f32],
    source: &'a [f32],
    target: &'a Target<'a>,
    scratch: &'a mut [f32],
}

impl<const M: usize> Task for Run<'_, M> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let w = self.winograd;
        let (grid, plane, point_step) = (w.tile_grid(), w.source.area() * LANES, w.point_step());
        let (transformed, rest) = self.scratch.split_at_mut(AREA * point_step);
        let (products, rest) = rest.split_at_mut(simd::rows(w.isa) * TILES * AREA * LANES);
        let (border, zeros) = rest.split_at_mut(AREA * LANES);
        let zeros = &mut zeros[..ZEROS];
        zeros.fill(0.0);
        let wanted = self.target.channels();
        for group in 0..w.groups {
            let first = group * w.targets;
            if first + w.targets <= wanted.start || wanted.end <= first {
                continue;
            }
            let planes = &self.source[group * w.sources * plane..][..w.sources * plane];
            for tile in (0..grid.area()).step_by(TILES) {
                let tiles = TILES.min(grid.area() - tile);
                for (channel, plane) in planes.chunks_exact(plane).enumerate() {
                    for t in 0..tiles {
                        let (y, x) = ((tile + t) / grid.width * M, (tile + t) % grid.width * M);
                        let corner = (y as isize + w.origin.0, x as isize + w.origin.1);
                        let from = tile_of(plane, w.source, corner, zeros, border);
                        let to = &mut transformed[(channel * TILES + t) * LANES..];
                        assert!(to.len() > (AREA - 1) * point_step);
                        // SAFETY: `tile_of` gives a readable tile; the assertion leaves room for the last point.
                        unsafe { transform::input(simd, &from, to.as_mut_ptr(), point_step) };
                        // The same tile of the next four, which the products will give time to arrive.
                        let next = tile + TILES + t;
                        let (y, x) = (next / grid.width * M, next % grid.width * M);
                        let (y, x) = (y as isize + w.origin.0, x as isize + w.origin.1);
                        for i in (POINTS - M) as isize..POINTS as isize {
                            let row = plane
                                .as_ptr()
                                .wrapping_offset(((y + i) * w.source.width as isize + x) * LANES as isize);
                            for j in (POINTS - M) as isize..POINTS as isize {
                                simd::prefetch(row.wrapping_offset(j * LANES as isize));
                            }
                        }
                    }
                }
                for &(start, rows) in &w.tiles {
                    let channel = first + start;
                    if channel + rows <= wanted.start || wanted.end <= channel {
                        continue;
                    }
                    let weights = &self.packed[(first + start) * w.sources * AREA..][..rows * w.sources * AREA];
                    for row in (0..rows).filter(|&row| self.target.wants(channel + row)) {
                        for t in 0..tiles {
                            let (y, x) = ((tile + t) / grid.width * M, (tile + t) % grid.width * M);
                            self.target.prefetch_tile::<M>(channel + row, y * w.target.width + x, w.target.width);
                        }
                    }
                    for point in 0..AREA {
                        let weights = weights[point * w.sources * rows..].as_ptr();
                        let mut column = 0;
                        while column < tiles {
                            let width = columns::<S>(tiles - column);
                            let x = transformed[point * point_step + column * LANES..].as_ptr();
                            let to = products[(point * rows * TILES + column) * LANES..].as_mut_ptr();
                            // SAFETY: `weights` holds sources·rows of this point, `x` sources·TILES vectors, and
                            // `products` AREA vectors for each of `rows`·TILES sums.
                            unsafe { with_tile!(S, rows, width, multiply(simd, weights, x, w.sources, to)) };
                            column += width;
                        }
                    }
                    for row in (0..rows).filter(|&row| self.target.wants(channel + row)) {
                        for t in 0..tiles {
                            let from = products[(row * TILES + t) * LANES..].as_ptr();
                            let (y, x) = ((tile + t) / grid.width * M, (tile + t) % grid.width * M);
                            let height = M.min(w.target.height - y);
                            let position = y * w.target.width + x;
                            // SAFETY: 36 vectors are readable, and the stored rows and columns are inside the plane.
                            unsafe {
                                let values = transform::output::<S, M>(simd, from, rows * TILES * LANES);
                                if height == M && x + M <= w.target.width {
                                    self.target.store_tile(simd, channel + row, position, w.target.width, values);
                                    continue;
                                }
                                for (i, values) in values.into_iter().enumerate().take(height) {
                                    let position = position + i * w.target.width;
                                    for (j, value) in values.into_iter().enumerate().take(w.target.width - x) {
                                        self.target.store(simd, channel + row, position + j, 1, [value]);
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The products of R target channels and C tiles at one point.
///
/// # Safety
/// R·`sources` weights and C vectors of each source are readable; sums (r, c) can be stored AREA vectors apart.
#[inline(always)]
unsafe fn multiply<S: Simd, const R: usize, const C: usize>(
    simd: S,
    weights: *const f32,
    x: *const f32,
    sources: usize,
    to: *mut f32,
) {
    // SAFETY: the caller's.
    unsafe {
        let sums = accumulate::<S, R, C>(simd, weights, x, sources, TILES * LANES, &[0], LANES);
        for (r, sums) in sums.into_iter().enumerate() {
            for (c, sum) in sums.into_iter().enumerate() {
                simd.store(to.add((r * TILES + c) * LANES), sum);
            }
        }
    }
}

struct Pack<'a, W, const K: usize> {
    winograd: &'a Winograd,
    packed: &'a mut [f32],
    weight: W,
}

impl<W: Fn(usize, usize, usize, usize) -> f32, const K: usize> Task for Pack<'_, W, K> {
    type Output = ();

    // Packed is [group][tile][point][source][row]: LANES of the pairs (source, row) are transformed at a time.
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let w = self.winograd;
        let matrix = transform::filter_matrix(K);
        for group in 0..w.groups {
            for &(start, rows) in &w.tiles {
                let pairs = rows * w.sources;
                let packed = &mut self.packed[(group * w.targets + start) * w.sources * AREA..][..pairs * AREA];
                for pair in (0..pairs).step_by(LANES) {
                    let used = LANES.min(pairs - pair);
                    let mut lanes = [[[0.0f32; LANES]; K]; K];
                    for lane in 0..used {
                        let (source, row) = ((pair + lane) / rows, (pair + lane) % rows);
                        for (tap, lanes) in lanes.iter_mut().flatten().enumerate() {
                            let tap = if w.turned { K * K - 1 - tap } else { tap };
                            lanes[lane] = (self.weight)(group, start + row, source, tap);
                        }
                    }
                    let mut taps = [[simd.zero(); K]; K];
                    for (tap, lanes) in taps.iter_mut().flatten().zip(lanes.iter().flatten()) {
                        // SAFETY: an array of LANES numbers.
                        *tap = unsafe { simd.load(lanes.as_ptr()) };
                    }
                    let points = transform::filter(simd, &matrix, &taps);
                    for (point, vector) in points.iter().flatten().enumerate() {
                        let to = &mut packed[point * pairs + pair..][..used];
                        to.copy_from_slice(&simd.lanes(*vector)[..used]);
                    }
                }
            }
        }
    }
}
