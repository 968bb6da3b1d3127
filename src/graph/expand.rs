//! Unrolling: blocks, repeats and conditions become a flat graph of layers.

use super::arguments::{self, Slot, bind};
use super::build;
use super::catalog::{self, Entry, Kind};
use super::conventions::Conventions;
use super::layer::Layer;
use super::layer_graph::{Expected, Fact, LayerGraph, Node};
use super::naming::Names;
use super::origin::{Frame, FrameId, FrameKind, Frames, Origin};
use super::problem::Problem;
use super::resolve::Definitions;
use super::value::{Environment, Value, evaluate, truth};
use crate::diagnostic::Diagnostic;
use crate::source::{SourceMap, Span};
use crate::syntax::ast::*;
use petgraph::graph::{DiGraph, NodeIndex};
use std::collections::HashMap;
use std::rc::Rc;

/// The most layers a network may unroll to.
pub const MOST_LAYERS: usize = 100_000;
/// The most statements that are carried out: bounds `repeat`s of nothing and blocks that double each other.
const MOST_STEPS: usize = 2_000_000;
/// The deepest nesting of bodies and block calls.
const DEEPEST: usize = 200;

/// Unrolls the net; `conventions` fill what layers leave open. `None` when something was wrong; every mistake is told.
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
            expander.tell(Problem::NoInput { net: name.clone(), span }, None);
        }
        (Some((input, _)), Flow::Node(output)) if *input == output && expander.diagnostics.len() == before => {
            expander.tell(Problem::NoLayers { net: name.clone(), span }, None);
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
    /// Something that could not be built and was told: what reads it is left out in silence.
    Broken,
}

/// Where statements are carried out.
#[derive(Clone)]
struct Place {
    environment: Rc<Environment>,
    names: Names,
    frame: Option<FrameId>,
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
    fn tell(&mut self, problem: Problem, frame: Option<FrameId>) {
        let diagnostic = problem.diagnose();
        self.diagnostics.push(match self.frames.describe(frame, self.sources) {
            Some(chain) => diagnostic.note(chain),
            None => diagnostic,
        });
    }

