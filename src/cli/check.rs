//! `netc check`: everything that is wrong or doubtful about specs and their recipes.

use super::compile::{self, Options};
use super::output::Output;
use crate::compile::Compilation;
use crate::diagnostic::{has_errors, render};
use crate::graph::summary::{Summary, summarize};
use clap::Args;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Arguments of `netc check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Specs to check.
    #[arg(required = true, value_name = "SPEC")]
    specs: Vec<PathBuf>,
    #[command(flatten)]
    options: Options,
    /// Print the messages as a JSON array.
    #[arg(long)]
    json: bool,
}

/// Runs it.
pub fn run(args: &CheckArgs, output: &Output) -> ExitCode {
    let mut failed = false;
    let mut messages = Vec::new();
    for path in &args.specs {
        let (Compilation { sources, diagnostics, shaped, .. }, ..) =
            compile::stages(path, &args.options.request(Vec::new()));
        failed |= has_errors(&diagnostics);
        if args.json {
            messages.extend(diagnostics.iter().map(|diagnostic| render::json(diagnostic, &sources)));
            continue;
        }
        output.diagnostics(&diagnostics, &sources);
        match shaped {
            Some(shaped) if !has_errors(&diagnostics) => output.result(&clean(path, &summarize(&shaped))),
            _ => {
                let errors = diagnostics.iter().filter(|d| has_errors(std::slice::from_ref(d))).count();
                output.result(&format!("{}: {errors} error{}", path.display(), if errors == 1 { "" } else { "s" }));
            }
        }
    }
    if args.json {
        output.json(&serde_json::Value::Array(messages));
    }
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn clean(path: &Path, summary: &Summary) -> String {
    let layers = summary.layers.len().saturating_sub(1);
    format!(
        "{}: {} is sound: {layers} layers, {} parameters, {} multiply-adds an image",
        path.display(),
        summary.net,
        super::output::spaced(summary.params),
        super::output::spaced(summary.macs),
    )
}
