//! The reference engine against the naive interpreter: outputs, and gradients against central differences.

use crate::support::builder::{Builder, Conv, Norm, Pool};
use crate::support::reference::{self, Weights};
use crate::support::{OwnedBatch, assert_close, random_state};
use netc::internals::engine::Mode;
use netc::internals::engine::tensor::{self, KernelStyle};
use netc::internals::graph::dims::{Padding, Pair, Shape};
use netc::internals::graph::layer::Divisor;
use netc::internals::lower::program::{Loss, Program, ValueId, VarianceEstimate};
use proptest::prelude::*;

/// Everything the engine says about a program, against the interpreter.
fn check(program: Program, len: usize, seed: u64) {
    let batch = OwnedBatch::random(&program, len, seed);
    check_on(program, &batch, seed);
}

fn check_on(program: Program, batch: &OwnedBatch, seed: u64) {
    for style in [KernelStyle::Gemm, KernelStyle::FewLaunches] {
        check_style(&program, style, batch, seed);
    }
}

fn check_style(program: &Program, style: KernelStyle, batch: &OwnedBatch, seed: u64) {
    let batch = batch.get();
    let state = random_state(program, seed);
    let weights = Weights::from(&state);
    let mut engine = tensor::cpu_as(program.clone(), style).unwrap();
    engine.load(&state).unwrap();
    for mode in [Mode::Train, Mode::Evaluate] {
        let expected = reference::run(program, &weights, &batch, mode);
        assert_close(
            &format!("{style:?} {mode:?} logits"),
            &engine.logits(&batch, mode).unwrap(),
            &expected.logits,
            2e-5,
        );
    }
    let expected = reference::gradients(program, &weights, &batch);
    let found = engine.gradients(&batch).unwrap();
    // Against the largest gradient of the whole program: a bias before a batch norm has none but rounding.
    let largest = expected.iter().flatten().fold(0f64, |most, x| most.max(x.abs()));
    for ((parameter, found), expected) in program.parameters.iter().zip(&found).zip(&expected) {
        for (i, (f, e)) in found.iter().zip(expected).enumerate() {
            let off = (f64::from(*f) - e).abs();
            assert!(off < 1e-4 * largest, "{}[{i}]: {f}, differences say {e}", parameter.name);
        }
    }
    assert_eq!(engine.state().unwrap(), state, "looking must not change the state");
}

/// A conv before and a linear after, so that the gradient has to pass through `middle` to get to the conv.
fn around(input: Shape, channels: usize, middle: impl FnOnce(&mut Builder, ValueId) -> ValueId) -> Program {
    let mut b = Builder::new("around", input);
    let x = b.images();
    let x = b.conv("first", x, channels, Conv { padding: Padding::all(1), bias: true, ..Conv::square(3) });
    let x = middle(&mut b, x);
    let x = if matches!(b.shape(x), Shape::Map { .. }) { b.flatten("flatten", x) } else { x };
    let logits = b.linear("last", x, 3, true);
    b.finish(logits)
}

#[test]
fn conv_with_everything() {
    for (seed, len) in [(1, 1), (2, 3)] {
        let conv = Conv {
            kernel: Pair::new(3, 2),
            stride: Pair::new(2, 1),
            padding: Padding { top: 1, bottom: 2, left: 0, right: 1 },
            dilation: Pair::new(1, 2),
            groups: 2,
            bias: true,
        };
        check(around(Shape::map(2, 5, 6), 4, |b, x| b.conv("conv", x, 6, conv)), len, seed);
    }
}

#[test]
fn batch_norm_on_maps_and_vectors() {
    check(
        around(Shape::map(2, 4, 3), 3, |b, x| {
            let x = b.batch_norm("bn1", x);
            let x = b.flatten("flat", x);
            let x = b.linear("inner", x, 4, false);
            b.batch_norm_with("bn2", x, Norm { epsilon: 0.1, decay: 0.5, running_variance: VarianceEstimate::Biased })
        }),
        5,
        4,
    );
}

#[test]
fn activations() {
    check(
        around(Shape::map(2, 4, 4), 3, |b, x| {
            let x = b.relu("relu", x);
            let x = b.tanh("tanh", x);
            b.sigmoid("sigmoid", x)
        }),
        2,
        5,
    );
}

#[test]
fn pools_with_padding_and_over_the_edge() {
    let pool = Pool {
        kernel: Pair::new(3, 2),
        stride: Pair::new(2, 2),
        padding: Padding { top: 1, bottom: 1, left: 0, right: 1 },
        ceil: true,
    };
    let input = Shape::map(1, 6, 6);
    check(around(input, 2, |b, x| b.max_pool("pool", x, pool)), 2, 6);
    for divisor in [Divisor::PaddedWindow, Divisor::ImageOnly] {
        check(around(input, 2, |b, x| b.avg_pool("pool", x, pool, divisor)), 2, 7);
    }
    check(around(input, 2, |b, x| b.global_avg_pool("pool", x)), 2, 8);
}

#[test]
fn local_response_norm() {
    check(around(Shape::map(2, 3, 3), 6, |b, x| b.local_response_norm("lrn", x, 3, 0.4, 0.75, 1.5)), 2, 9);
}

