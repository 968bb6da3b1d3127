//! What the trait promises, kept by the reference engine.

use crate::support::builder::{Builder, small};
use crate::support::contradictions::contradictions;
use crate::support::reference::{self, Weights};
use crate::support::{OwnedBatch, assert_close, random_state};
use netc::internals::data::batch::{Batch, Images};
use netc::internals::engine::tensor::{self, KernelStyle, ReferenceEngine};
use netc::internals::engine::{DecayForm, EngineError, Mode, Rule, State, Update};
use netc::internals::graph::dims::Shape;
use netc::internals::lower::program::Program;

fn engine(program: &Program, state: &State) -> Box<dyn ReferenceEngine> {
    let mut engine = tensor::cpu(program.clone()).unwrap();
    engine.load(state).unwrap();
    engine
}

fn update(decay: &[f32]) -> Update<'_> {
    Update::sgd(0.1, 0.9, decay)
}

#[test]
fn every_kind_of_step_is_the_documented_one() {
    let program = small();
    let batch = OwnedBatch::random(&program, 4, 1);
    let state = random_state(&program, 2);
    let decay: Vec<f32> = (0..program.parameters.len()).map(|i| 0.05 * i as f32).collect();
    for (momentum, nesterov) in [(0.0, false), (0.9, false), (0.9, true)] {
        for decay_form in [DecayForm::Gradient, DecayForm::Decoupled] {
            let update = Update { rule: Rule::Sgd { momentum, nesterov }, decay_form, ..Update::sgd(0.1, 0.0, &decay) };
            let mut engine = engine(&program, &state);
            let gradients = engine.gradients(&batch.get()).unwrap();
            engine.train_step(&batch.get(), &update).unwrap();
            let after = engine.state().unwrap();
            for (p, gradient) in gradients.iter().enumerate() {
                let (mut velocities, mut weights) = (Vec::new(), Vec::new());
                for (i, g) in gradient.iter().enumerate() {
                    let (w, v) = (f64::from(state.parameters[p][i]), f64::from(state.velocities[p][i]));
                    let (rate, momentum, decay) = (0.1, f64::from(momentum), f64::from(decay[p]));
                    let mut g = f64::from(*g);
                    let mut w = w;
                    match decay_form {
                        DecayForm::Gradient => g += decay * w,
                        DecayForm::Decoupled => w *= 1.0 - rate * decay,
                    }
                    let v = momentum * v + g;
                    w -= rate * if nesterov { g + momentum * v } else { v };
                    velocities.push(v);
                    weights.push(w);
                }
                let what = format!("{} {momentum} {nesterov} {decay_form:?}", program.parameters[p].name);
                assert_close(&what, &after.velocities[p], &velocities, 1e-6);
                assert_close(&what, &after.parameters[p], &weights, 1e-6);
            }
        }
    }
}

#[test]
fn running_statistics_follow_training_and_nothing_else() {
    let program = small();
    let (batch, state) = (OwnedBatch::random(&program, 5, 3), random_state(&program, 4));
    let mut engine = engine(&program, &state);
    engine.evaluate(&batch.get()).unwrap();
    engine.logits(&batch.get(), Mode::Train).unwrap();
    engine.gradients(&batch.get()).unwrap();
    assert_eq!(engine.state().unwrap(), state);
    let expected = reference::run(&program, &Weights::from(&state), &batch.get(), Mode::Train).statistics;
    engine.train_step(&batch.get(), &update(&vec![0.0; program.parameters.len()])).unwrap();
    for (found, expected) in engine.state().unwrap().statistics.iter().zip(&expected) {
        assert_close("statistics", found, expected, 1e-6);
    }
}

#[test]
fn metrics_add_up_until_they_are_read() {
    let program = small();
    let state = random_state(&program, 5);
    let mut engine = engine(&program, &state);
    let (mut losses, mut hits) = (0.0, 0);
    for (seed, len) in [(1, 3), (2, 4)] {
        let batch = OwnedBatch::random(&program, len, seed);
        let pass = reference::run(&program, &Weights::from(&state), &batch.get(), Mode::Evaluate);
        losses += pass.loss * len as f64;
        for (row, label) in pass.logits.chunks(3).zip(&batch.labels) {
            hits += u64::from((0..3).all(|class| row[class] <= row[*label as usize]));
        }
        engine.evaluate(&batch.get()).unwrap();
        engine.logits(&batch.get(), Mode::Train).unwrap();
        engine.gradients(&batch.get()).unwrap();
    }
    let metrics = engine.read_metrics().unwrap();
    assert_eq!((metrics.images, metrics.correct), (7, hits));
    assert!((metrics.loss_sum - losses).abs() < 1e-4, "{} for {losses}", metrics.loss_sum);
    assert_eq!(engine.read_metrics().unwrap().images, 0);
}

#[test]
fn many_batches_lose_no_metrics() {
    let program = small();
    let mut engine = engine(&program, &random_state(&program, 5));
    let batch = OwnedBatch::random(&program, 1, 1);
    for _ in 0..150 {
        engine.evaluate(&batch.get()).unwrap();
    }
    assert_eq!(engine.read_metrics().unwrap().images, 150);
}

