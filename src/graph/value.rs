//! Values of parameters and attributes, and the arithmetic on them.

use super::problem::Problem;
use crate::source::Span;
use crate::syntax::ast::{BinaryOp, Expr, ExprKind, UnaryOp};
use std::collections::HashMap;
use std::fmt;

/// What an expression gives.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A whole number.
    Int(i64),
    /// Any number.
    Real(f64),
    /// A truth value.
    Bool(bool),
    /// `3x3` or `3x32x32`.
    Size(Vec<usize>),
    /// A quoted text.
    Text(String),
    /// `(1, 2, 1, 2)`
    Tuple(Vec<Value>),
    /// A bare word that the callee knows, such as `same`.
    Word(String),
}

impl Value {
    /// What kind of value it is, in a message.
    pub fn kind(&self) -> &'static str {
        match self {
            Value::Int(_) => "a whole number",
            Value::Real(_) => "a real number",
            Value::Bool(_) => "a truth value",
            Value::Size(_) => "a size",
            Value::Text(_) => "a text",
            Value::Tuple(_) => "a list",
            Value::Word(_) => "a word",
        }
    }

    /// "the size 3x3"
    pub fn describe(&self) -> String {
        format!("the {} {self}", self.kind().trim_start_matches("a "))
    }

    fn real(&self) -> Option<f64> {
        match self {
            Value::Int(value) => Some(*value as f64),
            Value::Real(value) => Some(*value),
            _ => None,
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Int(value) => write!(f, "{value}"),
            Value::Real(value) => write!(f, "{value}"),
            Value::Bool(value) => write!(f, "{value}"),
            Value::Size(parts) => {
                let parts: Vec<String> = parts.iter().map(usize::to_string).collect();
                f.write_str(&parts.join("x"))
            }
            Value::Text(text) => write!(f, "\"{text}\""),
            Value::Word(word) => f.write_str(word),
            Value::Tuple(parts) => {
                let parts: Vec<String> = parts.iter().map(Value::to_string).collect();
                write!(f, "({})", parts.join(", "))
            }
        }
    }
}

/// The parameters that can be read at one place.
pub type Environment = HashMap<String, Value>;

/// Works out an expression.
///
/// # Errors
/// Unknown names, operands that do not fit, overflow and division by zero.
pub fn evaluate(expr: &Expr, environment: &Environment) -> Result<Value, Problem> {
    match &expr.kind {
        ExprKind::Integer(value) => Ok(Value::Int(*value)),
        ExprKind::Real(value) => Ok(Value::Real(*value)),
        ExprKind::Size(parts) => Ok(Value::Size(parts.clone())),
        ExprKind::Bool(value) => Ok(Value::Bool(*value)),
        ExprKind::Text(text) => Ok(Value::Text(text.clone())),
        ExprKind::Name(name) => environment.get(name).cloned().ok_or_else(|| Problem::UnknownName {
            name: name.clone(),
            span: expr.span,
            known: environment.keys().cloned().collect(),
        }),
        ExprKind::Group(inner) => evaluate(inner, environment),
        ExprKind::Tuple(parts) => {
            Ok(Value::Tuple(parts.iter().map(|part| evaluate(part, environment)).collect::<Result<_, _>>()?))
        }
        ExprKind::Unary(op, operand) => {
            let value = evaluate(operand, environment)?;
            match (op, &value) {
                (UnaryOp::Minus, Value::Int(number)) => Ok(Value::Int(-number)),
                (UnaryOp::Minus, Value::Real(number)) => Ok(Value::Real(-number)),
                (UnaryOp::Not, Value::Bool(truth)) => Ok(Value::Bool(!truth)),
                (UnaryOp::Minus, _) => Err(operand_problem("-", "a number", &value, operand.span)),
                (UnaryOp::Not, _) => Err(operand_problem("not", "a truth value", &value, operand.span)),
            }
        }
        ExprKind::Binary(op, left, right) => {
            let left_value = evaluate(left, environment)?;
            // `and` and `or` stop early, so that `n > 0 and 8 / n == 2` can guard.
            match (op, &left_value) {
                (BinaryOp::And, Value::Bool(false)) => return Ok(Value::Bool(false)),
                (BinaryOp::Or, Value::Bool(true)) => return Ok(Value::Bool(true)),
                _ => {}
            }
            let right_value = evaluate(right, environment)?;
            binary(*op, (&left_value, left.span), (&right_value, right.span), expr.span)
        }
        ExprKind::Conditional { arms, otherwise } => {
            for (condition, value) in arms {
                if self::condition(condition, environment)? {
                    return evaluate(value, environment);
                }
            }
            evaluate(otherwise, environment)
        }
    }
}

/// Works out a condition.
///
/// # Errors
/// As [`evaluate`]; also when it is no truth value.
pub fn condition(expression: &Expr, environment: &Environment) -> Result<bool, Problem> {
    match evaluate(expression, environment)? {
        Value::Bool(truth) => Ok(truth),
        other => Err(operand_problem("if", "a truth value", &other, expression.span)),
    }
}

fn operand_problem(operator: &'static str, expected: &'static str, found: &Value, span: Span) -> Problem {
    Problem::Operand { operator, expected, found: found.describe(), span }
}

