//! `netc eval`: what trained weights reach on the test images.

use super::interrupt::stop_on_signal;
use super::output;
use super::selection::SelectionArguments;
use super::terminal::Progress;
use crate::data::normalize::Normalization;
use crate::data::{DataSet, LoadOptions, Subset, Take};
use crate::diagnostic::{Code, Diagnostic};
use crate::engine::select::Selection;
use crate::engine::{Engine, State};
use crate::experiment::{open_engine, spec_hash};
use crate::lower::program::Program;
use crate::recipe::{Normalize, Recipe};
use crate::run::weights::{self, About, Weights};
use crate::source::SourceMap;
use crate::text::percent;
use crate::train::error::RunError;
use crate::train::input::{fits, normalization};
use crate::train::report::{EvalSet, Score};
use crate::train::runner;
use crate::train::stop::Stop;
use serde_json::json;
use std::path::PathBuf;

/// `netc eval`, beside what every command takes that reads a spec.
#[derive(Debug, Clone, clap::Args)]
pub struct EvalArguments {
    /// The network, a `.net` file
    pub spec: PathBuf,
    /// Trained weights, a safetensors file
    #[arg(long, value_name = "FILE")]
    pub weights: PathBuf,
    /// Uses only the first N test images in the recipe's `order`, by default a fair sample of all classes
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,
    #[command(flatten)]
    /// Where it runs.
    pub selection: SelectionArguments,
    /// Prints the result as JSON
    #[arg(long)]
    pub json: bool,
}

/// Evaluates and prints to stdout.
///
/// # Errors
/// When weights, data, device or run fail, or the run is interrupted.
pub fn eval(
    program: Program,
    recipe: &Recipe,
    sources: &SourceMap,
    arguments: &EvalArguments,
) -> Result<(), Vec<Diagnostic>> {
    let weights = weights::read(&arguments.weights, &program).map_err(|error| vec![error])?;
    for note in weights.about.iter().flat_map(|about| notes(about, recipe, sources)) {
        output::message(&format!("note: {note}"));
    }
    let Scores { score, moving, last } =
        scores(program.clone(), recipe, weights, arguments).map_err(|error| vec![error])?;
    if arguments.json {
        let [moving, last] =
            [moving, last].map(|score| score.map(|score| json!({ "accuracy": score.accuracy, "loss": score.loss })));
        let mut result = json!({
            "net": program.net, "weights": arguments.weights, "data": recipe.data, "split": "test",
            "images": score.images, "accuracy": score.accuracy, "loss": score.loss,
        });
        if let Some(result) = result.as_object_mut() {
            result.extend(moving.map(|moving| ("with_moving_averages".into(), moving)));
            result.extend(last.map(|last| ("with_last_weights".into(), last)));
        }
        output::line(&result.to_string());
    } else {
        let accuracy = percent(score.accuracy);
        output::line(&format!("test accuracy {accuracy} (top-1 over {} images), loss {:.4}", score.images, score.loss));
        if let Some(moving) = moving {
            let accuracy = percent(moving.accuracy);
            output::line(&format!(
                "that is with true averages in batch norm; with moving ones {accuracy}, loss {:.4}",
                moving.loss
            ));
        }
        if let Some(last) = last {
            let accuracy = percent(last.accuracy);
            output::line(&format!(
                "that is with averaged weights; with those of the last step {accuracy}, loss {:.4}",
                last.loss
            ));
        }
    }
    Ok(())
}

/// What was found.
struct Scores {
    score: Score,
    /// With moving averages in batch norm, where the score is with true ones.
    moving: Option<Score>,
    /// With the weights of the last step, where the score is with averaged ones.
    last: Option<Score>,
}

/// With what the weights are to be evaluated with, and without what was put in place of training's own.
fn scores(
    program: Program,
    recipe: &Recipe,
    weights: Weights,
    arguments: &EvalArguments,
) -> Result<Scores, Diagnostic> {
    // Weights say what they were trained with; only those of other tools need the recipe's word, and it the images.
    let measures = matches!(recipe.normalize, Normalize::PerChannel | Normalize::PerPixelMean);
    let train = if weights.normalization.is_none() && measures { Take::All } else { Take::Nothing };
    let test = arguments.limit.map_or(Take::All, Take::First);
    let options = LoadOptions { input: Some(program.input()), train, test, order: recipe.order };
    let stop = stop_on_signal()?;
    let mut evaluator = Evaluator::new(program, recipe, &weights, &options, arguments.selection.into())?;
    let (moving, last) = (weights.moving.clone(), weights.last.clone());
    let state = weights.into_state();
    evaluator.engine.load(&state).map_err(RunError::from)?;
    let score = evaluator.score(&stop)?;
    let mut other = |state: &State| {
        evaluator.engine.load(state).map_err(RunError::from)?;
        evaluator.score(&stop).map(Some)
    };
    let state = State { statistics: moving.clone().unwrap_or(state.statistics), ..state };
    let moving = if moving.is_some() { other(&state)? } else { None };
    // The weights of the last step are what the moving averages belong to.
    let last = last.map_or(Ok(None), |parameters| other(&State { parameters, ..state }))?;
    Ok(Scores { score, moving, last })
}

/// What an evaluation needs.
pub(super) struct Evaluator {
    /// What runs the network; it holds no weights yet.
    pub engine: Box<dyn Engine>,
    /// The images.
    pub data: DataSet,
    /// What pixels go through: what the weights say, else what the recipe says.
    pub normalization: Normalization,
    batch: usize,
}

impl Evaluator {
    /// For these weights.
    pub fn new(
        program: Program,
        recipe: &Recipe,
        weights: &Weights,
        options: &LoadOptions,
        selection: Selection,
    ) -> Result<Self, Diagnostic> {
        let data = DataSet::load(&recipe.data, options).map_err(|error| Diagnostic::from(&error))?;
        fits(&program, &data.description)?;
        let normalization = match weights.normalization.clone() {
            Some(normalization) => normalization,
            None => {
                let train = Subset::all(&data.train);
                normalization(&recipe.normalize, &train).map_err(|error| Diagnostic::from(&error))?
            }
        };
        let engine = open_engine(selection, recipe.precision, program)?;
        Ok(Evaluator { engine, data, normalization, batch: recipe.batch })
    }

    /// Over the test images.
    pub fn score(&mut self, stop: &Stop) -> Result<Score, Diagnostic> {
        let images = Subset::all(&self.data.test);
        let mut progress = Progress::new(images.len() as u64);
        let mut show = |done, total| progress.evaluating(EvalSet::Test, done, total);
        let engine = self.engine.as_mut();
        let score = runner::evaluate(engine, &images, &self.normalization, self.batch, stop, &mut show);
        progress.finish();
        score?.ok_or_else(interrupted)
    }
}

/// What there is to say of an evaluation that was stopped.
pub(super) fn interrupted() -> Diagnostic {
    Diagnostic::new(Code::RunFailed, "interrupted before all images were seen: there is no result")
}

/// What a reader of the result has to know about the weights.
fn notes(about: &About, recipe: &Recipe, sources: &SourceMap) -> Vec<String> {
    let mut notes = Vec::new();
    if about.spec != spec_hash(sources) {
        notes.push(format!("the weights were trained from another text of `{}`; names and shapes fit", about.net));
    }
    if about.data != recipe.data {
        notes.push(format!("the weights were trained on `{}`", about.data));
    }
    notes
}
