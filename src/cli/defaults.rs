//! `netc defaults`: every value in force, and who said it.

use super::output::Output;
use super::spec_arguments::SpecArguments;
use crate::inspect;
use crate::inspect::View;
use crate::inspect::values::{Row, Source, rows};
use clap::Args;
use serde_json::json;
use std::path::PathBuf;
use std::process::ExitCode;

/// Arguments of `netc defaults`.
#[derive(Debug, Args)]
pub struct DefaultsArgs {
    /// The spec.
    spec: PathBuf,
    /// Fill what the recipe leaves open with this profile, as `--set profile=P`
    #[arg(long, value_name = "P")]
    profile: Option<String>,
    /// Keys of the recipe too that change nothing for this network
    #[arg(long)]
    all: bool,
    /// Print it as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    options: SpecArguments,
}

/// Runs it.
pub fn run(args: &DefaultsArgs, output: &Output) -> ExitCode {
    let profile = args.profile.iter().map(|name| format!("profile={}", serde_json::Value::from(name.as_str())));
    match inspect::view(&args.spec, &args.options.request(profile.collect())) {
        Ok((view, warnings)) => {
            output.diagnostics(&warnings, &view.sources);
            let rows = rows(&view, args.all);
            if args.json {
                output.json(&json!({ "net": view.shaped.graph.net, "profile": profile_of(&view), "values": rows }));
            } else {
                output.result(&table(&view, &rows));
            }
            ExitCode::SUCCESS
        }
        Err(failure) => {
            output.diagnostics(&failure.diagnostics, &failure.sources);
            ExitCode::FAILURE
        }
    }
}

fn profile_of(view: &View) -> Option<&str> {
    view.origins.profile.as_ref().map(|(name, _)| name.as_str())
}

/// The rows in columns, under a title for each section.
fn table(view: &View, rows: &[Row]) -> String {
    let cells: Vec<[String; 3]> = rows
        .iter()
        .map(|row| {
            [what(row), value(row), row.from.iter().map(|from| source(from, row)).collect::<Vec<_>>().join(", ")]
        })
        .collect();
    let width = |column: usize| {
        cells.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let (first, second) = (width(0), width(1));
    let profile = profile_of(view).map_or_else(String::new, |name| format!(", profile {name}"));
    let mut lines = vec![format!("{}: every value in force{profile}", view.shaped.graph.net)];
    let mut section = "";
    for (row, [what, value, from]) in rows.iter().zip(&cells) {
        if row.section != section {
            section = &row.section;
            lines.push(String::new());
            lines.push(section.to_string());
        }
        lines.push(format!("  {what:<first$}  {value:<second$}  {from}").trim_end().to_string());
    }
    lines.join("\n")
}

fn what(row: &Row) -> String {
    match (row.section.as_str(), row.layers.as_slice()) {
        ("layers", [one]) if row.of > 1 => format!("{}  {one}", row.what),
        ("layers", layers) if row.of > 1 => format!("{}  {} of {}", row.what, layers.len(), row.of),
        _ => row.what.clone(),
    }
}

fn value(row: &Row) -> String {
    match &row.meaning {
        Some(meaning) => format!("{} ({meaning})", row.value),
        None => row.value.clone(),
    }
}

/// Where it was said; and for how many layers, where others have it from elsewhere.
fn source(from: &Source, row: &Row) -> String {
    if row.from.len() > 1 && !row.layers.is_empty() && row.section == "layers" {
        format!("{} ({})", from.at, from.layers)
    } else {
        from.at.clone()
    }
}
