use super::*;
use crate::data::Subset;
use crate::data::normalize::Normalization;
use crate::graph::dims::Shape;
use crate::train::folder::tests::Scratch;
use crate::train::recipe::Length;
use crate::train::{mock, weights};
use clap::Parser;

#[derive(Parser)]
struct Command {
    #[command(flatten)]
    arguments: TrainArguments,
}

fn parse(line: &str) -> Result<TrainArguments, clap::Error> {
    Command::try_parse_from(line.split(' ')).map(|command| command.arguments)
}

#[test]
fn options_become_changes_to_the_recipe() {
    let recipe = |line| Recipe::load(None, &parse(line).unwrap().sets(), &mut SourceMap::new()).unwrap();
    let found = recipe("train a.net --epochs 3 --batch 64 --seed 9 --device cpu");
    assert_eq!((found.batch, found.seed, found.length), (64, 9, Length::Epochs(3)));
    assert_eq!(recipe("train a.net --steps 300").length, Length::Steps(300));
    assert_eq!(recipe("train a.net"), Recipe::default());
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
        let engine = select::engine(Selection::default(), program.clone()).unwrap();
        run(engine, &recipe, &data, "00ff", &folder, stop).unwrap();
        (std::fs::read(folder.weights()).unwrap(), folder)
    };
    let (bytes, folder) = weights("one", &Stop::new());
    let read = weights::read(&folder.weights(), &program).unwrap();
    assert_eq!(read.about.as_ref().unwrap().steps, 14);
    assert!(matches!(read.normalization, Some(Normalization::PerChannel { .. })));
    let metrics = std::fs::read_to_string(folder.metrics()).unwrap();
    let lines: Vec<serde_json::Value> = metrics.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((lines.len(), &lines[1]["epoch"], &lines[1]["test"]["images"]), (2, &2.into(), &50.into()));
    let text = std::fs::read_to_string(folder.path().join(RECIPE)).unwrap();
    let again = Recipe::read(Some((Path::new("recipe.yaml"), text)), &[], &mut SourceMap::new());
    assert_eq!(again.unwrap(), recipe);

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
    assert!(!folder.metrics().exists());
}

#[test]
fn wrong_usage_is_refused() {
    for line in ["train", "train a.net --epochs 3 --steps 4", "train a.net --epochs 0", "train a.net --device tpu"] {
        assert!(parse(line).is_err(), "{line}");
    }
}

#[test]
fn only_specs_are_hashed() {
    let mut sources = SourceMap::new();
    sources.add("a.net", "net a {}".into());
    let hash = spec_hash(&sources);
    assert_eq!(hash.len(), 16);
    sources.add("he.yaml", "batch: 1".into());
    assert_eq!(spec_hash(&sources), hash);
    sources.add("b.net", String::new());
    assert_ne!(spec_hash(&sources), hash);
}
