//! The stages one after another, from text to [`Program`], keeping what each made.

use crate::check::{self, Checked, Target, unused_names};
use crate::diagnostic::{Diagnostic, has_errors, tidy};
use crate::graph::conventions::Conventions;
use crate::graph::expand::expand;
use crate::graph::layer_graph::LayerGraph;
use crate::graph::resolve::resolve;
use crate::graph::shape::{Shaped, infer};
use crate::lower::defaults::Defaults;
use crate::lower::lower;
use crate::lower::program::Program;
use crate::syntax::load::{self, Spec};
use crate::syntax::span::SourceMap;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// What the text leaves open.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// `-p name=value`: parameters of the net.
    pub net_parameters: Vec<String>,
    /// The data set, if one is known.
    pub target: Option<Target>,
    /// What lowering fills in.
    pub defaults: Defaults,
    /// What graph building fills in.
    pub conventions: Conventions,
    /// Leaves every `expect` unproved: for looking at what a spec is under conventions that it was not written for.
    pub no_expectations: bool,
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

    fn parsed(sources: SourceMap, spec: Result<Spec, Vec<Diagnostic>>) -> Self {
        match spec {
            Ok(spec) => Compilation { sources, spec: Some(spec), ..Self::default() },
            Err(diagnostics) => Compilation { sources, diagnostics, ..Self::default() },
        }
    }

    /// Runs every stage after parsing, as far as there are no errors.
    pub fn analyse(&mut self, options: &Options) {
        self.stages(options);
        tidy(&mut self.diagnostics);
    }

    fn stages(&mut self, options: &Options) -> Option<()> {
        let (sources, diagnostics) = (&self.sources, &mut self.diagnostics);
        let spec = self.spec.as_ref()?;
        let definitions = resolve(spec, diagnostics)?;
        let mut graph = expand(&definitions, &options.net_parameters, &options.conventions, sources, diagnostics)?;
        if options.no_expectations {
            graph.expected.clear();
        }
        // Only now: a name that nothing reads is often a misspelt one, which was told.
        unused_names::check(spec, &definitions, diagnostics);
        self.graph = Some(graph.clone());
        let shaped = infer(graph, sources, diagnostics);
        if shaped.is_complete() {
            self.shaped = Some(shaped.clone());
        }
        let checked = check::check(shaped, options.target.as_ref(), sources, diagnostics)?;
        // Names that nothing defines gate lowering too, even in a block that is never called.
        if !has_errors(diagnostics) {
            self.program = Some(lower(&checked, &options.defaults));
        }
        self.checked = Some(checked);
        Some(())
    }
}

/// Reads and analyses a spec in one go.
pub fn compile(path: &Path, options: &Options) -> Compilation {
    let mut compilation = Compilation::read(path);
    compilation.analyse(options);
    compilation
}

/// Analyses a spec's text from memory.
pub fn compile_text(path: &Path, text: String, options: &Options) -> Compilation {
    let mut compilation = Compilation::read_text(path, text);
    compilation.analyse(options);
    compilation
}
