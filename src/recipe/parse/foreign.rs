//! Words of other tools in recipes, and what netc calls the same thing: keys, values, units.

/// Keys: the words, and where the same thing stands in a recipe. Where a word has several places, that of the section it is
/// written in is meant, or else the first.
const KEYS: &[(&[&str], &[&str])] = &[
    (&["lr", "base_lr", "rate", "initial_lr", "learning-rate", "eta", "alpha"], &["optimizer.learning_rate"]),
    (&["learning_rate"], &["optimizer.learning_rate"]),
    (&["wd", "decay", "l2", "weight-decay", "regularization"], &["optimizer.weight_decay"]),
    (&["weight_decay"], &["optimizer.weight_decay"]),
    (&["momentum", "mu"], &["optimizer.momentum"]),
    (&["nesterov", "use_nesterov"], &["optimizer.nesterov"]),
    (&["solver", "solver_type", "optim", "algorithm"], &["optimizer"]),
    (&["batch_size", "batchsize", "minibatch", "train_batch_size", "batches"], &["batch"]),
    (&["dataset", "data_set", "train_data", "source"], &["data"]),
    (&["num_epochs", "max_epochs", "max_epoch", "nb_epoch", "n_epochs", "epoch"], &["epochs"]),
    (&["max_iter", "iterations", "max_steps", "num_steps", "train_steps", "max_batches", "iters"], &["steps"]),
    (&["lr_policy", "lr_schedule", "scheduler", "lr_scheduler", "policy"], &["schedule"]),
    (&["milestones", "stepvalue", "boundaries", "step_values", "drops"], &["schedule.at"]),
    (&["stepsize", "step_size", "decay_steps"], &["schedule.every"]),
    (&["gamma", "scales", "decay_rate"], &["schedule.factor"]),
    (&["eps"], &["batch_norm.epsilon", "optimizer.epsilon"]),
    (&["betas"], &["optimizer.beta1"]),
    (
        &["clip", "clipnorm", "global_clipnorm", "max_norm", "clip_gradients", "gradient_clip_val", "grad_clip"],
        &["optimizer.clip_norm"],
    ),
    (&["param_groups", "params", "paramwise_cfg"], &["optimizer.groups"]),
    (&["ema", "swa", "moving_average_decay"], &["average"]),
    (&["smoothing", "smooth_labels"], &["label_smoothing"]),
    (&["eta_min", "min_lr", "end_lr", "end_learning_rate"], &["schedule.minimum"]),
    (&["div_factor"], &["schedule.start_factor"]),
    (&["final_div_factor"], &["schedule.end_factor"]),
    (&["pct_start"], &["schedule.peak"]),
    (&["warmup_steps", "warmup_epochs", "num_warmup_steps", "warmup_iters"], &["schedule.warmup"]),
    (&["epsilon"], &["batch_norm.epsilon"]),
    (&["moving_average_fraction", "rho"], &["batch_norm.decay"]),
    (&["type", "name", "class", "class_name"], &["optimizer.kind", "schedule.kind"]),
    (&["validation", "val_split", "validation_split", "val_size", "validation_size"], &["hold_out"]),
    (&["augmentation", "transform", "transforms", "transform_param", "data_augmentation"], &["augment"]),
    (&["normalization", "normalisation", "standardize", "mean_file", "preprocessing"], &["normalize"]),
    (&["initializer", "initialization", "weight_filler", "kernel_initializer", "weight_init"], &["init"]),
    (&["bn", "batchnorm", "batch_normalization", "norm"], &["batch_norm"]),
    (
        &[
            "virtual_batch_size",
            "ghost_batch_size",
            "ghost_batch",
            "sync_bn",
            "syncbn",
            "sync_batchnorm",
            "synchronized",
        ],
        &["batch_norm.group"],
    ),
    (
        &["amp", "use_amp", "mixed_precision", "dtype", "torch_dtype", "autocast", "fp16", "bf16", "allow_tf32"],
        &["precision"],
    ),
    (&["padding", "crop", "random_crop"], &["augment.pad"]),
    (&["mirror", "horizontal_flip", "random_flip", "hflip", "random_horizontal_flip"], &["augment.flip"]),
    (&["flip"], &["augment.flip"]),
    (&["pad"], &["augment.pad"]),
    (&["random_seed", "manual_seed", "rng_seed"], &["seed"]),
    (&["snapshot", "save_every", "checkpoint_every", "save_freq"], &["checkpoint.every"]),
    (&["ceil_mode", "round_mode"], &["pooling.rounding"]),
    (&["count_include_pad"], &["pooling.divisor"]),
];

