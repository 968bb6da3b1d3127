//! The unrolled network as a spec again: no blocks, no repeats, no conditions.
//!
//! Every layer stands on a line of its own under its name, with what it reads where that is not the line above. The text
//! reads as the same network: the same operations on the same shapes, with `stage2.0.conv1` called `stage2_0_conv1`.

use super::dims::Pair;
use super::layer::{Divisor, Layer, Rounding, Squares, Window, ZeroChannels};
use super::layer_graph::{Expected, Fact, LayerGraph, Node};
use super::origin::{FrameId, FrameKind};
use super::shape::Shaped;
use crate::text::grouped;
use petgraph::graph::NodeIndex;
use std::collections::HashSet;

/// The text. `title` becomes a comment at its top, `recipe` the path of its recipe, as it is to be written.
pub fn flat(shaped: &Shaped, title: &str, recipe: Option<&str>) -> String {
    let graph = &shaped.graph;
    let names = labels(graph);
    let name = |node: NodeIndex| names.get(node.index()).map_or("", String::as_str);
    let mut lines = Vec::new();
    lines.extend(title.lines().map(|line| format!("# {line}")));
    lines.push(format!("net {} {{", graph.net));
    let mut above: Option<NodeIndex> = None;
    let mut frame: Option<FrameId> = None;
    for index in graph.graph.node_indices() {
        let Some(node) = graph.graph.node_weight(index) else { continue };
        if node.origin.frame != frame {
            frame = node.origin.frame;
            lines.push(String::new());
            lines.extend(heading(graph, frame).map(|heading| format!("  # {heading}")));
        }
        let inputs = graph.inputs(index);
        let mut text = words(shaped, index, node);
        match (&node.layer, inputs.as_slice()) {
            (Layer::Add | Layer::Concat, _) => {
                let inputs: Vec<&str> = inputs.iter().map(|&input| name(input)).collect();
                text = format!("{text}({})", inputs.join(", "));
            }
            (_, &[input]) if above != Some(input) => lines.push(format!("  from {}", name(input))),
            _ => {}
        }
        let read_by_name =
            graph.readers(index).any(|reader| graph.inputs(reader).len() > 1 || reader.index() != index.index() + 1);
        let label = matches!(node.layer, Layer::Input { .. }) && name(index) == "images" && !read_by_name;
        lines.push(if label { format!("  {text}") } else { format!("  {} = {text}", name(index)) });
        above = Some(index);
        for expected in &graph.expected {
            if let Expected { fact: Fact::Shape(node, shape), .. } = expected
                && *node == index
            {
                lines.push(format!("  expect shape {shape}"));
            }
        }
    }
    if above != Some(graph.output) {
        lines.push(format!("  from {}", name(graph.output)));
    }
    let facts: Vec<String> = graph.expected.iter().filter_map(|expected| fact(expected.fact)).collect();
    if !facts.is_empty() {
        lines.push(String::new());
        lines.push(format!("  expect {}", facts.join(", ")));
    }
    lines.push("}".to_string());
    lines.extend(recipe.map(|path| format!("\nrecipe \"{path}\"")));
    lines.join("\n") + "\n"
}

fn fact(fact: Fact) -> Option<String> {
    match fact {
        Fact::Parameters(number) => Some(format!("params {}", grouped(number))),
        Fact::MultiplyAdds(number) => Some(format!("macs {}", grouped(number))),
        Fact::Layers(number) => Some(format!("layers {}", grouped(number))),
        Fact::Shape(..) => None,
    }
}

/// The names of all layers as labels: what is no letter, digit or `_` becomes `_`, and each is still there once.
pub fn labels(graph: &LayerGraph) -> Vec<String> {
    let mut taken = HashSet::new();
    let label = |node: &Node| {
        let plain: String = node.name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
        let mut label = plain.clone();
        let mut number = 2u64;
        while !taken.insert(label.clone()) {
            label = format!("{plain}_{number}");
            number += 1;
        }
        label
    };
    graph.graph.node_weights().map(label).collect()
}

