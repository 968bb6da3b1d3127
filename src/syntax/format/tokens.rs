//! The words of a text with its comments and line ends, for a formatter that must lose none of them.
//!
//! Only texts that the grammar has read come here: what is not known is passed on as it stands.

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A name or a keyword.
    Word,
    /// A number, a size or a quoted text: printed as it was written.
    Literal,
    /// Brackets, operators and other signs.
    Sign,
    /// `# …` without the line end.
    Comment,
    /// The end of a line.
    Newline,
}

/// One token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token<'a> {
    pub(super) kind: Kind,
    pub(super) text: &'a str,
    /// Nothing stands between it and the one before.
    pub(super) touches: bool,
}

/// All tokens of a text.
pub(super) fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut found = Vec::new();
    let mut offset = 0;
    let mut touches = false;
    while let Some(rest) = text.get(offset..).filter(|rest| !rest.is_empty()) {
        let (kind, length) = match found.last() {
            Some(Token { kind: Kind::Word, text: "allow" | "warn" | "deny", .. }) => lint(rest),
            _ => first(rest),
        };
        if let Some(kind) = kind {
            let text = rest.get(..length).unwrap_or(rest);
            let text = if kind == Kind::Comment { text.trim_end() } else { text };
            found.push(Token { kind, text, touches });
        }
        touches = kind.is_some();
        offset += length.max(1);
    }
    found
}

/// As [`first`], where the name of a lint may stand: `bias-before-norm` is one word.
fn lint(rest: &str) -> (Option<Kind>, usize) {
    match first(rest) {
        (Some(Kind::Word), _) => {
            let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '-');
            (Some(Kind::Word), end.unwrap_or(rest.len()))
        }
        other => other,
    }
}

/// Kind and length of what a text begins with; white space has no kind.
fn first(rest: &str) -> (Option<Kind>, usize) {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let run = |text: &str, of: fn(char) -> bool| text.find(|c: char| !of(c)).unwrap_or(text.len());
    match rest.chars().next() {
        Some('\n') => (Some(Kind::Newline), 1),
        Some(' ' | '\t' | '\r') | None => (None, 1),
        Some('#') => (Some(Kind::Comment), rest.find(['\n', '\r']).unwrap_or(rest.len())),
        Some('"') => {
            let inside = rest.get(1..).unwrap_or("");
            (Some(Kind::Literal), inside.find(['"', '\n', '\r']).map_or(rest.len(), |end| end + 2))
        }
        Some(c) if c.is_ascii_digit() => (Some(Kind::Literal), number(rest)),
        Some(c) if word(c) => (Some(Kind::Word), run(rest, |c| c.is_ascii_alphanumeric() || c == '_')),
        Some(c) => {
            let two = rest.get(..2).is_some_and(|two| matches!(two, "==" | "!=" | "<=" | ">="));
            (Some(Kind::Sign), if two { 2 } else { c.len_utf8() })
        }
    }
}

/// Length of the number or size at the start: `1_000`, `0.5`, `1e-4`, `3x32x32`.
fn number(text: &str) -> usize {
    let digits = |from: usize| {
        let rest = text.get(from..).unwrap_or("");
        let begins = rest.starts_with(|c: char| c.is_ascii_digit());
        let length = rest.find(|c: char| !c.is_ascii_digit() && c != '_').unwrap_or(rest.len());
        begins.then_some(from + length)
    };
    let next = |at: usize, signs: &[char]| text.get(at..).is_some_and(|rest| rest.starts_with(signs));
    let mut end = digits(0).unwrap_or(1);
    let mut size = false;
    while next(end, &['x'])
        && let Some(longer) = digits(end + 1)
    {
        (end, size) = (longer, true);
    }
    if size {
        return end;
    }
    if next(end, &['.']) {
        end = digits(end + 1).unwrap_or(end);
    }
    if next(end, &['e', 'E']) {
        let signed = if next(end + 1, &['+', '-']) { end + 2 } else { end + 1 };
        end = digits(signed).unwrap_or(end);
    }
    end
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_told_apart() {
        let texts = |text| tokens(text).into_iter().map(|token| token.text.to_string()).collect::<Vec<_>>();
        assert_eq!(texts("conv(1_0x3, 1e-4-2)"), ["conv", "(", "1_0x3", ",", "1e-4", "-", "2", ")"]);
        assert_eq!(texts("a<=b # c  \r\n\"# d\""), ["a", "<=", "b", "# c", "\n", "\"# d\""]);
        assert_eq!(texts("é"), ["é"]);
        assert!(tokens("a (").iter().all(|token| !token.touches));
        assert!(tokens("a(").iter().skip(1).all(|token| token.touches));
    }
}
