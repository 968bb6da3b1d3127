//! Ways to look at a network under its recipe: every value in force, what differs between two, a picture.

pub mod diff;
pub mod draw;
pub mod facts;
pub mod values;

use crate::diagnostic::Diagnostic;
use crate::experiment::{Experiment, Failure, Request};
use crate::graph::shape::Shaped;
use crate::lower::program::Program;
use crate::recipe::Recipe;
use crate::recipe::origin::Origins;
use crate::source::SourceMap;
use serde_yaml::Value;
use std::path::Path;

/// A network that compiles, with all that is known of it.
#[derive(Debug)]
pub struct View {
    /// Its layers.
    pub shaped: Shaped,
    /// What the engines run.
    pub program: Program,
    /// How it is trained.
    pub recipe: Recipe,
    /// Who said each value of the recipe.
    pub origins: Origins,
    /// Every text that was read.
    pub sources: SourceMap,
}

/// Compiles a spec under its recipe to be looked at, not run; with what does not stop it.
///
/// # Errors
/// Every mistake in spec and recipe.
pub fn view(spec: &Path, request: &Request<'_>) -> Result<(View, Vec<Diagnostic>), Box<Failure>> {
    let Experiment { shaped, program, recipe, origins, sources, warnings, .. } = Experiment::compile(spec, request)?;
    Ok((View { shaped, program, recipe, origins, sources }, warnings))
}

impl View {
    /// The recipe as the tree of its YAML.
    pub fn tree(&self) -> Value {
        // A recipe is words and numbers: there is nothing in it that YAML cannot say.
        serde_yaml::to_value(&self.recipe).unwrap_or_default()
    }

    /// How many layers of a kind there are.
    pub fn count(&self, word: &str) -> usize {
        self.shaped.graph.graph.node_weights().filter(|node| node.layer.word() == word).count()
    }
}
