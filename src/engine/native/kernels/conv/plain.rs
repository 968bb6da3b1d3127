//! Convolution by its definition, for whatever no faster kernel covers: loops over taps, each tap a clipped rectangle.

use super::{ConvShape, Epilogue};
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

fn plane_mut(block: &mut [f32], channel: usize, area: usize) -> &mut [f32] {
    &mut block[channel * area * LANES..][..area * LANES]
}

/// y = conv(x, w) for output channels `channels`; `kernel` as the user has it.
pub(super) fn forward(shape: &ConvShape, kernel: &[f32], input: &[f32], channels: Range<usize>, output: &mut [f32]) {
    let (first, stride) = (channels.start, shape.stride.width * LANES);
    output.fill(0.0);
    weights(shape, channels, |o, i, tap, ky, kx| {
        let weight = kernel[o * shape.filter_len() + tap];
        let x = plane(input, i, shape.input.area());
        let y = plane_mut(output, o - first, shape.output().area());
        rows(shape, ky, kx, |to, from, vectors| {
            let y = y[to * LANES..][..vectors * LANES].chunks_exact_mut(LANES);
            for (y, x) in y.zip(x[from * LANES..].chunks(stride)) {
                y.iter_mut().zip(x).for_each(|(y, x)| *y += weight * x);
            }
        });
    });
}

/// dx += convᵀ(dy, w) for input channels `channels`.
pub(super) fn data_gradient(
    shape: &ConvShape,
    kernel: &[f32],
    output_gradient: &[f32],
    channels: Range<usize>,
    input_gradient: &mut [f32],
) {
    let stride = shape.stride.width * LANES;
    weights(shape, 0..shape.out_channels, |o, i, tap, ky, kx| {
        if !channels.contains(&i) {
            return;
        }
        let weight = kernel[o * shape.filter_len() + tap];
        let dy = plane(output_gradient, o, shape.output().area());
        let dx = plane_mut(input_gradient, i - channels.start, shape.input.area());
        rows(shape, ky, kx, |from, to, vectors| {
            let dy = dy[from * LANES..][..vectors * LANES].chunks_exact(LANES);
            for (dy, dx) in dy.zip(dx[to * LANES..].chunks_mut(stride)) {
                dx.iter_mut().zip(dy).for_each(|(dx, dy)| *dx += weight * dy);
            }
        });
    });
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

/// Applies the epilogue to planes that hold the plain convolution.
pub(super) fn epilogue(shape: &ConvShape, channels: Range<usize>, output: &mut [f32], epilogue: Epilogue<'_>) {
    let Epilogue { bias, residual, relu, statistics } = epilogue;
    let area = shape.output().area() * LANES;
    if let Some(bias) = bias {
        for (plane, &bias) in output.chunks_exact_mut(area).zip(&bias[channels]) {
            plane.iter_mut().for_each(|y| *y += bias);
        }
    }
    if let Some(residual) = residual {
        output.iter_mut().zip(residual).for_each(|(y, r)| *y += r);
    }
    if relu {
        output.iter_mut().for_each(|y| *y = y.max(0.0));
    }
    if let Some(statistics) = statistics {
        statistics.fill(0.0);
        for (plane, statistics) in output.chunks_exact(area).zip(statistics.chunks_exact_mut(2 * LANES)) {
            let (sums, squares) = statistics.split_at_mut(LANES);
            for y in plane.chunks_exact(LANES) {
                sums.iter_mut().zip(squares.iter_mut()).zip(y).for_each(|((sum, square), y)| {
                    *sum += y;
                    *square += y * y;
                });
            }
        }
    }
}
