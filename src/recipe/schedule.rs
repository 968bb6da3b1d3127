//! The learning rate as a function of the step.
//!
//! Steps are counted from 0: the rate of step t is the one in force after t updates. A change "at 32000 steps" leaves
//! steps 0..32000 at the old rate.

use super::milestone::{Milestone, RunLength};
use serde::Serialize;

/// How the learning rate changes.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Schedule {
    /// What it does over the run.
    #[serde(flatten)]
    pub curve: Curve,
    /// What comes before, or over the beginning of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warmup: Option<Warmup>,
}

impl From<Curve> for Schedule {
    fn from(curve: Curve) -> Self {
        Schedule { curve, warmup: None }
    }
}

/// The shape of a schedule.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Curve {
    /// Always the same.
    #[default]
    Constant,
    /// Times `factor` after every such stretch.
    Step {
        /// The stretch.
        every: Milestone,
        /// What the rate is multiplied by.
        factor: f64,
    },
    /// Times `factor` at each of some milestones.
    Multistep {
        /// The milestones.
        at: Vec<Milestone>,
        /// What the rate is multiplied by.
        factor: f64,
    },
    /// Down to `minimum` by half a cosine, from the end of the warm-up to that of the run: minimum + (base − minimum)·
    /// (1 + cos(πt/T))/2. Loshchilov & Hutter 2017, without restarts; PyTorch's `CosineAnnealingLR`.
    Cosine {
        /// The rate that it comes to.
        minimum: f64,
    },
    /// Down to `minimum` by minimum + (base − minimum)·(1 − t/T)^power, over the same stretch; PyTorch's `PolynomialLR`.
    Polynomial {
        /// 1 for a straight line.
        power: f64,
        /// The rate that it comes to.
        minimum: f64,
    },
    /// Up to the base and far down: Smith & Topin 2018, in the two phases of PyTorch's `OneCycleLR`. The momentum stays.
    OneCycle {
        /// When the rate is at its highest, less one step and not rounded: of 25 steps 30 % are 7.5, and the peak lies
        /// between steps 6 and 7, counted from 0. No step has the base itself then.
        peak: Milestone,
        /// What the highest rate is multiplied by at the first step.
        start_factor: f64,
        /// The same at the last step.
        end_factor: f64,
        /// How it goes from one to the other.
        anneal: Anneal,
    },
}

impl Curve {
    /// PyTorch's defaults for [`Curve::OneCycle`]: `pct_start` 0.3, `div_factor` 25, `final_div_factor` 10⁴.
    pub const ONE_CYCLE: Curve = Curve::OneCycle {
        peak: Milestone::Percent(30.0),
        start_factor: 1.0 / 25.0,
        end_factor: 1.0 / 25.0 / 1e4,
        anneal: Anneal::Cosine,
    };
}

/// A way from one number to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Anneal {
    /// By half a cosine.
    Cosine,
    /// In a straight line.
    Linear,
}

impl Anneal {
    fn between(self, from: f64, to: f64, fraction: f64) -> f64 {
        match self {
            Anneal::Cosine => to + (from - to) / 2.0 * (1.0 + (std::f64::consts::PI * fraction).cos()),
            Anneal::Linear => from + (to - from) * fraction,
        }
    }
}

/// A low rate to begin with.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Warmup {
    /// How long.
    pub length: Milestone,
    /// What the rate is multiplied by at the first step.
    pub from: f64,
    /// How the factor becomes 1.
    pub form: WarmupForm,
}

/// How a warm-up ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum WarmupForm {
    /// The factor grows in a straight line (Goyal et al. 2017; PyTorch's `LinearLR`).
    #[default]
    Linear,
    /// It stays, and is 1 afterwards (He et al. 2015 for ResNet-110; PyTorch's `ConstantLR`).
    Constant,
}

impl Warmup {
    /// What the rate of a step is multiplied by.
    fn factor(&self, step: u64, run_length: RunLength) -> f64 {
        let length = self.length.steps(run_length);
        match self.form {
            _ if step >= length => 1.0,
            WarmupForm::Linear => self.from + (1.0 - self.from) * (step as f64 / length as f64),
            WarmupForm::Constant => self.from,
        }
    }
}

impl Schedule {
    /// The rate of step `step` (from 0), starting from `base`.
    ///
    /// Milestones are counted from the beginning of the run, with or without a warm-up. What has none, a cosine or a
    /// polynomial, takes the time from the end of the warm-up.
    pub fn rate(&self, base: f64, step: u64, run_length: RunLength) -> f64 {
        let warmup = self.warmup.map_or(0, |warmup| warmup.length.steps(run_length));
        let factor = self.warmup.map_or(1.0, |warmup| warmup.factor(step, run_length));
        factor * self.curve.rate(base, step, warmup, run_length)
    }

