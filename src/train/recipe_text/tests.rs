use super::*;
use crate::diagnostic::render;
use crate::lower::defaults::{InitRule, InitRules};
use proptest::prelude::*;

fn read(text: &str, sets: &[&str]) -> (Result<Recipe, Vec<Diagnostic>>, SourceMap) {
    let mut sources = SourceMap::new();
    let sets: Vec<String> = sets.iter().map(ToString::to_string).collect();
    let result = Recipe::read(Some((Path::new("recipe.yaml"), text.to_string())), &sets, &mut sources);
    (result, sources)
}

#[test]
fn an_empty_recipe_is_the_defaults() {
    assert_eq!(read("", &[]).0.unwrap(), Recipe::default());
    assert_eq!(read("# nothing yet\n", &[]).0.unwrap(), Recipe::default());
    assert_eq!(Recipe::load(None, &[], &mut SourceMap::new()).unwrap(), Recipe::default());
}

#[test]
fn every_key_is_read() {
    let text = "
data: mnist
normalize: {mean: [0.5], std: 0.25}
augment: {pad: 4, pad_value: black, flip: true}
batch: 64
steps: 64_000
hold_out: 5000
optimizer:
  kind: sgd
  learning_rate: 0.2
  momentum: 0.8
  nesterov: true
  weight_decay: 5e-4
  decay_form: decoupled
  decay_factor: 2
  momentum_form: torch
  decay_except: [bias, norm]
schedule: {kind: multistep, at: [32_000 steps, 40 epochs, 75 %], factor: 0.5}
init: {conv: he-normal, linear: torch}
label_smoothing: 0.1
batch_norm: {epsilon: 1e-3, decay: 0.99, running_variance: biased, statistics: population, population_variance: pooled, population_images: 10_000}
pooling: {rounding: ceil, divisor: image}
lrn: {squares: sum}
seed: 7
checkpoint: {every: 10 minutes, keep: 5}
";
    let expected = Recipe {
        profile: None,
        data: "mnist".into(),
        normalize: Normalize::Fixed { mean: vec![0.5], std: vec![0.25] },
        augment: Augment { pad: 4, pad_value: PadValue::Black, flip: true },
        batch: 64,
        length: Length::Steps(64_000),
        hold_out: 5000,
        optimizer: Optimizer {
            kind: OptimizerKind::Sgd,
            learning_rate: 0.2,
            momentum: 0.8,
            momentum_form: MomentumForm::Torch,
            nesterov: true,
            weight_decay: 5e-4,
            decay_form: DecayForm::Decoupled,
            decay_factor: 2.0,
            decay_except: vec![Group::Bias, Group::Norm],
        },
        schedule: Schedule::Multistep {
            at: vec![Moment::Steps(32_000), Moment::Epochs(40.0), Moment::Percent(75.0)],
            factor: 0.5,
        },
        init: InitRules { conv: InitRule::HeNormal, linear: InitRule::Torch, bias: None },
        label_smoothing: 0.1,
        batch_norm: BatchNorm {
            defaults: NormDefaults { epsilon: 1e-3, decay: 0.99, running_variance: VarianceEstimate::Biased },
            statistics: Statistics::Population,
            population_variance: PopulationVariance::Pooled,
            population_images: Some(10_000),
        },
        pooling: Pooling { rounding: Rounding::Ceil, divisor: Divisor::ImageOnly },
        lrn: Lrn { squares: Squares::Sum },
        seed: 7,
        checkpoint: Checkpoint { every: Interval::Minutes(10.0), keep: 5 },
    };
    let recipe = read(text, &[]).0.unwrap();
    assert_eq!(recipe, expected);
    assert_eq!(recipe.defaults().init.conv, InitRule::HeNormal);
    assert_eq!(recipe.conventions().rounding, Rounding::Ceil);
    // What is written into a run's folder is the same recipe.
    assert_eq!(read(&recipe.to_yaml(), &[]).0.unwrap(), recipe);
}

