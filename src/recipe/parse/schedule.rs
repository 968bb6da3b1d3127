//! The `schedule` of a recipe.

use super::foreign;
use super::section::{Problem, Section};
use super::values::{fraction, not_negative, number, positive, word};
use crate::recipe::milestone::{Milestone, MilestoneError};
use crate::recipe::schedule::{Anneal, Curve, Schedule, Warmup, WarmupForm};
use serde_yaml::Value;

#[derive(Clone, Copy, PartialEq)]
enum CurveName {
    Constant,
    Step,
    Multistep,
    Cosine,
    Linear,
    Polynomial,
    OneCycle,
}

const KINDS: [(&str, CurveName); 7] = [
    ("constant", CurveName::Constant),
    ("step", CurveName::Step),
    ("multistep", CurveName::Multistep),
    ("cosine", CurveName::Cosine),
    ("linear", CurveName::Linear),
    ("polynomial", CurveName::Polynomial),
    ("one-cycle", CurveName::OneCycle),
];

const EXAMPLE: &str = "write such as `{kind: multistep, at: [50 %, 75 %], factor: 0.1}`";

/// Reads it; `base` is the learning rate that it starts from. `None` where nothing is said, or it was reported.
pub(super) fn schedule(root: &mut Section<'_>, base: f64) -> Option<Schedule> {
    if let Some(Value::String(_)) = root.value("schedule") {
        return root.read("schedule", |value| match word(value, &KINDS)? {
            CurveName::Constant => Ok(Schedule::default()),
            CurveName::Cosine => Ok(Curve::Cosine { minimum: 0.0 }.into()),
            CurveName::Linear | CurveName::Polynomial => Ok(Curve::Polynomial { power: 1.0, minimum: 0.0 }.into()),
            CurveName::OneCycle => Ok(Curve::ONE_CYCLE.into()),
            CurveName::Step | CurveName::Multistep => {
                Err(Problem::senseless("needs to know when, and by what factor").help(EXAMPLE))
            }
        });
    }
    let mut section = root.section("schedule");
    if !section.is_written() {
        return None;
    }
    if section.value("kind").is_none() {
        section.missing("kind", "it is one of `constant`, `step`, `multistep`, `cosine` and others", EXAMPLE);
    }
    let kind = section.read("kind", |value| word(value, &KINDS));
    // Which keys there may be depends on the kind: `at` of a `step` schedule is unknown, not ignored.
    let curve = match kind {
        None => {
            const ALL: [&str; 9] =
                ["at", "every", "factor", "minimum", "power", "peak", "start_factor", "end_factor", "anneal"];
            for key in ALL {
                let _ = section.value(key);
            }
            None
        }
        Some(CurveName::Constant) => Some(Curve::Constant),
        Some(CurveName::Step) => {
            if section.value("every").is_none() {
                let why = "a step schedule changes the rate again and again";
                section.missing("every", why, "write such as `30 epochs`");
            }
            let every = section.read("every", milestone);
            factor(&mut section).zip(every).map(|(factor, every)| Curve::Step { every, factor })
        }
        Some(CurveName::Multistep) => {
            if section.value("at").is_none() {
                let why = "a multistep schedule changes the rate at moments";
                section.missing("at", why, "write such as `[50 %, 75 %]`");
            }
            let at = section.each("at", milestone);
            factor(&mut section).zip(at).map(|(factor, at)| Curve::Multistep { at, factor })
        }
        Some(CurveName::Cosine) => Some(Curve::Cosine { minimum: minimum(&mut section, base) }),
        Some(CurveName::Linear) => Some(Curve::Polynomial { power: 1.0, minimum: minimum(&mut section, base) }),
        Some(CurveName::Polynomial) => {
            let power = section.read("power", positive).unwrap_or(1.0);
            Some(Curve::Polynomial { power, minimum: minimum(&mut section, base) })
        }
        Some(CurveName::OneCycle) => Some(one_cycle(&mut section)),
    };
    let warmup = match kind {
        Some(CurveName::OneCycle) => {
            let why = "a one-cycle schedule is its own warm-up";
            section.refuse("warmup", why, "remove it; `peak` and `start_factor` say how the rate goes up");
            None
        }
        _ => warmup(&mut section),
    };
    section.finish();
    curve.map(|curve| Schedule { curve, warmup })
}

