//! Checks that gate lowering, and lints.
//!
//! One file a check: its page (what it does, why, an example and what to write instead) stands at its top, its tests at
//! its end, and `CHECK` says how it is run. [`registry`] has them all; [`levels`] decides what a lint is worth.
//! [`Checked`] can only be made here, and lowering takes nothing else: that a network is validated is a type.

pub mod batch_above_data;
pub mod batch_without_rate;
pub mod bias_before_norm;
pub mod checkpoint_after_end;
pub mod class_count;
pub mod context;
pub mod decay_in_adam;
pub mod decay_on_norms;
pub mod decay_size;
pub mod doubled_activation;
pub mod dropout_before_norm;
pub mod epochs_of_another_split;
pub mod expectations;
pub mod few_population_images;
pub mod fixed_padding;
pub mod foreign_statistics;
pub mod init_against_activation;
pub mod input_against_data;
pub mod last_image_alone;
pub mod layer_on_logits;
pub mod levels;
pub mod linear_in_a_row;
pub mod lopsided_same;
pub mod mirrored_digits;
pub mod misaligned_paths;
pub mod missing_activation;
pub mod no_schedule;
pub mod norm_decay_convention;
pub mod pool_rounding;
pub mod rate_too_large;
pub mod raw_pixels;
pub mod registry;
pub mod repeated_activation;
pub mod schedule_beyond_end;
pub mod small_batch_norm;
#[cfg(test)]
pub(crate) mod testing;
pub mod trainable;
pub mod unfulfilled_allow;
pub mod unread_pixels;
pub mod unused_block;
pub mod unused_parameter;
pub mod unused_value;
pub mod window_in_padding;

pub use context::{Context, Training};
pub use registry::{Check, Run};

use crate::data::{Description, Kind};
use crate::diagnostic::{Diagnostic, has_errors};
use crate::graph::dims::Shape;
use crate::graph::resolve::Definitions;
use crate::graph::shape::Shaped;
use crate::syntax::load::Spec;
use crate::syntax::span::SourceMap;

/// The data set a network is meant for.
#[derive(Debug, Clone, PartialEq)]
pub struct Target {
    /// What is known of it.
    pub description: Description,
    /// Its images are drawn in the shape that the network asks for.
    pub drawn: bool,
    /// It was named by its name. What lies in a folder may have other images, and with them other statistics.
    pub named: bool,
}

impl Target {
    /// A data set that netc knows.
    pub fn of(kind: Kind) -> Self {
        Target { description: kind.description(None), drawn: kind == Kind::Shapes, named: true }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.description.name
    }

    /// Shape of one image; `None` when it takes the shape the network asks for.
    pub fn image(&self) -> Option<Shape> {
        (!self.drawn).then_some(self.description.shape)
    }

    /// Number of classes.
    pub fn classes(&self) -> usize {
        self.description.classes.len()
    }
}

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
    for check in registry::CHECKS {
        if let Run::Tree(run) = check.run {
            run(spec, definitions, sources, diagnostics);
        }
    }
}

/// Runs every check of the layers that can be run. `None` when one found an error, or a shape is missing.
pub fn check(context: &Context<'_>, diagnostics: &mut Vec<Diagnostic>) -> Option<Checked> {
    let mut found = Vec::new();
    let complete = context.shaped.is_complete();
    for check in registry::CHECKS {
        match check.run {
            Run::Layers(run) | Run::LayersAndRecipe(run, _) => run(context, &mut found),
            Run::Shapes(run) if complete => run(context, &mut found),
            _ => {}
        }
    }
    let passed = complete && !has_errors(&found);
    diagnostics.append(&mut found);
    passed.then(|| Checked { shaped: context.shaped.clone() })
}

/// Runs the lints of the recipe.
pub fn recipe(training: &Training<'_>, diagnostics: &mut Vec<Diagnostic>) {
    for check in registry::CHECKS {
        if let Run::Recipe(run) | Run::LayersAndRecipe(_, run) = check.run {
            run(training, diagnostics);
        }
    }
}
