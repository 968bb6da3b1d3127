//! N010: an activation stands right behind another.
//!
//! ## What it does
//! Warns of a `relu`, `tanh` or `sigmoid` that reads another one directly, or through layers that only choose or drop
//! values (`max_pool`, `subsample`, `dropout`, `flatten`).
//!
//! ## Why is this bad?
//! A `relu` behind a `relu` or a `sigmoid` does nothing, since nothing negative reaches it: it costs time, and a reader
//! counts a non-linearity more than there is. Most often a block ends with an activation and the next one begins with
//! one, or the layer that was to stand between them is missing. A `tanh` or `sigmoid` behind another activation does
//! something, but what it does is hardly ever meant: a `sigmoid` of a `relu` never falls below 0.5.
//!
//! ## Example
//! ```layers
//! conv 16 3x3 pad 1; bn; relu; max_pool 2x2; relu
//! ```
//!
//! ## Use instead
//! ```layers
//! conv 16 3x3 pad 1; bn; relu; max_pool 2x2
//! ```
//!
//! ## Reference
//! He et al. 2016, "Identity mappings in deep residual networks", section 4.1: what becomes of a residual network when
//! activations stand elsewhere than meant.

use super::Run;
use crate::check::{Check, Context};
use crate::diagnostic::{Code, Diagnostic, Fix};
use crate::graph::layer::Layer;
use crate::graph::layer_graph::Node;
use crate::source::{SourceMap, Span};
use petgraph::graph::NodeIndex;
use std::collections::HashSet;

/// This check.
pub const CHECK: Check<Run> =
    Check { code: Code::RepeatedActivation, file: include_str!("repeated_activation.rs"), run: Run::Layers(check) };

fn check(context: &Context<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let graph = &context.shaped.graph;
    let mut pairs: Vec<(&Node, &Node)> = Vec::new();
    // A statement of a block may do nothing in one call and something in the next.
    let mut needed: HashSet<Span> = HashSet::new();
    for (index, first) in before(context).into_iter().enumerate() {
        let node = graph.graph.node_weight(NodeIndex::new(index)).filter(|node| is_activation(&node.layer));
        match (node, first) {
            (Some(node), Some(first)) => {
                pairs.push((node, first));
                needed.extend((!does_nothing(node, first)).then_some(node.origin.span));
            }
            (Some(node), None) => {
                needed.insert(node.origin.span);
            }
            (None, _) => {}
        }
    }
    let mut reported = HashSet::new();
    for (node, first) in pairs {
        if reported.insert((node.origin.span, does_nothing(node, first))) {
            let fixable = !needed.contains(&node.origin.span);
            let diagnostic = message(node, first, fixable, context.sources);
            diagnostics.push(graph.with_chain(diagnostic, node.origin, context.sources));
        }
    }
}

fn message(node: &Node, first: &Node, fixable: bool, sources: &SourceMap) -> Diagnostic {
    let (word, other) = (node.layer.word(), first.layer.word());
    let (message, label) = match does_nothing(node, first) {
        true => (format!("this `{word}` does nothing: it stands behind a `{other}`"), "gets nothing negative"),
        false => (format!("a `{word}` stands right behind a `{other}`"), "the second one"),
    };
    let mut diagnostic = Diagnostic::new(Code::RepeatedActivation, message)
        .at(node.origin.span, label)
        .help("take one of them out, or write the layer that is missing between them");
    if first.origin.span != node.origin.span {
        diagnostic = diagnostic.context(first.origin.span, "the first one");
    }
    if fixable {
        let title = format!("take this `{word}` out");
        diagnostic = diagnostic.fix(Fix::remove_statement(title, node.origin.span, sources));
    }
    diagnostic
}

fn is_activation(layer: &Layer) -> bool {
    matches!(layer, Layer::Relu | Layer::Tanh | Layer::Sigmoid)
}

fn does_nothing(node: &Node, first: &Node) -> bool {
    node.layer == Layer::Relu && matches!(first.layer, Layer::Relu | Layer::Sigmoid)
}

/// The activation that each layer reads, directly or through layers that leave every value as it is or drop it. Layers
/// come after what they read, so that one pass is enough.
fn before<'a>(context: &Context<'a>) -> Vec<Option<&'a Node>> {
    let graph = &context.shaped.graph;
    let mut found: Vec<Option<&Node>> = Vec::with_capacity(graph.graph.node_count());
    for index in graph.graph.node_indices() {
        let first = graph.inputs(index).first().and_then(|&input| {
            let node = graph.graph.node_weight(input)?;
            match node.layer {
                Layer::MaxPool { .. } | Layer::Subsample { .. } | Layer::Dropout { .. } | Layer::Flatten => {
                    found.get(input.index()).copied().flatten()
                }
                _ => is_activation(&node.layer).then_some(node),
            }
        });
        found.push(first);
    }
    found
}

#[cfg(test)]
mod tests {
    use crate::check::testing::codes;

    fn fires(layers: &str) -> bool {
        codes(&format!("input 3x8x8; conv 4 3x3; {layers}; flatten; linear 10")).contains(&"N010")
    }

    #[test]
    fn two_in_a_row() {
        assert!(fires("relu; relu"));
        assert!(fires("relu; max_pool 2x2; dropout 0.5; relu"));
        assert!(fires("tanh; sigmoid"));
        assert!(fires("repeat 2 { relu }"));
    }

    #[test]
    fn something_between_them() {
        assert!(!fires("relu; bn; relu"));
        assert!(!fires("relu; avg_pool 2x2; relu"));
        assert!(!fires("x = relu; a = conv 4 1x1; add(a, x); relu"));
    }
}