#[test]
fn the_written_defaults_read_back() {
    for set in ["normalize=none", "normalize=per-image", "schedule=constant", "seed=18446744073709551615", "epochs=3"] {
        let recipe = read("", &[set]).0.unwrap();
        assert_eq!(read(&recipe.to_yaml(), &[]).0.unwrap(), recipe, "{set}");
    }
    let recipe = read("schedule: {kind: step, every: 2.5 epochs, factor: 0.1}", &[]).0.unwrap();
    assert_eq!(read(&recipe.to_yaml(), &[]).0.unwrap(), recipe);
}

#[test]
fn a_set_wins_over_the_text() {
    let text = "epochs: 164\nbatch: 128\noptimizer: {weight_decay: 1e-4}\n";
    let recipe = read(text, &["optimizer.weight_decay=1e-3", "steps=300"]).0.unwrap();
    assert_eq!(recipe.optimizer.weight_decay, 1e-3);
    assert_eq!(recipe.length, Length::Steps(300));
    assert_eq!(recipe.batch, 128);
}

#[test]
fn a_missing_file_says_so() {
    let errors = Recipe::load(Some(Path::new("no/such.yaml")), &[], &mut SourceMap::new()).unwrap_err();
    assert_eq!(errors[0].code, Code::FileNotRead);
    assert!(errors[0].message.contains("no/such.yaml"));
}

/// Mistakes, the recipe (and `--set`s) beside what is said about them.
#[test]
fn mistakes_are_shown_where_they_are() {
    let cases: &[(&str, Code, &str, &[&str])] = &[
        ("unknown_key", Code::RecipeSyntax, "batch: 128\noptimiser: {kind: sgd}\nshuffle: true\n", &[]),
        ("unknown_key_in_a_flow_mapping", Code::RecipeSyntax, "optimizer: {kind: sgd, lr: 0.1}  # He et al.\n", &[]),
        ("not_yaml", Code::RecipeSyntax, "batch: 128\nschedule: {kind: step\nepochs: 3\n", &[]),
        ("wrong_type", Code::RecipeSyntax, "batch: many\noptimizer: 0.1\naugment: {flip: 1}\n", &[]),
        ("unknown_word", Code::RecipeSyntax, "init: he_normal\nnormalize: per-chanel\noptimizer: {kind: adam}\n", &[]),
        ("wrong_unit", Code::RecipeValue, "schedule: {kind: multistep, at: [32000, 3 bananas], factor: 0.1}\n", &[]),
        ("no_unit", Code::RecipeValue, "schedule:\n  kind: step\n  every: 30\n  factor: 0.1\n", &[]),
        ("missing_key", Code::RecipeSyntax, "schedule:\n  kind: multistep\n  every: 30 epochs\n", &[]),
        ("two_lengths", Code::RecipeValue, "epochs: 164\nsteps: 64000\n", &[]),
        (
            "no_sense",
            Code::RecipeValue,
            "batch: 0\noptimizer: {learning_rate: -0.1, momentum: 1.0, nesterov: true}\n",
            &[],
        ),
        ("norm_momentum", Code::RecipeSyntax, "batch_norm: {momentum: 0.1}\n", &[]),
        ("set_unknown", Code::RecipeSet, "batch: 128\n", &["optimizer.weight_deacy=1e-3"]),
        ("set_wrong_value", Code::RecipeSet, "batch: 128\n", &["batch=0"]),
        ("set_without_equals", Code::RecipeSet, "batch: 128\n", &["batch"]),
        ("set_inside_a_value", Code::RecipeSet, "schedule: constant\n", &["schedule.factor=0.1"]),
    ];
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(concat!(env!("CARGO_MANIFEST_DIR"), "/snapshots"));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| {
        for (name, code, text, sets) in cases {
            let (result, sources) = read(text, sets);
            let errors = result.unwrap_err();
            assert!(errors.iter().any(|error| error.code == *code), "{name}");
            let shown = render::render_all(&errors, &sources, false);
            let sets: String = sets.iter().map(|set| format!("--set {set}\n")).collect();
            insta::assert_snapshot!(format!("recipe_{name}"), format!("{text}{sets}---\n{shown}"));
        }
    });
}

