//! N044: the last batch of an epoch is a single image.
//!
//! ## What it does
//! Warns when the training images fill whole batches but for one image, for a net with a batch norm that sees one number
//! a channel and image: behind `linear`, or on a map of 1x1. With groups (`batch_norm.group`) the same is looked for in the
//! last group: of every batch, and of the last one.
//!
//! ## Why is this bad?
//! The last batch is kept. The variance of one number is 0, so that whatever the image was the batch norm gives its shift
//! alone: a step that learns nothing from its image, and a variance of 0 enters the running average in every epoch.
//!
//! ## Example
//! ```net
//! net example { input 3x32x32; flatten; linear 64 bias false; bn; relu; linear 10 }
//! ```
//! ```yaml
//! data: cifar10
//! batch: 49_999
//! ```
//!
//! ## Use instead
//! ```net
//! net example { input 3x32x32; flatten; linear 64 bias false; bn; relu; linear 10 }
//! ```
//! ```yaml
//! data: cifar10
//! batch: 128
//! ```
//!
//! ## Reference
//! PyTorch refuses it in the middle of the epoch: "Expected more than 1 value per channel when training"
//! (`torch.nn.functional.batch_norm`).

use super::{Run, Training};
use crate::check::Check;
use crate::diagnostic::{Code, Diagnostic};
use crate::graph::dims::Pair;
use crate::graph::layer::Layer;
use petgraph::graph::NodeIndex;

/// This check.
pub const CHECK: Check<Run> =
    Check { code: Code::LastImageAlone, file: include_str!("last_image_alone.rs"), run: check };

fn check(training: &Training<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let Some(alone) = alone(training) else { return };
    let shaped = training.context.shaped;
    let single = |index: &NodeIndex| shaped.input_shape(*index).plane() == Pair::square(1);
    let graph = &shaped.graph.graph;
    let is_norm =
        |index: &NodeIndex| graph.node_weight(*index).is_some_and(|node| matches!(node.layer, Layer::BatchNorm { .. }));
    let norm = graph.node_indices().filter(is_norm).find(single).and_then(|index| graph.node_weight(index));
    let Some(norm) = norm else { return };
    let message = format!("{}, and one number has no variance", alone.what);
    let mut diagnostic = training.point(Diagnostic::new(Code::LastImageAlone, message), alone.key, &alone.sum);
    if alone.in_last_batch {
        diagnostic = training.beside(diagnostic, &["hold_out"], "not trained on");
    }
    let help = match (alone.key, alone.in_last_batch) {
        (["batch"], _) => "choose another batch, or hold out one image more or less",
        (_, true) => "choose another group, or hold out one image more or less",
        (_, false) => "choose a group that divides the batch",
    };
    diagnostics.push(diagnostic.context(norm.origin.span, "sees one number a channel and image").help(help));
}

/// How an image comes to be alone.
struct Alone {
    what: String,
    /// Where the number is that does not fit, and how it does not.
    key: &'static [&'static str],
    sum: String,
    in_last_batch: bool,
}

fn alone(training: &Training<'_>) -> Option<Alone> {
    const GROUP: &[&str] = &["batch_norm", "group"];
    let batch = training.recipe.batch;
    let group = training.recipe.batch_norm.defaults.group.filter(|&group| group > 1 && group < batch);
    if let Some(group) = group.filter(|group| batch % group == 1) {
        let what = format!("the last of the {batch} images of each batch is a group of its own");
        let sum = format!("{batch} = {} × {group} + 1", batch / group);
        return Some(Alone { what, key: GROUP, sum, in_last_batch: false });
    }
    let images = training.images().filter(|&images| batch > 1 && images > batch)?;
    let rest = images % batch;
    let sum = format!("{images} = {} × {batch} + {rest}", images / batch);
    if rest == 1 {
        let what = format!("the last of {images} training images is a batch of its own");
        return Some(Alone { what, key: &["batch"], sum, in_last_batch: true });
    }
    let group = group.filter(|group| rest % group == 1)?;
    let what = format!("the last of {images} training images is a group of its own");
    let sum = format!("{sum}, and {rest} = {} × {group} + 1", rest / group);
    Some(Alone { what, key: GROUP, sum, in_last_batch: true })
}

#[cfg(test)]
mod tests {
    use crate::check::testing::codes_of;

    #[test]
    fn one_number_has_no_variance() {
        let fires = |layers: &str, recipe: &str| {
            let net = format!("net x {{ input 3x32x32; {layers}; linear 10 }}");
            codes_of(&net, Some(&format!("data: cifar10\n{recipe}"))).contains(&"N044")
        };
        let vector = "flatten; linear 8 bias false; bn";
        assert!(fires(vector, "batch: 128\nhold_out: 79"));
        assert!(fires("conv 8 32x32; bn; flatten", "batch: 128\nhold_out: 79"));
        assert!(!fires("conv 8 3x3; bn; flatten", "batch: 128\nhold_out: 79"));
        assert!(!fires(vector, "batch: 128\nhold_out: 78"));
        assert!(!fires(vector, "batch: 1"));
        // 50 000 images are 390 batches of 128 and one of 80.
        for (group, alone) in
            [(64, false), (127, true), (79, true), (80, false), (1, false), (128, false), (129, false)]
        {
            assert_eq!(fires(vector, &format!("batch: 128\nbatch_norm: {{group: {group}}}")), alone, "{group}");
        }
        assert!(fires(vector, "batch: 128\nhold_out: 79\nbatch_norm: {group: 64}"));
        assert!(!fires("conv 8 32x32; flatten", "batch: 128\nhold_out: 79"));
    }
}
