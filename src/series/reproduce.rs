//! A run made again from its record, and its weights held against those that it came to.

use crate::compile::{self, Compilation};
use crate::diagnostic::{Code, Diagnostic, has_errors};
use crate::engine::select::Selection;
use crate::experiment::{load_data, open_engine, spec_hash};
use crate::lower::program::Program;
use crate::recipe::{self, Recipe, RecipeSource};
use crate::run::folder::RunFolder;
use crate::run::identity::Identity;
use crate::run::manifest::{DataRequest, Machine, Manifest};
use crate::run::session::{Finished, Session};
use crate::run::tensor_file::{self, sha256};
use crate::run::weights::{self, About};
use crate::source::SourceMap;
use crate::train::observer::Observer;
use crate::train::stop::Stop;
use std::path::Path;

/// What is asked for.
#[derive(Debug, Clone)]
pub struct Reproduction<'a> {
    /// The folder of the run, with its `run.yaml`.
    pub run: &'a Path,
    /// Folder for the results; `<net>-<n>` in `folders` if not given.
    pub out: Option<&'a Path>,
    /// Where folders without a name of their own go.
    pub folders: &'a Path,
    /// Where the data is now, if not where it was.
    pub data: Option<&'a str>,
    /// Threads of the native engine; the result is the same for any number.
    pub threads: Option<u16>,
    /// The command line, for the record.
    pub command: Vec<String>,
}

/// What became of it.
#[derive(Debug)]
pub struct Reproduced {
    /// How the run ended.
    pub finished: Finished,
    /// How its weights compare: an error where they are others.
    pub verdict: Result<Verdict, Diagnostic>,
}

/// What holding weights against weights gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The run was interrupted.
    Interrupted,
    /// The first run left no weights.
    NothingToCompare,
    /// They are the same, byte for byte.
    Same {
        /// Of the file.
        sha256: String,
    },
}

impl Reproduction<'_> {
    /// Makes the run again. The texts of its spec are left in `sources`, for places in messages; `stop` is asked for
    /// when the run is about to begin.
    ///
    /// # Errors
    /// When the record cannot be read, this is not the network, data or arithmetic of then, or the run fails.
    pub fn run(
        &self,
        sources: &mut SourceMap,
        stop: impl FnOnce() -> Result<Stop, Diagnostic>,
        watch: &mut dyn Observer,
    ) -> Result<Reproduced, Vec<Diagnostic>> {
        let one = |diagnostic: Diagnostic| vec![diagnostic];
        let was = Manifest::read(self.run).map_err(one)?;
        let text = RecipeSource::text(Path::new("recipe.yaml"), &was.identity.recipe);
        let recipe = recipe::read(text, sources)?.recipe;
        let files = was.spec.files.iter().map(|file| (file.path.clone(), file.text.clone())).collect();
        let mut compilation = Compilation::read_texts(&was.spec.path, &files);
        compilation.analyse(&compile::Options {
            net_parameters: was.spec.parameters.clone(),
            defaults: recipe.defaults(),
            conventions: recipe.conventions(),
            ..compile::Options::default()
        });
        *sources = compilation.sources.clone();
        let program = match compilation.program {
            Some(program) if !has_errors(&compilation.diagnostics) => program,
            _ => return Err(compilation.diagnostics),
        };
        let spec = spec_hash(sources);
        self.again(&was, program, &recipe, spec, stop, watch).map_err(one)
    }

    fn again(
        &self,
        was: &Manifest,
        program: Program,
        recipe: &Recipe,
        spec: String,
        stop: impl FnOnce() -> Result<Stop, Diagnostic>,
        watch: &mut dyn Observer,
    ) -> Result<Reproduced, Diagnostic> {
        let shown = self.run.display();
        let unknown = || {
            let message = format!("`{shown}` was computed by {}, which this netc has not", was.identity.arithmetic);
            Diagnostic::new(Code::DeviceUnavailable, message)
        };
        let selection = Selection::of(&was.identity.arithmetic, self.threads.or(was.threads)).ok_or_else(unknown)?;
        let from = self.data.map_or_else(|| was.data.from.clone(), str::to_string);
        let request = DataRequest { from, limit: was.data.limit };
        let data = load_data(&request, recipe.order, &program)?;
        let mut engine = open_engine(selection, recipe.precision, program)?;
        let identity = Identity::of(engine.as_ref(), recipe, &data);
        let differences = was.identity.differences(&identity);
        if !differences.is_empty() {
            let diagnostic = Diagnostic::new(Code::RerunDiffers, format!("`{shown}` cannot be made again here"));
            return Err(differences.into_iter().fold(diagnostic, Diagnostic::note));
        }
        let doubts = was.identity.doubts(&identity);
        let folder = match self.out {
            Some(out) => RunFolder::at(out)?,
            None => RunFolder::numbered(self.folders, &was.identity.net)?,
        };
        let manifest = Manifest {
            started: Manifest::now(),
            netc: env!("CARGO_PKG_VERSION").into(),
            command: self.command.clone(),
            machine: Machine::this(),
            threads: selection.threads,
            identity: identity.clone(),
            data: request,
            ..was.clone()
        };
        let stop = stop()?;
        let session = Session { recipe, data: &data, identity, spec, folder: &folder, resume: false, stop: &stop };
        let finished = session.run(engine.as_mut(), Some(&manifest), watch)?;
        let verdict = match finished.outcome.interrupted {
            true => Ok(Verdict::Interrupted),
            false => compare(self.run, &finished.weights, doubts),
        };
        Ok(Reproduced { finished, verdict })
    }
}

/// Whether two runs left the same weights.
fn compare(was: &Path, new: &Path, doubts: Vec<String>) -> Result<Verdict, Diagnostic> {
    let old = was.join(weights::FILE_NAME);
    if !old.exists() {
        return Ok(Verdict::NothingToCompare);
    }
    let (old_bytes, new_bytes) = (weights::read_bytes(&old)?, weights::read_bytes(new)?);
    if old_bytes == new_bytes {
        return Ok(Verdict::Same { sha256: sha256(&new_bytes) });
    }
    let message = format!("the weights are others than those in `{}`", was.display());
    let mut diagnostic = Diagnostic::new(Code::RerunDiffers, message);
    let steps = |bytes: &[u8]| tensor_file::about::<About>(bytes).ok().flatten().map(|about| about.steps);
    if let (Some(was), Some(now)) = (steps(&old_bytes), steps(&new_bytes))
        && was != now
    {
        diagnostic = diagnostic.note(format!("those are of step {was}, these of step {now}: was it interrupted?"));
    }
    Err(doubts.into_iter().fold(diagnostic, Diagnostic::note))
}
