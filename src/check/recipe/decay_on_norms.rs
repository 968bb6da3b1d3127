//! N034: weight decay pulls on batch norm, and nobody said so.
//!
//! ## What it does
//! Warns of a recipe that says how strong the weight decay is but not what decays, for a net with batch norm. Neither
//! way is wrong: `decay_except: []` and `decay_except: [bias, norm]` both settle it.
//!
//! ## Why is this bad?
//! Papers say a coefficient and leave open what it is for. In PyTorch and Caffe everything decays, scales and shifts of
//! batch norms and biases too; Keras's regularizers reach the kernels alone, and many recipes of today leave out all that
//! has one dimension. That is worth some tenths of a point, and whoever reads the recipe cannot know which it was.
//!
//! ## Example
//! ```yaml
//! optimizer: {learning_rate: 0.1, weight_decay: 1e-4}
//! ```
//!
//! ## Use instead
//! ```yaml
//! optimizer: {learning_rate: 0.1, weight_decay: 1e-4, decay_except: [bias, norm]}
//! ```
//!
//! ## Reference
//! He et al. 2019, "Bag of Tricks for Image Classification with Convolutional Neural Networks", section 3.1: "No bias
//! decay". Caffe, `caffe.proto`: `decay_mult` is 1 where nothing is said.

use super::{Run, Training};
use crate::check::Check;
use crate::diagnostic::{Code, Diagnostic};
use crate::graph::layer::Layer;
use crate::lower::program::Role;
use crate::recipe::origin::Origin;

/// This check.
pub const CHECK: Check<Run> = Check { code: Code::DecayOnNorms, file: include_str!("decay_on_norms.rs"), run: check };

fn check(training: &Training<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let path = ["optimizer", "weight_decay"];
    let optimizer = &training.recipe.optimizer;
    let unsaid = training.origin(&["optimizer", "decay_except"]) == Origin::BuiltIn;
    let decays = optimizer.decay(Role::NormScale) > 0.0 && optimizer.groups.is_empty();
    let Some(span) = training.place(&path).filter(|_| unsaid && decays) else { return };
    let nodes = &training.context.shaped.graph.graph;
    let norms = nodes.node_weights().filter(|node| matches!(node.layer, Layer::BatchNorm { .. })).count();
    if norms == 0 {
        return;
    }
    let whose = if norms == 1 { "the batch norm".to_string() } else { format!("all {norms} batch norms") };
    diagnostics.push(
        Diagnostic::new(
            Code::DecayOnNorms,
            format!("scales and shifts of {whose} decay too, as nothing is said of them"),
        )
        .at(span, "pulls on every parameter")
        .help("write `decay_except: []` if that is meant: PyTorch and Caffe decay everything")
        .help("write `decay_except: [bias, norm]` if only the weights of `conv` and `linear` are to decay"),
    );
}

#[cfg(test)]
mod tests {
    use crate::check::testing::{codes_of, recipe};

    fn fires(optimizer: &str) -> bool {
        recipe(&format!("optimizer: {{{optimizer}}}")).contains(&"N034")
    }

    #[test]
    fn a_coefficient_without_what_it_is_for() {
        assert!(fires("weight_decay: 1e-4"));
        assert!(!fires("weight_decay: 1e-4, decay_except: []"));
        assert!(!fires("weight_decay: 1e-4, decay_except: [bias]"));
        assert!(!fires("weight_decay: 0"));
        assert!(!fires("learning_rate: 0.1"));
        assert!(!recipe("profile: keras\noptimizer: {weight_decay: 1e-4}").contains(&"N034"));
    }

    #[test]
    fn without_batch_norm_there_is_little_to_say() {
        let net = "net x { input 3x8x8; conv 4 3x3; relu; flatten; linear 10 }";
        assert!(!codes_of(net, Some("optimizer: {weight_decay: 1e-4}")).contains(&"N034"));
    }
}
