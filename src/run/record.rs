//! What a run leaves in its folder while it goes on: weights and results after every epoch, checkpoints in between.

use super::checkpoint::Checkpoint;
use super::folder::{RunFolder, not_written};
use super::identity::Identity;
use super::log::Log;
use super::results::{Selected, SelectedBy};
use super::weights::{self, About};
use crate::data::normalize::Normalization;
use crate::diagnostic::{Code, Diagnostic};
use crate::engine::State;
use crate::lower::program::Program;
use crate::recipe;
use crate::train::observer::Observer;
use crate::train::report::{Best, EpochReport, EvalSet, Evaluated, Position};
use std::path::Path;
use std::time::Instant;

/// Keeps a run.
pub struct Record<'a> {
    /// Where it goes.
    pub folder: &'a RunFolder,
    /// What is trained.
    pub program: &'a Program,
    /// Which run it is.
    pub identity: &'a Identity,
    /// What goes with the weights.
    pub normalization: &'a Normalization,
    /// What is written beside them; `steps` and `statistics` are filled in.
    pub about: About,
    /// How often it is kept.
    pub keep: recipe::CheckpointPolicy,
    /// The step of the last checkpoint, and when it was made.
    pub kept: (u64, Instant),
    /// The results so far.
    pub log: Log,
}

impl Record<'_> {
    /// Writes the weights of a moment.
    ///
    /// # Errors
    /// [`Code::OutputFailed`].
    pub fn save(
        &self,
        path: &Path,
        evaluated: &Evaluated,
        steps: u64,
        results: Option<Selected>,
    ) -> Result<(), Diagnostic> {
        let about = About { steps, statistics: evaluated.statistics, results, ..self.about.clone() };
        weights::write(path, self.program, evaluated, self.normalization, &about)
    }
}

impl Observer for Record<'_> {
    fn epoch(&mut self, report: &EpochReport, best: &Best, evaluated: &Evaluated) -> Result<(), Diagnostic> {
        let results = |by| Some(Selected { by, scores: report.into() });
        self.save(&self.folder.weights(), evaluated, report.step, results(SelectedBy::LastEpoch))?;
        // Weights that the test images chose are not offered.
        if best.chosen_on == EvalSet::HeldOut && best.report.epoch == report.epoch {
            self.save(&self.folder.best(), evaluated, report.step, results(SelectedBy::HeldOut))?;
        }
        self.log.push(report).map_err(|(path, error)| not_written(&path, &error))?;
        Ok(())
    }

    fn is_due(&self, step: u64, steps_per_epoch: u64) -> bool {
        let (last, at) = self.kept;
        self.keep.every.is_due(step, steps_per_epoch, last, at.elapsed())
    }

    fn checkpoint(&mut self, position: &Position, state: &State) -> Result<(), Diagnostic> {
        let checkpoint =
            Checkpoint { identity: self.identity.clone(), position: position.clone(), state: state.clone() };
        let about = About { steps: position.step, ..self.about.clone() };
        let bytes = checkpoint.serialize(self.program, self.normalization, &about);
        let bytes = bytes.map_err(|why| Diagnostic::new(Code::OutputFailed, "cannot make a checkpoint").note(why))?;
        self.folder.checkpoints().write(position.step, &bytes, self.keep.keep)?;
        self.kept = (position.step, Instant::now());
        Ok(())
    }
}
