//! Profiles: what a framework does where nothing is said, as a part of a recipe.
//!
//! A profile is YAML with a recipe's own keys, those of [`COVERED`]. It fills what the recipe and the `--set`s leave
//! open, before anything is interpreted: a value from a profile is held to the same rules as one from a recipe.
//! `docs/profiles.md` has them all side by side.

use super::origin::Written;
use super::parse;
use super::parse::section::{Problem, Source};
use super::parse::yaml::{self, Part};
use crate::diagnostic::{Code, Diagnostic, suggest};
use crate::source::SourceMap;
use serde_yaml::{Mapping, Value};
use std::path::{Path, PathBuf};

/// The profiles that come along: name and text.
pub const SHIPPED: [(&str, &str); 6] = [
    ("paper-2015", include_str!("../../specs/profiles/paper-2015.yaml")),
    ("torch", include_str!("../../specs/profiles/torch.yaml")),
    ("keras", include_str!("../../specs/profiles/keras.yaml")),
    ("tf-official", include_str!("../../specs/profiles/tf-official.yaml")),
    ("caffe", include_str!("../../specs/profiles/caffe.yaml")),
    ("dfdx", include_str!("../../specs/profiles/dfdx.yaml")),
];

/// The keys of a recipe that a profile may have.
pub const COVERED: [&[&str]; 12] = [
    &["init", "conv"],
    &["init", "linear"],
    &["batch_norm", "epsilon"],
    &["batch_norm", "decay"],
    &["batch_norm", "running_variance"],
    &["optimizer", "momentum_form"],
    &["optimizer", "decay_form"],
    &["optimizer", "decay_factor"],
    &["optimizer", "decay_except"],
    &["pooling", "rounding"],
    &["pooling", "divisor"],
    &["lrn", "squares"],
];

/// A profile as it is written.
#[derive(Debug, Clone)]
pub struct Profile {
    /// Its name, or the path of its file.
    pub name: String,
    /// Its text.
    pub written: Written,
}

/// Reads the profile that `value` names: a shipped one, or a file as seen from `base`. `none` is none.
///
/// # Errors
/// A name that nothing has (as a [`Problem`] of the value), a file that cannot be read, every mistake in it.
pub fn load(value: &Value, base: &Path, sources: &mut SourceMap) -> Result<Option<Profile>, Failure> {
    let Some(name) = value.as_str() else {
        return Err(Failure::Name(Problem::expected("the name of a profile, or its file", value)));
    };
    if name == "none" {
        return Ok(None);
    }
    let (path, text) = match SHIPPED.iter().find(|(shipped, _)| *shipped == name) {
        Some((_, text)) => (PathBuf::from(format!("profiles/{name}.yaml")), (*text).to_string()),
        None if name.ends_with(".yaml") || name.ends_with(".yml") || name.contains('/') => {
            let path = base.join(name);
            let text = crate::syntax::load::read(&path).map_err(|reason| {
                let message = format!("cannot read the profile `{}`: {reason}", path.display());
                Failure::Name(Problem { code: Code::FileNotRead, message, help: None })
            })?;
            (path, text)
        }
        None => return Err(Failure::Name(unknown(name))),
    };
    let file = sources.add(path, text.clone());
    let root = yaml::parse(&text, file).map_err(|error| Failure::Text(vec![error]))?;
    let source = Source::new(Some((file, text.clone())), Vec::new(), root);
    parse::profile(&source);
    let root = source.root.clone();
    let errors = source.into_errors();
    if !errors.is_empty() {
        return Err(Failure::Text(errors));
    }
    Ok(Some(Profile { name: name.to_string(), written: Written { file, text, root } }))
}

fn unknown(name: &str) -> Problem {
    let names = || SHIPPED.iter().map(|(name, _)| *name);
    let message = format!("there is no profile `{name}`");
    let problem = Problem { code: Code::RecipeSyntax, message, help: None };
    match suggest::nearest(name, names()) {
        Some(meant) => problem.help(format!("did you mean `{meant}`?")),
        None => problem.help(format!("the profiles are {}; one of your own is a `.yaml` file", suggest::list(names()))),
    }
}

/// Why there is no profile.
#[derive(Debug)]
pub enum Failure {
    /// What names it is wrong.
    Name(Problem),
    /// Its text is wrong.
    Text(Vec<Diagnostic>),
}

