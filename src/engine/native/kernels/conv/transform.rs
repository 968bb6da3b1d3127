//! The transforms of Winograd's convolution with six points.
//!
//! y = Aᵀ[(G·g·Gᵀ) ⊙ (Bᵀ·d·B)]·A computes M×M outputs of a K×K correlation from a 6×6 tile of input, M + K − 1 = 6, with
//! 36 products instead of M²·K² (Winograd 1980; Lavin & Gray, "Fast Algorithms for Convolutional Neural Networks",
//! 2016). The points are 0, ±1, ±Q and ∞: F(4×4, 3×3) and F(2×2, 5×5) share Bᵀ.
#![allow(unsafe_code)]

use crate::engine::native::kernels::simd::Simd;

/// Points on one axis.
pub(super) const POINTS: usize = 6;
/// Points of a tile.
pub(super) const AREA: usize = POINTS * POINTS;

/// The third point (±); the others are 0, ±1 and ∞. Of the values whose square is exact it has the smallest error: 10–15 %
/// below the usual 2.
const Q: f32 = 1.75;
const Q2: f32 = Q * Q;

/// Rows of G: powers of a point over the product of its differences to the other finite points.
pub(super) fn filter_matrix(taps: usize) -> [[f32; POINTS - 1]; POINTS] {
    let q = f64::from(Q);
    let scale = [1.0 / (q * q), 0.5 / (1.0 - q * q), 0.5 / (q * q * (q * q - 1.0))];
    let points = [(0.0, scale[0]), (1.0, scale[1]), (-1.0, scale[1]), (q, scale[2]), (-q, scale[2])];
    let mut matrix = [[0.0; POINTS - 1]; POINTS];
    for (row, (point, scale)) in matrix.iter_mut().zip(points) {
        for (power, entry) in row.iter_mut().enumerate().take(taps) {
            *entry = (scale * f64::powi(point, power as i32)) as f32;
        }
    }
    matrix[POINTS - 1][taps - 1] = 1.0;
    matrix
}

/// Bᵀ·d
#[inline(always)]
fn input_line<S: Simd>(s: S, d: [S::Vector; POINTS]) -> [S::Vector; POINTS] {
    let (q, q2, sum) = (s.splat(Q), s.splat(Q2), s.splat(1.0 + Q2));
    let (even, odd) = (s.neg_mul_add(q2, d[2], d[4]), s.neg_mul_add(q2, d[1], d[3]));
    let (even_q, odd_q) = (s.sub(d[4], d[2]), s.sub(d[3], d[1]));
    [
        s.mul_add(q2, d[0], s.neg_mul_add(sum, d[2], d[4])),
        s.add(even, odd),
        s.sub(even, odd),
        s.mul_add(q, odd_q, even_q),
        s.neg_mul_add(q, odd_q, even_q),
        s.mul_add(q2, d[1], s.neg_mul_add(sum, d[3], d[5])),
    ]
}

/// Where a 6×6 tile is read.
#[derive(Clone, Copy)]
pub(super) struct Tile {
    /// Where the rows start.
    pub rows: [*const f32; POINTS],
    /// Numbers from one column to the next.
    pub column_step: usize,
    /// Whether the first and the last column exist; they are zero if not.
    pub ends: [bool; 2],
}

