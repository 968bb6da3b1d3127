//! N015: an activation stands before a residual sum and another behind it.
//!
//! ## What it does
//! Warns of a `relu` at the end of a branch of an `add` that an activation reads. What the block only passes on may come
//! from a `relu`: that one belongs to the block before.
//!
//! ## Why is this bad?
//! A branch that ends in a `relu` can only add: it never takes anything away from what the shortcut brings, so that the
//! values grow from block to block and the block can correct nothing downwards. Where the shortcut is not negative
//! either, the activation behind the sum does nothing. Meant was, as a rule, the one behind the sum alone.
//!
//! ## Example
//! ```layers
//! conv 16 3x3 pad 1; bn; relu
//! residual { conv 16 3x3 pad 1; bn; relu; conv 16 3x3 pad 1; bn; relu }
//! relu
//! ```
//!
//! ## Use instead
//! ```layers
//! conv 16 3x3 pad 1; bn; relu
//! residual { conv 16 3x3 pad 1; bn; relu; conv 16 3x3 pad 1; bn }
//! relu
//! ```
//!
//! ## Reference
//! He et al. 2016, "Identity mappings in deep residual networks", section 4.1 and table 2: with the `relu` before the
//! addition ResNet-110 errs on 7.84 % of CIFAR-10's test images, with the `relu` after it on 6.61 %.

use super::Run;
use crate::check::{Check, Context};
use crate::diagnostic::{Code, Diagnostic, Fix};
use crate::graph::layer::Layer;
use petgraph::graph::NodeIndex;
use std::collections::HashSet;

/// This check.
pub const CHECK: Check<Run> =
    Check { code: Code::DoubledActivation, file: include_str!("doubled_activation.rs"), run: Run::Layers(check) };

/// The most layers that a branch of a sum is followed over.
pub const LONGEST_BRANCH: usize = 256;

fn check(context: &Context<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let graph = &context.shaped.graph;
    let mut reported = HashSet::new();
    for index in graph.graph.node_indices() {
        let Some(sum) = graph.graph.node_weight(index).filter(|node| node.layer == Layer::Add) else { continue };
        let readers = graph.readers(index).filter_map(|reader| graph.graph.node_weight(reader));
        let behind = readers.into_iter().find(|node| matches!(node.layer, Layer::Relu | Layer::Tanh | Layer::Sigmoid));
        let Some(behind) = behind else { continue };
        let inputs = graph.inputs(index);
        for (place, &end) in inputs.iter().enumerate() {
            let Some(relu) = last_relu(context, end) else { continue };
            let others = inputs.iter().enumerate().filter(|(other, _)| *other != place);
            let passed_on = others.into_iter().any(|(_, &other)| graph.reads(other, relu, LONGEST_BRANCH));
            let Some(node) = graph.graph.node_weight(relu).filter(|_| !passed_on) else { continue };
            if !reported.insert(node.origin.span) {
                continue;
            }
            let word = behind.layer.word();
            let message = format!("this `relu` stands before a sum that a `{word}` stands behind");
            let only_one = graph.readers(relu).count() == 1;
            let fix = Fix::remove_statement("take this `relu` out", node.origin.span, context.sources);
            let mut diagnostic = Diagnostic::new(Code::DoubledActivation, message)
                .at(node.origin.span, "so this branch can only add")
                .context(behind.origin.span, format!("the `{word}` behind the sum"));
            if sum.origin.span != behind.origin.span
                && !sum.origin.span.range().contains(&node.origin.span.range().start)
            {
                diagnostic = diagnostic.context(sum.origin.span, "the sum");
            }
            let diagnostic = diagnostic
                .help("end the branch in its last convolution or norm, and keep the activation behind the sum")
                .fix(fix.filter(|_| only_one).map(Fix::unsafely));
            diagnostics.push(graph.with_chain(diagnostic, node.origin, context.sources));
        }
    }
}

/// The `relu` that a branch ends in, also through layers that choose or drop values.
fn last_relu(context: &Context<'_>, end: NodeIndex) -> Option<NodeIndex> {
    let graph = &context.shaped.graph;
    let mut end = end;
    loop {
        match graph.graph.node_weight(end)?.layer {
            Layer::Relu => return Some(end),
            Layer::MaxPool { .. } | Layer::Subsample { .. } | Layer::Dropout { .. } | Layer::PadChannels { .. } => {
                end = graph.inputs(end).first().copied()?;
            }
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::check::testing::codes;

    fn fires(layers: &str) -> bool {
        codes(&format!("input 3x32x32\nconv 8 3x3 pad 1; relu\n{layers}\nglobal_avg_pool\nlinear 10")).contains(&"N015")
    }

    #[test]
    fn before_the_sum_and_behind_it() {
        assert!(fires("residual { conv 8 3x3 pad 1; bn; relu }; relu"));
        assert!(fires("residual { conv 8 3x3 pad 1; relu; dropout 0.5 }; tanh"));
        assert!(fires("residual { conv 8 3x3 pad 1; bn } shortcut { conv 8 1x1; relu }; relu"));
        assert!(fires("x = conv 8 3x3 pad 1; a = relu; from x; b = conv 8 1x1; relu; add(a, b); relu"));
    }

    #[test]
    fn one_of_them() {
        assert!(!fires("residual { conv 8 3x3 pad 1; bn; relu; conv 8 3x3 pad 1; bn }; relu"));
        assert!(!fires("residual { conv 8 3x3 pad 1; bn; relu }"));
        assert!(!fires("residual { conv 8 3x3 stride 2 pad 1; bn } shortcut { subsample 2; pad_channels 8 }; relu"));
        assert!(!fires("residual { bn; relu; conv 8 3x3 pad 1; bn; relu; conv 8 3x3 pad 1 }; bn; relu"));
    }
}
