//! `netc expand`: a spec with its blocks, repeats and conditions unrolled.

use super::compile::{self, Options};
use super::output::Output;
use crate::compile::Compilation;
use crate::diagnostic::has_errors;
use crate::graph::flat::flat;
use crate::syntax::ast::Item;
use clap::Args;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Arguments of `netc expand`.
#[derive(Debug, Args)]
pub struct ExpandArgs {
    /// The spec.
    spec: PathBuf,
    #[command(flatten)]
    options: Options,
}

/// Runs it.
pub fn run(args: &ExpandArgs, output: &Output) -> ExitCode {
    let (compilation, ..) = compile::stages(&args.spec, &args.options.request(Vec::new()));
    output.diagnostics(&compilation.diagnostics, &compilation.sources);
    if let Some(text) = text(&args.spec, &args.options.parameters, &compilation) {
        output.result(text.trim_end());
    }
    if has_errors(&compilation.diagnostics) { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// The flat spec, as soon as every shape is known.
pub fn text(spec: &Path, parameters: &[String], compilation: &Compilation) -> Option<String> {
    let shaped = compilation.shaped.as_ref()?;
    let given: Vec<String> = parameters.iter().map(|parameter| format!(" -p {parameter}")).collect();
    let title = format!("Unrolled from {}{}.", spec.display(), given.concat());
    let root = compilation.spec.as_ref().and_then(|spec| spec.root());
    let recipe = root.and_then(|root| {
        root.items
            .iter()
            .find_map(|item| if let Item::Recipe(recipe) = item { Some(recipe.path.as_str()) } else { None })
    });
    Some(flat(shaped, &title, recipe))
}
