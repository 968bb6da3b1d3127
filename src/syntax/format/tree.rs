//! Tokens as lines of statements: what belongs to which line, and which comment to which statement.

use super::tokens::{Kind, Token, tokens};
use crate::syntax::grammar::is_keyword;

/// Statements in braces, or the items of a file.
#[derive(Debug, Default)]
pub(super) struct Body<'a> {
    /// Comments on the line of the opening brace.
    pub(super) opening: Vec<&'a str>,
    pub(super) entries: Vec<Entry<'a>>,
    /// Written on one line, which means without comments too.
    pub(super) one_line: bool,
}

/// One line of a body, or a part of one.
#[derive(Debug)]
pub(super) enum Entry<'a> {
    /// A comment on a line of its own.
    Comment {
        text: &'a str,
        /// After a blank line.
        spaced: bool,
    },
    Statement(Statement<'a>),
}

/// A statement or an item.
#[derive(Debug)]
pub(super) struct Statement<'a> {
    pub(super) pieces: Vec<Piece<'a>>,
    /// Comments at the end of its line.
    pub(super) comments: Vec<&'a str>,
    /// Written on the line of the statement before it.
    pub(super) joined: bool,
    /// After a blank line.
    pub(super) spaced: bool,
}

/// What statements and arguments are made of.
#[derive(Debug)]
pub(super) enum Piece<'a> {
    Token(Token<'a>),
    /// Where a statement may go on on the next line: before `else` and `shortcut`, and after a comma.
    Comment {
        text: &'a str,
        own_line: bool,
    },
    Parens(Parens<'a>),
    Body(Body<'a>),
}

/// What stands in parentheses.
#[derive(Debug, Default)]
pub(super) struct Parens<'a> {
    /// Arguments or parameters: they follow their name without a space and may end in a comma.
    pub(super) list: bool,
    pub(super) opening: Vec<&'a str>,
    pub(super) items: Vec<Item<'a>>,
}

#[derive(Debug)]
pub(super) enum Item<'a> {
    Comment(&'a str),
    Argument { pieces: Vec<Piece<'a>>, comments: Vec<&'a str> },
}

impl Parens<'_> {
    pub(super) fn has_comments(&self) -> bool {
        !self.opening.is_empty()
            || self.items.iter().any(|item| match item {
                Item::Comment(_) => true,
                Item::Argument { pieces, comments } => {
                    let inside = |piece: &Piece<'_>| matches!(piece, Piece::Parens(parens) if parens.has_comments());
                    !comments.is_empty() || pieces.iter().any(inside)
                }
            })
    }
}

/// The items of a file.
pub(super) fn tree(text: &str) -> Body<'_> {
    Reader { tokens: tokens(text), at: 0 }.body(true)
}

struct Reader<'a> {
    tokens: Vec<Token<'a>>,
    at: usize,
}

