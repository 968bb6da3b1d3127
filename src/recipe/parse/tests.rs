use super::*;
use crate::diagnostic::render;
use crate::engine::DecayForm;
use crate::engine::precision::Precision;
use crate::lower::defaults::{InitRule, InitRules};
use crate::recipe::milestone::Milestone;
use crate::recipe::optimizer::{Moments, Momentum, MomentumForm, NamedGroup, Optimizer, OptimizerKind, RoleGroup};
use crate::recipe::schedule::{Anneal, Curve, Schedule, Warmup, WarmupForm};
use proptest::prelude::*;

fn read(text: &str, sets: &[&str]) -> (Result<Recipe, Vec<Diagnostic>>, SourceMap) {
    let mut sources = SourceMap::new();
    let sets: Vec<String> = sets.iter().map(ToString::to_string).collect();
    let source = RecipeSource::text(Path::new("recipe.yaml"), text).with(&sets);
    (super::read(source, &mut sources).map(|resolved| resolved.recipe), sources)
}

#[test]
fn an_empty_recipe_is_the_defaults() {
    assert_eq!(read("", &[]).0.unwrap(), Recipe::default());
    assert_eq!(read("# nothing yet\n", &[]).0.unwrap(), Recipe::default());
    assert_eq!(super::read(RecipeSource::default(), &mut SourceMap::new()).unwrap().recipe, Recipe::default());
}

#[test]
fn every_key_is_read() {
    let text = "
data: mnist
order: file
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
  groups:
    - {match: 'stage1.*', rate_factor: 0.1}
    - {match: fc, decay_factor: 0}
  clip_norm: 5
schedule: {kind: multistep, at: [32_000 steps, 40 epochs, 75 %], factor: 0.5, warmup: {length: 400 steps, from: 0.2, form: constant}}
label_smoothing: 0.1
average: {decay: 0.999}
init: {conv: he-normal-fan-out, linear: {kind: truncated-normal, std: 0.05}, bias: 0.1}
batch_norm: {epsilon: 1e-3, decay: 0.99, running_variance: biased, group: 48, statistics: population, population_variance: pooled, population_images: 10_000}
pooling: {rounding: ceil, divisor: image}
lrn: {squares: sum}
precision: fp32
seed: 7
checkpoint: {every: 10 minutes, keep: 5}
";
    let expected = Recipe {
        profile: None,
        data: "mnist".into(),
        order: ImageOrder::File,
        normalize: Normalize::Fixed { mean: vec![0.5], std: vec![0.25] },
        augment: Augment { pad: 4, pad_value: PadValue::Black, flip: true },
        batch: 64,
        length: Length::Steps(64_000),
        hold_out: 5000,
        optimizer: Optimizer {
            kind: OptimizerKind::Sgd(Momentum { momentum: 0.8, momentum_form: MomentumForm::Torch, nesterov: true }),
            learning_rate: 0.2,
            weight_decay: 5e-4,
            decay_form: DecayForm::Decoupled,
            decay_factor: 2.0,
            decay_except: vec![RoleGroup::Bias, RoleGroup::Norm],
            groups: vec![
                NamedGroup { pattern: "stage1.*".into(), rate_factor: 0.1, decay_factor: 1.0 },
                NamedGroup { pattern: "fc".into(), rate_factor: 1.0, decay_factor: 0.0 },
            ],
            clip_norm: Some(5.0),
        },
        schedule: Schedule {
            curve: Curve::Multistep {
                at: vec![Milestone::Steps(32_000), Milestone::Epochs(40.0), Milestone::Percent(75.0)],
                factor: 0.5,
            },
            warmup: Some(Warmup { length: Milestone::Steps(400), from: 0.2, form: WarmupForm::Constant }),
        },
        label_smoothing: 0.1,
        average: Some(Average { decay: 0.999 }),
        init: InitRules {
            conv: InitRule::HeNormalFanOut,
            linear: InitRule::TruncatedNormal { std: 0.05 },
            bias: Some(0.1),
        },
        batch_norm: BatchNorm {
            defaults: NormDefaults {
                epsilon: 1e-3,
                decay: 0.99,
                running_variance: VarianceEstimate::Biased,
                group: Some(48),
            },
            statistics: Statistics::Population,
            population_variance: PopulationVariance::Pooled,
            population_images: Some(10_000),
        },
        pooling: Pooling { rounding: Rounding::Ceil, divisor: Divisor::ImageOnly },
        lrn: Lrn { squares: Squares::Sum },
        precision: Precision::Fp32,
        seed: 7,
        checkpoint: CheckpointPolicy { every: Interval::Minutes(10.0), keep: 5 },
    };
    let recipe = read(text, &[]).0.unwrap();
    assert_eq!(recipe, expected);
    assert_eq!(recipe.defaults().init.conv, InitRule::HeNormalFanOut);
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
    for text in [
        "schedule: {kind: step, every: 2.5 epochs, factor: 0.1, warmup: 5 %}",
        "schedule: {kind: cosine, minimum: 0.001, warmup: {length: 3 epochs, from: 0}}",
        "schedule: {kind: polynomial, power: 2, warmup: none}",
        "schedule: {kind: linear, minimum: 0.01}",
        "schedule: {kind: one-cycle, peak: 40 %, start_factor: 0.1, end_factor: 0, anneal: linear}",
        "schedule: one-cycle",
        "schedule: cosine",
        "optimizer: {kind: adam, beta1: 0.8, beta2: 0.99, epsilon: 1e-7}",
        "optimizer: {kind: adamw}",
        "optimizer: {kind: adam, decay_form: decoupled, weight_decay: 0.1}",
        "optimizer: {decay_form: doubled, clip_norm: none}",
        "optimizer: {groups: {match: '*.bias', decay_factor: 0}}",
        "profile: keras\noptimizer: {kind: adamw}",
        "profile: keras\noptimizer: {decay_form: doubled}",
        "init: glorot-normal",
        "init: {kind: constant, value: -0.5}",
        "init: he-uniform-fan-out",
        "profile: torch\ninit: {conv: {kind: uniform, bound: 0.1}}",
        "profile: caffe\ninit: {kind: normal, std: 0.01}",
        "average: {decay: 0}",
        "average: none",
        "batch_norm: {group: none}",
        "batch_norm: {group: 1}",
        "label_smoothing: 0.1",
    ] {
        let recipe = read(text, &[]).0.unwrap_or_else(|errors| panic!("{text}: {errors:?}"));
        assert_eq!(read(&recipe.to_yaml(), &[]).0.unwrap(), recipe, "{text}");
    }
}

