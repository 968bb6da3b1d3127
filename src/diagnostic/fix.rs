//! Changes to a text that settle what a message is about.

use crate::source::{FileId, SourceMap, Span};
use std::collections::BTreeMap;

/// One stretch of text and what takes its place; an empty stretch is an insertion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// What goes.
    pub span: Span,
    /// What comes.
    pub text: String,
}

/// A change that settles a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fix {
    /// What it does, in the imperative.
    pub title: String,
    /// Its edits, which belong together.
    pub edits: Vec<Edit>,
    /// Whether it can be made unseen: the network stays the same, or becomes what the language asks for. Of others a
    /// person has to say that they are meant.
    pub safe: bool,
}

impl Fix {
    /// Replaces one stretch.
    pub fn replace(title: impl Into<String>, span: Span, text: impl Into<String>) -> Self {
        Fix { title: title.into(), edits: vec![Edit { span, text: text.into() }], safe: true }
    }

    /// The same fix, to be made only by who asks for it.
    #[must_use]
    pub fn unsafely(mut self) -> Self {
        self.safe = false;
        self
    }

    /// Takes a statement out, with the separator or the line that it leaves. `None` where it cannot simply go: it is
    /// all that stands in its braces, or it has a name.
    pub fn remove_statement(title: impl Into<String>, span: Span, sources: &SourceMap) -> Option<Self> {
        let text = sources.text(span.file);
        let (before, after) = (text.get(..span.range().start)?, text.get(span.range().end..)?);
        let blank = |c: char| c == ' ' || c == '\t';
        let (left, right) = (before.trim_end_matches(blank), after.trim_start_matches(blank));
        let alone = left.trim_end().ends_with('{') && right.trim_start().starts_with('}');
        if alone || left.ends_with('=') {
            return None;
        }
        let (start, end) = (left.len(), text.len() - right.len());
        let whole = match (left.chars().next_back(), right.chars().next()) {
            // `a; THIS` and what follows.
            (Some(';'), _) => start - 1..span.range().end,
            // `THIS; b`
            (_, Some(';')) => span.range().start..text.len() - right.get(1..)?.trim_start_matches(blank).len(),
            // A line of its own.
            (None | Some('\n'), Some('\n')) => start..end + 1,
            _ => span.range(),
        };
        Some(Fix::replace(title, Span::new(span.file, whole), ""))
    }
}

/// Texts with fixes in them.
#[derive(Debug, Default)]
pub struct Fixed {
    /// Each text that changes, whole.
    pub texts: BTreeMap<FileId, String>,
}

/// Makes fixes, first come, first served: one that overlaps another, or repeats it, is left for the next round.
pub fn apply<'a>(fixes: impl IntoIterator<Item = &'a Fix>, sources: &SourceMap) -> Fixed {
    let mut taken: Vec<&Edit> = Vec::new();
    for fix in fixes {
        let clashes = |edit: &Edit| taken.iter().any(|other| overlap(edit.span, other.span));
        let inside = |edit: &Edit| sources.text(edit.span.file).get(edit.span.range()).is_some();
        if !fix.edits.is_empty() && fix.edits.iter().all(|edit| inside(edit) && !clashes(edit)) {
            taken.extend(&fix.edits);
        }
    }
    // From the end on, so that places before stay where they are.
    taken.sort_by_key(|edit| std::cmp::Reverse((edit.span.start, edit.span.end)));
    let mut texts: BTreeMap<FileId, String> = BTreeMap::new();
    for edit in taken {
        let file = edit.span.file;
        texts
            .entry(file)
            .or_insert_with(|| sources.text(file).to_string())
            .replace_range(edit.span.range(), &edit.text);
    }
    Fixed { texts }
}

/// Whether two stretches share text, or stand at the same place.
fn overlap(a: Span, b: Span) -> bool {
    a.file == b.file && (a.start < b.end && b.start < a.end || a.start == b.start)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources(text: &str) -> (SourceMap, FileId) {
        let mut sources = SourceMap::new();
        let file = sources.add("a.net", text.into());
        (sources, file)
    }

    #[test]
    fn fixes_that_overlap_wait() {
        let (sources, file) = sources("abcdef");
        let fix = |range, text: &str| Fix::replace("x", Span::new(file, range), text);
        let fixes = [fix(0..2, "X"), fix(1..3, "Y"), fix(4..4, "+"), fix(4..4, "+"), fix(5..6, ""), fix(2..4, "--")];
        let fixed = apply(&fixes, &sources);
        assert_eq!(fixed.texts[&file], "X--+e");
        assert!(apply(&[fix(3..90, "")], &sources).texts.is_empty());
    }

    #[test]
    fn a_fix_of_two_edits_is_made_whole_or_not() {
        let (sources, file) = sources("abcdef");
        let edit = |range, text: &str| Edit { span: Span::new(file, range), text: text.into() };
        let one = Fix::replace("x", Span::new(file, 0..1), "X");
        let two = Fix { title: "y".into(), edits: vec![edit(3..4, "Y"), edit(0..2, "Z")], safe: true };
        assert_eq!(apply([&one, &two], &sources).texts[&file], "Xbcdef");
    }

    #[test]
    fn a_statement_goes_with_its_separator() {
        let without = |text: &str| {
            let (sources, file) = sources(&text.replace('|', ""));
            let (start, end) = (text.find('|').unwrap(), text.rfind('|').unwrap() - 1);
            let fix = Fix::remove_statement("x", Span::new(file, start..end), &sources)?;
            apply([&fix], &sources).texts.remove(&file)
        };
        assert_eq!(without("{ bn; |relu|; conv }").unwrap(), "{ bn; conv }");
        assert_eq!(without("{ bn; |relu| }").unwrap(), "{ bn }");
        assert_eq!(without("{ |relu|; bn }").unwrap(), "{ bn }");
        assert_eq!(without("{\n  bn\n  |relu|\n}").unwrap(), "{\n  bn\n}");
        assert_eq!(without("{\n  bn\n  |relu|  # why\n}").unwrap(), "{\n  bn\n    # why\n}");
        assert_eq!(without("{ |relu| }"), None);
        assert_eq!(without("{ x = |relu|; bn }"), None);
    }
}
