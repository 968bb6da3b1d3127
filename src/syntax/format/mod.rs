//! `netc fmt`: one way to write a text.
//!
//! Two spaces a level, 100 columns, one space between words, single blank lines kept. Two things are the writer's choice
//! as long as they fit: short statements joined by `;` on one line, and a body on one line. Comments stay where they
//! stand, and numbers, sizes and texts are copied as written. It works on the words of the text rather than on the tree,
//! so that nothing of it can be lost; what it prints reads as the same tree (a property test), and printing that again
//! changes nothing.

mod tokens;
mod tree;

use super::grammar::is_keyword;
use super::parse::parse;
use crate::diagnostic::Diagnostic;
use crate::source::FileId;
use tokens::{Kind, Token};
use tree::{Body, Entry, Item, Parens, Piece, Statement};

/// The longest line that is written where it can be broken; comments may reach beyond.
pub const WIDTH: usize = 100;

/// Formats the text of one file.
///
/// # Errors
/// The diagnostic of [`parse`] when it is not in the language.
pub fn format(id: FileId, text: &str) -> Result<String, Box<Diagnostic>> {
    parse(id, text)?;
    let mut printer = Printer { lines: Vec::new() };
    printer.body(&tree::tree(text), 0);
    let mut formatted = printer.lines.join("\n");
    if !formatted.is_empty() {
        formatted.push('\n');
    }
    Ok(formatted)
}

/// What has to be broken for a statement to fit.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
enum Break {
    /// What the writer broke.
    Nothing,
    /// Every body.
    Bodies,
    /// Arguments and facts, one a line.
    Lists,
    /// Parentheses inside expressions.
    Groups,
}

/// A line of a statement, or a body between its lines.
enum Line<'t, 'a> {
    Own(String),
    Inner(&'t Body<'a>),
}

struct Printer {
    lines: Vec<String>,
}

impl Printer {
    /// The lines of a body, `level` deep.
    fn body(&mut self, body: &Body<'_>, level: usize) {
        let mut entries = body.entries.as_slice();
        while let [entry, rest @ ..] = entries {
            let spaced = match entry {
                Entry::Comment { spaced, .. } => *spaced,
                Entry::Statement(statement) => statement.spaced,
            };
            if spaced {
                self.lines.push(String::new());
            }
            entries = match entry {
                Entry::Comment { text, .. } => {
                    self.lines.push(format!("{}{text}", indent(level)));
                    rest
                }
                Entry::Statement(first) => {
                    let more = rest.iter().map_while(|entry| match entry {
                        Entry::Statement(statement) if statement.joined => Some(statement),
                        _ => None,
                    });
                    let line: Vec<&Statement<'_>> = std::iter::once(first).chain(more).collect();
                    self.line(&line, level);
                    rest.get(line.len() - 1..).unwrap_or(&[])
                }
            };
        }
    }

    /// Statements that were written on one line.
    fn line(&mut self, statements: &[&Statement<'_>], level: usize) {
        let flat: Option<Vec<String>> = statements.iter().map(|statement| flat(&statement.pieces)).collect();
        let joined = flat.map(|flat| format!("{}{}", indent(level), flat.join("; ")));
        if let (Some(text), true) = (joined.filter(|text| width(text) <= WIDTH), statements.len() > 1) {
            let comments: Vec<&str> = statements.iter().flat_map(|s| s.comments.iter().copied()).collect();
            self.lines.push(text);
            self.comments(&comments, level);
            return;
        }
        for statement in statements {
            for line in fitting(&statement.pieces, level) {
                match line {
                    Line::Own(text) => self.lines.push(text),
                    Line::Inner(body) => self.body(body, level + 1),
                }
            }
            self.comments(&statement.comments, level);
        }
    }

    /// The first comment at the end of the last line, others below it.
    fn comments(&mut self, comments: &[&str], level: usize) {
        for (index, comment) in comments.iter().enumerate() {
            match self.lines.last_mut() {
                Some(last) if index == 0 => *last = format!("{last}  {comment}"),
                _ => self.lines.push(format!("{}{comment}", indent(level))),
            }
        }
    }
}

fn indent(level: usize) -> String {
    "  ".repeat(level)
}

fn width(text: &str) -> usize {
    text.chars().count()
}

/// A statement with as little broken as makes its own lines fit.
fn fitting<'t, 'a>(pieces: &'t [Piece<'a>], level: usize) -> Vec<Line<'t, 'a>> {
    for broken in [Break::Nothing, Break::Bodies, Break::Lists] {
        let lines = lay(pieces, level, broken);
        let fits = |line: &Line<'_, '_>| match line {
            // A comment at the end of a line may be as long as it likes.
            Line::Own(text) => width(text.split("  #").next().unwrap_or(text)) <= WIDTH || text.trim().starts_with('#'),
            Line::Inner(_) => true,
        };
        if lines.iter().all(fits) {
            return lines;
        }
    }
    lay(pieces, level, Break::Groups)
}