/// Bᵀ·d·B of a tile of vectors; point (i, j) is stored at (6i + j)·`point_step`.
///
/// Two rows of points at a time: their twelve vectors fit the registers, all 36 would be spilled.
///
/// # Safety
/// All of these are readable and writable.
#[inline(always)]
pub(super) unsafe fn input<S: Simd>(s: S, tile: &Tile, to: *mut f32, point_step: usize) {
    // Otherwise the compiler keeps 36 addresses ready outside the loop, and loads each of them from the stack.
    let point_step = std::hint::black_box(point_step);
    let (q, q2, sum) = (s.splat(Q), s.splat(Q2), s.splat(1.0 + Q2));
    // Not closures: those would be compiled without the vector instructions wherever they are not inlined.
    macro_rules! load {
        ($i:expr, $j:expr) => {
            // SAFETY: the caller vouches for 6×6 vectors, but for a first or last column that does not exist.
            unsafe {
                match $j {
                    0 => s.load_if(tile.ends[0], tile.rows[$i]),
                    5 => s.load_if(tile.ends[1], tile.rows[$i].wrapping_add(5 * tile.column_step)),
                    // A row may start before its plane, if the first column does not exist.
                    _ => s.load(tile.rows[$i].wrapping_add($j * tile.column_step)),
                }
            }
        };
    }
    macro_rules! store {
        ($i:expr, $line:expr) => {
            for (j, v) in input_line(s, $line).into_iter().enumerate() {
                // SAFETY: the caller vouches for 36 points.
                unsafe { s.store(to.add($i * POINTS * point_step + j * point_step), v) };
            }
        };
    }
    let (mut upper, mut lower) = ([s.zero(); POINTS], [s.zero(); POINTS]);
    for j in 0..POINTS {
        let [d1, d2, d3, d4] = [load!(1, j), load!(2, j), load!(3, j), load!(4, j)];
        let (even, odd) = (s.neg_mul_add(q2, d2, d4), s.neg_mul_add(q2, d1, d3));
        (upper[j], lower[j]) = (s.add(even, odd), s.sub(even, odd));
    }
    store!(1, upper);
    store!(2, lower);
    for j in 0..POINTS {
        let [d1, d2, d3, d4] = [load!(1, j), load!(2, j), load!(3, j), load!(4, j)];
        let (even, odd) = (s.sub(d4, d2), s.sub(d3, d1));
        (upper[j], lower[j]) = (s.mul_add(q, odd, even), s.neg_mul_add(q, odd, even));
    }
    store!(3, upper);
    store!(4, lower);
    for j in 0..POINTS {
        upper[j] = s.mul_add(q2, load!(0, j), s.neg_mul_add(sum, load!(2, j), load!(4, j)));
        lower[j] = s.mul_add(q2, load!(1, j), s.neg_mul_add(sum, load!(3, j), load!(5, j)));
    }
    store!(0, upper);
    store!(5, lower);
}

/// Aᵀ·m for M = 2 or 4 outputs.
#[inline(always)]
fn output_line<S: Simd, const M: usize>(s: S, m: [S::Vector; POINTS]) -> [S::Vector; M] {
    let (sum, sum_q) = (s.add(m[1], m[2]), s.add(m[3], m[4]));
    let (difference, difference_q) = (s.sub(m[1], m[2]), s.sub(m[3], m[4]));
    let mut y = [s.zero(); M];
    y[0] = s.add(s.add(m[0], sum), sum_q);
    y[1] = s.mul_add(s.splat(Q), difference_q, difference);
    if M == 4 {
        y[2] = s.mul_add(s.splat(Q2), sum_q, sum);
        y[3] = s.mul_add(s.splat(Q * Q2), difference_q, difference);
    }
    y[M - 1] = s.add(y[M - 1], m[POINTS - 1]);
    y
}

/// Aᵀ·m·A of 36 vectors `step` numbers apart.
///
/// # Safety
/// They are readable.
#[inline(always)]
pub(super) unsafe fn output<S: Simd, const M: usize>(s: S, from: *const f32, step: usize) -> [[S::Vector; M]; M] {
    let mut half = [[s.zero(); POINTS]; M];
    for j in 0..POINTS {
        let mut column = [s.zero(); POINTS];
        for (i, v) in column.iter_mut().enumerate() {
            // SAFETY: the caller vouches for 36 vectors.
            *v = unsafe { s.load(from.add((i * POINTS + j) * step)) };
        }
        for (half, v) in half.iter_mut().zip(output_line::<S, M>(s, column)) {
            half[j] = v;
        }
    }
    let mut y = [[s.zero(); M]; M];
    for (y, half) in y.iter_mut().zip(half) {
        *y = output_line::<S, M>(s, half);
    }
    y
}

