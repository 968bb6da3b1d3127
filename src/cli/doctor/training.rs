//! The doctor's exercise: a small network, trained on the built-in shapes by every engine, which must come to the same.

use super::{Finding, Status};
use crate::compile::{self, Compilation};
use crate::data::{DataSet, LoadOptions, Take};
use crate::diagnostic::Diagnostic;
use crate::engine::select::{CpuEngine, Device, Selection};
use crate::engine::{Engine, State};
use crate::experiment::open_engine;
use crate::lower::program::Program;
use crate::recipe::{Length, Recipe};
use crate::train::error::RunError;
use crate::train::input::Input;
use crate::train::report::{EpochReport, Position};
use crate::train::runner;
use crate::train::stop::Stop;
use std::path::Path;

/// With what most networks are made of.
const SPEC: &str = "\
net doctor {
  input 3x16x16
  conv 8 3x3 pad 1; bn; relu
  residual {
    conv 8 3x3 pad 1; bn; relu
    conv 8 3x3 pad 1; bn
  }
  relu
  max_pool 2x2
  flatten
  linear 10
}
";
/// Images to train on, and to test on.
const IMAGES: usize = 96;
/// Images a step.
const BATCH: usize = 32;
/// Largest difference of two weights, as a share of the largest weight of their tensor, with tanh for relu. Engines add
/// in different orders, which is some 1e-6 here; anything that is wrong is far more.
const SMOOTH: f64 = 1e-4;
/// With relu. Its gradient jumps at 0: where rounding puts a number on the other side, which on some processors happens in
/// these steps and on others does not, weights differ in the third digit, rightly.
const JUMPING: f64 = 3e-2;

pub(super) fn findings() -> Vec<Finding> {
    // What is wrong in either is told; what is right is told of the one that shows it to more digits.
    let smooth = exercise(&SPEC.replace("relu", "tanh"), SMOOTH);
    let jumping = exercise(SPEC, JUMPING);
    if jumping.iter().any(|finding| finding.status == Status::Broken) { jumping } else { smooth }
}

/// Trains a net by every engine.
fn exercise(spec: &str, agree: f64) -> Vec<Finding> {
    let bench = match Bench::new(spec, agree) {
        Ok(bench) => bench,
        Err(diagnostic) => return vec![broken("training", diagnostic)],
    };
    let select = |engine| Selection { engine, ..Selection::default() };
    let native = bench.train(select(CpuEngine::Native));
    let tensor = bench.train(select(CpuEngine::Tensor));
    let (native, tensor) = match (native, tensor) {
        (Ok(native), Ok(tensor)) => (native, tensor),
        (native, tensor) => {
            let broken = [native.err(), tensor.err()].into_iter().flatten().map(|error| broken("training", error));
            return broken.chain([cuda(&bench, None)]).collect();
        }
    };
    let speed = native.report.images_per_second;
    let agree = compared("training", "the native and the tensor engine", &bench, &native, &tensor)
        .note(format!("the native engine trained a tiny network at {speed:.0} images a second"));
    vec![agree, cuda(&bench, Some(&tensor))]
}

/// What an engine came to.
struct Trained {
    state: State,
    report: EpochReport,
}

/// What every engine is given.
struct Bench {
    program: Program,
    recipe: Recipe,
    data: DataSet,
    /// How far weights may differ.
    agree: f64,
}

impl Bench {
    fn new(spec: &str, agree: f64) -> Result<Self, Diagnostic> {
        let mut recipe = Recipe { data: "shapes".into(), batch: BATCH, length: Length::Epochs(2), ..Recipe::default() };
        // At a high rate the last bits, which engines do not share, soon become others.
        recipe.optimizer.learning_rate = 0.01;
        let mut compilation = Compilation::read_text(Path::new("doctor.net"), spec.into());
        compilation.analyse(&compile::Options { defaults: recipe.defaults(), ..compile::Options::default() });
        let unknown = || Diagnostic::new(crate::diagnostic::Code::RunFailed, "the doctor's network does not compile");
        let program = compilation.program.ok_or_else(|| compilation.diagnostics.pop().unwrap_or_else(unknown))?;
        let take = Take::First(IMAGES);
        let options = LoadOptions { input: Some(program.input()), train: take, test: take, ..LoadOptions::default() };
        let data = DataSet::load(&recipe.data, &options).map_err(|error| Diagnostic::from(&error))?;
        Ok(Bench { program, recipe, data, agree })
    }

    fn train(&self, selection: Selection) -> Result<Trained, Diagnostic> {
        let mut engine = open_engine(selection, self.recipe.precision, self.program.clone())?;
        self.with(engine.as_mut())
    }

