//! `netc eval`: what trained weights reach on the test images.

use super::train::spec_hash;
use crate::data::{DataSet, LoadOptions, Subset, Take};
use crate::diagnostic::{Code, Diagnostic};
use crate::engine::select::{self, Selection};
use crate::lower::program::Program;
use crate::syntax::span::SourceMap;
use crate::train::input::{fits, normalization};
use crate::train::progress::{Progress, percent};
use crate::train::recipe::{Normalize, Recipe};
use crate::train::report::{Score, Which};
use crate::train::runner::{self, RunError};
use crate::train::stop::Stop;
use crate::train::weights::{self, About, Weights};
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
    /// Uses only the first N test images
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,
    #[command(flatten)]
    /// Where it runs.
    pub selection: Selection,
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
        eprintln!("note: {note}");
    }
    let score = score(program.clone(), recipe, weights, arguments).map_err(|error| vec![error])?;
    if arguments.json {
        let result = json!({
            "net": program.net, "weights": arguments.weights, "data": recipe.data, "split": "test",
            "images": score.images, "accuracy": score.accuracy, "loss": score.loss,
        });
        println!("{result}");
    } else {
        let accuracy = percent(score.accuracy);
        println!("test accuracy {accuracy} (top-1 over {} images), loss {:.4}", score.images, score.loss);
    }
    Ok(())
}

fn score(
    program: Program,
    recipe: &Recipe,
    mut weights: Weights,
    arguments: &EvalArguments,
) -> Result<Score, Diagnostic> {
    // Weights say what they were trained with; only those of other tools need the recipe's word, and it the images.
    let measures = matches!(recipe.normalize, Normalize::PerChannel | Normalize::PerPixelMean);
    let train = if weights.normalization.is_none() && measures { Take::All } else { Take::Nothing };
    let test = arguments.limit.map_or(Take::All, Take::First);
    let options = LoadOptions { input: Some(program.input()), train, test };
    let data = DataSet::load(&recipe.data, &options).map_err(|error| Diagnostic::from(&error))?;
    fits(&program, &data.description)?;
    let normalization = match weights.normalization.take() {
        Some(normalization) => normalization,
        None => {
            normalization(&recipe.normalize, &Subset::all(&data.train)).map_err(|error| Diagnostic::from(&error))?
        }
    };
    let mut engine = select::engine(arguments.selection, program)?;
    engine.load(&weights.into_state()).map_err(RunError::from)?;
    let stop = Stop::on_signal()?;
    let images = Subset::all(&data.test);
    let mut progress = Progress::new(images.len() as u64);
    let mut show = |done, total| progress.evaluating(Which::Test, done, total);
    let score = runner::evaluate(engine.as_mut(), &images, &normalization, recipe.batch, &stop, &mut show);
    progress.finish();
    score?
        .ok_or_else(|| Diagnostic::new(Code::RunFailed, "interrupted before all images were seen: there is no result"))
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
