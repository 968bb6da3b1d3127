//! E0405: an `expect` does not hold.
//!
//! ## What it does
//! Proves what the spec states about itself: `params`, `macs` and `layers` of the whole net, the `shape` at a place.
//!
//! ## Why is this bad?
//! A paper's table is the cheapest test of a reproduction: ResNet-20 has 269 722 parameters with its parameter-free
//! shortcuts and 272 474 with projections. When the count differs, so does the network.
//!
//! ## Example
//! ```net
//! net example { input 3x32x32; flatten; linear 10; expect params 30_000 }
//! ```
//!
//! ## Use instead
//! ```net
//! net example { input 3x32x32; flatten; linear 10; expect params 30_730, macs 30_720 }
//! ```

use super::Run;
use crate::check::{Check, Context};
use crate::diagnostic::{Code, Diagnostic};
use crate::graph::layer_graph::{Expected, Fact};
use crate::graph::summary::{Summary, summarize};
use crate::text::grouped;

/// This check.
pub const CHECK: Check<Run> =
    Check { code: Code::ExpectationFailed, file: include_str!("expectations.rs"), run: Run::Shapes(check) };

fn check(context: &Context<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let graph = &context.shaped.graph;
    if graph.expected.is_empty() {
        return;
    }
    let summary = summarize(context.shaped);
    for expected in &graph.expected {
        if let Some(diagnostic) = compare(context, &summary, expected) {
            diagnostics.push(graph.with_chain(diagnostic, expected.origin, context.sources));
        }
    }
}

fn compare(context: &Context<'_>, summary: &Summary, expected: &Expected) -> Option<Diagnostic> {
    let (what, found, stated) = match expected.fact {
        Fact::Parameters(stated) => ("parameters", summary.params, stated),
        Fact::MultiplyAdds(stated) => ("multiply-adds an image", summary.macs, stated),
        Fact::Layers(stated) => ("layers", summary.layers.len().saturating_sub(1) as u64, stated),
        Fact::Shape(node, stated) => {
            let found = context.shaped.shape(node);
            if found == stated {
                return None;
            }
            let graph = &context.shaped.graph;
            let diagnostic =
                Diagnostic::new(Code::ExpectationFailed, format!("the shape here is {found}, not {stated}"))
                    .at(expected.span, format!("expected {stated}"));
            return Some(match graph.graph.node_weight(node) {
                Some(node) => diagnostic.context(node.origin.span, format!("this gives {found}")),
                None => diagnostic,
            });
        }
    };
    if found == stated {
        return None;
    }
    let difference = i128::from(found) - i128::from(stated);
    let direction = if difference > 0 { "more" } else { "fewer" };
    Some(
        Diagnostic::new(
            Code::ExpectationFailed,
            format!("the net has {} {what}, not {}", grouped(found), grouped(stated)),
        )
        .at(expected.span, format!("{} {direction} than expected", grouped(difference.unsigned_abs() as u64)))
        .help("`netc summary` shows them layer by layer"),
    )
}

#[cfg(test)]
mod tests {
    use crate::check::testing::codes;

    #[test]
    fn facts_are_proved() {
        let net = |facts: &str| format!("input 3x32x32; conv 4 3x3; expect shape 4x30x30; flatten; linear 10; {facts}");
        assert!(codes(&net("expect params 36_118, macs 133_200, layers 3")).is_empty());
        assert_eq!(codes(&net("expect params 36_119")), ["E0405"]);
        assert_eq!(codes(&net("expect macs 1, layers 4")), ["E0405", "E0405"]);
        assert_eq!(codes(&net("expect shape 11")), ["E0405"]);
    }
}
