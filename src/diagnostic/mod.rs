//! Messages to the person who wrote the network.
//!
//! A [`Diagnostic`] is plain data: stages make them from their own error types, [`render`] prints them. Every one has
//! a stable [`Code`]; the code decides the level, unless the spec or the command line says otherwise of a lint.

pub mod codes;
pub mod fix;
pub mod page;
pub mod render;
pub mod sarif;
pub mod suggest;

pub use codes::Code;
pub use fix::{Edit, Fix};

use crate::source::Span;
use std::collections::{HashMap, HashSet};

/// How bad it is. Errors gate the next stage; warnings do not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Doubtful, but it can run.
    Warning,
    /// It cannot go on.
    Error,
}

/// What a lint is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LintLevel {
    /// Nothing is said.
    Allow,
    /// It is a warning.
    Warn,
    /// It is an error.
    Deny,
}

/// A place in the source, with a few words about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// Where.
    pub span: Span,
    /// What is there; may be empty.
    pub text: String,
    /// The place the message is about; others are context.
    pub primary: bool,
}

/// The chain of block calls and repeats in which something was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trace {
    /// The chain, innermost first, in words.
    pub text: String,
    /// How many of the notes are shown before it: those that were there when it was added.
    pub notes_before: usize,
}

/// One message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Stable name, such as `E0203`.
    pub code: Code,
    /// How bad it is: what the code says, or what was said of a lint.
    pub level: Level,
    /// One clause, lower case, no full stop.
    pub message: String,
    /// The first primary label is where the message points; there may be none (a missing file).
    pub labels: Vec<Label>,
    /// Facts that explain, such as inferred numbers.
    pub notes: Vec<String>,
    /// The block calls and repeats that led there; it is shown among the notes.
    pub trace: Option<Box<Trace>>,
    /// What to do, in the imperative.
    pub help: Vec<String>,
    /// Changes to the text that would settle it.
    pub fixes: Vec<Fix>,
}

impl Diagnostic {
    /// A message with no place yet.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Diagnostic {
            code,
            level: code.level(),
            message: message.into(),
            labels: Vec::new(),
            notes: Vec::new(),
            trace: None,
            help: Vec::new(),
            fixes: Vec::new(),
        }
    }

    /// Points at `span`.
    #[must_use]
    pub fn at(mut self, span: Span, text: impl Into<String>) -> Self {
        self.labels.push(Label { span, text: text.into(), primary: true });
        self
    }

    /// Adds a place that helps to understand.
    #[must_use]
    pub fn context(mut self, span: Span, text: impl Into<String>) -> Self {
        self.labels.push(Label { span, text: text.into(), primary: false });
        self
    }

    /// Adds a fact.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    /// Says by which calls and repeats it was reached, if by any; behind the notes that are there already.
    #[must_use]
    pub fn trace(mut self, chain: Option<String>) -> Self {
        if let Some(text) = chain {
            self.trace = Some(Box::new(Trace { text, notes_before: self.notes.len() }));
        }
        self
    }

    /// Adds a way out.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help.push(help.into());
        self
    }

    /// Adds a change that settles it.
    #[must_use]
    pub fn fix(mut self, fix: impl Into<Option<Fix>>) -> Self {
        self.fixes.extend(fix.into());
        self
    }

    /// How bad it is.
    pub fn level(&self) -> Level {
        self.level
    }

    /// The notes with the trace among them, in the order in which they were added.
    pub fn shown_notes(&self) -> Vec<&str> {
        let mut shown: Vec<&str> = self.notes.iter().map(String::as_str).collect();
        if let Some(trace) = &self.trace {
            shown.insert(trace.notes_before.min(shown.len()), &trace.text);
        }
        shown
    }

    /// Where it points, if anywhere.
    pub fn span(&self) -> Option<Span> {
        self.labels.iter().find(|label| label.primary).map(|label| label.span)
    }
}

/// The code and the message, without places: those need the texts.
impl std::fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for Diagnostic {}

/// Whether any of them is an error.
pub fn has_errors(diagnostics: &[Diagnostic]) -> bool {
    diagnostics.iter().any(|diagnostic| diagnostic.level() == Level::Error)
}

/// The most messages of one code: whoever mends a hundred may ask again.
const MOST_OF_A_CODE: usize = 100;

/// Sorts by file and place and drops repeats: one mistake in a block that is called ten times is one message, with the
/// chain of its first call, though names and shapes in it differ from call to call. Of the same message at very many
/// places the first ones are kept, and the last of them says how many there are.
pub fn tidy(diagnostics: &mut Vec<Diagnostic>) {
    diagnostics.sort_by_key(|diagnostic| diagnostic.span().unwrap_or_default());
    let mut seen = HashSet::new();
    diagnostics.retain(|diagnostic| {
        let message = diagnostic.trace.is_none().then(|| diagnostic.message.clone());
        seen.insert((diagnostic.code, diagnostic.span(), message))
    });
    let mut counts: HashMap<(Code, Level), usize> = HashMap::new();
    for diagnostic in diagnostics.iter() {
        *counts.entry((diagnostic.code, diagnostic.level)).or_default() += 1;
    }
    counts.retain(|_, count| *count > MOST_OF_A_CODE);
    let mut kept: HashMap<(Code, Level), usize> = HashMap::new();
    diagnostics.retain_mut(|diagnostic| {
        let key = (diagnostic.code, diagnostic.level);
        let Some(count) = counts.get(&key) else { return true };
        let kept = kept.entry(key).or_default();
        *kept += 1;
        if *kept == MOST_OF_A_CODE {
            diagnostic.notes.push(format!("{} more messages of this kind are not shown", count - MOST_OF_A_CODE));
        }
        *kept <= MOST_OF_A_CODE
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::FileId;

    #[test]
    fn a_thousand_messages_of_one_kind_are_a_hundred() {
        let at = |place: usize| Span::new(FileId(0), place..place + 1);
        let mut all: Vec<Diagnostic> = (0..1000).map(|i| Diagnostic::new(Code::Syntax, "x").at(at(i), "")).collect();
        all.push(Diagnostic::new(Code::BadNumber, "y").at(at(1000), ""));
        all.push(Diagnostic::new(Code::BadNumber, "y").at(at(1000), ""));
        tidy(&mut all);
        assert_eq!(all.len(), 101);
        assert_eq!(all[99].notes, ["900 more messages of this kind are not shown"]);
        assert_eq!(all[100].code, Code::BadNumber);
    }

    #[test]
    fn a_mistake_in_a_block_that_is_called_twice_is_one_message() {
        let found = |message: &str| Diagnostic::new(Code::Syntax, message).at(Span::new(FileId(0), 3..4), "");
        let called = |width: usize| found(&format!("{width} channels")).trace(Some(format!("called for {width}")));
        let mut all = vec![called(16), called(32)];
        tidy(&mut all);
        assert_eq!(all, [called(16)]);
        // A note that only reads like a chain makes no call of a message, and two messages at one place are two.
        let noted = |width: usize| found(&format!("{width} channels")).note(format!("in block `b({width})`"));
        let mut all = vec![noted(16), noted(32), noted(32)];
        tidy(&mut all);
        assert_eq!(all, [noted(16), noted(32)]);
    }

    #[test]
    fn a_trace_is_shown_where_it_was_added() {
        let plain = Diagnostic::new(Code::Syntax, "x").note("first");
        let traced = plain.clone().trace(Some("calls".into())).note("last");
        assert_eq!(traced.shown_notes(), ["first", "calls", "last"]);
        assert_eq!(traced.notes, ["first", "last"]);
        assert_eq!(plain.clone().trace(None), plain);
    }
}
