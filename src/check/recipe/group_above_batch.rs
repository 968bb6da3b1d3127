//! N048: a group of batch norm has all images of a batch.
//!
//! ## What it does
//! Warns of a `batch_norm.group` that is not smaller than the batch, for a net with batch norm.
//!
//! ## Why is this bad?
//! Such a group is the whole batch, and the key does nothing. Whoever wrote it wanted the statistics of fewer images, and
//! most often made the batch smaller afterwards.
//!
//! ## Example
//! ```yaml
//! batch: 64
//! batch_norm: {group: 64}
//! ```
//!
//! ## Use instead
//! ```yaml
//! batch: 128
//! batch_norm: {group: 64}
//! ```
//!
//! ## Reference
//! Hoffer, Hubara & Soudry 2017, "Train longer, generalize better", section 4: groups ("ghost batches") of 128 in batches of
//! 4096.

use super::{Run, Training};
use crate::check::Check;
use crate::diagnostic::{Code, Diagnostic};
use crate::graph::layer::Layer;

/// This check.
pub const CHECK: Check<Run> =
    Check { code: Code::GroupAboveBatch, file: include_str!("group_above_batch.rs"), run: check };

fn check(training: &Training<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let batch = training.recipe.batch;
    let Some(group) = training.recipe.batch_norm.defaults.group.filter(|&group| group >= batch) else { return };
    let graph = &training.context.shaped.graph.graph;
    if !graph.node_weights().any(|node| matches!(node.layer, Layer::BatchNorm { .. })) {
        return;
    }
    let message = format!("a group of {group} images is the whole batch of {batch}");
    let diagnostic =
        training.point(Diagnostic::new(Code::GroupAboveBatch, message), &["batch_norm", "group"], "does nothing");
    let diagnostic = training.beside(diagnostic, &["batch"], "all in one group");
    diagnostics.push(diagnostic.help("choose a smaller group, or leave it out"));
}

#[cfg(test)]
mod tests {
    use crate::check::testing::{codes_of, recipe};

    #[test]
    fn a_group_is_less_than_the_batch() {
        assert!(recipe("batch: 64\nbatch_norm: {group: 64}").contains(&"N048"));
        assert!(recipe("batch: 64\nbatch_norm: {group: 65}").contains(&"N048"));
        assert!(!recipe("batch: 64\nbatch_norm: {group: 63}").contains(&"N048"));
        assert!(!recipe("batch: 64").contains(&"N048"));
        let net = "net x { input 3x32x32; conv 4 3x3; flatten; linear 10 }";
        assert!(!codes_of(net, Some("batch: 64\nbatch_norm: {group: 64}")).contains(&"N048"));
    }
}
