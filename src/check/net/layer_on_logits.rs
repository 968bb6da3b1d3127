//! N017: a layer stands between the last `linear` and the loss.
//!
//! ## What it does
//! Warns of an activation, a `bn` or a `dropout` behind the last `linear`, on the logits. (A `softmax` there is refused:
//! E0313.)
//!
//! ## Why is this bad?
//! The loss takes the softmax itself, of logits that may be any number. What bounds them bounds the probabilities: with
//! ten classes and a `sigmoid`, no class can get more than 0.23 and the loss never falls below 1.46; with a `tanh`, below
//! 0.80. Behind a `relu` a class whose logit is negative gets no gradient: a right answer that is far down cannot be
//! raised. A `dropout` sets logits to zero, that of the right class too, and a `bn` makes the confidence in an image
//! hang on the other images of its batch.
//!
//! ## Example
//! ```net
//! net example { input 3x32x32; flatten; linear 100; relu; linear 10; sigmoid }
//! ```
//!
//! ## Use instead
//! ```net
//! net example { input 3x32x32; flatten; linear 100; relu; linear 10 }
//! ```
//!
//! ## Reference
//! Goodfellow, Bengio, Courville 2016, "Deep Learning", section 6.2.2.3: the softmax takes unnormalised log probabilities
//! from a linear layer. PyTorch's `CrossEntropyLoss` says the same of its input.

use super::Run;
use crate::check::{Check, Context};
use crate::diagnostic::{Code, Diagnostic, Fix};
use crate::graph::layer::Layer;
use petgraph::graph::NodeIndex;
use std::collections::HashSet;

/// This check.
pub const CHECK: Check<Run> =
    Check { code: Code::LayerOnLogits, file: include_str!("layer_on_logits.rs"), run: Run::Layers(check) };

fn check(context: &Context<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let graph = &context.shaped.graph;
    let mut found: Vec<NodeIndex> = Vec::new();
    let mut index = graph.output;
    let last = loop {
        let Some(node) = graph.graph.node_weight(index) else { return };
        match node.layer {
            Layer::Relu | Layer::Tanh | Layer::Sigmoid | Layer::BatchNorm { .. } | Layer::Dropout { .. } => {
                found.push(index);
            }
            Layer::Linear { .. } => break node,
            _ => return,
        }
        let Some(&input) = graph.inputs(index).first() else { return };
        index = input;
    };
    let Layer::Linear { out, .. } = last.layer else { return };
    let mut reported = HashSet::new();
    for index in found.into_iter().rev() {
        let Some(node) = graph.graph.node_weight(index).filter(|node| reported.insert(node.origin.span)) else {
            continue;
        };
        let word = node.layer.word();
        let label = match node.layer {
            Layer::Relu => "a class whose logit is negative gets no gradient".to_string(),
            Layer::Dropout { .. } => "sets logits to zero".to_string(),
            Layer::BatchNorm { .. } => "makes logits hang on the rest of the batch".to_string(),
            _ if index == graph.output => bounded(&node.layer, out),
            _ => "bounds the logits".to_string(),
        };
        let fix = Fix::remove_statement(format!("take this `{word}` out"), node.origin.span, context.sources);
        let diagnostic =
            Diagnostic::new(Code::LayerOnLogits, format!("a `{word}` stands between the last `linear` and the loss"))
                .at(node.origin.span, label)
                .context(last.origin.span, "gives the logits")
                .help("leave it out: the loss takes the softmax of the logits itself")
                .fix(fix.map(Fix::unsafely));
        diagnostics.push(graph.with_chain(diagnostic, node.origin, context.sources));
    }
}

/// What the loss cannot fall below: the right class at the top of the range, all others at its bottom.
fn bounded(layer: &Layer, classes: usize) -> String {
    let range: f64 = if *layer == Layer::Tanh { 2.0 } else { 1.0 };
    let others = classes.saturating_sub(1) as f64;
    let loss = (others * (-range).exp()).ln_1p();
    format!("with {classes} classes the loss cannot fall below {loss:.2}")
}

#[cfg(test)]
mod tests {
    use super::bounded;
    use crate::check::testing::codes;
    use crate::graph::layer::Layer;

    fn fires(layers: &str) -> bool {
        codes(&format!("input 3x32x32; flatten; {layers}")).contains(&"N017")
    }

    #[test]
    fn something_on_the_logits() {
        for layer in ["relu", "tanh", "sigmoid", "dropout 0.5", "bn"] {
            assert!(fires(&format!("linear 10 bias false; {layer}")), "{layer}");
        }
        assert_eq!(codes("input 3x8x8; flatten; linear 10; dropout 0.5; relu"), ["N017", "N017"]);
        assert!(!fires("linear 32; relu; dropout 0.5; linear 10"));
        assert!(!codes("input 3x8x8; conv 10 3x3; relu; global_avg_pool").contains(&"N017"), "Network in Network");
    }

    #[test]
    fn the_bound_is_that_of_the_softmax() {
        // ln((e + 9) / e), ln((e + 9/e) / e), and nothing to choose from.
        assert!(bounded(&Layer::Sigmoid, 10).ends_with("below 1.46"));
        assert!(bounded(&Layer::Tanh, 10).ends_with("below 0.80"));
        assert!(bounded(&Layer::Tanh, 1).ends_with("below 0.00"));
    }
}
