//! Batch norm with statistics of groups of the batch, against PyTorch's, finite differences and the groups by themselves.
//! `tests/golden/make_norm_groups.py` made the numbers.

use crate::support::golden::Golden;
use crate::support::reference::{self, Weights};
use crate::support::{OwnedBatch, assert_close, random_state};
use netc::internals::compile::{self, compile};
use netc::internals::data::normalize::Normalization;
use netc::internals::data::{Split, Subset};
use netc::internals::engine::native::kernels::isa::Isa;
use netc::internals::engine::native::{NativeEngine, Options};
use netc::internals::engine::tensor::{self, KernelStyle};
use netc::internals::engine::{Engine, Mode, State, Update};
use netc::internals::graph::dims::Shape;
use netc::internals::lower::defaults::{Defaults, NormDefaults};
use netc::internals::lower::program::{Program, VarianceEstimate};
use netc::internals::recipe::PopulationVariance;
use netc::internals::train::population::{Method, statistics};
use netc::internals::train::stop::Stop;
use std::path::Path;
use std::sync::Arc;

const ENGINES: &[&str] = &["tensor", "tensor as on CUDA", "native"];

fn engines(program: &Program) -> Vec<(String, Box<dyn Engine>)> {
    let tensor = |style| -> Box<dyn Engine> { tensor::cpu_as(program.clone(), style).unwrap() };
    let native = |isa| -> (String, Box<dyn Engine>) {
        let options = Options { threads: Some(2), isa: Some(isa), ..Options::default() };
        (format!("native, {isa}"), Box::new(NativeEngine::new(program.clone(), options).unwrap()))
    };
    let named = |name: &&str| match *name {
        "tensor" => vec![((*name).into(), tensor(KernelStyle::Gemm))],
        "tensor as on CUDA" => vec![((*name).into(), tensor(KernelStyle::FewLaunches))],
        _ => Isa::available().map(native).collect(),
    };
    ENGINES.iter().flat_map(named).collect()
}

fn program(group: Option<usize>, running_variance: VarianceEstimate) -> Program {
    let norm = NormDefaults { group, running_variance, ..NormDefaults::default() };
    let options =
        compile::Options { defaults: Defaults { norm, ..Defaults::default() }, ..compile::Options::default() };
    compile(Path::new("tests/golden/norm_groups.net"), &options).program.unwrap()
}

/// The images `first..last` of a batch.
fn part(batch: &OwnedBatch, first: usize, last: usize) -> OwnedBatch {
    let elements = batch.images.len() / batch.labels.len();
    OwnedBatch {
        images: batch.images[first * elements..last * elements].to_vec(),
        labels: batch.labels[first..last].to_vec(),
        keys: batch.keys[first..last].to_vec(),
    }
}

#[test]
fn groups_are_pytorchs() {
    let golden = Golden::open("norm_groups.safetensors");
    let labels = golden.integers("labels");
    let all = OwnedBatch { images: golden.floats("images"), keys: vec![0; labels.len()], labels };
    for (case, images, group, estimate) in [
        ("3 of 7", 7, 3, VarianceEstimate::Unbiased),
        ("20 of 40", 40, 20, VarianceEstimate::Unbiased),
        ("16 of 40", 40, 16, VarianceEstimate::Biased),
    ] {
        let program = program(Some(group), estimate);
        let batch = part(&all, 0, images);
        let parameters = program.parameters.iter().map(|p| golden.floats(&format!("start/{}", p.name))).collect();
        let start = State { parameters, ..State::initial(&program, 0) };
        let decay = vec![0.0; program.parameters.len()];
        for (name, mut engine) in engines(&program) {
            let what = |part: &str| format!("{name} {case} {part}");
            let expected = |part: &str| golden.doubles(&format!("{case}/{part}"));
            engine.load(&start).unwrap();
            let logits = engine.logits(&batch.get(), Mode::Train).unwrap();
            assert_close(&what("logits"), &logits, &expected("logits"), 1e-5);
            for (parameter, gradient) in program.parameters.iter().zip(engine.gradients(&batch.get()).unwrap()) {
                let part = format!("gradients/{}", parameter.name);
                assert_close(&what(&part), &gradient, &expected(&part), 2e-5);
            }
            for _ in 0..2 {
                engine.train_step(&batch.get(), &Update::sgd(0.1, 0.9, &decay)).unwrap();
            }
            let state = engine.state().unwrap();
            for (parameter, found) in program.parameters.iter().zip(&state.parameters) {
                let part = format!("parameters/{}", parameter.name);
                assert_close(&what(&part), found, &expected(&part), 1e-5);
            }
            for (statistic, found) in program.statistics.iter().zip(&state.statistics) {
                let part = format!("statistics/{}", statistic.name);
                assert_close(&what(&part), found, &expected(&part), 5e-6);
            }
        }
    }
}

