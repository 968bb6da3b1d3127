//! Ways to look at a network under its recipe: every value in force, what differs between two, a picture.

pub mod diff;
pub mod draw;
pub mod facts;
pub mod values;

use crate::graph::shape::Shaped;
use crate::lower::program::Program;
use crate::syntax::span::SourceMap;
use crate::train::origin::Origins;
use crate::train::recipe::Recipe;
use serde_yaml::Value;

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
