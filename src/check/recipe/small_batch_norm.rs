//! N043: batch norm over very few images.
//!
//! ## What it does
//! Warns of a batch of fewer than 8 images for a net with batch norm, and of groups (`batch_norm.group`) of fewer, also of
//! one that is left over at the end of each batch. A run that the command line made shorter than five epochs is a trial,
//! and left alone.
//!
//! ## Why is this bad?
//! Mean and variance of a batch are estimates, and with a handful of images they are bad ones: the noise hurts training,
//! and in evaluation the running averages are of something that no single batch ever looked like.
//!
//! ## Example
//! ```yaml
//! batch: 4
//! ```
//!
//! ## Use instead
//! ```yaml
//! batch: 32
//! ```
//!
//! ## Reference
//! Wu & He 2018, "Group Normalization", figure 1: at 2 images a worker the error of a ResNet-50 with batch norm is 11
//! points higher than at 32.

use super::{Run, Training};
use crate::check::Check;
use crate::diagnostic::{Code, Diagnostic};
use crate::graph::layer::Layer;

/// This check.
pub const CHECK: Check<Run> =
    Check { code: Code::SmallBatchNorm, file: include_str!("small_batch_norm.rs"), run: check };

const FEWEST: usize = 8;

fn check(training: &Training<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let (batch, group) = (training.recipe.batch, training.recipe.batch_norm.defaults.group);
    let group = group.filter(|&group| group < batch);
    // A batch that groups do not divide ends in a smaller one.
    let rest = group.and_then(|group| batch.checked_rem(group)).filter(|&rest| rest > 0);
    let fewest = rest.or(group).unwrap_or(batch);
    let graph = &training.context.shaped.graph.graph;
    let norm = graph.node_weights().find(|node| matches!(node.layer, Layer::BatchNorm { .. }));
    let Some(norm) = norm.filter(|_| fewest < FEWEST && !training.is_trial()) else { return };
    let images = if fewest == 1 { "one image".to_string() } else { format!("{fewest} images") };
    let diagnostic = Diagnostic::new(
        Code::SmallBatchNorm,
        format!("batch norm takes its mean and variance from {images} at a time"),
    );
    let (diagnostic, help) = match group {
        None => (
            training.point(diagnostic, &["batch"], &format!("{images} a step")),
            format!("train with {FEWEST} images a step at the least, better with 32"),
        ),
        Some(group) => {
            let label = match rest {
                Some(rest) => format!("{batch} = {} × {group} + {rest}", batch / group),
                None => format!("{images} a group"),
            };
            let diagnostic = training.point(diagnostic, &["batch_norm", "group"], &label);
            let help = format!("take groups of {FEWEST} images at the least, better of 32, that divide the batch");
            (training.beside(diagnostic, &["batch"], "what falls into groups"), help)
        }
    };
    diagnostics.push(diagnostic.context(norm.origin.span, "estimates them anew in each step").help(help));
}

#[cfg(test)]
mod tests {
    use crate::check::testing::{codes_of, recipe, recipe_with};

    #[test]
    fn few_images_are_bad_estimates() {
        assert!(recipe("batch: 7").contains(&"N043"));
        assert!(!recipe("batch: 8").contains(&"N043"));
        assert!(!recipe_with("data: cifar10\nbatch: 128", &["batch=2", "epochs=1"]).contains(&"N043"));
        for (group, fires) in [(7, true), (8, false), (64, false), (60, false), (61, true), (127, true), (500, false)] {
            let found = recipe(&format!("batch: 128\nbatch_norm: {{group: {group}}}")).contains(&"N043");
            assert_eq!(found, fires, "{group}");
        }
        assert!(recipe("batch: 7\nbatch_norm: {group: 500}").contains(&"N043"));
        let net = "net x { input 3x32x32; conv 4 3x3; flatten; linear 10 }";
        assert!(!codes_of(net, Some("batch: 1")).contains(&"N043"));
    }
}
