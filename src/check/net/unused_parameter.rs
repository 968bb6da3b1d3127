//! N002: a parameter is never read.
//!
//! ## What it does
//! Warns of a parameter of a block or net, or the counter of a `repeat`, that nothing reads.
//!
//! ## Why is this bad?
//! A parameter that is never read is a knob that turns nothing: a `stride` that was meant for the convolution, for
//! example. Every call that gives it believes in it.
//!
//! ## Example
//! ```net
//! net example { input 3x32x32; basic(16, stride: 2); global_avg_pool; linear 10 }
//! block basic(width: int, stride: int = 1) { conv width 3x3 pad 1; bn; relu }
//! ```
//!
//! ## Use instead
//! ```net
//! net example { input 3x32x32; basic(16, stride: 2); global_avg_pool; linear 10 }
//! block basic(width: int, stride: int = 1) { conv width 3x3 stride stride pad 1; bn; relu }
//! ```
//!
//! ## Reference
//! Rust's lint `unused_variables`.

use super::Run;
use crate::check::Check;
use crate::diagnostic::{Code, Diagnostic};
use crate::graph::catalog;
use crate::graph::resolve::{Definitions, own_definitions};
use crate::source::SourceMap;
use crate::syntax::ast::{Arguments, Body, Call, Definition, Expr, ExprKind, Name, Statement, StatementKind};
use crate::syntax::load::Spec;
use crate::syntax::walk;
use std::collections::HashSet;

/// This check.
pub const CHECK: Check<Run> =
    Check { code: Code::UnusedParameter, file: include_str!("unused_parameter.rs"), run: Run::Tree(check) };

fn check(spec: &Spec, definitions: &Definitions<'_>, _: &SourceMap, diagnostics: &mut Vec<Diagnostic>) {
    for definition in own_definitions(spec) {
        let mut read = HashSet::new();
        for default in definition.parameters.iter().filter_map(|parameter| parameter.default.as_ref()) {
            read.extend(names_of(default));
        }
        read_in(&definition.body, definitions, &mut read);
        for parameter in &definition.parameters {
            unused(&parameter.name, &read, &format!("`{}`", definition.name.text), diagnostics);
        }
        walk::statements(&definition.body, &mut |statement| {
            if let StatementKind::Repeat { index: Some(index), body, .. } = &statement.kind {
                let mut read = HashSet::new();
                read_in(body, definitions, &mut read);
                unused(index, &read, "this `repeat`", diagnostics);
            }
        });
    }
}

fn unused(name: &Name, read: &HashSet<&str>, owner: &str, diagnostics: &mut Vec<Diagnostic>) {
    if !read.contains(name.text.as_str()) {
        diagnostics.push(
            Diagnostic::new(Code::UnusedParameter, format!("parameter `{}` of {owner} is never read", name.text))
                .at(name.span, "not read anywhere")
                .help("use it, or take it out"),
        );
    }
}

/// Every name that a body reads.
fn read_in<'a>(body: &'a Body, definitions: &Definitions<'_>, read: &mut HashSet<&'a str>) {
    walk::statements(body, &mut |statement: &'a Statement| match &statement.kind {
        StatementKind::Call(Call { callee, arguments: Arguments::Words(words) }) => {
            let mut words = words.iter();
            while let Some(word) = words.next() {
                // `stride stride`: the first is the attribute, only the second reads the parameter.
                let value = match &word.kind {
                    ExprKind::Name(name) if is_attribute(&callee.text, name, definitions) => words.next(),
                    _ => Some(word),
                };
                if let Some(value) = value {
                    read.extend(names_of(value));
                }
            }
        }
        _ => walk::expressions(statement, &mut |expr| read.extend(names_of(expr))),
    });
}

fn names_of(expr: &Expr) -> Vec<&str> {
    let mut found = Vec::new();
    walk::names(expr, &mut |name| found.push(name));
    found
}

/// Whether a word names an attribute. What must be given has its place, and its name may be a parameter's.
fn is_attribute(callee: &str, name: &str, definitions: &Definitions<'_>) -> bool {
    let of_layer = catalog::find(callee)
        .is_some_and(|entry| entry.attributes.iter().any(|a| a.name == name && a.default.is_some()));
    let has = |block: &&Definition| block.parameters.iter().any(|p| p.name.text == name && p.default.is_some());
    of_layer || definitions.blocks.get(callee).is_some_and(has)
}

#[cfg(test)]
mod tests {
    use crate::check::testing::file;

    const NET: &str = "net test { input 3x8x8; basic(4); flatten; linear 10 }\n";

    #[test]
    fn parameters_that_do_nothing() {
        let block = |body: &str| file(&format!("{NET}block basic(width: int, stride: int = 1) {{ {body} }}"));
        assert_eq!(block("conv width 3x3 stride stride"), [""; 0]);
        assert_eq!(block("conv width 3x3 stride 2"), ["N002"]);
        assert_eq!(block("conv width 3x3 bias stride (stride)").len(), 0);
        assert_eq!(block("repeat stride as i { conv width 1x1 }"), ["N002"]);
        assert!(block("repeat stride as i { conv (width + i) 1x1 }").is_empty());
    }
}
