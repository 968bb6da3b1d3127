//! The native engine, op by op: outputs against the interpreter in `f64`, gradients and training steps against the
//! reference engine, on every instruction set and for several numbers of threads.

use crate::support::builder::{Builder, Conv, Norm, Pool, small};
use crate::support::contradictions::contradictions;
use crate::support::reference::{self, Weights};
use crate::support::{OwnedBatch, assert_close, distance, random_state};
use netc::internals::data::batch::{Batch, Images};
use netc::internals::engine::native::kernels::isa::Isa;
use netc::internals::engine::native::{NativeEngine, Options};
use netc::internals::engine::tensor;
use netc::internals::engine::{DecayForm, Engine, EngineError, Mode, Rule, State, Update};
use netc::internals::graph::dims::{Padding, Pair, Shape};
use netc::internals::graph::layer::Divisor;
use netc::internals::lower::program::{Loss, OpKind, Program, ValueId, VarianceEstimate};

fn wide(numbers: &[f32]) -> Vec<f64> {
    numbers.iter().map(|&x| f64::from(x)).collect()
}

/// Differences are measured against the largest number of all tensors of a kind: a bias before a batch norm has no
/// gradient but rounding.
fn assert_all_close(what: &str, program: &Program, found: &[Vec<f32>], expected: &[Vec<f32>], tolerance: f64) {
    let largest = expected.iter().flatten().fold(1e-30f64, |most, x| most.max(f64::from(x.abs())));
    for (index, (found, expected)) in found.iter().zip(expected).enumerate() {
        let own = expected.iter().fold(1e-30f64, |most, x| most.max(f64::from(x.abs())));
        let off = distance(found, &wide(expected)) * own / largest;
        let name = program.parameters.get(index).map_or("", |p| &p.name);
        assert!(off <= tolerance, "{what} {index} {name}: off by {off:e}\nfound {found:?}\nexpected {expected:?}");
    }
}

/// How far apart two right answers may be, as a share of the largest number. They differ by rounding alone, in another
/// order of the sums: each bound is 40 to 400 times the largest difference that these tests had on AVX-512, AVX2 and plain
/// arrays (given with it), to leave room for other machines. What is wrong is far off: the gradient of a maximum given to
/// another of equals, for one, is off by 0.4.
mod tolerance {
    /// Against the interpreter in `f64`: 5e-7.
    pub const LOGITS: f64 = 2e-5;
    /// Against the reference engine, which rounds as well, as all below: 1.1e-6.
    pub const GRADIENTS: f64 = 5e-5;
    /// The mean loss of three steps: 4e-7.
    pub const LOSS: f64 = 1e-4;
    /// Parameters and running statistics after three steps: 3e-7.
    pub const TRAINED: f64 = 1e-4;
    /// Velocities after three steps, which sum their gradients: 1.4e-6.
    pub const VELOCITIES: f64 = 2e-4;
}

fn update(decay: &[f32], step: usize) -> Update<'_> {
    let decay_form = if step == 1 { DecayForm::Decoupled } else { DecayForm::Gradient };
    Update { rule: Rule::Sgd { momentum: 0.9, nesterov: step == 2 }, decay_form, ..Update::sgd(0.05, 0.0, decay) }
}

fn check(program: Program, len: usize, seed: u64) {
    let (batch, state) = (OwnedBatch::random(&program, len, seed), random_state(&program, seed));
    check_on(program, &batch, &state);
}

