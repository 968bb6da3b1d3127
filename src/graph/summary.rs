//! What a network costs, layer by layer.

use super::dims::Shape;
use super::layer::Layer;
use super::receptive::{ReceptiveField, receptive_fields};
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
    /// The pixels of the image that one number of the output can depend on.
    pub receptive_field: ReceptiveField,
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
    /// The most bytes of activations of one image that are needed at one time when nothing is kept for a gradient.
    pub peak_activation_bytes: u64,
    /// Running statistics of batch norms: numbers that are not trained.
    pub statistics: u64,
    /// Every layer in order.
    pub layers: Vec<Line>,
}

impl Summary {
    /// Bytes that training with so many images a step needs: parameters, their gradients and their velocities, running
    /// statistics, and every layer's output, which is kept for the gradient. What an engine needs beside it, such as
    /// unfolded windows or copies in other layouts, is not counted.
    pub fn train_bytes(&self, batch: u64) -> u64 {
        let state = self.params.saturating_mul(3).saturating_add(self.statistics);
        state.saturating_mul(4).saturating_add(self.activation_bytes.saturating_mul(batch))
    }

    /// Bytes that evaluation with so many images at a time needs: parameters, running statistics, and the outputs that
    /// are still to be read where those are most.
    pub fn eval_bytes(&self, batch: u64) -> u64 {
        let state = self.params.saturating_add(self.statistics);
        state.saturating_mul(4).saturating_add(self.peak_activation_bytes.saturating_mul(batch))
    }
}

/// The most bytes of outputs that are alive at once: an output lives from its layer to the last one that reads it.
fn peak(shaped: &Shaped) -> u64 {
    let graph = &shaped.graph;
    let bytes = |node: NodeIndex| 4 * shaped.shape(node).elements() as u64;
    let (mut alive, mut peak) = (0u64, 0);
    for index in graph.graph.node_indices() {
        alive = alive.saturating_add(bytes(index));
        peak = peak.max(alive);
        let mut inputs = graph.inputs(index);
        inputs.dedup();
        for input in inputs {
            if graph.readers(input).max() == Some(index) {
                alive = alive.saturating_sub(bytes(input));
            }
        }
    }
    peak
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
    let fields = receptive_fields(shaped);
    let layers: Vec<Line> = graph
        .node_indices()
        .filter_map(|index| {
            let node = graph.node_weight(index)?;
            let shape = shaped.shape(index);
            let receptive_field = *fields.get(index.index())?;
            Some(Line {
                name: node.name.clone(),
                layer: node.layer.word(),
                output: dims(shape),
                params: parameters(shaped, index),
                macs: multiply_adds(shaped, index),
                activation_bytes: 4 * shape.elements() as u64,
                receptive_field,
            })
        })
        .collect();
    let total = |of: fn(&Line) -> u64| layers.iter().map(of).fold(0, u64::saturating_add);
    Summary {
        net: shaped.graph.net.clone(),
        params: total(|line| line.params),
        macs: total(|line| line.macs),
        activation_bytes: total(|line| line.activation_bytes),
        peak_activation_bytes: peak(shaped),
        statistics: graph
            .node_indices()
            .filter(|&index| matches!(graph.node_weight(index).map(|node| &node.layer), Some(Layer::BatchNorm { .. })))
            .map(|index| 2 * shaped.input_shape(index).channels() as u64)
            .sum(),
        layers,
    }
}

fn dims(shape: Shape) -> Vec<usize> {
    match shape {
        Shape::Map { channels, height, width } => vec![channels, height, width],
        Shape::Vector { features } => vec![features],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compile::{Options, compile_text};
    use std::path::Path;

    #[test]
    fn memory_by_hand() {
        let text = "net x { input 1x4x4; a = conv 2 1x1; bn; relu; add(a); flatten; linear 3 }";
        let compiled = compile_text(Path::new("x.net"), text.into(), &Options::default());
        let summary = summarize(compiled.shaped.as_ref().unwrap());
        // 2 + 4 + 32·3 + 3 weights, 4 running statistics; 16 pixels, 5 outputs of 32 numbers, 3 logits.
        assert_eq!((summary.params, summary.statistics, summary.activation_bytes), (105, 4, 4 * (16 + 5 * 32 + 3)));
        // At the relu: the outputs of conv (read again by add), bn and relu itself.
        assert_eq!(summary.peak_activation_bytes, 4 * 3 * 32);
        assert_eq!(summary.train_bytes(10), 4 * (3 * 105 + 4) + 10 * 4 * 179);
        assert_eq!(summary.eval_bytes(10), 4 * (105 + 4) + 10 * 4 * 96);
    }

    fn summary(layers: &str) -> Summary {
        let text = format!("net x {{ {layers}; global_avg_pool; linear 10 }}");
        summarize(compile_text(Path::new("x.net"), text, &Options::default()).shaped.as_ref().unwrap())
    }

    #[test]
    fn an_output_that_one_layer_reads_twice_is_freed_once() {
        // Before and behind the addition two outputs of 8 planes are alive, at the last convolution 8 planes and 64 more.
        let twice = summary("input 3x32x32; a = conv 8 3x3 pad 1; add(a, a); conv 64 3x3 pad 1");
        assert_eq!(twice.peak_activation_bytes, 4 * 32 * 32 * (8 + 64));
        // What is still to be read stays when it was read twice.
        let later = summary("input 8x32x32; a = relu; add(a, a); b = conv 8 1x1; add(b, a); conv 16 1x1");
        assert_eq!(later.peak_activation_bytes, 4 * 32 * 32 * 24);
    }

    #[test]
    fn a_group_of_a_convolution_reads_its_own_channels() {
        let line = |layer: &str| summary(&format!("input 8x32x32; {layer}")).layers[1].clone();
        // Nine taps in each of the 8/groups channels, for 8 outputs and 1024 pixels.
        for (groups, macs, params) in [(1, 589_824, 584), (4, 147_456, 152), (8, 73_728, 80)] {
            let found = line(&format!("conv 8 3x3 pad 1 groups {groups} bias"));
            assert_eq!((found.macs, found.params), (macs, params), "{groups} groups");
        }
    }
}
