//! `netc train`: trains a spec's network.

use crate::data::{DataSet, LoadOptions, Take};
use crate::diagnostic::{Code, Diagnostic};
use crate::engine::Engine;
use crate::engine::select::{self, Selection};
use crate::lower::program::Program;
use crate::random::text_key;
use crate::syntax::span::{FileId, SourceMap};
use crate::train::folder::{RECIPE, RunFolder};
use crate::train::input::{Input, fits};
use crate::train::progress::{Progress, final_lines};
use crate::train::recipe::Recipe;
use crate::train::record::Record;
use crate::train::runner::{self, RunError};
use crate::train::stop::Stop;
use crate::train::weights::About;
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};

/// Where runs go when nothing is said.
const RUNS: &str = "runs";

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

/// Trains `program` by `recipe`, which has all changes applied already. What is learnt is in the folder; results are
/// on stdout.
///
/// # Errors
/// When data, device, folder or run fail. A run that was interrupted is none.
pub fn train(
    program: Program,
    recipe: &Recipe,
    sources: &SourceMap,
    arguments: &TrainArguments,
) -> Result<(), Vec<Diagnostic>> {
    let take = arguments.limit.map_or(Take::All, Take::First);
    let options = LoadOptions { input: Some(program.input()), train: take, test: take };
    let data = DataSet::load(&recipe.data, &options).map_err(|error| vec![Diagnostic::from(&error)])?;
    fits(&program, &data.description).map_err(|error| vec![error])?;
    let engine = select::engine(arguments.selection, program).map_err(|error| vec![error])?;
    let folder = match &arguments.out {
        Some(out) => RunFolder::at(out),
        None => RunFolder::numbered(Path::new(RUNS), &engine.program().net),
    };
    let folder = folder.map_err(|error| vec![error])?;
    let stop = Stop::on_signal().map_err(|error| vec![error])?;
    run(engine, recipe, &data, &spec_hash(sources), &folder, &stop).map_err(|error| vec![error])
}

/// The part of [`train`] that needs neither the disk's data nor signals.
///
/// # Errors
/// When the run fails, or its results cannot be written.
pub fn run(
    mut engine: Box<dyn Engine>,
    recipe: &Recipe,
    data: &DataSet,
    spec: &str,
    folder: &RunFolder,
    stop: &Stop,
) -> Result<(), Diagnostic> {
    let program = engine.program().clone();
    let input = Input::new(data, recipe).map_err(|error| Diagnostic::from(&error))?;
    engine.load(&program.initial_state(recipe.seed)).map_err(RunError::from)?;
    folder.write(RECIPE, &recipe.to_yaml())?;
    let steps = recipe.length.steps(input.train.len().div_ceil(recipe.batch.max(1)) as u64);
    eprintln!(
        "{}: {} parameters; {}: {} training images, {} test images; {steps} steps of {}; results in {}",
        program.net,
        program.parameter_count(),
        data.description.name,
        input.train.len(),
        input.test.len(),
        recipe.batch,
        folder.path().display()
    );
    let about = About {
        net: program.net.clone(),
        netc: env!("CARGO_PKG_VERSION").into(),
        spec: spec.into(),
        data: data.description.name.clone(),
        steps: 0,
    };
    let progress = Progress::new(steps);
    let mut record = Record { folder, program: &program, normalization: &input.normalization, about, progress };
    let outcome = runner::train(engine.as_mut(), recipe, &input, stop, &mut record);
    record.progress.finish();
    let outcome = outcome.map_err(|error| finished_badly(error, folder))?;
    // The last step is the last epoch's end unless the run was interrupted.
    if outcome.interrupted {
        if outcome.state.parameters.iter().flatten().any(|x| !x.is_finite()) {
            let message = "interrupted, and the weights of the last step are no longer numbers: they were not saved";
            return Err(Diagnostic::new(Code::LossNotFinite, message));
        }
        record.save(&outcome.state, outcome.steps)?;
        record.progress.result(&format!("interrupted after step {} of {steps}; not evaluated since", outcome.steps));
    }
    if let (Some(last), Some(best)) = (&outcome.last, &outcome.best)
        && !outcome.interrupted
    {
        for line in final_lines(last, best) {
            record.progress.result(&line);
        }
    }
    record.progress.result(&format!("weights {}", folder.weights().display()));
    Ok(())
}

fn finished_badly(error: RunError, folder: &RunFolder) -> Diagnostic {
    let weights = folder.weights();
    let diagnostic = Diagnostic::from(error);
    if weights.exists() { diagnostic.note(format!("saved in `{}`", weights.display())) } else { diagnostic }
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
