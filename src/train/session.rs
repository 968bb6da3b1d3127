//! One run from its beginning, or from its last checkpoint, to its end, with all that it leaves in its folder.

use super::checkpoint::Checkpoint;
use super::failure::RunError;
use super::folder::{RECIPE, RunFolder, failed};
use super::identity::Identity;
use super::input::Input;
use super::log::Log;
use super::manifest::{self, Manifest};
use super::progress::{Progress, final_lines};
use super::recipe::Recipe;
use super::record::Record;
use super::report::{Evaluated, Position};
use super::results::{self, Results};
use super::runner::{self, Outcome};
use super::stop::Stop;
use super::weights::About;
use crate::data::DataSet;
use crate::diagnostic::{Code, Diagnostic};
use crate::engine::{Engine, State};
use crate::lower::program::Program;
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
    /// Shows where it is, but leaves it to the caller to tell what comes of it: it is one run of many.
    pub quiet: bool,
}

impl Session<'_> {
    /// Trains. What is learnt is in the folder, results are on stdout; a run that was interrupted can be gone on with.
    ///
    /// # Errors
    /// When the run fails, its results cannot be written, or there is a checkpoint that it cannot go on from.
    pub fn run(&self, mut engine: Box<dyn Engine>, manifest: Option<&Manifest>) -> Result<Outcome, Diagnostic> {
        let _lock = self.folder.lock()?;
        let program = engine.program().clone();
        let input = Input::new(self.data, self.recipe).map_err(|error| Diagnostic::from(&error))?;
        let (from, state) = self.start(&program)?;
        engine.load(&state).map_err(RunError::from)?;
        if from.step == 0 {
            self.folder.write(RECIPE, &self.recipe.to_yaml())?;
            if let Some(manifest) = manifest {
                self.folder.write(manifest::FILE_NAME, &manifest.to_yaml())?;
            }
        }
        let steps = self.recipe.clock(input.train.len()).total_steps;
        if !self.quiet {
            self.announce(engine.as_ref(), &input, &from, steps);
        }
        let mut record = Record {
            folder: self.folder,
            program: &program,
            identity: &self.identity,
            normalization: &input.normalization,
            about: self.about(&program),
            keep: self.recipe.checkpoint,
            kept: (from.step, Instant::now()),
            log: Log::after(from.step, self.folder).map_err(|(path, error)| failed(&path, &error))?,
            progress: Progress::resumed(from.step, steps).with_results(!self.quiet),
        };
        let outcome = runner::train(engine.as_mut(), self.recipe, &input, from, self.stop, &mut record);
        record.progress.finish();
        let outcome = outcome.map_err(|error| self.finished_badly(error))?;
        if outcome.interrupted {
            self.keep_interrupted(&mut record, &outcome, steps)?;
        } else if let (Some(last), Some(best)) = (&outcome.position.last, &outcome.position.best) {
            if let Some(results) = Results::of(&program.net, self.recipe.seed, record.log.epochs()) {
                self.folder.write(results::FILE_NAME, &results.to_json())?;
            }
            for line in final_lines(last, best) {
                record.progress.result(&line);
            }
        }
        record.progress.result(&format!("weights {}", self.folder.weights().display()));
        if self.folder.best().exists() {
            record
                .progress
                .result(&format!("weights of the epoch best on held-out images {}", self.folder.best().display()));
        }
        Ok(outcome)
    }

    /// Where the run begins, and with what.
    fn start(&self, program: &Program) -> Result<(Position, State), Diagnostic> {
        let latest = if self.resume { self.folder.checkpoints().latest() } else { None };
        let Some(path) = latest else { return Ok((Position::default(), program.initial_state(self.recipe.seed))) };
        let checkpoint = Checkpoint::read(&path, program, &self.identity)?;
        for doubt in checkpoint.identity.doubts(&self.identity) {
            eprintln!("note: the last bits may differ from an unbroken run: {doubt}");
        }
        Ok((checkpoint.position, checkpoint.state))
    }

    fn announce(&self, engine: &dyn Engine, input: &Input, from: &Position, steps: u64) {
        let program = engine.program();
        let begun = if from.step == 0 { String::new() } else { format!("; going on after step {}", from.step) };
        eprintln!(
            "{}: {} parameters; {}: {} training images, {} test images; {steps} steps of {}; results in {}{begun}",
            program.net,
            program.parameter_count(),
            self.data.description.name,
            input.train.len(),
            input.test.len(),
            self.recipe.batch,
            self.folder.path().display()
        );
        let (seed, every) = (self.recipe.seed, self.recipe.checkpoint.every);
        eprintln!("computed by {}; seed {seed}; a checkpoint every {every}", engine.arithmetic());
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
    fn keep_interrupted(&self, record: &mut Record<'_>, outcome: &Outcome, steps: u64) -> Result<(), Diagnostic> {
        use super::report::Observer;
        let Outcome { position, state, .. } = outcome;
        if state.not_finite(record.program).is_some() {
            let message = "interrupted, and the weights of the last step are no longer numbers: they were not saved";
            return Err(Diagnostic::new(Code::LossNotFinite, message));
        }
        record.checkpoint(position, state)?;
        let last = Evaluated::of_training(state.clone());
        record.save(&self.folder.weights(), &last, position.step, None)?;
        let step = position.step;
        record.progress.result(&format!("interrupted after step {step} of {steps}; not evaluated since"));
        let folder = self.folder.path().display();
        record.progress.result(&format!("`--out {folder} --resume` goes on from here"));
        Ok(())
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

#[cfg(test)]
mod tests;