fn binary(op: BinaryOp, left: (&Value, Span), right: (&Value, Span), span: Span) -> Result<Value, Problem> {
    use BinaryOp::*;
    let symbol = op.symbol();
    match op {
        And | Or => match (left.0, right.0) {
            // The left side already did not decide.
            (Value::Bool(_), Value::Bool(truth)) => Ok(Value::Bool(*truth)),
            (Value::Bool(_), other) => Err(operand_problem(symbol, "a truth value", other, right.1)),
            (other, _) => Err(operand_problem(symbol, "a truth value", other, left.1)),
        },
        Equal | Unequal => {
            let equal = match (left.0.real(), right.0.real()) {
                (Some(a), Some(b)) => a == b,
                _ if std::mem::discriminant(left.0) == std::mem::discriminant(right.0) => left.0 == right.0,
                _ => return Err(operand_problem(symbol, left.0.kind(), right.0, right.1)),
            };
            Ok(Value::Bool(equal == (op == Equal)))
        }
        Below | AtMost | Above | AtLeast | Plus | Minus | Times | Over | Modulo => {
            if let (Value::Int(a), Value::Int(b)) = (left.0, right.0) {
                return integers(op, *a, *b, span);
            }
            let (Some(a), b) = (left.0.real(), right.0.real()) else {
                return Err(operand_problem(symbol, "a number", left.0, left.1));
            };
            let Some(b) = b else { return Err(operand_problem(symbol, "a number", right.0, right.1)) };
            reals(op, a, b, span)
        }
    }
}

fn integers(op: BinaryOp, a: i64, b: i64, span: Span) -> Result<Value, Problem> {
    use BinaryOp::*;
    let compared = match op {
        Below => Some(a < b),
        AtMost => Some(a <= b),
        Above => Some(a > b),
        AtLeast => Some(a >= b),
        _ => None,
    };
    if let Some(truth) = compared {
        return Ok(Value::Bool(truth));
    }
    let result = match op {
        Plus => a.checked_add(b),
        Minus => a.checked_sub(b),
        Times => a.checked_mul(b),
        // A quotient of whole numbers must be whole: 7 / 2 silently being 3 is how widths go wrong.
        Over | Modulo if b == 0 => return Err(Problem::DivisionByZero { span }),
        Over if a % b != 0 => return Err(Problem::Inexact { left: a, right: b, span }),
        Over => Some(a / b),
        _ => Some(a.rem_euclid(b)),
    };
    match result {
        Some(value) if value.abs() <= 1 << 53 => Ok(Value::Int(value)),
        _ => Err(Problem::Overflow { span }),
    }
}

fn reals(op: BinaryOp, a: f64, b: f64, span: Span) -> Result<Value, Problem> {
    use BinaryOp::*;
    let result = match op {
        Below => return Ok(Value::Bool(a < b)),
        AtMost => return Ok(Value::Bool(a <= b)),
        Above => return Ok(Value::Bool(a > b)),
        AtLeast => return Ok(Value::Bool(a >= b)),
        Over | Modulo if b == 0.0 => return Err(Problem::DivisionByZero { span }),
        Plus => a + b,
        Minus => a - b,
        Times => a * b,
        Over => a / b,
        _ => a.rem_euclid(b),
    };
    if result.is_finite() { Ok(Value::Real(result)) } else { Err(Problem::Overflow { span }) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::FileId;
    use crate::syntax::ast::{Item, StatementKind};
    use crate::syntax::parse::parse;

    fn value(text: &str) -> Result<Value, String> {
        let file = parse(FileId(0), &format!("net x {{ repeat {text} {{ }} }}")).map_err(|error| error.message)?;
        let Some(Item::Net(net)) = file.items.first() else { panic!() };
        let StatementKind::Repeat { count, .. } = &net.body.statements[0].kind else { panic!() };
        let environment =
            [("n", Value::Int(3)), ("wide", Value::Bool(true))].map(|(name, value)| (name.to_string(), value)).into();
        evaluate(count, &environment).map_err(|problem| problem.diagnose().message)
    }

    #[test]
    fn arithmetic() {
        assert_eq!(value("2 + 3 * n"), Ok(Value::Int(11)));
        assert_eq!(value("(2 + 3) * -n"), Ok(Value::Int(-15)));
        assert_eq!(value("0.001 / 9 < 1e-3"), Ok(Value::Bool(true)));
        assert_eq!(value("if n == 3 then 3x3 else 1x1"), Ok(Value::Size(vec![3, 3])));
        assert_eq!(value("not wide or n % 2 == 1"), Ok(Value::Bool(true)));
        assert_eq!(value("n > 5 and 1 / 0 == 1"), Ok(Value::Bool(false)));
    }

    #[test]
    fn what_has_no_result_is_reported() {
        assert_eq!(value("7 / 2").unwrap_err(), "7 / 2 is not a whole number");
        assert_eq!(value("n / (n - 3)").unwrap_err(), "division by zero");
        assert_eq!(value("9007199254740992 * 2").unwrap_err(), "the result is too large");
        assert_eq!(value("n + wide").unwrap_err(), "`+` needs a number, not the truth value true");
        assert_eq!(value("m").unwrap_err(), "there is no parameter `m` here");
    }
}
