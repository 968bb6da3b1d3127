//! A look at the text before the grammar sees it: do the brackets match, how deep are they, where are the comments.
//!
//! The generated parser recurses with the nesting of the text, so depth has to be bounded before it runs; and "this
//! `{` is never closed" helps more than what a grammar can say at the end of the file.

use crate::diagnostic::{Code, Diagnostic};
use crate::source::{FileId, Span};

/// The deepest nesting of brackets that is read. Real specs need about six.
pub const DEEPEST: usize = 48;

/// The comments of a text.
///
/// # Errors
/// The first bracket that is nested too deeply, closes nothing, or is never closed.
pub fn scan(file: FileId, text: &str) -> Result<Vec<Span>, Box<Diagnostic>> {
    let at = |start: usize, length: usize| Span::new(file, start..start + length);
    let mut open: Vec<(char, usize)> = Vec::new();
    let mut comments = Vec::new();
    let mut characters = text.char_indices().peekable();
    while let Some((offset, character)) = characters.next() {
        match character {
            '#' => {
                let end =
                    text.get(offset..).and_then(|rest| rest.find(['\n', '\r'])).map_or(text.len(), |n| offset + n);
                while characters.next_if(|&(next, _)| next < end).is_some() {}
                comments.push(Span::new(file, offset..end));
            }
            '"' => {
                // A quote that is not closed on its line is left to the grammar.
                while characters.next_if(|&(_, inside)| !matches!(inside, '"' | '\n' | '\r')).is_some() {}
                characters.next_if(|&(_, inside)| inside == '"');
            }
            '{' | '(' => {
                open.push((character, offset));
                if open.len() > DEEPEST {
                    let message = format!("brackets are nested more than {DEEPEST} deep");
                    return Err(Box::new(
                        Diagnostic::new(Code::NestedTooDeeply, message)
                            .at(at(offset, 1), "this one is too deep")
                            .help("move the inner part into a block of its own"),
                    ));
                }
            }
            '}' | ')' => {
                let partner = if character == '}' { '{' } else { '(' };
                match open.pop() {
                    Some((opened, _)) if opened == partner => {}
                    Some((opened, start)) => {
                        let message = format!("`{character}` does not close `{opened}`");
                        return Err(Box::new(
                            Diagnostic::new(Code::Syntax, message)
                                .at(at(offset, 1), format!("expected `{}`", closing(opened)))
                                .context(at(start, 1), "opened here"),
                        ));
                    }
                    None => {
                        let message = format!("`{character}` closes nothing");
                        return Err(Box::new(
                            Diagnostic::new(Code::Syntax, message).at(at(offset, 1), format!("no `{partner}` is open")),
                        ));
                    }
                }
            }
            _ => {}
        }
    }
    match open.pop() {
        Some((opened, start)) => Err(Box::new(
            Diagnostic::new(Code::Syntax, format!("`{opened}` is never closed"))
                .at(at(start, 1), "opened here")
                .help(format!("add a `{}`", closing(opened))),
        )),
        None => Ok(comments),
    }
}

fn closing(opened: char) -> char {
    if opened == '{' { '}' } else { ')' }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_in_comments_and_strings_do_not_count() {
        let comments = scan(FileId(0), "net x { # {{{\n use \"(\"\n}").unwrap();
        assert_eq!(comments, [Span::new(FileId(0), 8..13)]);
    }

    #[test]
    fn what_does_not_match_is_named() {
        for (text, message) in [
            ("net x {", "`{` is never closed"),
            ("net x }", "`}` closes nothing"),
            ("net x { (}", "`}` does not close `(`"),
            (&"(".repeat(100), "brackets are nested more than 48 deep"),
        ] {
            assert_eq!(scan(FileId(0), text).unwrap_err().message, message);
        }
    }
}
