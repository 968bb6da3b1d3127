//! Unrolling: blocks, repeats and conditions become a flat graph of layers.
//!
//! Statements are carried out one after another, each at a `Place` and with a `Flow`:
//!
//! ```text
//! net x {                     Place  names ""         frame none  n = 2
//!   input 3x32x32             Flow   Nothing -> Node(0)
//!   s = repeat n { b(8) }     Place  names "s.0"      frame #0    (as it was)
//! }                           Place  names "s.0"      frame #1    w = 8
//! block b(w: int) {
//!   conv w 3x3                Flow   Node(0) -> Node(1), in the second pass Node(1) -> Node(2)
//! }                           Node   "s.0.conv1", its Origin: span of `conv w 3x3`, frame #1
//!
//! Frames  #0 repeat 1 of 2        <- parent -  #1 block b(w: 8)
//!         #2 repeat 2 of 2        <- parent -  #3 block b(w: 8)
//! ```
//!
//! The flow goes from statement to statement: what the next layer reads. The place goes from the outside in: what names
//! mean there, under which prefix layers are named, and the frame. A [`Frame`](super::origin::Frame) is one call or one
//! pass; they are kept in one list, each with the frame round it, so that a place and a node need only an index. A node
//! keeps where it came from as an [`Origin`]: the statement, which may be carried out often, and the frame, which tells
//! one time from the other. Messages read the frames back into "in block `b(w: 8)`, called at …".

use super::arguments::{self, Slot};
use super::build;
use super::catalog;
use super::conventions::Conventions;
use super::layer_graph::{Expected, LayerGraph, Node};
use super::naming::Names;
use super::net_parameters;
use super::origin::{FrameId, Frames, Origin};
use super::problem::Problem;
use super::resolve::Definitions;
use super::value::{self, Environment, Value, evaluate};
use crate::diagnostic::Diagnostic;
use crate::source::{SourceMap, Span};
use crate::syntax::ast::*;
use petgraph::graph::{DiGraph, NodeIndex};
use std::collections::HashMap;
use std::rc::Rc;

mod control;
mod expectations;
mod layers;

use control::{Paths, Repeat};

/// The most layers a network may unroll to.
pub const MOST_LAYERS: usize = 100_000;
/// The most statements that are carried out: bounds `repeat`s of nothing and blocks that double each other.
const MOST_STEPS: usize = 2_000_000;
/// The deepest nesting of bodies and block calls.
const DEEPEST: usize = 200;

/// Unrolls the net; `conventions` fill what layers leave open. `None` when something was wrong; every mistake is reported.
pub fn expand(
    definitions: &Definitions<'_>,
    net_parameters: &[String],
    conventions: &Conventions,
    sources: &SourceMap,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<LayerGraph> {
    let before = diagnostics.len();
    let mut expander = Expander {
        blocks: &definitions.blocks,
        conventions,
        sources,
        graph: DiGraph::new(),
        frames: Frames::default(),
        expected: Vec::new(),
        input: None,
        calls: Vec::new(),
        depth: 0,
        steps: 0,
        stopped: false,
        diagnostics,
    };
    let net = definitions.net;
    let environment = expander.net_environment(net, net_parameters)?;
    let place = Place { environment: Rc::new(environment), names: Names::new(""), frame: None, in_block: false };
    let flow = expander.body(&place, &mut Vec::new(), &net.body, Flow::Nothing);
    let (name, span) = (net.name.text.clone(), net.name.span);
    match (&expander.input, flow) {
        (None, Flow::Nothing) if expander.diagnostics.len() == before => {
            expander.report(Problem::NoInput { net: name.clone(), span }, None);
        }
        (Some((input, _)), Flow::Node(output)) if *input == output && expander.diagnostics.len() == before => {
            expander.report(Problem::NoLayers { net: name.clone(), span }, None);
        }
        _ => {}
    }
    let Expander { graph, frames, expected, input, diagnostics, .. } = expander;
    let (Some((input, _)), Flow::Node(output)) = (input, flow) else { return None };
    let broken = diagnostics.iter().skip(before).any(|d| d.level() == crate::diagnostic::Level::Error);
    (!broken).then_some(LayerGraph { net: name, span, graph, input, output, frames, expected })
}

/// What the next layer reads.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Flow {
    /// The input has not come yet.
    Nothing,
    /// This layer.
    Node(NodeIndex),
    /// Something that could not be built and was reported: what reads it is left out in silence.
    Broken,
}

/// Where statements are carried out.
#[derive(Clone)]
struct Place {
    /// What the parameters and indices are worth.
    environment: Rc<Environment>,
    /// Names the layers.
    names: Names,
    /// The innermost call or pass; none at the top of the net.
    frame: Option<FrameId>,
    /// Whether a block was called on the way here: it can have no `input`.
    in_block: bool,
}

/// Named layers, innermost scope last.
type Scopes<'a> = Vec<HashMap<&'a str, (Flow, Span)>>;

struct Expander<'a> {
    blocks: &'a HashMap<&'a str, &'a Definition>,
    conventions: &'a Conventions,
    sources: &'a SourceMap,
    graph: DiGraph<Node, usize>,
    frames: Frames,
    expected: Vec<Expected>,
    input: Option<(NodeIndex, Span)>,
    /// Blocks whose call led here.
    calls: Vec<&'a str>,
    depth: usize,
    steps: usize,
    stopped: bool,
    diagnostics: &'a mut Vec<Diagnostic>,
}

impl<'a> Expander<'a> {
    fn report(&mut self, problem: Problem, frame: Option<FrameId>) {
        let diagnostic = problem.diagnose();
        self.diagnostics.push(diagnostic.trace(self.frames.describe(frame, self.sources)));
    }

