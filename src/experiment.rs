//! The front door: a spec under its recipe, with its data, made whole and checked.

use crate::check::levels::Levels;
use crate::check::recipe::optimizer_groups;
use crate::compile::{self, Compilation};
use crate::data::locate::{self, Located, SearchPlaces, locate};
use crate::data::{DataKind, DataSet, Description, ImageOrder, LoadOptions, Take};
use crate::diagnostic::{Code, Diagnostic, has_errors, render};
use crate::engine::Engine;
use crate::engine::precision::{self, Precision};
use crate::engine::select::{self, Selection};
use crate::graph::dims::Shape;
use crate::graph::shape::Shaped;
use crate::graph::summary::{Summary, summarize};
use crate::lower::program::Program;
use crate::random::text_key;
use crate::recipe::origin::Origins;
use crate::recipe::parse::RecipeText;
use crate::recipe::{self, Recipe, RecipeSource, Resolved};
use crate::run::folder::RunFolder;
use crate::run::identity::Identity;
use crate::run::manifest::{self, DataRequest, Machine, Manifest, SpecRecord};
use crate::run::session::{Finished, Session};
use crate::source::SourceMap;
use crate::syntax::load;
use crate::train::error::no_engine;
use crate::train::input::{Input, fits};
use crate::train::observer::Observer;
use crate::train::report::Score;
use crate::train::runner;
use crate::train::stop::Stop;
use std::path::{Path, PathBuf};

/// What is asked of the compiler beside the spec.
#[derive(Debug, Clone, Default)]
pub struct Request<'a> {
    /// Recipe to use instead of the spec's own.
    pub recipe: Option<&'a Path>,
    /// Changes to the recipe, `key=value`.
    pub sets: Vec<String>,
    /// Parameters of the net, `name=value`.
    pub parameters: &'a [String],
    /// Takes out of the recipe's text what profiles cover.
    pub bare: bool,
    /// Leaves every `expect` unproved.
    pub no_expectations: bool,
    /// What lints are worth where the texts do not say.
    pub levels: Levels,
}

/// A spec that can run, with its recipe.
#[derive(Debug)]
pub struct Experiment {
    /// The file that was asked for.
    pub spec: PathBuf,
    /// Its layers.
    pub shaped: Shaped,
    /// What the engines run.
    pub program: Program,
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

impl Experiment {
    /// Compiles a spec under its recipe.
    ///
    /// # Errors
    /// Every mistake in spec and recipe.
    pub fn compile(spec: &Path, request: &Request<'_>) -> Result<Self, Box<Failure>> {
        Experiment::from_compilation(spec, Compilation::read(spec), request)
    }

    /// Compiles a spec's text; `name` is the path to show it under, and the one that `use` and `recipe` start from.
    ///
    /// # Errors
    /// Every mistake in spec and recipe.
    pub fn compile_text(name: &Path, text: &str, request: &Request<'_>) -> Result<Self, Box<Failure>> {
        Experiment::from_compilation(name, Compilation::read_text(name, text.to_string()), request)
    }

    fn from_compilation(spec: &Path, parsed: Compilation, request: &Request<'_>) -> Result<Self, Box<Failure>> {
        let (compilation, resolved, recipe_path) = analysed(parsed, request);
        let expanded = compilation.expanded(spec, request.parameters).unwrap_or_default();
        let Compilation { sources, diagnostics, shaped, program, .. } = compilation;
        match (program, resolved, shaped) {
            (Some(program), Some(Resolved { recipe, origins, .. }), Some(shaped)) if !has_errors(&diagnostics) => {
                let (spec, warnings, parameters) = (spec.to_path_buf(), diagnostics, request.parameters.to_vec());
                let experiment = Experiment {
                    spec,
                    shaped,
                    program,
                    recipe,
                    origins,
                    expanded,
                    parameters,
                    recipe_path,
                    sources,
                    warnings,
                };
                Ok(experiment)
            }
            _ => Err(Box::new(Failure { sources, diagnostics })),
        }
    }

    /// What the network costs.
    pub fn summary(&self) -> Summary {
        summarize(&self.shaped)
    }

