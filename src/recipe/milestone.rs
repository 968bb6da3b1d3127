//! Points and stretches of a run with their unit, and how long the run is: what turns the one into steps.

use serde::{Serialize, Serializer};
use std::fmt;
use std::str::FromStr;

/// A point in a run, or a stretch of it, with its unit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Milestone {
    /// Updates of the weights.
    Steps(u64),
    /// Passes over the training images; parts of one are allowed.
    Epochs(f64),
    /// Per cent of the whole run, 0..=100.
    Percent(f64),
}

/// How long things are: what turns a [`Milestone`] into steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunLength {
    /// Updates in one pass over the training images.
    pub steps_per_epoch: u64,
    /// Updates in the whole run.
    pub total_steps: u64,
}

impl Milestone {
    /// In steps, rounded to the nearest.
    pub fn steps(self, length: RunLength) -> u64 {
        match self {
            Milestone::Steps(steps) => steps,
            Milestone::Epochs(_) | Milestone::Percent(_) => self.exact(length).round() as u64,
        }
    }

    /// In steps, with what is left over of one.
    pub fn exact(self, length: RunLength) -> f64 {
        match self {
            Milestone::Steps(steps) => steps as f64,
            Milestone::Epochs(epochs) => epochs * length.steps_per_epoch as f64,
            Milestone::Percent(percent) => percent / 100.0 * length.total_steps as f64,
        }
    }

    /// Whether it is nothing: 0 of whatever unit.
    pub fn is_zero(self) -> bool {
        match self {
            Milestone::Steps(steps) => steps == 0,
            Milestone::Epochs(number) | Milestone::Percent(number) => number == 0.0,
        }
    }
}

/// Why a text is no [`Milestone`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MilestoneError {
    /// `32000`, which could be steps or epochs.
    #[error("a unit is missing")]
    NoUnit,
    /// `32000 bananas`.
    #[error("`{0}` is not a unit")]
    Unit(String),
    /// `many steps`.
    #[error("`{0}` is not a number")]
    Number(String),
    /// Negative, or not finite.
    #[error("must be finite and not negative")]
    Negative,
    /// `1.5 steps`.
    #[error("a step cannot be divided")]
    PartOfStep,
    /// `120 %`.
    #[error("is beyond 100 %")]
    BeyondEnd,
}

impl FromStr for Milestone {
    type Err = MilestoneError;

    /// `32000 steps`, `1 step`, `82 epochs`, `50 %`, `50 percent`; `_` may group digits.
    fn from_str(text: &str) -> Result<Self, MilestoneError> {
        let text = text.trim();
        let split =
            text.find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | '_' | '-' | '+'))).unwrap_or(text.len());
        let (digits, unit) = text.split_at(split);
        let number: f64 = digits.replace('_', "").parse().map_err(|_| MilestoneError::Number(text.to_string()))?;
        if !number.is_finite() || number < 0.0 {
            return Err(MilestoneError::Negative);
        }
        match unit.trim() {
            "" => Err(MilestoneError::NoUnit),
            "step" | "steps" if number.fract() != 0.0 => Err(MilestoneError::PartOfStep),
            "step" | "steps" => Ok(Milestone::Steps(number as u64)),
            "epoch" | "epochs" => Ok(Milestone::Epochs(number)),
            "%" | "percent" if number > 100.0 => Err(MilestoneError::BeyondEnd),
            "%" | "percent" => Ok(Milestone::Percent(number)),
            other => Err(MilestoneError::Unit(other.to_string())),
        }
    }
}

impl fmt::Display for Milestone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Milestone::Steps(steps) => write!(f, "{steps} steps"),
            Milestone::Epochs(epochs) => write!(f, "{epochs} epochs"),
            Milestone::Percent(percent) => write!(f, "{percent} %"),
        }
    }
}

impl Serialize for Milestone {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn epochs_and_percent_round_to_the_nearest_step() {
        let length = RunLength { steps_per_epoch: 391, total_steps: 64_001 };
        assert_eq!(Milestone::Steps(7).steps(length), 7);
        assert_eq!(Milestone::Epochs(0.5).steps(length), 196);
        assert_eq!(Milestone::Percent(50.0).steps(length), 32_001);
    }

    #[test]
    fn milestones_need_a_unit() {
        assert_eq!("32_000 steps".parse(), Ok(Milestone::Steps(32_000)));
        assert_eq!("82epochs".parse(), Ok(Milestone::Epochs(82.0)));
        assert_eq!("1 epoch".parse(), Ok(Milestone::Epochs(1.0)));
        assert_eq!("37.5 %".parse(), Ok(Milestone::Percent(37.5)));
        assert_eq!("32000".parse::<Milestone>(), Err(MilestoneError::NoUnit));
        assert_eq!("3 bananas".parse::<Milestone>(), Err(MilestoneError::Unit("bananas".into())));
        assert_eq!("many steps".parse::<Milestone>(), Err(MilestoneError::Number("many steps".into())));
        assert_eq!("-1 steps".parse::<Milestone>(), Err(MilestoneError::Negative));
        assert_eq!("1.5 steps".parse::<Milestone>(), Err(MilestoneError::PartOfStep));
        assert_eq!("101 %".parse::<Milestone>(), Err(MilestoneError::BeyondEnd));
        for text in ["32000 steps", "82 epochs", "37.5 %"] {
            assert_eq!(text.parse::<Milestone>().unwrap().to_string(), text);
        }
    }
}
