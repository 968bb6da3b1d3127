//! `netc recalibrate`: gives trained weights the true averages of batch norm over the training set.

use super::eval::{Evaluator, interrupted};
use super::interrupt::stop_on_signal;
use super::output;
use super::selection::SelectionArguments;
use super::terminal::Progress;
use crate::data::{LoadOptions, Subset, Take};
use crate::diagnostic::{Code, Diagnostic};
use crate::engine::State;
use crate::experiment::spec_hash;
use crate::lower::program::Program;
use crate::recipe::PopulationVariance;
use crate::recipe::{Recipe, Statistics};
use crate::run::weights::{self, About};
use crate::source::SourceMap;
use crate::text::percent;
use crate::train::error::RunError;
use crate::train::population::{self, Method};
use crate::train::report::{EvalSet, Evaluated};
use std::path::{Path, PathBuf};

/// `netc recalibrate`, beside what every command takes that reads a spec.
#[derive(Debug, Clone, clap::Args)]
pub struct RecalibrateArguments {
    /// The network, a `.net` file
    pub spec: PathBuf,
    /// Trained weights, a safetensors file
    #[arg(long, value_name = "FILE")]
    pub weights: PathBuf,
    /// Where the recalibrated weights go; beside the others, with `-population` in the name, if not given
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// How the variances of batches become one; the recipe's if not given
    #[arg(long, value_enum)]
    pub variance: Option<PopulationVariance>,
    /// Uses only the first N training and test images in the recipe's `order`, by default a fair sample of all classes
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,
    #[command(flatten)]
    /// Where it runs.
    pub selection: SelectionArguments,
}

/// Recalibrates, and prints what that changes.
///
/// # Errors
/// When weights, data, device or run fail, or the run is interrupted.
pub fn recalibrate(
    program: Program,
    recipe: &Recipe,
    sources: &SourceMap,
    arguments: &RecalibrateArguments,
) -> Result<(), Diagnostic> {
    let weights = weights::read(&arguments.weights, &program)?;
    if program.statistics.is_empty() {
        let message = format!("`{}` has no batch norm: there is nothing to recalibrate", program.net);
        return Err(Diagnostic::new(Code::WeightsMismatch, message));
    }
    let take = arguments.limit.map_or(Take::All, Take::First);
    let options = LoadOptions { input: Some(program.input()), train: take, test: take, order: recipe.order };
    let about = weights.about.clone().unwrap_or_else(|| About {
        net: program.net.clone(),
        netc: env!("CARGO_PKG_VERSION").into(),
        spec: spec_hash(sources),
        data: recipe.data.clone(),
        ..About::default()
    });
    // Whatever the file holds beside, the moving averages are what it is compared with.
    let moving = weights.moving.clone().unwrap_or_else(|| weights.statistics.clone());
    let stop = stop_on_signal()?;
    let mut evaluator = Evaluator::new(program.clone(), recipe, &weights, &options, arguments.selection.into())?;
    let mut state = State { statistics: moving.clone(), ..weights.into_state() };
    evaluator.engine.load(&state).map_err(RunError::from)?;
    let with_moving = evaluator.score(&stop)?;
    // The images that were held out were not trained on.
    let train = Subset::all(&evaluator.data.train);
    let train = match recipe.hold_out {
        0 => train,
        count => train.hold_out(count, recipe.seed).map_err(|error| Diagnostic::from(&error))?.0,
    };
    let norm = recipe.batch_norm;
    let train = match norm.population_images {
        Some(count) => train.limit(count).map_err(|error| Diagnostic::from(&error))?,
        None => train,
    };
    let variance = arguments.variance.unwrap_or(norm.population_variance);
    let method = Method { variance, batch: recipe.batch, seed: recipe.seed };
    let mut progress = Progress::new(train.len() as u64);
    let mut show = |done, total| progress.evaluating(EvalSet::Population, done, total);
    let engine = evaluator.engine.as_mut();
    let found = population::statistics(engine, &train, &evaluator.normalization, method, &stop, &mut show);
    progress.finish();
    let statistics = found?.ok_or_else(interrupted)?;
    state.statistics = statistics;
    evaluator.engine.load(&state).map_err(RunError::from)?;
    let with_population = evaluator.score(&stop)?;
    let out = arguments.out.clone().unwrap_or_else(|| beside(&arguments.weights));
    let evaluated = Evaluated { state, statistics: Statistics::Population, moving: Some(moving), last: None };
    let about = About { statistics: Statistics::Population, results: None, ..about };
    weights::write(&out, &program, &evaluated, &evaluator.normalization, &about)?;
    for (name, score) in [("moving averages", with_moving), ("true averages  ", with_population)] {
        output::line(&format!(
            "{name}  test accuracy {} (top-1 over {} images), loss {:.4}",
            percent(score.accuracy),
            score.images,
            score.loss
        ));
    }
    output::line(&format!("true averages over {} training images; weights {}", train.len(), out.display()));
    Ok(())
}

/// `weights-population.safetensors` for `weights.safetensors`.
fn beside(weights: &Path) -> PathBuf {
    let stem = weights.file_stem().unwrap_or_default().to_string_lossy();
    weights.with_file_name(format!("{stem}-population.safetensors"))
}