fn factor(section: &mut Section<'_>) -> Option<f64> {
    if section.value("factor").is_none() {
        section.missing("factor", "what the rate is multiplied by", "write such as `0.1`");
    }
    section.read("factor", positive)
}

fn minimum(section: &mut Section<'_>, base: f64) -> f64 {
    let minimum = section.read("minimum", |value| match not_negative(value)? {
        minimum if minimum > base => {
            Err(Problem::senseless(format!("{minimum} is above the `optimizer.learning_rate`, {base}")))
        }
        minimum => Ok(minimum),
    });
    minimum.unwrap_or(0.0)
}

fn one_cycle(section: &mut Section<'_>) -> Curve {
    let Curve::OneCycle { peak, start_factor, end_factor, anneal } = Curve::ONE_CYCLE else { return Curve::Constant };
    let anneals = [("cosine", Anneal::Cosine), ("linear", Anneal::Linear)];
    Curve::OneCycle {
        peak: section.read("peak", milestone).unwrap_or(peak),
        start_factor: section.read("start_factor", reciprocal).unwrap_or(start_factor),
        end_factor: section.read("end_factor", reciprocal).unwrap_or(end_factor),
        anneal: section.read("anneal", |value| word(value, &anneals)).unwrap_or(anneal),
    }
}

/// A factor of at most 1; PyTorch writes its reciprocal.
fn reciprocal(value: &Value) -> Result<f64, Problem> {
    match not_negative(value)? {
        factor if factor <= 1.0 => Ok(factor),
        divisor => Err(Problem::senseless("must be at most 1: the highest rate is multiplied by it")
            .help(format!("write {} for PyTorch's division by {divisor}", 1.0 / divisor))),
    }
}

fn warmup(section: &mut Section<'_>) -> Option<Warmup> {
    const FROM: f64 = 0.1;
    match section.value("warmup")? {
        Value::String(none) if none == "none" => None,
        Value::Mapping(_) => {
            let mut section = section.section("warmup");
            if section.value("length").is_none() {
                section.missing("length", "how long the warm-up is", "write such as `5 epochs`");
            }
            let forms = [("linear", WarmupForm::Linear), ("constant", WarmupForm::Constant)];
            let length = section.read("length", milestone);
            let from = section.read("from", fraction).unwrap_or(FROM);
            let form = section.read("form", |value| word(value, &forms)).unwrap_or_default();
            section.finish();
            length.map(|length| Warmup { length, from, form })
        }
        _ => section.read("warmup", milestone).map(|length| Warmup { length, from: FROM, form: WarmupForm::default() }),
    }
}

fn milestone(value: &Value) -> Result<Milestone, Problem> {
    let written = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return Err(Problem::expected("a moment, such as `32000 steps`", value)),
    };
    let milestone: Milestone = written.parse().map_err(|error: MilestoneError| {
        let problem = Problem::senseless(format!("`{written}`: {error}"));
        match error {
            MilestoneError::NoUnit => {
                let percent =
                    if number(value).is_ok_and(|number| number <= 100.0) { ", or as `%` of the run" } else { "" };
                problem.help(format!("write `{written} steps` or `{written} epochs`{percent}"))
            }
            MilestoneError::Unit(_) => {
                match foreign::milestone(&written).filter(|meant| meant.parse::<Milestone>().is_ok()) {
                    Some(meant) => problem.help(format!("write `{meant}`")),
                    None => problem.help("the units are `steps`, `epochs` and `%`"),
                }
            }
            _ => problem,
        }
    })?;
    if milestone.is_zero() {
        Err(Problem::senseless(format!("`{written}` is where the run starts")))
    } else {
        Ok(milestone)
    }
}
