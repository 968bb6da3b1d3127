//! The matrix products of a linear layer.
#![allow(unsafe_code)]

use crate::engine::native::kernels::LANES;
use crate::engine::native::kernels::simd::{Simd, Task};
use crate::engine::native::kernels::tile::{columns, with_tile};

/// y\[block\]\[row\] = Σ over k of w\[row·`row_step` + k·`inner_step`\] · x\[block\]\[k\], on vectors of lanes: forward with W
/// row by row, the data gradient with W column by column.
pub(super) struct Apply<'a> {
    pub weights: &'a [f32],
    pub row_step: usize,
    pub inner_step: usize,
    pub rows: usize,
    pub inner: usize,
    /// `[blocks][inner][LANES]`
    pub x: &'a [f32],
    /// `[blocks][rows][LANES]`
    pub y: &'a mut [f32],
    pub bias: Option<&'a [f32]>,
    pub relu: bool,
    pub accumulate: bool,
}

/// Sums stay in registers over this many steps of the inner axis, so that what one run of rows reads of x stays in the
/// L1 cache for the next: 4 blocks of 96 vectors are 24 KiB.
const INNER: usize = 96;

impl Task for Apply<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, simd: S) {
        let blocks = self.x.len() / (self.inner * LANES);
        assert_eq!(self.x.len(), blocks * self.inner * LANES);
        assert_eq!(self.y.len(), blocks * self.rows * LANES);
        assert!(self.weights.len() > (self.rows - 1) * self.row_step + (self.inner - 1) * self.inner_step);
        assert!(self.bias.is_none_or(|bias| bias.len() == self.rows));
        let mut block = 0;
        while block < blocks {
            let width = columns::<S>(blocks - block);
            for start in (0..self.inner).step_by(INNER) {
                let steps = start..(start + INNER).min(self.inner);
                let mut row = 0;
                while row < self.rows {
                    let height = S::ROWS.min(self.rows - row);
                    // SAFETY: rows row..row + height and blocks block..block + width exist, and steps is part of the
                    // inner axis; the lengths have been checked above.
                    unsafe { with_tile!(S, height, width, apply(simd, &mut self, row, block, steps.clone())) };
                    row += height;
                }
            }
            block += width;
        }
    }
}

/// # Safety
/// R rows from `row`, C blocks from `block` and `steps` of the inner axis exist.
#[inline(always)]
unsafe fn apply<S: Simd, const R: usize, const C: usize>(
    simd: S,
    a: &mut Apply<'_>,
    row: usize,
    block: usize,
    steps: std::ops::Range<usize>,
) {
    let (first, last) = (steps.start == 0, steps.end == a.inner);
    let mut sums = [[simd.zero(); C]; R];
    // SAFETY: the caller's.
    unsafe {
        if !first || a.accumulate {
            for (r, sums) in sums.iter_mut().enumerate() {
                for (c, sum) in sums.iter_mut().enumerate() {
                    *sum = simd.load(a.y.as_ptr().add(((block + c) * a.rows + row + r) * LANES));
                }
            }
        }
        let weights = a.weights.as_ptr().add(row * a.row_step);
        let x = a.x.as_ptr().add(block * a.inner * LANES);
        for k in steps {
            let mut columns = [simd.zero(); C];
            for (c, column) in columns.iter_mut().enumerate() {
                *column = simd.load(x.add((c * a.inner + k) * LANES));
            }
            for (r, sums) in sums.iter_mut().enumerate() {
                let weight = simd.splat(*weights.add(r * a.row_step + k * a.inner_step));
                for (sum, &column) in sums.iter_mut().zip(&columns) {
                    *sum = simd.mul_add(weight, column, *sum);
                }
            }
        }
        // By value: an array that is indexed by a variable anywhere would live in memory, and be stored at every step.
        for (r, sums) in sums.into_iter().enumerate() {
            let bias = simd.splat(a.bias.map_or(0.0, |bias| bias[row + r]));
            for (c, sum) in sums.into_iter().enumerate() {
                let mut y = if last { simd.add(sum, bias) } else { sum };
                if last && a.relu {
                    y = simd.max(simd.zero(), y);
                }
                simd.store(a.y.as_mut_ptr().add(((block + c) * a.rows + row + r) * LANES), y);
            }
        }
    }
}

/// dw\[row\]\[i\] = Σ over blocks and lanes of dy\[block\]\[row\] · x\[block\]\[i\].
pub(super) struct Outer<'a> {
    /// Features of x, of dy, and which of the latter are wanted.
    pub inputs: usize,
    pub outputs: usize,
    pub wanted: std::ops::Range<usize>,
    /// `[blocks][inputs][LANES]`
    pub x: &'a [f32],
    /// `[blocks][outputs][LANES]`
    pub dy: &'a [f32],
    /// `[wanted][inputs]`
    pub dw: &'a mut [f32],
    pub accumulate: bool,
    /// [`outer_scratch`] numbers.
    pub scratch: &'a mut [f32],
}

