//! The stages one after another, from text to [`Program`], keeping what each made.

use crate::check::levels::{self, Coverage, Levels, Setting};
use crate::check::net::{self, Checked};
use crate::check::recipe::{self, Training};
use crate::check::{Context, Target, registry};
use crate::diagnostic::{Diagnostic, has_errors, tidy};
use crate::graph::conventions::Conventions;
use crate::graph::expand::expand;
use crate::graph::flat::flat;
use crate::graph::layer_graph::LayerGraph;
use crate::graph::resolve::resolve;
use crate::graph::shape::{Shaped, infer};
use crate::lower::defaults::Defaults;
use crate::lower::lower;
use crate::lower::program::Program;
use crate::recipe::Resolved;
use crate::source::SourceMap;
use crate::syntax::ast::Item;
use crate::syntax::load::{self, Spec};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// What the text leaves open.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// `-p name=value`: parameters of the net.
    pub net_parameters: Vec<String>,
    /// The data set, if one is known.
    pub target: Option<Target>,
    /// How it is trained, with who said so; the recipe's lints look at it when somebody wrote it.
    pub recipe: Option<Resolved>,
    /// What lints are worth where the texts do not say.
    pub levels: Levels,
    /// What lowering fills in.
    pub defaults: Defaults,
    /// What graph building fills in.
    pub conventions: Conventions,
    /// Leaves every `expect` unproved: for looking at what a spec is under conventions that it was not written for.
    pub no_expectations: bool,
}

impl Options {
    /// What a recipe says, and the data set that it names.
    pub fn under(resolved: &Resolved, target: Option<Target>) -> Self {
        Options {
            target,
            defaults: resolved.recipe.defaults(),
            conventions: resolved.recipe.conventions(),
            recipe: Some(resolved.clone()),
            ..Self::default()
        }
    }
}

/// What the stages made, as far as they came.
#[derive(Debug, Default)]
pub struct Compilation {
    /// Every text that was read.
    pub sources: SourceMap,
    /// Every message, in the order of the text.
    pub diagnostics: Vec<Diagnostic>,
    /// The syntax trees.
    pub spec: Option<Spec>,
    /// The unrolled graph.
    pub graph: Option<LayerGraph>,
    /// The graph with its shapes.
    pub shaped: Option<Shaped>,
    /// The graph that passed the checks.
    pub checked: Option<Checked>,
    /// The program.
    pub program: Option<Program>,
}

impl Compilation {
    /// Reads a spec with what it uses; the other stages are [`Compilation::analyse`]'s.
    pub fn read(path: &Path) -> Self {
        let mut sources = SourceMap::new();
        let spec = load::load(path, &mut sources);
        Self::parsed(sources, spec)
    }

    /// Takes a spec's text from memory.
    pub fn read_text(path: &Path, text: String) -> Self {
        let mut sources = SourceMap::new();
        let spec = load::load_text(path, text, &mut sources);
        Self::parsed(sources, spec)
    }

    /// Takes a spec and all that it uses from memory, by their paths.
    pub fn read_texts(path: &Path, texts: &HashMap<PathBuf, String>) -> Self {
        let mut sources = SourceMap::new();
        let spec = load::load_texts(path, texts, &mut sources);
        Self::parsed(sources, spec)
    }

    /// The spec with everything unrolled, as soon as every shape is known.
    pub fn expanded(&self, path: &Path, parameters: &[String]) -> Option<String> {
        let shaped = self.shaped.as_ref()?;
        let given: Vec<String> = parameters.iter().map(|parameter| format!(" -p {parameter}")).collect();
        let title = format!("Unrolled from {}{}.", path.display(), given.concat());
        let root = self.spec.as_ref().and_then(|spec| spec.root());
        let recipe = root.and_then(|root| {
            root.items
                .iter()
                .find_map(|item| if let Item::Recipe(recipe) = item { Some(recipe.path.as_str()) } else { None })
        });
        Some(flat(shaped, &title, recipe))
    }

    fn parsed(sources: SourceMap, spec: Result<Spec, Vec<Diagnostic>>) -> Self {
        match spec {
            Ok(spec) => Compilation { sources, spec: Some(spec), ..Self::default() },
            Err(diagnostics) => Compilation { sources, diagnostics, ..Self::default() },
        }
    }

    /// Runs every stage after parsing, as far as there are no errors.
    pub fn analyse(&mut self, options: &Options) {
        let settings = self.spec.as_ref().map(|spec| levels::settings(spec, &mut self.diagnostics)).unwrap_or_default();
        self.stages(options);
        self.judge(options, settings);
        tidy(&mut self.diagnostics);
    }

    /// The recipe's lints come last, since they may look at everything; then every lint gets its level.
    fn judge(&mut self, options: &Options, mut settings: Vec<Setting>) {
        let Some(spec) = &self.spec else { return };
        let (sources, diagnostics) = (&self.sources, &mut self.diagnostics);
        let written = options.recipe.as_ref().filter(|resolved| resolved.origins.recipe.is_some());
        let coverage = Coverage {
            graph: self.graph.as_ref(),
            recipe: written.is_some() && self.shaped.is_some(),
            subject: registry::subject,
        };
        settings.extend(options.recipe.iter().flat_map(|resolved| {
            levels::of_recipe(&resolved.lints, resolved.origins.place(&["lints"]).unwrap_or_default())
        }));
        if let (Some(resolved), Some(shaped)) = (written, &self.shaped) {
            let context = Context { spec, shaped, target: options.target.as_ref(), sources };
            let Resolved { recipe, origins, .. } = resolved;
            recipe::check(&Training { recipe, origins, context }, diagnostics);
        }
        levels::apply(spec, &settings, &options.levels, coverage, sources, diagnostics);
        // What was denied gates as an error does.
        if has_errors(diagnostics) {
            self.program = None;
        }
    }

    fn stages(&mut self, options: &Options) -> Option<()> {
        let (sources, diagnostics) = (&self.sources, &mut self.diagnostics);
        let spec = self.spec.as_ref()?;
        let definitions = resolve(spec, diagnostics)?;
        let mut graph = expand(&definitions, &options.net_parameters, &options.conventions, sources, diagnostics)?;
        if options.no_expectations {
            graph.expected.clear();
        }
        // Only now: a name that nothing reads is often a misspelt one, which was reported.
        net::tree(spec, &definitions, sources, diagnostics);
        self.graph = Some(graph.clone());
        let shaped = infer(graph, sources, diagnostics);
        if shaped.is_complete() {
            self.shaped = Some(shaped.clone());
        }
        let context = Context { spec, shaped: &shaped, target: options.target.as_ref(), sources };
        let checked = net::check(&context, diagnostics)?;
        // Names that nothing defines gate lowering too, even in a block that is never called.
        if !has_errors(diagnostics) {
            self.program = Some(lower(&checked, &options.defaults));
        }
        self.checked = Some(checked);
        Some(())
    }
}

/// Reads and analyses a spec in one go.
#[cfg(any(test, feature = "internals"))]
pub fn compile(path: &Path, options: &Options) -> Compilation {
    let mut compilation = Compilation::read(path);
    compilation.analyse(options);
    compilation
}

/// Analyses a spec's text from memory.
#[cfg(any(test, feature = "internals"))]
pub fn compile_text(path: &Path, text: String, options: &Options) -> Compilation {
    let mut compilation = Compilation::read_text(path, text);
    compilation.analyse(options);
    compilation
}
