use super::*;
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
    let line = "train a.net --data shapes --set optimizer.momentum=0.5 --epochs 3 --batch 64 --seed 9 --device cpu";
    let arguments = parse(line).unwrap();
    let recipe = Recipe::load(None, &arguments.sets(), &mut SourceMap::new()).unwrap();
    assert_eq!((recipe.data.as_str(), recipe.batch, recipe.seed), ("shapes", 64, 9));
    assert_eq!(recipe.length, crate::train::recipe::Length::Epochs(3));
    assert_eq!(recipe.optimizer.momentum, 0.5);
    let recipe = Recipe::load(None, &parse("train a.net --steps 300").unwrap().sets(), &mut SourceMap::new());
    assert_eq!(recipe.unwrap().length, crate::train::recipe::Length::Steps(300));
}

#[test]
fn a_folder_may_have_any_name() {
    for name in ["C:\\data", "{x", "- a # b", "'", "no", "128"] {
        let arguments = RecipeArguments { data: Some(name.into()), ..RecipeArguments::default() };
        let recipe = Recipe::load(None, &arguments.sets(), &mut SourceMap::new()).unwrap();
        assert_eq!(recipe.data, name);
    }
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