/// The interpreter in `f64` derives nothing; it has the same running statistics.
#[test]
fn gradients_of_groups_are_those_of_their_loss() {
    let program = program(Some(4), VarianceEstimate::Unbiased);
    let (batch, state) = (OwnedBatch::random(&program, 9, 5), random_state(&program, 6));
    let weights = Weights::from(&state);
    let gradients = reference::gradients(&program, &weights, &batch.get());
    let after = reference::run(&program, &weights, &batch.get(), Mode::Train).statistics;
    let decay = vec![0.0; program.parameters.len()];
    for (name, mut engine) in engines(&program) {
        engine.load(&state).unwrap();
        let found = engine.gradients(&batch.get()).unwrap();
        for ((parameter, found), expected) in program.parameters.iter().zip(&found).zip(&gradients) {
            assert_close(&format!("{name} {}", parameter.name), found, expected, 1e-4);
        }
        engine.train_step(&batch.get(), &Update::sgd(0.0, 0.0, &decay)).unwrap();
        for ((statistic, found), expected) in
            program.statistics.iter().zip(engine.state().unwrap().statistics).zip(&after)
        {
            assert_close(&format!("{name} {}", statistic.name), &found, expected, 5e-6);
        }
    }
}

/// A group knows nothing of the others: it is what a batch of its images alone would be.
#[test]
fn a_group_is_a_batch_of_its_own() {
    let (grouped, whole) = [Some(20), None].map(|group| program(group, VarianceEstimate::Unbiased)).into();
    let batch = OwnedBatch::random(&grouped, 50, 3);
    let state = random_state(&grouped, 4);
    for ((name, mut engine), (_, mut alone)) in engines(&grouped).into_iter().zip(engines(&whole)) {
        engine.load(&state).unwrap();
        alone.load(&state).unwrap();
        let logits = engine.logits(&batch.get(), Mode::Train).unwrap();
        let groups = engine.moments(&batch.get()).unwrap();
        assert_eq!(groups.iter().map(|group| group.images).collect::<Vec<_>>(), [20, 20, 10], "{name}");
        let mut first = 0;
        for group in groups {
            let own = part(&batch, first, first + group.images);
            let wide = |values: &[f32]| values.iter().map(|x| f64::from(*x)).collect::<Vec<_>>();
            let expected = alone.logits(&own.get(), Mode::Train).unwrap();
            assert_close(&name, &logits[first * 3..][..expected.len()], &wide(&expected), 1e-5);
            let expected = alone.moments(&own.get()).unwrap().remove(0);
            for ((statistic, found), expected) in grouped.statistics.iter().zip(&group.values).zip(&expected.values) {
                assert_close(&format!("{name} {}", statistic.name), found, &wide(expected), 2e-6);
            }
            first += group.images;
        }
        // In evaluation there are no groups.
        assert_eq!(
            engine.logits(&batch.get(), Mode::Evaluate).unwrap(),
            alone.logits(&batch.get(), Mode::Evaluate).unwrap(),
            "{name}"
        );
    }
}

/// As large as the batch, or larger, a group is the whole batch, to the bit.
#[test]
fn a_group_that_has_all_images_changes_nothing() {
    let [batch, other] = [13, 9].map(|images| OwnedBatch::random(&program(None, VarianceEstimate::Biased), images, 3));
    let run = |group: Option<usize>| -> Vec<State> {
        let program = program(group, VarianceEstimate::Biased);
        let decay = vec![0.0; program.parameters.len()];
        let train = |(_, mut engine): (String, Box<dyn Engine>)| {
            engine.load(&random_state(&program, 4)).unwrap();
            for batch in [&batch, &other, &batch] {
                engine.train_step(&batch.get(), &Update::sgd(0.1, 0.9, &decay)).unwrap();
            }
            engine.state().unwrap()
        };
        engines(&program).into_iter().map(train).collect()
    };
    let whole = run(None);
    assert_eq!(run(Some(13)), whole);
    assert_eq!(run(Some(1000)), whole);
    assert_ne!(run(Some(12)), whole);
}

/// Batches of 8 in groups of 4 are batches of 4 to the population, as the order of the images is the same.
#[test]
fn the_population_is_one_of_groups() {
    let pixels = (0..24 * 50).map(|i| (i * i % 251) as u8).collect();
    let subset = Subset::all(&Arc::new(Split::new(Shape::map(2, 5, 5), 3, pixels, vec![0; 24]).unwrap()));
    for variance in PopulationVariance::ALL {
        let population = |group, batch| {
            let program = program(group, VarianceEstimate::Unbiased);
            let found = |(_, mut engine): (String, Box<dyn Engine>)| {
                engine.load(&random_state(&program, 4)).unwrap();
                let method = Method { variance, batch, seed: 5 };
                let found =
                    statistics(engine.as_mut(), &subset, &Normalization::None, method, &Stop::new(), &mut |_, _| {});
                found.unwrap().unwrap().concat()
            };
            engines(&program).into_iter().map(found).collect::<Vec<_>>()
        };
        let (grouped, alone, whole) = (population(Some(4), 8), population(None, 4), population(None, 8));
        for ((grouped, alone), whole) in grouped.iter().zip(alone).zip(whole) {
            let expected: Vec<f64> = alone.iter().map(|x| f64::from(*x)).collect();
            assert_close(variance.name(), grouped, &expected, 2e-6);
            assert!(grouped.iter().zip(&whole).any(|(grouped, whole)| (grouped - whole).abs() > 1e-3 * whole.abs()));
        }
    }
}
