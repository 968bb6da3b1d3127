//! Spec, recipe and data set together: what every command that needs a network starts from.

use crate::check::Target;
use crate::check::levels::Levels;
use crate::compile::{self, Compilation};
use crate::data::locate::{self, Located, Places, locate};
use crate::data::{Description, Kind};
use crate::diagnostic::{Diagnostic, has_errors};
use crate::graph::dims::Shape;
use crate::graph::summary::{Summary, summarize};
use crate::look::View;
use crate::lower::program::Program;
use crate::syntax::load;
use crate::syntax::span::SourceMap;
use crate::train::groups;
use crate::train::origin::Origins;
use crate::train::recipe::{Recipe, Resolve, Resolved};
use clap::Args;
use std::path::{Path, PathBuf};

/// What every command takes that reads a spec.
#[derive(Debug, Clone, Default, Args)]
pub struct Options {
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

impl Options {
    /// The same for [`compile`], with a command's own changes to the recipe: an option of its own wins over `--set`.
    pub fn request(&self, own: Vec<String>) -> Request<'_> {
        let mut sets = self.sets.clone();
        // JSON's quotes are YAML's: a folder may have any name.
        sets.extend(self.data.as_ref().map(|data| format!("data={}", serde_json::Value::from(data.as_str()))));
        sets.extend(own);
        Request { recipe: self.recipe.as_deref(), sets, parameters: &self.parameters, ..Request::default() }
    }
}

/// What is asked of the compiler beside the spec.
#[derive(Debug, Clone, Default)]
pub struct Request<'a> {
    /// Recipe to use instead of the spec's own.
    pub recipe: Option<&'a Path>,
    /// Changes to the recipe, `key=value`.
    pub sets: Vec<String>,
    /// Parameters of the net, `name=value`.
    pub parameters: &'a [String],
    /// How the recipe is put together.
    pub resolve: Resolve,
    /// Leaves every `expect` unproved.
    pub no_expectations: bool,
    /// What lints are worth where the texts do not say.
    pub levels: Levels,
}

/// A spec that can run, with its recipe.
#[derive(Debug)]
pub struct Compiled {
    /// What the engines run.
    pub program: Program,
    /// What it costs.
    pub summary: Summary,
    /// How it is trained.
    pub recipe: Recipe,
    /// Who said each of its values.
    pub origins: Origins,
    /// The spec with everything unrolled.
    pub expanded: String,
    /// `-p name=value` that it was unrolled with.
    pub parameters: Vec<String>,
    /// Where the recipe stands; none when the spec names none and none was given.
    pub recipe_path: Option<PathBuf>,
    /// Every text that was read.
    pub sources: SourceMap,
    /// Messages that do not stop it.
    pub warnings: Vec<Diagnostic>,
}

/// Why there is nothing to run.
#[derive(Debug)]
pub struct Failure {
    /// Every text that was read.
    pub sources: SourceMap,
    /// What is wrong, at least one error.
    pub diagnostics: Vec<Diagnostic>,
}

/// Compiles a spec under its recipe.
///
/// # Errors
/// Every mistake in spec and recipe.
pub fn compile(spec: &Path, request: &Request<'_>) -> Result<Compiled, Box<Failure>> {
    let (compilation, resolved, recipe_path) = stages(spec, request);
    let expanded = super::expand::text(spec, request.parameters, &compilation).unwrap_or_default();
    let Compilation { sources, diagnostics, shaped, program, .. } = compilation;
    match (program, resolved, shaped) {
        (Some(program), Some(Resolved { recipe, origins, .. }), Some(shaped)) if !has_errors(&diagnostics) => {
            let summary = summarize(&shaped);
            let (warnings, parameters) = (diagnostics, request.parameters.to_vec());
            Ok(Compiled { program, summary, recipe, origins, expanded, parameters, recipe_path, sources, warnings })
        }
        _ => Err(Box::new(Failure { sources, diagnostics })),
    }
}

/// Compiles a spec under its recipe to be looked at, not run; with what does not stop it.
///
/// # Errors
/// Every mistake in spec and recipe.
pub fn view(spec: &Path, request: &Request<'_>) -> Result<(View, Vec<Diagnostic>), Box<Failure>> {
    let (compilation, resolved, _) = stages(spec, request);
    let Compilation { sources, diagnostics, shaped, program, .. } = compilation;
    match (program, resolved, shaped) {
        (Some(program), Some(Resolved { recipe, origins, .. }), Some(shaped)) if !has_errors(&diagnostics) => {
            Ok((View { shaped, program, recipe, origins, sources }, diagnostics))
        }
        _ => Err(Box::new(Failure { sources, diagnostics })),
    }
}

/// Runs the stages under the recipe, keeping whatever they made.
pub fn stages(spec: &Path, request: &Request<'_>) -> (Compilation, Option<Resolved>, Option<PathBuf>) {
    let mut compilation = Compilation::read(spec);
    let named = compilation.spec.as_ref().and_then(|parsed| load::recipe(parsed, &compilation.sources));
    let path = request.recipe.map(Path::to_path_buf).or_else(|| named.as_ref().map(|(path, _)| path.clone()));
    let resolved =
        match Recipe::load_resolved(path.as_deref(), &request.sets, request.resolve, &mut compilation.sources) {
            Ok(resolved) => Some(resolved),
            Err(mut diagnostics) => {
                // A recipe that is not there is the fault of the line that names it.
                if let (Some((_, span)), None) = (named, request.recipe) {
                    for diagnostic in diagnostics.iter_mut().filter(|diagnostic| diagnostic.labels.is_empty()) {
                        *diagnostic = diagnostic.clone().at(span, "named here");
                    }
                }
                compilation.diagnostics.append(&mut diagnostics);
                None
            }
        };
    // Without a recipe the data set is not known, though there is a default to train on.
    let under = resolved.as_ref().map(|resolved| compile::Options::under(resolved, target(&resolved.recipe.data)));
    let options = compile::Options {
        net_parameters: request.parameters.to_vec(),
        no_expectations: request.no_expectations,
        levels: request.levels.clone(),
        ..under.unwrap_or_default()
    };
    compilation.analyse(&options);
    if let (Some(Resolved { recipe, origins, .. }), Some(program)) = (&resolved, &compilation.program) {
        compilation.diagnostics.extend(groups::check(recipe, origins, program));
    }
    (compilation, resolved, path)
}

/// What is known of a data set without reading it.
pub fn description(data: &str, input: Option<Shape>) -> Option<Description> {
    kind(data).map(|kind| kind.description(input))
}

/// What the checks may know of a data set: a named one without looking, a folder by what lies in it. A folder that
/// cannot be read is left to the command that needs it.
fn target(data: &str) -> Option<Target> {
    Some(Target { named: Kind::from_name(data).is_some(), ..Target::of(kind(data)?) })
}

fn kind(data: &str) -> Option<Kind> {
    Some(match locate::Request::parse(data).ok()? {
        locate::Request::Named(kind) => kind,
        request @ locate::Request::Folder(_) => match locate(&request, &Places::default(), None).ok()? {
            Located::Cifar10(_) => Kind::Cifar10,
            Located::Mnist(_) => Kind::Mnist,
            Located::Shapes => Kind::Shapes,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_may_have_any_name() {
        for name in ["C:\\data", "{x", "- a # b", "'", "no", "128"] {
            let options = Options { data: Some(name.into()), ..Options::default() };
            let recipe = Recipe::load(None, &options.request(Vec::new()).sets, &mut SourceMap::new()).unwrap();
            assert_eq!(recipe.data, name);
        }
    }
}
