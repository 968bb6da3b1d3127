//! What tests of engines share: programs written by hand, a naive interpreter in `f64`, batches, comparisons.

// Each test binary uses its own part of this.
#![allow(dead_code)]

pub mod builder;
pub mod contradictions;
pub mod golden;
pub mod reference;

use netc::internals::data::batch::Batch;
use netc::internals::engine::State;
use netc::internals::lower::program::Program;
use netc::internals::random;

/// A batch that owns its numbers.
#[derive(Debug, Clone)]
pub struct OwnedBatch {
    pub images: Vec<f32>,
    pub labels: Vec<u32>,
    pub keys: Vec<u64>,
}

impl OwnedBatch {
    /// Normal images, labels and keys that depend on `seed` only.
    pub fn random(program: &Program, len: usize, seed: u64) -> Self {
        let key = random::mix(seed);
        let elements = (program.input().elements() * len) as u64;
        let classes = program.classes() as u64;
        Self {
            images: (0..elements).map(|i| random::normal(key, i)).collect(),
            labels: (0..len as u64).map(|i| random::below(key ^ 1, i, classes) as u32).collect(),
            keys: (0..len as u64).map(|i| random::bits(key ^ 2, i)).collect(),
        }
    }

    pub fn get(&self) -> Batch<'_> {
        Batch::of_pixels(&self.images, &self.labels, &self.keys)
    }
}

/// A state in which nothing is 0 or 1: every number of every tensor matters.
pub fn random_state(program: &Program, seed: u64) -> State {
    let draw = |name: &str, length: usize, centre: f32, spread: f32| -> Vec<f32> {
        let key = random::mix(seed ^ random::text_key(name));
        (0..length as u64).map(|i| centre + spread * random::normal(key, i)).collect()
    };
    let parameters = &program.parameters;
    State {
        parameters: parameters
            .iter()
            .map(|p| {
                let fan_in: usize = p.dims.iter().skip(1).product();
                let centre = if p.name.ends_with(".scale") { 1.0 } else { 0.0 };
                draw(&p.name, p.elements(), centre, if p.dims.len() > 1 { 1.0 / (fan_in as f32).sqrt() } else { 0.3 })
            })
            .collect(),
        velocities: parameters.iter().map(|p| draw(&format!("v {}", p.name), p.elements(), 0.0, 0.1)).collect(),
        squares: Vec::new(),
        averages: Vec::new(),
        statistics: program
            .statistics
            .iter()
            .map(|s| {
                draw(&s.name, s.channels, s.initial, 0.1)
                    .iter()
                    .map(|x| if s.initial > 0.0 { x.abs() } else { *x })
                    .collect()
            })
            .collect(),
    }
}

/// Largest difference, relative to the largest number.
pub fn distance(found: &[f32], expected: &[f64]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let scale = expected.iter().fold(1e-30f64, |most, x| most.max(x.abs()));
    let worst = found.iter().zip(expected).map(|(f, e)| (f64::from(*f) - e).abs());
    // A NaN is not close to anything.
    worst.fold(0.0, |most, d| if d.is_nan() { f64::INFINITY } else { most.max(d) }) / scale
}

/// Panics unless [`distance`] is at most `tolerance`.
pub fn assert_close(what: &str, found: &[f32], expected: &[f64], tolerance: f64) {
    let distance = distance(found, expected);
    assert!(
        distance <= tolerance,
        "{what}: off by {distance:e} of the largest\nfound {found:?}\nexpected {expected:?}"
    );
}
