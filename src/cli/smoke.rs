//! `netc train --fast` and `--overfit N`: whether a run would work at all, before hours are spent on it. Neither leaves
//! anything behind.

use super::interrupt::stop_on_signal;
use super::output;
use super::terminal::{Progress, Terminal};
use super::train::TrainArguments;
use crate::data::Take;
use crate::diagnostic::{Code, Diagnostic};
use crate::engine::State;
use crate::experiment::{Experiment, load_some, open_engine, spec_hash};
use crate::recipe::{Length, Recipe, Statistics};
use crate::run::checkpoint::Checkpoint;
use crate::run::folder::{RunFolder, not_written};
use crate::run::identity::Identity;
use crate::run::session::Session;
use crate::text::{duration, percent, rounded};
use crate::train::error::RunError;
use crate::train::input::Input;
use crate::train::overfit::{self, NEAR_ZERO, OverfitResult};
use crate::train::report::{EpochReport, Score};
use std::num::NonZeroU64;
use std::time::Instant;

/// Batches of each phase of `--fast`.
const BATCHES: usize = 3;
/// Passes over its batches after which `--overfit` gives up.
const PASSES: u64 = 1000;

/// The smoke modes of `netc train`.
#[derive(Debug, Clone, Copy, Default, clap::Args)]
pub struct SmokeArguments {
    /// Only tries everything out: three batches each of training, held-out and test images, a checkpoint written and read
    /// back. Leaves nothing behind
    #[arg(long, conflicts_with_all = ["out", "resume", "epochs", "steps", "overfit"])]
    pub fast: bool,
    /// Only proves the gradients: learns N batches by heart, without augmentation, dropout, decay and label smoothing. Fails if the loss
    /// does not come near zero. Leaves nothing behind
    #[arg(long, value_name = "N", conflicts_with_all = ["out", "resume", "epochs"])]
    pub overfit: Option<NonZeroU64>,
}

/// Three batches of every phase, by the code of a whole run.
///
/// # Errors
/// Whatever such a run may fail on.
pub fn fast(experiment: Experiment, arguments: &TrainArguments) -> Result<(), Diagnostic> {
    let begin = Instant::now();
    let images = experiment.recipe.batch.saturating_mul(BATCHES);
    let hold_out = experiment.recipe.hold_out.min(images);
    let recipe = Recipe { length: Length::Steps(BATCHES as u64), hold_out, ..experiment.recipe };
    let take = |count: usize| Take::First(arguments.limit.map_or(count, |limit| limit.min(count)));
    let program = experiment.program;
    let data = load_some(&recipe.data, recipe.order, &program, take(images.saturating_add(hold_out)), take(images))?;
    let mut engine = open_engine(arguments.selection.into(), recipe.precision, program.clone())?;
    let scratch = tempfile::Builder::new()
        .prefix("netc-fast-")
        .tempdir()
        .map_err(|error| not_written(&std::env::temp_dir(), &error))?;
    let folder = RunFolder::at(scratch.path())?;
    let identity = Identity::of(engine.as_ref(), &recipe, &data);
    let stop = stop_on_signal()?;
    let session = Session {
        recipe: &recipe,
        data: &data,
        identity: identity.clone(),
        spec: spec_hash(&experiment.sources),
        folder: &folder,
        resume: false,
        stop: &stop,
    };
    let outcome = session.run(engine.as_mut(), None, &mut Terminal::quiet())?.outcome;
    let Some(last) = outcome.position.last.filter(|_| !outcome.interrupted) else {
        return Err(Diagnostic::new(Code::RunFailed, "interrupted before every phase was tried"));
    };
    if let Some(path) = folder.checkpoints().latest() {
        Checkpoint::read(&path, &program, &identity)?;
    }
    let population = recipe.batch_norm.statistics == Statistics::Population && !program.statistics.is_empty();
    phases(&last, population).iter().for_each(|line| output::line(line));
    let seconds = duration(begin.elapsed().as_secs_f64());
    output::line(&format!(
        "everything works ({seconds}); nothing was kept, and three batches say nothing of the network"
    ));
    Ok(())
}

/// A line for each thing that was tried.
fn phases(report: &EpochReport, population: bool) -> Vec<String> {
    let of = |name: &str, score: Score| format!("{name:<13} {} images, loss {:.4}", score.images, score.loss);
    let mut lines = vec![of("training", report.train)];
    lines.extend(population.then(|| format!("{:<13} true averages taken", "batch norm")));
    lines.extend(report.held_out.map(|score| of("held-out", score)));
    lines.push(of("test", report.test));
    lines.push(format!("{:<13} written and read back", "checkpoint"));
    lines
}

/// Learns the first `batches` batches by heart.
///
/// # Errors
/// [`Code::NotLearnt`] when it does not come near zero; whatever else a run may fail on.
pub fn overfit(experiment: Experiment, arguments: &TrainArguments, batches: NonZeroU64) -> Result<(), Diagnostic> {
    let begin = Instant::now();
    let steps = arguments.steps.map_or(batches.get().saturating_mul(PASSES), NonZeroU64::get);
    let recipe = overfit::recipe(&experiment.recipe, steps);
    let count = usize::try_from(batches.get()).unwrap_or(usize::MAX).saturating_mul(recipe.batch);
    let count = arguments.limit.map_or(count, |limit| limit.min(count));
    let program = overfit::program(experiment.program);
    let data = load_some(&recipe.data, recipe.order, &program, Take::First(count), Take::Nothing)?;
    let input = Input::new(&data, &recipe).map_err(|error| Diagnostic::from(&error))?;
    let initial = State::initial(&program, recipe.seed);
    let mut engine = open_engine(arguments.selection.into(), recipe.precision, program)?;
    engine.load(&initial).map_err(RunError::from)?;
    let stop = stop_on_signal()?;
    let mut progress = Progress::new(steps);
    let result = overfit::overfit(engine.as_mut(), &recipe, &input, &stop, &mut |report| progress.step(report));
    progress.finish();
    let result = result?;
    let images = input.train.len();
    if result.by_heart() {
        output::line(&format!(
            "{images} images learnt by heart in {} steps ({}): loss {:.4}, from {:.4}; accuracy {}",
            result.steps,
            duration(begin.elapsed().as_secs_f64()),
            result.loss,
            result.first,
            percent(result.accuracy)
        ));
        return Ok(());
    }
    Err(not_learnt(&result, images, recipe.optimizer.learning_rate))
}

fn not_learnt(result: &OverfitResult, images: usize, rate: f64) -> Diagnostic {
    let OverfitResult { first, loss, steps, .. } = result;
    if result.interrupted {
        return Diagnostic::new(Code::RunFailed, format!("interrupted after {steps} steps, at a loss of {loss:.4}"));
    }
    let message = format!("{images} images were not learnt by heart: the loss is {loss:.4} after {steps} steps");
    let (less, more) = (rounded(rate / 10.0, 3), rounded(rate * 3.0, 3));
    Diagnostic::new(Code::NotLearnt, message)
        .note(format!("it began at {first:.4}; with right gradients it comes below {NEAR_ZERO}"))
        .note(format!(
            "that was without augmentation, dropout, decay and label smoothing, at a constant learning rate of {}",
            rounded(rate, 3)
        ))
        .help(format!(
            "try other learning rates, such as `--set optimizer.learning_rate={less}` or `…={more}`, or more `--steps`"
        ))
        .help("if none helps, look for layers that lose the image: a stride or a pool too many, a missing nonlinearity")
        .help("if `--engine tensor` does learn them, the native engine has a fault: please report it")
}