    /// The data set that the recipe names, held against the network; only the first `limit` images of each split in the
    /// recipe's order.
    ///
    /// # Errors
    /// When it is not there, or not for this network.
    pub fn load_data(&self, limit: Option<usize>) -> Result<DataSet, Diagnostic> {
        load_data(&DataRequest { from: self.recipe.data.clone(), limit }, self.recipe.order, &self.program)
    }

    /// An engine for the network; it holds no weights yet.
    ///
    /// # Errors
    /// When there is no such device, or netc was built without it.
    pub fn engine(&self, selection: Selection) -> Result<Box<dyn Engine>, Diagnostic> {
        open_engine(selection, self.recipe.precision, self.program.clone())
    }

    /// Trains, from the beginning or from the folder's last checkpoint if `resume`.
    ///
    /// # Errors
    /// When the run fails or its results cannot be written. A run that was interrupted is no error.
    pub fn train(
        &self,
        data: &DataSet,
        engine: &mut dyn Engine,
        run: &RunRequest<'_>,
        watch: &mut dyn Observer,
    ) -> Result<Finished, Diagnostic> {
        self.train_as(Identity::of(engine, &self.recipe, data), data, engine, run, watch)
    }

    /// What the weights that the engine holds reach on the test images.
    ///
    /// # Errors
    /// When the data or the engine fail.
    pub fn evaluate(&self, data: &DataSet, engine: &mut dyn Engine) -> Result<Score, Diagnostic> {
        let input = Input::new(data, &self.recipe).map_err(|error| Diagnostic::from(&error))?;
        let (normalization, batch) = (&input.normalization, self.recipe.batch);
        let score = runner::evaluate(engine, &input.test, normalization, batch, &Stop::new(), &mut |_, _| {})?;
        // Nobody asked it to stop.
        score.ok_or_else(|| Diagnostic::new(Code::RunFailed, "the evaluation was stopped"))
    }

    /// As [`Experiment::train`], with an identity that was worked out before.
    ///
    /// # Errors
    /// As there.
    pub fn train_as(
        &self,
        identity: Identity,
        data: &DataSet,
        engine: &mut dyn Engine,
        run: &RunRequest<'_>,
        watch: &mut dyn Observer,
    ) -> Result<Finished, Diagnostic> {
        let manifest = self.manifest(run, identity.clone());
        let session = Session {
            recipe: &self.recipe,
            data,
            identity,
            spec: spec_hash(&self.sources),
            folder: run.folder,
            resume: run.resume,
            stop: run.stop,
        };
        session.run(engine, Some(&manifest), watch)
    }

    /// The record of a run that begins now.
    pub fn manifest(&self, run: &RunRequest<'_>, identity: Identity) -> Manifest {
        Manifest {
            started: Manifest::now(),
            netc: env!("CARGO_PKG_VERSION").into(),
            command: run.command.to_vec(),
            machine: Machine::this(),
            threads: run.threads,
            identity,
            data: DataRequest { from: self.recipe.data.clone(), limit: run.limit },
            origins: manifest::origins(&self.recipe, &self.origins, &self.sources),
            spec: SpecRecord::new(&self.spec, &self.parameters, &self.sources, self.expanded.clone()),
        }
    }
}

/// What is asked of a run, beside the experiment.
#[derive(Debug, Clone, Copy)]
pub struct RunRequest<'a> {
    /// Where its files go.
    pub folder: &'a RunFolder,
    /// Whether to go on from the folder's last checkpoint, if there is one.
    pub resume: bool,
    /// Asks it to stop.
    pub stop: &'a Stop,
    /// How many images of each split were taken, for the record.
    pub limit: Option<usize>,
    /// Threads that were asked for, for the record.
    pub threads: Option<u16>,
    /// The command line, for the record.
    pub command: &'a [String],
}

impl<'a> RunRequest<'a> {
    /// A run from its beginning, in this folder.
    pub fn new(folder: &'a RunFolder, stop: &'a Stop) -> Self {
        RunRequest { folder, resume: false, stop, limit: None, threads: None, command: &[] }
    }
}

