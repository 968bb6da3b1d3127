//! `netc summary`: what a network costs, layer by layer.

use super::compile::{self, Options};
use super::output::{Output, spaced};
use crate::graph::summary::Summary;
use clap::Args;
use std::path::PathBuf;
use std::process::ExitCode;

/// Arguments of `netc summary`.
#[derive(Debug, Args)]
pub struct SummaryArgs {
    /// The spec.
    spec: PathBuf,
    #[command(flatten)]
    options: Options,
    /// Print it as JSON, with `params`, `macs`, `activation_bytes` and `layers`.
    #[arg(long)]
    json: bool,
}

/// Runs it.
pub fn run(args: &SummaryArgs, output: &Output) -> ExitCode {
    match compile::compile(&args.spec, &args.options.request(Vec::new())) {
        Ok(compiled) => {
            output.diagnostics(&compiled.warnings, &compiled.sources);
            if args.json {
                output.json(&compiled.summary);
            } else {
                output.result(&table(&compiled.summary));
            }
            ExitCode::SUCCESS
        }
        Err(failure) => {
            output.diagnostics(&failure.diagnostics, &failure.sources);
            ExitCode::FAILURE
        }
    }
}

/// The summary as a table.
pub fn table(summary: &Summary) -> String {
    const HEAD: [&str; 5] = ["layer", "output", "parameters", "multiply-adds", "activation bytes"];
    let mut rows = vec![HEAD.map(str::to_string)];
    for line in &summary.layers {
        let dims: Vec<String> = line.output.iter().map(usize::to_string).collect();
        let number = |value: u64| if value == 0 { String::from("-") } else { spaced(value) };
        rows.push([
            line.name.clone(),
            dims.join("x"),
            number(line.params),
            number(line.macs),
            spaced(line.activation_bytes),
        ]);
    }
    rows.push([
        "total".to_string(),
        String::new(),
        spaced(summary.params),
        spaced(summary.macs),
        spaced(summary.activation_bytes),
    ]);
    let widths: [usize; 5] = std::array::from_fn(|column| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    });
    let rule = "-".repeat(widths.iter().sum::<usize>() + 2 * (widths.len() - 1));
    let mut lines = vec![format!("{}: one image, forward; one multiply with one add counts as one", summary.net)];
    for (index, row) in rows.iter().enumerate() {
        if index == 1 || index + 1 == rows.len() {
            lines.push(rule.clone());
        }
        let cells: Vec<String> = row
            .iter()
            .zip(widths)
            .enumerate()
            .map(
                |(column, (cell, width))| {
                    if column < 2 { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
                },
            )
            .collect();
        lines.push(cells.join("  ").trim_end().to_string());
    }
    lines.join("\n")
}
