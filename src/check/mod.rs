//! Checks that gate lowering.
//!
//! One file a check: what it does, why, an example and what to write instead stand at its top, its tests at its end.
//! [`Checked`] can only be made here, and lowering takes nothing else: that a network is validated is a type.

pub mod bias_before_norm;
pub mod class_count;
pub mod expectations;
pub mod fixed_padding;
pub mod input_against_data;
pub mod trainable;
pub mod unused_names;
pub mod unused_value;

use crate::diagnostic::{Diagnostic, has_errors};
use crate::graph::dims::Shape;
use crate::graph::shape::Shaped;
use crate::syntax::span::SourceMap;

/// The data set a network is meant for.
#[derive(Debug, Clone, PartialEq)]
pub struct Target {
    /// Its name.
    pub name: String,
    /// Shape of one image; `None` when it takes the shape the network asks for.
    pub image: Option<Shape>,
    /// Number of classes.
    pub classes: usize,
}

/// What a check may look at.
pub struct Context<'a> {
    /// The network.
    pub shaped: &'a Shaped,
    /// The data set, if one is known.
    pub target: Option<&'a Target>,
    /// The texts, for places in messages.
    pub sources: &'a SourceMap,
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

type Check = fn(&Context<'_>, &mut Vec<Diagnostic>);

/// Checks of the layers alone: they run even where a shape could not be worked out, so that one run tells all.
const OF_LAYERS: &[Check] = &[fixed_padding::check, bias_before_norm::check, unused_value::check];

/// Checks that need every shape.
const OF_SHAPES: &[Check] = &[trainable::check, input_against_data::check, class_count::check, expectations::check];

/// Runs every check that can be run. `None` when one found an error, or a shape is missing.
pub fn check(
    shaped: Shaped,
    target: Option<&Target>,
    sources: &SourceMap,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Checked> {
    let mut found = Vec::new();
    let context = Context { shaped: &shaped, target, sources };
    let complete = shaped.is_complete();
    for check in OF_LAYERS.iter().chain(if complete { OF_SHAPES } else { &[] }) {
        check(&context, &mut found);
    }
    let passed = complete && !has_errors(&found);
    diagnostics.append(&mut found);
    passed.then_some(Checked { shaped })
}

#[cfg(test)]
pub(crate) mod testing {
    //! For the tests of the checks: the codes that a net's body gives.

    use crate::compile::{Options, compile_text};
    use std::path::Path;

    /// Codes of all messages about `net test { … }`.
    pub fn codes(body: &str) -> Vec<&'static str> {
        file(&format!("net test {{\n{body}\n}}"))
    }

    /// Codes of all messages about a whole file.
    pub fn file(text: &str) -> Vec<&'static str> {
        let compiled = compile_text(Path::new("test.net"), text.to_string(), &Options::default());
        compiled.diagnostics.iter().map(|diagnostic| diagnostic.code.name()).collect()
    }
}
