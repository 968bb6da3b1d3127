//! Text to syntax tree, by the pest grammar in `grammar/net.pest`.

use super::ast::*;
use super::brackets;
use super::error;
use super::grammar::{KEYWORDS, NetParser, Rule};
use crate::diagnostic::{Code, Diagnostic, LintLevel};
use crate::source::{FileId, Span};
use pest::Parser;
use pest::iterators::{Pair, Pairs};
use pest::pratt_parser::{Assoc, Op, PrattParser};
use std::sync::LazyLock;

/// The most operands one expression may have; longer ones are a machine's work and would nest too deeply.
const LONGEST_EXPRESSION: usize = 200;

/// Parses one file.
///
/// # Errors
/// One diagnostic: a grammar stops at the first thing it cannot read.
pub fn parse(id: FileId, text: &str) -> Result<File, Box<Diagnostic>> {
    let comments = brackets::scan(id, text)?;
    let pairs = NetParser::parse(Rule::file, text).map_err(|error| Box::new(error::diagnose(id, text, &error)))?;
    let builder = Builder { file: id, comments: &comments };
    let file = pairs.into_iter().next().ok_or_else(|| builder.internal())?;
    let mut items = Vec::new();
    for pair in children(file) {
        if pair.as_rule() != Rule::EOI {
            items.push(builder.item(pair)?);
        }
    }
    Ok(File { id, items, comments })
}

/// Binding strength, weakest first.
static PRATT: LazyLock<PrattParser<Rule>> = LazyLock::new(|| {
    let left = |rule| Op::infix(rule, Assoc::Left);
    PrattParser::new()
        .op(left(Rule::or))
        .op(left(Rule::and))
        .op(left(Rule::equal)
            | left(Rule::unequal)
            | left(Rule::below)
            | left(Rule::at_most)
            | left(Rule::above)
            | left(Rule::at_least))
        .op(left(Rule::plus) | left(Rule::minus))
        .op(left(Rule::times) | left(Rule::over) | left(Rule::modulo))
        .op(Op::prefix(Rule::prefix))
});

