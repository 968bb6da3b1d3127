//! N001: a block is never called.
//!
//! ## What it does
//! Warns of a block of the spec itself that no statement calls. Blocks of used files may serve other specs and are not
//! told.
//!
//! ## Why is this bad?
//! What is never called is not in the network, though a reader believes it is.
//!
//! ## Example
//! ```net
//! net example { input 3x32x32; conv 16 3x3 pad 1; global_avg_pool; linear 10 }
//! block stem() { conv 16 3x3 pad 1; bn; relu }
//! ```
//!
//! ## Use instead
//! ```net
//! net example { input 3x32x32; stem(); global_avg_pool; linear 10 }
//! block stem() { conv 16 3x3 pad 1; bn; relu }
//! ```
//!
//! ## Reference
//! Rust's lint `dead_code`.

use super::Run;
use crate::check::Check;
use crate::diagnostic::{Code, Diagnostic, Fix};
use crate::graph::resolve::{Definitions, own_definitions};
use crate::source::SourceMap;
use crate::syntax::ast::StatementKind;
use crate::syntax::load::Spec;
use crate::syntax::walk;
use std::collections::HashSet;

/// This check.
pub const CHECK: Check<Run> =
    Check { code: Code::UnusedBlock, file: include_str!("unused_block.rs"), run: Run::Tree(check) };

fn check(spec: &Spec, definitions: &Definitions<'_>, sources: &SourceMap, diagnostics: &mut Vec<Diagnostic>) {
    let mut called = HashSet::new();
    for definition in own_definitions(spec) {
        walk::statements(&definition.body, &mut |statement| {
            if let StatementKind::Call(call) = &statement.kind {
                called.insert(call.callee.text.as_str());
            }
        });
    }
    for (name, block) in &definitions.blocks {
        if spec.root().is_some_and(|root| root.id == block.span.file) && !called.contains(name) {
            diagnostics.push(
                Diagnostic::new(Code::UnusedBlock, format!("block `{name}` is never called"))
                    .at(block.name.span, "not called anywhere")
                    .help("call it, or take it out")
                    // Whether it was to be called, or to be gone, only its writer knows.
                    .fix(Fix::remove_statement(format!("take `{name}` out"), block.span, sources).map(Fix::unsafely)),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::check::testing::file;

    #[test]
    fn blocks_that_nothing_calls() {
        let net = |call: &str| format!("net test {{ input 3x8x8; {call}; flatten; linear 10 }}\nblock b() {{ relu }}");
        assert!(file(&net("b()")).is_empty());
        assert_eq!(file(&net("relu")), ["N001"]);
    }
}
