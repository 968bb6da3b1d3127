//! What can be wrong with shapes; the prose for it.

use super::dims::{Padding, Pair, Shape};
use super::layer_graph::{LayerGraph, Node};
use crate::diagnostic::{Code, Diagnostic};
use petgraph::graph::NodeIndex;

/// One misfit.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs, reason = "the variants' names and `diagnose` say what they are")]
pub enum ShapeProblem {
    NeedsMap,
    NeedsVector,
    Groups { channels: usize, out: usize, groups: usize },
    WindowTooLarge { window: Pair, padded: Pair },
    PadTooLarge { pad: Padding, kernel: Pair },
    TooLarge { dims: Vec<usize> },
    ChannelsTakenAway { channels: usize, to: usize },
    AddDiffers,
    ConcatDiffers,
}

impl ShapeProblem {
    /// The message for a layer and the shapes it gets.
    pub fn diagnose(self, node: &Node, inputs: &[NodeIndex], shapes: &[Shape], graph: &LayerGraph) -> Diagnostic {
        use ShapeProblem::*;
        let word = node.layer.word();
        let got = shapes.first().copied().unwrap_or(Shape::vector(0));
        let at = node.origin.span;
        match self {
            NeedsMap => {
                let diagnostic = Diagnostic::new(Code::InputKind, format!("`{word}` needs a map, but gets a vector"))
                    .at(at, format!("gets a vector of {got}"));
                producers(diagnostic, inputs, shapes, graph)
                    .note(
                        "a map has channels, height and width; `flatten`, `global_avg_pool` and `linear` give vectors",
                    )
                    .help(format!("move `{word}` up, before the map becomes a vector"))
            }
            NeedsVector => {
                let diagnostic = Diagnostic::new(Code::InputKind, format!("`{word}` needs a vector, but gets a map"))
                    .at(at, format!("gets {got}"));
                producers(diagnostic, inputs, shapes, graph).help(format!(
                    "write `flatten` before it ({} features), or `global_avg_pool` ({} features)",
                    got.elements(),
                    got.channels()
                ))
            }
            Groups { channels, out, groups } => {
                let message = format!("{groups} groups do not divide {channels} input and {out} output channels");
                Diagnostic::new(Code::Indivisible, message)
                    .at(node.attribute("groups"), format!("needs a divisor of both {channels} and {out}"))
            }
            WindowTooLarge { window, padded } => {
                let message = format!("a window of {window} does not fit into {padded}");
                let diagnostic = Diagnostic::new(Code::WindowTooLarge, message)
                    .at(node.attribute("kernel"), format!("the input is {got}, with padding {padded}"));
                producers(diagnostic, inputs, shapes, graph)
                    .help("use a smaller window, more padding, or fewer strides before it")
            }
            PadTooLarge { pad, kernel } => {
                let message = format!("padding {pad} is as large as the window, {kernel}");
                Diagnostic::new(Code::PadTooLarge, message)
                    .at(node.attribute("pad"), "some windows would hold nothing but padding")
                    .help("pad a pool by less than its window")
            }
            TooLarge { dims } => {
                let dims: Vec<String> = dims.iter().map(usize::to_string).collect();
                Diagnostic::new(Code::TooLarge, format!("a tensor of {} is too large", dims.join("x")))
                    .at(at, "more than 2^31 numbers")
            }
            ChannelsTakenAway { channels, to } => {
                let message = format!("`pad_channels {to}` gets {channels} channels already");
                Diagnostic::new(Code::ChannelsTakenAway, message)
                    .at(at, format!("gets {got}"))
                    .help("it can only add channels; a `conv` with a 1x1 window can take some away")
            }
            AddDiffers if node.given("main").is_some() => residual(node, inputs, shapes, graph),
            AddDiffers => {
                let list: Vec<String> = shapes.iter().map(Shape::to_string).collect();
                let message = "the inputs of this add have different shapes";
                let diagnostic = Diagnostic::new(Code::InputsDiffer, message).at(at, list.join(" + "));
                producers(diagnostic, inputs, shapes, graph)
            }
            ConcatDiffers => {
                let list: Vec<String> = shapes.iter().map(Shape::to_string).collect();
                let message = "the inputs of this concat do not lie side by side";
                let diagnostic = Diagnostic::new(Code::InputsDiffer, message).at(at, list.join(" and "));
                producers(diagnostic, inputs, shapes, graph)
                    .note("maps need the same height and width; vectors go only with vectors")
            }
        }
    }
}

/// Labels the layers that are read with what they give.
fn producers(mut diagnostic: Diagnostic, inputs: &[NodeIndex], shapes: &[Shape], graph: &LayerGraph) -> Diagnostic {
    for (input, shape) in inputs.iter().zip(shapes) {
        if let Some(node) = graph.graph.node_weight(*input)
            && diagnostic.labels.iter().all(|label| label.span != node.origin.span)
        {
            diagnostic = diagnostic.context(node.origin.span, format!("this gives {shape}"));
        }
    }
    diagnostic
}

/// A residual whose paths differ: the most common mistake of all, so it gets its own words.
fn residual(node: &Node, inputs: &[NodeIndex], shapes: &[Shape], graph: &LayerGraph) -> Diagnostic {
    let [main, shortcut] = [0, 1].map(|i| shapes.get(i).copied().unwrap_or(Shape::vector(0)));
    let diagnostic = Diagnostic::new(Code::InputsDiffer, "the two paths of this residual have different shapes")
        .at(node.origin.span, format!("main path gives {main}, shortcut gives {shortcut}"));
    let diagnostic = producers(diagnostic, inputs, shapes, graph);
    let (Shape::Map { channels, .. }, Shape::Map { .. }) = (main, shortcut) else { return diagnostic };
    let (from, to) = (shortcut.plane(), main.plane());
    let step = Pair::new(from.height.div_ceil(to.height.max(1)), from.width.div_ceil(to.width.max(1)));
    let reachable = from.height.div_ceil(step.height.max(1)) == to.height
        && from.width.div_ceil(step.width.max(1)) == to.width
        && step.height == step.width;
    if !reachable || shortcut.channels() > channels {
        return diagnostic;
    }
    let mut option_a = Vec::new();
    if step.height > 1 {
        option_a.push(format!("subsample {}", step.height));
    }
    if shortcut.channels() < channels {
        option_a.push(format!("pad_channels {channels}"));
    }
    let stride = if step.height > 1 { format!(" stride {}", step.height) } else { String::new() };
    diagnostic.help(format!(
        "make the shortcut fit: `shortcut {{ {} }}` (option A), or `shortcut {{ conv {channels} 1x1{stride}; bn }}` (option B)",
        option_a.join("; ")
    ))
}