#[test]
fn the_same_run_gives_the_same_bits_on_any_number_of_threads() {
    let program = small();
    let state = random_state(&program, 6);
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let mut engine = engine(&program, &state);
            let decay = vec![1e-3; program.parameters.len()];
            for seed in 0..6 {
                // The last batch of an epoch is shorter.
                let batch = OwnedBatch::random(&program, if seed % 3 == 2 { 33 } else { 64 }, seed);
                engine.train_step(&batch.get(), &update(&decay)).unwrap();
            }
            (engine.state().unwrap(), engine.read_metrics().unwrap())
        })
    };
    let first = run(1);
    assert!(first.0.parameters.iter().flatten().all(|x| x.is_finite()));
    assert_eq!(first, run(1));
    assert_eq!(first, run(2));
    assert_eq!(first, run(3));
}

#[test]
fn a_state_or_batch_that_does_not_fit_changes_nothing() {
    let program = small();
    let state = random_state(&program, 7);
    let mut engine = engine(&program, &state);
    let mut short = state.clone();
    short.parameters[1].pop();
    assert!(matches!(engine.load(&short), Err(EngineError::State(message)) if message.contains("bn1.scale")));
    let mut few = state.clone();
    few.statistics.pop();
    assert!(matches!(engine.load(&few), Err(EngineError::State(_))));

    let good = OwnedBatch::random(&program, 2, 1);
    let bad = [
        Batch::of_pixels(&[], &[], &[]),
        Batch { images: Images::Pixels(&good.images[1..]), ..good.get() },
        Batch { keys: &[1], ..good.get() },
        Batch { labels: &[0, 3], ..good.get() },
    ];
    let decay = vec![0.0; program.parameters.len()];
    for batch in &bad {
        assert!(matches!(engine.train_step(batch, &update(&decay)), Err(EngineError::Batch(_))));
        assert!(matches!(engine.evaluate(batch), Err(EngineError::Batch(_))));
        assert!(matches!(engine.logits(batch, Mode::Train), Err(EngineError::Batch(_))));
        assert!(matches!(engine.gradients(batch), Err(EngineError::Batch(_))));
    }
    assert!(engine.train_step(&good.get(), &update(&decay[1..])).is_err());
    assert_eq!(engine.state().unwrap(), state);
    assert_eq!(engine.read_metrics().unwrap().images, 0);
}

#[test]
fn a_run_that_diverged_shows_it() {
    // relu, pools and the loss must not swallow a NaN.
    let program = small();
    let mut state = random_state(&program, 8);
    state.parameters[0].fill(f32::NAN);
    for style in [KernelStyle::Gemm, KernelStyle::FewLaunches] {
        let mut engine = tensor::cpu_as(program.clone(), style).unwrap();
        engine.load(&state).unwrap();
        engine.evaluate(&OwnedBatch::random(&program, 3, 1).get()).unwrap();
        let metrics = engine.read_metrics().unwrap();
        assert!(metrics.loss().is_nan());
        assert_eq!(metrics.correct, 0);
    }
}

#[test]
fn a_step_that_diverges_shows_it() {
    // Images of infinity: the numbers are lost on the way, and the weights with them.
    let program = small();
    let mut batch = OwnedBatch::random(&program, 3, 1);
    batch.images.fill(f32::INFINITY);
    for style in [KernelStyle::Gemm, KernelStyle::FewLaunches] {
        let mut engine = tensor::cpu_as(program.clone(), style).unwrap();
        engine.load(&random_state(&program, 8)).unwrap();
        engine.train_step(&batch.get(), &update(&vec![0.0; program.parameters.len()])).unwrap();
        assert!(engine.read_metrics().unwrap().loss().is_nan(), "{style:?}");
    }
}

#[test]
fn a_parameter_that_nothing_reads_has_gradient_zero() {
    let mut b = Builder::new("unused", Shape::map(1, 2, 2));
    let x = b.images();
    let x = b.flatten("flatten", x);
    b.linear("side", x, 2, true);
    let logits = b.linear("main", x, 2, false);
    let program = b.finish(logits);
    let mut engine = engine(&program, &random_state(&program, 1));
    let gradients = engine.gradients(&OwnedBatch::random(&program, 2, 1).get()).unwrap();
    assert!(gradients[0].iter().chain(&gradients[1]).all(|x| *x == 0.0));
    assert!(gradients[2].iter().any(|x| *x != 0.0));
}

#[test]
fn a_program_that_contradicts_itself_is_refused() {
    assert!(tensor::cpu(small()).is_ok());
    for (wrong, program) in contradictions() {
        assert!(matches!(tensor::cpu(program), Err(EngineError::Program(_))), "{wrong}");
    }
}

#[cfg(feature = "cuda")]
#[test]
fn cuda_agrees_with_the_cpu_or_says_why_not() {
    let program = crate::support::builder::resnet_cifar(1);
    let state = State::initial(&program, 1);
    let batch = OwnedBatch::random(&program, 16, 1);
    let mut cuda = match tensor::on_cuda(0).and_then(|make| make(program.clone())) {
        Ok(engine) => engine,
        Err(error) => return crate::skip::skip("CUDA", &error.to_string()),
    };
    cuda.load(&state).unwrap();
    let found = cuda.gradients(&batch.get()).unwrap();
    let expected = engine(&program, &state).gradients(&batch.get()).unwrap();
    for ((parameter, found), expected) in program.parameters.iter().zip(&found).zip(&expected) {
        let expected: Vec<f64> = expected.iter().map(|x| f64::from(*x)).collect();
        assert_close(&parameter.name, found, &expected, 1e-3);
    }
}
