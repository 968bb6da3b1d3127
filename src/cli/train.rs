//! `netc train`: trains a spec's network.

use super::interrupt::stop_on_signal;
use super::selection::SelectionArguments;
use super::smoke::{self, SmokeArguments};
use super::terminal::Terminal;
use crate::diagnostic::Diagnostic;
use crate::experiment::{Experiment, RunRequest};
use crate::run::folder::RunFolder;
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
    /// Uses only the first N training and the first N test images in the recipe's `order`, by default a fair sample of all
    /// classes
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,
    /// What every random draw depends on: the same seed gives the same run
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    #[command(flatten)]
    /// Where it runs.
    pub selection: SelectionArguments,
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
pub fn train(experiment: Experiment, arguments: &TrainArguments, smoke: SmokeArguments) -> Result<(), Vec<Diagnostic>> {
    let done = match smoke {
        SmokeArguments { overfit: Some(batches), .. } => smoke::overfit(experiment, arguments, batches),
        SmokeArguments { fast: true, .. } => smoke::fast(experiment, arguments),
        SmokeArguments { .. } => one(&experiment, arguments),
    };
    done.map_err(|error| vec![error])
}

fn one(experiment: &Experiment, arguments: &TrainArguments) -> Result<(), Diagnostic> {
    let data = experiment.load_data(arguments.limit)?;
    let mut engine = experiment.engine(arguments.selection.into())?;
    let runs = Path::new(RUNS);
    let net = &experiment.program.net;
    let folder = match (&arguments.out, arguments.resume) {
        (Some(out), true) => RunFolder::resumed(out)?,
        (None, true) => RunFolder::resumed(&RunFolder::newest(runs, net))?,
        (Some(out), false) => RunFolder::at(out)?,
        (None, false) => RunFolder::numbered(runs, net)?,
    };
    let stop = stop_on_signal()?;
    let command: Vec<String> = std::env::args().collect();
    let run = RunRequest {
        folder: &folder,
        resume: arguments.resume,
        stop: &stop,
        limit: arguments.limit,
        threads: arguments.selection.threads,
        command: &command,
    };
    let mut terminal = Terminal::new();
    let finished = experiment.train(&data, engine.as_mut(), &run, &mut terminal)?;
    terminal.finish(&finished);
    Ok(())
}

#[cfg(test)]
mod tests;