    /// Gives up: what follows could not be trusted to end.
    fn stop(&mut self, problem: Problem, frame: Option<FrameId>) -> Flow {
        if !self.stopped {
            self.stopped = true;
            self.tell(problem, frame);
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
            self.tell(problem, place.frame);
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
                self.repeat(place, scopes, (count, index.as_ref(), body), statement, flow)
            }
            StatementKind::If { arms, otherwise } => {
                let place = self.labelled(place, label);
                for (condition, body) in arms {
                    match truth(condition, &place.environment) {
                        Ok(true) => return self.body(&place, scopes, body, flow),
                        Ok(false) => {}
                        Err(problem) => {
                            self.tell(problem, place.frame);
                            return Flow::Broken;
                        }
                    }
                }
                otherwise.as_ref().map_or(flow, |body| self.body(&place, scopes, body, flow))
            }
            StatementKind::Residual { main, shortcut } => {
                self.residual(place, scopes, (main, shortcut.as_ref()), statement, flow)
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
        self.tell(Problem::UnknownValue { name: name.text.clone(), span: name.span, known }, place.frame);
        Flow::Broken
    }

    fn layer(
        &mut self,
        place: &Place,
        scopes: &Scopes<'a>,
        entry: &'static Entry,
        call: &'a Call,
        statement: &'a Statement,
        flow: Flow,
    ) -> Flow {
        let (layer, inputs, attributes) = if entry.joins {
            let Some(inputs) = self.joined(place, scopes, call, flow) else { return Flow::Broken };
            (if entry.name == "add" { Layer::Add } else { Layer::Concat }, inputs, Vec::new())
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
                self.tell(problem, place.frame);
            }
            let (Some(layer), Some(bound)) = (layer, bound) else {
                // A bad input was told; the net has one all the same, and what follows is not checked.
                return Flow::Broken;
            };
            (layer, vec![flow], build::spans(entry, &bound))
        };
        let span = statement.span;
        let is_input = matches!(layer, Layer::Input { .. });
        if is_input {
            if place.in_block {
                self.tell(Problem::InputInBlock { span }, place.frame);
                return Flow::Broken;
            }
            if let Some((_, first)) = self.input {
                self.tell(Problem::SecondInput { first, second: span }, place.frame);
                return Flow::Broken;
            }
        }
        let mut sources = Vec::new();
        for input in if is_input { Vec::new() } else { inputs } {
            match input {
                Flow::Node(node) => sources.push(node),
                Flow::Broken => return Flow::Broken,
                Flow::Nothing => {
                    self.tell(Problem::LayerBeforeInput { layer: entry.name.into(), span }, place.frame);
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

    fn origin(&self, place: &Place, span: Span) -> Origin {
        Origin { span, frame: place.frame }
    }

    fn node(&mut self, place: &Place, node: Node, inputs: &[NodeIndex]) -> Flow {
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
                self.tell(problem, place.frame);
                return None;
            };
            inputs.push(self.named(place, scopes, &Name { text: name.clone(), span: value.span }));
        }
        match inputs.len() {
            0 => {
                let problem = Problem::MissingInputs { callee: call.callee.text.clone(), span: call.callee.span };
                self.tell(problem, place.frame);
                None
            }
            1 => Some(vec![flow, *inputs.first()?]),
            _ => Some(inputs),
        }
    }

    fn block(&mut self, place: &Place, call: &'a Call, label: Option<&Name>, span: Span, flow: Flow) -> Flow {
        // An unknown callee was told by `resolve`.
        let Some((name, block)) = self.blocks.get_key_value(call.callee.text.as_str()) else { return Flow::Broken };
        if self.calls.contains(name) {
            let problem = Problem::Recursion { name: name.to_string(), span: call.callee.span };
            return self.stop(problem, place.frame);
        }
        let Some(slots) = parameter_slots(block) else { return Flow::Broken };
        let mut problems = Vec::new();
        let bound = bind(call, &slots, &place.environment, &mut problems);
        for problem in problems {
            self.tell(problem, place.frame);
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
                            self.tell(problem, frame);
                            return None;
                        }
                    }
                }
                // `bind` told that it is missing.
                (None, None) => return None,
            };
            environment.insert(parameter.name.text.clone(), value);
        }
        Some(environment)
    }

    /// The parameters of the net itself: from the command line, or their defaults.
    fn net_environment(&mut self, net: &'a Definition, given: &[String]) -> Option<Environment> {
        let slots = parameter_slots(net)?;
        let mut values: Vec<Option<Value>> = vec![None; slots.len()];
        let mut fine = true;
        for given in given {
            let Some((name, text)) = given.split_once('=').map(|(name, text)| (name.trim(), text.trim())) else {
                let reason = "it is written `-p name=value`".to_string();
                self.tell(Problem::CommandLineParameter { text: given.clone(), reason }, None);
                fine = false;
                continue;
            };
            let Some((index, slot)) = slots.iter().enumerate().find(|(_, slot)| slot.name == name) else {
                let known = slots.iter().map(|slot| slot.name.clone()).collect();
                let problem =
                    Problem::UnknownNetParameter { name: name.to_string(), net: net.name.text.clone(), known };
                self.tell(problem, None);
                fine = false;
                continue;
            };
            let checked = from_text(text).map(|value| arguments::check(slot, value, net.name.span));
            match checked {
                Some(Ok(value)) => {
                    if let Some(place) = values.get_mut(index) {
                        *place = Some(value);
                    }
                }
                _ => {
                    let reason = format!("`{name}` is {}", slot.kind.form());
                    self.tell(Problem::CommandLineParameter { text: given.clone(), reason }, None);
                    fine = false;
                }
            }
        }
        for (index, (slot, parameter)) in slots.iter().zip(&net.parameters).enumerate() {
            if parameter.default.is_none() && values.get(index).is_some_and(Option::is_none) {
                let problem = Problem::MissingArgument {
                    callee: net.name.text.clone(),
                    span: parameter.name.span,
                    attribute: slot.name.clone(),
                    form: format!(
                        "{}: give it a default, or `-p {}=…` on the command line",
                        slot.kind.form(),
                        slot.name
                    ),
                };
                self.tell(problem, None);
                fine = false;
            }
        }
        if !fine {
            return None;
        }
        self.environment(net, &slots, |index| values.get(index).cloned().flatten(), None)
    }

    fn repeat(
        &mut self,
        place: &Place,
        scopes: &mut Scopes<'a>,
        (count, index, body): (&'a Expr, Option<&'a Name>, &'a Body),
        statement: &'a Statement,
        mut flow: Flow,
    ) -> Flow {
        let slot = Slot { name: "repeat".into(), kind: Kind::Count(0), positional: true, required: true };
        let value = evaluate(count, &place.environment);
        let passes = match value.and_then(|value| arguments::check(&slot, value, count.span)) {
            Ok(value) => arguments::count(&value).unwrap_or(0),
            Err(problem) => {
                self.tell(problem, place.frame);
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
            let told = self.diagnostics.len();
            flow = self.body(&inside, scopes, body, flow);
            if self.diagnostics.len() > told {
                // The next pass would tell the same.
                return Flow::Broken;
            }
        }
        flow
    }

    fn residual(
        &mut self,
        place: &Place,
        scopes: &mut Scopes<'a>,
        (main, shortcut): (&'a Body, Option<&'a Body>),
        statement: &'a Statement,
        flow: Flow,
    ) -> Flow {
        let inside = self.labelled(place, statement.label.as_ref());
        if flow == Flow::Nothing {
            let problem = Problem::LayerBeforeInput { layer: "residual".into(), span: statement.span };
            self.tell(problem, place.frame);
            return Flow::Broken;
        }
        let told = self.diagnostics.len();
        let main_flow = self.body(&inside, scopes, main, flow);
        if main_flow == flow && flow != Flow::Broken && self.diagnostics.len() == told {
            self.tell(Problem::EmptyMainPath { span: main.span }, place.frame);
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

    fn expect(&mut self, place: &Place, fact: &'a Expectation, flow: Flow) {
        let (subject, span) = (fact.subject.text.as_str(), fact.subject.span.to(fact.value.span));
        let kind = match subject {
            "params" | "macs" | "layers" => Kind::Int,
            "shape" => Kind::Shape,
            _ => {
                let problem = Problem::UnknownFact { name: subject.to_string(), span: fact.subject.span };
                return self.tell(problem, place.frame);
            }
        };
        let slot = Slot { name: subject.to_string(), kind, positional: true, required: true };
        let value = evaluate(&fact.value, &place.environment);
        let value = match value.and_then(|value| arguments::check(&slot, value, fact.value.span)) {
            Ok(value) => value,
            Err(problem) => return self.tell(problem, place.frame),
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

/// The slots of a definition's parameters; `None` when a type is unknown, which `resolve` told.
fn parameter_slots(definition: &Definition) -> Option<Vec<Slot>> {
    let slot = |parameter: &Parameter| {
        Some(Slot {
            name: parameter.name.text.clone(),
            kind: build::kind_of_type(&parameter.kind.text)?,
            positional: true,
            required: parameter.default.is_none(),
        })
    };
    definition.parameters.iter().map(slot).collect()
}

/// A value from the command line.
fn from_text(text: &str) -> Option<Value> {
    if let Ok(number) = text.replace('_', "").parse::<i64>() {
        return Some(Value::Int(number));
    }
    match text {
        "true" => return Some(Value::Bool(true)),
        "false" => return Some(Value::Bool(false)),
        _ => {}
    }
    if let Some(parts) = text.split('x').map(|part| part.parse().ok()).collect::<Option<Vec<usize>>>() {
        return Some(Value::Size(parts));
    }
    text.parse::<f64>().ok().filter(|number| number.is_finite()).map(Value::Real)
}
