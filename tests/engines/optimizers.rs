//! Every optimizer and every schedule of a recipe against PyTorch's over 50 steps, on both engines.
//! `tests/golden/make_optimizers.py` made the numbers.

use crate::support::golden::Golden;
use crate::support::reference::{self, Weights};
use crate::support::{OwnedBatch, assert_close, random_state};
use netc::internals::compile::{self, compile};
use netc::internals::engine::native::{Convolution, NativeEngine, Options};
use netc::internals::engine::tensor;
use netc::internals::engine::{Engine, State, Update};
use netc::internals::lower::program::Program;
use netc::internals::recipe::Recipe;
use netc::internals::recipe::RecipeSource;
use netc::internals::recipe::milestone::RunLength;
use netc::internals::source::SourceMap;
use netc::internals::train::updates::Updates;
use std::path::Path;

const STEPS: u64 = 50;
const RUN_LENGTH: RunLength = RunLength { steps_per_epoch: 3, total_steps: STEPS };

/// What a recipe says for a case, by the case's name in the golden file.
const OPTIMIZERS: [(&str, &str); 16] = [
    ("sgd", "optimizer: {learning_rate: 0.1, momentum: 0, weight_decay: 0}"),
    ("momentum", "optimizer: {momentum: 0.9, weight_decay: 0.01}\nschedule: &drop"),
    ("nesterov", "optimizer: {momentum: 0.9, nesterov: true, weight_decay: 0.01}\nschedule: &drop"),
    ("sutskever", "optimizer: {momentum: 0.9, momentum_form: sutskever, weight_decay: 0.01}\nschedule: &drop"),
    ("doubled", "optimizer: {weight_decay: 0.01, decay_form: doubled}"),
    ("decoupled", "optimizer: {weight_decay: 0.1, decay_form: decoupled}\nschedule: &drop"),
    ("adam", "optimizer: {kind: adam, learning_rate: 0.01}"),
    (
        "adam_l2",
        "optimizer: {kind: adam, learning_rate: 0.01, beta1: 0.8, beta2: 0.95, epsilon: 1e-3, weight_decay: 0.05}",
    ),
    ("adamw", "optimizer: {kind: adamw, learning_rate: 0.01, weight_decay: 0.1}\nschedule: &drop"),
    (
        "groups",
        "optimizer:
  learning_rate: 0.1
  weight_decay: 0.01
  decay_except: [bias, norm]
  groups:
    - {match: conv1, rate_factor: 0.1}
    - {match: 'linear*', rate_factor: 0.5, decay_factor: 3}
    - {match: linear2.bias, rate_factor: 0}",
    ),
    (
        "groups_adamw",
        "optimizer:
  kind: adamw
  learning_rate: 0.01
  weight_decay: 0.1
  groups: [{match: conv1, rate_factor: 0.1}, {match: 'linear*', rate_factor: 4, decay_factor: 2}]",
    ),
    (
        "groups_decoupled",
        "optimizer:
  learning_rate: 0.02
  weight_decay: 0.2
  decay_form: decoupled
  groups: [{match: conv1, rate_factor: 0.1}, {match: 'linear*', rate_factor: 4, decay_factor: 2}]",
    ),
    ("clipping", "optimizer: {learning_rate: 0.1, weight_decay: 0.01, clip_norm: 0.3}"),
    ("smoothing", "optimizer: {learning_rate: 0.1, weight_decay: 0}\nlabel_smoothing: 0.2"),
    ("ema", "optimizer: {learning_rate: 0.1, weight_decay: 0}\naverage: {decay: 0.9}"),
    ("ema_adam", "optimizer: {kind: adam, learning_rate: 0.01}\naverage: {decay: 0.95}"),
];

fn recipe(text: &str) -> Recipe {
    let text = text.replace("&drop", "{kind: multistep, at: [20 steps, 35 steps], factor: 0.2}");
    netc::internals::recipe::read(RecipeSource::text(Path::new("recipe.yaml"), &text), &mut SourceMap::new())
        .unwrap()
        .recipe
}

fn program(recipe: &Recipe) -> Program {
    let options = compile::Options { defaults: recipe.defaults(), ..compile::Options::default() };
    compile(Path::new("tests/golden/optimizers.net"), &options).program.unwrap()
}

fn engines(program: &Program) -> [Box<dyn Engine>; 2] {
    let options = Options { threads: Some(2), isa: None, convolution: Convolution::Direct };
    [tensor::cpu(program.clone()).unwrap(), Box::new(NativeEngine::new(program.clone(), options).unwrap())]
}

