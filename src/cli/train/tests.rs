use super::*;
use crate::experiment::spec_hash;
use crate::recipe::{self, RecipeSource};
use crate::recipe::{Length, Recipe};
use crate::source::SourceMap;
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
    let recipe = |line| {
        let sets = parse(line).unwrap().sets();
        recipe::read(RecipeSource::default().with(&sets), &mut SourceMap::new()).unwrap().recipe
    };
    let found = recipe("train a.net --epochs 3 --batch 64 --seed 9 --device cpu");
    assert_eq!((found.batch, found.seed, found.length), (64, 9, Length::Epochs(3)));
    assert_eq!(recipe("train a.net --steps 300").length, Length::Steps(300));
    assert_eq!(recipe("train a.net"), Recipe::default());
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
