//! What a check may look at.

use crate::diagnostic::Diagnostic;
use crate::graph::dims::Shape;
use crate::graph::layer_graph::Node;
use crate::graph::shape::Shaped;
use crate::source::SourceMap;
use crate::syntax::load::Spec;
use petgraph::graph::NodeIndex;
use std::collections::HashSet;

/// What is known of the data set that a network is meant for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Its name.
    pub name: String,
    /// Shape of one image; `None` when it takes the shape the network asks for.
    pub image: Option<Shape>,
    /// Number of classes.
    pub classes: usize,
    /// Number of training images.
    pub train: usize,
}

/// The network, and what else is known.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// The syntax trees.
    pub spec: &'a Spec,
    /// The layers, unrolled, with their shapes.
    pub shaped: &'a Shaped,
    /// The data set, if one is known.
    pub target: Option<&'a Target>,
    /// The texts, for places in messages.
    pub sources: &'a SourceMap,
}

impl Context<'_> {
    /// Reports layers, each place in the text once however often a block or a loop repeats it.
    pub fn report_layers(
        &self,
        diagnostics: &mut Vec<Diagnostic>,
        mut report: impl FnMut(NodeIndex, &Node) -> Option<Diagnostic>,
    ) {
        let graph = &self.shaped.graph;
        let mut reported = HashSet::new();
        for index in graph.graph.node_indices() {
            let Some(node) = graph.graph.node_weight(index) else { continue };
            let Some(diagnostic) = report(index, node) else { continue };
            if reported.insert(node.origin.span) {
                diagnostics.push(graph.with_chain(diagnostic, node.origin, self.sources));
            }
        }
    }
}