/// Where a recipe has what `word`, written in the section `section` (empty at the top), means elsewhere.
pub fn key(section: &str, word: &str) -> Option<&'static str> {
    let (_, places) = KEYS.iter().find(|(words, _)| words.iter().any(|known| known.eq_ignore_ascii_case(word)))?;
    let inside = |place: &&&str| place.rsplit_once('.').map_or("", |(parent, _)| parent) == section;
    places.iter().find(inside).or_else(|| places.first()).copied()
}

/// Values: the words, and the recipe's one.
const VALUES: &[(&[&str], &str)] = &[
    (&["kaiming", "kaiming-normal", "msra", "he", "henormal"], "he-normal"),
    (&["kaiming-uniform", "heuniform"], "he-uniform"),
    (&["xavier", "xavier-uniform", "glorot", "glorotuniform"], "glorot-uniform"),
    (&["xavier-normal", "glorotnormal"], "glorot-normal"),
    (&["lecun-normal", "variancescaling"], "variance-scaling"),
    (&["pytorch", "default"], "torch"),
    (&["zeros", "constant-0"], "zero"),
    (&["momentumsgd", "momentum", "momentumoptimizer", "gradient-descent"], "sgd"),
    (&["batchnorm", "batch-norm", "bn", "gamma", "beta", "scale", "norms"], "norm"),
    (&["biases"], "bias"),
    (&["fixed", "none", "const"], "constant"),
    (&["multisteplr", "piecewise-constant", "piecewise", "steps"], "multistep"),
    (&["steplr", "exponential"], "step"),
    (&["cosineannealing", "cosineannealinglr", "cosine-annealing", "cos"], "cosine"),
    (&["poly", "polynomiallr", "polynomial-decay"], "polynomial"),
    (&["onecycle", "onecyclelr", "1cycle"], "one-cycle"),
    (&["l2", "coupled", "loss"], "gradient"),
    (&["adamw", "weight-decay"], "decoupled"),
    (&["caffe", "keras"], "sutskever"),
    (&["mean-std", "standardize", "standard", "zscore", "channel"], "per-channel"),
    (&["mean-image", "pixel-mean", "mean-file", "subtract-mean", "per-pixel"], "per-pixel-mean"),
    (&["per-image-standardization", "image"], "per-image"),
    (&["bessel", "corrected", "sample"], "unbiased"),
    (&["running", "moving-average", "ema"], "moving"),
    (&["exact", "precise"], "population"),
    (&["down", "valid"], "floor"),
    (&["up", "same"], "ceil"),
    (&["hash", "sorted"], "content"),
    (&["sequential", "unsorted"], "file"),
    (&["float32", "float", "f32", "single", "32", "32-true", "full"], "fp32"),
    (&["tensorfloat32", "tensorfloat-32"], "tf32"),
    (&["bfloat16", "bf16-mixed", "bf16-true", "mixed-bfloat16"], "bf16"),
    (
        &[
            "amp",
            "mixed",
            "mixed-precision",
            "autocast",
            "half",
            "float16",
            "f16",
            "16",
            "16-mixed",
            "16-true",
            "mixed-float16",
        ],
        "fp16",
    ),
];