#[test]
fn dropout() {
    check(around(Shape::map(2, 3, 3), 4, |b, x| b.dropout("dropout", x, 0.4, 7)), 3, 10);
}

#[test]
fn label_smoothing() {
    for smoothing in [0.1, 0.9] {
        let mut program = around(Shape::map(2, 3, 3), 3, |b, x| b.tanh("tanh1", x));
        program.loss = Loss::SoftmaxCrossEntropy { smoothing };
        check(program, 3, 7);
    }
}

#[test]
fn branches_meet_again() {
    check(
        around(Shape::map(2, 5, 5), 3, |b, x| {
            let y = b.relu("relu", x);
            let sum = b.add("add", &[x, y, x]);
            let twice = b.add("twice", &[sum, sum]);
            let joined = b.concat("concat", &[x, twice, y]);
            let small = b.subsample("subsample", joined, Pair::new(2, 3));
            let wide = b.pad_channels("pad", small, 1, 2);
            let a = b.flatten("flatten1", wide);
            let c = b.flatten("flatten2", wide);
            let d = b.add("same", &[a, c]);
            b.concat("ends", &[d, a])
        }),
        2,
        11,
    );
}

/// Four paddings up to `most`.
fn paddings(most: usize) -> impl Strategy<Value = Padding> {
    let side = 0..=most;
    (side.clone(), side.clone(), side.clone(), side).prop_map(|(top, bottom, left, right)| Padding {
        top,
        bottom,
        left,
        right,
    })
}

fn pairs(range: std::ops::RangeInclusive<usize>) -> impl Strategy<Value = Pair> {
    (range.clone(), range).prop_map(|(height, width)| Pair { height, width })
}

proptest! {
    // Each case takes thousands of passes of the interpreter.
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_conv(
        kernel in pairs(1..=3), stride in pairs(1..=3), dilation in pairs(1..=2), padding in paddings(2),
        plane in pairs(5..=7), (groups, inputs, outputs) in (1usize..=2, 1usize..=2, 1usize..=2), bias: bool,
        len in 1usize..=3, seed: u64,
    ) {
        let conv = Conv { kernel, stride, padding, dilation, groups, bias };
        let input = Shape::map(1, plane.height, plane.width);
        check(around(input, groups * inputs, |b, x| b.conv("conv", x, groups * outputs, conv)), len, seed);
    }

    #[test]
    fn any_pool(
        kernel in pairs(1..=3), stride in pairs(1..=3), plane in pairs(4..=7), ceil: bool, which in 0..3,
        padding in paddings(1), len in 1usize..=3, seed: u64,
    ) {
        // As in PyTorch a pool pads with at most half its window, so that no window lies in the padding.
        let least = |padding: usize, kernel: usize| padding.min(kernel / 2);
        let padding = Padding {
            top: least(padding.top, kernel.height),
            bottom: least(padding.bottom, kernel.height),
            left: least(padding.left, kernel.width),
            right: least(padding.right, kernel.width),
        };
        let pool = Pool { kernel, stride, padding, ceil };
        let program = around(Shape::map(1, plane.height, plane.width), 2, |b, x| match which {
            0 => b.max_pool("pool", x, pool),
            1 => b.avg_pool("pool", x, pool, Divisor::PaddedWindow),
            _ => b.avg_pool("pool", x, pool, Divisor::ImageOnly),
        });
        check(program, len, seed);
    }

    #[test]
    fn any_norm(channels in 1usize..=7, half in 0usize..=3, beta in 0.5f32..1.0, len in 2usize..=4, seed: u64) {
        check(
            around(Shape::map(1, 3, 4), channels, |b, x| {
                let x = b.batch_norm("bn", x);
                b.local_response_norm("lrn", x, 2 * half + 1, 0.3, beta, 1.0)
            }),
            len,
            seed,
        );
    }
}

#[test]
fn of_equal_maxima_the_first_gets_the_gradient() {
    let mut b = Builder::new("ties", Shape::map(4, 2, 2));
    let x = b.images();
    let x = b.conv("sum", x, 1, Conv::square(1));
    let x = b.max_pool("pool", x, Pool { padding: Padding::all(1), ..Pool::square(3, 3) });
    let x = b.flatten("flat", x);
    let logits = b.linear("last", x, 2, false);
    let program = b.finish(logits);
    // Channel c is 1 at pixel c and 0 elsewhere: with equal weights all four pixels tie, and the gradient of weight c
    // is what pixel c gets.
    let images = (0..16).map(|i| if i / 4 == i % 4 { 1.0 } else { 0.0 }).collect();
    let batch = OwnedBatch { images, labels: vec![0], keys: vec![0] };
    let mut engine = tensor::cpu(program.clone()).unwrap();
    let mut state = random_state(&program, 1);
    state.parameters[0].fill(0.5);
    engine.load(&state).unwrap();
    let gradient = &engine.gradients(&batch.get()).unwrap()[0];
    assert!(gradient[0] != 0.0 && gradient[1..] == [0.0; 3], "{gradient:?}");
}
