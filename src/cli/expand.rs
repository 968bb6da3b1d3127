//! `netc expand`: a spec with its blocks, repeats and conditions unrolled.

use super::output::Output;
use super::spec_arguments::SpecArguments;
use crate::diagnostic::has_errors;
use crate::experiment;
use clap::Args;
use std::path::PathBuf;
use std::process::ExitCode;

/// Arguments of `netc expand`.
#[derive(Debug, Args)]
pub struct ExpandArgs {
    /// The spec.
    spec: PathBuf,
    #[command(flatten)]
    options: SpecArguments,
}

/// Runs it.
pub fn run(args: &ExpandArgs, output: &Output) -> ExitCode {
    let (compilation, ..) = experiment::stages(&args.spec, &args.options.request(Vec::new()));
    output.diagnostics(&compilation.diagnostics, &compilation.sources);
    if let Some(text) = compilation.expanded(&args.spec, &args.options.parameters) {
        output.result(text.trim_end());
    }
    if has_errors(&compilation.diagnostics) { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
