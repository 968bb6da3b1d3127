use super::*;
use crate::data::normalize::Normalization;
use crate::data::{LoadOptions, Subset, Take};
use crate::engine::mock;
use crate::engine::select::{self, Selection};
use crate::graph::dims::Shape;
use crate::recipe::{self, Length, RecipeSource};
use crate::run::folder::tests::Scratch;
use crate::run::weights;
use crate::source::SourceMap;
use std::path::Path;

fn train(
    program: &Program,
    recipe: &Recipe,
    data: &DataSet,
    folder: &RunFolder,
    stop: &Stop,
    resume: bool,
) -> Result<Finished, Diagnostic> {
    let mut engine = select::engine(Selection::default(), program.clone()).unwrap();
    let identity = Identity::of(engine.as_ref(), recipe, data);
    let session = Session { recipe, data, identity, spec: "00ff".into(), folder, resume, stop };
    session.run(engine.as_mut(), None, &mut ())
}

/// The whole of a run but the signals, on the reference engine.
#[test]
fn a_run_leaves_what_it_should() {
    let scratch = Scratch::new("cli-train");
    let input = Shape::map(1, 12, 12);
    let program = mock::program(input, 10);
    let options = LoadOptions { input: Some(input), train: Take::First(200), test: Take::First(50) };
    let data = DataSet::load("shapes", &options).unwrap();
    let recipe = Recipe { data: "shapes".into(), batch: 32, length: Length::Epochs(2), ..Recipe::default() };
    let weights = |name: &str, stop: &Stop| {
        let folder = RunFolder::at(&scratch.0.join(name)).unwrap();
        train(&program, &recipe, &data, &folder, stop, false).unwrap();
        (std::fs::read(folder.weights()).unwrap(), folder)
    };
    let (bytes, folder) = weights("one", &Stop::new());
    let read = weights::read(&folder.weights(), &program).unwrap();
    let about = read.about.clone().unwrap();
    assert_eq!(about.steps, 14);
    assert!(matches!(read.normalization, Some(Normalization::PerChannel { .. })));
    let metrics = std::fs::read_to_string(folder.metrics()).unwrap();
    let lines: Vec<serde_json::Value> = metrics.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((lines.len(), &lines[1]["epoch"], &lines[1]["test"]["images"]), (2, &2.into(), &50.into()));
    // What the weights reached is beside them, and with what chose them.
    let chosen = about.results.unwrap();
    assert_eq!((chosen.chosen_by, chosen.reached.epoch), (results::Choice::LastEpoch, 2));
    assert_eq!(lines[1]["test"]["accuracy"].as_f64(), Some(chosen.reached.test.accuracy));
    let told = std::fs::read_to_string(folder.path().join(results::FILE_NAME)).unwrap();
    assert_eq!(serde_json::from_str::<Results>(&told).unwrap().last, chosen.reached);
    let text = std::fs::read_to_string(folder.path().join(RECIPE)).unwrap();
    let again = recipe::read(RecipeSource::text(Path::new("recipe.yaml"), &text), &mut SourceMap::new());
    assert_eq!(again.unwrap().recipe, recipe);

    // The metrics are those of the weights in the file, as `netc eval` finds them.
    let mut engine = select::engine(Selection::default(), program.clone()).unwrap();
    let normalization = read.normalization.clone().unwrap();
    engine.load(&read.into_state()).unwrap();
    let test = Subset::all(&data.test);
    let score = runner::evaluate(engine.as_mut(), &test, &normalization, 32, &Stop::new(), &mut |_, _| {});
    assert_eq!(lines[1]["test"]["loss"].as_f64(), Some(score.unwrap().unwrap().loss));

    // The same run again is the same file, bit for bit; another one that is stopped at once keeps its start.
    assert_eq!(weights("two", &Stop::new()).0, bytes);
    let stop = Stop::new();
    stop.request();
    let (_, folder) = weights("three", &stop);
    assert_eq!(weights::read(&folder.weights(), &program).unwrap().about.unwrap().steps, 0);
    assert!(!folder.metrics().exists() && !folder.path().join(results::FILE_NAME).exists());
    // It can be gone on with, and comes to the same end; then there is nothing more to do.
    for _ in 0..2 {
        let folder = RunFolder::resumed(folder.path()).unwrap();
        train(&program, &recipe, &data, &folder, &Stop::new(), true).unwrap();
        assert_eq!(std::fs::read(folder.weights()).unwrap(), bytes);
        assert_eq!(std::fs::read_to_string(folder.metrics()).unwrap().lines().count(), 2);
    }
}

/// With held-out images the best epoch on those has its weights kept; never the one that the test images like best.
#[test]
fn the_best_on_held_out_images_is_kept() {
    let scratch = Scratch::new("session-best");
    let input = Shape::map(1, 12, 12);
    let program = mock::program(input, 10);
    let options = LoadOptions { input: Some(input), train: Take::First(200), test: Take::First(50) };
    let data = DataSet::load("shapes", &options).unwrap();
    let recipe = Recipe { data: "shapes".into(), batch: 32, length: Length::Epochs(4), ..Recipe::default() };
    let folder = RunFolder::at(&scratch.0.join("plain")).unwrap();
    train(&program, &recipe, &data, &folder, &Stop::new(), false).unwrap();
    assert!(!folder.best().exists());
    let folder = RunFolder::at(&scratch.0.join("held")).unwrap();
    let finished = train(&program, &Recipe { hold_out: 60, ..recipe }, &data, &folder, &Stop::new(), false).unwrap();
    let best = weights::read(&folder.best(), &program).unwrap();
    assert_eq!(best.about.unwrap().steps, finished.outcome.position.best.unwrap().report.step);
}

#[test]
fn one_run_a_folder() {
    let scratch = Scratch::new("session-lock");
    let folder = RunFolder::at(&scratch.0).unwrap();
    let lock = folder.lock().unwrap();
    assert_eq!(folder.lock().unwrap_err().code, Code::OutputFailed);
    drop(lock);
    folder.lock().unwrap();
}
