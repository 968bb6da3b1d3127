//! Convolution by its definition, for whatever no faster kernel covers: loops over taps, each tap a clipped rectangle.

use super::ConvShape;
use crate::engine::native::kernels::LANES;
use std::ops::Range;

/// Output positions along one axis whose tap at `offset` (tap·dilation) falls inside the input.
fn inside(offset: usize, before: usize, stride: usize, input: usize, output: usize) -> Range<usize> {
    let first = before.saturating_sub(offset).div_ceil(stride);
    let last = if input + before > offset { (input + before - offset - 1) / stride + 1 } else { 0 };
    first.min(output)..last.min(output).max(first.min(output))
}

/// Calls `visit(output row start, input row start, vectors)` for each output row that one tap touches: positions within
/// a plane, in vectors of lanes.
fn rows(shape: &ConvShape, ky: usize, kx: usize, mut visit: impl FnMut(usize, usize, usize)) {
    let (output, input) = (shape.output(), shape.input);
    let (dy, dx) = (ky * shape.dilation.height, kx * shape.dilation.width);
    let columns = inside(dx, shape.padding.left, shape.stride.width, input.width, output.width);
    if columns.is_empty() {
        return;
    }
    let x = columns.start * shape.stride.width + dx - shape.padding.left;
    for oy in inside(dy, shape.padding.top, shape.stride.height, input.height, output.height) {
        let y = oy * shape.stride.height + dy - shape.padding.top;
        visit(oy * output.width + columns.start, y * input.width + x, columns.len());
    }
}

/// Calls `visit(output channel, input channel, index in the filter, ky, kx)` for each weight of the channels.
fn weights(shape: &ConvShape, channels: Range<usize>, mut visit: impl FnMut(usize, usize, usize, usize, usize)) {
    for o in channels {
        let group = o / shape.group_outputs();
        for i in 0..shape.group_inputs() {
            for ky in 0..shape.kernel.height {
                for kx in 0..shape.kernel.width {
                    let tap = (i * shape.kernel.height + ky) * shape.kernel.width + kx;
                    visit(o, group * shape.group_inputs() + i, tap, ky, kx);
                }
            }
        }
    }
}

fn plane(block: &[f32], channel: usize, area: usize) -> &[f32] {
    &block[channel * area * LANES..][..area * LANES]
}

/// dw += Σ dy·x over one block for the filters of output channels `channels`.
pub(super) fn weight_gradient(
    shape: &ConvShape,
    input: &[f32],
    output_gradient: &[f32],
    channels: Range<usize>,
    weight_gradient: &mut [f32],
) {
    let (first, stride) = (channels.start, shape.stride.width * LANES);
    weights(shape, channels, |o, i, tap, ky, kx| {
        let x = plane(input, i, shape.input.area());
        let dy = plane(output_gradient, o, shape.output().area());
        let mut sums = [0.0f32; LANES];
        rows(shape, ky, kx, |from, to, vectors| {
            let dy = dy[from * LANES..][..vectors * LANES].chunks_exact(LANES);
            for (dy, x) in dy.zip(x[to * LANES..].chunks(stride)) {
                sums.iter_mut().zip(dy).zip(x).for_each(|((sum, dy), x)| *sum += dy * x);
            }
        });
        weight_gradient[(o - first) * shape.filter_len() + tap] += sums.iter().sum::<f32>();
    });
}