/// Every message as the command line shows it.
impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(render::render_all(&self.diagnostics, &self.sources, false).trim_end())
    }
}

impl std::error::Error for Failure {}

/// An engine as selected, which computes in these numbers.
///
/// # Errors
/// [`Code::DeviceUnavailable`] when there is no such device, netc was built without it, or the engine does not compute in
/// them; [`Code::RunFailed`] when the engine cannot take the program.
pub fn open_engine(
    selection: Selection,
    precision: Precision,
    program: Program,
) -> Result<Box<dyn Engine>, Diagnostic> {
    precision::require(selection.device, selection.engine, precision)
        .and_then(|()| select::engine(selection, program))
        .map_err(|error| no_engine(&error))
}

/// The data of a run, held against the program.
///
/// # Errors
/// When it is not there, or not for this network.
pub fn load_data(request: &DataRequest, order: ImageOrder, program: &Program) -> Result<DataSet, Diagnostic> {
    let take = request.limit.map_or(Take::All, Take::First);
    load_some(&request.from, order, program, take, take)
}

/// As [`load_data`], with as much of each split as is asked for.
///
/// # Errors
/// As [`load_data`].
pub fn load_some(
    from: &str,
    order: ImageOrder,
    program: &Program,
    train: Take,
    test: Take,
) -> Result<DataSet, Diagnostic> {
    let options = LoadOptions { input: Some(program.input()), train, test, order };
    let data = DataSet::load(from, &options).map_err(|error| Diagnostic::from(&error))?;
    fits(program, &data.description)?;
    Ok(data)
}

/// Hash of all `.net` texts of a compilation, in the order they were read: 16 hexadecimal digits.
pub fn spec_hash(sources: &SourceMap) -> String {
    let texts: Vec<&str> = sources.specs().map(|file| file.text.as_str()).collect();
    format!("{:016x}", text_key(&texts.join("\0")))
}

/// Runs the stages on a spec under its recipe, keeping whatever they made: for commands that show what there is.
pub fn stages(spec: &Path, request: &Request<'_>) -> (Compilation, Option<Resolved>, Option<PathBuf>) {
    analysed(Compilation::read(spec), request)
}

fn analysed(mut compilation: Compilation, request: &Request<'_>) -> (Compilation, Option<Resolved>, Option<PathBuf>) {
    let named = compilation.spec.as_ref().and_then(|parsed| load::recipe(parsed, &compilation.sources));
    let path = request.recipe.map(Path::to_path_buf).or_else(|| named.as_ref().map(|(path, _)| path.clone()));
    let text = path.as_deref().map_or(RecipeText::None, RecipeText::File);
    let source = RecipeSource { text, sets: &request.sets, bare: request.bare };
    let resolved = match recipe::read(source, &mut compilation.sources) {
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
    let under = resolved
        .as_ref()
        .map(|resolved| compile::Options::under(resolved, kind(&resolved.recipe.data).map(DataKind::target)));
    let options = compile::Options {
        net_parameters: request.parameters.to_vec(),
        no_expectations: request.no_expectations,
        levels: request.levels.clone(),
        ..under.unwrap_or_default()
    };
    compilation.analyse(&options);
    if let (Some(Resolved { recipe, origins, .. }), Some(program)) = (&resolved, &compilation.program) {
        compilation.diagnostics.extend(optimizer_groups::check(recipe, origins, program));
    }
    (compilation, resolved, path)
}

/// What is known of a data set without reading it.
pub fn description(data: &str, input: Option<Shape>) -> Option<Description> {
    kind(data).map(|kind| kind.description(input))
}

/// What kind of data set that is: a named one without looking, a folder by what lies in it. A folder that cannot be read
/// is left to the command that needs it.
fn kind(data: &str) -> Option<DataKind> {
    Some(match locate::Request::parse(data).ok()? {
        locate::Request::Named(kind) => kind,
        request @ locate::Request::Folder(_) => match locate(&request, &SearchPlaces::default(), None).ok()? {
            Located::Cifar10(_) => DataKind::Cifar10,
            Located::Mnist(_) => DataKind::Mnist,
            Located::Shapes => DataKind::Shapes,
        },
    })
}
