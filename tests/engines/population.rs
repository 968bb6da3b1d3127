//! True averages for batch norm against PyTorch's, on both engines. `tests/golden/make_population.py` made the numbers.

use crate::support::golden::Golden;
use crate::support::{OwnedBatch, assert_close};
use netc::internals::compile::{self, compile};
use netc::internals::data::normalize::Normalization;
use netc::internals::data::{Split, Subset};
use netc::internals::engine::native::{Convolution, NativeEngine, Options};
use netc::internals::engine::tensor;
use netc::internals::engine::{Engine, State, Update};
use netc::internals::graph::dims::Shape;
use netc::internals::lower::program::Program;
use netc::internals::recipe::PopulationVariance;
use netc::internals::train::population::{Method, statistics};
use netc::internals::train::stop::Stop;
use std::path::Path;
use std::sync::Arc;

fn program() -> Program {
    compile(Path::new("tests/golden/population.net"), &compile::Options::default()).program.unwrap()
}

fn engines(program: &Program) -> [Box<dyn Engine>; 2] {
    let options = Options { threads: Some(2), isa: None, convolution: Convolution::Direct };
    [tensor::cpu(program.clone()).unwrap(), Box::new(NativeEngine::new(program.clone(), options).unwrap())]
}

#[test]
fn true_averages_are_pytorchs() {
    let golden = Golden::open("population.safetensors");
    let program = program();
    let pixels: Vec<u8> = golden.integers("images").into_iter().map(|pixel| pixel as u8).collect();
    let images = pixels.len() / 192;
    let split = Split::new(Shape::map(3, 8, 8), 10, pixels, vec![0; images]).unwrap();
    let subset = Subset::all(&Arc::new(split));
    let weights: Vec<Vec<f32>> = program
        .parameters
        .iter()
        .map(|parameter| {
            // PyTorch calls a batch norm's scale and shift weight and bias.
            let name = parameter.name.replace(".scale", ".weight").replace(".shift", ".bias");
            golden.floats(&format!("weights/{name}"))
        })
        .collect();
    let state = State { parameters: weights, ..State::initial(&program, 0) };
    for mut engine in engines(&program) {
        engine.load(&state).unwrap();
        for (name, variance) in [("mean", PopulationVariance::Mean), ("pooled", PopulationVariance::Pooled)] {
            let method = Method { variance, batch: 8, seed: 5 };
            let none = Normalization::None;
            let found = statistics(engine.as_mut(), &subset, &none, method, &Stop::new(), &mut |_, _| {});
            for (statistic, found) in program.statistics.iter().zip(found.unwrap().unwrap()) {
                let torch = statistic.name.replace("running_variance", "running_var");
                let expected = golden.doubles(&format!("{name}/{torch}"));
                assert_close(&format!("{name} {}", statistic.name), &found, &expected, 2e-6);
            }
        }
        // The two methods differ on these images, and nothing of the engine's state has moved.
        let apart = |name: &str| golden.floats(&format!("{name}/bn1.running_var"));
        let far = |(pooled, mean): (f32, f32)| (pooled - mean).abs() > 1e-3 * mean;
        assert!(apart("pooled").into_iter().zip(apart("mean")).any(far));
        assert_eq!(engine.state().unwrap(), state);
        assert_eq!(engine.read_metrics().unwrap().images, 0);
    }
}

/// With a decay of 0 the running statistics after a step are the moments of its batch.
#[test]
fn moments_are_what_a_step_normalises_with() {
    let mut program = program();
    for op in &mut program.ops {
        if let netc::internals::lower::program::OpKind::BatchNorm { decay, running_variance, .. } = &mut op.kind {
            (*decay, *running_variance) = (0.0, netc::internals::lower::program::VarianceEstimate::Biased);
        }
    }
    let batch = OwnedBatch::random(&program, 21, 9);
    let decay = vec![0.0; program.parameters.len()];
    for mut engine in engines(&program) {
        engine.load(&State::initial(&program, 1)).unwrap();
        let moments = engine.moments(&batch.get()).unwrap();
        engine.train_step(&batch.get(), &Update::sgd(0.1, 0.0, &decay)).unwrap();
        let [moments] = &moments[..] else { panic!("{moments:?}") };
        assert_eq!((moments.images, &moments.values), (21, &engine.state().unwrap().statistics));
    }
}
