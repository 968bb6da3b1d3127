//! Messages as SARIF 2.1.0, the format that code hosts read.

use super::page::{Page, markdown};
use super::{Code, Diagnostic, Fix, Level};
use crate::source::{SourceMap, Span};
use serde_json::{Value, json};
use std::path::Path;

/// Where the format is described; it names the version to tools that read it.
const SCHEMA: &str = "https://json.schemastore.org/sarif-2.1.0.json";

/// One log with one run of netc: every code that netc has as a rule, with what `page` has of it, and each message as a
/// result.
pub fn log<'a>(
    messages: impl IntoIterator<Item = (&'a Diagnostic, &'a SourceMap)>,
    page: impl Fn(Code) -> Option<Page>,
) -> Value {
    let results: Vec<Value> = messages.into_iter().map(|(diagnostic, sources)| result(diagnostic, sources)).collect();
    json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "netc",
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": Code::ALL.iter().map(|&code| rule(code, page(code))).collect::<Vec<_>>(),
            }},
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}

fn rule(code: Code, page: Option<Page>) -> Value {
    json!({
        "id": code.name(),
        "name": code.slug(),
        "shortDescription": { "text": code.summary() },
        "help": {
            "text": page.as_ref().map_or_else(|| code.summary().to_string(), |page| words(code, page)),
            "markdown": markdown(code, page.as_ref(), 1),
        },
        "defaultConfiguration": { "level": level(code.level()) },
    })
}

/// What a page does and why, without marks.
fn words(code: Code, page: &Page) -> String {
    let section = |heading| page.section(heading).unwrap_or("").replace('\n', " ");
    format!("{}. {} {}", code.summary(), section("What it does"), section("Why is this bad?"))
}

fn level(level: Level) -> &'static str {
    match level {
        Level::Error => "error",
        Level::Warning => "warning",
    }
}

fn result(diagnostic: &Diagnostic, sources: &SourceMap) -> Value {
    let text: Vec<&str> = std::iter::once(diagnostic.message.as_str())
        .chain(diagnostic.shown_notes())
        .chain(diagnostic.help.iter().map(String::as_str))
        .collect();
    let mut result = json!({
        "ruleId": diagnostic.code.name(),
        "ruleIndex": Code::ALL.iter().position(|code| *code == diagnostic.code),
        "level": level(diagnostic.level()),
        "message": { "text": text.join("\n") },
        "locations": [],
    });
    let at = diagnostic.span();
    let location = |span: Span, text: &str| {
        let mut location = json!({ "physicalLocation": physical(span, sources)? });
        if !text.is_empty() {
            location["message"] = json!({ "text": text });
        }
        Some(location)
    };
    let labels = || diagnostic.labels.iter();
    let main = labels().find(|label| label.primary).and_then(|label| location(label.span, &label.text));
    result["locations"] = main.into_iter().collect();
    let related: Vec<Value> =
        labels().filter(|label| Some(label.span) != at).filter_map(|label| location(label.span, &label.text)).collect();
    if !related.is_empty() {
        result["relatedLocations"] = related.into();
    }
    let fixes: Vec<Value> = diagnostic.fixes.iter().filter_map(|fix| self::fix(fix, sources)).collect();
    if !fixes.is_empty() {
        result["fixes"] = fixes.into();
    }
    result
}

fn physical(span: Span, sources: &SourceMap) -> Option<Value> {
    let file = sources.file(span.file)?;
    Some(json!({ "artifactLocation": { "uri": uri(&file.path) }, "region": region(span, sources)? }))
}

/// Lines and columns from 1, the end exclusive; columns count characters.
fn region(span: Span, sources: &SourceMap) -> Option<Value> {
    let file = sources.file(span.file)?;
    let (start, end) = (file.line_column(span.start), file.line_column(span.end));
    Some(json!({
        "startLine": start.line, "startColumn": start.column, "endLine": end.line, "endColumn": end.column,
    }))
}

fn fix(fix: &Fix, sources: &SourceMap) -> Option<Value> {
    let first = fix.edits.first()?.span.file;
    // netc's fixes stay in one file.
    let replacements: Option<Vec<Value>> = fix
        .edits
        .iter()
        .filter(|edit| edit.span.file == first)
        .map(|edit| {
            Some(json!({ "deletedRegion": region(edit.span, sources)?, "insertedContent": { "text": edit.text } }))
        })
        .collect();
    Some(json!({
        "description": { "text": fix.title },
        "artifactChanges": [{
            "artifactLocation": { "uri": uri(&sources.file(first)?.path) },
            "replacements": replacements?,
        }],
    }))
}

/// A path as a relative reference: `/` between its parts, and what a reference may not hold in percent.
fn uri(path: &Path) -> String {
    let absolute = path.is_absolute();
    let mut uri = if absolute { "file://".to_string() } else { String::new() };
    for byte in path.to_string_lossy().replace('\\', "/").bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' | b'~' => uri.push(char::from(byte)),
            _ => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the schema of SARIF 2.1.0 demands of the parts that are written here, by hand.
    #[test]
    fn a_log_has_what_the_schema_asks_for() {
        let mut sources = SourceMap::new();
        let file = sources.add("dir/é a.net", "net x {\n  cnov 16 3x3\n}\n".into());
        let place = |range| Span::new(file, range);
        let diagnostic = Diagnostic::new(Code::UnknownLayer, "there is no layer `cnov`")
            .at(place(10..14), "not known")
            .context(place(4..5), "in here")
            .help("did you mean `conv`?")
            .fix(Fix::replace("write `conv`", place(10..14), "conv"));
        let nowhere = Diagnostic::new(Code::FileNotRead, "cannot read b.net");
        let log = log([(&diagnostic, &sources), (&nowhere, &sources)], |_| None);
        assert_eq!((&log["version"], log["$schema"].is_string()), (&json!("2.1.0"), true));
        let run = &log["runs"][0];
        let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
        assert_eq!(rules.len(), Code::ALL.len());
        for rule in rules {
            assert!(rule["id"].is_string() && rule["help"]["text"].as_str().is_some_and(|text| !text.is_empty()));
            assert!(rule["help"]["markdown"].is_string() && rule["shortDescription"]["text"].is_string());
            assert!(matches!(rule["defaultConfiguration"]["level"].as_str(), Some("error" | "warning")));
        }
        let result = &run["results"][0];
        let index = result["ruleIndex"].as_u64().unwrap() as usize;
        assert_eq!((&rules[index]["id"], &result["level"]), (&result["ruleId"], &json!("error")));
        assert_eq!(result["message"]["text"], "there is no layer `cnov`\ndid you mean `conv`?");
        let location = &result["locations"][0]["physicalLocation"];
        assert_eq!(location["artifactLocation"]["uri"], "dir/%C3%A9%20a.net");
        let region = json!({ "startLine": 2, "startColumn": 3, "endLine": 2, "endColumn": 7 });
        assert_eq!(location["region"], region);
        assert_eq!(result["relatedLocations"][0]["message"]["text"], "in here");
        let change = &result["fixes"][0]["artifactChanges"][0];
        assert_eq!(
            change["replacements"][0],
            json!({ "deletedRegion": region, "insertedContent": { "text": "conv" } })
        );
        assert_eq!(result["fixes"][0]["description"]["text"], "write `conv`");
        assert_eq!(run["results"][1]["locations"], json!([]));
    }
}
