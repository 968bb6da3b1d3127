//! One run from its beginning, or from its last checkpoint, to its end, with all that it leaves in its folder.

use super::checkpoint::Checkpoint;
use super::folder::{RECIPE, RunFolder, not_written};
use super::identity::Identity;
use super::log::Log;
use super::manifest::{self, Manifest};
use super::record::Record;
use super::results::{self, Results};
use super::weights::About;
use crate::data::DataSet;
use crate::diagnostic::{Code, Diagnostic};
use crate::engine::{Engine, State};
use crate::lower::program::Program;
use crate::recipe::Recipe;
use crate::train::error::RunError;
use crate::train::input::Input;
use crate::train::observer::{Observer, RunInfo};
use crate::train::report::{Evaluated, Position};
use crate::train::runner::{self, TrainOutcome};
use crate::train::stop::Stop;
use std::path::PathBuf;
use std::time::Instant;

/// What a run is made of, beside the engine.
pub struct Session<'a> {
    /// How it is trained.
    pub recipe: &'a Recipe,
    /// All images.
    pub data: &'a DataSet,
    /// Which run it is.
    pub identity: Identity,
    /// Hash of the spec's texts, for the weights.
    pub spec: String,
    /// Where the results go.
    pub folder: &'a RunFolder,
    /// Whether to go on from the folder's last checkpoint, if there is one.
    pub resume: bool,
    /// A wish to stop.
    pub stop: &'a Stop,
}

/// How a run ended, and what it left.
#[derive(Debug)]
pub struct Finished {
    /// Where it stands.
    pub outcome: TrainOutcome,
    /// Steps of the whole run.
    pub total_steps: u64,
    /// What it came to; none when it was interrupted.
    pub results: Option<Results>,
    /// The weights.
    pub weights: PathBuf,
    /// The weights of the epoch that the held-out images chose, if there are any.
    pub best: Option<PathBuf>,
}

impl Session<'_> {
    /// Trains. What is learnt is in the folder; `watch` hears what happens. A run that was interrupted can be gone on with.
    ///
    /// # Errors
    /// When the run fails, its results cannot be written, or there is a checkpoint that it cannot go on from.
    pub fn run(
        &self,
        engine: &mut dyn Engine,
        manifest: Option<&Manifest>,
        watch: &mut dyn Observer,
    ) -> Result<Finished, Diagnostic> {
        let _lock = self.folder.lock()?;
        let program = engine.program().clone();
        let input = Input::new(self.data, self.recipe).map_err(|error| Diagnostic::from(&error))?;
        let Start { position: from, state, doubts } = self.start(&program)?;
        engine.load(&state).map_err(RunError::from)?;
        if from.step == 0 {
            self.folder.write(RECIPE, &self.recipe.to_yaml())?;
            if let Some(manifest) = manifest {
                self.folder.write(manifest::FILE_NAME, &manifest.to_yaml())?;
            }
        }
        let total_steps = self.recipe.run_length(input.train.len()).total_steps;
        watch.begin(&RunInfo {
            program: &program,
            recipe: self.recipe,
            data: &self.data.description.name,
            train_images: input.train.len(),
            test_images: input.test.len(),
            step: from.step,
            total_steps,
            arithmetic: engine.arithmetic(),
            folder: self.folder.path(),
            doubts: &doubts,
        });
        let mut record = Record {
            folder: self.folder,
            program: &program,
            identity: &self.identity,
            normalization: &input.normalization,
            about: self.about(&program),
            keep: self.recipe.checkpoint,
            kept: (from.step, Instant::now()),
            log: Log::after(from.step, self.folder).map_err(|(path, error)| not_written(&path, &error))?,
        };
        let mut both = (&mut record, watch);
        let outcome = runner::train(engine, self.recipe, &input, from, self.stop, &mut both);
        let outcome = outcome.map_err(|error| self.finished_badly(error))?;
        let mut results = None;
        if outcome.interrupted {
            self.keep_interrupted(&mut record, &outcome)?;
        } else if outcome.position.last.is_some() {
            results = Results::of(&program.net, self.recipe.seed, record.log.epochs());
            if let Some(results) = &results {
                self.folder.write(results::FILE_NAME, &results.to_json())?;
            }
        }
        let best = Some(self.folder.best()).filter(|best| best.exists());
        Ok(Finished { outcome, total_steps, results, weights: self.folder.weights(), best })
    }

    /// Where the run begins, and with what.
    fn start(&self, program: &Program) -> Result<Start, Diagnostic> {
        let latest = if self.resume { self.folder.checkpoints().latest() } else { None };
        let Some(path) = latest else {
            let state = State::initial(program, self.recipe.seed);
            return Ok(Start { position: Position::default(), state, doubts: Vec::new() });
        };
        let Checkpoint { identity, position, state } = Checkpoint::read(&path, program, &self.identity)?;
        // It is this run's. There may be one too many, if the run was killed between writing one and taking one away.
        self.folder.checkpoints().prune(self.recipe.checkpoint.keep);
        Ok(Start { position, state, doubts: identity.doubts(&self.identity) })
    }

    fn about(&self, program: &Program) -> About {
        About {
            net: program.net.clone(),
            netc: env!("CARGO_PKG_VERSION").into(),
            spec: self.spec.clone(),
            data: self.data.description.name.clone(),
            ..About::default()
        }
    }

    /// The weights of the last step, and a checkpoint to go on from.
    fn keep_interrupted(&self, record: &mut Record<'_>, outcome: &TrainOutcome) -> Result<(), Diagnostic> {
        let TrainOutcome { position, state, .. } = outcome;
        if state.not_finite(record.program).is_some() {
            let message = "interrupted, and the weights of the last step are no longer numbers: they were not saved";
            return Err(Diagnostic::new(Code::LossNotFinite, message));
        }
        record.checkpoint(position, state)?;
        let last = Evaluated::of_training(state.clone());
        record.save(&self.folder.weights(), &last, position.step, None)
    }

    fn finished_badly(&self, error: RunError) -> Diagnostic {
        let mut diagnostic = Diagnostic::from(error);
        let weights = self.folder.weights();
        if weights.exists() {
            diagnostic = diagnostic.note(format!("saved in `{}`", weights.display()));
        }
        match self.folder.checkpoints().latest() {
            Some(path) => diagnostic.note(format!("the last checkpoint is `{}`", path.display())),
            None => diagnostic,
        }
    }
}

/// Where a run begins.
struct Start {
    position: Position,
    state: State,
    /// Why it may end in other last bits than an unbroken run.
    doubts: Vec<String>,
}

#[cfg(test)]
mod tests;
