//! What a run tells about itself.

use crate::diagnostic::Diagnostic;
use crate::engine::{Metrics, State};
use serde::Serialize;

/// Mean loss and accuracy over some images.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Score {
    /// Mean cross-entropy.
    pub loss: f64,
    /// Share of images whose largest logit is that of their label (top-1), 0..=1.
    pub accuracy: f64,
    /// Images it is over.
    pub images: u64,
}

impl From<Metrics> for Score {
    fn from(metrics: Metrics) -> Self {
        Score { loss: metrics.loss(), accuracy: metrics.accuracy(), images: metrics.images }
    }
}

/// Where a run is, between epochs' ends.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StepReport {
    /// The epoch it is in, from 1.
    pub epoch: u64,
    /// Steps done.
    pub step: u64,
    /// Steps of the whole run.
    pub total_steps: u64,
    /// Learning rate of the last step.
    pub rate: f64,
    /// Over the training images of this epoch so far, each seen with the weights of its step.
    pub train: Score,
    /// Seconds of training (not of evaluation) in this epoch so far.
    pub seconds: f64,
}

/// An epoch that is over.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct EpochReport {
    /// From 1.
    pub epoch: u64,
    /// Steps done.
    pub step: u64,
    /// Steps of the whole run.
    pub total_steps: u64,
    /// Learning rate of the last step.
    pub rate: f64,
    /// Over the epoch's training images, each seen with the weights of its step.
    pub train: Score,
    /// Over the held-out images.
    pub held_out: Option<Score>,
    /// Over the test images.
    pub test: Score,
    /// Training images a second; evaluation is not counted, waiting for input is.
    pub images_per_second: f64,
    /// Seconds of training.
    pub seconds: f64,
    /// Seconds of them spent waiting for input.
    pub waited: f64,
}

/// What a run evaluates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// The held-out training images.
    HeldOut,
    /// The test images.
    Test,
}

impl Which {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Which::HeldOut => "held-out",
            Which::Test => "test",
        }
    }
}

/// Who listens to a run.
pub trait Observer {
    /// Some steps were done.
    fn step(&mut self, report: &StepReport);

    /// `done` of `total` images were evaluated.
    fn evaluating(&mut self, which: Which, done: u64, total: u64);

    /// An epoch (or the run, within one) is over; all numbers are finite. The state is that of this moment.
    ///
    /// # Errors
    /// When what has to be kept cannot be kept; the run ends with it.
    fn epoch(&mut self, report: &EpochReport, state: &State) -> Result<(), Diagnostic>;
}

/// The epoch that looked best.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Best {
    /// Where.
    pub report: EpochReport,
    /// By which images it was chosen.
    pub chosen_on: Which,
}

impl Best {
    /// The better of what was best so far and `report`: by the held-out images if there are any, else by the test
    /// images (which then tell too good a story, and must be said to). The first of equals stays.
    pub fn update(best: Option<Best>, report: EpochReport) -> Best {
        let accuracy = |report: &EpochReport| report.held_out.unwrap_or(report.test).accuracy;
        let chosen_on = if report.held_out.is_some() { Which::HeldOut } else { Which::Test };
        match best {
            Some(best) if accuracy(&best.report) >= accuracy(&report) => best,
            _ => Best { report, chosen_on },
        }
    }
}