    /// Gives up: what follows could not be trusted to end.
    fn stop(&mut self, problem: Problem, frame: Option<FrameId>) -> Flow {
        if !self.stopped {
            self.stopped = true;
            self.report(problem, frame);
        }
        Flow::Broken
    }

    fn body(&mut self, place: &Place, scopes: &mut Scopes<'a>, body: &'a Body, mut flow: Flow) -> Flow {
        self.depth += 1;
        if self.depth > DEEPEST {
            self.depth -= 1;
            return self.stop(Problem::TooMuchWork { span: body.span }, place.frame);
        }
        scopes.push(HashMap::new());
        for statement in &body.statements {
            self.steps += 1;
            if self.steps > MOST_STEPS {
                self.stop(Problem::TooMuchWork { span: statement.span }, place.frame);
            }
            if self.stopped {
                flow = Flow::Broken;
                break;
            }
            flow = self.statement(place, scopes, statement, flow);
            if let Some(label) = &statement.label {
                self.name(place, scopes, label, flow);
            }
        }
        scopes.pop();
        self.depth -= 1;
        flow
    }

    fn name(&mut self, place: &Place, scopes: &mut Scopes<'a>, label: &'a Name, flow: Flow) {
        let Some(scope) = scopes.last_mut() else { return };
        if let Some((_, first)) = scope.insert(&label.text, (flow, label.span)) {
            let problem = Problem::DefinedTwice { what: "name", name: label.text.clone(), first, second: label.span };
            self.report(problem, place.frame);
        }
    }

    fn statement(&mut self, place: &Place, scopes: &mut Scopes<'a>, statement: &'a Statement, flow: Flow) -> Flow {
        let label = statement.label.as_ref();
        match &statement.kind {
            StatementKind::Call(call) => match catalog::find(&call.callee.text) {
                Some(entry) => self.layer(place, scopes, entry, call, statement, flow),
                None => self.block(place, call, label, statement.span, flow),
            },
            StatementKind::Repeat { count, index, body } => {
                let repeat = Repeat { count, index: index.as_ref(), body };
                self.repeat(place, scopes, repeat, statement, flow)
            }
            StatementKind::If { arms, otherwise } => {
                let place = self.labelled(place, label);
                for (condition, body) in arms {
                    match value::condition(condition, &place.environment) {
                        Ok(true) => return self.body(&place, scopes, body, flow),
                        Ok(false) => {}
                        Err(problem) => {
                            self.report(problem, place.frame);
                            return Flow::Broken;
                        }
                    }
                }
                otherwise.as_ref().map_or(flow, |body| self.body(&place, scopes, body, flow))
            }
            StatementKind::Residual { main, shortcut } => {
                let paths = Paths { main, shortcut: shortcut.as_ref() };
                self.residual(place, scopes, paths, statement, flow)
            }
            StatementKind::Sequence(body) => self.body(&self.labelled(place, label), scopes, body, flow),
            StatementKind::From(name) => self.named(place, scopes, name),
            StatementKind::Expect(facts) => {
                for fact in facts {
                    self.expect(place, fact, flow);
                }
                flow
            }
            // What lints are worth is decided at the end, by where their messages stand.
            StatementKind::Lint(_) => flow,
        }
    }

    /// A place whose names stand under the label, if there is one.
    fn labelled(&self, place: &Place, label: Option<&Name>) -> Place {
        match label {
            Some(label) => Place { names: place.names.scope(&label.text), ..place.clone() },
            None => place.clone(),
        }
    }

    fn named(&mut self, place: &Place, scopes: &Scopes<'a>, name: &Name) -> Flow {
        if let Some((flow, _)) = scopes.iter().rev().find_map(|scope| scope.get(name.text.as_str())) {
            return *flow;
        }
        let known = scopes.iter().flat_map(|scope| scope.keys()).map(|name| name.to_string()).collect();
        self.report(Problem::UnknownValue { name: name.text.clone(), span: name.span, known }, place.frame);
        Flow::Broken
    }

    /// Where what a statement makes comes from.
    fn origin(&self, place: &Place, span: Span) -> Origin {
        Origin { span, frame: place.frame }
    }

    /// Arguments and defaults of a definition; a default may read the parameters before it.
    fn environment(
        &mut self,
        definition: &'a Definition,
        slots: &[Slot],
        given: impl Fn(usize) -> Option<Value>,
        frame: Option<FrameId>,
    ) -> Option<Environment> {
        let mut environment = Environment::new();
        for (index, (parameter, slot)) in definition.parameters.iter().zip(slots).enumerate() {
            let value = match (given(index), &parameter.default) {
                (Some(value), _) => value,
                (None, Some(default)) => {
                    let value = evaluate(default, &environment);
                    match value.and_then(|value| arguments::check(slot, value, default.span)) {
                        Ok(value) => value,
                        Err(problem) => {
                            self.report(problem, frame);
                            return None;
                        }
                    }
                }
                // That it is missing was reported where the arguments were bound.
                (None, None) => return None,
            };
            environment.insert(parameter.name.text.clone(), value);
        }
        Some(environment)
    }

    /// The parameters of the net itself: from the command line, or their defaults.
    fn net_environment(&mut self, net: &'a Definition, given: &[String]) -> Option<Environment> {
        let slots = build::parameter_slots(net)?;
        match net_parameters::bind(net, &slots, given) {
            Ok(values) => self.environment(net, &slots, |index| values.get(index).cloned().flatten(), None),
            Err(problems) => {
                for problem in problems {
                    self.report(problem, None);
                }
                None
            }
        }
    }
}
