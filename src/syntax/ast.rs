//! The syntax tree: what was written, with a span on everything, before any name is looked up.

use crate::diagnostic::LintLevel;
use crate::source::{FileId, Span};
use serde::Serialize;

/// One `.net` file.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct File {
    /// Which file.
    pub id: FileId,
    /// Top-level items in order.
    pub items: Vec<Item>,
    /// Every comment, for tools that print the file again.
    pub comments: Vec<Span>,
}

/// A top-level item.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Item {
    /// `use "lib/resnet.net"`
    Use(PathItem),
    /// `recipe "recipes/he2015.yaml"`
    Recipe(PathItem),
    /// `allow N010 "why"`, for the whole file
    Lint(LintRule),
    /// `net resnet20 { … }`
    Net(Definition),
    /// `block basic(width: int) { … }`
    Block(Definition),
}

/// A path in quotes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PathItem {
    /// The text between the quotes.
    pub path: String,
    /// The quoted path.
    pub span: Span,
}

/// `allow N010 "why"`: what a lint is worth in the braces, or the file, in which this stands.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LintRule {
    /// What it is worth.
    pub level: LintLevel,
    /// The lint as written, by its code or in words.
    pub lint: Name,
    /// Why.
    pub reason: Option<String>,
    /// All of it.
    pub span: Span,
}

/// A net or a block.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Definition {
    /// Its name.
    pub name: Name,
    /// Its parameters.
    pub parameters: Vec<Parameter>,
    /// Its statements.
    pub body: Body,
    /// All of it.
    pub span: Span,
}

/// A name where it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Name {
    /// The letters.
    pub text: String,
    /// Where.
    pub span: Span,
}

/// `width: int = 16`
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Parameter {
    /// Its name.
    pub name: Name,
    /// Its type as written.
    pub kind: Name,
    /// Its default.
    pub default: Option<Expr>,
}

/// Statements in braces.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Body {
    /// In order.
    pub statements: Vec<Statement>,
    /// With the braces.
    pub span: Span,
}

/// One statement, perhaps named: `x = conv 16 3x3`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Statement {
    /// The name before `=`.
    pub label: Option<Name>,
    /// What it does.
    pub kind: StatementKind,
    /// All of it, without the label.
    pub span: Span,
}

/// What a statement does.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StatementKind {
    /// A layer or a block.
    Call(Call),
    /// `repeat n as i { … }`
    Repeat {
        /// How often.
        count: Expr,
        /// The name of the counter, which runs from 0.
        index: Option<Name>,
        /// What is repeated.
        body: Body,
    },
    /// `if … { } else if … { } else { }`
    If {
        /// Conditions with their bodies.
        arms: Vec<(Expr, Body)>,
        /// The last `else`.
        otherwise: Option<Body>,
    },
    /// `{ … }`, to name several layers together.
    Sequence(Body),
    /// `residual { … } shortcut { … }`
    Residual {
        /// The main path.
        main: Body,
        /// The other path; the identity when it is not there.
        shortcut: Option<Body>,
    },
    /// `from x`: what follows reads `x`.
    From(Name),
    /// `expect params 1_000, macs 2_000`
    Expect(Vec<Expectation>),
    /// `allow N010 "why"`
    Lint(LintRule),
}

/// A fact to prove.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Expectation {
    /// `params`, `macs`, `shape` or `layers`.
    pub subject: Name,
    /// What it should be.
    pub value: Expr,
}

/// A layer or block with its arguments.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Call {
    /// What is called.
    pub callee: Name,
    /// With what.
    pub arguments: Arguments,
}

/// Arguments in either notation.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Arguments {
    /// `16 3x3 stride 2`: which words are attribute names is known only when the callee is.
    Words(Vec<Expr>),
    /// `(16, 3x3, stride: 2)`
    List(Vec<Argument>),
}

/// One argument of a list.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Argument {
    /// The name before `:`.
    pub key: Option<Name>,
    /// The value.
    pub value: Expr,
}

/// An expression where it stands.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Expr {
    /// What it is.
    pub kind: ExprKind,
    /// Where.
    pub span: Span,
}

/// An expression.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ExprKind {
    /// `16`
    Integer(i64),
    /// `0.5`, `1e-4`
    Real(f64),
    /// `3x32x32`
    Size(Vec<usize>),
    /// `true`
    Bool(bool),
    /// `"text"`
    Text(String),
    /// A parameter, or a word that the callee knows (`same`, `ceil`).
    Name(String),
    /// `(2 * width)`
    Group(Box<Expr>),
    /// `(1, 2, 1, 2)`
    Tuple(Vec<Expr>),
    /// `-x`, `not x`
    Unary(UnaryOp, Box<Expr>),
    /// `a + b`
    Binary(BinaryOp, Box<Expr>, Box<Expr>),
    /// `if a then b else c`
    Conditional {
        /// Conditions with their results.
        arms: Vec<(Expr, Expr)>,
        /// The last `else`.
        otherwise: Box<Expr>,
    },
}

/// Operators before their operand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum UnaryOp {
    /// `-`
    Minus,
    /// `not`
    Not,
}

/// Operators between operands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum BinaryOp {
    /// `or`
    Or,
    /// `and`
    And,
    /// `==`
    Equal,
    /// `!=`
    Unequal,
    /// `<`
    Below,
    /// `<=`
    AtMost,
    /// `>`
    Above,
    /// `>=`
    AtLeast,
    /// `+`
    Plus,
    /// `-`
    Minus,
    /// `*`
    Times,
    /// `/`
    Over,
    /// `%`
    Modulo,
}

impl BinaryOp {
    /// How it is written.
    pub fn symbol(self) -> &'static str {
        match self {
            BinaryOp::Or => "or",
            BinaryOp::And => "and",
            BinaryOp::Equal => "==",
            BinaryOp::Unequal => "!=",
            BinaryOp::Below => "<",
            BinaryOp::AtMost => "<=",
            BinaryOp::Above => ">",
            BinaryOp::AtLeast => ">=",
            BinaryOp::Plus => "+",
            BinaryOp::Minus => "-",
            BinaryOp::Times => "*",
            BinaryOp::Over => "/",
            BinaryOp::Modulo => "%",
        }
    }
}
