//! Spec, recipe and data set together: what every command that needs a network starts from.

use crate::check::Target;
use crate::compile::{self, Compilation};
use crate::data::locate::{Located, Places, Request, locate};
use crate::data::{Description, Kind};
use crate::diagnostic::{Diagnostic, has_errors};
use crate::graph::summary::{Summary, summarize};
use crate::lower::program::Program;
use crate::syntax::load;
use crate::syntax::span::SourceMap;
use crate::train::recipe::Recipe;
use clap::Args;
use std::path::{Path, PathBuf};

/// What every command takes that reads a spec.
#[derive(Debug, Clone, Default, Args)]
pub struct Options {
    /// Recipe to use instead of the one that the spec names.
    #[arg(long, value_name = "FILE")]
    pub recipe: Option<PathBuf>,
    /// Change one value of the recipe, such as `optimizer.weight_decay=1e-3`; can be given several times.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub sets: Vec<String>,
    /// Data set: cifar10, mnist, shapes (built in) or a folder.
    #[arg(long, value_name = "NAME|DIR")]
    pub data: Option<String>,
    /// Parameter of the net, such as `n=9`; can be given several times.
    #[arg(short = 'p', long = "param", value_name = "NAME=VALUE", value_parser = name_and_value)]
    pub parameters: Vec<(String, String)>,
}

fn name_and_value(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE, such as `n=9`")?;
    Ok((name.trim().to_string(), value.trim().to_string()))
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
pub fn compile(spec: &Path, options: &Options) -> Result<Compiled, Box<Failure>> {
    let (compilation, recipe, recipe_path) = stages(spec, options);
    let Compilation { sources, diagnostics, shaped, program, .. } = compilation;
    match (program, recipe, shaped) {
        (Some(program), Some(mut recipe), Some(shaped)) if !has_errors(&diagnostics) => {
            if let Some(data) = &options.data {
                recipe.data.clone_from(data);
            }
            let summary = summarize(&shaped);
            Ok(Compiled { program, summary, recipe, recipe_path, sources, warnings: diagnostics })
        }
        _ => Err(Box::new(Failure { sources, diagnostics })),
    }
}

/// Runs the stages under the recipe, keeping whatever they made.
pub fn stages(spec: &Path, options: &Options) -> (Compilation, Option<Recipe>, Option<PathBuf>) {
    let mut compilation = Compilation::read(spec);
    let named = compilation.spec.as_ref().and_then(|parsed| load::recipe(parsed, &compilation.sources));
    let path = options.recipe.clone().or_else(|| named.as_ref().map(|(path, _)| path.clone()));
    let recipe = match Recipe::load(path.as_deref(), &options.sets, &mut compilation.sources) {
        Ok(recipe) => Some(recipe),
        Err(mut diagnostics) => {
            // A recipe that is not there is the fault of the line that names it.
            if let (Some((_, span)), None) = (named, &options.recipe) {
                for diagnostic in diagnostics.iter_mut().filter(|diagnostic| diagnostic.labels.is_empty()) {
                    *diagnostic = diagnostic.clone().at(span, "named here");
                }
            }
            compilation.diagnostics.append(&mut diagnostics);
            None
        }
    };
    let data = options.data.as_ref().or(recipe.as_ref().map(|recipe| &recipe.data));
    let options = compile::Options {
        net_parameters: options.parameters.clone(),
        target: data.and_then(|data| target(data)),
        defaults: recipe.as_ref().map(Recipe::defaults).unwrap_or_default(),
    };
    compilation.analyse(&options);
    (compilation, recipe, path)
}

/// What the checks may know of a data set: a named one without looking, a folder by what lies in it. A folder that
/// cannot be read is left to the command that needs it.
fn target(data: &str) -> Option<Target> {
    let kind = match Request::parse(data).ok()? {
        Request::Named(kind) => kind,
        request @ Request::Folder(_) => match locate(&request, &Places::default(), None).ok()? {
            Located::Cifar10(_) => Kind::Cifar10,
            Located::Mnist(_) => Kind::Mnist,
            Located::Shapes => Kind::Shapes,
        },
    };
    let Description { name, shape, classes, .. } = kind.description(None);
    let image = (kind != Kind::Shapes).then_some(shape);
    Some(Target { name, image, classes: classes.len() })
}