/// A·g: the transpose of [`output_line`], for the weight gradient.
#[inline(always)]
fn gradient_line<S: Simd, const M: usize>(s: S, g: [S::Vector; M]) -> [S::Vector; POINTS] {
    let q = s.splat(Q);
    let (even, odd, even_q, odd_q) = if M == 4 {
        let q2 = s.splat(Q2);
        let (odd, odd_q) = (s.add(g[1], g[3]), s.mul_add(q2, g[3], g[1]));
        (s.add(g[0], g[2]), odd, s.mul_add(q2, g[2], g[0]), odd_q)
    } else {
        (g[0], g[1], g[0], g[1])
    };
    [g[0], s.add(even, odd), s.sub(even, odd), s.mul_add(q, odd_q, even_q), s.neg_mul_add(q, odd_q, even_q), g[M - 1]]
}

/// A·g·Aᵀ of M×M vectors; point (i, j) is stored at (6i + j)·`point_step`.
///
/// # Safety
/// The points are writable.
#[inline(always)]
pub(super) unsafe fn gradient<S: Simd, const M: usize>(
    s: S,
    tile: [[S::Vector; M]; M],
    to: *mut f32,
    point_step: usize,
) {
    let mut half = [[s.zero(); M]; POINTS];
    for j in 0..M {
        let mut column = [s.zero(); M];
        for (v, row) in column.iter_mut().zip(&tile) {
            *v = row[j];
        }
        for (half, v) in half.iter_mut().zip(gradient_line::<S, M>(s, column)) {
            half[j] = v;
        }
    }
    for (i, half) in half.into_iter().enumerate() {
        for (j, v) in gradient_line::<S, M>(s, half).into_iter().enumerate() {
            // SAFETY: the caller vouches for 36 vectors.
            unsafe { s.store(to.add((i * POINTS + j) * point_step), v) };
        }
    }
}

/// G·g·Gᵀ of LANES filters of K×K taps.
#[inline(always)]
pub(super) fn filter<S: Simd, const K: usize>(
    s: S,
    matrix: &[[f32; POINTS - 1]; POINTS],
    taps: &[[S::Vector; K]; K],
) -> [[S::Vector; POINTS]; POINTS] {
    let mut half = [[s.zero(); K]; POINTS];
    for (half, row) in half.iter_mut().zip(matrix) {
        for (taps, &entry) in taps.iter().zip(row) {
            for (half, &tap) in half.iter_mut().zip(taps) {
                *half = s.mul_add(s.splat(entry), tap, *half);
            }
        }
    }
    let mut points = [[s.zero(); POINTS]; POINTS];
    for (points, half) in points.iter_mut().zip(&half) {
        for (point, row) in points.iter_mut().zip(matrix) {
            for (&half, &entry) in half.iter().zip(row) {
                *point = s.mul_add(s.splat(entry), half, *point);
            }
        }
    }
    points
}

/// Gᵀ·u·G: from the gradient of LANES transformed filters to that of their K×K taps.
#[inline(always)]
pub(super) fn filter_gradient<S: Simd, const K: usize>(
    s: S,
    matrix: &[[f32; POINTS - 1]; POINTS],
    points: &[[S::Vector; POINTS]; POINTS],
) -> [[S::Vector; K]; K] {
    let mut half = [[s.zero(); POINTS]; K];
    for (points, row) in points.iter().zip(matrix) {
        for (half, &entry) in half.iter_mut().zip(row) {
            for (half, &point) in half.iter_mut().zip(points) {
                *half = s.mul_add(s.splat(entry), point, *half);
            }
        }
    }
    let mut taps = [[s.zero(); K]; K];
    for (taps, half) in taps.iter_mut().zip(&half) {
        for (&half, row) in half.iter().zip(matrix) {
            for (tap, &entry) in taps.iter_mut().zip(row) {
                *tap = s.mul_add(s.splat(entry), half, *tap);
            }
        }
    }
    taps
}
