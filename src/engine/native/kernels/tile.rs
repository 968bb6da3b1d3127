//! The register tile that every matrix-like kernel is made of: R broadcast weights times C vectors of activations.
#![allow(unsafe_code)]

use super::simd::Simd;

/// Sums `[r][c]` = Σ over channels k and taps t of `weights[(k·T + t)·R + r] · x[k·channel_step + taps[t] + c·column_step]`.
///
/// R·C sums stay in registers over the whole reduction; each step loads C vectors and broadcasts R weights for R·C
/// multiply-adds. The order of the sum is the same for every R and C.
///
/// # Safety
/// All the numbers named above are readable.
#[inline(always)]
pub unsafe fn accumulate<S: Simd, const R: usize, const C: usize>(
    simd: S,
    mut weights: *const f32,
    x: *const f32,
    channels: usize,
    channel_step: usize,
    taps: &[usize],
    column_step: usize,
) -> [[S::Vector; C]; R] {
    let mut sums = [[simd.zero(); C]; R];
    for k in 0..channels {
        for &tap in taps {
            // SAFETY: the caller vouches for what is read; the offset stays inside the same tensor.
            unsafe {
                let x = x.add(k * channel_step + tap);
                let mut columns = [simd.zero(); C];
                for (c, column) in columns.iter_mut().enumerate() {
                    *column = simd.load(x.add(c * column_step));
                }
                for (r, sums) in sums.iter_mut().enumerate() {
                    let weight = simd.splat(*weights.add(r));
                    for (sum, &column) in sums.iter_mut().zip(&columns) {
                        *sum = simd.mul_add(weight, column, *sum);
                    }
                }
                weights = weights.add(R);
            }
        }
    }
    sums
}

/// `len` cut into runs of at most `most`, as equal as can be: (start, length) of each.
pub fn even_runs(len: usize, most: usize) -> Vec<(usize, usize)> {
    let runs = len.div_ceil(most).max(1);
    (0..runs).map(|run| (run * len / runs, (run + 1) * len / runs - run * len / runs)).collect()
}

/// Calls a function with its two last const parameters, rows and columns of the register tile, taken from values: rows
/// up to [`Simd::ROWS`], columns 4, 2 or 1 up to [`Simd::COLUMNS`].
macro_rules! with_tile {
    ($s:ident, $rows:expr, $columns:expr, $function:ident $arguments:tt) => {
        match ($rows, $columns) {
            (6, 4) if $s::ROWS >= 6 && $s::COLUMNS >= 4 => $function::<$s, 6, 4> $arguments,
            (5, 4) if $s::ROWS >= 5 && $s::COLUMNS >= 4 => $function::<$s, 5, 4> $arguments,
            (4, 4) if $s::ROWS >= 4 && $s::COLUMNS >= 4 => $function::<$s, 4, 4> $arguments,
            (3, 4) if $s::ROWS >= 3 && $s::COLUMNS >= 4 => $function::<$s, 3, 4> $arguments,
            (2, 4) if $s::COLUMNS >= 4 => $function::<$s, 2, 4> $arguments,
            (1, 4) if $s::COLUMNS >= 4 => $function::<$s, 1, 4> $arguments,
            (6, 2) if $s::ROWS >= 6 && $s::COLUMNS >= 2 => $function::<$s, 6, 2> $arguments,
            (5, 2) if $s::ROWS >= 5 && $s::COLUMNS >= 2 => $function::<$s, 5, 2> $arguments,
            (4, 2) if $s::ROWS >= 4 && $s::COLUMNS >= 2 => $function::<$s, 4, 2> $arguments,
            (3, 2) if $s::ROWS >= 3 && $s::COLUMNS >= 2 => $function::<$s, 3, 2> $arguments,
            (2, 2) if $s::COLUMNS >= 2 => $function::<$s, 2, 2> $arguments,
            (1, 2) if $s::COLUMNS >= 2 => $function::<$s, 1, 2> $arguments,
            (6, 1) if $s::ROWS >= 6 => $function::<$s, 6, 1> $arguments,
            (5, 1) if $s::ROWS >= 5 => $function::<$s, 5, 1> $arguments,
            (4, 1) if $s::ROWS >= 4 => $function::<$s, 4, 1> $arguments,
            (3, 1) if $s::ROWS >= 3 => $function::<$s, 3, 1> $arguments,
            (2, 1) => $function::<$s, 2, 1> $arguments,
            (1, 1) => $function::<$s, 1, 1> $arguments,
            _ => unreachable!("register tiles are cut to fit"),
        }
    };
}
pub(crate) use with_tile;

/// Columns of the next register tile when `left` are left: 4, 2 or 1, at most [`Simd::COLUMNS`].
#[inline(always)]
pub fn columns<S: Simd>(left: usize) -> usize {
    let most = left.min(S::COLUMNS);
    if most >= 4 {
        4
    } else if most >= 2 {
        2
    } else {
        1
    }
}
