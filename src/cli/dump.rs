//! `netc dump`: what a stage of the compiler made.

use super::output::Output;
use super::spec_arguments::SpecArguments;
use crate::compile::Compilation;
use crate::diagnostic::has_errors;
use crate::engine::EngineError;
use crate::engine::native::{self, NativeEngine, Purpose};
use crate::experiment;
use crate::graph::layer_graph::LayerGraph;
use crate::graph::origin::FrameKind;
use crate::graph::shape::Shaped;
use crate::lower::print::Listing;
use crate::lower::program::Program;
use crate::recipe::Recipe;
use crate::syntax::ast::File;
use crate::train::error::RunError;
use clap::{Args, ValueEnum};
use petgraph::graph::NodeIndex;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::ExitCode;

/// A stage of the compiler.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Stage {
    /// The syntax trees of the spec and what it uses.
    Ast,
    /// The layers after unrolling, with what they read and where they came from.
    Graph,
    /// The unrolled network as a spec, as `netc expand` prints it.
    Expanded,
    /// The layers with their output shapes and explicit padding.
    Shapes,
    /// What the engines run.
    Program,
    /// How the native engine runs it: steps and memory for training and evaluation.
    Plan,
    /// How it is trained: the recipe in force, every value written out.
    Recipe,
}

/// Arguments of `netc dump`.
#[derive(Debug, Args)]
pub struct DumpArgs {
    /// The spec.
    spec: PathBuf,
    /// Which stage.
    #[arg(long, value_enum, default_value_t = Stage::Program)]
    stage: Stage,
    /// Print it as JSON.
    #[arg(long)]
    json: bool,
    /// Images a batch, for the memory of `--stage plan`.
    #[arg(long, default_value_t = 128, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    batch: u32,
    #[command(flatten)]
    options: SpecArguments,
}

/// Runs it. A stage before the mistake can be looked at all the same.
pub fn run(args: &DumpArgs, output: &Output) -> ExitCode {
    let (compilation, resolved, _) = experiment::stages(&args.spec, &args.options.request(Vec::new()));
    output.diagnostics(&compilation.diagnostics, &compilation.sources);
    let recipe = resolved.map(|resolved| resolved.recipe);
    if args.json && matches!(args.stage, Stage::Ast | Stage::Graph | Stage::Shapes | Stage::Program | Stage::Recipe) {
        if let Some(value) = json(args.stage, &compilation, recipe.as_ref()) {
            output.json(&value);
        }
        return exit(&compilation);
    }
    let text = match args.stage {
        Stage::Recipe => recipe.as_ref().map(Recipe::to_yaml),
        Stage::Ast => compilation.spec.as_ref().map(|spec| format!("{:#?}", spec.files)),
        Stage::Graph => compilation.graph.as_ref().map(|graph| layers(graph, &compilation)),
        Stage::Expanded => compilation.expanded(&args.spec, &args.options.parameters),
        Stage::Shapes => compilation.shaped.as_ref().map(shapes),
        Stage::Plan => {
            match compilation.program.clone().map(|program| plan(program, args.batch as usize)).transpose() {
                Ok(text) => text,
                Err(error) => {
                    output.diagnostics(&[RunError::from(error).into()], &compilation.sources);
                    return ExitCode::FAILURE;
                }
            }
        }
        Stage::Program => compilation.program.as_ref().map(|program| Listing(program).to_string()),
    };
    match text {
        // These stages are texts; line by line is what a tool can use.
        Some(text) if args.json => output.json(&json!({ "lines": text.trim_end().lines().collect::<Vec<_>>() })),
        Some(text) => output.result(text.trim_end()),
        None => {}
    }
    exit(&compilation)
}

