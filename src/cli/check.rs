//! `netc check`: everything that is wrong or doubtful about specs and their recipes.

use super::fix;
use super::output::Output;
use super::spec_arguments::SpecArguments;
use crate::check::levels::Levels;
use crate::check::registry;
use crate::compile::Compilation;
use crate::diagnostic::{Code, Diagnostic, Level, has_errors, render, sarif};
use crate::experiment::{self, Request};
use crate::graph::summary::{Summary, summarize};
use crate::source::SourceMap;
use crate::text::spaced;
use clap::error::ErrorKind;
use clap::{Args, ValueEnum};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Arguments of `netc check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Specs to check.
    #[arg(required = true, value_name = "SPEC")]
    specs: Vec<PathBuf>,
    #[command(flatten)]
    options: SpecArguments,
    /// How the messages are printed.
    #[arg(long, value_enum, default_value_t)]
    format: OutputFormat,
    /// Print the messages as a JSON array: short for `--format json`.
    #[arg(long, conflicts_with = "format")]
    json: bool,
    /// Says nothing of a lint, such as `N010` or `repeated-activation`, where the texts do not say otherwise.
    #[arg(long, value_name = "LINT", value_delimiter = ',', value_parser = lint)]
    allow: Vec<Code>,
    /// Makes a warning of a lint where the texts do not say otherwise, also under `--deny warnings`.
    #[arg(long, value_name = "LINT", value_delimiter = ',', value_parser = lint)]
    warn: Vec<Code>,
    /// Makes an error of a lint where the texts do not say otherwise, or with `warnings` of every warning.
    #[arg(long, value_name = "LINT", value_delimiter = ',', value_parser = denied)]
    deny: Vec<Denied>,
    /// Shows the safe fixes, makes them, and checks again.
    #[arg(long, conflicts_with = "json")]
    fix: bool,
    /// With `--fix`: makes also those that only their writer can judge.
    #[arg(long, requires = "fix")]
    unsafe_fixes: bool,
    /// With `--fix`: shows what would be changed, and changes nothing.
    #[arg(long, requires = "fix")]
    dry_run: bool,
}

/// How messages are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum OutputFormat {
    /// For a person, on stderr.
    #[default]
    Text,
    /// As a JSON array, on stdout.
    Json,
    /// As a SARIF 2.1.0 log, on stdout.
    Sarif,
}

/// What `--deny` takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Denied {
    Warnings,
    Lint(Code),
}

fn lint(text: &str) -> Result<Code, String> {
    Code::lint(text).map_err(|(message, meant)| match meant {
        Some(meant) => format!("{message}; did you mean `{meant}`?"),
        None => message,
    })
}

fn denied(text: &str) -> Result<Denied, String> {
    match text {
        "warnings" => Ok(Denied::Warnings),
        "warning" => Err("there is no lint `warning`; did you mean `warnings`?".to_string()),
        _ => lint(text).map(Denied::Lint),
    }
}

impl CheckArgs {
    fn request(&self) -> Request<'_> {
        let deny = self.deny.iter().filter_map(|denied| match denied {
            Denied::Lint(code) => Some(*code),
            Denied::Warnings => None,
        });
        let levels = Levels {
            allow: self.allow.clone(),
            warn: self.warn.clone(),
            deny: deny.collect(),
            deny_warnings: self.deny.contains(&Denied::Warnings),
        };
        Request { levels, ..self.options.request(Vec::new()) }
    }
}

/// Runs it.
pub fn run(args: &CheckArgs, output: &Output) -> ExitCode {
    let format = if args.json { OutputFormat::Json } else { args.format };
    let request = args.request();
    let mut failed = false;
    if args.fix {
        if format != OutputFormat::Text {
            let message = "`--fix` shows a diff, which has no place in this format\n";
            let _ = clap::Error::raw(ErrorKind::ArgumentConflict, message).print();
            return ExitCode::from(2);
        }
        let how = fix::How { unsafely: args.unsafe_fixes, dry_run: args.dry_run };
        for path in &args.specs {
            if let Err(diagnostic) = fix::fix(path, &request, how, output) {
                output.diagnostics(&[*diagnostic], &SourceMap::new());
                failed = true;
            }
        }
    }
    let mut checked = Vec::new();
    for path in &args.specs {
        let (Compilation { sources, diagnostics, shaped, .. }, ..) = experiment::stages(path, &request);
        failed |= has_errors(&diagnostics);
        if format == OutputFormat::Text {
            output.diagnostics(&diagnostics, &sources);
            match shaped {
                Some(shaped) if !has_errors(&diagnostics) => output.result(&clean(path, &summarize(&shaped))),
                _ => output.result(&broken(path, &diagnostics)),
            }
        }
        checked.push((diagnostics, sources));
    }
    let messages = || checked.iter().flat_map(|(found, sources)| found.iter().map(move |message| (message, sources)));
    match format {
        OutputFormat::Text => {}
        OutputFormat::Json => {
            output.json(&messages().map(|(message, sources)| render::json(message, sources)).collect::<Vec<_>>())
        }
        OutputFormat::Sarif => output.json(&sarif::log(messages(), registry::page)),
    }
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn clean(path: &Path, summary: &Summary) -> String {
    let layers = summary.layers.len().saturating_sub(1);
    format!(
        "{}: {} is sound: {layers} layers, {} parameters, {} multiply-adds an image",
        path.display(),
        summary.net,
        spaced(summary.params),
        spaced(summary.macs),
    )
}

fn broken(path: &Path, diagnostics: &[Diagnostic]) -> String {
    let errors = diagnostics.iter().filter(|diagnostic| diagnostic.level() == Level::Error).count();
    format!("{}: {errors} error{}", path.display(), if errors == 1 { "" } else { "s" })
}
