//! `netc summary`: what a network costs, layer by layer.

use super::output::Output;
use super::spec_arguments::SpecArguments;
use crate::experiment::Experiment;
use crate::graph::summary::Summary;
use crate::text::spaced;
use clap::Args;
use serde::Serialize;
use std::num::NonZeroU64;
use std::path::PathBuf;
use std::process::ExitCode;

/// Arguments of `netc summary`.
#[derive(Debug, Args)]
pub struct SummaryArgs {
    /// The spec.
    spec: PathBuf,
    #[command(flatten)]
    options: SpecArguments,
    /// Images at a time, for the memory; the recipe's when not given.
    #[arg(long, value_name = "N")]
    batch: Option<NonZeroU64>,
    /// Print it as JSON, with `params`, `macs`, `activation_bytes`, `train_bytes`, `eval_bytes` and `layers`.
    #[arg(long)]
    json: bool,
}

/// Runs it.
pub fn run(args: &SummaryArgs, output: &Output) -> ExitCode {
    match Experiment::compile(&args.spec, &args.options.request(Vec::new())) {
        Ok(compiled) => {
            output.diagnostics(&compiled.warnings, &compiled.sources);
            let batch = args.batch.map_or(compiled.recipe.batch as u64, NonZeroU64::get);
            let summary = &compiled.summary();
            if args.json {
                let (train_bytes, eval_bytes) = (summary.train_bytes(batch), summary.eval_bytes(batch));
                output.json(&WithMemory { summary, batch, train_bytes, eval_bytes });
            } else {
                output.result(&format!("{}\n{}", table(summary), memory(summary, batch)));
            }
            ExitCode::SUCCESS
        }
        Err(failure) => {
            output.diagnostics(&failure.diagnostics, &failure.sources);
            ExitCode::FAILURE
        }
    }
}

/// What is printed as JSON.
#[derive(Serialize)]
struct WithMemory<'a> {
    #[serde(flatten)]
    summary: &'a Summary,
    batch: u64,
    train_bytes: u64,
    eval_bytes: u64,
}

/// The memory at a batch size, in words.
pub fn memory(summary: &Summary, batch: u64) -> String {
    format!(
        "memory with {} image{} at a time: {} to train, {} to evaluate",
        spaced(batch),
        if batch == 1 { "" } else { "s" },
        bytes(summary.train_bytes(batch)),
        bytes(summary.eval_bytes(batch)),
    )
}

/// Bytes in the unit that leaves one to four digits before the point.
fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    let mut size = bytes as f64 / 1024.0;
    let mut units = UNITS.iter();
    let mut unit = units.next().unwrap_or(&"KiB");
    while size >= 1024.0
        && let Some(next) = units.next()
    {
        (size, unit) = (size / 1024.0, next);
    }
    format!("{size:.1} {unit}")
}

/// The summary as a table.
pub fn table(summary: &Summary) -> String {
    const HEAD: [&str; 6] = ["layer", "output", "field", "parameters", "multiply-adds", "activation bytes"];
    let mut rows = vec![HEAD.map(str::to_string)];
    for line in &summary.layers {
        let dims: Vec<String> = line.output.iter().map(usize::to_string).collect();
        let number = |value: u64| if value == 0 { String::from("-") } else { spaced(value) };
        rows.push([
            line.name.clone(),
            dims.join("x"),
            line.receptive_field.to_string(),
            number(line.params),
            number(line.macs),
            spaced(line.activation_bytes),
        ]);
    }
    rows.push([
        "total".to_string(),
        String::new(),
        String::new(),
        spaced(summary.params),
        spaced(summary.macs),
        spaced(summary.activation_bytes),
    ]);
    let widths: [usize; 6] = std::array::from_fn(|column| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    });
    let rule = "-".repeat(widths.iter().sum::<usize>() + 2 * (widths.len() - 1));
    let mut lines = vec![
        format!("{}: one image, forward; one multiply with one add counts as one", summary.net),
        "field: the pixels that an output can see, and /n where neighbours lie n pixels apart".to_string(),
    ];
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
                    if column < 3 { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
                },
            )
            .collect();
        lines.push(cells.join("  ").trim_end().to_string());
    }
    lines.join("\n")
}