fn check_on(program: Program, batch: &OwnedBatch, state: &State) {
    let len = batch.labels.len();
    let decay: Vec<f32> = (0..program.parameters.len()).map(|i| i as f32 * 1e-3).collect();
    let mut tensor = tensor::cpu(program.clone()).unwrap();
    tensor.load(state).unwrap();
    let gradients = tensor.gradients(&batch.get()).unwrap();
    for step in 0..3 {
        tensor.train_step(&batch.get(), &update(&decay, step)).unwrap();
    }
    let expected_metrics = tensor.read_metrics().unwrap();
    let expected_end = tensor.state().unwrap();
    let weights = Weights::from(state);
    let expected =
        [Mode::Train, Mode::Evaluate].map(|mode| (mode, reference::run(&program, &weights, &batch.get(), mode)));
    for isa in Isa::available() {
        let mut first: Option<(State, Vec<f32>)> = None;
        for threads in [1, 2, 3] {
            let what = |part: &str| format!("{part}, {isa}, {threads} threads, {len} images");
            let options = Options { threads: Some(threads), isa: Some(isa), ..Options::default() };
            let mut native = NativeEngine::new(program.clone(), options).unwrap();
            native.load(state).unwrap();
            for (mode, expected) in &expected {
                let logits = native.logits(&batch.get(), *mode).unwrap();
                assert_close(&what(&format!("{mode:?} logits")), &logits, &expected.logits, tolerance::LOGITS);
            }
            let found = native.gradients(&batch.get()).unwrap();
            assert_all_close(&what("gradients"), &program, &found, &gradients, tolerance::GRADIENTS);
            assert_eq!(native.state().unwrap(), *state, "looking must not change the state");
            for step in 0..3 {
                native.train_step(&batch.get(), &update(&decay, step)).unwrap();
            }
            let metrics = native.read_metrics().unwrap();
            assert_eq!((metrics.images, metrics.correct), (3 * len as u64, expected_metrics.correct));
            let off = (metrics.loss() - expected_metrics.loss()).abs() / expected_metrics.loss().max(0.1);
            assert!(off < tolerance::LOSS, "{}", what(&format!("the loss is off by {off:e}")));
            let end = native.state().unwrap();
            assert_all_close(
                &what("parameters"),
                &program,
                &end.parameters,
                &expected_end.parameters,
                tolerance::TRAINED,
            );
            assert_all_close(
                &what("velocities"),
                &program,
                &end.velocities,
                &expected_end.velocities,
                tolerance::VELOCITIES,
            );
            assert_all_close(
                &what("statistics"),
                &program,
                &end.statistics,
                &expected_end.statistics,
                tolerance::TRAINED,
            );
            let logits = native.logits(&batch.get(), Mode::Evaluate).unwrap();
            match &first {
                None => first = Some((end, logits)),
                Some((state, first)) => {
                    assert!(*state == end, "{}", what("other bits than with one thread"));
                    assert!(*first == logits, "{}", what("other logits than with one thread"));
                }
            }
        }
    }
}

/// Batches of one image, part of a block, a block, and more.
const BATCHES: [usize; 5] = [1, 3, 16, 17, 40];

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

fn check_around(input: Shape, channels: usize, middle: impl Fn(&mut Builder, ValueId) -> ValueId) {
    for (seed, len) in BATCHES.into_iter().enumerate() {
        check(around(input, channels, &middle), len, seed as u64);
    }
}

#[test]
fn conv_with_everything() {
    let conv = Conv {
        kernel: Pair::new(3, 2),
        stride: Pair::new(2, 1),
        padding: Padding { top: 1, bottom: 2, left: 0, right: 1 },
        dilation: Pair::new(1, 2),
        groups: 2,
        bias: true,
    };
    check_around(Shape::map(2, 5, 6), 4, |b, x| b.conv("conv", x, 6, conv));
}

#[test]
fn conv_then_relu() {
    check_around(Shape::map(1, 4, 3), 5, |b, x| {
        let x = b.relu("relu1", x);
        let x = b.conv("conv", x, 3, Conv::square(1));
        b.relu("relu2", x)
    });
}

#[test]
fn batch_norm_on_maps_and_vectors() {
    let biased = Norm { epsilon: 0.1, decay: 0.5, running_variance: VarianceEstimate::Biased };
    // More than one image: a vector's batch norm of one image has no gradient at all.
    for (seed, len) in [3, 16, 17, 40].into_iter().enumerate() {
        let program = around(Shape::map(2, 4, 3), 3, |b, x| {
            let x = b.batch_norm("bn1", x);
            let x = b.flatten("flat", x);
            let x = b.linear("inner", x, 4, false);
            let x = b.relu("relu", x);
            b.batch_norm_with("bn2", x, biased)
        });
        check(program, len, seed as u64);
    }
}