#[test]
fn each_optimizer_has_its_defaults() {
    let optimizer = |text: &str| read(text, &[]).0.unwrap().optimizer;
    let adam = optimizer("optimizer: {kind: adam}");
    let moments = Moments { beta1: 0.9, beta2: 0.999, epsilon: 1e-8 };
    assert_eq!((adam.kind, adam.learning_rate, adam.weight_decay), (OptimizerKind::Adam(moments), 1e-3, 0.0));
    let adamw = optimizer("optimizer: {kind: adamw}");
    assert_eq!((adamw.kind, adamw.learning_rate, adamw.weight_decay), (OptimizerKind::Adamw(moments), 1e-3, 1e-2));
    assert_eq!((adam.decay_form, adamw.decay_form), (DecayForm::Gradient, DecayForm::Decoupled));
    // Keras's `l2` by name; a profile's own factor is not put on top of it.
    for text in ["optimizer: {decay_form: doubled}", "profile: keras\noptimizer: {decay_form: doubled}"] {
        let doubled = optimizer(text);
        assert_eq!((doubled.decay_form, doubled.coefficient()), (DecayForm::Gradient, 2e-4), "{text}");
    }
    // What a framework's SGD does is not said of its Adam; what its decay is, is.
    let keras = optimizer("profile: keras\noptimizer: {kind: adam, weight_decay: 1e-4}");
    assert_eq!((keras.decay_form, keras.coefficient()), (DecayForm::Gradient, 2e-4));
    let keras = optimizer("profile: keras\noptimizer: {kind: adamw}");
    assert_eq!((keras.decay_form, keras.coefficient()), (DecayForm::Decoupled, 1e-2));
}

