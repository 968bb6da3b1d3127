//! N041: weight decay passes through Adam's scaling.
//!
//! ## What it does
//! Warns of `kind: adam` with a weight decay in the gradient.
//!
//! ## Why is this bad?
//! Adam divides the gradient by its own size, and the decay in it too: weights with large gradients hardly decay, those
//! with small ones decay at full rate, and the coefficient means something else in every layer.
//!
//! ## Example
//! ```yaml
//! optimizer: {kind: adam, learning_rate: 0.001, weight_decay: 1e-4, decay_except: []}
//! ```
//!
//! ## Use instead
//! ```yaml
//! optimizer: {kind: adamw, learning_rate: 0.001, weight_decay: 0.01, decay_except: []}
//! ```
//!
//! ## Reference
//! Loshchilov & Hutter 2019, "Decoupled Weight Decay Regularization", section 2.

use super::{Run, Training};
use crate::check::Check;
use crate::diagnostic::{Code, Diagnostic};
use crate::engine::DecayForm;
use crate::recipe::optimizer::OptimizerKind;

/// This check.
pub const CHECK: Check<Run> = Check { code: Code::DecayInAdam, file: include_str!("decay_in_adam.rs"), run: check };

fn check(training: &Training<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let optimizer = &training.recipe.optimizer;
    let scaled = matches!(optimizer.kind, OptimizerKind::Adam(_)) && optimizer.decay_form == DecayForm::Gradient;
    if !scaled || optimizer.coefficient() <= 0.0 {
        return;
    }
    let message = "Adam divides this decay by the size of each weight's gradient";
    let mut diagnostic = training.point(
        Diagnostic::new(Code::DecayInAdam, message),
        &["optimizer", "weight_decay"],
        "enters with the gradient",
    );
    diagnostic = training.beside(diagnostic, &["optimizer", "kind"], "scales all that is in the gradient");
    diagnostics
        .push(diagnostic.help("write `kind: adamw`, which decays beside the step; there 0.01 is a usual coefficient"));
}

#[cfg(test)]
mod tests {
    use crate::check::testing::recipe;

    #[test]
    fn decay_belongs_beside_adams_step() {
        let fires = |optimizer: &str| recipe(&format!("optimizer: {{{optimizer}}}")).contains(&"N041");
        assert!(fires("kind: adam, weight_decay: 1e-4"));
        assert!(!fires("kind: adam"));
        assert!(!fires("kind: adam, weight_decay: 1e-2, decay_form: decoupled"));
        assert!(!fires("kind: adamw, weight_decay: 1e-2"));
        assert!(!fires("kind: sgd, weight_decay: 1e-4"));
    }
}
