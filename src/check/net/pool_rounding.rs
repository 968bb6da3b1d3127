//! N013: the size that a pool gives hangs on a rounding that the spec does not name.
//!
//! ## What it does
//! Warns of a `max_pool` or `avg_pool` without `floor` or `ceil` whose windows do not come out even on the map it reads, so
//! that the two give different sizes here.
//!
//! ## Why is this bad?
//! Frameworks differ: Caffe and cuda-convnet round up, PyTorch, dfdx and TensorFlow's VALID round down. Without the word,
//! the recipe's profile decides on the shape of the net. What is read from a paper or a prototxt then has another number
//! of pixels, and behind a `flatten` another number of parameters, than it had there; with `floor` the last row and
//! column of the map are not looked at.
//!
//! ## Example
//! ```layers
//! conv 16 5x5 pad 2; max_pool 3x3 stride 2; relu
//! ```
//!
//! ## Use instead
//! ```layers
//! conv 16 5x5 pad 2; max_pool 3x3 stride 2 ceil; relu
//! ```
//!
//! ## Reference
//! `PoolingParameter.round_mode` in Caffe's `caffe.proto` (CEIL unless written); PyTorch `MaxPool2d`, `ceil_mode=False`.
//! Caffe's `cifar10_quick` pools 32 pixels to 16 with a 3x3 window at stride 2, PyTorch to 15.

use super::Run;
use crate::check::{Check, Context};
use crate::diagnostic::{Code, Diagnostic, Fix};
use crate::graph::layer::{Layer, Rounding};
use crate::graph::layer_graph::Node;
use crate::graph::shape::rounded;
use crate::source::{SourceMap, Span};

/// This check.
pub const CHECK: Check<Run> =
    Check { code: Code::PoolRounding, file: include_str!("pool_rounding.rs"), run: Run::Shapes(check) };

fn check(context: &Context<'_>, diagnostics: &mut Vec<Diagnostic>) {
    context.report_layers(diagnostics, |index, node| {
        let (Layer::MaxPool { window } | Layer::AvgPool { window, .. }) = &node.layer else { return None };
        let plane = context.shaped.input_shape(index).plane();
        let sizes = (rounded(window, plane, Rounding::Floor), rounded(window, plane, Rounding::Ceil));
        let (Some(floor), Some(ceil)) = sizes else { return None };
        if floor == ceil || node.given("round").is_some() {
            return None;
        }
        let word = match window.rounding {
            Rounding::Floor => "floor",
            Rounding::Ceil => "ceil",
        };
        let message = format!("{plane} pixels do not come out even in this `{}`", node.layer.word());
        let diagnostic = Diagnostic::new(Code::PoolRounding, message)
            .at(node.origin.span, format!("{floor} with `floor`, {ceil} with `ceil`"))
            .note(format!(
                "Caffe and cuda-convnet round up, PyTorch, dfdx and TensorFlow's VALID down; in force here is `{word}`"
            ))
            .help("say which is meant: write `floor` or `ceil`")
            .fix(fix(node, word, context.sources));
        Some(diagnostic)
    });
}

/// The word in force written out: the network stays the same, under every profile.
fn fix(node: &Node, word: &str, sources: &SourceMap) -> Option<Fix> {
    let text = sources.snippet(node.origin.span);
    if text.contains(['#', '(', '\n']) || !text.starts_with(node.layer.word()) {
        return None;
    }
    let end = node.origin.span.range().end;
    Some(Fix::replace(format!("write `{word}`"), Span::new(node.origin.span.file, end..end), format!(" {word}")))
}

#[cfg(test)]
mod tests {
    use crate::check::testing::{codes, fixed};

    fn fires(layer: &str) -> bool {
        codes(&format!("input 3x32x32\n{layer}\nglobal_avg_pool\nlinear 10")).contains(&"N013")
    }

    #[test]
    fn windows_that_do_not_come_out_even() {
        assert!(fires("max_pool 3x3 stride 2"));
        assert!(fires("avg_pool 3x3 stride 2"));
        assert!(fires("max_pool 3x3 stride 2 pad 1"));
        assert!(fires("max_pool 2x3"));
        assert!(fires("subsample 2; max_pool 2x2; max_pool 2x2; max_pool 3x3"));
    }

    #[test]
    fn windows_that_do_and_roundings_that_are_named() {
        assert!(!fires("max_pool 2x2"));
        assert!(!fires("max_pool 3x3 stride 1 pad 1"));
        assert!(!fires("max_pool 3x3 stride 2 floor"));
        assert!(!fires("max_pool 3x3 stride 2 round ceil"));
        assert!(!fires("max_pool 3x3 stride 2 pad same"));
        assert!(!fires("conv 8 3x3 stride 2; relu"), "every framework rounds a convolution down");
    }

    #[test]
    fn the_word_in_force_is_written_out() {
        let net = |pool: &str| format!("net x {{ input 3x32x32; p = {pool}; flatten; linear 10 }}");
        assert_eq!(fixed(&net("max_pool 3x3 stride 2")), (net("max_pool 3x3 stride 2 floor"), vec![]));
        let list = net("max_pool(3x3, stride: 2)");
        assert_eq!(fixed(&list), (list.clone(), vec!["N013"]));
    }
}