#[test]
fn one_cycle_has_pytorchs_defaults() {
    let schedule = read("schedule: one-cycle", &[]).0.unwrap().schedule;
    let curve = Curve::OneCycle {
        peak: Milestone::Percent(30.0),
        start_factor: 0.04,
        end_factor: 4e-6,
        anneal: Anneal::Cosine,
    };
    assert_eq!(schedule, curve.into());
    assert_eq!(read("schedule: {kind: one-cycle}", &[]).0.unwrap().schedule, schedule);
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
    let errors = super::read(RecipeSource::file(Path::new("no/such.yaml")), &mut SourceMap::new()).unwrap_err();
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
        ("unknown_word", Code::RecipeSyntax, "init: he_normal\nnormalize: per-chanel\noptimizer: {kind: adma}\n", &[]),
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
        (
            "list_items",
            Code::RecipeValue,
            "optimizer:\n  decay_except:\n    - bias\n    - bn\nschedule: {kind: multistep, at: [1 epochs, 3], factor: 0.1}\n",
            &[],
        ),
        (
            "optimizer_kinds",
            Code::RecipeSyntax,
            "optimizer:\n  kind: adamw\n  momentum: 0.9\n  betas: [0.9, 0.99]\n  decay_form: gradient\n",
            &[],
        ),
        (
            "sgd_with_betas",
            Code::RecipeSyntax,
            "optimizer: {kind: sgd, beta1: 0.9, decay_form: doubled, decay_factor: 3}\n",
            &[],
        ),
        (
            "groups",
            Code::RecipeSyntax,
            "optimizer:\n  groups:\n    - {match: conv1, lr_mult: 2}\n    - {rate_factor: 0.1}\n    - fc\n    - {match: 3, decay_factor: -1}\n",
            &[],
        ),
        (
            "schedules",
            Code::RecipeValue,
            "schedule: {kind: one-cycle, div_factor: 25, end_factor: 25, warmup: 3 epochs, at: [3 epochs]}\n",
            &[],
        ),
        (
            "cosine",
            Code::RecipeValue,
            "schedule:\n  kind: cosine\n  eta_min: 0\n  minimum: 1\n  warmup: {from: 2}\n",
            &[],
        ),
        ("init_numbers", Code::RecipeSyntax, "init: {conv: {kind: truncated-normal}, linear: truncated-norm}\n", &[]),
        ("average", Code::RecipeSyntax, "average: 0.999\nlabel_smoothing: 1.5\nema: {decay: 0.9}\n", &[]),
        ("precision", Code::RecipeValue, "precision: bf16\namp: true\n", &[]),
        ("norm_group", Code::RecipeSyntax, "batch_norm: {group: 0, virtual_batch_size: 64}\nsync_bn: false\n", &[]),
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
        let recipe = super::read(RecipeSource::file(&path), &mut sources);
        recipe.unwrap_or_else(|errors| panic!("{}", render::render_all(&errors, &sources, false)));
        count += 1;
    }
    assert!(count >= 4);
}

#[test]
fn he2015_is_the_papers() {
    let load = |sets: &[String]| {
        let path = project("specs/recipes/he2015.yaml");
        super::read(RecipeSource::file(&path).with(sets), &mut SourceMap::new()).unwrap().recipe
    };
    let recipe = load(&[]);
    assert_eq!((recipe.batch, recipe.length), (128, Length::Steps(64_000)));
    assert_eq!((recipe.optimizer.learning_rate, recipe.optimizer.weight_decay), (0.1, 1e-4));
    assert_eq!(recipe.optimizer.kind, OptimizerKind::Sgd(Momentum::default()));
    assert_eq!((recipe.augment.pad, recipe.augment.flip), (4, true));
    assert_eq!((recipe.init, &recipe.normalize), (InitRule::HeNormal.into(), &Normalize::PerPixelMean));
    let at = vec![Milestone::Steps(32_000), Milestone::Steps(48_000)];
    assert_eq!(recipe.schedule, Curve::Multistep { at, factor: 0.1 }.into());
    // A short run is the beginning of the long one.
    let short = load(&["steps=300".into()]);
    assert_eq!(Recipe { length: Length::Steps(64_000), ..short }, recipe);
    // On two GPUs only the statistics of training are others.
    let path = project("specs/recipes/he2015-two-devices.yaml");
    let two = super::read(RecipeSource::file(&path), &mut SourceMap::new()).unwrap().recipe;
    assert_eq!(two, load(&["batch_norm.group=64".into()]));
}

/// The YAML block of the documentation is a recipe, and its tables name every key.
#[test]
fn the_documentation_holds() {
    let text = std::fs::read_to_string(project("docs/recipes.md")).unwrap();
    let block = text.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let recipe = read(block, &[]).0.unwrap();
    let path = project("specs/recipes/he2015.yaml");
    assert_eq!(recipe, super::read(RecipeSource::file(&path), &mut SourceMap::new()).unwrap().recipe);
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
