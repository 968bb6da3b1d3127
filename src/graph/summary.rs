//! What a network costs, layer by layer.

use super::dims::Shape;
use super::layer::Layer;
use super::shape::Shaped;
use petgraph::graph::NodeIndex;
use serde::Serialize;

/// One line of the summary.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Line {
    /// Name of the layer.
    pub name: String,
    /// Its word in the language.
    pub layer: &'static str,
    /// Shape of one image's output.
    pub output: Vec<usize>,
    /// Trained numbers.
    pub params: u64,
    /// Multiply-adds of one image, forward.
    pub macs: u64,
    /// Bytes of one image's output in f32.
    pub activation_bytes: u64,
}

/// A network's costs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// Name of the net.
    pub net: String,
    /// Trained numbers.
    pub params: u64,
    /// Multiply-adds of one image, forward: one multiply with one add counts as one.
    pub macs: u64,
    /// Bytes of all activations of one image in f32.
    pub activation_bytes: u64,
    /// Every layer in order.
    pub layers: Vec<Line>,
}

/// The trained numbers of a layer.
pub fn parameters(shaped: &Shaped, node: NodeIndex) -> u64 {
    let input = shaped.input_shape(node);
    match shaped.graph.graph.node_weight(node).map(|node| &node.layer) {
        Some(Layer::Conv { out, window, groups, bias }) => {
            let weight = out * (input.channels() / groups) * window.kernel.area();
            (weight + if *bias { *out } else { 0 }) as u64
        }
        Some(Layer::Linear { out, bias }) => (out * input.elements() + if *bias { *out } else { 0 }) as u64,
        Some(Layer::BatchNorm { .. }) => 2 * input.channels() as u64,
        _ => 0,
    }
}

/// The multiply-adds of a layer for one image. Convolutions and linear layers count, as in He et al. 2015; what is
/// element-wise does not.
pub fn multiply_adds(shaped: &Shaped, node: NodeIndex) -> u64 {
    let input = shaped.input_shape(node);
    match shaped.graph.graph.node_weight(node).map(|node| &node.layer) {
        Some(Layer::Conv { window, groups, .. }) => {
            let taps = (input.channels() / groups) * window.kernel.area();
            (shaped.shape(node).elements() as u64).saturating_mul(taps as u64)
        }
        Some(Layer::Linear { out, .. }) => (*out as u64).saturating_mul(input.elements() as u64),
        _ => 0,
    }
}

/// Adds everything up.
pub fn summarize(shaped: &Shaped) -> Summary {
    let graph = &shaped.graph.graph;
    let layers: Vec<Line> = graph
        .node_indices()
        .filter_map(|index| {
            let node = graph.node_weight(index)?;
            let shape = shaped.shape(index);
            Some(Line {
                name: node.name.clone(),
                layer: node.layer.word(),
                output: dims(shape),
                params: parameters(shaped, index),
                macs: multiply_adds(shaped, index),
                activation_bytes: 4 * shape.elements() as u64,
            })
        })
        .collect();
    let total = |of: fn(&Line) -> u64| layers.iter().map(of).fold(0, u64::saturating_add);
    Summary {
        net: shaped.graph.net.clone(),
        params: total(|line| line.params),
        macs: total(|line| line.macs),
        activation_bytes: total(|line| line.activation_bytes),
        layers,
    }
}

fn dims(shape: Shape) -> Vec<usize> {
    match shape {
        Shape::Map { channels, height, width } => vec![channels, height, width],
        Shape::Vector { features } => vec![features],
    }
}