/// The children of a pair that carry meaning: all but the keywords.
type Children<'i> = std::iter::Filter<Pairs<'i, Rule>, fn(&Pair<'i, Rule>) -> bool>;

fn children(pair: Pair<'_, Rule>) -> Children<'_> {
    fn means_something(pair: &Pair<'_, Rule>) -> bool {
        KEYWORDS.iter().all(|&(rule, _)| rule != pair.as_rule())
    }
    pair.into_inner().filter(means_something)
}

type Built<T> = Result<T, Box<Diagnostic>>;

/// Turns pairs into the tree. The grammar fixes which children a pair has; [`Builder::internal`] is for the case that
/// grammar and builder ever disagree.
struct Builder<'c> {
    file: FileId,
    comments: &'c [Span],
}

impl Builder<'_> {
    fn internal(&self) -> Box<Diagnostic> {
        let message = "netc's grammar and its tree builder disagree; this is a bug in netc";
        Box::new(Diagnostic::new(Code::Syntax, message).at(Span::new(self.file, 0..0), ""))
    }

    fn next<'i>(&self, pairs: &mut Children<'i>) -> Built<Pair<'i, Rule>> {
        pairs.next().ok_or_else(|| self.internal())
    }

    fn span(&self, pair: &Pair<'_, Rule>) -> Span {
        let span = pair.as_span();
        let (start, text) = (span.start(), span.as_str());
        // A rule that ends with an optional part spans the white space and the comments before what was not there.
        let mut end = start + text.trim_end().len();
        while let Some(comment) = self.comment_at(end).filter(|comment| comment.range().start >= start) {
            let before = text.get(..comment.range().start - start).unwrap_or("");
            end = start + before.trim_end().len();
        }
        Span::new(self.file, start..end)
    }

    /// The comment that ends at an offset, white space at its end not counted.
    fn comment_at(&self, end: usize) -> Option<Span> {
        let before = self.comments.partition_point(|comment| comment.range().start < end);
        self.comments.get(before.checked_sub(1)?).copied().filter(|comment| comment.range().end >= end)
    }

    fn name(&self, pair: Pair<'_, Rule>) -> Name {
        Name { text: pair.as_str().to_string(), span: self.span(&pair) }
    }

    fn item(&self, pair: Pair<'_, Rule>) -> Built<Item> {
        let span = self.span(&pair);
        let rule = pair.as_rule();
        let mut inner = children(pair);
        Ok(match rule {
            Rule::use_item | Rule::recipe_item => {
                let text = self.next(&mut inner)?;
                let item = PathItem { span: self.span(&text), path: text_inside(text) };
                if rule == Rule::use_item { Item::Use(item) } else { Item::Recipe(item) }
            }
            Rule::lint => Item::Lint(self.lint(span, inner)?),
            Rule::net_item => Item::Net(self.definition(span, inner)?),
            Rule::block_item => Item::Block(self.definition(span, inner)?),
            _ => return Err(self.internal()),
        })
    }

    fn lint(&self, span: Span, mut inner: Children<'_>) -> Built<LintRule> {
        let level = match self.next(&mut inner)?.as_str() {
            "allow" => LintLevel::Allow,
            "warn" => LintLevel::Warn,
            "deny" => LintLevel::Deny,
            _ => return Err(self.internal()),
        };
        let lint = self.name(self.next(&mut inner)?);
        Ok(LintRule { level, lint, reason: inner.next().map(text_inside), span })
    }

    fn definition(&self, span: Span, mut inner: Children<'_>) -> Built<Definition> {
        let name = self.name(self.next(&mut inner)?);
        let mut next = self.next(&mut inner)?;
        let mut parameters = Vec::new();
        if next.as_rule() == Rule::parameters {
            for parameter in children(next) {
                parameters.push(self.parameter(parameter)?);
            }
            next = self.next(&mut inner)?;
        }
        Ok(Definition { name, parameters, body: self.body(next)?, span })
    }

    fn parameter(&self, pair: Pair<'_, Rule>) -> Built<Parameter> {
        let mut inner = children(pair);
        let name = self.name(self.next(&mut inner)?);
        let kind = self.name(self.next(&mut inner)?);
        let default = inner.next().map(|value| self.expression(value)).transpose()?;
        Ok(Parameter { name, kind, default })
    }

    fn body(&self, pair: Pair<'_, Rule>) -> Built<Body> {
        let span = self.span(&pair);
        let statements = children(pair).map(|statement| self.statement(statement)).collect::<Built<_>>()?;
        Ok(Body { statements, span })
    }

    fn statement(&self, pair: Pair<'_, Rule>) -> Built<Statement> {
        let mut inner = children(pair);
        let mut first = self.next(&mut inner)?;
        let mut label = None;
        if first.as_rule() == Rule::label {
            label = Some(self.name(self.next(&mut children(first))?));
            first = self.next(&mut inner)?;
        }
        let span = self.span(&first);
        let rule = first.as_rule();
        let mut parts = children(first);
        let kind = match rule {
            Rule::from => StatementKind::From(self.name(self.next(&mut parts)?)),
            Rule::lint => StatementKind::Lint(self.lint(span, parts)?),
            Rule::expect => StatementKind::Expect(parts.map(|part| self.expectation(part)).collect::<Built<_>>()?),
            Rule::repeat => {
                let count = self.expression(self.next(&mut parts)?)?;
                let mut next = self.next(&mut parts)?;
                let mut index = None;
                if next.as_rule() == Rule::name {
                    index = Some(self.name(next));
                    next = self.next(&mut parts)?;
                }
                StatementKind::Repeat { count, index, body: self.body(next)? }
            }
            Rule::if_else => self.if_else(parts)?,
            Rule::sequence => StatementKind::Sequence(self.body(self.next(&mut parts)?)?),
            Rule::residual => {
                let main = self.body(self.next(&mut parts)?)?;
                let shortcut = parts.next().map(|body| self.body(body)).transpose()?;
                StatementKind::Residual { main, shortcut }
            }
            Rule::list_call => {
                let head = self.next(&mut children(self.next(&mut parts)?))?;
                let arguments = parts.map(|part| self.argument(part)).collect::<Built<_>>()?;
                StatementKind::Call(Call { callee: self.name(head), arguments: Arguments::List(arguments) })
            }
            Rule::word_call => {
                let callee = self.name(self.next(&mut parts)?);
                let words = parts.map(|part| self.word(part)).collect::<Built<_>>()?;
                StatementKind::Call(Call { callee, arguments: Arguments::Words(words) })
            }
            _ => return Err(self.internal()),
        };
        Ok(Statement { label, kind, span })
    }

    fn if_else(&self, mut parts: Children<'_>) -> Built<StatementKind> {
        let (mut arms, mut otherwise) = (Vec::new(), None);
        while let Some(part) = parts.next() {
            if part.as_rule() == Rule::otherwise {
                otherwise = Some(self.body(self.next(&mut children(part))?)?);
            } else {
                arms.push((self.expression(part)?, self.body(self.next(&mut parts)?)?));
            }
        }
        Ok(StatementKind::If { arms, otherwise })
    }

    fn expectation(&self, pair: Pair<'_, Rule>) -> Built<Expectation> {
        let mut inner = children(pair);
        let subject = self.name(self.next(&mut inner)?);
        Ok(Expectation { subject, value: self.word(self.next(&mut inner)?)? })
    }

    fn argument(&self, pair: Pair<'_, Rule>) -> Built<Argument> {
        let mut inner = children(pair);
        let mut first = self.next(&mut inner)?;
        let mut key = None;
        if first.as_rule() == Rule::argument_key {
            key = Some(self.name(self.next(&mut children(first))?));
            first = self.next(&mut inner)?;
        }
        Ok(Argument { key, value: self.expression(first)? })
    }

    fn expression(&self, pair: Pair<'_, Rule>) -> Built<Expr> {
        let inner = self.next(&mut children(pair))?;
        match inner.as_rule() {
            Rule::conditional => {
                let span = self.span(&inner);
                let mut parts = children(inner).map(|part| self.operation(part)).collect::<Built<Vec<_>>>()?;
                let otherwise = Box::new(parts.pop().ok_or_else(|| self.internal())?);
                let mut arms = Vec::new();
                let mut parts = parts.into_iter();
                while let (Some(condition), Some(value)) = (parts.next(), parts.next()) {
                    arms.push((condition, value));
                }
                Ok(Expr { kind: ExprKind::Conditional { arms, otherwise }, span })
            }
            _ => self.operation(inner),
        }
    }

    fn operation(&self, pair: Pair<'_, Rule>) -> Built<Expr> {
        let span = self.span(&pair);
        let inner = pair.into_inner();
        if inner.len() > LONGEST_EXPRESSION {
            let message = format!("an expression of more than {} operands", LONGEST_EXPRESSION / 2);
            return Err(Box::new(Diagnostic::new(Code::NestedTooDeeply, message).at(span, "too long to read")));
        }
        PRATT
            .map_primary(|word| self.word(word))
            .map_prefix(|op, operand| {
                let operand = operand?;
                let span = self.span(&op).to(operand.span);
                let op = if op.as_str() == "-" { UnaryOp::Minus } else { UnaryOp::Not };
                Ok(Expr { kind: ExprKind::Unary(op, Box::new(operand)), span })
            })
            .map_infix(|left, op, right| {
                let (left, right) = (left?, right?);
                let span = left.span.to(right.span);
                let op = binary(op.as_rule()).ok_or_else(|| self.internal())?;
                Ok(Expr { kind: ExprKind::Binary(op, Box::new(left), Box::new(right)), span })
            })
            .parse(inner)
    }

    fn word(&self, pair: Pair<'_, Rule>) -> Built<Expr> {
        let span = self.span(&pair);
        let text = pair.as_str();
        let kind = match pair.as_rule() {
            Rule::number => self.number(text, span)?,
            Rule::size => {
                let parts = text.split('x').map(|part| self.integer(part, span)).collect::<Built<Vec<_>>>()?;
                ExprKind::Size(parts.into_iter().map(|part| usize::try_from(part).unwrap_or(0)).collect())
            }
            Rule::boolean => ExprKind::Bool(text == "true"),
            Rule::name => ExprKind::Name(text.to_string()),
            Rule::text => ExprKind::Text(text_inside(pair)),
            Rule::group => {
                let mut parts = children(pair).map(|part| self.expression(part)).collect::<Built<Vec<_>>>()?;
                match parts.pop() {
                    Some(only) if parts.is_empty() => ExprKind::Group(Box::new(only)),
                    Some(last) => {
                        parts.push(last);
                        ExprKind::Tuple(parts)
                    }
                    None => return Err(self.internal()),
                }
            }
            _ => return Err(self.internal()),
        };
        Ok(Expr { kind, span })
    }

    fn number(&self, text: &str, span: Span) -> Built<ExprKind> {
        if text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'_') {
            return Ok(ExprKind::Integer(self.integer(text, span)?));
        }
        match text.replace('_', "").parse::<f64>() {
            Ok(value) if value.is_finite() => Ok(ExprKind::Real(value)),
            _ => Err(self.bad_number(text, span)),
        }
    }

    /// Integers stop at 2⁵³, where every one of them is still exact as a real number.
    fn integer(&self, text: &str, span: Span) -> Built<i64> {
        match text.replace('_', "").parse::<i64>() {
            Ok(value) if value <= 1 << 53 => Ok(value),
            _ => Err(self.bad_number(text, span)),
        }
    }

    fn bad_number(&self, text: &str, span: Span) -> Box<Diagnostic> {
        let shown: String = text.chars().take(40).collect();
        Box::new(Diagnostic::new(Code::BadNumber, format!("the number `{shown}` is too large")).at(span, ""))
    }
}

fn text_inside(pair: Pair<'_, Rule>) -> String {
    children(pair).next().map_or_else(String::new, |inside| inside.as_str().to_string())
}

fn binary(rule: Rule) -> Option<BinaryOp> {
    Some(match rule {
        Rule::or => BinaryOp::Or,
        Rule::and => BinaryOp::And,
        Rule::equal => BinaryOp::Equal,
        Rule::unequal => BinaryOp::Unequal,
        Rule::below => BinaryOp::Below,
        Rule::at_most => BinaryOp::AtMost,
        Rule::above => BinaryOp::Above,
        Rule::at_least => BinaryOp::AtLeast,
        Rule::plus => BinaryOp::Plus,
        Rule::minus => BinaryOp::Minus,
        Rule::times => BinaryOp::Times,
        Rule::over => BinaryOp::Over,
        Rule::modulo => BinaryOp::Modulo,
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
