//! Syntax errors in the words of the language: what stands there, what was expected, and which habit it may come from.

use super::foreign;
use super::grammar::{BOOLEANS, Rule, is_keyword};
use crate::diagnostic::{Code, Diagnostic};
use crate::source::{FileId, Span};
use pest::error::{ErrorVariant, InputLocation};

/// pest's error as one of ours: what was expected in the words of the language.
pub(super) fn diagnose(file: FileId, text: &str, error: &pest::error::Error<Rule>) -> Diagnostic {
    let offset = match error.location {
        InputLocation::Pos(offset) | InputLocation::Span((offset, _)) => offset,
    };
    let rest = text.get(offset..).unwrap_or("");
    let found: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    let (found, length) = match rest.chars().next() {
        None => ("the end of the file".to_string(), 0),
        Some('\n' | '\r') => ("the end of the line".to_string(), 0),
        Some(_) if !found.is_empty() => (format!("`{found}`"), found.len()),
        Some(other) => (format!("`{other}`"), other.len_utf8()),
    };
    let mut expected: Vec<&str> = match &error.variant {
        ErrorVariant::ParsingError { positives, .. } => positives.iter().filter_map(|&rule| human(rule)).collect(),
        ErrorVariant::CustomError { .. } => Vec::new(),
    };
    expected.sort_unstable();
    expected.dedup();
    let label = match expected.as_slice() {
        [] => "not expected here".to_string(),
        [one] => format!("expected {one}"),
        [most @ .., last] => format!("expected {} or {last}", most.join(", ")),
    };
    let span = Span::new(file, offset..offset + length);
    let mut diagnostic = Diagnostic::new(Code::Syntax, format!("cannot read {found} here")).at(span, label);
    if let Some(help) = hints(text, offset, rest) {
        diagnostic = diagnostic.help(help);
    }
    diagnostic
}

/// Habits from elsewhere that end in a syntax error.
fn hints(text: &str, offset: usize, rest: &str) -> Option<&'static str> {
    let before = text.get(..offset).unwrap_or("").trim_end_matches([' ', '\t']);
    let line = before.rsplit(['\n', ';']).next().unwrap_or("");
    let begin = before.rfind('\n').map_or(0, |end| end + 1);
    let whole_line = text.get(begin..).and_then(|text| text.lines().next()).unwrap_or("");
    if let Some(answer) = foreign::line(whole_line) {
        return Some(answer);
    }
    // `nn.Conv2d` stops at its first dot.
    let joined = |c: char| c.is_alphanumeric() || c == '_' || c == '.';
    if rest.starts_with('.') {
        let start = before.len() - before.trim_end_matches(joined).len();
        let head = before.get(before.len() - start..).unwrap_or("");
        let tail: String = rest.chars().take_while(|&c| joined(c)).collect();
        if let Some(answer) = foreign::dotted(&format!("{head}{tail}")) {
            return Some(answer);
        }
    }
    let word: &str = rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or("");
    // `not` begins a value like `-` does, and gets no answer either.
    if word != "not" && (is_keyword(word) || BOOLEANS.contains(&word)) {
        return Some("this is a word of the language, which cannot stand here and cannot be a name");
    }
    if rest.starts_with("//") || rest.starts_with("/*") {
        Some("comments begin with `#`")
    } else if rest.starts_with('=') {
        Some("an attribute is written without `=`: `stride 2`, or `stride: 2` inside parentheses")
    } else if rest.starts_with(':') {
        Some("outside parentheses an attribute is written without `:`, as in `stride 2`")
    } else if rest.starts_with(',') {
        Some("outside parentheses arguments are separated by spaces; or write them as `name(first, second)`")
    } else if rest.starts_with('-') && !line.trim().is_empty() {
        Some("arithmetic among words needs parentheses: `conv (width - 1) 3x3`")
    } else if rest.starts_with(['+', '*', '/', '%']) {
        Some("arithmetic among words needs parentheses: `conv (2 * width) 3x3`")
    } else if rest.starts_with('\'') {
        Some("texts stand in double quotes")
    } else if rest.starts_with(|c: char| c.is_ascii_digit()) {
        Some("numbers are written `16`, `1_000`, `0.5` or `1e-4`, sizes `3x3` or `3x32x32`")
    } else {
        None
    }
}

/// What a rule is called in a message; those that would only add noise have no name.
fn human(rule: Rule) -> Option<&'static str> {
    Some(match rule {
        Rule::use_item | Rule::recipe_item | Rule::net_item | Rule::block_item => "`net`, `block`, `use` or `recipe`",
        Rule::lint_name => "the code of a lint, such as `N010`",
        Rule::parameters => "parameters in parentheses",
        Rule::parameter => "a parameter such as `width: int = 16`",
        Rule::type_name => "a type (`int`, `float`, `bool`, `size`)",
        Rule::body => "`{`",
        Rule::statement | Rule::word_call | Rule::list_call | Rule::call_head => "a layer",
        Rule::name => "a name",
        Rule::expression | Rule::operation | Rule::group | Rule::argument => "a value",
        Rule::number | Rule::size | Rule::boolean => "a value",
        Rule::text | Rule::text_inside => "a text in double quotes",
        Rule::expectation => "a fact such as `params 61_706`",
        Rule::EOI => "the end of the file",
        _ => return None,
    })
}
