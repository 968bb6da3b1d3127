//! The engines against PyTorch: every op, and two whole steps of training of ResNet-20. The numbers are made by
//! `tests/golden/make_golden.py`.

use crate::support::builder::{Builder, Conv, Pool};
use crate::support::golden::Golden;
use crate::support::{OwnedBatch, assert_close};
use netc::internals::compile::{self, compile};
use netc::internals::engine::native::kernels::isa::Isa;
use netc::internals::engine::native::{Convolution, NativeEngine, Options};
use netc::internals::engine::tensor::{self, KernelStyle};
use netc::internals::engine::{Engine, Mode, State, Update};
use netc::internals::graph::dims::{Padding, Pair, Shape};
use netc::internals::graph::layer::Divisor;
use netc::internals::lower::defaults::{Defaults, InitRule};
use netc::internals::lower::program::{Program, ValueId};
use std::path::Path;

/// The engines under test.
fn engines(program: &Program) -> Vec<(&'static str, Box<dyn Engine>)> {
    let tensor = |style| tensor::cpu_as(program.clone(), style).unwrap();
    let mut engines: Vec<(&'static str, Box<dyn Engine>)> =
        vec![("tensor", tensor(KernelStyle::Gemm)), ("tensor as on CUDA", tensor(KernelStyle::FewLaunches))];
    for isa in Isa::available() {
        for convolution in [Convolution::Direct, Convolution::Fastest] {
            let name = match (isa, convolution) {
                (Isa::Portable, Convolution::Direct) => "native, portable, direct",
                (Isa::Avx2, Convolution::Direct) => "native, avx2, direct",
                (Isa::Avx512, Convolution::Direct) => "native, avx512, direct",
                (Isa::Portable, Convolution::Fastest) => "native, portable, fastest",
                (Isa::Avx2, Convolution::Fastest) => "native, avx2, fastest",
                (Isa::Avx512, Convolution::Fastest) => "native, avx512, fastest",
            };
            let options = Options { threads: Some(2), isa: Some(isa), convolution };
            engines.push((name, Box::new(NativeEngine::new(program.clone(), options).unwrap())));
        }
    }
    engines
}

/// ResNet-20 as a user gets it: from its spec, with the starting weights of its recipe.
fn resnet20() -> Program {
    let defaults = Defaults { init: InitRule::HeNormal.into(), ..Defaults::default() };
    compile(Path::new("specs/resnet20.net"), &compile::Options { defaults, ..compile::Options::default() })
        .program
        .unwrap()
}

/// The op in the middle of a case, by its name in the script.
fn middle(b: &mut Builder, case: &str, x: ValueId) -> ValueId {
    let pool = |name: &str| {
        let (side, padding) = match name {
            name if name.starts_with("3x3s2p1") => (Pool::square(3, 2), Padding::all(1)),
            name if name.starts_with("3x3s2") => (Pool::square(3, 2), Padding::default()),
            name if name.starts_with("2x3s3") => (Pool::new(Pair::new(2, 3), Pair::square(3)), Padding::all(1)),
            _ => panic!("{name}"),
        };
        Pool { padding, ceil: name.contains("_ceil"), ..side }
    };
    let biased = |side: usize| Conv { bias: true, ..Conv::square(side) };
    match case {
        "conv_plain" => b.conv("conv", x, 4, biased(3)),
        "conv_padded_strided" => {
            b.conv("conv", x, 4, Conv { stride: Pair::square(2), padding: Padding::all(1), ..biased(3) })
        }
        "conv_same_at_stride_2" => {
            let padding = Padding { bottom: 1, right: 1, ..Padding::default() };
            b.conv("conv", x, 3, Conv { stride: Pair::square(2), padding, ..biased(3) })
        }
        "conv_odd" => {
            let padding = Padding { left: 1, bottom: 2, ..Padding::default() };
            let (kernel, stride, dilation) = (Pair::new(3, 2), Pair::new(2, 1), Pair::new(2, 3));
            b.conv("conv", x, 6, Conv { kernel, stride, padding, dilation, groups: 2, bias: true })
        }
        "conv_depthwise" => b.conv("conv", x, 4, Conv { padding: Padding::all(1), groups: 4, ..biased(3) }),
        "conv_1x1" => b.conv("conv", x, 5, biased(1)),
        "batch_norm" | "batch_norm_one_image" => b.batch_norm("bn", x),
        "relu" => b.relu("relu", x),
        "tanh" => b.tanh("tanh", x),
        "sigmoid" => b.sigmoid("sigmoid", x),
        "global_avg_pool" => b.global_avg_pool("pool", x),
        // PyTorch divides its alpha by the size; a program's is a factor of the sum.
        "lrn_5" => b.local_response_norm("lrn", x, 5, 0.5 / 5.0, 0.75, 1.5),
        "lrn_9" => b.local_response_norm("lrn", x, 9, 0.5 / 9.0, 0.75, 1.5),
        "dropout" => b.dropout("dropout", x, 0.4, 5),
        "max_pool_ties" => b.max_pool("pool", x, pool("3x3s2p1")),
        "join" => {
            let wide = b.conv("wide", x, 4, Conv::square(1));
            let relu = b.relu("relu", x);
            let sum = b.add("add", &[x, relu, x]);
            let joined = b.concat("concat", &[x, wide, sum]);
            let small = b.subsample("subsample", joined, Pair::new(2, 3));
            b.pad_channels("pad", small, 1, 2)
        }
        _ => match (case.strip_prefix("max_pool_"), case.strip_prefix("avg_pool_")) {
            (Some(name), _) => b.max_pool("pool", x, pool(name)),
            (_, Some(name)) => {
                let divisor = if name.ends_with("_padded") { Divisor::PaddedWindow } else { Divisor::ImageOnly };
                b.avg_pool("pool", x, pool(name), divisor)
            }
            _ => panic!("no such case: {case}"),
        },
    }
}

/// Height and width of a case's images.
fn plane(case: &str) -> Pair {
    match case {
        "conv_plain" => Pair::new(6, 5),
        "conv_padded_strided" => Pair::new(7, 6),
        "conv_same_at_stride_2" => Pair::square(6),
        "conv_odd" => Pair::new(8, 7),
        "conv_depthwise" | "join" => Pair::square(5),
        "conv_1x1" | "relu" | "tanh" | "sigmoid" | "dropout" => Pair::square(4),
        "batch_norm" | "lrn_5" | "lrn_9" => Pair::square(3),
        "batch_norm_one_image" => Pair::square(2),
        "max_pool_ties" => Pair::square(7),
        "global_avg_pool" => Pair::new(3, 5),
        _ => Pair::new(8, 7),
    }
}

fn program(golden: &Golden, case: &str) -> Program {
    let plane = plane(case);
    let mut b = Builder::new(case, Shape::map(2, plane.height, plane.width));
    let channels = golden.floats(&format!("{case}/parameters/first.bias")).len();
    let x = b.images();
    let x = b.conv("first", x, channels, Conv { padding: Padding::all(1), bias: true, ..Conv::square(3) });
    let x = middle(&mut b, case, x);
    let x = if matches!(b.shape(x), Shape::Map { .. }) { b.flatten("flatten", x) } else { x };
    let logits = b.linear("last", x, 3, true);
    b.finish(logits)
}

#[test]
fn every_op_is_pytorchs() {
    let golden = Golden::open("ops.safetensors");
    let cases = golden.cases();
    assert!(cases.len() >= 30, "{cases:?}");
    for case in &cases {
        let program = program(&golden, case);
        let images = golden.floats(&format!("{case}/images"));
        let labels = golden.integers(&format!("{case}/labels"));
        let keys = OwnedBatch::random(&program, labels.len(), 7).keys;
        let batch = OwnedBatch { images, labels, keys };
        let parameters = program.parameters.iter().map(|p| golden.floats(&format!("{case}/parameters/{}", p.name)));
        let statistics = program.statistics.iter().map(|s| golden.floats(&format!("{case}/statistics/{}", s.name)));
        let state = State {
            parameters: parameters.collect(),
            velocities: program.parameters.iter().map(|p| vec![0.0; p.elements()]).collect(),
            squares: Vec::new(),
            averages: Vec::new(),
            statistics: statistics.collect(),
        };
        for (name, mut engine) in engines(&program) {
            let what = |part: &str| format!("{name} {case} {part}");
            engine.load(&state).unwrap();
            let expected = |part: &str| golden.doubles(&format!("{case}/{part}"));
            let evaluated = engine.logits(&batch.get(), Mode::Evaluate).unwrap();
            assert_close(&what("evaluated"), &evaluated, &expected("evaluated"), 1e-5);
            let logits = engine.logits(&batch.get(), Mode::Train).unwrap();
            assert_close(&what("logits"), &logits, &expected("logits"), 1e-5);
            let gradients = engine.gradients(&batch.get()).unwrap();
            for (parameter, gradient) in program.parameters.iter().zip(&gradients) {
                let part = format!("gradients/{}", parameter.name);
                let expected = expected(&part);
                if expected.iter().all(|x| x.abs() < 1e-6) {
                    // A bias before a batch norm: rounding is all there is.
                    assert!(gradient.iter().all(|x| x.abs() < 1e-6), "{}: {gradient:?}", what(&part));
                } else {
                    assert_close(&what(&part), gradient, &expected, 2e-5);
                }
            }
            let still = vec![0.0; program.parameters.len()];
            engine.train_step(&batch.get(), &Update::sgd(0.0, 0.0, &still)).unwrap();
            let metrics = engine.read_metrics().unwrap();
            assert!((metrics.loss() - expected("loss")[0]).abs() < 1e-5, "{}", what("loss"));
            let after = engine.state().unwrap();
            assert_eq!(after.parameters, state.parameters, "{}", what("a step of rate 0"));
            for (statistic, after) in program.statistics.iter().zip(&after.statistics) {
                let part = format!("after/{}", statistic.name);
                assert_close(&what(&part), after, &expected(&part), 1e-6);
            }
        }
    }
}

#[test]
fn two_steps_of_resnet20_are_pytorchs() {
    let golden = Golden::open("resnet20.safetensors");
    let program = resnet20();
    assert_eq!(program.parameter_count(), 269_722);
    let batch = OwnedBatch::random(&program, 8, 3);
    let decay = vec![1e-4; program.parameters.len()];
    let update = Update::sgd(0.1, 0.9, &decay);
    for (name, mut engine) in engines(&program) {
        let direct = !name.ends_with("fastest");
        // The native engine adds in another order, and Winograd's rounding is five times that of direct sums.
        let tolerance = match name {
            "tensor" => 1e-4,
            // dfdx sums one number after another on the CPU, and on CUDA in blocks: what is far off are the long sums.
            "tensor as on CUDA" => 2e-3,
            _ if direct => 5e-4,
            _ => 3e-4,
        };
        let start = State::initial(&program, 3);
        engine.load(&State::initial(&program, 3)).unwrap();
        for step in [1, 2] {
            let what = |part: &str| format!("{name} step {step} {part}");
            let logits = engine.logits(&batch.get(), Mode::Train).unwrap();
            // Backward, a relu's gradient jumps at 0, and a few of a million activations come to lie on the other side:
            // with 8 images that is a percent of a gradient, and at this rate the second step magnifies it.
            let tolerance = if direct || step == 1 { tolerance } else { 5e-2 };
            assert_close(&what("logits"), &logits, &golden.doubles(&format!("{step}/logits")), tolerance);
            engine.train_step(&batch.get(), &update).unwrap();
            let loss = engine.read_metrics().unwrap().loss();
            let expected = golden.doubles(&format!("{step}/loss"))[0];
            assert!((loss / expected - 1.0).abs() < tolerance, "{}: {loss} for {expected}", what("loss"));
            let state = engine.state().unwrap();
            for (parameter, values) in program.parameters.iter().zip(&state.parameters) {
                let expected = golden.doubles(&format!("{step}/parameters/{}", parameter.name));
                if !direct {
                    if step == 1 {
                        let start = &start.parameters[program.parameters.iter().position(|p| p == parameter).unwrap()];
                        let steps = values.iter().zip(start).zip(&expected[2..]);
                        let (mut off, mut whole) = (0.0, 0.0);
                        for ((found, start), expected) in steps {
                            off += (f64::from(*found) - expected).powi(2);
                            whole += (expected - f64::from(*start)).powi(2);
                        }
                        let off = (off / whole).sqrt();
                        assert!(off < 0.1, "{}: the step is off by {off:e}", what(&parameter.name));
                    }
                    continue;
                }
                let sum: f64 = values.iter().map(|x| f64::from(*x)).sum();
                let norm = values.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
                // A sum may be next to nothing; what it may be off by goes with the norm.
                let off = (sum - expected[0]).abs() / expected[1].max(1e-6) / (values.len() as f64).sqrt();
                assert!(off < tolerance, "{}: sum {sum} for {}", what(&parameter.name), expected[0]);
                assert!((norm - expected[1]).abs() <= tolerance * expected[1], "{}: norm", what(&parameter.name));
                let head = values.len().min(8);
                assert_close(&what(&parameter.name), &values[..head], &expected[2..], tolerance);
                let whole = format!("whole/{}", parameter.name);
                if step == 2 && golden.has(&whole) {
                    assert_close(&what(&whole), values, &golden.doubles(&whole), tolerance);
                }
            }
            for (statistic, values) in program.statistics.iter().zip(&state.statistics) {
                let expected = golden.doubles(&format!("{step}/statistics/{}", statistic.name));
                assert_close(&what(&statistic.name), values, &expected, tolerance);
            }
        }
    }
}
