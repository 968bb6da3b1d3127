//! What a run reports: plain data.

use crate::engine::{Metrics, State};
use crate::recipe::Statistics;
use serde::{Deserialize, Serialize};

/// Mean loss and accuracy over some images.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
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
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
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
    /// Over the test images with the moving averages of batch norm, where `held_out` and `test` are with true ones.
    pub test_moving: Option<Score>,
    /// Over the test images with the weights of the last step, where `held_out` and `test` are with averaged ones.
    pub test_last: Option<Score>,
    /// Training images a second; evaluation is not counted, waiting for input is.
    pub images_per_second: f64,
    /// Seconds of training.
    pub seconds: f64,
    /// Seconds of them spent waiting for input.
    pub waited: f64,
}

/// What a run evaluates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EvalSet {
    /// The held-out training images.
    HeldOut,
    /// The test images.
    Test,
    /// The training images, for the true averages of batch norm.
    Population,
}

impl EvalSet {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            EvalSet::HeldOut => "held-out",
            EvalSet::Test => "test",
            EvalSet::Population => "training",
        }
    }
}

/// What was evaluated: the weights of a moment with the batch-norm statistics to evaluate them with.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Evaluated {
    /// Weights and statistics.
    pub state: State,
    /// What the statistics are.
    pub statistics: Statistics,
    /// The moving averages, where `state` holds true ones.
    pub moving: Option<Vec<Vec<f32>>>,
    /// The weights of the last step, where `state` holds averaged ones.
    pub last: Option<Vec<Vec<f32>>>,
}

impl Evaluated {
    /// What training holds: with averaged weights, where it keeps them.
    pub fn of_training(training: State) -> Self {
        match training.averaged() {
            None => Evaluated { state: training, ..Evaluated::default() },
            Some(state) => Evaluated { state, last: Some(training.parameters), ..Evaluated::default() },
        }
    }
}

/// Where a run stands between two steps, beside what the engine holds.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Position {
    /// Steps done.
    pub step: u64,
    /// Over the epoch that is running, so far. At the end of an epoch that was evaluated it is nothing again; one that
    /// was not evaluated yet still has its images here.
    pub epoch: Metrics,
    /// Seconds of training in that epoch so far.
    pub seconds: f64,
    /// Seconds of them spent waiting for input.
    pub waited: f64,
    /// The last epoch that was evaluated.
    pub last: Option<EpochReport>,
    /// The best epoch so far.
    pub best: Option<Best>,
}

/// The epoch that looked best.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Best {
    /// Where.
    pub report: EpochReport,
    /// By which images it was chosen.
    pub chosen_on: EvalSet,
}

impl EpochReport {
    /// Accuracy on these images, where the epoch was evaluated on them.
    pub fn accuracy_on(&self, images: EvalSet) -> Option<f64> {
        match images {
            EvalSet::HeldOut => self.held_out.map(|score| score.accuracy),
            EvalSet::Test => Some(self.test.accuracy),
            EvalSet::Population => None,
        }
    }

    /// Whether this epoch is better than an earlier one on these images: the first of equals stays.
    pub fn beats(&self, earlier: &EpochReport, images: EvalSet) -> bool {
        self.accuracy_on(images) > earlier.accuracy_on(images)
    }
}

impl Best {
    /// The better of what was best so far and `report`: by the held-out images if there are any, else by the test
    /// images (which then tell too good a story, and must be said to).
    pub fn update(best: Option<Best>, report: EpochReport) -> Best {
        let chosen_on = if report.held_out.is_some() { EvalSet::HeldOut } else { EvalSet::Test };
        match best {
            Some(best) if !report.beats(&best.report, chosen_on) => best,
            _ => Best { report, chosen_on },
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// An epoch of ten steps.
    pub fn epoch(number: u64, test: f64, held_out: Option<f64>) -> EpochReport {
        let score = |accuracy| Score { loss: 0.1 + 0.2, accuracy, images: 3 };
        EpochReport {
            epoch: number,
            step: 10 * number,
            total_steps: 30,
            rate: 0.1,
            train: score(1.0 / 3.0),
            held_out: held_out.map(score),
            test: score(test),
            test_moving: Some(score(1.0 / 3.0)),
            test_last: None,
            images_per_second: 5.5,
            seconds: 0.7,
            waited: 0.0,
        }
    }

    fn best(epochs: &[EpochReport]) -> (u64, EvalSet) {
        let best = epochs.iter().fold(None, |best, report| Some(Best::update(best, *report))).unwrap();
        (best.report.epoch, best.chosen_on)
    }

    #[test]
    fn held_out_images_choose_where_there_are_any() {
        let epochs = [epoch(1, 0.7, Some(0.5)), epoch(2, 0.6, Some(0.8)), epoch(3, 0.9, Some(0.6))];
        assert_eq!(best(&epochs), (2, EvalSet::HeldOut));
        assert_eq!(best(&epochs[..1]), (1, EvalSet::HeldOut));
    }

    #[test]
    fn test_images_choose_only_without_held_out_ones() {
        assert_eq!(best(&[epoch(1, 0.7, None), epoch(2, 0.6, None), epoch(3, 0.9, None)]), (3, EvalSet::Test));
    }

    #[test]
    fn the_first_of_equals_stays() {
        assert_eq!(best(&[epoch(1, 0.5, Some(0.8)), epoch(2, 0.6, Some(0.8))]), (1, EvalSet::HeldOut));
        assert_eq!(best(&[epoch(1, 0.5, None), epoch(2, 0.5, None)]), (1, EvalSet::Test));
    }

    #[test]
    fn an_epoch_has_the_accuracies_that_it_was_evaluated_for() {
        let report = epoch(1, 0.7, Some(0.5));
        assert_eq!((report.accuracy_on(EvalSet::Test), report.accuracy_on(EvalSet::HeldOut)), (Some(0.7), Some(0.5)));
        assert_eq!(report.accuracy_on(EvalSet::Population), None);
        assert_eq!(epoch(1, 0.7, None).accuracy_on(EvalSet::HeldOut), None);
    }
}
