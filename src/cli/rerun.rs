//! `netc rerun`: makes a run again from its record, and holds the weights against those it came to.

use super::output::Output;
use super::train::{RUNS, load, spec_hash};
use crate::compile::{self, Compilation};
use crate::diagnostic::{Code, Diagnostic, has_errors};
use crate::engine::select::{self, Selection};
use crate::syntax::span::SourceMap;
use crate::train::folder::RunFolder;
use crate::train::identity::Identity;
use crate::train::manifest::{DataRequest, Machine, Manifest};
use crate::train::recipe::Recipe;
use crate::train::session::Session;
use crate::train::stop::Stop;
use crate::train::tensor_file::{self, sha256};
use crate::train::weights::{self, About};
use clap::Args;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Arguments of `netc rerun`.
#[derive(Debug, Args)]
pub struct RerunArgs {
    /// The folder of the run, with its `run.yaml`
    run: PathBuf,
    /// Folder for the results; `runs/<net>-<n>` if not given
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Where the data is now, if not where it was
    #[arg(long, value_name = "NAME|DIR")]
    data: Option<String>,
    /// Threads of the native engine; the result is the same for any number
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
}

/// Runs it.
pub fn run(args: &RerunArgs, output: &Output) -> ExitCode {
    let mut sources = SourceMap::new();
    match rerun(args, &mut sources) {
        Ok(line) => {
            output.result(&line);
            ExitCode::SUCCESS
        }
        Err(diagnostics) => {
            output.diagnostics(&diagnostics, &sources);
            ExitCode::FAILURE
        }
    }
}

fn rerun(args: &RerunArgs, sources: &mut SourceMap) -> Result<String, Vec<Diagnostic>> {
    let one = |diagnostic: Diagnostic| vec![diagnostic];
    let was = Manifest::read(&args.run).map_err(one)?;
    let recipe_text = Some((Path::new("recipe.yaml"), was.identity.recipe.clone()));
    let recipe = Recipe::read(recipe_text, &[], sources)?;
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
    again(args, &was, program, &recipe, spec).map_err(one)
}

fn again(
    args: &RerunArgs,
    was: &Manifest,
    program: crate::lower::program::Program,
    recipe: &Recipe,
    spec: String,
) -> Result<String, Diagnostic> {
    let shown = args.run.display();
    let unknown = || {
        let message = format!("`{shown}` was computed by {}, which this netc has not", was.identity.arithmetic);
        Diagnostic::new(Code::DeviceUnavailable, message)
    };
    let selection = Selection::of(&was.identity.arithmetic, args.threads.or(was.threads)).ok_or_else(unknown)?;
    let request =
        DataRequest { from: args.data.clone().unwrap_or_else(|| was.data.from.clone()), limit: was.data.limit };
    let data = load(&request, &program)?;
    let engine = select::engine(selection, program)?;
    let identity = Identity::of(engine.as_ref(), recipe, &data);
    let differences = was.identity.differences(&identity);
    if !differences.is_empty() {
        let diagnostic = Diagnostic::new(Code::RerunDiffers, format!("`{shown}` cannot be made again here"));
        return Err(differences.into_iter().fold(diagnostic, Diagnostic::note));
    }
    let doubts = was.identity.doubts(&identity);
    let folder = match &args.out {
        Some(out) => RunFolder::at(out)?,
        None => RunFolder::numbered(Path::new(RUNS), &was.identity.net)?,
    };
    let manifest = Manifest {
        started: Manifest::now(),
        command: std::env::args().collect(),
        machine: Machine::this(),
        threads: selection.threads,
        identity: identity.clone(),
        data: request,
        ..was.clone()
    };
    let stop = Stop::on_signal()?;
    let session =
        Session { recipe, data: &data, identity, spec, folder: &folder, resume: false, stop: &stop, quiet: false };
    let outcome = session.run(engine, Some(&manifest))?;
    if outcome.interrupted {
        return Ok(format!("interrupted: not compared with {shown}"));
    }
    compare(&args.run, &folder, doubts)
}

/// Whether two runs left the same weights.
fn compare(was: &Path, now: &RunFolder, doubts: Vec<String>) -> Result<String, Diagnostic> {
    let old = was.join(weights::FILE_NAME);
    let new = now.weights();
    let read = |path: &Path| {
        std::fs::read(path).map_err(|error| {
            Diagnostic::new(Code::WeightsUnreadable, format!("cannot read the weights `{}`", path.display()))
                .note(error.to_string())
        })
    };
    if !old.exists() {
        return Ok(format!("{} has no weights to compare with", was.display()));
    }
    let (old_bytes, new_bytes) = (read(&old)?, read(&new)?);
    if old_bytes == new_bytes {
        let hash = sha256(&new_bytes);
        return Ok(format!("the same weights as in {}, byte for byte (sha256 {hash})", was.display()));
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
