//! What a run leaves in its folder while it goes on: weights and a line of metrics after every epoch.

use super::folder::{RunFolder, failed};
use super::progress::{Progress, epoch_line};
use super::report::{EpochReport, Observer, StepReport, Which};
use super::weights::{self, About};
use crate::data::normalize::Normalization;
use crate::diagnostic::Diagnostic;
use crate::engine::State;
use crate::lower::program::Program;
use std::fs::OpenOptions;
use std::io::{self, Write};

/// Keeps and shows a run.
pub struct Record<'a> {
    /// Where it goes.
    pub folder: &'a RunFolder,
    /// What is trained.
    pub program: &'a Program,
    /// What goes with the weights.
    pub normalization: &'a Normalization,
    /// What is written beside them; `steps` is filled in.
    pub about: About,
    /// What is seen of it.
    pub progress: Progress,
}

impl Record<'_> {
    /// Writes the weights of a moment.
    ///
    /// # Errors
    /// [`crate::diagnostic::Code::OutputFailed`].
    pub fn save(&self, state: &State, steps: u64) -> Result<(), Diagnostic> {
        let about = About { steps, ..self.about.clone() };
        weights::write(&self.folder.weights(), self.program, state, self.normalization, &about)
    }

    fn append_metrics(&self, report: &EpochReport) -> Result<(), Diagnostic> {
        let path = self.folder.metrics();
        let append = || -> io::Result<()> {
            let mut line = serde_json::to_vec(report)?;
            line.push(b'\n');
            OpenOptions::new().create(true).append(true).open(&path)?.write_all(&line)
        };
        append().map_err(|error| failed(&path, &error))
    }
}

impl Observer for Record<'_> {
    fn step(&mut self, report: &StepReport) {
        self.progress.step(report);
    }

    fn evaluating(&mut self, which: Which, done: u64, total: u64) {
        self.progress.evaluating(which, done, total);
    }

    fn epoch(&mut self, report: &EpochReport, state: &State) -> Result<(), Diagnostic> {
        self.save(state, report.step)?;
        self.append_metrics(report)?;
        self.progress.result(&epoch_line(report));
        Ok(())
    }
}
