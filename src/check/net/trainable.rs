//! E0407: the net has nothing to train.
//!
//! ## What it does
//! Refuses a net without a single weight.
//!
//! ## Why is this bad?
//! It would run for as long as it is told to, and give the same answers at the end as at the start.
//!
//! ## Example
//! ```net
//! net nothing { input 10x32x32; global_avg_pool }
//! ```
//!
//! ## Use instead
//! ```net
//! net something { input 3x32x32; global_avg_pool; linear 10 }
//! ```

use super::Run;
use crate::check::{Check, Context};
use crate::diagnostic::{Code, Diagnostic};
use crate::graph::summary;

/// This check.
pub const CHECK: Check<Run> =
    Check { code: Code::NoParameters, file: include_str!("trainable.rs"), run: Run::Shapes(check) };

fn check(context: &Context<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let graph = &context.shaped.graph;
    if graph.graph.node_indices().all(|index| summary::parameters(context.shaped, index) == 0) {
        diagnostics.push(
            Diagnostic::new(Code::NoParameters, format!("net `{}` has nothing to train", graph.net))
                .at(graph.span, "no layer has weights")
                .help("`conv`, `linear` and `bn` have weights"),
        );
    }
}

#[cfg(test)]
mod tests {
    use crate::check::testing::codes;

    #[test]
    fn weights_are_needed() {
        assert_eq!(codes("input 10x8x8; global_avg_pool"), ["E0407"]);
        assert!(codes("input 10x8x8; bn; global_avg_pool").is_empty());
    }
}
