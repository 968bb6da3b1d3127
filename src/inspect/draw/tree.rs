//! Block calls and passes of repeats as a tree over the layers.

use crate::graph::layer_graph::LayerGraph;
use crate::graph::origin::{FrameId, FrameKind};

/// Layers by their indices, in order, and what is round them.
#[derive(Debug, Clone)]
pub enum Tree {
    /// One layer.
    Layer(usize),
    /// A block call, or one pass of a repeat.
    Group(Group),
}

/// What stands in a frame.
#[derive(Debug, Clone)]
pub struct Group {
    /// The call; empty for a pass of a repeat.
    pub call: String,
    /// Which pass of how many, from 1.
    pub pass: Option<(usize, usize)>,
    /// How often it comes, one after another, when the others are left out.
    pub times: usize,
    /// What is inside.
    pub children: Vec<Tree>,
    /// The layers inside.
    pub layers: Vec<usize>,
    /// All layers that it stands for, with the passes that are left out.
    pub stands_for: Vec<usize>,
}

/// The tree of a whole network.
pub fn tree(graph: &LayerGraph) -> Vec<Tree> {
    let chains: Vec<Vec<FrameId>> = graph
        .graph
        .node_weights()
        .map(|node| graph.frames.chain(node.origin.frame).into_iter().map(|(id, _)| id).collect())
        .collect();
    let all: Vec<usize> = (0..chains.len()).collect();
    level(graph, &chains, &all, 0)
}

fn level(graph: &LayerGraph, chains: &[Vec<FrameId>], layers: &[usize], depth: usize) -> Vec<Tree> {
    let frame = |layer: usize| chains.get(layer).and_then(|chain| chain.get(depth)).copied();
    let mut trees = Vec::new();
    for run in layers.chunk_by(|&a, &b| frame(a).is_some() && frame(a) == frame(b)) {
        let Some(id) = run.first().and_then(|&layer| frame(layer)) else {
            trees.extend(run.iter().map(|&layer| Tree::Layer(layer)));
            continue;
        };
        let children = level(graph, chains, run, depth + 1);
        let (call, pass) = match graph.frames.get(id).map(|frame| &frame.kind) {
            Some(FrameKind::Repeat { pass, of }) => (String::new(), Some((*pass, *of))),
            Some(FrameKind::Block(call)) => (call.clone(), None),
            None => (String::new(), None),
        };
        // A pass that is one block call needs no frame of its own.
        let alone = matches!(children.as_slice(), [Tree::Group(_)]) && pass.is_some();
        if alone {
            trees.extend(children);
        } else {
            let (layers, stands_for) = (run.to_vec(), run.to_vec());
            trees.push(Tree::Group(Group { call, pass, times: 1, children, layers, stands_for }));
        }
    }
    trees
}
