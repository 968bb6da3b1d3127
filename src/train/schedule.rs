//! The learning rate as a function of the step.
//!
//! Steps are counted from 0: the rate of step t is the one in force after t updates. A change "at 32000 steps" leaves
//! steps 0..32000 at the old rate.

use serde::{Serialize, Serializer};
use std::fmt;
use std::str::FromStr;

/// A point in a run, or a stretch of it, with its unit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Moment {
    /// Updates of the weights.
    Steps(u64),
    /// Passes over the training images; parts of one are allowed.
    Epochs(f64),
    /// Share of the whole run, 0..=100.
    Percent(f64),
}

/// How long things are: what turns a [`Moment`] into steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clock {
    /// Updates in one pass over the training images.
    pub steps_per_epoch: u64,
    /// Updates in the whole run.
    pub total_steps: u64,
}

impl Moment {
    /// In steps, rounded to the nearest.
    pub fn steps(self, clock: Clock) -> u64 {
        match self {
            Moment::Steps(steps) => steps,
            Moment::Epochs(epochs) => (epochs * clock.steps_per_epoch as f64).round() as u64,
            Moment::Percent(percent) => (percent / 100.0 * clock.total_steps as f64).round() as u64,
        }
    }

    /// Whether it is nothing: 0 of whatever unit.
    pub fn is_zero(self) -> bool {
        match self {
            Moment::Steps(steps) => steps == 0,
            Moment::Epochs(number) | Moment::Percent(number) => number == 0.0,
        }
    }
}

/// Why a text is no [`Moment`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MomentError {
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

impl FromStr for Moment {
    type Err = MomentError;

    /// `32000 steps`, `1 step`, `82 epochs`, `50 %`, `50 percent`; `_` may group digits.
    fn from_str(text: &str) -> Result<Self, MomentError> {
        let text = text.trim();
        let split =
            text.find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | '_' | '-' | '+'))).unwrap_or(text.len());
        let (digits, unit) = text.split_at(split);
        let number: f64 = digits.replace('_', "").parse().map_err(|_| MomentError::Number(text.to_string()))?;
        if !number.is_finite() || number < 0.0 {
            return Err(MomentError::Negative);
        }
        match unit.trim() {
            "" => Err(MomentError::NoUnit),
            "step" | "steps" if number.fract() != 0.0 => Err(MomentError::PartOfStep),
            "step" | "steps" => Ok(Moment::Steps(number as u64)),
            "epoch" | "epochs" => Ok(Moment::Epochs(number)),
            "%" | "percent" if number > 100.0 => Err(MomentError::BeyondEnd),
            "%" | "percent" => Ok(Moment::Percent(number)),
            other => Err(MomentError::Unit(other.to_string())),
        }
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Moment::Steps(steps) => write!(f, "{steps} steps"),
            Moment::Epochs(epochs) => write!(f, "{epochs} epochs"),
            Moment::Percent(percent) => write!(f, "{percent} %"),
        }
    }
}

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// How the learning rate changes.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Schedule {
    /// Never.
    Constant,
    /// Times `factor` after every such stretch.
    Step {
        /// The stretch.
        every: Moment,
        /// What the rate is multiplied by.
        factor: f64,
    },
    /// Times `factor` at each of some moments.
    Multistep {
        /// The moments.
        at: Vec<Moment>,
        /// What the rate is multiplied by.
        factor: f64,
    },
}

impl Schedule {
    /// The rate of step `step` (from 0), starting from `base`.
    pub fn rate(&self, base: f64, step: u64, clock: Clock) -> f64 {
        let changes = match self {
            Schedule::Constant => 0,
            // A stretch that rounds to no step at all changes the rate at every step, not infinitely often.
            Schedule::Step { every, .. } => step / every.steps(clock).max(1),
            Schedule::Multistep { at, .. } => at.iter().filter(|moment| moment.steps(clock) <= step).count() as u64,
        };
        let factor = match self {
            Schedule::Constant => 1.0,
            Schedule::Step { factor, .. } | Schedule::Multistep { factor, .. } => *factor,
        };
        base * factor.powf(changes as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLOCK: Clock = Clock { steps_per_epoch: 391, total_steps: 64_000 };

    #[test]
    fn he2015_drops_at_its_steps() {
        let at = vec![Moment::Steps(32_000), Moment::Steps(48_000)];
        let schedule = Schedule::Multistep { at, factor: 0.1 };
        for (step, rate) in [(0, 0.1), (31_999, 0.1), (32_000, 0.01), (47_999, 0.01), (48_000, 0.001), (63_999, 0.001)]
        {
            assert!((schedule.rate(0.1, step, CLOCK) - rate).abs() < 1e-12, "{step}");
        }
    }

    #[test]
    fn epochs_and_percent_become_steps() {
        // PyTorch's MultiStepLR(milestones=[2]) acts once epochs 0 and 1 are done, which is after 782 steps of 391.
        let schedule = Schedule::Multistep { at: vec![Moment::Epochs(2.0)], factor: 0.5 };
        assert_eq!(schedule.rate(1.0, 781, CLOCK), 1.0);
        assert_eq!(schedule.rate(1.0, 782, CLOCK), 0.5);
        let schedule = Schedule::Multistep { at: vec![Moment::Percent(50.0)], factor: 0.5 };
        assert_eq!(schedule.rate(1.0, 31_999, CLOCK), 1.0);
        assert_eq!(schedule.rate(1.0, 32_000, CLOCK), 0.5);
        assert_eq!(Moment::Epochs(0.5).steps(CLOCK), 196);
    }

    #[test]
    fn step_divides_and_constant_stays() {
        let schedule = Schedule::Step { every: Moment::Epochs(1.0), factor: 0.1 };
        for (step, rate) in [(0, 1.0), (390, 1.0), (391, 0.1), (781, 0.1), (782, 0.01)] {
            assert!((schedule.rate(1.0, step, CLOCK) - rate).abs() < 1e-12, "{step}");
        }
        let nothing = Schedule::Step { every: Moment::Epochs(0.0001), factor: 0.5 };
        assert_eq!(nothing.rate(1.0, 2, CLOCK), 0.25);
        assert_eq!(Schedule::Constant.rate(0.3, 1_000_000, CLOCK), 0.3);
    }

    #[test]
    fn moments_need_a_unit() {
        assert_eq!("32_000 steps".parse(), Ok(Moment::Steps(32_000)));
        assert_eq!("82epochs".parse(), Ok(Moment::Epochs(82.0)));
        assert_eq!("1 epoch".parse(), Ok(Moment::Epochs(1.0)));
        assert_eq!("37.5 %".parse(), Ok(Moment::Percent(37.5)));
        assert_eq!("32000".parse::<Moment>(), Err(MomentError::NoUnit));
        assert_eq!("3 bananas".parse::<Moment>(), Err(MomentError::Unit("bananas".into())));
        assert_eq!("many steps".parse::<Moment>(), Err(MomentError::Number("many steps".into())));
        assert_eq!("-1 steps".parse::<Moment>(), Err(MomentError::Negative));
        assert_eq!("1.5 steps".parse::<Moment>(), Err(MomentError::PartOfStep));
        assert_eq!("101 %".parse::<Moment>(), Err(MomentError::BeyondEnd));
        for text in ["32000 steps", "82 epochs", "37.5 %"] {
            assert_eq!(text.parse::<Moment>().unwrap().to_string(), text);
        }
    }
}