proptest! {
    /// Whatever the text and the `--set`: an answer, never a panic, and messages that can be rendered.
    #[test]
    fn no_text_panics(text in "([a-z_]{1,9}: ?[\\[{'\"&*!é0-9a-z, %.-]{0,12}\n? ?){0,6}", set in "[a-z.]{0,12}=?.{0,8}") {
        let (result, sources) = read(&text, &[&set]);
        if let Err(errors) = result {
            prop_assert!(!errors.is_empty());
            render::render_all(&errors, &sources, false);
        }
    }

    /// As above, from recipes that nearly are right.
    #[test]
    fn no_damage_panics(at in 0usize..220, with in "[\\[\\]{}:,'\"\n \t#&*0-9a-z-]{0,3}") {
        let mut text = Recipe::default().to_yaml();
        let at = at.min(text.len());
        text.replace_range(at..(at + with.len()).min(text.len()), &with);
        let (result, sources) = read(&text, &[]);
        if let Err(errors) = result {
            render::render_all(&errors, &sources, false);
        }
    }
}

fn project(path: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

#[test]
fn the_recipes_that_come_along_are_read() {
    let mut count = 0;
    for entry in std::fs::read_dir(project("specs/recipes")).unwrap() {
        let path = entry.unwrap().path();
        let mut sources = SourceMap::new();
        let recipe = Recipe::load(Some(&path), &[], &mut sources);
        recipe.unwrap_or_else(|errors| panic!("{}", render::render_all(&errors, &sources, false)));
        count += 1;
    }
    assert!(count >= 4);
}

#[test]
fn he2015_is_the_papers() {
    let load = |sets: &[String]| {
        let path = project("specs/recipes/he2015.yaml");
        Recipe::load(Some(&path), sets, &mut SourceMap::new()).unwrap()
    };
    let recipe = load(&[]);
    assert_eq!((recipe.batch, recipe.length), (128, Length::Steps(64_000)));
    assert_eq!((recipe.optimizer.learning_rate, recipe.optimizer.momentum), (0.1, 0.9));
    assert_eq!((recipe.optimizer.weight_decay, recipe.optimizer.nesterov), (1e-4, false));
    assert_eq!((recipe.augment.pad, recipe.augment.flip), (4, true));
    assert_eq!((recipe.init, &recipe.normalize), (InitRule::HeNormal.into(), &Normalize::PerPixelMean));
    let at = vec![Moment::Steps(32_000), Moment::Steps(48_000)];
    assert_eq!(recipe.schedule, Schedule::Multistep { at, factor: 0.1 });
    // A short run is the beginning of the long one.
    let short = load(&["steps=300".into()]);
    assert_eq!(Recipe { length: Length::Steps(64_000), ..short }, recipe);
}

/// The YAML block of the documentation is a recipe, and its tables name every key.
#[test]
fn the_documentation_holds() {
    let text = std::fs::read_to_string(project("docs/recipes.md")).unwrap();
    let block = text.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let recipe = read(block, &[]).0.unwrap();
    let path = project("specs/recipes/he2015.yaml");
    assert_eq!(recipe, Recipe::load(Some(&path), &[], &mut SourceMap::new()).unwrap());
    let Value::Mapping(keys) = serde_yaml::from_str(&Recipe::default().to_yaml()).unwrap() else { panic!() };
    for (key, value) in &keys {
        let key = key.as_str().unwrap();
        assert!(text.contains(&format!("`{key}`")) || text.contains(&format!("`{key}.")), "{key} is not documented");
        for inner in value.as_mapping().into_iter().flat_map(|map| map.keys()) {
            let name = inner.as_str().unwrap();
            let named = text.contains(&format!("`{key}.{name}`")) || key == "schedule";
            assert!(named, "{key}.{name} is not documented");
        }
    }
}
