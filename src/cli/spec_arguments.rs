//! What every command takes that reads a spec.

use crate::experiment::Request;
use clap::Args;
use std::path::PathBuf;

/// What every command takes that reads a spec.
#[derive(Debug, Clone, Default, Args)]
pub struct SpecArguments {
    /// What to train on: `cifar10`, `mnist`, `shapes` (built in) or a folder with the data
    #[arg(long, value_name = "NAME|DIR")]
    pub data: Option<String>,
    /// A recipe (YAML) instead of the spec's own
    #[arg(long, value_name = "FILE")]
    pub recipe: Option<PathBuf>,
    /// Changes one value of the recipe, such as `optimizer.weight_decay=1e-3`
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub sets: Vec<String>,
    /// Sets a parameter of the net, such as `n=9`
    #[arg(short = 'p', value_name = "NAME=VALUE")]
    pub parameters: Vec<String>,
}

impl SpecArguments {
    /// The changes to the recipe that options of their own make, in the order that they are made in.
    pub fn own(&self, own: Vec<String>) -> Vec<String> {
        // JSON's quotes are YAML's: a folder may have any name.
        let data = self.data.as_ref().map(|data| format!("data={}", serde_json::Value::from(data.as_str())));
        data.into_iter().chain(own).collect()
    }

    /// The same for [`crate::experiment`], with a command's own changes to the recipe: an option of its own wins over `--set`.
    pub fn request(&self, own: Vec<String>) -> Request<'_> {
        let sets = [self.sets.clone(), self.own(own)].concat();
        Request { recipe: self.recipe.as_deref(), sets, parameters: &self.parameters, ..Request::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::{self, RecipeSource};
    use crate::source::SourceMap;

    #[test]
    fn a_folder_may_have_any_name() {
        for name in ["C:\\data", "{x", "- a # b", "'", "no", "128"] {
            let options = SpecArguments { data: Some(name.into()), ..SpecArguments::default() };
            let sets = options.request(Vec::new()).sets;
            let recipe = recipe::read(RecipeSource::default().with(&sets), &mut SourceMap::new()).unwrap().recipe;
            assert_eq!(recipe.data, name);
        }
    }
}
