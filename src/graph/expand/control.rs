//! What has a body of its own: block calls, repeats and residuals.

use super::{Expander, Flow, MOST_STEPS, Place, Scopes};
use crate::graph::arguments::{self, Slot, bind};
use crate::graph::build;
use crate::graph::catalog::Kind;
use crate::graph::layer::Layer;
use crate::graph::layer_graph::Node;
use crate::graph::origin::{Frame, FrameKind};
use crate::graph::problem::Problem;
use crate::graph::value::{Environment, Value, evaluate};
use crate::source::Span;
use crate::syntax::ast::*;
use std::rc::Rc;

/// `repeat count as index { body }`.
pub(super) struct Repeat<'a> {
    pub(super) count: &'a Expr,
    pub(super) index: Option<&'a Name>,
    pub(super) body: &'a Body,
}

/// `residual { main } shortcut { shortcut }`.
pub(super) struct Paths<'a> {
    pub(super) main: &'a Body,
    pub(super) shortcut: Option<&'a Body>,
}

impl<'a> Expander<'a> {
    /// Carries out a block under its arguments.
    pub(super) fn block(
        &mut self,
        place: &Place,
        call: &'a Call,
        label: Option<&Name>,
        span: Span,
        flow: Flow,
    ) -> Flow {
        // An unknown callee was reported by `resolve`.
        let Some((name, block)) = self.blocks.get_key_value(call.callee.text.as_str()) else { return Flow::Broken };
        if self.calls.contains(name) {
            let problem = Problem::Recursion { name: name.to_string(), span: call.callee.span };
            return self.stop(problem, place.frame);
        }
        let Some(slots) = build::parameter_slots(block) else { return Flow::Broken };
        let mut problems = Vec::new();
        let bound = bind(call, &slots, &place.environment, &mut problems);
        for problem in problems {
            self.report(problem, place.frame);
        }
        let Some(bound) = bound else { return Flow::Broken };
        let given = |index: usize| bound.get(index).map(|(value, _)| value.clone());
        let Some(environment) = self.environment(block, &slots, given, place.frame) else { return Flow::Broken };
        let shown: Vec<String> = block
            .parameters
            .iter()
            .filter_map(|parameter| {
                Some(format!("{}: {}", parameter.name.text, environment.get(&parameter.name.text)?))
            })
            .collect();
        let kind = FrameKind::Block(format!("{name}({})", shown.join(", ")));
        let frame = self.frames.push(Frame { kind, span, parent: place.frame });
        let names = self.labelled(place, label).names;
        let inside = Place { environment: Rc::new(environment), names, frame: Some(frame), in_block: true };
        self.calls.push(name);
        let flow = self.body(&inside, &mut Vec::new(), &block.body, flow);
        self.calls.pop();
        flow
    }

    /// Carries out a body so many times, each pass in a frame of its own.
    pub(super) fn repeat(
        &mut self,
        place: &Place,
        scopes: &mut Scopes<'a>,
        Repeat { count, index, body }: Repeat<'a>,
        statement: &'a Statement,
        mut flow: Flow,
    ) -> Flow {
        let slot = Slot { name: "repeat".into(), kind: Kind::Count(0), positional: true, required: true };
        let value = evaluate(count, &place.environment);
        let passes = match value.and_then(|value| arguments::check(&slot, value, count.span)) {
            Ok(value) => arguments::count(&value).unwrap_or(0),
            Err(problem) => {
                self.report(problem, place.frame);
                return Flow::Broken;
            }
        };
        let names = statement.label.as_ref().map(|label| place.names.scope(&label.text));
        for pass in 0..passes {
            self.steps += 1;
            if self.stopped || self.steps > MOST_STEPS {
                return self.stop(Problem::TooMuchWork { span: statement.span }, place.frame);
            }
            let kind = FrameKind::Repeat { pass: pass + 1, of: passes };
            let frame = self.frames.push(Frame { kind, span: statement.span, parent: place.frame });
            let mut inside = Place { frame: Some(frame), ..place.clone() };
            if let Some(names) = &names {
                inside.names = names.scope(&pass.to_string());
            }
            if let Some(index) = index {
                let mut environment = Environment::clone(&place.environment);
                environment.insert(index.text.clone(), Value::Int(pass as i64));
                inside.environment = Rc::new(environment);
            }
            let reported = self.diagnostics.len();
            flow = self.body(&inside, scopes, body, flow);
            if self.diagnostics.len() > reported {
                // The next pass would report the same.
                return Flow::Broken;
            }
        }
        flow
    }

    /// Carries out both paths and adds them up.
    pub(super) fn residual(
        &mut self,
        place: &Place,
        scopes: &mut Scopes<'a>,
        Paths { main, shortcut }: Paths<'a>,
        statement: &'a Statement,
        flow: Flow,
    ) -> Flow {
        let inside = self.labelled(place, statement.label.as_ref());
        if flow == Flow::Nothing {
            let problem = Problem::LayerBeforeInput { layer: "residual".into(), span: statement.span };
            self.report(problem, place.frame);
            return Flow::Broken;
        }
        let reported = self.diagnostics.len();
        let main_flow = self.body(&inside, scopes, main, flow);
        if main_flow == flow && flow != Flow::Broken && self.diagnostics.len() == reported {
            self.report(Problem::EmptyMainPath { span: main.span }, place.frame);
            return Flow::Broken;
        }
        let shortcut_flow = match shortcut {
            Some(body) => {
                let place = Place { names: inside.names.scope("shortcut"), ..inside.clone() };
                self.body(&place, scopes, body, flow)
            }
            None => flow,
        };
        let (Flow::Node(main_node), Flow::Node(shortcut_node)) = (main_flow, shortcut_flow) else {
            return Flow::Broken;
        };
        let mut attributes = vec![("main", main.span)];
        attributes.extend(shortcut.map(|body| ("shortcut", body.span)));
        // Messages point at the word, not at all that stands in the braces.
        let keyword = Span { end: statement.span.start + "residual".len() as u32, ..statement.span };
        let node = Node {
            name: inside.names.layer(None, "add"),
            layer: Layer::Add,
            origin: self.origin(place, keyword),
            attributes,
        };
        self.node(place, node, &[main_node, shortcut_node])
    }
}
