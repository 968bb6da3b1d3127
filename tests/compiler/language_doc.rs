//! `docs/language.md` tells the truth: its examples compile, its mistakes give the codes and messages it shows, and its
//! tables are those of the source. `scripts/bless.sh` writes the tables anew.

use netc::internals::compile::{Options, compile_text};
use netc::internals::diagnostic::{Code, Level, render::render_all};
use netc::internals::graph::catalog::LAYERS;
use std::path::Path;

const PAGE: &str = "docs/language.md";

/// Code blocks: what stands behind the fence, and the text.
fn blocks(page: &str) -> Vec<(String, String)> {
    let mut blocks = Vec::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        if let Some(kind) = line.strip_prefix("```") {
            let text: Vec<&str> = lines.by_ref().take_while(|line| !line.starts_with("```")).collect();
            blocks.push((kind.to_string(), text.join("\n")));
        }
    }
    blocks
}

fn compile(text: &str) -> (Vec<&'static str>, String) {
    let compiled = compile_text(Path::new("example.net"), text.to_string(), &Options::default());
    let codes = compiled.diagnostics.iter().map(|diagnostic| diagnostic.code.name()).collect();
    (codes, render_all(&compiled.diagnostics, &compiled.sources, false))
}

#[test]
fn examples_are_what_the_page_says() {
    let page = std::fs::read_to_string(PAGE).unwrap();
    let blocks = blocks(&page);
    let mut examples = 0;
    for (index, (kind, text)) in blocks.iter().enumerate() {
        let (text, expected) = match kind.split_once(' ') {
            None if kind == "net" => (text.clone(), None),
            None if kind == "net-body" => (format!("net example {{\ninput 3x32x32\n{text}\n}}"), None),
            Some(("net-error", code)) => (text.clone(), Some(code)),
            _ => continue,
        };
        examples += 1;
        let (codes, messages) = compile(&text);
        let wanted: Vec<&str> = expected.into_iter().collect();
        assert_eq!(codes, wanted, "\n{text}\n{messages}");
        if expected.is_some() {
            let (kind, shown) = &blocks[index + 1];
            assert_eq!(kind, "text", "the message of an error stands below it:\n{text}");
            // A page may show the first line alone, or all of it.
            let whole = shown.lines().count() > 1;
            let printed = if whole { messages.trim_end() } else { messages.lines().next().unwrap() };
            assert_eq!(printed, shown, "\n{text}");
        }
    }
    assert!(examples > 15, "{examples}");
}

fn layers() -> String {
    let mut text = String::new();
    for entry in LAYERS {
        text += &format!("**`{}`**: {}.\n", entry.name, entry.meaning);
        if entry.joins.is_some() {
            text += "It takes names of layers.\n";
        }
        if !entry.attributes.is_empty() {
            text += "\n| attribute | is | when not given | meaning |\n| --- | --- | --- | --- |\n";
        }
        for attribute in entry.attributes {
            let default = attribute.default.unwrap_or("must be given");
            let form = attribute.kind.form();
            text += &format!("| `{}` | {form} | {default} | {} |\n", attribute.name, attribute.meaning);
        }
        text += "\n";
    }
    text
}

fn codes() -> String {
    let mut text = "| code | | about |\n| --- | --- | --- |\n".to_string();
    for code in Code::ALL {
        let level = if code.level() == Level::Error { "error" } else { "warning" };
        text += &format!("| {code} | {level} | {} |\n", code.summary());
    }
    text
}

#[test]
fn tables_are_those_of_the_source() {
    let page = std::fs::read_to_string(PAGE).unwrap();
    let mut made = page.clone();
    for (name, table) in [("layers", layers()), ("codes", codes())] {
        let start = made.find(&format!("<!-- {name}:")).unwrap();
        let start = start + made[start..].find('\n').unwrap() + 1;
        let end = made.find(&format!("<!-- end of {name} -->")).unwrap();
        made.replace_range(start..end, &format!("\n{}\n\n", table.trim_end()));
    }
    if std::env::var_os("NETC_BLESS").is_some() {
        std::fs::write(PAGE, &made).unwrap();
    } else {
        assert!(made == page, "the tables of {PAGE} are not those of the source: run scripts/bless.sh");
    }
}