/// The recipe's word among `words` for one of another tool's.
pub fn value(text: &str, words: &[&'static str]) -> Option<&'static str> {
    let text = text.to_ascii_lowercase().replace(['_', ' '], "-");
    let known = VALUES.iter().filter(|(foreign, _)| foreign.contains(&text.as_str())).map(|(_, ours)| *ours);
    known.filter_map(|ours| words.iter().find(|word| **word == ours)).copied().next()
}

/// Units: the words, and the recipe's one.
const UNITS: &[(&[&str], &str)] = &[
    (&["iterations", "iteration", "iters", "iter", "it", "its", "batches", "batch", "updates", "s", "st"], "steps"),
    (&["ep", "eps", "e", "passes", "pass", "epochen", "epoche"], "epochs"),
    (&["pct", "per cent", "pc"], "%"),
    (&["m", "mins", "minutes."], "minutes"),
];

/// `32k iterations` as `32000 steps`: how a number with another tool's unit, or with `k`, is written here.
pub fn milestone(text: &str) -> Option<String> {
    let text = text.trim().to_ascii_lowercase();
    let split = text.find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | '_'))).unwrap_or(text.len());
    let (digits, rest) = text.split_at(split);
    let number: f64 = digits.replace('_', "").parse().ok()?;
    let rest = rest.trim();
    let (number, unit) = match rest.strip_prefix('k') {
        Some(unit) if unit.is_empty() || unit.starts_with(' ') => (number * 1000.0, unit.trim()),
        _ => (number, rest),
    };
    let ours = UNITS.iter().find(|(words, _)| words.contains(&unit)).map(|(_, ours)| *ours);
    let own = ["step", "steps", "epoch", "epochs", "%", "percent", "minute", "minutes", ""];
    let unit = ours.or_else(|| own.into_iter().find(|own| *own == unit))?;
    (number.is_finite() && number.fract().abs() < 1.0).then(|| format!("{number} {unit}").trim_end().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::{Code, Diagnostic};
    use crate::engine::precision::{self, Precision};
    use crate::recipe::interval::Interval;
    use crate::recipe::milestone::Milestone;
    use crate::recipe::{self, RecipeSource};
    use crate::source::SourceMap;
    use std::path::Path;

    fn reported(text: &str) -> Vec<Diagnostic> {
        let source = RecipeSource::text(Path::new("recipe.yaml"), text);
        recipe::read(source, &mut SourceMap::new()).map(|_| Vec::new()).unwrap_or_else(|errors| errors)
    }

    /// A section with one key more.
    fn with(section: &str, key: &str) -> String {
        match section {
            "" => format!("{key}: 1\n"),
            "schedule" if key == "every" => format!("schedule: {{kind: step, {key}: 1 epoch, factor: 0.1}}\n"),
            "schedule" if matches!(key, "start_factor" | "end_factor" | "peak") => {
                format!("schedule: {{kind: one-cycle, {key}: 1}}\n")
            }
            "schedule" if key == "minimum" => "schedule: {kind: cosine, minimum: 0}\n".to_string(),
            "schedule" => format!("schedule: {{kind: multistep, at: [1 epoch], factor: 0.1, {key}: 1}}\n"),
            section => format!("{section}: {{{key}: 1}}\n"),
        }
    }

    #[test]
    fn every_key_gets_its_answer() {
        let mut seen = Vec::new();
        for (words, places) in KEYS {
            for word in *words {
                assert!(!seen.contains(word), "`{word}` stands twice");
                seen.push(word);
                for place in *places {
                    let (section, ours) = place.rsplit_once('.').unwrap_or(("", place));
                    // What it means is a key, so that it is not called unknown.
                    let there = reported(&with(section, ours));
                    assert!(there.iter().all(|error| !error.message.contains("no key")), "{place}: {there:?}");
                    // Written where it belongs, it is told by its name; elsewhere, by its place.
                    if *word != ours {
                        let here = reported(&with(
                            if place.starts_with("schedule.every") { "schedule" } else { section },
                            word,
                        ));
                        let error = here
                            .iter()
                            .find(|error| error.message.contains("no key"))
                            .unwrap_or_else(|| panic!("{word}"));
                        let help = error.help.join(" ");
                        assert!(help.contains(ours), "{section} {word}: {help}");
                    }
                }
                let at_top = reported(&with("", word));
                let first = places[0];
                assert_eq!((at_top[0].code, at_top.len()), (Code::RecipeSyntax, 1), "{word}: {at_top:?}");
                assert!(at_top[0].help.join(" ").contains(first), "{word}: {at_top:?}");
            }
        }
        assert!(seen.len() > 80);
    }

    #[test]
    fn every_value_gets_its_answer() {
        let keys: &[(&str, &str)] = &[
            ("init", "W"),
            ("optimizer", "{kind: W}"),
            ("optimizer", "{decay_except: [W]}"),
            ("optimizer", "{decay_form: W}"),
            ("optimizer", "{momentum_form: W}"),
            ("schedule", "{kind: W}"),
            ("normalize", "W"),
            ("order", "W"),
            ("batch_norm", "{running_variance: W}"),
            ("batch_norm", "{statistics: W}"),
            ("pooling", "{rounding: W}"),
            ("precision", "W"),
        ];
        for (words, ours) in VALUES {
            // Of a precision that no engine has it is told which engine has which.
            let precision = Precision::ALL.into_iter().find(|precision| precision.name() == *ours);
            let absent = precision.filter(|precision| !precision::exists(*precision));
            for word in *words {
                for written in [(*word).to_string(), word.to_uppercase().replace('-', "_")] {
                    let helped = keys.iter().any(|(key, form)| {
                        let text = format!("{key}: {}\n", form.replace('W', &format!("\"{written}\"")));
                        let help = absent.map_or_else(|| format!("here this is `{ours}`"), |_| precision::list());
                        reported(&text).iter().any(|error| error.help == [help.clone()])
                    });
                    assert!(helped, "{written} for {ours}");
                }
            }
        }
    }

    #[test]
    fn every_unit_gets_its_answer() {
        for (words, ours) in UNITS {
            for word in *words {
                for text in [format!("30 {word}"), format!("30{word}")] {
                    let meant = milestone(&text).unwrap();
                    assert_eq!(meant, format!("30 {ours}"));
                    assert!(meant.parse::<Milestone>().is_ok() || meant.parse::<Interval>().is_ok(), "{meant}");
                }
                let help = format!("write `30 {ours}`");
                let schedule = reported(&format!("schedule: {{kind: step, every: 30 {word}, factor: 0.1}}\n"));
                let checkpoint = reported(&format!("checkpoint: {{every: 30 {word}}}\n"));
                assert!(
                    schedule.iter().chain(&checkpoint).any(|error| error.help == [help.clone()]),
                    "{word}: {schedule:?}"
                );
            }
        }
        for (text, meant) in [
            ("32k steps", Some("32000 steps")),
            ("32K iterations", Some("32000 steps")),
            ("1.5k it", Some("1500 steps")),
            ("64k", Some("64000")),
            ("82ep", Some("82 epochs")),
            ("32_000 iters", Some("32000 steps")),
            ("30 bananas", None),
            ("many steps", None),
        ] {
            assert_eq!(milestone(text).as_deref(), meant, "{text}");
        }
        // Where the key has the unit, the number stands alone.
        for (text, help) in [
            ("steps: 64k\n", "write `64000`"),
            ("steps: 64000 iterations\n", "write `64000`: the key says the unit"),
            ("epochs: 82 ep\n", "write `82`: the key says the unit"),
            ("epochs: 82 epochs\n", "write `82`: the key says the unit"),
        ] {
            assert_eq!(reported(text)[0].help, [help], "{text}");
        }
    }
}
