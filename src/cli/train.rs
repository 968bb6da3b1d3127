//! `netc train`: trains a spec's network.

use super::compile::Compiled;
use super::smoke::{self, SmokeArguments};
use crate::data::{DataSet, LoadOptions, Take};
use crate::diagnostic::Diagnostic;
use crate::engine::select::{self, Selection};
use crate::lower::program::Program;
use crate::random::text_key;
use crate::syntax::span::{FileId, SourceMap};
use crate::train::folder::RunFolder;
use crate::train::identity::Identity;
use crate::train::input::fits;
use crate::train::manifest::{self, DataRequest, Machine, Manifest, SpecRecord};
use crate::train::session::Session;
use crate::train::stop::Stop;
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};

/// Where runs go when nothing is said.
pub const RUNS: &str = "runs";

/// `netc train`, beside what every command takes that reads a spec.
#[derive(Debug, Clone, clap::Args)]
pub struct TrainArguments {
    /// The network, a `.net` file
    pub spec: PathBuf,
    /// Trains for so many passes over the training images
    #[arg(long, value_name = "N", conflicts_with = "steps")]
    pub epochs: Option<NonZeroU64>,
    /// Trains for so many updates of the weights
    #[arg(long, value_name = "N")]
    pub steps: Option<NonZeroU64>,
    /// Images a step
    #[arg(long, value_name = "N")]
    pub batch: Option<NonZeroU64>,
    /// Uses only the first N training and the first N test images
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,
    /// What every random draw depends on: the same seed gives the same run
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    #[command(flatten)]
    /// Where it runs.
    pub selection: Selection,
    /// Folder for the results; `runs/<net>-<n>` if not given
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Goes on from the last checkpoint in that folder (the newest of this net if none is given), to the same bits as
    /// without the break; begins there if it has no checkpoint yet
    #[arg(long)]
    pub resume: bool,
}

impl TrainArguments {
    /// Its changes to the recipe as `--set`s, to come after those of `--set` itself.
    pub fn sets(&self) -> Vec<String> {
        let mut sets = Vec::new();
        sets.extend(self.batch.map(|batch| format!("batch={batch}")));
        sets.extend(self.epochs.map(|epochs| format!("epochs={epochs}")));
        sets.extend(self.steps.map(|steps| format!("steps={steps}")));
        sets.extend(self.seed.map(|seed| format!("seed={seed}")));
        sets
    }
}

/// Trains a compiled spec. What is learnt is in the folder; results are on stdout.
///
/// # Errors
/// When data, device, folder or run fail. A run that was interrupted is none.
pub fn train(compiled: Compiled, arguments: &TrainArguments, smoke: SmokeArguments) -> Result<(), Vec<Diagnostic>> {
    let done = match smoke {
        SmokeArguments { overfit: Some(batches), .. } => smoke::overfit(compiled, arguments, batches),
        SmokeArguments { fast: true, .. } => smoke::fast(compiled, arguments),
        SmokeArguments { .. } => one(compiled, arguments),
    };
    done.map_err(|error| vec![error])
}

fn one(compiled: Compiled, arguments: &TrainArguments) -> Result<(), Diagnostic> {
    let request = DataRequest { from: compiled.recipe.data.clone(), limit: arguments.limit };
    let data = load(&request, &compiled.program)?;
    let engine = select::engine(arguments.selection, compiled.program.clone())?;
    let runs = Path::new(RUNS);
    let net = &compiled.program.net;
    let folder = match (&arguments.out, arguments.resume) {
        (Some(out), true) => RunFolder::resumed(out)?,
        (None, true) => RunFolder::resumed(&RunFolder::newest(runs, net))?,
        (Some(out), false) => RunFolder::at(out)?,
        (None, false) => RunFolder::numbered(runs, net)?,
    };
    let stop = Stop::on_signal()?;
    let identity = Identity::of(engine.as_ref(), &compiled.recipe, &data);
    let manifest = manifest(&compiled, arguments, request, identity.clone());
    let session = Session {
        recipe: &compiled.recipe,
        data: &data,
        identity,
        spec: spec_hash(&compiled.sources),
        folder: &folder,
        resume: arguments.resume,
        stop: &stop,
        quiet: false,
    };
    session.run(engine, Some(&manifest)).map(drop)
}

/// The record of a run that begins now.
pub fn manifest(compiled: &Compiled, arguments: &TrainArguments, data: DataRequest, identity: Identity) -> Manifest {
    let Compiled { recipe, origins, sources, expanded, parameters, .. } = compiled;
    Manifest {
        started: Manifest::now(),
        command: std::env::args().collect(),
        machine: Machine::this(),
        threads: arguments.selection.threads,
        identity,
        data,
        origins: manifest::origins(recipe, origins, sources),
        spec: SpecRecord::new(&arguments.spec, parameters, sources, expanded.clone()),
    }
}

/// The data of a run, held against the program.
///
/// # Errors
/// When it is not there, or not for this network.
pub fn load(request: &DataRequest, program: &Program) -> Result<DataSet, Diagnostic> {
    let take = request.limit.map_or(Take::All, Take::First);
    load_some(&request.from, program, take, take)
}

/// As [`load`], with as much of each split as is asked for.
///
/// # Errors
/// As [`load`].
pub fn load_some(from: &str, program: &Program, train: Take, test: Take) -> Result<DataSet, Diagnostic> {
    let options = LoadOptions { input: Some(program.input()), train, test };
    let data = DataSet::load(from, &options).map_err(|error| Diagnostic::from(&error))?;
    fits(program, &data.description)?;
    Ok(data)
}

/// Hash of all `.net` texts of a compilation, in the order they were read: 16 hexadecimal digits.
pub fn spec_hash(sources: &SourceMap) -> String {
    let files = (0..).map_while(|index| sources.file(FileId(index)));
    let specs = files.filter(|file| file.path.extension().is_some_and(|extension| extension == "net"));
    let texts: Vec<&str> = specs.map(|file| file.text.as_str()).collect();
    format!("{:016x}", text_key(&texts.join("\0")))
}

#[cfg(test)]
mod tests;