impl Failure {
    /// As diagnostics; what names the profile is found by `source`.
    pub(super) fn diagnose(self, source: Source) -> Vec<Diagnostic> {
        match self {
            Failure::Text(errors) => errors,
            Failure::Name(problem) => {
                let message = format!("`profile`: {}", problem.message);
                source.report(&["profile"], Part::Value, problem.code, message, "", problem.help);
                source.into_errors()
            }
        }
    }
}

/// Fills what `root` leaves open.
pub fn fill(root: &mut Value, profile: &Value) {
    if root.is_null() {
        *root = Value::Mapping(Mapping::new());
    }
    let (Value::Mapping(root), Value::Mapping(profile)) = (root, profile) else { return };
    for (key, value) in profile {
        // The long name is not a value of a recipe.
        if key.as_str() == Some("name") {
            continue;
        }
        match root.get_mut(key) {
            // One rule of the recipe's own is for everything, and a rule's keys are no place for another rule.
            Some(there) if key.as_str() == Some("init") && is_rule(there) => {}
            None => drop(root.insert(key.clone(), value.clone())),
            // `init: he-normal` in a profile against `init: {conv: …}` in the recipe.
            Some(there) if key.as_str() == Some("init") && is_rule(value) => {
                let both = ["conv", "linear"].map(|kind| (Value::from(kind), value.clone()));
                fill_init(there, &Value::Mapping(Mapping::from_iter(both)));
            }
            Some(there) if key.as_str() == Some("init") => fill_init(there, value),
            Some(there) if there.is_mapping() && value.is_mapping() => fill(there, value),
            Some(_) => {}
        }
    }
}

/// As [`fill`], but what is there is a whole rule, whatever keys it has.
fn fill_init(root: &mut Value, profile: &Value) {
    let (Value::Mapping(root), Value::Mapping(profile)) = (root, profile) else { return };
    for (key, value) in profile {
        root.entry(key.clone()).or_insert_with(|| value.clone());
    }
}

/// Whether an `init` is one rule, not one each for convolutions and linear layers.
fn is_rule(init: &Value) -> bool {
    init.get("kind").is_some() || !init.is_mapping()
}

