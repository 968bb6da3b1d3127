//! N030: the learning rate never changes.
//!
//! ## What it does
//! Warns of a recipe that trains for five epochs or more at one learning rate, because it says nothing of a schedule or
//! says `constant`.
//!
//! ## Why is this bad?
//! With a constant rate the weights keep jumping about in the last epochs as far as in the first ones. He et al.'s
//! networks gain most of their last ten points of accuracy in the moments at which the rate falls to a tenth; a
//! reproduction without these falls ends several points below the paper, and nothing in its log looks wrong.
//!
//! ## Example
//! ```yaml
//! data: cifar10
//! epochs: 100
//! optimizer: {learning_rate: 0.1}
//! ```
//!
//! ## Use instead
//! ```yaml
//! data: cifar10
//! epochs: 100
//! optimizer: {learning_rate: 0.1}
//! schedule: {kind: multistep, at: [50 %, 75 %], factor: 0.1}
//! ```
//!
//! ## Reference
//! He et al. 2015, section 4.2: "divide it by 10 at 32k and 48k iterations". Robbins & Monro 1951: steps of constant
//! size do not converge.

use super::{Run, Training};
use crate::check::Check;
use crate::diagnostic::{Code, Diagnostic};
use crate::recipe::Length;
use crate::recipe::schedule::Curve;

/// This check.
pub const CHECK: Check<Run> = Check { code: Code::NoSchedule, file: include_str!("no_schedule.rs"), run: check };

/// Shorter runs are trials.
const SHORTEST: f64 = 5.0;

fn check(training: &Training<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let recipe = training.recipe;
    if recipe.schedule.curve != Curve::Constant {
        return;
    }
    let epochs = match (recipe.length, training.run_length()) {
        (Length::Epochs(epochs), _) => epochs as f64,
        (Length::Steps(steps), Some(run_length)) => steps as f64 / run_length.steps_per_epoch as f64,
        (Length::Steps(_), None) => return,
    };
    if epochs < SHORTEST {
        return;
    }
    let rate = recipe.optimizer.learning_rate;
    let message = format!("the learning rate stays at {rate} for all of {epochs:.0} epochs");
    let diagnostic = training.point(Diagnostic::new(Code::NoSchedule, message), &["schedule"], "it never changes");
    let unit = if let Length::Steps(_) = recipe.length { "steps" } else { "epochs" };
    let diagnostic = match training.place(&[unit]) {
        Some(span) if Some(span) != diagnostic.span() => diagnostic.context(span, "for so long"),
        _ => diagnostic,
    };
    diagnostics.push(
        diagnostic.help("write such as `schedule: {kind: multistep, at: [50 %, 75 %], factor: 0.1}` in the recipe"),
    );
}

#[cfg(test)]
mod tests {
    use crate::check::testing::recipe;

    fn fires(yaml: &str) -> bool {
        recipe(yaml).contains(&"N030")
    }

    #[test]
    fn long_runs_at_one_rate() {
        assert!(fires("epochs: 5"));
        assert!(fires("epochs: 90\nschedule: constant"));
        assert!(fires("data: cifar10\nsteps: 2_000"));
    }

    #[test]
    fn a_schedule_or_a_trial() {
        assert!(!fires("epochs: 90\nschedule: {kind: step, every: 30 epochs, factor: 0.1}"));
        assert!(!fires("epochs: 4"));
        assert!(!fires("data: cifar10\nsteps: 500"));
    }
}