#[test]
fn batch_norm_of_one_value_keeps_the_biased_variance() {
    for estimate in [VarianceEstimate::Unbiased, VarianceEstimate::Biased] {
        let mut b = Builder::new("one", Shape::vector(2));
        let x = b.images();
        let x = b.linear("inner", x, 4, false);
        let x = b.batch_norm_with("bn", x, Norm { running_variance: estimate, ..Norm::default() });
        let logits = b.linear("last", x, 2, false);
        check(b.finish(logits), 1, 7);
    }
}

#[test]
fn batch_norm_with_relu_and_additions() {
    check_around(Shape::map(2, 4, 3), 3, |b, x| {
        // The residual block; its input has three readers.
        let y = b.batch_norm("bn1", x);
        let y = b.relu("relu1", y);
        let y = b.conv("conv2", y, 3, Conv { padding: Padding::all(1), ..Conv::square(3) });
        let y = b.batch_norm("bn2", y);
        let y = b.add("add1", &[y, x]);
        let y = b.relu("relu2", y);
        // Both sides are batch norms; no relu.
        let p = b.conv("left", y, 4, Conv::square(1));
        let p = b.batch_norm("bn3", p);
        let q = b.conv("right", y, 4, Conv::square(1));
        let q = b.batch_norm("bn4", q);
        let z = b.add("add2", &[p, q]);
        // A batch norm added to its own input, and a value to itself.
        let n = b.batch_norm("bn5", z);
        let z = b.add("add3", &[z, n]);
        let z = b.add("add4", &[z, z]);
        b.relu("relu3", z)
    });
}

#[test]
fn batch_norm_first_of_all() {
    for len in [3, 17] {
        let mut b = Builder::new("first", Shape::map(2, 3, 3));
        let x = b.images();
        let n = b.batch_norm("bn", x);
        let x = b.add("add", &[x, n]);
        let x = b.flatten("flatten", x);
        let logits = b.linear("last", x, 3, false);
        check(b.finish(logits), len, 9);
    }
}

#[test]
fn nonlinearities_and_sums() {
    check_around(Shape::map(2, 3, 3), 3, |b, x| {
        let r = b.relu("relu", x);
        let t = b.tanh("tanh", x);
        let s = b.sigmoid("sigmoid", t);
        let y = b.add("add", &[r, t, s]);
        let y = b.relu("relu2", y);
        b.tanh("tanh2", y)
    });
}

#[test]
fn max_pools() {
    for pool in [
        Pool::square(2, 2),
        Pool { padding: Padding::all(1), ceil: true, ..Pool::square(3, 2) },
        Pool {
            padding: Padding { top: 0, bottom: 1, left: 1, right: 0 },
            ..Pool::new(Pair::new(2, 3), Pair::new(1, 2))
        },
    ] {
        check_around(Shape::map(2, 5, 6), 3, |b, x| {
            let y = b.relu("relu", x);
            let y = b.max_pool("pool", y, pool);
            let x = b.max_pool("other", x, pool);
            b.add("add", &[x, y])
        });
        check_ties(pool);
    }
}

/// Whole numbers for pixels and quarters for weights: every sum before the pool is exact in both engines, and many are
/// equal. They come from different pixels, so that the weights' gradient shows which of the equals got the pool's.
fn check_ties(pool: Pool) {
    let mut b = Builder::new("ties", Shape::map(2, 5, 6));
    let x = b.images();
    // Not 3×3: Winograd's algorithm rounds.
    let padding = Padding { top: 1, bottom: 1, left: 0, right: 1 };
    let x = b.conv("first", x, 3, Conv { padding, bias: true, ..Conv::new(Pair::new(3, 2)) });
    let x = b.max_pool("pool", x, pool);
    let x = b.flatten("flatten", x);
    let logits = b.linear("last", x, 3, true);
    let program = b.finish(logits);
    for (seed, len) in [3, 17].into_iter().enumerate() {
        let mut batch = OwnedBatch::random(&program, len, seed as u64);
        batch.images.iter_mut().for_each(|x| *x = x.round().clamp(-1.0, 1.0));
        let mut state = random_state(&program, seed as u64);
        state.parameters[..2].iter_mut().flatten().for_each(|w| *w = (4.0 * *w).round() / 4.0);
        check_on(program.clone(), &batch, &state);
    }
}