/// PyTorch calls a batch norm's scale and shift weight and bias.
fn torch(name: &str) -> String {
    name.replace(".scale", ".weight").replace(".shift", ".bias")
}

fn batches(golden: &Golden) -> Vec<OwnedBatch> {
    let (images, labels) = (golden.floats("images"), golden.integers("labels"));
    let parts = images.chunks(8 * 16).zip(labels.chunks(8));
    let own = |(images, labels): (&[f32], &[u32])| OwnedBatch {
        images: images.to_vec(),
        labels: labels.to_vec(),
        keys: vec![0; labels.len()],
    };
    parts.map(own).collect()
}

#[test]
fn optimizers_are_pytorchs() {
    let golden = Golden::open("optimizers.safetensors");
    let batches = batches(&golden);
    for (case, text) in OPTIMIZERS {
        let recipe = recipe(text);
        let program = program(&recipe);
        let updates = Updates::new(&recipe, &program, RUN_LENGTH);
        let named = |folder: &str| -> Vec<Vec<f32>> {
            program.parameters.iter().map(|p| golden.floats(&format!("{folder}/{}", torch(&p.name)))).collect()
        };
        let start = State { parameters: named("start"), ..State::initial(&program, 0) };
        for mut engine in engines(&program) {
            engine.load(&start).unwrap();
            for (done, batch) in (0..STEPS).zip(batches.iter().cycle()) {
                engine.train_step(&batch.get(), &updates.update(done)).unwrap();
            }
            let state = engine.state().unwrap();
            let mut found = vec![(format!("optimizer/{case}"), &state.parameters)];
            if recipe.average.is_some() {
                found.push((format!("average/{case}"), &state.averages));
            }
            for (folder, tensors) in found {
                for (parameter, values) in program.parameters.iter().zip(tensors) {
                    let name = format!("{folder}/{}", torch(&parameter.name));
                    let what = format!("{name} by {}", engine.arithmetic().engine);
                    assert_close(&what, values, &golden.doubles(&name), 2e-4);
                }
            }
        }
    }
}

/// The golden runs differ from each other by far more than the tolerance, so that none stands in for another.
#[test]
fn no_case_passes_for_another() {
    let golden = Golden::open("optimizers.safetensors");
    let weights = |case: &str| golden.doubles(&format!("optimizer/{case}/linear1.weight"));
    for (place, (case, _)) in OPTIMIZERS.iter().enumerate() {
        for (other, _) in &OPTIMIZERS[..place] {
            // An average does not change the run.
            if (*other, *case) != ("adam", "ema_adam") {
                let worst =
                    weights(case).iter().zip(weights(other)).fold(0.0f64, |most, (a, b)| most.max((a - b).abs()));
                assert!(worst > 2e-3, "{case} and {other}: {worst}");
            }
        }
    }
}

#[test]
fn schedules_are_pytorchs() {
    let golden = Golden::open("optimizers.safetensors");
    for (case, text) in [
        ("constant", "constant"),
        ("step", "{kind: step, every: 4 epochs, factor: 0.3}"),
        ("multistep", "{kind: multistep, at: [40 %, 35 steps], factor: 0.1}"),
        ("cosine", "cosine"),
        ("cosine_minimum", "{kind: cosine, minimum: 0.003}"),
        ("polynomial", "{kind: polynomial, power: 2}"),
        ("linear", "linear"),
        ("one_cycle", "one-cycle"),
        ("one_cycle_linear", "{kind: one-cycle, peak: 20 steps, anneal: linear, start_factor: 0.1, end_factor: 0.001}"),
        ("warmup_constant", "{kind: constant, warmup: {length: 8 steps, from: 0.1}}"),
        ("warmup_cosine", "{kind: cosine, warmup: 16 %}"),
        ("warmup_multistep", "{kind: multistep, at: [20 steps, 70 %], factor: 0.1, warmup: 8 steps}"),
        ("warmup_step", "{kind: step, every: 12 steps, factor: 0.3, warmup: 8 steps}"),
        ("constant_warmup", "{kind: constant, warmup: {length: 8 steps, from: 0.1, form: constant}}"),
    ] {
        let recipe = recipe(&format!("optimizer: {{learning_rate: 0.1}}\nschedule: {text}"));
        let updates = Updates::new(&recipe, &program(&recipe), RUN_LENGTH);
        let expected = golden.wide(&format!("schedule/{case}"));
        assert_eq!(expected.len() as u64, STEPS);
        for (step, expected) in (0..STEPS).zip(expected) {
            let found = updates.rate(step);
            assert!((found - expected).abs() < 1e-12, "{case} at {step}: {found}, PyTorch {expected}");
        }
    }
}

