//! N014: a convolution reads a residual sum with no activation between.
//!
//! ## What it does
//! Warns of an `add` of maps whose branch ends in a `conv` or `bn`, and which a `conv` reads as it is. It is silent where
//! networks are built that way on purpose: a branch that ends in an activation, a `bn` that reads the sum (activation
//! before the convolution, as in the second ResNet), and a 1x1 or grouped convolution that reads it (linear bottlenecks,
//! depthwise convolutions).
//!
//! ## Why is this bad?
//! The residual networks of 2015 put a `relu` behind each sum. Without it, what the block adds and what it passes on reach
//! the next convolution as one linear map, the net has one non-linearity a block less than the one it is compared with,
//! and weights trained with the `relu` give other outputs. It need not cost accuracy, as Gross and Wilber found, who left
//! it out on purpose; but then it is another network, and the spec should say that it is meant.
//!
//! ## Example
//! ```layers
//! conv 16 3x3 pad 1; bn; relu
//! residual { conv 16 3x3 pad 1; bn; relu; conv 16 3x3 pad 1; bn }
//! conv 32 3x3 stride 2 pad 1; bn; relu
//! ```
//!
//! ## Use instead
//! ```layers
//! conv 16 3x3 pad 1; bn; relu
//! residual { conv 16 3x3 pad 1; bn; relu; conv 16 3x3 pad 1; bn }
//! relu
//! conv 32 3x3 stride 2 pad 1; bn; relu
//! ```
//!
//! ## Reference
//! He et al. 2015, "Deep residual learning for image recognition", section 3.2 and figure 2 (the second non-linearity
//! comes after the addition); Gross & Wilber 2016, "Training and investigating residual nets", where it is left out.

use super::Run;
use crate::check::{Check, Context};
use crate::diagnostic::{Code, Diagnostic};
use crate::graph::dims::Shape;
use crate::graph::layer::Layer;
use crate::graph::layer_graph::Node;
use petgraph::graph::NodeIndex;

/// This check.
pub const CHECK: Check<Run> =
    Check { code: Code::MissingActivation, file: include_str!("missing_activation.rs"), run: Run::Shapes(check) };

fn check(context: &Context<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let graph = &context.shaped.graph;
    context.report_layers(diagnostics, |index, node| {
        if node.layer != Layer::Add {
            return None;
        }
        let is_map = matches!(context.shaped.shape(index), Shape::Map { .. });
        let reader =
            graph.readers(index).filter_map(|reader| graph.graph.node_weight(reader)).find(|node| is_dense(node));
        let reader = reader.filter(|_| is_map && ends_linear(context, index))?;
        let diagnostic =
            Diagnostic::new(Code::MissingActivation, "a convolution reads this sum with no activation between")
                .at(node.origin.span, "the sum")
                .context(reader.origin.span, "reads it as it is")
                .help("write `relu` behind the sum, or `bn; relu` before the convolution");
        Some(diagnostic)
    });
}

/// A convolution that mixes channels and neighbours at once.
fn is_dense(node: &Node) -> bool {
    matches!(&node.layer, Layer::Conv { window, groups: 1, .. } if window.kernel.area() > 1)
}

/// Whether a branch of a sum ends in a convolution or norm, and none in an activation. The branch is what begins where the
/// other input ends; that one, if it is only passed on, may be anything.
fn ends_linear(context: &Context<'_>, sum: NodeIndex) -> bool {
    let graph = &context.shaped.graph;
    let inputs = graph.inputs(sum);
    let passed_on = |end: NodeIndex| {
        inputs.iter().any(|&other| other != end && graph.reads(other, end, super::doubled_activation::LONGEST_BRANCH))
    };
    let mut linear = false;
    for &end in inputs.iter().filter(|&&end| !passed_on(end)) {
        match graph.graph.node_weight(end).map(|node| &node.layer) {
            Some(Layer::Conv { .. } | Layer::BatchNorm { .. }) => linear = true,
            // A shortcut without parameters.
            Some(Layer::Subsample { .. } | Layer::PadChannels { .. } | Layer::AvgPool { .. }) => {}
            _ => return false,
        }
    }
    linear
}

#[cfg(test)]
mod tests {
    use crate::check::testing::codes;

    fn fires(layers: &str) -> bool {
        codes(&format!("input 3x32x32\nconv 8 3x3 pad 1; relu\n{layers}\nglobal_avg_pool\nlinear 10")).contains(&"N014")
    }

    #[test]
    fn a_bare_sum() {
        let branch = "conv 8 3x3 pad 1; bn; relu; conv 8 3x3 pad 1; bn";
        assert!(fires(&format!("residual {{ {branch} }}; conv 8 3x3 pad 1")));
        assert!(fires(&format!("repeat 2 {{ residual {{ {branch} }} }}")));
        assert!(fires("residual { conv 8 3x3 pad 1 }; conv 8 3x3"));
        assert!(fires("residual { conv 8 3x3 stride 2 pad 1 } shortcut { subsample 2 }; conv 8 3x3"));
        assert!(!fires(&format!("residual {{ {branch} }}; relu; conv 8 3x3 pad 1")));
        assert!(!fires(&format!("residual {{ {branch} }}")), "nothing but the pool reads it");
    }

    #[test]
    fn networks_that_are_built_so() {
        assert!(!fires("repeat 2 { residual { bn; relu; conv 8 3x3 pad 1; bn; relu; conv 8 3x3 pad 1 } }"));
        assert!(!fires("repeat 2 { residual { conv 8 3x3 pad 1; bn; relu } }"), "a sum of activations");
        let inverted = "conv 32 1x1; bn; relu; conv 32 3x3 pad 1 groups 32; bn; relu; conv 8 1x1; bn";
        assert!(!fires(&format!("repeat 2 {{ residual {{ {inverted} }} }}")));
        let next = "conv 8 7x7 pad 3 groups 8; bn; conv 32 1x1; relu; conv 8 1x1";
        assert!(!fires(&format!("repeat 2 {{ residual {{ {next} }} }}")));
    }
}
