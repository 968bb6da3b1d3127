//! E0403: the last layer does not fit the data set's classes.
//!
//! ## What it does
//! Compares what the net gives with the classes of the data set that the recipe names: it has to be a vector with one
//! score a class.
//!
//! ## Why is this bad?
//! With too few scores a label has no place, and training stops in the middle of the first epoch. With too many it
//! trains, and the surplus classes take probability for nothing.
//!
//! ## Example
//! ```net
//! net example { input 3x32x32; flatten; linear 1000 }
//! ```
//! ```yaml
//! data: cifar10
//! ```
//!
//! ## Use instead
//! ```net
//! net example { input 3x32x32; flatten; linear 10 }
//! ```
//! ```yaml
//! data: cifar10
//! ```

use super::Run;
use crate::check::{Check, Context};
use crate::diagnostic::{Code, Diagnostic};
use crate::graph::dims::Shape;
use crate::graph::layer::Layer;

/// This check.
pub const CHECK: Check<Run> =
    Check { code: Code::ClassCount, file: include_str!("class_count.rs"), run: Run::Shapes(check) };

fn check(context: &Context<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let graph = &context.shaped.graph;
    let output = context.shaped.shape(graph.output);
    let Some(node) = graph.graph.node_weight(graph.output) else { return };
    let diagnostic = match (output, context.target) {
        (Shape::Map { .. }, _) => {
            Diagnostic::new(Code::ClassCount, format!("the net ends in a map, {output}, not in a score for each class"))
                .at(node.origin.span, "the last layer")
                .help("end with `global_avg_pool` or `flatten`, and `linear` with the number of classes")
        }
        (Shape::Vector { features }, Some(target)) if features != target.classes => {
            let place = if let Layer::Linear { .. } = node.layer { node.attribute("width") } else { node.origin.span };
            let message =
                format!("the net gives {features} scores, but {} has {} classes", target.name, target.classes);
            Diagnostic::new(Code::ClassCount, message)
                .at(place, format!("{features} scores"))
                .help(format!("end with `linear {}`, or choose another data set with `--data`", target.classes))
        }
        _ => return,
    };
    diagnostics.push(graph.with_chain(diagnostic, node.origin, context.sources));
}

#[cfg(test)]
mod tests {
    use crate::check::testing::codes;

    #[test]
    fn a_map_is_no_score() {
        assert_eq!(codes("input 3x32x32; conv 10 3x3"), ["E0403"]);
        assert!(codes("input 3x32x32; flatten; linear 10").is_empty());
    }
}
