//! For the tests of the checks: the codes that texts give.

use crate::compile::{Compilation, Options};
use crate::data::DataKind;
use crate::diagnostic::fix::apply;
use crate::recipe::{self, RecipeSource};
use std::path::Path;

/// What a recipe is about when a test gives none of its own.
const NET: &str = "net example { input 3x32x32; conv 16 3x3 pad 1; bn; relu; global_avg_pool; linear 10 }";

/// Codes of all messages about `net test { … }`.
pub fn codes(body: &str) -> Vec<&'static str> {
    file(&format!("net test {{\n{body}\n}}"))
}

/// Codes of all messages about a whole file.
pub fn file(text: &str) -> Vec<&'static str> {
    codes_of(text, None)
}

/// Codes of all messages about a small net that is trained with `yaml`.
pub fn recipe(yaml: &str) -> Vec<&'static str> {
    recipe_with(yaml, &[])
}

/// The same where the command line changes the recipe by these `--set`s, such as `batch=256`.
pub fn recipe_with(yaml: &str, sets: &[&str]) -> Vec<&'static str> {
    let sets = sets.iter().map(ToString::to_string).collect();
    Example { net: NET.into(), recipe: Some(yaml.into()), sets }.codes()
}

/// Codes of all messages about a whole file, and the recipe it is trained with.
pub fn codes_of(net: &str, recipe: Option<&str>) -> Vec<&'static str> {
    names(&compile(net, recipe))
}

/// A file, and the recipe it is trained with.
pub fn compile(net: &str, recipe: Option<&str>) -> Compilation {
    Example { net: net.into(), recipe: recipe.map(str::to_string), sets: Vec::new() }.compile()
}

fn names(compilation: &Compilation) -> Vec<&'static str> {
    compilation.diagnostics.iter().map(|diagnostic| diagnostic.code.name()).collect()
}

/// A file with its safe fixes made, and the codes of the messages about it then.
pub fn fixed(net: &str) -> (String, Vec<&'static str>) {
    let compilation = compile(net, None);
    let fixes = compilation.diagnostics.iter().flat_map(|diagnostic| &diagnostic.fixes).filter(|fix| fix.safe);
    let text = apply(fixes, &compilation.sources).texts.into_values().next().unwrap_or_else(|| net.to_string());
    let codes = file(&text);
    (text, codes)
}

/// All that a check may look at.
pub struct Example {
    /// A whole file.
    pub net: String,
    /// The recipe it is trained with.
    pub recipe: Option<String>,
    /// What the command line changes in the recipe, such as `batch=256`.
    pub sets: Vec<String>,
}

impl Example {
    /// That of a page. Its readers see the command line as a comment in the first line of the recipe, such as
    /// `# with --set batch=256 --set seed=1`.
    pub fn of_page(blocks: &[(String, String)]) -> Self {
        let (mut net, mut recipe) = (None, None);
        for (kind, text) in blocks {
            match kind.as_str() {
                "net" => net = Some(text.clone()),
                "layers" => {
                    net = Some(format!("net example {{\ninput 3x32x32\n{text}\nglobal_avg_pool; linear 10\n}}"));
                }
                "yaml" => recipe = Some(text.clone()),
                other => panic!("an example is `net`, `layers` or `yaml`, not `{other}`"),
            }
        }
        assert!(net.is_some() || recipe.is_some(), "no example");
        let first = recipe.as_ref().and_then(|yaml| yaml.lines().next()).unwrap_or_default();
        let line = first.strip_prefix("# with --set ").unwrap_or_default();
        let sets = line.split(" --set ").map(|set| set.trim().to_string()).filter(|set| !set.is_empty()).collect();
        Example { net: net.unwrap_or_else(|| NET.to_string()), recipe, sets }
    }

    /// Compiles it. A wrong recipe is no test of a check.
    pub fn compile(&self) -> Compilation {
        let mut compilation = Compilation::read_text(Path::new("test.net"), self.net.clone());
        let mut options = Options::default();
        if let Some(yaml) = &self.recipe {
            let source = RecipeSource::text(Path::new("recipe.yaml"), yaml).with(&self.sets);
            let resolved =
                recipe::read(source, &mut compilation.sources).unwrap_or_else(|errors| panic!("{errors:?}\n{yaml}"));
            let target = DataKind::from_name(&resolved.recipe.data).map(DataKind::target);
            options = Options::under(&resolved, target);
        }
        compilation.analyse(&options);
        compilation
    }

    /// Codes of all messages about it.
    pub fn codes(&self) -> Vec<&'static str> {
        names(&self.compile())
    }
}
