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
//! ```layers
//! conv 16 3x3 pad 1 bias; bn
//! ```
//!
//! ## Use instead
//! ```layers
//! conv 16 3x3 pad 1; bn
//! ```
//!
//! ## Reference
//! Ioffe & Szegedy 2015, section 3.2: "the bias b can be ignored since its effect will be canceled".

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
    Check { code: Code::BiasBeforeNorm, file: include_str!("bias_before_norm.rs"), run: Run::Layers(check) };

fn check(context: &Context<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let graph = &context.shaped.graph;
    let mut idle = Vec::new();
    // A layer of a block may be read by a norm in one call and by something else in the next.
    let mut needed = HashSet::new();
    for index in graph.graph.node_indices() {
        let Some(node) = graph.graph.node_weight(index) else { continue };
        if !matches!(node.layer, Layer::Conv { bias: true, .. } | Layer::Linear { bias: true, .. }) {
            continue;
        }
        match only_norms(context, index) {
            Some(norm) => idle.push((node, norm)),
            None => {
                needed.insert(node.origin.span);
            }
        }
    }
    for (node, norm) in idle {
        let word = node.layer.word();
        let mut diagnostic = Diagnostic::new(Code::BiasBeforeNorm, format!("the bias of this `{word}` does nothing"))
            .at(node.attribute("bias"), if node.given("bias").is_some() { "this bias" } else { "has a bias" })
            .context(norm.origin.span, "subtracts the mean, and the bias with it");
        diagnostic = diagnostic.help(match node.layer {
            Layer::Conv { .. } => "leave `bias` out: a `conv` has none unless it is written",
            _ => "write `bias false`: a `linear` has a bias unless that is written",
        });
        if !needed.contains(&node.origin.span) {
            diagnostic = diagnostic.fix(fix(node, context.sources));
        }
        diagnostics.push(graph.with_chain(diagnostic, node.origin, context.sources));
    }
}

/// Without the bias; none where a parameter decides on it, or where a comment may stand in the way.
fn fix(node: &Node, sources: &SourceMap) -> Option<Fix> {
    let whole = sources.snippet(node.origin.span);
    if let Some(span) = node.given("bias") {
        let title = "leave the bias out";
        return match sources.snippet(span) {
            "bias" | "bias true" if matches!(node.layer, Layer::Linear { .. }) => {
                Some(Fix::replace(title, span, "bias false"))
            }
            "bias" | "bias true" => {
                let before = sources.text(span.file).get(..span.range().start)?;
                let start = before.trim_end_matches([' ', '\t']).len();
                Some(Fix::replace(title, Span::new(span.file, start..span.range().end), ""))
            }
            "bias: true" => Some(Fix::replace(title, span, "bias: false")),
            _ => None,
        };
    }
    let (end, text) = match whole.strip_suffix(')') {
        _ if whole.contains('#') => return None,
        Some(list) if list.starts_with(&format!("{}(", node.layer.word())) => {
            let list = list.trim_end();
            (list.len(), if list.ends_with(',') { " bias: false" } else { ", bias: false" })
        }
        _ => (whole.len(), " bias false"),
    };
    let end = node.origin.span.range().start + end;
    Some(Fix::replace("say that there is no bias", Span::new(node.origin.span.file, end..end), text))
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
    use crate::check::testing::{codes, fixed};

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
    fn the_bias_is_taken_out() {
        for (before, after) in [
            ("conv 8 3x3  bias pad 1; bn", "conv 8 3x3 pad 1; bn"),
            ("conv 8 3x3 bias true; bn", "conv 8 3x3; bn"),
            ("conv(8, 3x3, bias: true); bn", "conv(8, 3x3, bias: false); bn"),
            ("flatten; linear 8; bn", "flatten; linear 8 bias false; bn"),
            ("flatten; linear 8 bias; bn", "flatten; linear 8 bias false; bn"),
            ("flatten; linear(8,\n); bn", "flatten; linear(8, bias: false\n); bn"),
            ("flatten; linear(8); bn", "flatten; linear(8, bias: false); bn"),
            ("flatten; linear (4 + 4); bn", "flatten; linear (4 + 4) bias false; bn"),
        ] {
            let end = if before.starts_with("flatten") { "linear 10" } else { "flatten; linear 10" };
            let net = |layers: &str| format!("net x {{ input 3x8x8; {layers}; {end} }}");
            assert_eq!(fixed(&net(before)), (net(after), vec![]), "{before}");
        }
    }

    #[test]
    fn a_bias_that_another_call_needs_is_left() {
        let net = "net x { input 3x8x8; a(); bn; relu; a(); flatten; linear 10 }\nblock a() { conv 8 3x3 bias }";
        assert_eq!(fixed(net), (net.to_string(), vec!["E0402"]));
        let net = "net x { input 3x8x8; a(true); bn; flatten; linear 10 }\nblock a(b: bool) { conv 8 3x3 bias b }";
        assert_eq!(fixed(net), (net.to_string(), vec!["E0402"]));
    }

    #[test]
    fn a_bias_that_something_else_reads() {
        assert!(!fires("conv 8 3x3; bn"));
        assert!(!fires("conv 8 3x3 bias; relu; bn"));
        assert!(!fires("x = conv 8 3x3 bias; a = bn; add(a, x)"));
        assert!(!fires("conv 8 3x3 bias; avg_pool 3x3 stride 1 pad 1; bn"));
    }
}