impl<'a> Reader<'a> {
    fn peek(&self) -> Option<Token<'a>> {
        self.tokens.get(self.at).copied()
    }

    /// Up to the closing brace or the end, which is left.
    fn body(&mut self, file: bool) -> Body<'a> {
        let mut body = Body { one_line: true, ..Body::default() };
        let mut newlines = 0;
        while let Some(token) = self.peek() {
            let spaced = newlines > 1 && !body.entries.is_empty();
            match (token.kind, token.text) {
                (Kind::Sign, "}") => break,
                (Kind::Sign, ";") => self.at += 1,
                (Kind::Newline, _) => {
                    body.one_line = false;
                    newlines += 1;
                    self.at += 1;
                }
                (Kind::Comment, text) => {
                    self.at += 1;
                    body.one_line = false;
                    match body.entries.last_mut() {
                        Some(Entry::Statement(last)) if newlines == 0 => last.comments.push(text),
                        None if newlines == 0 && !file => body.opening.push(text),
                        _ => body.entries.push(Entry::Comment { text, spaced }),
                    }
                    newlines = 0;
                }
                _ => {
                    let after = matches!(body.entries.last(), Some(Entry::Statement(last)) if last.comments.is_empty());
                    let (pieces, comments) = self.statement();
                    body.one_line &= comments.is_empty();
                    let joined = after && newlines == 0;
                    body.entries.push(Entry::Statement(Statement { pieces, comments, joined, spaced }));
                    newlines = 0;
                }
            }
        }
        body
    }

    /// The index of the next token that is neither comment nor line end.
    fn beyond(&self) -> usize {
        let rest = self.tokens.iter().skip(self.at);
        self.at + rest.take_while(|token| matches!(token.kind, Kind::Comment | Kind::Newline)).count()
    }

    fn statement(&mut self) -> (Vec<Piece<'a>>, Vec<&'a str>) {
        let mut pieces: Vec<Piece<'a>> = Vec::new();
        let mut comments = Vec::new();
        while let Some(token) = self.peek() {
            match (token.kind, token.text) {
                (Kind::Sign, ";" | "}") => break,
                (Kind::Comment | Kind::Newline, _) => {
                    let beyond = self.beyond();
                    let next = self.tokens.get(beyond).map_or("", |token| token.text);
                    let goes_on = match pieces.last() {
                        Some(Piece::Body(_)) => matches!(next, "else" | "shortcut"),
                        Some(Piece::Token(last)) => last.text == ",",
                        _ => false,
                    };
                    let between = self.tokens.get(self.at..beyond).unwrap_or(&[]);
                    let line_ends = between.iter().any(|token| token.kind == Kind::Newline);
                    if goes_on {
                        self.between(beyond, &mut pieces);
                    } else if line_ends || matches!(next, ";" | "}" | "") {
                        break;
                    } else {
                        // A comment that a carriage return ended: the statement goes on behind it.
                        comments.push(token.text);
                        self.at += 1;
                    }
                }
                (Kind::Sign, "(") => {
                    self.at += 1;
                    let list = token.touches && heads_list(&pieces) || names_definition(&pieces);
                    pieces.push(Piece::Parens(self.parens(list)));
                }
                (Kind::Sign, "{") => {
                    self.at += 1;
                    let body = self.body(false);
                    self.at += 1;
                    pieces.push(Piece::Body(body));
                }
                _ => {
                    pieces.push(Piece::Token(token));
                    self.at += 1;
                }
            }
        }
        (pieces, comments)
    }

    /// Comments inside a statement, up to `end`.
    fn between(&mut self, end: usize, pieces: &mut Vec<Piece<'a>>) {
        let mut own_line = false;
        while self.at < end {
            if let Some(token) = self.peek() {
                if token.kind == Kind::Comment {
                    pieces.push(Piece::Comment { text: token.text, own_line });
                }
                own_line = true;
            }
            self.at += 1;
        }
    }

    /// Up to the closing parenthesis, which is passed.
    fn parens(&mut self, list: bool) -> Parens<'a> {
        let mut parens = Parens { list, ..Parens::default() };
        let (mut own_line, mut open) = (false, false);
        while let Some(token) = self.peek() {
            self.at += 1;
            match (token.kind, token.text) {
                (Kind::Sign, ")") => break,
                (Kind::Sign, ",") => open = false,
                (Kind::Newline, _) => (open, own_line) = (false, true),
                (Kind::Comment, text) => match parens.items.last_mut() {
                    Some(Item::Argument { comments, .. }) if !own_line => comments.push(text),
                    None if !own_line => parens.opening.push(text),
                    _ => parens.items.push(Item::Comment(text)),
                },
                (_, sign) => {
                    let piece = if token.kind == Kind::Sign && sign == "(" {
                        Piece::Parens(self.parens(false))
                    } else {
                        Piece::Token(token)
                    };
                    own_line = false;
                    match parens.items.last_mut() {
                        Some(Item::Argument { pieces, .. }) if open => pieces.push(piece),
                        _ => parens.items.push(Item::Argument { pieces: vec![piece], comments: Vec::new() }),
                    }
                    open = true;
                }
            }
        }
        parens
    }
}

/// `basic` or `x = basic`: what a list of arguments follows.
fn heads_list(pieces: &[Piece<'_>]) -> bool {
    let name =
        |piece: &Piece<'_>| matches!(piece, Piece::Token(token) if token.kind == Kind::Word && !is_keyword(token.text));
    match pieces {
        [callee] => name(callee),
        [label, Piece::Token(equals), callee] => name(label) && equals.text == "=" && name(callee),
        _ => false,
    }
}

/// `net name` or `block name`.
fn names_definition(pieces: &[Piece<'_>]) -> bool {
    matches!(pieces, [Piece::Token(first), Piece::Token(_)] if matches!(first.text, "net" | "block"))
}