/// Takes what a profile covers out of a recipe.
pub fn strip(root: &mut Value) {
    let Value::Mapping(root) = root else { return };
    for path in COVERED {
        match path {
            ["optimizer", key] => {
                if let Some(Value::Mapping(optimizer)) = root.get_mut("optimizer") {
                    optimizer.remove(*key);
                }
            }
            [section, ..] => drop(root.remove(*section)),
            [] => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::optimizer::{Momentum, MomentumForm, OptimizerKind};
    use crate::recipe::origin::Origin;
    use crate::recipe::{Recipe, RecipeSource};

    fn yaml(text: &str) -> Value {
        serde_yaml::from_str(text).unwrap()
    }

    fn resolve(text: &str, sets: &[&str]) -> (Recipe, Vec<Origin>) {
        let sets: Vec<String> = sets.iter().map(ToString::to_string).collect();
        let source = RecipeSource::text(Path::new("recipe.yaml"), text).with(&sets);
        let resolved = parse::read(source, &mut SourceMap::new()).unwrap();
        let origins = COVERED.iter().map(|path| resolved.origins.of(path)).collect();
        (resolved.recipe, origins)
    }

    #[test]
    fn every_profile_says_all_that_it_covers() {
        for (name, _) in SHIPPED {
            let (recipe, origins) = resolve(&format!("profile: {name}"), &[]);
            assert!(origins.iter().all(|origin| *origin == Origin::Profile(name.into())), "{name}: {origins:?}");
            assert_eq!(recipe.profile.as_deref(), Some(name));
            // What is written into a run's folder is the same recipe.
            assert_eq!(resolve(&recipe.to_yaml(), &[]).0, recipe);
        }
        // What no profile is asked for is what `torch` says.
        let (torch, built_in) = (resolve("profile: torch", &[]).0, resolve("", &[]).0);
        assert_eq!(Recipe { profile: None, ..torch }, built_in);
    }

    #[test]
    fn recipe_and_set_win_over_the_profile() {
        let text = "profile: keras\nbatch_norm: {decay: 0.9}\ninit: he-normal\n";
        let (recipe, origins) = resolve(text, &["optimizer.decay_factor=1"]);
        assert_eq!((recipe.batch_norm.defaults.decay, recipe.batch_norm.defaults.epsilon), (0.9, 1e-3));
        assert_eq!(recipe.init, crate::lower::defaults::InitRule::HeNormal.into());
        let sutskever = Momentum { momentum_form: MomentumForm::Sutskever, ..Momentum::default() };
        assert_eq!((recipe.optimizer.decay_factor, recipe.optimizer.kind), (1.0, OptimizerKind::Sgd(sutskever)));
        assert!(matches!(origins[0], Origin::Recipe(_)) && matches!(origins[3], Origin::Recipe(_)), "{origins:?}");
        assert_eq!(origins[2], Origin::Profile("keras".into()));
        assert_eq!(origins[7], Origin::Set("optimizer.decay_factor=1".into()));
        // The command line may name another profile, or none.
        assert_eq!(resolve(text, &["profile=torch"]).0.batch_norm.defaults.epsilon, 1e-5);
        assert_eq!(resolve(text, &["profile=none"]).1[2], Origin::BuiltIn);
    }

    /// The kind of an optimizer is no reason to leave its forms open.
    #[test]
    fn a_kind_leaves_the_forms_to_the_profile() {
        let optimizer = resolve("profile: keras\noptimizer: {kind: sgd, momentum: 0.5}", &[]).0.optimizer;
        let momentum = Momentum { momentum: 0.5, momentum_form: MomentumForm::Sutskever, nesterov: false };
        assert_eq!((optimizer.kind, optimizer.decay_factor), (OptimizerKind::Sgd(momentum), 2.0));
    }

    #[test]
    fn only_what_is_open_is_filled() {
        let mut root = yaml("{init: {conv: zero}, batch_norm: {decay: 0.5}}");
        fill(&mut root, &yaml("{name: x, init: torch, batch_norm: {decay: 0.9, epsilon: 1}, lrn: {squares: sum}}"));
        let expected = "{init: {conv: zero, linear: torch}, batch_norm: {decay: 0.5, epsilon: 1}, lrn: {squares: sum}}";
        assert_eq!(root, yaml(expected));
    }

    #[test]
    fn bare_recipes_say_nothing_of_what_profiles_cover() {
        let mut root =
            yaml("{init: zero, batch: 3, optimizer: {momentum: 0.5, decay_form: gradient}, lrn: {squares: sum}}");
        strip(&mut root);
        assert_eq!(root, yaml("{batch: 3, optimizer: {momentum: 0.5}}"));
    }

    #[test]
    fn mistakes_are_told_where_they_are() {
        let reported = |text: &str| {
            let mut sources = SourceMap::new();
            let source = RecipeSource::text(Path::new("recipe.yaml"), text);
            let errors = parse::read(source, &mut sources).unwrap_err();
            let error = &errors[0];
            let place = error.span().map(|span| sources.location(span)).unwrap_or_default();
            (error.code, place, error.message.clone(), error.help.clone())
        };
        let (code, place, _, help) = reported("batch: 1\nprofile: kears\n");
        assert_eq!((code, place.as_str()), (Code::RecipeSyntax, "recipe.yaml:2:10"));
        assert_eq!(help, ["did you mean `keras`?"]);
        assert_eq!(reported("profile: no/such.yaml").0, Code::FileNotRead);
        assert_eq!(reported("profile: [torch]").0, Code::RecipeSyntax);

        // A profile of one's own, with a key that a profile has not, and a value that makes no sense.
        let folder = std::env::temp_dir().join(format!("netc-profile-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let file = folder.join("mine.yaml");
        let profile = serde_json::Value::from(file.to_str().unwrap());
        std::fs::write(&file, "batch_norm: {epsilon: 1e-4}\n").unwrap();
        let (recipe, origins) = resolve(&format!("profile: {profile}"), &[]);
        assert_eq!((recipe.batch_norm.defaults.epsilon, recipe.profile), (1e-4, None));
        assert!(matches!(&origins[2], Origin::Profile(name) if name.ends_with("mine.yaml")));
        std::fs::write(&file, "batch_norm: {epsilon: -1}\n").unwrap();
        let (code, place, ..) = reported(&format!("profile: {profile}"));
        assert!(code == Code::RecipeValue && place.ends_with("mine.yaml:1:23"), "{place}");
        std::fs::write(&file, "optimizer: {learning_rate: 1}\n").unwrap();
        assert_eq!(reported(&format!("profile: {profile}")).2, "`optimizer` has no key `learning_rate`");
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
