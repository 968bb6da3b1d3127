//! Who listens to a run.

use super::report::{Best, EpochReport, EvalSet, Evaluated, Position, StepReport};
use crate::diagnostic::Diagnostic;
use crate::engine::{Arithmetic, State};
use crate::lower::program::Program;
use crate::recipe::Recipe;
use std::path::Path;

/// What is known of a run when it begins.
#[derive(Debug, Clone)]
pub struct RunInfo<'a> {
    /// What is trained.
    pub program: &'a Program,
    /// How.
    pub recipe: &'a Recipe,
    /// Name of the data set.
    pub data: &'a str,
    /// Training images, the held-out ones taken out.
    pub train_images: usize,
    /// Test images.
    pub test_images: usize,
    /// Steps that are done already; 0 unless the run was resumed.
    pub step: u64,
    /// Steps of the whole run.
    pub total_steps: u64,
    /// What computes.
    pub arithmetic: Arithmetic,
    /// Where its files go.
    pub folder: &'a Path,
    /// Why a resumed run may end in other last bits than an unbroken one.
    pub doubts: &'a [String],
}

/// Listens to a run. Every method may be left out.
pub trait Observer {
    /// The first step is about to be made.
    fn begin(&mut self, _run: &RunInfo<'_>) {}

    /// Some steps were done.
    fn step(&mut self, _report: &StepReport) {}

    /// `done` of `total` images were evaluated.
    fn evaluating(&mut self, _set: EvalSet, _done: u64, _total: u64) {}

    /// An epoch (or the run, within one) is over; all numbers are finite. `evaluated` is what `report` is of.
    ///
    /// # Errors
    /// When what has to be kept cannot be kept; the run ends with it.
    fn epoch(&mut self, _report: &EpochReport, _best: &Best, _evaluated: &Evaluated) -> Result<(), Diagnostic> {
        Ok(())
    }

    /// Whether [`Observer::checkpoint`] is wanted after `step` steps.
    fn is_due(&self, _step: u64, _steps_per_epoch: u64) -> bool {
        false
    }

    /// What the run needs to be resumed from here.
    ///
    /// # Errors
    /// As for [`Observer::epoch`].
    fn checkpoint(&mut self, _position: &Position, _state: &State) -> Result<(), Diagnostic> {
        Ok(())
    }
}

/// Nobody listens.
impl Observer for () {}

/// One after the other.
impl<A: Observer + ?Sized, B: Observer + ?Sized> Observer for (&mut A, &mut B) {
    fn begin(&mut self, run: &RunInfo<'_>) {
        self.0.begin(run);
        self.1.begin(run);
    }

    fn step(&mut self, report: &StepReport) {
        self.0.step(report);
        self.1.step(report);
    }

    fn evaluating(&mut self, set: EvalSet, done: u64, total: u64) {
        self.0.evaluating(set, done, total);
        self.1.evaluating(set, done, total);
    }

    fn epoch(&mut self, report: &EpochReport, best: &Best, evaluated: &Evaluated) -> Result<(), Diagnostic> {
        self.0.epoch(report, best, evaluated)?;
        self.1.epoch(report, best, evaluated)
    }

    fn is_due(&self, step: u64, steps_per_epoch: u64) -> bool {
        self.0.is_due(step, steps_per_epoch) || self.1.is_due(step, steps_per_epoch)
    }

    fn checkpoint(&mut self, position: &Position, state: &State) -> Result<(), Diagnostic> {
        self.0.checkpoint(position, state)?;
        self.1.checkpoint(position, state)
    }
}
