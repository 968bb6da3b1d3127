//! `netc diff`: what differs between two networks, or in one under several profiles.

use super::output::Output;
use super::spec_arguments::SpecArguments;
use crate::experiment::Request;
use crate::inspect;
use crate::inspect::View;
use crate::inspect::diff::{Change, Difference, Part, compare};
use crate::text::spaced;
use clap::Args;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Layers that are named before the rest is counted.
const NAMED: usize = 4;
/// Lines of one section before the rest is counted.
const LINES: usize = 12;

/// Arguments of `netc diff`.
#[derive(Debug, Args)]
pub struct DiffArgs {
    /// The first spec.
    a: PathBuf,
    /// The second one; with `--profile` there is none
    #[arg(required_unless_present = "profiles", conflicts_with = "profiles")]
    b: Option<PathBuf>,
    /// Compare the first spec under these profiles with each other, or under one with its recipe as it is
    #[arg(long = "profile", value_name = "P,…", value_delimiter = ',')]
    profiles: Vec<String>,
    /// Print it as JSON
    #[arg(long)]
    json: bool,
    /// Exit with 1 when there is a difference
    #[arg(long)]
    exit_code: bool,
    #[command(flatten)]
    options: SpecArguments,
}

/// One of the networks to compare: what it is called, and how it is compiled.
struct Variant<'a> {
    title: String,
    spec: &'a Path,
    profile: Option<&'a str>,
}

