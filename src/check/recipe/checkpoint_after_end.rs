//! N047: the first checkpoint is due after the end of the run.
//!
//! ## What it does
//! Warns of a written `checkpoint: {every: …}` in steps or epochs that is longer than the run. A run that the command line
//! made shorter than five epochs is a trial, and left alone.
//!
//! ## Why is this bad?
//! Whatever stops the run before its end, a full disk or a lost connection, takes all of its work with it: there is
//! nothing to `--resume` from.
//!
//! ## Example
//! ```yaml
//! epochs: 20
//! checkpoint: {every: 50 epochs}
//! ```
//!
//! ## Use instead
//! ```yaml
//! epochs: 20
//! checkpoint: {every: 1 epoch}
//! ```
//!
//! ## Reference
//! `docs/recipes.md`, `checkpoint.every`.

use super::{Run, Training};
use crate::check::Check;
use crate::diagnostic::{Code, Diagnostic};
use crate::recipe::Length;
use crate::recipe::interval::Interval;

/// This check.
pub const CHECK: Check<Run> =
    Check { code: Code::CheckpointAfterEnd, file: include_str!("checkpoint_after_end.rs"), run: check };

fn check(training: &Training<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let path = ["checkpoint", "every"];
    let (every, length) = (training.recipe.checkpoint.every, training.recipe.length);
    let run_length = training.run_length();
    // Without a data set only like can be compared with like.
    let late = match (every, length, run_length) {
        (Interval::Steps(every), Length::Steps(total), _) => every > total,
        (Interval::Epochs(every), Length::Epochs(total), _) => every > total,
        (Interval::Steps(every), _, Some(run_length)) => every > run_length.total_steps,
        (Interval::Epochs(every), _, Some(run_length)) => {
            every.saturating_mul(run_length.steps_per_epoch) > run_length.total_steps
        }
        (Interval::Minutes(_), ..) | (_, _, None) => false,
    };
    let Some(span) = training.place(&path).filter(|_| late && !training.is_trial()) else { return };
    let message = "the run ends before its first checkpoint, so that it cannot go on after a stop";
    let mut diagnostic =
        Diagnostic::new(Code::CheckpointAfterEnd, message).at(span, format!("first due after {every}"));
    diagnostic = training.beside(diagnostic, &[training.length_key()], "the length of the run");
    diagnostics.push(diagnostic.help("write such as `every: 1 epoch`, or `every: 10 minutes`"));
}

#[cfg(test)]
mod tests {
    use crate::check::testing::recipe;

    fn fires(yaml: &str) -> bool {
        recipe(&format!("data: cifar10\n{yaml}")).contains(&"N047")
    }

    #[test]
    fn checkpoints_that_never_come() {
        assert!(fires("epochs: 20\ncheckpoint: {every: 50 epochs}"));
        assert!(fires("steps: 500\ncheckpoint: {every: 2 epochs}"));
        assert!(fires("epochs: 5\ncheckpoint: {every: 9_000 steps}"));
        assert!(!fires("epochs: 20\ncheckpoint: {every: 20 epochs}"));
        assert!(!fires("epochs: 20\ncheckpoint: {every: 90 minutes}"));
        assert!(!fires("steps: 3"));
    }
}