#[test]
fn average_pools() {
    for divisor in [Divisor::PaddedWindow, Divisor::ImageOnly] {
        for pool in [
            Pool::square(2, 2),
            Pool { padding: Padding::all(1), ceil: true, ..Pool::square(3, 2) },
            Pool { padding: Padding { top: 1, bottom: 0, left: 0, right: 2 }, ..Pool::square(3, 1) },
        ] {
            check_around(Shape::map(2, 5, 4), 3, |b, x| {
                let y = b.avg_pool("pool", x, pool, divisor);
                let z = b.avg_pool("again", x, pool, divisor);
                b.add("add", &[y, z])
            });
        }
    }
}

#[test]
fn global_average_pool() {
    check_around(Shape::map(2, 5, 3), 4, |b, x| {
        let y = b.global_avg_pool("pool", x);
        let z = b.global_avg_pool("again", x);
        b.add("add", &[y, z])
    });
}

#[test]
fn local_response_norms() {
    for (size, beta) in [(5, 0.75), (3, 0.5), (9, 1.0), (1, 0.6)] {
        check_around(Shape::map(2, 3, 3), 7, |b, x| {
            let y = b.local_response_norm("lrn", x, size, 0.3, beta, 1.5);
            let z = b.local_response_norm("again", x, size, 0.1, beta, 1.0);
            b.add("add", &[y, z])
        });
    }
}

#[test]
fn dropout_draws_by_key() {
    check_around(Shape::map(2, 4, 4), 3, |b, x| {
        let y = b.dropout("dropout1", x, 0.3, 1);
        let z = b.dropout("dropout2", x, 0.5, 2);
        let y = b.add("add", &[y, z]);
        b.dropout("dropout3", y, 0.25, 3)
    });
}

#[test]
fn label_smoothing() {
    for len in [1, 17] {
        let mut program = around(Shape::map(2, 3, 3), 3, |b, x| b.tanh("tanh1", x));
        program.loss = Loss::SoftmaxCrossEntropy { smoothing: 0.1 };
        check(program, len, 9);
    }
}

#[test]
fn concatenation_subsampling_and_zero_channels() {
    check_around(Shape::map(2, 5, 4), 3, |b, x| {
        let y = b.conv("conv", x, 2, Conv::square(1));
        let y = b.concat("concat", &[x, y, x]);
        let z = b.subsample("subsample", y, Pair::new(2, 3));
        let w = b.subsample("again", y, Pair::new(2, 3));
        let p = b.pad_channels("pad", z, 1, 2);
        let q = b.pad_channels("pad2", w, 2, 1);
        let p = b.add("add", &[p, q]);
        let p = b.flatten("flat", p);
        let g = b.global_avg_pool("pool", x);
        b.concat("vectors", &[p, g, g])
    });
}

#[test]
fn linear_layers() {
    check_around(Shape::map(1, 3, 2), 3, |b, x| {
        let x = b.flatten("flat", x);
        let y = b.linear("wide", x, 37, true);
        let y = b.relu("relu", y);
        let z = b.linear("narrow", x, 5, false);
        let y = b.linear("back", y, 5, true);
        b.add("add", &[y, z])
    });
}

#[test]
fn what_the_loss_does_not_depend_on_has_no_gradient() {
    for len in [3, 17] {
        let program = around(Shape::map(2, 4, 4), 3, |b, x| {
            let dead = b.conv("dead", x, 2, Conv::square(3));
            let _ = b.batch_norm("deadbn", dead);
            b.relu("relu", x)
        });
        let state = random_state(&program, 3);
        let batch = OwnedBatch::random(&program, len, 3);
        let mut native = NativeEngine::new(program.clone(), Options::default()).unwrap();
        native.load(&state).unwrap();
        for (parameter, gradient) in program.parameters.iter().zip(native.gradients(&batch.get()).unwrap()) {
            assert_eq!(parameter.name.starts_with("dead"), gradient.iter().all(|&g| g == 0.0), "{}", parameter.name);
        }
    }
}

