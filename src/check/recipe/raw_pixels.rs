//! N039: the network sees pixels as they are.
//!
//! ## What it does
//! Warns of `normalize: none` where the images reach a `conv` or `linear` without a `bn` before it.
//!
//! ## Why is this bad?
//! Pixels in 0..=1 are never negative. All weights of a unit in the first layer then get gradients of the same sign, and
//! the input's mean acts like a bias that is learnt with the wrong rate; training is slower, and starting weights are
//! made for inputs of mean 0 and deviation 1.
//!
//! ## Example
//! ```yaml
//! data: cifar10
//! normalize: none
//! ```
//!
//! ## Use instead
//! ```yaml
//! data: cifar10
//! normalize: per-channel
//! ```
//!
//! ## Reference
//! LeCun, Bottou, Orr & Müller 1998, "Efficient BackProp", section 4.3: "The average of each input variable over the
//! training set should be close to zero."

use super::{Run, Training};
use crate::check::Check;
use crate::diagnostic::{Code, Diagnostic, Fix};
use crate::graph::layer::Layer;
use crate::recipe::Normalize;

/// This check.
pub const CHECK: Check<Run> = Check { code: Code::RawPixels, file: include_str!("raw_pixels.rs"), run: check };

fn check(training: &Training<'_>, diagnostics: &mut Vec<Diagnostic>) {
    if training.recipe.normalize != Normalize::None {
        return;
    }
    let graph = &training.context.shaped.graph;
    let mut open = vec![graph.input];
    let mut seen = std::collections::HashSet::new();
    let mut first = None;
    while let Some(index) = open.pop() {
        for reader in graph.readers(index).filter(|reader| seen.insert(*reader)) {
            match graph.graph.node_weight(reader).map(|node| &node.layer) {
                Some(Layer::Conv { .. } | Layer::Linear { .. }) => first = first.or(Some(reader)),
                None | Some(Layer::BatchNorm { .. } | Layer::Lrn { .. }) => {}
                Some(_) => open.push(reader),
            }
        }
    }
    let Some(node) = first.and_then(|first| graph.graph.node_weight(first)) else { return };
    let path = ["normalize"];
    let fix = training.rewrite("normalise each channel", &path, "per-channel").map(Fix::unsafely);
    let diagnostic = Diagnostic::new(Code::RawPixels, "the network sees pixels as they are, from 0 to 1");
    diagnostics.push(
        training
            .point(diagnostic, &path, "mean and deviation are left as they are")
            .context(node.origin.span, "the first layer with weights")
            .help("write `normalize: per-channel`, or begin the net with a `bn`")
            .fix(fix),
    );
}

#[cfg(test)]
mod tests {
    use crate::check::testing::codes_of;

    #[test]
    fn pixels_reach_the_weights() {
        let fires = |layers: &str, normalize: &str| {
            let net = format!("net x {{ input 3x32x32; {layers}; flatten; linear 10 }}");
            codes_of(&net, Some(&format!("normalize: {normalize}"))).contains(&"N039")
        };
        assert!(fires("conv 8 3x3", "none"));
        assert!(fires("max_pool 2x2; conv 8 3x3; bn", "none"));
        assert!(!fires("bn; conv 8 3x3", "none"));
        assert!(!fires("conv 8 3x3", "per-image"));
    }
}