    /// Steps at which the rate changes, or is worth a look, in order: not more than some dozens.
    pub fn marks(&self, run_length: RunLength) -> Vec<u64> {
        const MOST: u64 = 20;
        let tenths = || (1..10).map(|tenth| (run_length.total_steps as f64 * f64::from(tenth) / 10.0).round() as u64);
        let mut marks = vec![0, run_length.total_steps.saturating_sub(1)];
        match &self.curve {
            Curve::Constant => {}
            Curve::Step { every, .. } => {
                let every = every.steps(run_length).max(1);
                marks.extend((1..=MOST).map(|count| count.saturating_mul(every)));
            }
            Curve::Multistep { at, .. } => marks.extend(at.iter().take(MOST as usize).map(|at| at.steps(run_length))),
            Curve::OneCycle { peak, .. } => {
                marks.push(peak.steps(run_length).saturating_sub(1));
                marks.extend(tenths());
            }
            Curve::Cosine { .. } | Curve::Polynomial { .. } => marks.extend(tenths()),
        }
        if let Some(warmup) = self.warmup {
            let length = warmup.length.steps(run_length);
            marks.extend([length / 2, length]);
        }
        marks.retain(|&step| step < run_length.total_steps);
        marks.sort_unstable();
        marks.dedup();
        marks
    }
}

