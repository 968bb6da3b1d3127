//! Checks of networks: all that must hold before lowering, and lints. [`Checked`] can only be made here, and lowering
//! takes nothing else: that a network is validated is a type.

pub mod bias_before_norm;
pub mod class_count;
pub mod doubled_activation;
pub mod dropout_before_norm;
pub mod expectations;
pub mod fixed_padding;
pub mod input_against_data;
pub mod layer_on_logits;
pub mod linear_in_a_row;
pub mod lopsided_same;
pub mod misaligned_paths;
pub mod missing_activation;
pub mod norm_decay_convention;
pub mod pool_rounding;
pub mod repeated_activation;
pub mod trainable;
pub mod unread_pixels;
pub mod unused_block;
pub mod unused_parameter;
pub mod unused_value;
pub mod window_in_padding;

use super::{Check, Context};
use crate::diagnostic::{Diagnostic, has_errors};
use crate::graph::resolve::Definitions;
use crate::graph::shape::Shaped;
use crate::source::SourceMap;
use crate::syntax::load::Spec;

/// How a check is run, and on what.
#[derive(Debug, Clone, Copy)]
pub enum Run {
    /// On the syntax trees, so that what the net never reaches is seen too.
    Tree(fn(&Spec, &Definitions<'_>, &SourceMap, &mut Vec<Diagnostic>)),
    /// On the layers, even where a shape could not be worked out, so that one run tells all.
    Layers(fn(&Context<'_>, &mut Vec<Diagnostic>)),
    /// On the layers when every shape is known.
    Shapes(fn(&Context<'_>, &mut Vec<Diagnostic>)),
}

/// Every check of networks, in the order of the codes.
pub const CHECKS: &[Check<Run>] = &[
    fixed_padding::CHECK,
    bias_before_norm::CHECK,
    class_count::CHECK,
    input_against_data::CHECK,
    expectations::CHECK,
    unused_value::CHECK,
    trainable::CHECK,
    unused_block::CHECK,
    unused_parameter::CHECK,
    repeated_activation::CHECK,
    misaligned_paths::CHECK,
    lopsided_same::CHECK,
    pool_rounding::CHECK,
    missing_activation::CHECK,
    doubled_activation::CHECK,
    linear_in_a_row::CHECK,
    layer_on_logits::CHECK,
    dropout_before_norm::CHECK,
    unread_pixels::CHECK,
    window_in_padding::CHECK,
    norm_decay_convention::CHECK,
];

/// A network that passed every check.
#[derive(Debug, Clone)]
pub struct Checked {
    shaped: Shaped,
}

impl Checked {
    /// The network.
    pub fn shaped(&self) -> &Shaped {
        &self.shaped
    }
}

/// Runs the checks of the syntax trees.
pub fn tree(spec: &Spec, definitions: &Definitions<'_>, sources: &SourceMap, diagnostics: &mut Vec<Diagnostic>) {
    for check in CHECKS {
        if let Run::Tree(run) = check.run {
            run(spec, definitions, sources, diagnostics);
        }
    }
}

/// Runs every check of the layers that can be run. `None` when one found an error, or a shape is missing.
pub fn check(context: &Context<'_>, diagnostics: &mut Vec<Diagnostic>) -> Option<Checked> {
    let mut found = Vec::new();
    let complete = context.shaped.is_complete();
    for check in CHECKS {
        match check.run {
            Run::Layers(run) => run(context, &mut found),
            Run::Shapes(run) if complete => run(context, &mut found),
            Run::Shapes(_) | Run::Tree(_) => {}
        }
    }
    let passed = complete && !has_errors(&found);
    diagnostics.append(&mut found);
    passed.then(|| Checked { shaped: context.shaped.clone() })
}
