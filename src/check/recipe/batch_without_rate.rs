//! N035: the batch was changed and the learning rate was not.
//!
//! ## What it does
//! Warns when `--set batch=…` or `--batch` gives a recipe with plain SGD another batch, and the learning rate is still
//! the recipe's. A run that the command line made shorter than five epochs is a trial, and left alone.
//!
//! ## Why is this bad?
//! Rate and batch belong together: with twice the images a step has half the noise, and there are half as many steps in
//! an epoch. At the old rate a larger batch learns less in the same epochs, and a smaller one jumps about more; a
//! comparison of batches then compares rates.
//!
//! ## Example
//! ```yaml
//! # with --set batch=512
//! batch: 128
//! optimizer: {learning_rate: 0.1}
//! ```
//!
//! ## Use instead
//! ```yaml
//! # with --set batch=512 --set optimizer.learning_rate=0.4
//! batch: 128
//! optimizer: {learning_rate: 0.1}
//! ```
//!
//! ## Reference
//! Goyal et al. 2017, "Accurate, Large Minibatch SGD", section 2.1: "When the minibatch size is multiplied by k, multiply
//! the learning rate by k."

use super::{Run, Training};
use crate::check::Check;
use crate::diagnostic::{Code, Diagnostic};
use crate::recipe::Length;
use crate::recipe::optimizer::OptimizerKind;
use crate::recipe::origin::Origin;

/// This check.
pub const CHECK: Check<Run> =
    Check { code: Code::BatchWithoutRate, file: include_str!("batch_without_rate.rs"), run: check };

const RATE: [&str; 2] = ["optimizer", "learning_rate"];

fn check(training: &Training<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let recipe = training.recipe;
    let written = training.origins.recipe.as_ref().and_then(|text| text.root.get("batch")?.as_u64());
    let (Some(before), Some(span)) = (written, training.place(&["batch"])) else { return };
    let batch = recipe.batch as u64;
    let changed = matches!(training.origin(&["batch"]), Origin::Set(_)) && batch != before && before > 0;
    let kept = matches!(training.origin(&RATE), Origin::Recipe(_));
    // Adam's steps are as large whatever the batch.
    let scales = matches!(recipe.optimizer.kind, OptimizerKind::Sgd(_));
    if !(changed && kept && scales) || training.is_trial() {
        return;
    }
    let rate = recipe.optimizer.learning_rate;
    let scaled = rate * (batch as f64 / before as f64);
    let scaled: f64 = format!("{scaled:.3e}").parse().unwrap_or(scaled);
    let message = format!("the batch is {batch} in place of {before}, and the learning rate is still {rate}");
    let mut diagnostic = Diagnostic::new(Code::BatchWithoutRate, message).at(span, format!("the recipe has {before}"));
    diagnostic = training.beside(diagnostic, &RATE, format!("chosen for a batch of {before}"));
    if let (Length::Steps(_), Some(epochs)) = (recipe.length, training.epochs()) {
        let images = batch as f64 / before as f64;
        diagnostic =
            diagnostic.note(format!("its length is in steps: {epochs:.1} epochs now, {:.1} before", epochs / images));
    }
    diagnostics.push(diagnostic.help(format!(
        "in proportion to the batch it is `--set optimizer.learning_rate={scaled}`; give it to keep {rate} too"
    )));
}

#[cfg(test)]
mod tests {
    use crate::check::testing::recipe_with;

    fn fires(sets: &[&str], yaml: &str) -> bool {
        recipe_with(yaml, sets).contains(&"N035")
    }

    const RECIPE: &str = "data: cifar10\nbatch: 128\nepochs: 90\noptimizer: {learning_rate: 0.1}";

    #[test]
    fn another_batch_at_the_old_rate() {
        assert!(fires(&["batch=256"], RECIPE));
        assert!(fires(&["batch=64"], RECIPE));
        assert!(!fires(&["batch=128"], RECIPE));
        assert!(!fires(&["batch=256", "optimizer.learning_rate=0.2"], RECIPE));
        assert!(!fires(&["batch=256", "optimizer.learning_rate=0.1"], RECIPE));
        assert!(!fires(&["batch=16", "epochs=1"], RECIPE));
        assert!(!fires(&["batch=256"], "epochs: 90\noptimizer: {learning_rate: 0.1}"));
        assert!(!fires(&["seed=1"], RECIPE));
    }
}
