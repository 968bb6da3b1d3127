//! How often a run keeps what it needs to go on: every so many steps, epochs or minutes.

use super::milestone::{Milestone, MilestoneError};
use serde::{Serialize, Serializer};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A stretch of a run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Interval {
    /// Updates of the weights.
    Steps(u64),
    /// Passes over the training images.
    Epochs(u64),
    /// Time on the clock.
    Minutes(f64),
}

impl Interval {
    /// Whether a checkpoint is due after `step` steps, the last one having been made after `last` steps and `since` ago.
    pub fn is_due(self, step: u64, steps_per_epoch: u64, last: u64, since: Duration) -> bool {
        match self {
            Interval::Steps(steps) => step / steps.max(1) > last / steps.max(1),
            Interval::Epochs(epochs) => {
                let steps = epochs.saturating_mul(steps_per_epoch).max(1);
                step / steps > last / steps
            }
            Interval::Minutes(minutes) => since.as_secs_f64() >= 60.0 * minutes,
        }
    }
}

impl FromStr for Interval {
    type Err = MilestoneError;

    /// `500 steps`, `1 epoch`, `10 minutes`.
    fn from_str(text: &str) -> Result<Self, MilestoneError> {
        let text = text.trim();
        let minutes = text.strip_suffix("minutes").or_else(|| text.strip_suffix("minute"));
        if let Some(number) = minutes.or_else(|| text.strip_suffix("min")) {
            let number = number.trim();
            let minutes: f64 =
                number.replace('_', "").parse().map_err(|_| MilestoneError::Number(number.to_string()))?;
            let good = minutes.is_finite() && minutes >= 0.0;
            return if good { Ok(Interval::Minutes(minutes)) } else { Err(MilestoneError::Negative) };
        }
        match text.parse()? {
            Milestone::Steps(steps) => Ok(Interval::Steps(steps)),
            Milestone::Epochs(epochs) if epochs.fract() == 0.0 => Ok(Interval::Epochs(epochs as u64)),
            Milestone::Epochs(_) => Err(MilestoneError::Unit("parts of epochs".into())),
            Milestone::Percent(_) => Err(MilestoneError::Unit("%".into())),
        }
    }
}

impl fmt::Display for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Interval::Steps(1) => f.write_str("1 step"),
            Interval::Epochs(1) => f.write_str("1 epoch"),
            Interval::Steps(steps) => write!(f, "{steps} steps"),
            Interval::Epochs(epochs) => write!(f, "{epochs} epochs"),
            Interval::Minutes(minutes) => write!(f, "{minutes} minutes"),
        }
    }
}

impl Serialize for Interval {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_read_back() {
        for (text, interval) in [
            ("500 steps", Interval::Steps(500)),
            ("1 epoch", Interval::Epochs(1)),
            ("1 step", Interval::Steps(1)),
            ("2.5 minutes", Interval::Minutes(2.5)),
            ("10 min", Interval::Minutes(10.0)),
        ] {
            assert_eq!(text.parse(), Ok(interval));
            assert_eq!(interval.to_string().parse(), Ok(interval));
        }
        for text in ["500", "50 %", "1.5 epochs", "-1 minutes", "x minutes", "3 bananas", "minutes"] {
            assert!(text.parse::<Interval>().is_err(), "{text}");
        }
    }

    #[test]
    fn due_when_a_multiple_was_passed() {
        let now = Duration::ZERO;
        let due = |interval: Interval, step, last| interval.is_due(step, 13, last, now);
        assert!(
            !due(Interval::Steps(10), 9, 0) && due(Interval::Steps(10), 10, 0) && !due(Interval::Steps(10), 11, 10)
        );
        assert!(due(Interval::Epochs(2), 26, 13) && !due(Interval::Epochs(2), 38, 26));
        assert!(!due(Interval::Minutes(1.0), 9, 0));
        assert!(Interval::Minutes(1.0).is_due(9, 13, 9, Duration::from_secs(60)));
    }
}
