//! Printing diagnostics: for a person (annotate-snippets, the look of rustc) and as JSON.

use super::{Diagnostic, Edit, Fix, Label, Level};
use crate::source::{FileId, SourceMap};
use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level as Shown, Renderer, Snippet};
use serde_json::json;

/// One message with its source, ending in a newline.
pub fn render(diagnostic: &Diagnostic, sources: &SourceMap, color: bool) -> String {
    let renderer = if color { Renderer::styled() } else { Renderer::plain() }.decor_style(DecorStyle::Ascii);
    let shown = match diagnostic.level() {
        Level::Error => Shown::ERROR,
        Level::Warning => Shown::WARNING,
    };
    let mut group = Group::with_title(shown.primary_title(&diagnostic.message).id(diagnostic.code.name()));
    for (file, labels) in by_file(&diagnostic.labels) {
        let Some(source) = sources.file(file) else { continue };
        let path = source.path.display().to_string();
        let mut snippet = Snippet::source(source.text.as_str()).path(path).line_start(1).fold(true);
        for label in labels {
            let kind = if label.primary { AnnotationKind::Primary } else { AnnotationKind::Context };
            let range = clamp(label, &source.text);
            let text = (!label.text.is_empty()).then_some(label.text.as_str());
            snippet = snippet.annotation(kind.span(range).label(text));
        }
        group = group.element(snippet);
    }
    for note in diagnostic.shown_notes() {
        group = group.element(Shown::NOTE.message(note));
    }
    for help in &diagnostic.help {
        group = group.element(Shown::HELP.message(help));
    }
    let mut text = renderer.render(&[group]);
    text.push('\n');
    text
}

/// All messages, a blank line after each.
pub fn render_all(diagnostics: &[Diagnostic], sources: &SourceMap, color: bool) -> String {
    diagnostics.iter().map(|diagnostic| render(diagnostic, sources, color) + "\n").collect()
}

/// One message as a JSON object with `code`, `name`, `level`, `message`, `file`, `line`, `column`, `end_line`, `end_column`
/// (null where it points nowhere), `labels`, `notes`, `help`, `fixes`, and `explain`, the command that tells more.
pub fn json(diagnostic: &Diagnostic, sources: &SourceMap) -> serde_json::Value {
    let place = |span: crate::source::Span| {
        let source = sources.file(span.file)?;
        Some((source.path.display().to_string(), source.line_column(span.start), source.line_column(span.end)))
    };
    let labels: Vec<_> = diagnostic
        .labels
        .iter()
        .filter_map(|label| {
            let (file, start, end) = place(label.span)?;
            Some(json!({
                "file": file, "line": start.line, "column": start.column, "end_line": end.line,
                "end_column": end.column, "text": label.text, "primary": label.primary,
            }))
        })
        .collect();
    let edit = |edit: &Edit| {
        let (file, start, end) = place(edit.span)?;
        Some(json!({
            "file": file, "line": start.line, "column": start.column, "end_line": end.line,
            "end_column": end.column, "text": edit.text,
        }))
    };
    let fix = |fix: &Fix| {
        let edits: Vec<_> = fix.edits.iter().filter_map(edit).collect();
        json!({ "title": fix.title, "safe": fix.safe, "edits": edits })
    };
    let at = diagnostic.span().and_then(place);
    json!({
        "code": diagnostic.code.name(),
        "name": diagnostic.code.slug(),
        "level": diagnostic.level(),
        "message": diagnostic.message,
        "file": at.as_ref().map(|(file, ..)| file),
        "line": at.as_ref().map(|(_, start, _)| start.line),
        "column": at.as_ref().map(|(_, start, _)| start.column),
        "end_line": at.as_ref().map(|(.., end)| end.line),
        "end_column": at.as_ref().map(|(.., end)| end.column),
        "labels": labels,
        "notes": diagnostic.shown_notes(),
        "help": diagnostic.help,
        "fixes": diagnostic.fixes.iter().map(fix).collect::<Vec<_>>(),
        "explain": format!("netc explain {}", diagnostic.code),
    })
}

/// Labels grouped by file, the file of the first primary label first.
fn by_file(labels: &[Label]) -> Vec<(FileId, Vec<&Label>)> {
    let mut files: Vec<(FileId, Vec<&Label>)> = Vec::new();
    let (primary, context): (Vec<_>, Vec<_>) = labels.iter().partition(|label| label.primary);
    for label in primary.into_iter().chain(context) {
        match files.iter_mut().find(|(file, _)| *file == label.span.file) {
            Some((_, list)) => list.push(label),
            None => files.push((label.span.file, vec![label])),
        }
    }
    files
}

/// A range the renderer can take: inside the text and on character boundaries.
fn clamp(label: &Label, text: &str) -> std::ops::Range<usize> {
    let floor = |mut offset: usize| {
        offset = offset.min(text.len());
        while !text.is_char_boundary(offset) {
            offset -= 1;
        }
        offset
    };
    let start = floor(label.span.range().start);
    start..floor(label.span.range().end).max(start)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::Code;
    use crate::source::Span;

    #[test]
    fn a_message_shows_its_source() {
        let mut sources = SourceMap::new();
        let file = sources.add("a.net", "net x {\n  cnov 16 3x3\n}\n".into());
        let diagnostic = Diagnostic::new(Code::UnknownLayer, "there is no layer or block `cnov`")
            .at(Span::new(file, 10..14), "not known")
            .note("in net `x`")
            .help("did you mean `conv`?");
        let text = render(&diagnostic, &sources, false);
        for part in
            ["error[E0302]: there is no layer", "a.net:2:3", "^^^^ not known", "= note: in net", "= help: did you"]
        {
            assert!(text.contains(part), "{part} missing in\n{text}");
        }
        let json = json(&diagnostic, &sources);
        assert_eq!((&json["line"], &json["column"], &json["code"]), (&2.into(), &3.into(), &"E0302".into()));
    }

    #[test]
    fn spans_beyond_the_text_do_not_panic() {
        let mut sources = SourceMap::new();
        let file = sources.add("a.net", "é".into());
        for (start, end) in [(1, 1), (0, 1), (5, 9), (2, 1)] {
            let diagnostic = Diagnostic::new(Code::Syntax, "x").at(Span { file, start, end }, "");
            assert!(render(&diagnostic, &sources, false).contains("E0101"));
        }
    }
}
