//! `netc dump`: what a stage of the compiler made.

use super::compile::{self, Options};
use super::output::Output;
use crate::compile::Compilation;
use crate::diagnostic::has_errors;
use crate::engine::EngineError;
use crate::engine::native::{self, NativeEngine, Purpose};
use crate::graph::layer_graph::LayerGraph;
use crate::graph::shape::Shaped;
use crate::lower::print::Listing;
use crate::lower::program::Program;
use crate::train::runner::RunError;
use clap::{Args, ValueEnum};
use std::path::PathBuf;
use std::process::ExitCode;

/// A stage of the compiler.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Stage {
    /// The syntax trees of the spec and what it uses.
    Ast,
    /// The layers after unrolling, with what they read and where they came from.
    Graph,
    /// The layers with their output shapes and explicit padding.
    Shapes,
    /// What the engines run.
    Program,
    /// How the native engine runs it: steps and memory for training and evaluation.
    Plan,
}

/// Arguments of `netc dump`.
#[derive(Debug, Args)]
pub struct DumpArgs {
    /// The spec.
    spec: PathBuf,
    /// Which stage.
    #[arg(long, value_enum, default_value_t = Stage::Program)]
    stage: Stage,
    /// Print the program as JSON.
    #[arg(long)]
    json: bool,
    /// Images a batch, for the memory of `--stage plan`.
    #[arg(long, default_value_t = 128, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    batch: u32,
    #[command(flatten)]
    options: Options,
}

/// Runs it. A stage before the mistake can be looked at all the same.
pub fn run(args: &DumpArgs, output: &Output) -> ExitCode {
    let (compilation, ..) = compile::stages(&args.spec, &args.options.request(Vec::new()));
    output.diagnostics(&compilation.diagnostics, &compilation.sources);
    let text = match args.stage {
        Stage::Ast => compilation.spec.as_ref().map(|spec| format!("{:#?}", spec.files)),
        Stage::Graph => compilation.graph.as_ref().map(|graph| layers(graph, &compilation)),
        Stage::Shapes => compilation.shaped.as_ref().map(shapes),
        Stage::Program if args.json => {
            compilation.program.as_ref().inspect(|program| output.json(program)).map(|_| String::new())
        }
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
        Some(text) if !text.is_empty() => output.result(text.trim_end()),
        _ => {}
    }
    if has_errors(&compilation.diagnostics) { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn plan(program: Program, images: usize) -> Result<String, EngineError> {
    let engine = NativeEngine::new(program, native::Options::default())?;
    let part = |purpose| engine.describe(purpose, images);
    Ok(format!("training\n{}\n\nevaluation\n{}", part(Purpose::Train), part(Purpose::Evaluate)))
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