/// Runs it.
pub fn run(args: &DiffArgs, output: &Output) -> ExitCode {
    let plain = |spec: &'_ PathBuf| spec.display().to_string();
    let mut variants = Vec::new();
    match &args.b {
        Some(b) => {
            variants.push(Variant { title: plain(&args.a), spec: &args.a, profile: None });
            variants.push(Variant { title: plain(b), spec: b, profile: None });
        }
        None => {
            if args.profiles.len() < 2 {
                variants.push(Variant { title: format!("{} as it is", plain(&args.a)), spec: &args.a, profile: None });
            }
            variants.extend(args.profiles.iter().map(|profile| Variant {
                title: format!("profile {profile}"),
                spec: &args.a,
                profile: Some(profile),
            }));
        }
    }
    let mut views = Vec::new();
    for variant in &variants {
        match view(variant, &args.options, !args.profiles.is_empty(), output) {
            Some(view) => views.push((variant, view)),
            None => return ExitCode::FAILURE,
        }
    }
    let Some(((first, a), others)) = views.split_first() else { return ExitCode::FAILURE };
    let differences: Vec<(&Variant<'_>, Difference)> =
        others.iter().map(|(variant, b)| (*variant, compare(a, b))).collect();
    if args.json {
        let list: Vec<_> = differences
            .iter()
            .map(|(variant, difference)| {
                json!({ "from": first.title, "to": variant.title, "same": difference.is_none(), "difference": difference })
            })
            .collect();
        output.json(&list);
    } else {
        let texts: Vec<String> =
            differences.iter().map(|(variant, difference)| text(&first.title, &variant.title, difference)).collect();
        output.result(&texts.join("\n\n"));
    }
    let differ = differences.iter().any(|(_, difference)| !difference.is_none());
    if differ && args.exit_code { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// Compiles one of them; what is wrong is told. Under a profile the recipe says nothing of what profiles cover, and what
/// the spec expects of its counts is left unproved: rounding may change them.
fn view(variant: &Variant<'_>, options: &SpecArguments, under_profiles: bool, output: &Output) -> Option<View> {
    let profile = variant.profile.map(|name| format!("profile={}", serde_json::Value::from(name)));
    let request = Request {
        bare: variant.profile.is_some(),
        no_expectations: under_profiles,
        ..options.request(profile.into_iter().collect())
    };
    match inspect::view(variant.spec, &request) {
        Ok((view, warnings)) => {
            // Twice the same spec has twice the same warnings.
            if !under_profiles {
                output.diagnostics(&warnings, &view.sources);
            }
            Some(view)
        }
        Err(failure) => {
            output.diagnostics(&failure.diagnostics, &failure.sources);
            None
        }
    }
}

fn text(from: &str, to: &str, difference: &Difference) -> String {
    let Difference { a, b, removed, added, changes } = difference;
    let mut lines = vec![format!("{from} -> {to}")];
    if difference.is_none() {
        lines.push(format!("  the same: {} layers, {} parameters", a.layers, spaced(a.params)));
        return lines.join("\n");
    }
    for (title, sign, parts) in [("layers gone", '-', removed), ("layers added", '+', added)] {
        if !parts.is_empty() {
            lines.push(String::new());
            lines.push(format!("{title}: {}", parts.len()));
            lines.extend(cut(runs(parts).into_iter().map(|run| format!("  {sign} {run}")).collect()));
        }
    }
    let mut sections: Vec<&str> = Vec::new();
    for change in changes {
        if !sections.contains(&change.section) {
            sections.push(change.section);
        }
    }
    for section in sections {
        lines.push(String::new());
        lines.push(section.to_string());
        lines.extend(cut(changes.iter().filter(|change| change.section == section).map(described).collect()));
    }
    lines.push(String::new());
    for (what, a, b) in [("parameters", a.params, b.params), ("multiply-adds", a.macs, b.macs)] {
        lines.push(if a == b {
            format!("{what}: {}, the same", spaced(a))
        } else {
            let sign = if b > a { '+' } else { '-' };
            format!("{what}: {} -> {} ({sign}{})", spaced(a), spaced(b), spaced(a.abs_diff(b)))
        });
    }
    lines.join("\n")
}

/// The first lines, and how many more there are.
fn cut(mut lines: Vec<String>) -> Vec<String> {
    if lines.len() > LINES {
        let more = lines.len() - LINES;
        lines.truncate(LINES);
        lines.push(format!("  … and {more} more (--json has all)"));
    }
    lines
}

/// One change, with the layers it is true for.
fn described(change: &Change) -> String {
    let Change { what, kind, from, to, meaning, layers, all, .. } = change;
    let subject = match (layers.as_slice(), kind.as_str()) {
        ([], _) => what.clone(),
        ([one], _) => format!("{what} of {one}"),
        (many, kind) if *all => format!("{what} of all {} {kind}", many.len()),
        (many, "") => format!("{what} of {}", many.len()),
        (many, kind) => format!("{what} of {} {kind}", many.len()),
    };
    let mut text = format!("  {subject}: {from} -> {to}");
    if layers.len() > 1 && !all {
        let named: Vec<&str> = layers.iter().take(NAMED).map(String::as_str).collect();
        let more = layers.len().saturating_sub(NAMED);
        let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
        text += &format!("\n      {}{rest}", named.join(", "));
    }
    if let Some(meaning) = meaning {
        text += &format!("\n      {meaning}");
    }
    text
}

/// Layers by the scope they stand in; scopes with the same layers on one line.
fn runs(parts: &[Part]) -> Vec<String> {
    let mut scopes: Vec<(Vec<&str>, Vec<&Part>)> = Vec::new();
    let scope = |part: &'_ Part| part.name.rfind('.').map_or(0, |dot| dot);
    for part in parts {
        let name = part.name.get(..scope(part)).unwrap_or_default();
        match scopes.last_mut() {
            Some((names, list)) if !name.is_empty() && names == &[name] => list.push(part),
            _ => scopes.push((vec![name], vec![part])),
        }
    }
    let mut lines: Vec<(Vec<&str>, Vec<&Part>)> = Vec::new();
    for (names, list) in scopes {
        let same = |other: &[&Part]| {
            other.len() == list.len() && other.iter().zip(&list).all(|(a, b)| a.text == b.text && a.output == b.output)
        };
        match lines.last_mut() {
            Some((above, other)) if !names.contains(&"") && !above.contains(&"") && same(other) => above.extend(names),
            _ => lines.push((names, list)),
        }
    }
    lines
        .into_iter()
        .map(|(names, list)| match list.as_slice() {
            [one] if names == [""] => format!("{} = {} -> {}", one.name, one.text, one.output),
            [one] if names.len() == 1 => format!("{} = {} -> {}", one.name, one.text, one.output),
            list => {
                let texts: Vec<&str> = list.iter().map(|part| part.text.as_str()).collect();
                let each = if names.len() > 1 { " each" } else { "" };
                let output = list.last().map_or("", |part| part.output.as_str());
                format!("{} ({} layers{each}): {} -> {output}", names.join(", "), list.len(), texts.join("; "))
            }
        })
        .collect()
}
