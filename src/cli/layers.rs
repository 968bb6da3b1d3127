//! `netc layers`: the reference of every layer and attribute.

use super::output::Output;
use crate::diagnostic::suggest::{list, nearest};
use crate::diagnostic::{Code, Diagnostic};
use crate::graph::catalog::{Attribute, Entry, Kind, LAYERS, find};
use crate::source::SourceMap;
use crate::syntax::foreign;
use clap::Args;
use serde_json::{Value, json};
use std::process::ExitCode;

/// Arguments of `netc layers`.
#[derive(Debug, Args)]
pub struct LayersArgs {
    /// The layers to tell of; all of them when none is named.
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    /// Print it as JSON.
    #[arg(long)]
    json: bool,
}

/// Runs it.
pub fn run(args: &LayersArgs, output: &Output) -> ExitCode {
    let (mut known, mut unknown) = (Vec::new(), Vec::new());
    for name in &args.names {
        match find(name) {
            Some(entry) => known.push(entry),
            None => unknown.push(answer(name)),
        }
    }
    if args.names.is_empty() {
        known.extend(LAYERS);
    }
    if args.json {
        output.json(&known.into_iter().map(value).collect::<Value>());
    } else if !known.is_empty() {
        let pages: Vec<String> = known.into_iter().map(page).collect();
        output.result(&pages.join("\n\n"));
    }
    output.diagnostics(&unknown, &SourceMap::new());
    if unknown.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What to say of a word that is no layer.
fn answer(name: &str) -> Diagnostic {
    if let Some(answer) = foreign::layer(name) {
        return Diagnostic::new(Code::ForeignWord, format!("`{name}` is not a word of netc")).help(answer);
    }
    let names = || LAYERS.iter().map(|entry| entry.name);
    let diagnostic = Diagnostic::new(Code::UnknownLayer, format!("there is no layer `{name}`"));
    match nearest(name, names()) {
        Some(meant) => diagnostic.help(format!("did you mean `{meant}`?")),
        None => diagnostic.help(format!("there are {}", list(names()))),
    }
}

/// How a layer is written: what must be given in capitals, what may be left out in brackets.
fn usage(entry: &Entry) -> String {
    if entry.joins.is_some() {
        return format!("{}(x, y, …)", entry.name);
    }
    let word = |attribute: &Attribute| match (attribute.default, attribute.kind) {
        (None, _) => attribute.name.to_uppercase(),
        (Some("false"), Kind::Flag) => format!("[{}]", attribute.name),
        (Some(_), Kind::Flag) => format!("[{} false]", attribute.name),
        (Some(_), Kind::Word(words)) => format!("[{}]", words.join("|")),
        (Some(_), _) => format!("[{} …]", attribute.name),
    };
    std::iter::once(entry.name.to_string()).chain(entry.attributes.iter().map(word)).collect::<Vec<_>>().join(" ")
}

/// One layer in full.
fn page(entry: &Entry) -> String {
    let mut lines = vec![usage(entry), format!("  {}", entry.meaning)];
    let rows: Vec<[String; 3]> = entry
        .attributes
        .iter()
        .map(|attribute| {
            let default = attribute.default.map_or("required".to_string(), |default| format!("default {default}"));
            [attribute.name.to_string(), format!("{}; {}", attribute.meaning, default), attribute.kind.form()]
        })
        .collect();
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let (first, second) = (width(0).unwrap_or(0), width(1).unwrap_or(0).min(60));
    for [name, meaning, form] in &rows {
        lines.push(format!("    {name:<first$}  {meaning:<second$}  {form}"));
    }
    lines.extend(example(entry.name).map(|example| format!("  example: {example}")));
    lines.join("\n")
}

fn value(entry: &Entry) -> Value {
    let attribute = |attribute: &Attribute| {
        json!({
            "name": attribute.name, "meaning": attribute.meaning, "form": attribute.kind.form(),
            "default": attribute.default, "positional": attribute.positional,
        })
    };
    json!({
        "name": entry.name, "usage": usage(entry), "meaning": entry.meaning,
        "attributes": entry.attributes.iter().map(attribute).collect::<Vec<_>>(), "example": example(entry.name),
    })
}

/// A line that could stand in a net.
pub fn example(layer: &str) -> Option<&'static str> {
    Some(match layer {
        "input" => "input 3x32x32",
        "conv" => "conv 32 3x3 stride 2 pad 1",
        "linear" => "linear 10",
        "bn" => "bn epsilon 1e-5 decay 0.9",
        "relu" => "relu",
        "tanh" => "tanh",
        "sigmoid" => "sigmoid",
        "max_pool" => "max_pool 3x3 stride 2 pad 1",
        "avg_pool" => "avg_pool 3x3 stride 2 pad 1 divisor image",
        "global_avg_pool" => "global_avg_pool",
        "lrn" => "lrn 5 alpha 0.0001 beta 0.75 k 2",
        "dropout" => "dropout 0.5",
        "flatten" => "flatten",
        "add" => "add(x, y)",
        "concat" => "concat(x, y)",
        "subsample" => "subsample 2",
        "pad_channels" => "pad_channels 32",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compile::{Options, compile_text};
    use std::path::Path;

    #[test]
    fn every_layer_has_an_example_that_works() {
        for entry in LAYERS {
            let example = example(entry.name).unwrap_or_else(|| panic!("{} has no example", entry.name));
            assert!(example.starts_with(entry.name), "{example}");
            let before = match entry.name {
                "input" => "",
                "linear" => "input 3x32x32; flatten;",
                _ => "input 3x32x32; x = conv 16 3x3 pad 1; y = relu;",
            };
            let text = format!("net test {{ {before} {example}; {} }}", if before.is_empty() { "relu" } else { "" });
            let compiled = compile_text(Path::new("test.net"), text, &Options::default());
            assert!(compiled.shaped.is_some(), "{example}: {:?}", compiled.diagnostics);
        }
    }

    #[test]
    fn words_of_others_are_answered() {
        assert_eq!(answer("Conv2d").code, Code::ForeignWord);
        assert_eq!(answer("maxpol").help, ["did you mean `max_pool`?"]);
        assert!(answer("attention").help[0].starts_with("there are `input`, `conv`"));
    }

    #[test]
    fn usage_shows_what_must_be_given() {
        assert_eq!(usage(find("linear").unwrap()), "linear WIDTH [bias false]");
        assert_eq!(usage(find("max_pool").unwrap()), "max_pool KERNEL [stride …] [pad …] [floor|ceil]");
        assert_eq!(usage(find("add").unwrap()), "add(x, y, …)");
    }
}
