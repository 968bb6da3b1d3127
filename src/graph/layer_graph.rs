//! The unrolled network: one node a layer, edges along the data.

use super::dims::Shape;
use super::layer::Layer;
use super::origin::{Frames, Origin};
use crate::diagnostic::Diagnostic;
use crate::source::{SourceMap, Span};
use petgraph::Direction;
use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::EdgeRef;
use std::collections::HashSet;

/// One layer of the graph.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Stable and unique, such as `stage2.0.conv1`.
    pub name: String,
    /// What it does.
    pub layer: Layer,
    /// Where it came from.
    pub origin: Origin,
    /// Where its attributes stand.
    pub attributes: Vec<(&'static str, Span)>,
}

impl Node {
    /// Where an attribute stands; the whole layer when it was not given.
    pub fn attribute(&self, name: &str) -> Span {
        self.given(name).unwrap_or(self.origin.span)
    }

    /// Where an attribute stands, if it was given.
    pub fn given(&self, name: &str) -> Option<Span> {
        self.attributes.iter().find(|(attribute, _)| *attribute == name).map(|(_, span)| *span)
    }
}

/// A fact that the spec states.
#[derive(Debug, Clone, PartialEq)]
pub struct Expected {
    /// What is stated.
    pub fact: Fact,
    /// Where.
    pub span: Span,
    /// The blocks round it.
    pub origin: Origin,
}

/// What an `expect` states.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fact {
    /// Trained numbers of the whole net.
    Parameters(u64),
    /// Multiply-adds of the whole net, an image.
    MultiplyAdds(u64),
    /// Layers of the whole net, the input not counted.
    Layers(u64),
    /// The shape that a layer gives.
    Shape(NodeIndex, Shape),
}

/// The unrolled network. Nodes are in an order in which every layer comes after what it reads.
#[derive(Debug, Clone)]
pub struct LayerGraph {
    /// Name of the net.
    pub net: String,
    /// Where that name stands.
    pub span: Span,
    /// Layers; an edge carries the position of the input it feeds.
    pub graph: DiGraph<Node, usize>,
    /// The images.
    pub input: NodeIndex,
    /// The logits.
    pub output: NodeIndex,
    /// Block calls and repeats.
    pub frames: Frames,
    /// What the spec states about itself.
    pub expected: Vec<Expected>,
}

impl LayerGraph {
    /// What a layer reads, in order.
    pub fn inputs(&self, node: NodeIndex) -> Vec<NodeIndex> {
        let mut edges: Vec<(usize, NodeIndex)> =
            self.graph.edges_directed(node, Direction::Incoming).map(|edge| (*edge.weight(), edge.source())).collect();
        edges.sort_unstable();
        edges.into_iter().map(|(_, source)| source).collect()
    }

    /// What reads a layer.
    pub fn readers(&self, node: NodeIndex) -> impl Iterator<Item = NodeIndex> + '_ {
        self.graph.neighbors_directed(node, Direction::Outgoing)
    }

    /// Whether a layer reads another, over at most `layers` others; a layer reads itself.
    pub fn reads(&self, node: NodeIndex, other: NodeIndex, layers: usize) -> bool {
        let mut open = vec![node];
        let mut seen = HashSet::new();
        while let Some(next) = open.pop() {
            if next == other {
                return true;
            }
            // What stands before `other` cannot read it.
            if next > other && seen.len() <= layers && seen.insert(next) {
                open.extend(self.graph.neighbors_directed(next, Direction::Incoming));
            }
        }
        false
    }

    /// A diagnostic with the block chain of an origin added.
    pub fn with_chain(&self, diagnostic: Diagnostic, origin: Origin, sources: &SourceMap) -> Diagnostic {
        diagnostic.trace(self.frames.describe(origin.frame, sources))
    }
}
