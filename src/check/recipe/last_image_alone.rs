//! N044: the last batch of an epoch is a single image.
//!
//! ## What it does
//! Warns when the training images fill whole batches but for one image, for a net with a batch norm that sees one number
//! a channel and image: behind `linear`, or on a map of 1x1.
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
    let Some(images) = training.images() else { return };
    let batch = training.recipe.batch;
    if batch < 2 || images <= batch || images % batch != 1 {
        return;
    }
    let shaped = training.context.shaped;
    let single = |index: &NodeIndex| shaped.input_shape(*index).plane() == Pair::square(1);
    let graph = &shaped.graph.graph;
    let is_norm =
        |index: &NodeIndex| graph.node_weight(*index).is_some_and(|node| matches!(node.layer, Layer::BatchNorm { .. }));
    let norm = graph.node_indices().filter(is_norm).find(single).and_then(|index| graph.node_weight(index));
    let Some(norm) = norm else { return };
    let message = format!("the last of {images} training images is a batch of its own, and one number has no variance");
    let diagnostic = Diagnostic::new(Code::LastImageAlone, message);
    let mut diagnostic =
        training.point(diagnostic, &["batch"], &format!("{images} = {} × {batch} + 1", images / batch));
    diagnostic = training.beside(diagnostic, &["hold_out"], "not trained on");
    diagnostics.push(
        diagnostic
            .context(norm.origin.span, "sees one number a channel and image")
            .help("choose another batch, or hold out one image more or less"),
    );
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
        assert!(!fires("conv 8 32x32; flatten", "batch: 128\nhold_out: 79"));
    }
}
