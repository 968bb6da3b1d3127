//! One layer: its arguments, what it reads, and its node in the graph.

use super::{Expander, Flow, MOST_LAYERS, Place, Scopes};
use crate::graph::arguments::bind;
use crate::graph::build;
use crate::graph::catalog::Entry;
use crate::graph::layer::Layer;
use crate::graph::layer_graph::Node;
use crate::graph::problem::Problem;
use crate::syntax::ast::*;
use petgraph::graph::NodeIndex;

impl<'a> Expander<'a> {
    /// A layer that is written as such.
    pub(super) fn layer(
        &mut self,
        place: &Place,
        scopes: &Scopes<'a>,
        entry: &'static Entry,
        call: &'a Call,
        statement: &'a Statement,
        flow: Flow,
    ) -> Flow {
        let (layer, inputs, attributes) = if let Some(join) = entry.joins {
            let Some(inputs) = self.joined(place, scopes, call, flow) else { return Flow::Broken };
            (build::join(join), inputs, Vec::new())
        } else {
            let mut problems = Vec::new();
            let bound = bind(call, &build::slots(entry), &place.environment, &mut problems);
            let layer = bound.as_ref().and_then(|bound| match build::layer(entry, bound, self.conventions) {
                Ok(layer) => layer,
                Err(problem) => {
                    problems.push(problem);
                    None
                }
            });
            for problem in problems {
                self.report(problem, place.frame);
            }
            let (Some(layer), Some(bound)) = (layer, bound) else {
                // A bad input was reported; the net has one all the same, and what follows is not checked.
                return Flow::Broken;
            };
            (layer, vec![flow], build::spans(entry, &bound))
        };
        let span = statement.span;
        let is_input = matches!(layer, Layer::Input { .. });
        if is_input {
            if place.in_block {
                self.report(Problem::InputInBlock { span }, place.frame);
                return Flow::Broken;
            }
            if let Some((_, first)) = self.input {
                self.report(Problem::SecondInput { first, second: span }, place.frame);
                return Flow::Broken;
            }
        }
        let mut sources = Vec::new();
        for input in if is_input { Vec::new() } else { inputs } {
            match input {
                Flow::Node(node) => sources.push(node),
                Flow::Broken => return Flow::Broken,
                Flow::Nothing => {
                    self.report(Problem::LayerBeforeInput { layer: entry.name.into(), span }, place.frame);
                    return Flow::Broken;
                }
            }
        }
        let name = place.names.layer(statement.label.as_ref().map(|label| label.text.as_str()), entry.name);
        let node = self.node(place, Node { name, layer, origin: self.origin(place, span), attributes }, &sources);
        if is_input && let Flow::Node(node) = node {
            self.input = Some((node, span));
        }
        node
    }

    /// Puts a layer into the graph, behind what it reads.
    pub(super) fn node(&mut self, place: &Place, node: Node, inputs: &[NodeIndex]) -> Flow {
        if self.graph.node_count() >= MOST_LAYERS {
            return self.stop(Problem::TooManyLayers { span: node.origin.span, limit: MOST_LAYERS }, place.frame);
        }
        let index = self.graph.add_node(node);
        for (port, input) in inputs.iter().enumerate() {
            self.graph.add_edge(*input, index, port);
        }
        Flow::Node(index)
    }

    /// The named inputs of `add` and `concat`; a single one is joined with the layer above.
    fn joined(&mut self, place: &Place, scopes: &Scopes<'a>, call: &'a Call, flow: Flow) -> Option<Vec<Flow>> {
        let values: Vec<&Expr> = match &call.arguments {
            Arguments::Words(words) => words.iter().collect(),
            Arguments::List(list) => list.iter().map(|argument| &argument.value).collect(),
        };
        let mut inputs = Vec::new();
        for value in &values {
            let ExprKind::Name(name) = &value.kind else {
                let problem = Problem::WrongType {
                    attribute: call.callee.text.clone(),
                    span: value.span,
                    form: "given the names of layers".into(),
                    found: "a value".into(),
                };
                self.report(problem, place.frame);
                return None;
            };
            inputs.push(self.named(place, scopes, &Name { text: name.clone(), span: value.span }));
        }
        match inputs.len() {
            0 => {
                let problem = Problem::MissingInputs { callee: call.callee.text.clone(), span: call.callee.span };
                self.report(problem, place.frame);
                None
            }
            1 => Some(vec![flow, *inputs.first()?]),
            _ => Some(inputs),
        }
    }
}
