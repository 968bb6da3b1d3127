//! Every kernel against the definition in `f64`, over shapes that have broken convolutions before.

use super::*;
use crate::engine::native::kernels::buffer::Buffer;
use crate::engine::native::kernels::testing::{assert_close, numbers};
use crate::graph::dims::{Padding, Pair};
use proptest::prelude::*;

fn shape(channels: (usize, usize), input: (usize, usize), kernel: (usize, usize)) -> ConvShape {
    ConvShape {
        in_channels: channels.0,
        out_channels: channels.1,
        input: Pair::new(input.0, input.1),
        kernel: Pair::new(kernel.0, kernel.1),
        stride: Pair::square(1),
        padding: Padding::default(),
        dilation: Pair::square(1),
        groups: 1,
    }
}

/// Calls `visit(output position, input position, weight position)` for each product of one image's convolution.
fn products(s: &ConvShape, mut visit: impl FnMut(usize, usize, usize)) {
    let (output, input, kernel) = (s.output(), s.input, s.kernel);
    for o in 0..s.out_channels {
        for i in 0..s.group_inputs() {
            let channel = o / s.group_outputs() * s.group_inputs() + i;
            for (oy, ox) in (0..output.height).flat_map(|oy| (0..output.width).map(move |ox| (oy, ox))) {
                for (ky, kx) in (0..kernel.height).flat_map(|ky| (0..kernel.width).map(move |kx| (ky, kx))) {
                    let y = (oy * s.stride.height + ky * s.dilation.height).wrapping_sub(s.padding.top);
                    let x = (ox * s.stride.width + kx * s.dilation.width).wrapping_sub(s.padding.left);
                    if y < input.height && x < input.width {
                        let weight = ((o * s.group_inputs() + i) * kernel.height + ky) * kernel.width + kx;
                        visit(
                            (o * output.height + oy) * output.width + ox,
                            (channel * input.height + y) * input.width + x,
                            weight,
                        );
                    }
                }
            }
        }
    }
}

