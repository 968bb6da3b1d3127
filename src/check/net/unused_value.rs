//! E0406: nothing reads the output of a layer.
//!
//! ## What it does
//! Refuses a layer from which no path leads to the end of the net.
//!
//! ## Why is this bad?
//! Such a branch costs time and memory, its weights get no gradient, and they are counted in the model's size. Most
//! often an `add` or `concat` that should join it was forgotten.
//!
//! ## Example
//! ```layers
//! x = conv 16 3x3 pad 1
//! side = conv 16 1x1
//! from x
//! conv 16 3x3 pad 1     # `side` goes nowhere
//! ```
//!
//! ## Use instead
//! ```layers
//! x = conv 16 3x3 pad 1
//! side = conv 16 1x1
//! from x
//! conv 16 3x3 pad 1
//! add(side)
//! ```

use super::Run;
use crate::check::{Check, Context};
use crate::diagnostic::{Code, Diagnostic};
use crate::graph::layer::Layer;
use crate::graph::layer_graph::Node;
use crate::source::Span;
use petgraph::graph::NodeIndex;
use petgraph::visit::{Dfs, Reversed};

/// This check.
pub const CHECK: Check<Run> =
    Check { code: Code::UnusedValue, file: include_str!("unused_value.rs"), run: Run::Layers(check) };

fn check(context: &Context<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let graph = &context.shaped.graph;
    let mut used = vec![false; graph.graph.node_count()];
    let mut search = Dfs::new(Reversed(&graph.graph), graph.output);
    while let Some(node) = search.next(Reversed(&graph.graph)) {
        if let Some(used) = used.get_mut(node.index()) {
            *used = true;
        }
    }
    for index in graph.graph.node_indices() {
        // Only the last layer of a branch is told; what leads to it is unused for the same reason.
        if used.get(index.index()) != Some(&false) || graph.readers(index).next().is_some() {
            continue;
        }
        let Some(node) = graph.graph.node_weight(index) else { continue };
        let mut diagnostic = Diagnostic::new(Code::UnusedValue, format!("nothing reads the output of `{}`", node.name))
            .at(node.origin.span, "this branch goes nowhere")
            .help("join it with `add` or `concat`, or take it out");
        if let Some((name, span)) = named_before(context, index, &used) {
            diagnostic = diagnostic
                .context(span, format!("only this layer is `{name}`"))
                .help(format!("to name it together with what follows, write `{name} = {{ …; … }}`"));
        }
        diagnostics.push(graph.with_chain(diagnostic, node.origin, context.sources));
    }
}

/// The named layer, read elsewhere, from which a branch that goes nowhere goes straight on: `x = conv 8 1x1; relu` names
/// the convolution alone, which is easily overlooked.
fn named_before<'a>(context: &'a Context<'_>, end: NodeIndex, used: &[bool]) -> Option<(&'a str, Span)> {
    let graph = &context.shaped.graph;
    if label(graph.graph.node_weight(end)?).is_some() {
        return None;
    }
    let mut index = end;
    while used.get(index.index()) == Some(&false) {
        index = match graph.inputs(index).as_slice() {
            [only] => *only,
            _ => return None,
        };
    }
    let node = graph.graph.node_weight(index)?;
    Some((label(node)?, node.origin.span))
}

/// The name that the user gave a layer; none for one that was only counted.
fn label(node: &Node) -> Option<&str> {
    let name = node.name.rsplit('.').next()?;
    let counted = name.strip_prefix(node.layer.word()).is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_digit()));
    let is_input = matches!(node.layer, Layer::Input { .. });
    (!counted && !is_input).then_some(name)
}

#[cfg(test)]
mod tests {
    use crate::check::testing::codes;

    #[test]
    fn a_branch_that_goes_nowhere() {
        let net =
            |end: &str| format!("input 3x32x32; x = relu; side = conv 3 1x1; bn; from x; {end} flatten; linear 10");
        assert_eq!(codes(&net("")), ["E0406"]);
        assert!(codes(&net("add(side);").replace("bn; ", "")).is_empty());
    }
}
