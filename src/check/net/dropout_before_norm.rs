//! N018: batch norm comes behind dropout.
//!
//! ## What it does
//! Warns of a `dropout` whose values reach a `bn`, directly or through any layers.
//!
//! ## Why is this bad?
//! Dropout keeps the mean of its input but not its variance: while training, 1 / (1 - rate) times as much of it comes
//! through, and nothing more when it is switched off. A `bn` behind it gathers the variance of training and divides by it
//! in evaluation, where the variance is another: outputs are wrong by a factor that grows from norm to norm, and the
//! accuracy that is measured is lower than the one the weights could have. Wide networks suffer less; the wide residual
//! network has its dropout inside the block all the same, and `allow` says that this is meant.
//!
//! ## Example
//! ```layers
//! conv 16 3x3 pad 1; bn; relu
//! dropout 0.5
//! conv 16 3x3 pad 1; bn; relu
//! ```
//!
//! ## Use instead
//! ```layers
//! conv 16 3x3 pad 1; bn; relu
//! conv 16 3x3 pad 1; bn; relu
//! dropout 0.5
//! ```
//!
//! ## Reference
//! Li et al. 2018, "Understanding the disharmony between dropout and batch normalization by variance shift": use dropout
//! only behind the last batch norm.

use super::Run;
use crate::check::{Check, Context};
use crate::diagnostic::{Code, Diagnostic};
use crate::graph::layer::Layer;
use petgraph::graph::NodeIndex;

/// This check.
pub const CHECK: Check<Run> =
    Check { code: Code::DropoutBeforeNorm, file: include_str!("dropout_before_norm.rs"), run: Run::Layers(check) };

fn check(context: &Context<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let graph = &context.shaped.graph;
    let norms = norms_behind(context);
    context.report_layers(diagnostics, |index, node| {
        let Layer::Dropout { rate } = node.layer else { return None };
        let norm = norms.get(index.index()).copied().flatten().and_then(|norm| graph.graph.node_weight(norm));
        let norm = norm.filter(|_| rate > 0.0)?;
        let diagnostic = Diagnostic::new(Code::DropoutBeforeNorm, "a `bn` comes behind this `dropout`")
            .at(node.origin.span, "gives another variance in training than in evaluation")
            .context(norm.origin.span, "divides by the variance of training in both")
            .help("put the dropout behind the last `bn`, before the last `linear`");
        Some(diagnostic)
    });
}

/// The first batch norm that each layer's values reach. Layers come after what they read, so that one pass from the end is
/// enough.
fn norms_behind(context: &Context<'_>) -> Vec<Option<NodeIndex>> {
    let graph = &context.shaped.graph;
    let mut norms: Vec<Option<NodeIndex>> = vec![None; graph.graph.node_count()];
    for index in graph.graph.node_indices().rev() {
        let is_norm = |node: NodeIndex| {
            graph.graph.node_weight(node).is_some_and(|node| matches!(node.layer, Layer::BatchNorm { .. }))
        };
        let first = graph
            .readers(index)
            .filter_map(
                |reader| {
                    if is_norm(reader) { Some(reader) } else { norms.get(reader.index()).copied().flatten() }
                },
            )
            .min();
        if let Some(slot) = norms.get_mut(index.index()) {
            *slot = first;
        }
    }
    norms
}

#[cfg(test)]
mod tests {
    use crate::check::testing::codes;

    fn fires(layers: &str) -> bool {
        codes(&format!("input 3x32x32\nconv 8 3x3 pad 1\n{layers}\nflatten\nlinear 10")).contains(&"N018")
    }

    #[test]
    fn a_norm_somewhere_behind() {
        assert!(fires("dropout 0.5; bn"));
        assert!(fires("relu; dropout 0.2; conv 8 3x3; relu; conv 8 3x3; bn"));
        assert!(fires("repeat 2 { bn; relu; dropout 0.3; conv 8 3x3 }"));
        assert!(fires("residual { bn; relu; dropout 0.3; conv 8 1x1 }; bn"));
    }

    #[test]
    fn no_norm_behind() {
        assert!(!fires("bn; relu; dropout 0.5"));
        assert!(!fires("dropout 0; bn"));
        assert!(!fires("x = relu; a = dropout 0.5; from x; b = bn; add(a, b)"));
    }
}
