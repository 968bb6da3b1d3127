//! What a run came to: three accuracies that must not be mixed up. The last epoch's is what the recipe leads to; that of
//! the epoch that held-out images chose is honest too; that of the epoch that the test images chose is not.

use crate::train::report::{EpochReport, EvalSet, Score};
use serde::{Deserialize, Serialize};

/// Name of the file in a run's folder; it is there once the run has ended.
pub const FILE_NAME: &str = "results.json";

/// A moment of a run, and what was measured there.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct EpochScores {
    /// From 1.
    pub epoch: u64,
    /// Updates that led there.
    pub step: u64,
    /// Over the test images.
    pub test: Score,
    /// Over the held-out images.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_out: Option<Score>,
    /// Over the test images with moving averages, where `test` is with true ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test_moving: Option<Score>,
}

impl From<&EpochReport> for EpochScores {
    fn from(report: &EpochReport) -> Self {
        let EpochReport { epoch, step, test, held_out, test_moving, .. } = *report;
        EpochScores { epoch, step, test, held_out, test_moving }
    }
}

/// What chose the weights of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SelectedBy {
    /// Nothing: they are the last ones of the run, or were so when they were written.
    LastEpoch,
    /// The held-out images liked them best.
    HeldOut,
}

/// What weights reached when they were written, beside them in their file.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Selected {
    /// What chose them.
    #[serde(rename = "chosen_by")]
    pub by: SelectedBy,
    /// What they reached.
    #[serde(flatten)]
    pub scores: EpochScores,
}

/// All that a finished run came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Results {
    /// Name of the net.
    pub net: String,
    /// The run's seed.
    pub seed: u64,
    /// Updates of the whole run.
    pub steps: u64,
    /// Seconds of training, evaluation left out.
    pub seconds: f64,
    /// After the last step.
    #[serde(rename = "final")]
    pub last: EpochScores,
    /// The epoch that the held-out images chose.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub best_on_held_out: Option<EpochScores>,
    /// The epoch that the test images chose: its test accuracy is too good.
    pub best_on_test_optimistic: EpochScores,
}

impl Results {
    /// Of the epochs of a run; none where there is no epoch.
    pub fn of(net: &str, seed: u64, epochs: &[EpochReport]) -> Option<Self> {
        let last = epochs.last()?;
        Some(Results {
            net: net.into(),
            seed,
            steps: last.step,
            seconds: epochs.iter().map(|epoch| epoch.seconds).sum(),
            last: last.into(),
            best_on_held_out: best(epochs, EvalSet::HeldOut),
            best_on_test_optimistic: best(epochs, EvalSet::Test).unwrap_or(last.into()),
        })
    }

    /// As JSON, with a newline.
    pub fn to_json(&self) -> String {
        // Numbers and names: there is nothing in it that JSON cannot say.
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }
}

/// The epoch that these images like best; the first of equals.
fn best(epochs: &[EpochReport], on: EvalSet) -> Option<EpochScores> {
    let rated = epochs.iter().filter(|report| report.accuracy_on(on).is_some());
    rated.reduce(|best, next| if next.beats(best, on) { next } else { best }).map(EpochScores::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::report::tests::epoch;

    #[test]
    fn the_three_are_told_apart() {
        let epochs = [epoch(1, 0.7, Some(0.5)), epoch(2, 0.6, Some(0.8)), epoch(3, 0.5, Some(0.8))];
        let results = Results::of("net", 4, &epochs).unwrap();
        assert_eq!((results.last.epoch, results.steps), (3, 30));
        assert_eq!(results.best_on_held_out.map(|scores| scores.epoch), Some(2));
        assert_eq!(results.best_on_test_optimistic.epoch, 1);
        let text = results.to_json();
        assert!(text.contains("\"final\"") && text.contains("\"best_on_test_optimistic\""), "{text}");
        assert_eq!(serde_json::from_str::<Results>(&text).unwrap(), results);

        let results = Results::of("net", 4, &[epoch(1, 0.7, None)]).unwrap();
        assert!(results.best_on_held_out.is_none() && !results.to_json().contains("held_out"));
        assert!(Results::of("net", 4, &[]).is_none());
    }
    #[test]
    fn the_first_of_equals_stays() {
        let epochs = [epoch(1, 0.7, Some(0.8)), epoch(2, 0.7, Some(0.8))];
        let results = Results::of("net", 4, &epochs).unwrap();
        assert_eq!(results.best_on_held_out.map(|scores| scores.epoch), Some(1));
        assert_eq!(results.best_on_test_optimistic.epoch, 1);
        assert_eq!((results.last.epoch, results.seconds), (2, 1.4));
    }

    /// The words that files of weights have had from the beginning.
    #[test]
    fn what_chose_weights_keeps_its_words_in_files() {
        let selected = Selected { by: SelectedBy::HeldOut, scores: (&epoch(3, 0.7, Some(0.5))).into() };
        let json = serde_json::to_value(selected).unwrap();
        assert_eq!((&json["chosen_by"], &json["epoch"]), (&"held-out".into(), &3.into()));
        assert_eq!(serde_json::from_value::<Selected>(json).unwrap(), selected);
    }
}