/// The block that layers came from, and which pass of a repeat.
fn heading(graph: &LayerGraph, frame: Option<FrameId>) -> Option<String> {
    let chain = graph.frames.chain(frame);
    let mut parts = Vec::new();
    for (_, frame) in chain.iter().rev() {
        match &frame.kind {
            FrameKind::Block(call) if parts.is_empty() => parts.push(call.clone()),
            FrameKind::Block(_) => break,
            FrameKind::Repeat { pass, of } => parts.push(format!("{pass} of {of}")),
        }
    }
    (!parts.is_empty()).then(|| parts.join(", "))
}

/// A layer with its attributes, as it is written; what is a default of the language is left out.
pub fn words(shaped: &Shaped, index: NodeIndex, node: &Node) -> String {
    let mut words = vec![node.layer.word().to_string()];
    match &node.layer {
        Layer::Input { shape } => words.push(shape.to_string()),
        Layer::Conv { out, window, groups, bias } => {
            words.push(out.to_string());
            window_words(shaped, index, window, Pair::square(1), &mut words);
            if *groups != 1 {
                words.push(format!("groups {groups}"));
            }
            words.extend(bias.then(|| "bias".to_string()));
        }
        Layer::Linear { out, bias } => {
            words.push(out.to_string());
            words.extend((!bias).then(|| "bias false".to_string()));
        }
        Layer::BatchNorm { epsilon, decay } => {
            words.extend(epsilon.map(|epsilon| format!("epsilon {}", number(epsilon))));
            words.extend(decay.map(|decay| format!("decay {}", number(decay))));
        }
        Layer::MaxPool { window } => {
            window_words(shaped, index, window, window.kernel, &mut words);
            words.extend(said_floor(node, window));
        }
        Layer::AvgPool { window, divisor } => {
            window_words(shaped, index, window, window.kernel, &mut words);
            words.extend(said_floor(node, window));
            words.extend(match divisor {
                Divisor::ImageOnly => Some("divisor image".to_string()),
                // A recipe may say otherwise where the spec is silent.
                Divisor::PaddedWindow => node.given("divisor").map(|_| "divisor window".to_string()),
            });
        }
        Layer::Lrn { size, alpha, beta, k, squares } => {
            let squares = if *squares == Squares::Sum { "sum" } else { "mean" };
            let (alpha, beta, k) = (number(*alpha), number(*beta), number(*k));
            words.push(format!("{size} alpha {alpha} beta {beta} k {k} squares {squares}"));
        }
        Layer::Dropout { rate } => words.push(number(*rate)),
        Layer::Subsample { stride } => words.push(extent(*stride)),
        Layer::PadChannels { to, place } => {
            words.push(to.to_string());
            words.extend((*place == ZeroChannels::Split).then(|| "split".to_string()));
        }
        Layer::Relu
        | Layer::Tanh
        | Layer::Sigmoid
        | Layer::GlobalAvgPool
        | Layer::Flatten
        | Layer::Add
        | Layer::Concat => {}
    }
    words.join(" ")
}

/// Kernel, stride, padding in pixels, dilation and rounding.
fn window_words(shaped: &Shaped, index: NodeIndex, window: &Window, stride: Pair, words: &mut Vec<String>) {
    words.push(window.kernel.to_string());
    if window.stride != stride {
        words.push(format!("stride {}", extent(window.stride)));
    }
    let padding = shaped.padding(index);
    if !padding.is_zero() {
        words.push(format!("pad {padding}"));
    }
    if window.dilation != Pair::square(1) {
        words.push(format!("dilation {}", extent(window.dilation)));
    }
    words.extend((window.rounding == Rounding::Ceil).then(|| "ceil".to_string()));
}

/// The language's own rounding, where the spec said it: a recipe may say otherwise where the spec is silent.
fn said_floor(node: &Node, window: &Window) -> Option<String> {
    (window.rounding == Rounding::Floor && node.given("round").is_some()).then(|| "floor".to_string())
}

/// `2`, or `2x1` where the directions differ.
pub fn extent(pair: Pair) -> String {
    if pair.height == pair.width { pair.height.to_string() } else { pair.to_string() }
}

/// A real number that reads as the same number.
pub fn number(value: f64) -> String {
    let size = value.abs();
    let text = if size != 0.0 && !(1e-4..1e15).contains(&size) { format!("{value:e}") } else { format!("{value}") };
    if value < 0.0 { format!("({text})") } else { text }
}
