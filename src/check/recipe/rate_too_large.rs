//! N040: the learning rate is too large for the optimizer.
//!
//! ## What it does
//! Warns of Adam or AdamW with a learning rate of 0.03 or more.
//!
//! ## Why is this bad?
//! Adam divides by the size of the gradient: its rate is about the distance that each weight goes in a step, whatever the
//! loss. At SGD's 0.1 that is as far as the weights are large, and the first steps wipe out what they started from.
//!
//! ## Example
//! ```yaml
//! optimizer: {kind: adam, learning_rate: 0.1}
//! ```
//!
//! ## Use instead
//! ```yaml
//! optimizer: {kind: adam, learning_rate: 0.001}
//! ```
//!
//! ## Reference
//! Kingma & Ba 2015, "Adam: A Method for Stochastic Optimization", section 2.1: "the effective magnitude of the steps
//! taken in parameter space at each timestep are approximately bounded by the stepsize setting"; algorithm 1: 0.001.

use super::{Run, Training};
use crate::check::Check;
use crate::diagnostic::{Code, Diagnostic};
use crate::recipe::optimizer::OptimizerKind;

/// This check.
pub const CHECK: Check<Run> = Check { code: Code::RateTooLarge, file: include_str!("rate_too_large.rs"), run: check };

/// Thirty times what the paper calls a good default.
const LARGE: f64 = 0.03;

fn check(training: &Training<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let optimizer = &training.recipe.optimizer;
    let name = match optimizer.kind {
        OptimizerKind::Adam(_) => "Adam",
        OptimizerKind::Adamw(_) => "AdamW",
        OptimizerKind::Sgd(_) => return,
    };
    let rate = optimizer.learning_rate;
    if rate < LARGE {
        return;
    }
    let message = format!("{name} moves every weight by about {rate} in a step");
    let mut diagnostic = training.point(
        Diagnostic::new(Code::RateTooLarge, message),
        &["optimizer", "learning_rate"],
        "a rate as SGD has it",
    );
    diagnostic = training.beside(diagnostic, &["optimizer", "kind"], "divides by the size of the gradient");
    diagnostics.push(diagnostic.help("begin with `learning_rate: 0.001`"));
}

#[cfg(test)]
mod tests {
    use crate::check::testing::recipe;

    #[test]
    fn rates_of_sgd_are_too_large_for_adam() {
        let fires = |optimizer: &str| recipe(&format!("optimizer: {{{optimizer}}}")).contains(&"N040");
        assert!(fires("kind: adam, learning_rate: 0.1"));
        assert!(fires("kind: adamw, learning_rate: 0.03"));
        assert!(!fires("kind: adam, learning_rate: 0.01"));
        assert!(!fires("kind: sgd, learning_rate: 0.1"));
    }
}
