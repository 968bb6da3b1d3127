//! The `schedule` of a recipe.

use super::foreign;
use super::section::{Problem, Section};
use super::values::{not_negative, number, positive, share, word};
use crate::recipe::schedule::{Anneal, Curve, Moment, MomentError, Schedule, Warmup, WarmupForm};
use serde_yaml::Value;

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Constant,
    Step,
    Multistep,
    Cosine,
    Linear,
    Polynomial,
    OneCycle,
}

const KINDS: [(&str, Kind); 7] = [
    ("constant", Kind::Constant),
    ("step", Kind::Step),
    ("multistep", Kind::Multistep),
    ("cosine", Kind::Cosine),
    ("linear", Kind::Linear),
    ("polynomial", Kind::Polynomial),
    ("one-cycle", Kind::OneCycle),
];

const EXAMPLE: &str = "write such as `{kind: multistep, at: [50 %, 75 %], factor: 0.1}`";

/// Reads it; `base` is the learning rate that it starts from. `None` where nothing is said, or it was reported.
pub(super) fn schedule(root: &mut Section<'_>, base: f64) -> Option<Schedule> {
    if let Some(Value::String(_)) = root.value("schedule") {
        return root.read("schedule", |value| match word(value, &KINDS)? {
            Kind::Constant => Ok(Schedule::default()),
            Kind::Cosine => Ok(Curve::Cosine { minimum: 0.0 }.into()),
            Kind::Linear | Kind::Polynomial => Ok(Curve::Polynomial { power: 1.0, minimum: 0.0 }.into()),
            Kind::OneCycle => Ok(Curve::ONE_CYCLE.into()),
            Kind::Step | Kind::Multistep => {
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
        Some(Kind::Constant) => Some(Curve::Constant),
        Some(Kind::Step) => {
            if section.value("every").is_none() {
                let why = "a step schedule changes the rate again and again";
                section.missing("every", why, "write such as `30 epochs`");
            }
            let every = section.read("every", moment);
            factor(&mut section).zip(every).map(|(factor, every)| Curve::Step { every, factor })
        }
        Some(Kind::Multistep) => {
            if section.value("at").is_none() {
                let why = "a multistep schedule changes the rate at moments";
                section.missing("at", why, "write such as `[50 %, 75 %]`");
            }
            let at = section.each("at", moment);
            factor(&mut section).zip(at).map(|(factor, at)| Curve::Multistep { at, factor })
        }
        Some(Kind::Cosine) => Some(Curve::Cosine { minimum: minimum(&mut section, base) }),
        Some(Kind::Linear) => Some(Curve::Polynomial { power: 1.0, minimum: minimum(&mut section, base) }),
        Some(Kind::Polynomial) => {
            let power = section.read("power", positive).unwrap_or(1.0);
            Some(Curve::Polynomial { power, minimum: minimum(&mut section, base) })
        }
        Some(Kind::OneCycle) => Some(one_cycle(&mut section)),
    };
    let warmup = match kind {
        Some(Kind::OneCycle) => {
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
        peak: section.read("peak", moment).unwrap_or(peak),
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
            let length = section.read("length", moment);
            let from = section.read("from", share).unwrap_or(FROM);
            let form = section.read("form", |value| word(value, &forms)).unwrap_or_default();
            section.finish();
            length.map(|length| Warmup { length, from, form })
        }
        _ => section.read("warmup", moment).map(|length| Warmup { length, from: FROM, form: WarmupForm::default() }),
    }
}

fn moment(value: &Value) -> Result<Moment, Problem> {
    let written = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return Err(Problem::expected("a moment, such as `32000 steps`", value)),
    };
    let moment: Moment = written.parse().map_err(|error: MomentError| {
        let problem = Problem::senseless(format!("`{written}`: {error}"));
        match error {
            MomentError::NoUnit => {
                let percent =
                    if number(value).is_ok_and(|number| number <= 100.0) { ", or as `%` of the run" } else { "" };
                problem.help(format!("write `{written} steps` or `{written} epochs`{percent}"))
            }
            MomentError::Unit(_) => match foreign::moment(&written).filter(|meant| meant.parse::<Moment>().is_ok()) {
                Some(meant) => problem.help(format!("write `{meant}`")),
                None => problem.help("the units are `steps`, `epochs` and `%`"),
            },
            _ => problem,
        }
    })?;
    if moment.is_zero() { Err(Problem::senseless(format!("`{written}` is where the run starts"))) } else { Ok(moment) }
}