impl Curve {
    fn rate(&self, base: f64, step: u64, warmup: u64, run_length: RunLength) -> f64 {
        let (past, whole) =
            (step.saturating_sub(warmup) as f64, run_length.total_steps.saturating_sub(warmup).max(1) as f64);
        match self {
            Curve::Constant => base,
            // A stretch that rounds to no step at all changes the rate at every step, not infinitely often.
            Curve::Step { every, factor } => base * factor.powf((step / every.steps(run_length).max(1)) as f64),
            Curve::Multistep { at, factor } => {
                base * factor.powf(at.iter().filter(|milestone| milestone.steps(run_length) <= step).count() as f64)
            }
            Curve::Cosine { minimum } => Anneal::Cosine.between(base, *minimum, (past / whole).min(1.0)),
            Curve::Polynomial { power, minimum } => {
                minimum + (base - minimum) * (1.0 - past / whole).max(0.0).powf(*power)
            }
            Curve::OneCycle { peak, start_factor, end_factor, anneal } => {
                let (step, last) = (step as f64, run_length.total_steps.saturating_sub(1) as f64);
                // Not a whole step, and before the first one in a short run: PyTorch's `pct_start * total_steps - 1`.
                let peak = (peak.exact(run_length) - 1.0).min(last);
                let (start, end) = (base * start_factor, base * end_factor);
                if step < peak {
                    anneal.between(start, base, step / peak)
                } else if last > peak {
                    anneal.between(base, end, ((step - peak) / (last - peak)).min(1.0))
                } else {
                    base
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LENGTH: RunLength = RunLength { steps_per_epoch: 391, total_steps: 64_000 };

    #[test]
    fn he2015_drops_at_its_steps() {
        let at = vec![Milestone::Steps(32_000), Milestone::Steps(48_000)];
        let schedule = Schedule::from(Curve::Multistep { at, factor: 0.1 });
        for (step, rate) in [(0, 0.1), (31_999, 0.1), (32_000, 0.01), (47_999, 0.01), (48_000, 0.001), (63_999, 0.001)]
        {
            assert!((schedule.rate(0.1, step, LENGTH) - rate).abs() < 1e-12, "{step}");
        }
    }

    #[test]
    fn epochs_and_percent_become_steps() {
        // PyTorch's MultiStepLR(milestones=[2]) acts once epochs 0 and 1 are done, which is after 782 steps of 391.
        let schedule = Schedule::from(Curve::Multistep { at: vec![Milestone::Epochs(2.0)], factor: 0.5 });
        assert_eq!(schedule.rate(1.0, 781, LENGTH), 1.0);
        assert_eq!(schedule.rate(1.0, 782, LENGTH), 0.5);
        let schedule = Schedule::from(Curve::Multistep { at: vec![Milestone::Percent(50.0)], factor: 0.5 });
        assert_eq!(schedule.rate(1.0, 31_999, LENGTH), 1.0);
        assert_eq!(schedule.rate(1.0, 32_000, LENGTH), 0.5);
        assert_eq!(Milestone::Epochs(0.5).steps(LENGTH), 196);
    }

    #[test]
    fn step_divides_and_constant_stays() {
        let schedule = Schedule::from(Curve::Step { every: Milestone::Epochs(1.0), factor: 0.1 });
        for (step, rate) in [(0, 1.0), (390, 1.0), (391, 0.1), (781, 0.1), (782, 0.01)] {
            assert!((schedule.rate(1.0, step, LENGTH) - rate).abs() < 1e-12, "{step}");
        }
        let nothing = Schedule::from(Curve::Step { every: Milestone::Epochs(0.0001), factor: 0.5 });
        assert_eq!(nothing.rate(1.0, 2, LENGTH), 0.25);
        assert_eq!(Schedule::default().rate(0.3, 1_000_000, LENGTH), 0.3);
    }

    #[test]
    fn a_warm_up_multiplies_and_leaves_milestones_where_they_are() {
        let warmup = |form| Some(Warmup { length: Milestone::Steps(100), from: 0.1, form });
        let curve = Curve::Multistep { at: vec![Milestone::Steps(50), Milestone::Steps(200)], factor: 0.5 };
        let schedule = Schedule { curve, warmup: warmup(WarmupForm::Linear) };
        for (step, rate) in [(0, 0.1), (40, 0.46), (50, 0.275), (100, 0.5), (199, 0.5), (200, 0.25)] {
            assert!((schedule.rate(1.0, step, LENGTH) - rate).abs() < 1e-12, "{step}");
        }
        let schedule = Schedule { curve: Curve::Constant, warmup: warmup(WarmupForm::Constant) };
        assert_eq!([0, 99, 100].map(|step| schedule.rate(1.0, step, LENGTH)), [0.1, 0.1, 1.0]);
    }

    /// PyTorch's `OneCycleLR` in another form: a cosine's two phases are squares of a cosine, a line's a weighted mean.
    #[test]
    fn one_cycle_is_the_same_curve_at_every_length() {
        let (start, end) = (0.04, 4e-6);
        for total_steps in 1..=2000u64 {
            let run_length = RunLength { steps_per_epoch: 3, total_steps };
            for (percent, anneal) in [(30.0, Anneal::Cosine), (30.0, Anneal::Linear), (45.5, Anneal::Cosine)] {
                let peak = Milestone::Percent(percent);
                let curve = Curve::OneCycle { peak, start_factor: start, end_factor: end, anneal };
                let schedule = Schedule::from(curve);
                // Both in hundredths of a step, so that a whole step is a whole number.
                let top = percent * total_steps as f64 - 100.0;
                let last = 100.0 * (total_steps - 1) as f64;
                for step in 0..total_steps {
                    let at = 100.0 * step as f64;
                    let (low, rest) =
                        if at <= top { (start, 1.0 - at / top) } else { (end, (at - top) / (last - top)) };
                    let share = match anneal {
                        Anneal::Cosine => (std::f64::consts::FRAC_PI_2 * rest).sin().powi(2),
                        Anneal::Linear => rest,
                    };
                    let (found, expected) = (schedule.rate(0.1, step, run_length), 0.1 * (1.0 + (low - 1.0) * share));
                    assert!((found - expected).abs() < 1e-12, "{step} of {total_steps}: {found} for {expected}");
                }
            }
        }
    }

    /// Whatever the lengths, a rate is a number that is not negative and at most the base.
    #[test]
    fn no_length_leads_out_of_bounds() {
        let curves = [
            Curve::Cosine { minimum: 0.01 },
            Curve::Polynomial { power: 2.0, minimum: 0.0 },
            Curve::ONE_CYCLE,
            Curve::OneCycle { peak: Milestone::Steps(900), start_factor: 0.0, end_factor: 0.0, anneal: Anneal::Linear },
        ];
        for curve in curves {
            for length in [Milestone::Steps(1), Milestone::Percent(100.0), Milestone::Epochs(50.0)] {
                for total_steps in [1, 2, 3, 10] {
                    let run_length = RunLength { steps_per_epoch: 3, total_steps };
                    let warmup = Warmup { length, from: 0.0, form: WarmupForm::Linear };
                    for warmup in [None, Some(warmup)] {
                        let schedule = Schedule { curve: curve.clone(), warmup };
                        for step in 0..total_steps + 2 {
                            let rate = schedule.rate(0.1, step, run_length);
                            assert!(
                                (0.0..=0.1 + 1e-12).contains(&rate),
                                "{schedule:?} {step} of {total_steps}: {rate}"
                            );
                        }
                    }
                }
            }
        }
    }
}
