//! E0402: a bias right before batch norm does nothing.
//!
//! ## What it does
//! Refuses a bias on a `conv` or `linear` whose every reader is a `bn`, also through layers that hand a constant on
//! unchanged (`max_pool`, `subsample`, an `avg_pool` without padding).
//!
//! ## Why is this bad?
//! Batch norm subtracts the batch's mean, and with it any constant: the bias has no effect and its gradient is zero but
//! for rounding. It costs parameters that a paper's count does not have, weight decay still pulls on it, and a reader
//! believes that it does something. The `bn` has a shift of its own.
//!
//! ## Example
//! ```text
//! conv 16 3x3 pad 1 bias; bn
//! ```
//!
//! ## Use instead
//! ```text
//! conv 16 3x3 pad 1; bn
//! ```
//!
//! ## Reference
//! Ioffe & Szegedy 2015, section 3.2: "the bias b can be ignored since its effect will be canceled".

use super::Context;
use crate::diagnostic::{Code, Diagnostic};
use crate::graph::layer::Layer;
use crate::graph::layer_graph::Node;
use petgraph::graph::NodeIndex;

pub(super) fn check(context: &Context<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let graph = &context.shaped.graph;
    for index in graph.graph.node_indices() {
        let Some(node) = graph.graph.node_weight(index) else { continue };
        if !matches!(node.layer, Layer::Conv { bias: true, .. } | Layer::Linear { bias: true, .. }) {
            continue;
        }
        let Some(norm) = only_norms(context, index) else { continue };
        let word = node.layer.word();
        let mut diagnostic = Diagnostic::new(Code::BiasBeforeNorm, format!("the bias of this `{word}` does nothing"))
            .at(node.attribute("bias"), if node.given("bias").is_some() { "this bias" } else { "has a bias" })
            .context(norm.origin.span, "subtracts the mean, and the bias with it");
        diagnostic = diagnostic.help(match node.layer {
            Layer::Conv { .. } => "leave `bias` out: a `conv` has none unless it is written",
            _ => "write `bias false`: a `linear` has a bias unless that is written",
        });
        diagnostics.push(graph.with_chain(diagnostic, node.origin, context.sources));
    }
}

/// The first batch norm that reads a layer, if nothing but batch norms do.
fn only_norms<'a>(context: &Context<'a>, start: NodeIndex) -> Option<&'a Node> {
    let graph = &context.shaped.graph;
    let mut norm = None;
    let mut open = vec![start];
    while let Some(index) = open.pop() {
        // What the net gives is read by the loss.
        if index == graph.output {
            return None;
        }
        for reader in graph.readers(index) {
            let node = graph.graph.node_weight(reader)?;
            match node.layer {
                Layer::BatchNorm { .. } => norm = norm.or(Some(node)),
                Layer::MaxPool { .. } | Layer::Subsample { .. } => open.push(reader),
                Layer::AvgPool { .. } if context.shaped.padding(reader).is_zero() => open.push(reader),
                _ => return None,
            }
        }
    }
    norm
}

#[cfg(test)]
mod tests {
    use crate::check::testing::codes;

    fn fires(layers: &str) -> bool {
        codes(&format!("input 3x32x32\n{layers}\nflatten\nlinear 10")).contains(&"E0402")
    }

    #[test]
    fn a_bias_that_only_norms_read() {
        assert!(fires("conv 8 3x3 bias; bn"));
        assert!(fires("conv 8 3x3 bias; max_pool 2x2; bn"));
        assert_eq!(codes("input 3x8x8; flatten; linear 5; bn; linear 10"), ["E0402"]);
        assert!(codes("input 3x8x8; flatten; linear 5 bias false; bn; linear 10").is_empty());
        assert!(fires("x = conv 8 3x3 bias; a = bn; from x; b = bn; add(a, b)"));
    }

    #[test]
    fn a_bias_that_something_else_reads() {
        assert!(!fires("conv 8 3x3; bn"));
        assert!(!fires("conv 8 3x3 bias; relu; bn"));
        assert!(!fires("x = conv 8 3x3 bias; a = bn; add(a, x)"));
        assert!(!fires("conv 8 3x3 bias; avg_pool 3x3 stride 1 pad 1; bn"));
    }
}
