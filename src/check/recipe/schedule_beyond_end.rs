//! N031: the learning rate changes after the end of the run.
//!
//! ## What it does
//! Warns of a schedule with a moment that lies at the end of the run or after it, whether the recipe says so itself or a
//! `--set` made the run shorter. A run that the command line made shorter than five epochs is a trial, and left alone.
//!
//! ## Why is this bad?
//! The change never comes. A run of 100 epochs under a schedule for 200 stays at the first rate for all of its time and
//! ends several points low, and its log shows nothing but a rate that is what the recipe says.
//!
//! ## Example
//! ```yaml
//! data: cifar10
//! epochs: 60
//! optimizer: {learning_rate: 0.1}
//! schedule: {kind: multistep, at: [32_000 steps, 48_000 steps], factor: 0.1}
//! ```
//!
//! ## Use instead
//! ```yaml
//! data: cifar10
//! epochs: 60
//! optimizer: {learning_rate: 0.1}
//! schedule: {kind: multistep, at: [50 %, 75 %], factor: 0.1}
//! ```
//!
//! ## Reference
//! He et al. 2015, section 4.2: 64 000 iterations, with falls at 32 000 and 48 000. Whoever trains shorter has to move
//! them: Li et al. 2020, "Budgeted Training", find that schedules fitted to the budget beat those cut off.

use super::{Run, Training};
use crate::check::Check;
use crate::diagnostic::{Code, Diagnostic};
use crate::recipe::Length;
use crate::recipe::milestone::{Milestone, RunLength};
use crate::recipe::schedule::{Curve, Schedule};
use crate::text::grouped;

/// This check.
pub const CHECK: Check<Run> =
    Check { code: Code::ScheduleBeyondEnd, file: include_str!("schedule_beyond_end.rs"), run: check };

fn check(training: &Training<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let (key, milestones) = milestones(&training.recipe.schedule);
    let late: Vec<Milestone> = milestones.iter().copied().filter(|&milestone| is_late(training, milestone)).collect();
    let Some(first) = late.first().filter(|_| !training.is_trial()) else { return };
    let end = end(training, *first);
    let message = match (late.len(), milestones.len()) {
        _ if matches!(key, "warmup" | "peak") => {
            format!("the learning rate never comes to its height: the run ends after {end}")
        }
        (late, all) if late == all => format!("the learning rate never changes: the run ends after {end}"),
        (1, all) => format!("one of {all} changes of the learning rate never comes: the run ends after {end}"),
        (late, all) => format!("{late} of {all} changes of the learning rate never come: the run ends after {end}"),
    };
    let places: Vec<String> = late.iter().map(|milestone| words(*milestone)).collect();
    let label = format!("due after {}", places.join(" and "));
    let mut diagnostic = training.point(Diagnostic::new(Code::ScheduleBeyondEnd, message), &["schedule", key], &label);
    if let Some(span) = training.place(&[training.length_key()])
        && Some(span) != diagnostic.span()
    {
        diagnostic = diagnostic.context(span, "the length of the run");
    }
    diagnostics.push(diagnostic.help("moments as shares follow the run: `50 %` is half of it, however long it is"));
}

/// The milestones of a schedule at which something happens, and the key they stand under.
fn milestones(schedule: &Schedule) -> (&'static str, Vec<Milestone>) {
    match &schedule.curve {
        Curve::Step { every, .. } => ("every", vec![*every]),
        Curve::Multistep { at, .. } => ("at", at.clone()),
        Curve::OneCycle { peak, .. } => ("peak", vec![*peak]),
        // They end with the run; a warm-up before them may not.
        Curve::Constant | Curve::Cosine { .. } | Curve::Polynomial { .. } => {
            ("warmup", schedule.warmup.iter().map(|warmup| warmup.length).collect())
        }
    }
}

/// Whether it is at the end of the run or after it. Without a data set only like can be compared with like.
fn is_late(training: &Training<'_>, milestone: Milestone) -> bool {
    let length = training.recipe.length;
    let run_length = training.run_length().or(match (milestone, length) {
        (Milestone::Steps(_), Length::Steps(total)) | (Milestone::Epochs(_), Length::Epochs(total)) => {
            Some(RunLength { steps_per_epoch: 1, total_steps: total })
        }
        (Milestone::Percent(_), _) => Some(RunLength { steps_per_epoch: 1, total_steps: 1_000_000 }),
        _ => None,
    });
    run_length.is_some_and(|run_length| milestone.steps(run_length) >= run_length.total_steps)
}

/// How long the run is, in the unit of a milestone.
fn end(training: &Training<'_>, milestone: Milestone) -> String {
    match (milestone, training.recipe.length, training.run_length()) {
        (Milestone::Epochs(_), Length::Steps(_), Some(run_length)) => {
            format!("{:.1} epochs", run_length.total_steps as f64 / run_length.steps_per_epoch as f64)
        }
        (Milestone::Steps(_), Length::Epochs(epochs), Some(run_length)) => {
            format!("{} steps, which are its {epochs} epochs", grouped(run_length.total_steps))
        }
        (_, Length::Steps(steps), _) => format!("{} steps", grouped(steps)),
        (_, Length::Epochs(epochs), _) => format!("{epochs} epochs"),
    }
}

fn words(milestone: Milestone) -> String {
    match milestone {
        Milestone::Steps(steps) => format!("{} steps", grouped(steps)),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use crate::check::testing::recipe;

    fn fires(yaml: &str) -> bool {
        recipe(yaml).contains(&"N031")
    }

    #[test]
    fn changes_that_never_come() {
        assert!(fires("steps: 40_000\nschedule: {kind: multistep, at: [32_000 steps, 48_000 steps], factor: 0.1}"));
        assert!(fires("data: cifar10\nepochs: 60\nschedule: {kind: multistep, at: [32_000 steps], factor: 0.1}"));
        assert!(fires("data: cifar10\nsteps: 10_000\nschedule: {kind: step, every: 30 epochs, factor: 0.1}"));
        assert!(fires("epochs: 9\nschedule: {kind: one-cycle, peak: 12 epochs}"));
        assert!(fires("epochs: 9\nschedule: {kind: cosine, warmup: {length: 9 epochs, from: 0.1}}"));
        assert!(!fires("epochs: 9\nschedule: {kind: cosine, warmup: {length: 1 epoch, from: 0.1}}"));
        assert!(fires("epochs: 4\nschedule: {kind: step, every: 4 epochs, factor: 0.1}"));
        assert!(fires("data: /a/folder\nepochs: 9\nschedule: {kind: multistep, at: [100 %], factor: 0.1}"));
    }

    #[test]
    fn changes_that_come_or_cannot_be_known() {
        assert!(!fires("steps: 64_000\nschedule: {kind: multistep, at: [32_000 steps, 48_000 steps], factor: 0.1}"));
        assert!(!fires("epochs: 60\nschedule: {kind: multistep, at: [99 %], factor: 0.1}"));
        assert!(!fires("epochs: 60\nschedule: constant"));
        assert!(!fires("data: /a/folder\nepochs: 2\nschedule: {kind: step, every: 900 steps, factor: 0.1}"));
    }
}