/// All kernels of one shape on one instruction set against the definition; two blocks, channels in two ranges.
fn check(s: &ConvShape, isa: Isa, conv: &Conv, tolerance: f64) {
    const BLOCKS: usize = if cfg!(miri) { 1 } else { 2 };
    let what = |part: &str| format!("{part} of {s:?} on {isa} by {}", conv.algorithms());
    let weights = numbers(1, s.weight_len());
    let inputs = numbers(2, BLOCKS * s.input_len());
    let gradients = numbers(3, BLOCKS * s.output_len());
    let start = numbers(4, BLOCKS * s.input_len());
    let wide = |x: &[f32]| x.iter().map(|x| f64::from(*x)).collect::<Vec<f64>>();
    let (w, x, g) = (wide(&weights), wide(&inputs), wide(&gradients));
    let mut y = vec![0.0; g.len()];
    let mut dx = wide(&start);
    let mut dw = vec![0.0; w.len()];
    for block in 0..BLOCKS {
        let (from, to) = (block * s.input_len(), block * s.output_len());
        products(s, |o, i, k| {
            for lane in 0..LANES {
                let (o, i) = (to + o * LANES + lane, from + i * LANES + lane);
                y[o] += w[k] * x[i];
                dx[i] += w[k] * g[o];
                dw[k] += g[o] * x[i];
            }
        });
    }

    // Scratch and outputs start as NaN: a kernel that reads what it has not written shows.
    let mut scratch = Buffer::zeroed(conv.scratch_len());
    scratch.fill(f32::NAN);
    let mut packed = Buffer::zeroed(conv.packed_forward_len());
    conv.pack_forward(&weights, &mut packed);
    let mut output = Buffer::zeroed(y.len());
    output.fill(f32::NAN);
    let split = s.out_channels / 2;
    let plane = s.output().area() * LANES;
    for (input, output) in inputs.chunks(s.input_len()).zip(output.chunks_mut(s.output_len())) {
        let (low, high) = output.split_at_mut(split * plane);
        conv.forward(&packed, input, 0..split, low, Epilogue::default(), &mut scratch);
        conv.forward(&packed, input, split..s.out_channels, high, Epilogue::default(), &mut scratch);
    }
    assert_close(&what("forward"), &output, &y, tolerance);

    let bias = numbers(5, s.out_channels);
    let residual = numbers(6, s.output_len());
    let mut statistics = Buffer::zeroed(s.out_channels * 2 * LANES);
    statistics.fill(f32::NAN);
    let input = &inputs[..s.input_len()];
    let fused =
        Epilogue { bias: Some(&bias), residual: Some(&residual), relu: true, statistics: Some(&mut statistics) };
    let mut block = Buffer::zeroed(s.output_len());
    conv.forward(&packed, input, 0..s.out_channels, &mut block, fused, &mut scratch);
    let mut sums = vec![0.0; statistics.len()];
    let expected: Vec<f64> = (0..s.output_len())
        .map(|at| {
            let channel = at / plane;
            let value = (y[at] + f64::from(bias[channel]) + f64::from(residual[at])).max(0.0);
            sums[channel * 2 * LANES + at % LANES] += value;
            sums[(channel * 2 + 1) * LANES + at % LANES] += value * value;
            value
        })
        .collect();
    assert_close(&what("fused forward"), &block, &expected, tolerance);
    assert_close(&what("statistics"), &statistics, &sums, 10.0 * tolerance);

    let mut packed = Buffer::zeroed(conv.packed_backward_len());
    conv.pack_backward(&weights, &mut packed);
    let mut sums = start.clone();
    let split = s.in_channels / 2;
    let plane = s.input.area() * LANES;
    for (gradient, sums) in gradients.chunks(s.output_len()).zip(sums.chunks_mut(s.input_len())) {
        let (low, high) = sums.split_at_mut(split * plane);
        conv.data_gradient(&packed, gradient, 0..split, low, true, &mut scratch);
        conv.data_gradient(&packed, gradient, split..s.in_channels, high, true, &mut scratch);
    }
    assert_close(&what("accumulated data gradient"), &sums, &dx, tolerance);
    let only: Vec<f64> = dx.iter().zip(start.iter()).map(|(dx, start)| dx - f64::from(*start)).collect();
    sums.fill(f32::NAN);
    for (gradient, sums) in gradients.chunks(s.output_len()).zip(sums.chunks_mut(s.input_len())) {
        conv.data_gradient(&packed, gradient, 0..s.in_channels, sums, false, &mut scratch);
    }
    assert_close(&what("data gradient"), &sums, &only, tolerance);

    let mut found = Buffer::zeroed(s.weight_len());
    found.fill(f32::NAN);
    let split = s.out_channels / 2;
    let (low, high) = found.split_at_mut(split * s.filter_len());
    conv.weight_gradient(&inputs, &gradients, 0..split, low, false, &mut scratch);
    conv.weight_gradient(&inputs, &gradients, split..s.out_channels, high, false, &mut scratch);
    assert_close(&what("weight gradient"), &found, &dw, tolerance);
    conv.weight_gradient(&inputs, &gradients, 0..s.out_channels, &mut found, true, &mut scratch);
    let twice: Vec<f64> = dw.iter().map(|dw| 2.0 * dw).collect();
    assert_close(&what("accumulated weight gradient"), &found, &twice, tolerance);
}

/// Winograd's transforms lose a digit: 5e-5 of the largest result, where 1e-4 is the most that is asked for.
fn check_all(s: &ConvShape) {
    for isa in Isa::available() {
        check(s, isa, &Conv::forced(*s, isa, false).unwrap(), 1e-5);
        if winograd::covers(s) {
            check(s, isa, &Conv::forced(*s, isa, true).unwrap(), 5e-5);
        }
    }
}

// Few and small enough for an interpreter that checks every access (miri): the others are left out there.

#[test]
fn small_strides_groups_and_dilation() {
    let padded = ConvShape { padding: Padding::all(1), ..shape((2, 4), (3, 3), (2, 2)) };
    check_all(&ConvShape { groups: 2, dilation: Pair::new(2, 1), ..padded });
    check_all(&ConvShape { stride: Pair::new(2, 3), ..shape((1, 3), (5, 4), (3, 2)) });
    check_all(&ConvShape { stride: Pair::square(2), ..shape((2, 1), (4, 3), (1, 1)) });
}

#[test]
fn small_3x3() {
    check_all(&ConvShape { padding: Padding::all(1), ..shape((1, 2), (2, 5), (3, 3)) });
}

#[test]
fn small_5x5() {
    check_all(&ConvShape { padding: Padding::all(2), ..shape((1, 1), (2, 3), (5, 5)) });
}

