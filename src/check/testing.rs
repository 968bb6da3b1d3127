//! For the tests of the checks: the codes that texts give.

use crate::compile::{Compilation, Options};
use crate::data::Kind;
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
    codes_of(NET, Some(yaml))
}

/// Codes of all messages about a whole file, and the recipe it is trained with.
pub fn codes_of(net: &str, recipe: Option<&str>) -> Vec<&'static str> {
    compile(net, recipe).diagnostics.iter().map(|diagnostic| diagnostic.code.name()).collect()
}

/// A file, and the recipe it is trained with. A wrong recipe is no test of a check. A first line such as
/// `# with --set batch=256 --set seed=1` is what the command line changes.
pub fn compile(net: &str, recipe: Option<&str>) -> Compilation {
    let mut compilation = Compilation::read_text(Path::new("test.net"), net.to_string());
    let mut options = Options::default();
    if let Some(yaml) = recipe {
        let line = yaml.lines().next().and_then(|line| line.strip_prefix("# with --set ")).unwrap_or_default();
        let sets: Vec<String> =
            line.split(" --set ").filter(|set| !set.is_empty()).map(|set| set.trim().to_string()).collect();
        let source = RecipeSource::text(Path::new("recipe.yaml"), yaml).with(&sets);
        let resolved =
            recipe::read(source, &mut compilation.sources).unwrap_or_else(|errors| panic!("{errors:?}\n{yaml}"));
        let target = Kind::from_name(&resolved.recipe.data).map(Kind::target);
        options = Options::under(&resolved, target);
    }
    compilation.analyse(&options);
    compilation
}

/// A file with its safe fixes made, and the codes of the messages about it then.
pub fn fixed(net: &str) -> (String, Vec<&'static str>) {
    let compilation = compile(net, None);
    let fixes = compilation.diagnostics.iter().flat_map(|diagnostic| &diagnostic.fixes).filter(|fix| fix.safe);
    let text = apply(fixes, &compilation.sources).texts.into_values().next().unwrap_or_else(|| net.to_string());
    let codes = file(&text);
    (text, codes)
}

/// The net and the recipe of a page's example.
pub fn example(blocks: &[(String, String)]) -> (String, Option<String>) {
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
    (net.unwrap_or_else(|| NET.to_string()), recipe)
}
