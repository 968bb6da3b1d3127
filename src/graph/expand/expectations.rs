//! `expect`: what the spec states about itself, kept for the check that proves it.

use super::{Expander, Flow, Place};
use crate::graph::arguments::{self, Slot};
use crate::graph::catalog::Kind;
use crate::graph::layer_graph::{Expected, Fact};
use crate::graph::problem::Problem;
use crate::graph::value::{Value, evaluate};
use crate::syntax::ast::Expectation;

impl<'a> Expander<'a> {
    /// Keeps one stated fact; a shape is one of what the statements above gave.
    pub(super) fn expect(&mut self, place: &Place, fact: &'a Expectation, flow: Flow) {
        let (subject, span) = (fact.subject.text.as_str(), fact.subject.span.to(fact.value.span));
        let kind = match subject {
            "params" | "macs" | "layers" => Kind::Int,
            "shape" => Kind::Shape,
            _ => {
                let problem = Problem::UnknownFact { name: subject.to_string(), span: fact.subject.span };
                return self.report(problem, place.frame);
            }
        };
        let slot = Slot { name: subject.to_string(), kind, positional: true, required: true };
        let value = evaluate(&fact.value, &place.environment);
        let value = match value.and_then(|value| arguments::check(&slot, value, fact.value.span)) {
            Ok(value) => value,
            Err(problem) => return self.report(problem, place.frame),
        };
        let number = if let Value::Int(number) = value { u64::try_from(number).unwrap_or(0) } else { 0 };
        let fact = match subject {
            "params" => Fact::Parameters(number),
            "macs" => Fact::MultiplyAdds(number),
            "layers" => Fact::Layers(number),
            _ => match (flow, arguments::shape(&value)) {
                (Flow::Node(node), Some(shape)) => Fact::Shape(node, shape),
                _ => return,
            },
        };
        self.expected.push(Expected { fact, span, origin: self.origin(place, span) });
    }
}