/// Lays a statement out.
fn lay<'t, 'a>(pieces: &'t [Piece<'a>], level: usize, broken: Break) -> Vec<Line<'t, 'a>> {
    let mut layout = Layout { lines: Vec::new(), current: indent(level), before: None, level, resume: level, broken };
    for piece in pieces {
        layout.piece(piece);
    }
    layout.end_line(level);
    layout.lines
}

/// What stands before a word, which decides on the space between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Before {
    /// A value: a sign after it is a binary operator.
    Value,
    /// A minus of one operand, which touches it.
    Prefix,
    /// Anything else.
    Other,
}

struct Layout<'t, 'a> {
    lines: Vec<Line<'t, 'a>>,
    current: String,
    before: Option<Before>,
    level: usize,
    /// Where the statement goes on after comments inside it.
    resume: usize,
    broken: Break,
}

impl<'t, 'a> Layout<'t, 'a> {
    fn piece(&mut self, piece: &'t Piece<'a>) {
        match piece {
            Piece::Token(token) => {
                self.current.push_str(gap(self.before, token.text));
                self.current.push_str(token.text);
                self.before = Some(after(self.before, *token));
                if token.text == "," {
                    self.resume = self.level + 1;
                    if self.broken >= Break::Lists {
                        self.end_line(self.resume);
                    }
                }
            }
            Piece::Comment { text, own_line } => {
                match self.lines.last_mut() {
                    // Its line was ended by a comma.
                    Some(Line::Own(last)) if self.current.trim().is_empty() && !own_line => {
                        *last = format!("{last}  {text}");
                    }
                    _ if *own_line => {
                        self.end_line(self.resume);
                        self.lines.push(Line::Own(format!("{}{text}", indent(self.resume))));
                    }
                    _ => {
                        self.current.push_str("  ");
                        self.current.push_str(text);
                        self.end_line(self.resume);
                    }
                }
            }
            Piece::Parens(parens) => {
                self.current.push_str(if parens.list { "" } else { gap(self.before, "(") });
                let wanted = if parens.list { Break::Lists } else { Break::Groups };
                let breaks = self.broken >= wanted && !parens.items.is_empty();
                match flat_parens(parens).filter(|_| !breaks) {
                    Some(flat) => self.current.push_str(&flat),
                    None => self.parens(parens),
                }
                self.before = Some(Before::Value);
            }
            Piece::Body(body) => {
                self.current.push_str(gap(self.before, "{"));
                let keep = self.broken < Break::Bodies || body.entries.is_empty();
                match flat_body(body).filter(|_| keep) {
                    Some(flat) => self.current.push_str(&flat),
                    None => {
                        self.current.push('{');
                        self.trail(&body.opening, self.level + 1);
                        self.lines.push(Line::Inner(body));
                        self.current = format!("{}}}", indent(self.level));
                    }
                }
                self.before = Some(Before::Other);
                self.resume = self.level;
            }
        }
    }

