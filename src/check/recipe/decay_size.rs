//! N042: a decay coefficient of the other form.
//!
//! ## What it does
//! Warns of SGD with momentum whose decoupled decay has a coefficient below 0.001, and of one whose decay in the
//! gradient has a coefficient of 0.01 or more.
//!
//! ## Why is this bad?
//! In the gradient a decay passes through the momentum, which adds it up: at momentum 0.9 it shrinks weights ten times as
//! fast as the same number does beside the step. A paper's 1e-4 is for the gradient, an AdamW recipe's 0.05 for beside
//! the step. The one in the place of the other hardly decays at all, or holds the weights at zero.
//!
//! ## Example
//! ```yaml
//! optimizer: {learning_rate: 0.1, momentum: 0.9, weight_decay: 1e-4, decay_form: decoupled}
//! ```
//!
//! ## Use instead
//! ```yaml
//! optimizer: {learning_rate: 0.1, momentum: 0.9, weight_decay: 1e-4, decay_form: gradient, decay_except: []}
//! ```
//!
//! ## Reference
//! Loshchilov & Hutter 2019, "Decoupled Weight Decay Regularization", algorithm 1.

use super::{Run, Training};
use crate::check::Check;
use crate::diagnostic::{Code, Diagnostic};
use crate::engine::DecayForm;

/// This check.
pub const CHECK: Check<Run> = Check { code: Code::DecaySize, file: include_str!("decay_size.rs"), run: check };

/// Below the first a coefficient is one for the gradient; from the second on it is one for beside the step.
const OF_GRADIENT: f64 = 1e-3;
const DECOUPLED: f64 = 1e-2;

fn check(training: &Training<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let optimizer = &training.recipe.optimizer;
    let (decay, momentum) = (optimizer.coefficient(), optimizer.momentum());
    let Some(span) = training.place(&["optimizer", "weight_decay"]) else { return };
    // Adam has none.
    if decay <= 0.0 || !(0.5..1.0).contains(&momentum) {
        return;
    }
    let times = rounded(1.0 / (1.0 - momentum));
    let (message, label, other) = match optimizer.decay_form {
        DecayForm::Decoupled if decay < OF_GRADIENT => (
            format!("this decay is {times} times weaker than the same number in the gradient"),
            "a coefficient as decay in the gradient has",
            ("gradient", rounded(decay * times)),
        ),
        DecayForm::Gradient if decay >= DECOUPLED => (
            format!("this decay is {times} times stronger than the same number beside the step"),
            "a coefficient as decoupled decay has",
            ("decoupled", rounded(decay / times)),
        ),
        DecayForm::Decoupled | DecayForm::Gradient => return,
    };
    let mut diagnostic = Diagnostic::new(Code::DecaySize, message).at(span, label);
    diagnostic = training.beside(diagnostic, &["optimizer", "decay_form"], "where it enters");
    let (form, same) = other;
    diagnostics.push(
        diagnostic
            .note(format!(
                "momentum {momentum} adds up what is in the gradient: to 1 / (1 − {momentum}) = {times} times"
            ))
            .help(format!("write `decay_form: {form}`, or `weight_decay: {same}` for the same strength in this form")),
    );
}

fn rounded(number: f64) -> f64 {
    format!("{number:.3e}").parse().unwrap_or(number)
}

#[cfg(test)]
mod tests {
    use crate::check::testing::recipe;

    #[test]
    fn coefficients_belong_to_a_form() {
        let fires = |optimizer: &str| recipe(&format!("optimizer: {{{optimizer}}}")).contains(&"N042");
        assert!(fires("momentum: 0.9, weight_decay: 5e-4, decay_form: decoupled"));
        assert!(fires("momentum: 0.9, weight_decay: 0.05"));
        assert!(!fires("momentum: 0.9, weight_decay: 1e-3, decay_form: decoupled"));
        assert!(!fires("momentum: 0.9, weight_decay: 5e-4"));
        assert!(!fires("momentum: 0, weight_decay: 5e-4, decay_form: decoupled"));
        assert!(!fires("decay_form: decoupled"));
    }
}