/// Features of x that are transposed at a time, in vectors.
const RUN: usize = 4;

/// Numbers of scratch of [`Outer`]: transposed x, `[runs][blocks·LANES][RUN·LANES]`, for one run of features.
pub(super) fn outer_scratch(blocks: usize) -> usize {
    blocks * LANES * RUN * LANES + RUN * LANES * LANES
}

impl Task for Outer<'_> {
    type Output = ();

    // x is transposed 16 features at a time, so that vectors run over features and dy is broadcast: no sums over lanes.
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let blocks = self.x.len() / (self.inputs * LANES);
        assert_eq!(self.x.len(), blocks * self.inputs * LANES);
        assert_eq!(self.dy.len(), blocks * self.outputs * LANES);
        assert!(self.wanted.end <= self.outputs && self.dw.len() == self.wanted.len() * self.inputs);
        assert!(self.scratch.len() >= outer_scratch(blocks));
        let (transposed, padding) = self.scratch.split_at_mut(blocks * LANES * RUN * LANES);
        let mut feature = 0;
        while feature < self.inputs {
            let width = columns::<S>((self.inputs - feature).div_ceil(LANES)).min(RUN);
            for (block, x) in self.x.chunks_exact(self.inputs * LANES).enumerate() {
                for c in 0..width {
                    let start = feature + c * LANES;
                    let from = &x[start * LANES..];
                    let to = &mut transposed[(block * LANES * width + c) * LANES..];
                    let from = if from.len() >= LANES * LANES {
                        from.as_ptr()
                    } else {
                        padding[..LANES * LANES].fill(0.0);
                        padding[..from.len()].copy_from_slice(from);
                        padding.as_ptr()
                    };
                    assert!(to.len() >= ((LANES - 1) * width + 1) * LANES);
                    // SAFETY: 16 rows of 16 numbers each way: checked just above.
                    unsafe { simd.transpose(from, LANES, to.as_mut_ptr(), width * LANES) };
                }
            }
            let mut row = 0;
            while row < self.wanted.len() {
                let height = S::ROWS.min(self.wanted.len() - row);
                let tile = Tile {
                    dy: self.dy[(self.wanted.start + row) * LANES..].as_ptr(),
                    block_step: self.outputs * LANES,
                    blocks,
                    x: transposed.as_ptr(),
                    inputs: self.inputs,
                    present: (self.inputs - feature).min(width * LANES),
                    accumulate: self.accumulate,
                };
                let dw = &mut self.dw[row * self.inputs + feature..];
                // SAFETY: dy has `height` rows in each block, x `width` vectors for each image.
                unsafe { with_tile!(S, height, width, outer(simd, &tile, dw)) };
                row += height;
            }
            feature += width * LANES;
        }
    }
}

struct Tile {
    dy: *const f32,
    block_step: usize,
    blocks: usize,
    x: *const f32,
    inputs: usize,
    /// Features of the C vectors that exist.
    present: usize,
    accumulate: bool,
}

/// # Safety
/// R rows of dy in each block and C vectors of x for each image are readable.
#[inline(always)]
unsafe fn outer<S: Simd, const R: usize, const C: usize>(simd: S, t: &Tile, dw: &mut [f32]) {
    let mut sums = [[simd.zero(); C]; R];
    let mut x = t.x;
    for block in 0..t.blocks {
        for lane in 0..LANES {
            // SAFETY: the caller's.
            unsafe {
                let dy = t.dy.add(block * t.block_step + lane);
                let mut columns = [simd.zero(); C];
                for (c, column) in columns.iter_mut().enumerate() {
                    *column = simd.load(x.add(c * LANES));
                }
                for (r, sums) in sums.iter_mut().enumerate() {
                    let gradient = simd.splat(*dy.add(r * LANES));
                    for (sum, &column) in sums.iter_mut().zip(&columns) {
                        *sum = simd.mul_add(gradient, column, *sum);
                    }
                }
                x = x.add(C * LANES);
            }
        }
    }
    for (r, sums) in sums.into_iter().enumerate() {
        for (c, sum) in sums.into_iter().enumerate() {
            let features = t.present.saturating_sub(c * LANES).min(LANES);
            let dw = &mut dw[r * t.inputs + c * LANES..][..features];
            let lanes = simd.lanes(sum);
            if t.accumulate {
                dw.iter_mut().zip(&lanes).for_each(|(dw, sum)| *dw += sum);
            } else {
                dw.copy_from_slice(&lanes[..features]);
            }
        }
    }
}
