//! N016: two linear layers have nothing nonlinear between them.
//!
//! ## What it does
//! Warns of a `linear` that reads a `linear`, or a `conv` that reads a `conv`, with at most layers between that are
//! linear too (`bn`, `avg_pool`, `subsample`, `dropout`). It is silent where this is done for a reason: grouped
//! convolutions on either side (depthwise separable ones), windows of one row or one column (a 3x3 taken apart), and a
//! first layer with fewer outputs than it has inputs and than the second has outputs (a bottleneck, which saves work).
//!
//! ## Why is this bad?
//! A linear map of a linear map is a linear map: two `linear` layers in a row can do nothing that one cannot, and two
//! convolutions nothing that one with a larger window cannot, at more work and more parameters. (A `bn` between them is
//! linear too, once its statistics stand.) Depth comes from what
//! stands between them, so that a forgotten `relu` takes a layer away from the net, and no size or count shows it.
//!
//! ## Example
//! ```layers
//! conv 16 3x3 pad 1; bn
//! conv 16 3x3 pad 1; bn; relu
//! ```
//!
//! ## Use instead
//! ```layers
//! conv 16 3x3 pad 1; bn; relu
//! conv 16 3x3 pad 1; bn; relu
//! ```
//!
//! ## Reference
//! Goodfellow, Bengio, Courville 2016, "Deep Learning", section 6.1 (why hidden layers need a nonlinear function);
//! Saxe, McClelland, Ganguli 2014, "Exact solutions to the nonlinear dynamics of learning in deep linear neural networks".
//! Built so on purpose: Chollet 2017 (depthwise separable), Sandler et al. 2018 (linear bottlenecks).

use super::Run;
use crate::check::{Check, Context};
use crate::diagnostic::{Code, Diagnostic};
use crate::graph::layer::Layer;
use petgraph::graph::NodeIndex;
use std::collections::HashSet;

/// This check.
pub const CHECK: Check<Run> =
    Check { code: Code::LinearInARow, file: include_str!("linear_in_a_row.rs"), run: Run::Shapes(check) };

fn check(context: &Context<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let graph = &context.shaped.graph;
    // The convolution or linear layer behind which there has been nothing nonlinear, for what reads each layer.
    let mut before: Vec<Option<NodeIndex>> = Vec::with_capacity(graph.graph.node_count());
    let mut reported = HashSet::new();
    for index in graph.graph.node_indices() {
        let Some(node) = graph.graph.node_weight(index) else { continue };
        let first = graph.inputs(index).first().and_then(|input| before.get(input.index()).copied().flatten());
        before.push(match node.layer {
            Layer::Conv { .. } | Layer::Linear { .. } => Some(index),
            Layer::BatchNorm { .. } | Layer::AvgPool { .. } | Layer::Subsample { .. } | Layer::Dropout { .. } => first,
            _ => None,
        });
        let Some((place, first)) = first.and_then(|first| Some((first, graph.graph.node_weight(first)?))) else {
            continue;
        };
        if !could_be_one(&first.layer, &node.layer) || is_bottleneck(context, place, index) {
            continue;
        }
        if !reported.insert(node.origin.span) {
            continue;
        }
        let word = node.layer.word();
        let mut diagnostic = Diagnostic::new(
            Code::LinearInARow,
            format!("nothing nonlinear stands between this `{word}` and the one before it"),
        )
        .at(node.origin.span, "a linear map of a linear map");
        if first.origin.span != node.origin.span {
            diagnostic = diagnostic.context(first.origin.span, "the one before it");
        }
        let one = match node.layer {
            Layer::Linear { out, .. } => format!("together they can do no more than `linear {out}` alone"),
            _ => "together they can do no more than one convolution could".to_string(),
        };
        let diagnostic =
            diagnostic.note(one).help("write the activation that is missing, such as `relu`, between them");
        diagnostics.push(graph.with_chain(diagnostic, node.origin, context.sources));
    }
}

/// Whether both are of one kind, and neither is half of a layer taken apart.
fn could_be_one(first: &Layer, second: &Layer) -> bool {
    let whole =
        |layer: &Layer| layer.window().is_some_and(|window| (window.kernel.height == 1) == (window.kernel.width == 1));
    match (first, second) {
        (Layer::Linear { .. }, Layer::Linear { .. }) => true,
        (Layer::Conv { groups: 1, .. }, Layer::Conv { groups: 1, .. }) => whole(first) && whole(second),
        _ => false,
    }
}

/// Fewer numbers between the two than before the first and behind the second: as one layer they would have more
/// parameters, and could do more.
fn is_bottleneck(context: &Context<'_>, first: NodeIndex, second: NodeIndex) -> bool {
    let between = context.shaped.shape(first).channels();
    between < context.shaped.input_shape(first).channels() && between < context.shaped.shape(second).channels()
}

#[cfg(test)]
mod tests {
    use crate::check::testing::codes;

    fn fires(layers: &str) -> bool {
        codes(&format!("input 3x32x32\nconv 8 3x3 pad 1; relu\n{layers}")).contains(&"N016")
    }

    #[test]
    fn convolutions() {
        let fires = |layers: &str| fires(&format!("{layers}; global_avg_pool; linear 10"));
        assert!(fires("conv 8 3x3; conv 8 3x3"));
        assert!(fires("conv 8 3x3; bn; conv 16 1x1"));
        assert!(fires("conv 8 3x3; bn; avg_pool 2x2; conv 8 3x3"));
        assert!(fires("repeat 2 { conv 8 3x3; bn }"));
        assert!(!fires("conv 8 3x3; relu; conv 8 3x3"));
        assert!(!fires("conv 8 3x3; max_pool 2x2; conv 8 3x3"));
        assert!(!fires("conv 8 3x3; bn; lrn 5; conv 8 3x3"));
        assert!(!fires("residual { conv 8 3x3 pad 1 }; conv 8 3x3"), "a sum is N014's");
    }

    #[test]
    fn layers_that_are_taken_apart() {
        let fires = |layers: &str| fires(&format!("{layers}; global_avg_pool; linear 10"));
        assert!(!fires("conv 8 3x3 pad 1 groups 8; bn; conv 16 1x1"));
        assert!(!fires("conv 16 1x1; conv 16 3x3 pad 1 groups 16"));
        assert!(!fires("conv 8 1x3; conv 8 3x1"));
        assert!(!fires("conv 4 1x1; bn; conv 16 1x1"));
        assert!(!fires("conv 2 3x3; conv 8 1x1"));
    }

    #[test]
    fn linear_layers() {
        assert!(fires("flatten; linear 64; linear 10"));
        assert!(fires("flatten; linear 64 bias false; bn; dropout 0.5; linear 10"));
        assert!(!fires("flatten; linear 64; relu; linear 10"));
        assert!(!fires("flatten; linear 8; linear 10"), "a bottleneck");
        assert!(!fires("conv 8 3x3; flatten; linear 10"));
        assert!(!fires("conv 8 3x3; bn; global_avg_pool; linear 10"));
    }
}
