//! N033: a batch norm's decay looks like the weight of the new batch.
//!
//! ## What it does
//! Warns of a batch norm with a `decay` of 0.5 or less, in the spec or in the recipe.
//!
//! ## Why is this bad?
//! netc's `decay` is the weight of the *old* running value, as Keras, TensorFlow and Caffe have it. PyTorch's `momentum`
//! is the weight of the *new* batch: its 0.1 is a decay of 0.9, and its 0.01 one of 0.99. A number that was copied
//! without turning it round makes the running statistics those of the last batch or two, and the accuracy in evaluation
//! jumps from epoch to epoch while the training loss looks well.
//!
//! ## Example
//! ```layers
//! conv 16 3x3 pad 1; bn decay 0.1; relu
//! ```
//!
//! ## Use instead
//! ```layers
//! conv 16 3x3 pad 1; bn decay 0.9; relu
//! ```
//!
//! ## Reference
//! PyTorch, `torch.nn.BatchNorm2d`: "This momentum argument is different from one used in optimizer classes and the
//! conventional notion of momentum." pytorch/vision#8250: MaxViT was released with 0.99 in the place of 0.01.

use super::Run;
use crate::check::{Check, Context};
use crate::diagnostic::{Code, Diagnostic, Fix};
use crate::graph::layer::Layer;

/// This check of the spec; `check/recipe/norm_decay.rs` is that of the recipe.
pub const CHECK: Check<Run> =
    Check { code: Code::NormDecayConvention, file: include_str!("norm_decay_convention.rs"), run: Run::Layers(check) };

/// The largest decay that nobody means.
pub const DOUBTFUL: f64 = 0.5;

fn check(context: &Context<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let graph = &context.shaped.graph;
    for node in graph.graph.node_weights() {
        let Layer::BatchNorm { decay: Some(decay), .. } = node.layer else { continue };
        if decay > DOUBTFUL {
            continue;
        }
        let span = node.attribute("decay");
        let text = context.sources.snippet(span);
        // A parameter's value stands elsewhere.
        let fix = text
            .strip_suffix(decay.to_string().as_str())
            .map(|start| Fix::replace(title(decay), span, format!("{start}{}", turned(decay))).unsafely());
        let diagnostic = about(decay).at(span, label(decay)).fix(fix);
        diagnostics.push(graph.with_chain(diagnostic, node.origin, context.sources));
    }
}

/// The message about a decay.
pub fn about(decay: f64) -> Diagnostic {
    Diagnostic::new(
        Code::NormDecayConvention,
        format!("the running statistics keep {} of what they were in each step", percent(decay)),
    )
    .help(format!("PyTorch's `momentum: {decay}` is `decay: {}` here: the weight of the old value", turned(decay)))
}

/// What a decay does, at its place.
pub fn label(decay: f64) -> String {
    format!("each batch replaces {} of them", percent(turned(decay)))
}

/// The name of the fix.
pub fn title(decay: f64) -> String {
    format!("write {} for PyTorch's {decay}", turned(decay))
}

fn percent(fraction: f64) -> String {
    format!("{} %", rounded(fraction * 100.0))
}

/// The decay that PyTorch's momentum means.
pub fn turned(decay: f64) -> f64 {
    rounded(1.0 - decay)
}

fn rounded(number: f64) -> f64 {
    (number * 1e6).round() / 1e6
}

#[cfg(test)]
mod tests {
    use crate::check::testing::codes;

    #[test]
    fn weights_of_the_new_batch() {
        let net = |norm: &str| format!("input 3x8x8; conv 4 3x3; {norm}; flatten; linear 10");
        assert_eq!(codes(&net("bn decay 0.1")), ["N033"]);
        assert_eq!(codes(&net("bn(decay: 0.01)")), ["N033"]);
        assert!(codes(&net("bn decay 0.9")).is_empty());
        assert!(codes(&net("bn")).is_empty());
    }
}