#[test]
#[cfg_attr(miri, ignore)]
fn chooses_by_cost() {
    let stage = ConvShape { padding: Padding::all(1), ..shape((16, 16), (32, 32), (3, 3)) };
    assert_eq!(Conv::new(stage, Isa::best()).unwrap().algorithms(), "Winograd, Winograd, Winograd");
    let lenet = shape((1, 6), (28, 28), (5, 5));
    assert_eq!(Conv::new(lenet, Isa::best()).unwrap().algorithms(), "direct, direct, direct");
}

#[test]
fn one_pixel_one_channel() {
    check_all(&shape((1, 1), (1, 1), (1, 1)));
}

#[test]
#[cfg_attr(miri, ignore)]
fn the_window_is_larger_than_the_image() {
    check_all(&ConvShape { padding: Padding::all(2), ..shape((3, 5), (1, 2), (5, 5)) });
    check_all(&ConvShape { padding: Padding::all(1), ..shape((2, 17), (1, 1), (3, 3)) });
    check_all(&ConvShape { padding: Padding::all(1), ..shape((16, 1), (3, 2), (3, 3)) });
}

#[test]
#[cfg_attr(miri, ignore)]
fn resnet_stages() {
    for (channels, side) in [(16, 12), (32, 8), (64, 8)] {
        check_all(&ConvShape { padding: Padding::all(1), ..shape((channels, channels), (side, side), (3, 3)) });
    }
    check_all(&ConvShape { padding: Padding::all(1), ..shape((3, 16), (16, 16), (3, 3)) });
}

#[test]
#[cfg_attr(miri, ignore)]
fn resnet_downsampling() {
    let strided = ConvShape { stride: Pair::square(2), ..shape((16, 32), (8, 8), (3, 3)) };
    check_all(&ConvShape { padding: Padding::all(1), ..strided });
    check_all(&ConvShape { stride: Pair::square(2), ..shape((16, 32), (8, 8), (1, 1)) });
}

#[test]
#[cfg_attr(miri, ignore)]
fn lenet_and_cifarnet() {
    check_all(&shape((1, 6), (14, 14), (5, 5)));
    check_all(&shape((6, 16), (10, 10), (5, 5)));
    check_all(&ConvShape { padding: Padding::all(2), ..shape((16, 32), (8, 8), (5, 5)) });
}

#[test]
fn refuses_what_is_no_convolution() {
    assert!(Conv::new(shape((1, 1), (2, 2), (3, 3)), Isa::Portable).is_err());
    assert!(Conv::new(ConvShape { groups: 2, ..shape((3, 4), (2, 2), (1, 1)) }, Isa::Portable).is_err());
    assert!(Conv::new(shape((0, 1), (2, 2), (1, 1)), Isa::Portable).is_err());
}

fn any_shape() -> impl Strategy<Value = ConvShape> {
    let pair = |range: Range<usize>| (range.clone(), range).prop_map(|(h, w)| Pair::new(h, w));
    let padding = (0..4usize, 0..4usize, 0..4usize, 0..4usize);
    (1..4usize, 1..20usize, 1..20usize, pair(1..14), pair(1..6), pair(1..4), padding, pair(1..3))
        .prop_map(|(groups, inputs, outputs, input, kernel, stride, (top, bottom, left, right), dilation)| ConvShape {
            in_channels: groups * inputs.div_ceil(groups),
            out_channels: groups * outputs.div_ceil(groups),
            input,
            kernel,
            stride,
            padding: Padding { top, bottom, left, right },
            dilation,
            groups,
        })
        .prop_filter("no convolution", |shape| shape.validate().is_ok())
}

/// Stride 1 and no dilation, where the faster algorithms are.
fn unit_stride() -> impl Strategy<Value = ConvShape> {
    let side = prop_oneof![Just(3usize), Just(5)];
    (any_shape(), side).prop_map(|(shape, side)| ConvShape {
        kernel: Pair::square(side),
        stride: Pair::square(1),
        dilation: Pair::square(1),
        padding: Padding { top: side / 2, left: side / 2, ..shape.padding },
        ..shape
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    #[cfg_attr(miri, ignore)]
    fn agrees_with_the_definition(shape in any_shape()) {
        check_all(&shape);
    }

    #[test]
    #[cfg_attr(miri, ignore)]
    fn agrees_with_the_definition_at_unit_stride(shape in unit_stride()) {
        prop_assume!(shape.validate().is_ok());
        check_all(&shape);
    }
}
