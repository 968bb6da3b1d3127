//! N046: a batch is larger than the training set.
//!
//! ## What it does
//! Warns when an epoch is a single step, because all training images fit into one batch.
//!
//! ## Why is this bad?
//! Nothing is stochastic any more: each step sees the same images, and a run of 100 epochs is 100 steps. Most often a
//! `hold_out` took nearly all images away, or the batch has a digit too many.
//!
//! ## Example
//! ```yaml
//! data: cifar10
//! batch: 128
//! hold_out: 49_900
//! ```
//!
//! ## Use instead
//! ```yaml
//! data: cifar10
//! batch: 128
//! hold_out: 5_000
//! ```
//!
//! ## Reference
//! Keskar et al. 2017, "On Large-Batch Training for Deep Learning": batches of a tenth of the training set already
//! generalise worse.

use super::{Run, Training};
use crate::check::Check;
use crate::diagnostic::{Code, Diagnostic};

/// This check.
pub const CHECK: Check<Run> =
    Check { code: Code::BatchAboveData, file: include_str!("batch_above_data.rs"), run: check };

fn check(training: &Training<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let (Some(images), batch) = (training.images(), training.recipe.batch) else { return };
    if batch < images {
        return;
    }
    let message = format!("an epoch is a single step: {images} training images, and a batch of {batch}");
    let mut diagnostic =
        training.point(Diagnostic::new(Code::BatchAboveData, message), &["batch"], "takes all images at once");
    diagnostic = training.beside(diagnostic, &["hold_out"], format!("leaves {images} to train on"));
    diagnostics.push(diagnostic.help("choose a smaller batch, or hold out fewer images"));
}

#[cfg(test)]
mod tests {
    use crate::check::testing::recipe;

    #[test]
    fn all_images_in_one_batch() {
        assert!(recipe("data: cifar10\nbatch: 50_000").contains(&"N046"));
        assert!(recipe("data: cifar10\nhold_out: 49_900").contains(&"N046"));
        assert!(!recipe("data: cifar10\nbatch: 49_999").contains(&"N046"));
        assert!(!recipe("data: /a/folder\nbatch: 50_000").contains(&"N046"));
    }
}
