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
use crate::train::report::tests::epoch;
use crate::train::report::{Best, EpochReport};
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
    let options =
        LoadOptions { input: Some(input), train: Take::First(200), test: Take::First(50), ..LoadOptions::default() };
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
    let selected = about.results.unwrap();
    assert_eq!((selected.by, selected.scores.epoch), (results::SelectedBy::LastEpoch, 2));
    assert_eq!(lines[1]["test"]["accuracy"].as_f64(), Some(selected.scores.test.accuracy));
    let text = std::fs::read_to_string(folder.path().join(results::FILE_NAME)).unwrap();
    assert_eq!(serde_json::from_str::<Results>(&text).unwrap().last, selected.scores);
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
    let old = folder.path().join("checkpoints/step-0000000001.safetensors");
    for ended in [false, true] {
        let folder = RunFolder::resumed(folder.path()).unwrap();
        if ended {
            // Killed between writing a checkpoint and taking an old one away: it is taken away now.
            std::fs::write(&old, b"old").unwrap();
        }
        train(&program, &recipe, &data, &folder, &Stop::new(), true).unwrap();
        assert_eq!(std::fs::read(folder.weights()).unwrap(), bytes);
        assert_eq!(std::fs::read_to_string(folder.metrics()).unwrap().lines().count(), 2);
        assert!(!old.exists());
    }
}

/// A run without held-out images keeps no best weights, one with them those of the epoch that its metrics call best. The
/// two kinds of images may agree here; that only the held-out ones choose is the next test.
#[test]
fn best_weights_are_those_of_the_best_epoch_in_the_metrics() {
    let scratch = Scratch::new("session-best");
    let input = Shape::map(1, 12, 12);
    let program = mock::program(input, 10);
    let options =
        LoadOptions { input: Some(input), train: Take::First(200), test: Take::First(50), ..LoadOptions::default() };
    let data = DataSet::load("shapes", &options).unwrap();
    let recipe = Recipe { data: "shapes".into(), batch: 32, length: Length::Epochs(4), ..Recipe::default() };
    let folder = RunFolder::at(&scratch.0.join("plain")).unwrap();
    train(&program, &recipe, &data, &folder, &Stop::new(), false).unwrap();
    assert!(!folder.best().exists());
    let folder = RunFolder::at(&scratch.0.join("held")).unwrap();
    train(&program, &Recipe { hold_out: 60, ..recipe }, &data, &folder, &Stop::new(), false).unwrap();
    let metrics = std::fs::read_to_string(folder.metrics()).unwrap();
    let lines: Vec<serde_json::Value> = metrics.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let accuracy = |line: &serde_json::Value| line["held_out"]["accuracy"].as_f64().unwrap();
    let first = lines.iter().reduce(|best, line| if accuracy(line) > accuracy(best) { line } else { best });
    let best = weights::read(&folder.best(), &program).unwrap();
    assert_eq!(Some(best.about.unwrap().steps), first.unwrap()["step"].as_u64());
}

/// With held-out images the best epoch on those has its weights kept; never the one that the test images like best,
/// which here is another.
#[test]
fn the_best_on_held_out_images_is_kept() {
    let scratch = Scratch::new("session-choice");
    let program = mock::program(Shape::map(1, 12, 12), 10);
    let options = LoadOptions {
        input: Some(program.input()),
        train: Take::First(20),
        test: Take::First(5),
        ..LoadOptions::default()
    };
    let data = DataSet::load("shapes", &options).unwrap();
    let engine = select::engine(Selection::default(), program.clone()).unwrap();
    let identity = Identity::of(engine.as_ref(), &Recipe::default(), &data);
    let best_after = |name: &str, epochs: &[EpochReport]| {
        let folder = RunFolder::at(&scratch.0.join(name)).unwrap();
        let mut record = Record {
            folder: &folder,
            program: &program,
            identity: &identity,
            normalization: &Normalization::None,
            about: About::default(),
            keep: recipe::CheckpointPolicy::default(),
            kept: (0, Instant::now()),
            log: Log::after(0, &folder).unwrap(),
        };
        let evaluated = Evaluated::of_training(State::initial(&program, 1));
        let mut best = None;
        for report in epochs {
            let now = Best::update(best, *report);
            record.epoch(report, &now, &evaluated).unwrap();
            best = Some(now);
        }
        folder.best().exists().then(|| weights::read(&folder.best(), &program).unwrap().about.unwrap().results.unwrap())
    };
    let held_out = [epoch(1, 0.7, Some(0.5)), epoch(2, 0.6, Some(0.8)), epoch(3, 0.9, Some(0.8))];
    let kept = best_after("held", &held_out).unwrap();
    assert_eq!((kept.by, kept.scores.epoch, kept.scores.step), (results::SelectedBy::HeldOut, 2, 20));
    assert!(best_after("plain", &[epoch(1, 0.7, None), epoch(2, 0.9, None)]).is_none());
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