#[test]
fn the_logits_may_be_read_inside() {
    // The logits have a reader (no part of the loss), and come out of a relu that is not folded away.
    let mut b = Builder::new("inside", Shape::map(1, 3, 3));
    let x = b.images();
    let x = b.conv("conv", x, 4, Conv::square(3));
    let x = b.flatten("flatten", x);
    let logits = b.linear("linear", x, 3, true);
    let _ = b.relu("after", logits);
    check(b.finish(logits), 17, 5);
}

#[test]
fn batches_may_change_size() {
    let program = around(Shape::map(2, 4, 4), 3, |b, x| b.batch_norm("bn", x));
    let state = random_state(&program, 1);
    let mut one = NativeEngine::new(program.clone(), Options::default()).unwrap();
    one.load(&state).unwrap();
    for len in [33, 5, 64, 1, 16] {
        let batch = OwnedBatch::random(&program, len, len as u64);
        let mut fresh = NativeEngine::new(program.clone(), Options::default()).unwrap();
        fresh.load(&state).unwrap();
        assert_eq!(one.gradients(&batch.get()).unwrap(), fresh.gradients(&batch.get()).unwrap());
        for mode in [Mode::Evaluate, Mode::Train] {
            assert_eq!(one.logits(&batch.get(), mode).unwrap(), fresh.logits(&batch.get(), mode).unwrap());
        }
    }
}

#[test]
fn a_diverging_run_shows_it() {
    let program = around(Shape::map(2, 4, 4), 3, |b, x| {
        let x = b.batch_norm("bn", x);
        let x = b.relu("relu", x);
        b.max_pool("pool", x, Pool::square(2, 2))
    });
    let mut state = random_state(&program, 1);
    state.parameters[0][0] = f32::NAN;
    let batch = OwnedBatch::random(&program, 20, 1);
    let mut native = NativeEngine::new(program, Options::default()).unwrap();
    native.load(&state).unwrap();
    native.evaluate(&batch.get()).unwrap();
    let metrics = native.read_metrics().unwrap();
    assert!(metrics.loss().is_nan() && metrics.correct == 0, "{metrics:?}");
}

#[test]
fn what_does_not_fit_is_refused() {
    let program = around(Shape::map(2, 4, 4), 3, |_, x| x);
    let batch = OwnedBatch::random(&program, 4, 1);
    let mut native = NativeEngine::new(program.clone(), Options::default()).unwrap();
    let decay = vec![0.0; program.parameters.len()];
    assert!(native.train_step(&batch.get(), &update(&decay[1..], 0)).is_err());
    let short = Batch { images: Images::Pixels(&batch.images[1..]), ..batch.get() };
    assert!(native.evaluate(&short).is_err());
    let mut state = random_state(&program, 1);
    state.parameters[0].pop();
    assert!(native.load(&state).is_err());
}

#[test]
fn a_program_that_contradicts_itself_is_refused() {
    assert!(NativeEngine::new(small(), Options::default()).is_ok());
    for (wrong, program) in contradictions() {
        let made = NativeEngine::new(program, Options::default());
        assert!(matches!(made, Err(EngineError::Program(_))), "{wrong}");
    }
}

#[test]
fn layers_may_share_weights() {
    let mut b = Builder::new("shared", Shape::map(2, 4, 4));
    let x = b.images();
    let conv = Conv { padding: Padding::all(1), bias: true, ..Conv::square(3) };
    let first = b.conv("first", x, 2, conv);
    let normed = b.batch_norm("bn1", first);
    let second = b.conv("second", normed, 2, conv);
    let again = b.batch_norm("bn2", second);
    let x = b.flatten("flatten", again);
    let x = b.linear("linear1", x, 32, true);
    let x = b.tanh("tanh", x);
    let x = b.linear("linear2", x, 32, true);
    let logits = b.linear("last", x, 3, true);
    let mut program = b.finish(logits);
    let kinds: Vec<OpKind> = program.ops.iter().map(|op| op.kind.clone()).collect();
    for (op, like) in [(2, 0), (7, 5)] {
        program.ops[op].kind = kinds[like].clone();
    }
    if let (OpKind::BatchNorm { scale, shift, .. }, OpKind::BatchNorm { scale: s, shift: t, .. }) =
        (&kinds[1], &mut program.ops[3].kind)
    {
        (*s, *t) = (*scale, *shift);
    }
    check(program, 17, 3);
}
