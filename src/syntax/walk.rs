//! Going through a tree.

use super::ast::{Arguments, Body, Expr, ExprKind, Statement, StatementKind};

/// Visits every statement of a body, those inside `repeat`, `if` and `residual` too.
pub fn statements<'a>(body: &'a Body, visit: &mut impl FnMut(&'a Statement)) {
    for statement in &body.statements {
        visit(statement);
        match &statement.kind {
            StatementKind::Repeat { body, .. } | StatementKind::Sequence(body) => statements(body, visit),
            StatementKind::If { arms, otherwise } => {
                arms.iter().for_each(|(_, body)| statements(body, visit));
                otherwise.iter().for_each(|body| statements(body, visit));
            }
            StatementKind::Residual { main, shortcut } => {
                statements(main, visit);
                shortcut.iter().for_each(|body| statements(body, visit));
            }
            StatementKind::Call(_) | StatementKind::From(_) | StatementKind::Expect(_) => {}
        }
    }
}

/// Visits the expressions of one statement, not of those inside it.
pub fn expressions<'a>(statement: &'a Statement, visit: &mut impl FnMut(&'a Expr)) {
    match &statement.kind {
        StatementKind::Call(call) => match &call.arguments {
            Arguments::Words(words) => words.iter().for_each(visit),
            Arguments::List(list) => list.iter().for_each(|argument| visit(&argument.value)),
        },
        StatementKind::Repeat { count, .. } => visit(count),
        StatementKind::If { arms, .. } => arms.iter().for_each(|(condition, _)| visit(condition)),
        StatementKind::Expect(facts) => facts.iter().for_each(|fact| visit(&fact.value)),
        StatementKind::Residual { .. } | StatementKind::Sequence(_) | StatementKind::From(_) => {}
    }
}

/// Visits every name that an expression reads.
pub fn names<'a>(expr: &'a Expr, visit: &mut impl FnMut(&'a str)) {
    match &expr.kind {
        ExprKind::Name(name) => visit(name),
        ExprKind::Group(inner) | ExprKind::Unary(_, inner) => names(inner, visit),
        ExprKind::Tuple(parts) => parts.iter().for_each(|part| names(part, visit)),
        ExprKind::Binary(_, left, right) => {
            names(left, visit);
            names(right, visit);
        }
        ExprKind::Conditional { arms, otherwise } => {
            for (condition, value) in arms {
                names(condition, visit);
                names(value, visit);
            }
            names(otherwise, visit);
        }
        ExprKind::Integer(_) | ExprKind::Real(_) | ExprKind::Size(_) | ExprKind::Bool(_) | ExprKind::Text(_) => {}
    }
}
