//! Going through a tree.

use super::ast::{Arguments, Body, Expr, ExprKind, Statement, StatementKind};

/// The bodies of a statement, in order.
fn inside(statement: &Statement) -> Vec<&Body> {
    match &statement.kind {
        StatementKind::Repeat { body, .. } | StatementKind::Sequence(body) => vec![body],
        StatementKind::If { arms, otherwise } => arms.iter().map(|(_, body)| body).chain(otherwise).collect(),
        StatementKind::Residual { main, shortcut } => std::iter::once(main).chain(shortcut).collect(),
        StatementKind::Call(_) | StatementKind::From(_) | StatementKind::Expect(_) | StatementKind::Lint(_) => {
            Vec::new()
        }
    }
}

/// Visits every statement of a body, those inside `repeat`, `if` and `residual` too.
pub fn statements<'a>(body: &'a Body, visit: &mut impl FnMut(&'a Statement)) {
    for statement in &body.statements {
        visit(statement);
        for body in inside(statement) {
            statements(body, visit);
        }
    }
}

/// Visits a body and every body inside it.
pub fn bodies<'a>(body: &'a Body, visit: &mut impl FnMut(&'a Body)) {
    visit(body);
    for body in body.statements.iter().flat_map(inside) {
        bodies(body, visit);
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
        StatementKind::Residual { .. }
        | StatementKind::Sequence(_)
        | StatementKind::From(_)
        | StatementKind::Lint(_) => {}
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