fn exit(compilation: &Compilation) -> ExitCode {
    if has_errors(&compilation.diagnostics) { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn plan(program: Program, images: usize) -> Result<String, EngineError> {
    let engine = NativeEngine::new(program, native::Options::default())?;
    let part = |purpose| engine.describe(purpose, images);
    Ok(format!("training\n{}\n\nevaluation\n{}", part(Purpose::Train), part(Purpose::Evaluate)))
}

/// A stage as JSON; `None` when the compiler did not get that far.
fn json(stage: Stage, compilation: &Compilation, recipe: Option<&Recipe>) -> Option<Value> {
    let sources = &compilation.sources;
    match stage {
        Stage::Ast => {
            let spec = compilation.spec.as_ref()?;
            let file = |file: &File| {
                let path = sources.file(file.id).map(|source| source.path.display().to_string());
                let mut tree = serde_json::to_value(file).unwrap_or_default();
                if let Value::Object(members) = &mut tree {
                    members.shift_insert(0, "path".to_string(), json!(path));
                }
                tree
            };
            Some(spec.files.iter().map(file).collect())
        }
        Stage::Graph => Some(network(compilation.graph.as_ref()?, None, compilation)),
        Stage::Shapes => {
            let shaped = compilation.shaped.as_ref()?;
            Some(network(&shaped.graph, Some(shaped), compilation))
        }
        Stage::Recipe => exact(recipe?),
        Stage::Expanded | Stage::Program | Stage::Plan => exact(compilation.program.as_ref()?),
    }
}

/// As JSON by way of text, where a 32-bit 0.9 is `0.9`.
fn exact(value: &impl serde::Serialize) -> Option<Value> {
    serde_json::from_str(&serde_json::to_string(value).ok()?).ok()
}

/// The layers with what they read and where they came from; with shapes and padding where they are known.
fn network(graph: &LayerGraph, shaped: Option<&Shaped>, compilation: &Compilation) -> Value {
    let name = |node: NodeIndex| graph.graph.node_weight(node).map(|node| node.name.as_str());
    let layer = |index: NodeIndex| {
        let node = graph.graph.node_weight(index)?;
        let inputs: Vec<_> = graph.inputs(index).into_iter().filter_map(name).collect();
        let frames = graph.frames.chain(node.origin.frame).into_iter().map(|(_, frame)| {
            let kind = match &frame.kind {
                FrameKind::Block(call) => json!({ "block": call }),
                FrameKind::Repeat { pass, of } => json!({ "repeat": pass, "of": of }),
            };
            json!({ "kind": kind, "at": compilation.sources.location(frame.span) })
        });
        let mut line = json!({
            "name": node.name,
            "attributes": node.layer,
            "inputs": inputs,
            "at": compilation.sources.location(node.origin.span),
            "frames": frames.collect::<Vec<_>>(),
        });
        if let (Some(shaped), Value::Object(members)) = (shaped, &mut line) {
            members.insert("output".to_string(), json!(shaped.shape(index)));
            if node.layer.window().is_some() {
                members.insert("padding".to_string(), json!(shaped.padding(index)));
            }
        }
        Some(line)
    };
    let layers: Vec<Value> = graph.graph.node_indices().filter_map(layer).collect();
    json!({ "net": graph.net, "input": name(graph.input), "output": name(graph.output), "layers": layers })
}

fn layers(graph: &LayerGraph, compilation: &Compilation) -> String {
    let mut lines = Vec::new();
    for index in graph.graph.node_indices() {
        let Some(node) = graph.graph.node_weight(index) else { continue };
        let inputs: Vec<&str> = graph
            .inputs(index)
            .into_iter()
            .filter_map(|input| graph.graph.node_weight(input).map(|node| node.name.as_str()))
            .collect();
        let place = compilation.sources.location(node.origin.span);
        lines.push(format!("{} = {:?} of ({})  # {place}", node.name, node.layer, inputs.join(", ")));
        if let Some(chain) = graph.frames.describe(node.origin.frame, &compilation.sources) {
            lines.extend(chain.lines().map(|line| format!("    # {line}")));
        }
    }
    lines.join("\n")
}

fn shapes(shaped: &Shaped) -> String {
    let graph = &shaped.graph.graph;
    let mut lines = Vec::new();
    for index in graph.node_indices() {
        let Some(node) = graph.node_weight(index) else { continue };
        let padding = match node.layer.window() {
            Some(_) => format!("  padding {}", shaped.padding(index)),
            None => String::new(),
        };
        lines.push(format!("{}: {} -> {}{padding}", node.name, node.layer.word(), shaped.shape(index)));
    }
    lines.join("\n")
}