/// A one-cycle schedule of a run of so many steps, at a base of 0.1.
fn one_cycle(total_steps: u64, schedule: &str) -> Updates {
    let recipe = recipe(&format!("optimizer: {{learning_rate: 0.1}}\nschedule: {schedule}"));
    Updates::new(&recipe, &program(&recipe), RunLength { steps_per_epoch: 3, total_steps })
}

/// In a run of most lengths the peak is no whole step, and in a short one it is before the first.
#[test]
fn one_cycle_is_pytorchs_at_every_length() {
    let golden = Golden::open("optimizers.safetensors");
    let linear = "{kind: one-cycle, peak: 37 %, anneal: linear, start_factor: 0.1, end_factor: 0.001}";
    for (case, schedule, lengths) in [
        ("one_cycle", "one-cycle", &[2, 3, 7, 10, 25, 101, 1955, 2000][..]),
        ("one_cycle_linear", linear, &[2, 3, 7, 10, 25, 101][..]),
    ] {
        for &steps in lengths {
            let (updates, expected) = (one_cycle(steps, schedule), golden.wide(&format!("schedule/{case}_of_{steps}")));
            assert_eq!(expected.len() as u64, steps);
            for (step, expected) in (0..steps).zip(expected) {
                let found = updates.rate(step);
                assert!((found - expected).abs() < 1e-12, "{case} {step} of {steps}: {found}, PyTorch {expected}");
            }
        }
    }
}

/// An average of 0s follows weights of 1 that stay: after n steps it is 1 − decayⁿ. With `1 - decay` of an `f32` it is off
/// by 1.7e-4 of itself.
#[test]
fn a_slow_average_follows_at_its_own_pace() {
    let (decay, steps) = (0.9999, 200);
    let recipe = recipe(&format!("average: {{decay: {decay}}}"));
    let program = program(&recipe);
    let all = |value: f32| -> Vec<Vec<f32>> { program.parameters.iter().map(|p| vec![value; p.elements()]).collect() };
    let start = State { parameters: all(1.0), averages: all(0.0), ..State::initial(&program, 0) };
    let updates = Updates::new(&recipe, &program, RUN_LENGTH);
    let still = Update { rate: 0.0, ..updates.update(0) };
    let batch = OwnedBatch::random(&program, 2, 1);
    let expected = 1.0 - f64::powi(decay, steps);
    for mut engine in engines(&program) {
        engine.load(&start).unwrap();
        (0..steps).for_each(|_| engine.train_step(&batch.get(), &still).unwrap());
        for found in engine.state().unwrap().averages.concat() {
            let off = (f64::from(found) / expected - 1.0).abs();
            assert!(off < 1e-5, "{}: {found} for {expected}, off by {off:e}", engine.arithmetic().engine);
        }
    }
}

/// Gradients with smoothed labels against finite differences in `f64`; the loss that is reported is the plain one.
#[test]
fn smoothed_labels_have_the_gradient_of_their_loss() {
    let recipe = recipe("label_smoothing: 0.3");
    let program = program(&recipe);
    let batch = OwnedBatch::random(&program, 19, 4);
    let state = random_state(&program, 8);
    let weights = Weights::from(&state);
    let expected = reference::gradients(&program, &weights, &batch.get());
    let plain = self::program(&self::recipe(""));
    for mut engine in engines(&program) {
        engine.load(&state).unwrap();
        let gradients = engine.gradients(&batch.get()).unwrap();
        for ((parameter, found), expected) in program.parameters.iter().zip(&gradients).zip(&expected) {
            assert_close(&parameter.name, found, expected, 2e-5);
        }
        engine.evaluate(&batch.get()).unwrap();
        let loss = engine.read_metrics().unwrap().loss();
        let reference = reference::run(&plain, &weights, &batch.get(), netc::internals::engine::Mode::Evaluate).loss;
        assert!((loss - reference).abs() < 1e-5, "{loss} {reference}");
        let decay = vec![0.0; program.parameters.len()];
        engine.train_step(&batch.get(), &Update::sgd(0.1, 0.0, &decay)).unwrap();
        let loss = engine.read_metrics().unwrap().loss();
        let reference = reference::run(&plain, &weights, &batch.get(), netc::internals::engine::Mode::Train).loss;
        assert!((loss - reference).abs() < 1e-5, "{loss} {reference}");
    }
}