    fn with(&self, engine: &mut dyn Engine) -> Result<Trained, Diagnostic> {
        engine.load(&State::initial(&self.program, self.recipe.seed)).map_err(RunError::from)?;
        let input = Input::new(&self.data, &self.recipe).map_err(|error| Diagnostic::from(&error))?;
        let outcome = runner::train(engine, &self.recipe, &input, Position::default(), &Stop::new(), &mut ())?;
        let report = outcome.position.last.ok_or_else(|| {
            Diagnostic::new(crate::diagnostic::Code::RunFailed, "a run of two epochs ended without one")
        })?;
        Ok(Trained { state: outcome.state, report })
    }
}

/// Whether two engines came to the same.
fn compared(about: &'static str, engines: &str, bench: &Bench, one: &Trained, other: &Trained) -> Finding {
    let Bench { program, agree, .. } = bench;
    let (difference, name) = largest_difference(program, &one.state, &other.state);
    let (loss, other_loss) = (one.report.train.loss, other.report.train.loss);
    let steps = one.report.step;
    if difference <= *agree {
        let found = format!("{engines} agree after {steps} steps: weights to {difference:.0e}, loss {loss:.4}");
        return Finding::new(about, Status::Ok, found);
    }
    Finding::new(about, Status::Broken, format!("{engines} come to different weights after {steps} steps"))
        .note(format!("`{name}` differs by {difference:.0e} of its largest weight; {agree:.0e} would be fine"))
        .note(format!("losses {loss:.6} and {other_loss:.6}"))
        .help("NETC_ISA=portable tells whether it is the vector kernels; please report it")
}

/// Over all parameters, as a share of the largest weight of each; and in which it is.
fn largest_difference(program: &Program, one: &State, other: &State) -> (f64, String) {
    let mut worst = (0.0, String::new());
    for (parameter, (a, b)) in program.parameters.iter().zip(one.parameters.iter().zip(&other.parameters)) {
        let largest = a.iter().chain(b).fold(f32::MIN_POSITIVE, |largest, x| largest.max(x.abs()));
        for (a, b) in a.iter().zip(b) {
            let difference = f64::from((a - b).abs()) / f64::from(largest);
            // What is no number differs from everything.
            let difference = if difference.is_nan() { f64::INFINITY } else { difference };
            if difference > worst.0 {
                worst = (difference, parameter.name.clone());
            }
        }
    }
    worst
}

fn broken(about: &'static str, diagnostic: Diagnostic) -> Finding {
    let Diagnostic { message, notes, help, .. } = diagnostic;
    Finding { about, status: Status::Broken, found: message, notes, help }
}

/// Whether a CUDA device is there and comes to the same.
fn cuda(bench: &Bench, reference: Option<&Trained>) -> Finding {
    let driver = Path::new("/proc/driver/nvidia/version").exists();
    if !cfg!(feature = "cuda") {
        let finding = Finding::new("cuda", Status::Note, "not built in; networks run on the processor");
        return if driver {
            finding.help("there is an NVIDIA driver here: `cargo build --release --features cuda` uses it")
        } else {
            finding.note("no NVIDIA driver was seen either")
        };
    }
    match bench.train(Selection { device: Device::Cuda(0), ..Selection::default() }) {
        Ok(trained) => match reference {
            Some(reference) => compared("cuda", "the CUDA device and the processor", bench, &trained, reference),
            None => Finding::new("cuda", Status::Ok, "a device trained; there is nothing to compare it with"),
        },
        Err(Diagnostic { message, notes, help, .. }) => {
            let found = format!("built in, but there is no device to use: {message}");
            Finding { about: "cuda", status: Status::Note, found, notes, help }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn engines_agree_here_and_a_wrong_weight_is_seen() {
        let (spec, agree) = (SPEC.replace("relu", "tanh"), SMOOTH);
        let bench = Bench::new(&spec, agree).unwrap();
        let native = bench.train(Selection::default()).unwrap();
        let mut tensor = bench.train(Selection { engine: CpuEngine::Tensor, ..Selection::default() }).unwrap();
        let compare = |tensor: &Trained| compared("training", "they", &bench, &native, tensor);
        assert_eq!(compare(&tensor).status, Status::Ok, "{:?}", compare(&tensor));
        assert!(findings().iter().all(|finding| finding.status != Status::Broken), "{:?}", findings());
        let name = bench.program.parameters[3].name.clone();
        for wrong in [tensor.state.parameters[3][0] + 0.01, f32::NAN] {
            tensor.state.parameters[3][0] = wrong;
            let finding = compare(&tensor);
            assert_eq!(finding.status, Status::Broken);
            assert!(finding.notes[0].contains(&name), "{finding:?}");
        }
    }
}
