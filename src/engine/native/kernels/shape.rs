//! Kernels that only move numbers: subsampling.

use super::LANES;
use super::multiversion::multiversion;
use crate::graph::dims::Pair;

multiversion! {
    /// y ← every stride-th pixel of x. `input` and `output` are the planes.
    pub fn subsample(input: Pair, output: Pair, stride: Pair, x: &[f32], y: &mut [f32]) {
        let x = x.as_chunks::<LANES>().0.chunks_exact(input.area());
        let y = y.as_chunks_mut::<LANES>().0.chunks_exact_mut(output.area());
        for (x, y) in x.zip(y) {
            for (row, y) in y.chunks_exact_mut(output.width).enumerate() {
                let x = x[row * stride.height * input.width..][..input.width].iter().step_by(stride.width);
                for (y, x) in y.iter_mut().zip(x) {
                    *y = *x;
                }
            }
        }
    }

    /// dx ← (or +=, with `add`) dy at every stride-th pixel, 0 elsewhere.
    pub fn subsample_backward(input: Pair, output: Pair, stride: Pair, dy: &[f32], add: bool, dx: &mut [f32]) {
        if !add {
            dx.fill(0.0);
        }
        let dy = dy.as_chunks::<LANES>().0.chunks_exact(output.area());
        let dx = dx.as_chunks_mut::<LANES>().0.chunks_exact_mut(input.area());
        for (dy, dx) in dy.zip(dx) {
            for (row, dy) in dy.chunks_exact(output.width).enumerate() {
                let dx = dx[row * stride.height * input.width..][..input.width].iter_mut().step_by(stride.width);
                for (dx, dy) in dx.zip(dy) {
                    for lane in 0..LANES {
                        dx[lane] += dy[lane];
                    }
                }
            }
        }
    }
}