    /// Arguments one a line.
    fn parens(&mut self, parens: &'t Parens<'a>) {
        self.current.push('(');
        self.level += 1;
        self.trail(&parens.opening, self.level);
        for (index, item) in parens.items.iter().enumerate() {
            match item {
                Item::Comment(text) => {
                    self.current.push_str(text);
                    self.end_line(self.level);
                }
                Item::Argument { pieces, comments } => {
                    let last = !parens.items.iter().skip(index + 1).any(|item| matches!(item, Item::Argument { .. }));
                    let mut lines = lay(pieces, self.level, Break::Lists);
                    let long = |line: &Line<'_, '_>| matches!(line, Line::Own(text) if width(text) >= WIDTH);
                    if lines.iter().any(long) {
                        lines = lay(pieces, self.level, Break::Groups);
                    }
                    if let Some(Line::Own(text)) = lines.pop() {
                        self.current = text;
                    }
                    self.lines.append(&mut lines);
                    self.current.push_str(if last && !parens.list { "" } else { "," });
                    self.trail(comments, self.level);
                }
            }
        }
        self.level -= 1;
        self.current = format!("{})", indent(self.level));
    }

    /// Ends the line with comments; the first stands on it.
    fn trail(&mut self, comments: &[&str], level: usize) {
        if let Some((first, more)) = comments.split_first() {
            self.current.push_str("  ");
            self.current.push_str(first);
            self.end_line(level);
            for comment in more {
                self.current.push_str(comment);
                self.end_line(level);
            }
        } else {
            self.end_line(level);
        }
    }

    /// Ends the line, if there is anything on it; the next one begins `level` deep.
    fn end_line(&mut self, level: usize) {
        let line = std::mem::replace(&mut self.current, indent(level));
        if !line.trim().is_empty() {
            self.lines.push(Line::Own(line.trim_end().to_string()));
        }
        self.before = None;
    }
}

/// The space before `next`.
fn gap(before: Option<Before>, next: &str) -> &'static str {
    match before {
        None | Some(Before::Prefix) => "",
        _ if matches!(next, "," | ":" | ")") => "",
        _ => " ",
    }
}

/// What a token is to the one behind it.
fn after(before: Option<Before>, token: Token<'_>) -> Before {
    match token.kind {
        // Behind a keyword a sign is not a binary operator.
        Kind::Word if is_keyword(token.text) => Before::Other,
        Kind::Word | Kind::Literal => Before::Value,
        _ if token.text == "-" && before != Some(Before::Value) => Before::Prefix,
        _ => Before::Other,
    }
}

/// Pieces on one line; `None` when a comment or the writer broke them.
fn flat(pieces: &[Piece<'_>]) -> Option<String> {
    let mut text = String::new();
    let mut before = None;
    for piece in pieces {
        match piece {
            Piece::Token(token) => {
                text.push_str(gap(before, token.text));
                text.push_str(token.text);
                before = Some(after(before, *token));
            }
            Piece::Comment { .. } => return None,
            Piece::Parens(parens) => {
                text.push_str(if parens.list { "" } else { gap(before, "(") });
                text.push_str(&flat_parens(parens)?);
                before = Some(Before::Value);
            }
            Piece::Body(body) => {
                text.push_str(gap(before, "{"));
                text.push_str(&flat_body(body)?);
                before = Some(Before::Other);
            }
        }
    }
    Some(text)
}

fn flat_parens(parens: &Parens<'_>) -> Option<String> {
    if parens.has_comments() {
        return None;
    }
    let items: Option<Vec<String>> = parens
        .items
        .iter()
        .map(|item| match item {
            Item::Argument { pieces, .. } => flat(pieces),
            Item::Comment(_) => None,
        })
        .collect();
    Some(format!("({})", items?.join(", ")))
}

fn flat_body(body: &Body<'_>) -> Option<String> {
    if body.entries.is_empty() && body.opening.is_empty() {
        return Some("{}".to_string());
    }
    if !body.one_line {
        return None;
    }
    let statements: Option<Vec<String>> = body
        .entries
        .iter()
        .map(|entry| match entry {
            Entry::Statement(statement) if statement.comments.is_empty() => flat(&statement.pieces),
            _ => None,
        })
        .collect();
    Some(format!("{{ {} }}", statements?.join("; ")))
}

#[cfg(test)]
mod tests;
