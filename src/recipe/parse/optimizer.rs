//! The `optimizer` of a recipe.

use super::section::{Problem, Section};
use super::values::{fraction, not_negative, positive, truth, word};
use crate::engine::DecayForm;
use crate::recipe::optimizer::{Moments, Momentum, MomentumForm, NamedGroup, Optimizer, OptimizerKind, RoleGroup};
use serde_yaml::{Mapping, Value};

#[derive(Clone, Copy, PartialEq)]
enum OptimizerName {
    Sgd,
    Adam,
    Adamw,
}

const KINDS: [(&str, OptimizerName); 3] =
    [("sgd", OptimizerName::Sgd), ("adam", OptimizerName::Adam), ("adamw", OptimizerName::Adamw)];

/// How the recipe says the form of the decay.
#[derive(Clone, Copy, PartialEq)]
enum Decay {
    Gradient,
    /// The gradient of λ·Σw².
    Doubled,
    Decoupled,
}

const DECAYS: [(&str, Decay); 3] =
    [("gradient", Decay::Gradient), ("doubled", Decay::Doubled), ("decoupled", Decay::Decoupled)];
const FORMS: [(&str, MomentumForm); 2] = [("torch", MomentumForm::Torch), ("sutskever", MomentumForm::Sutskever)];
const GROUPS: [(&str, RoleGroup); 2] = [("bias", RoleGroup::Bias), ("norm", RoleGroup::Norm)];

/// Reads it; a mistake in the kind leaves SGD.
pub(super) fn optimizer(mut section: Section<'_>) -> Optimizer {
    let kind = section.read("kind", |value| word(value, &KINDS)).unwrap_or(OptimizerName::Sgd);
    let kind = match kind {
        OptimizerName::Sgd => OptimizerKind::Sgd(sgd(&mut section)),
        OptimizerName::Adam => OptimizerKind::Adam(adam(&mut section, "adam")),
        OptimizerName::Adamw => OptimizerKind::Adamw(adam(&mut section, "adamw")),
    };
    let default = Optimizer::of(kind);
    let (decay_form, decay_factor) = decay(&mut section, &default);
    let optimizer = Optimizer {
        kind,
        learning_rate: section.read("learning_rate", positive).unwrap_or(default.learning_rate),
        weight_decay: section.read("weight_decay", not_negative).unwrap_or(default.weight_decay),
        decay_form,
        decay_factor,
        decay_except: except(&mut section).unwrap_or(default.decay_except),
        groups: section.sections("groups").into_iter().map(group).collect(),
        clip_norm: section.read("clip_norm", limit).unwrap_or(default.clip_norm),
    };
    section.finish();
    optimizer
}

/// The part of the optimizer that frameworks decide, for what it reports.
pub(super) fn forms(section: &mut Section<'_>) {
    section.read("momentum_form", |value| word(value, &FORMS));
    decay(section, &Optimizer::default());
    except(section);
}

fn sgd(section: &mut Section<'_>) -> Momentum {
    for key in ["beta1", "beta2", "epsilon"] {
        section.refuse(key, "SGD has none", "it belongs to `kind: adam` and `kind: adamw`; SGD has `momentum`");
    }
    let default = Momentum::default();
    let momentum = Momentum {
        momentum: section.read("momentum", fraction).unwrap_or(default.momentum),
        momentum_form: section.read("momentum_form", |value| word(value, &FORMS)).unwrap_or(default.momentum_form),
        nesterov: section.read("nesterov", truth).unwrap_or(default.nesterov),
    };
    if momentum.nesterov && momentum.momentum_form == MomentumForm::Sutskever {
        let problem = Problem::senseless("the look-ahead of Nesterov is in PyTorch's form only");
        section.report("nesterov", problem.help("write `momentum_form: torch`"));
    }
    if momentum.nesterov && momentum.momentum == 0.0 {
        section.report("nesterov", Problem::senseless("needs a momentum above 0: it is a form of momentum"));
    }
    momentum
}

fn adam(section: &mut Section<'_>, name: &str) -> Moments {
    let why = format!("{name} has `beta1`, the weight of the old mean gradient, instead");
    for key in ["momentum", "momentum_form", "nesterov"] {
        section.refuse(key, &why, "remove it; `kind: sgd` has it");
    }
    let default = Moments::default();
    Moments {
        beta1: section.read("beta1", fraction).unwrap_or(default.beta1),
        beta2: section.read("beta2", fraction).unwrap_or(default.beta2),
        epsilon: section.read("epsilon", not_negative).unwrap_or(default.epsilon),
    }
}

fn decay(section: &mut Section<'_>, default: &Optimizer) -> (DecayForm, f64) {
    let form = section.read("decay_form", |value| word(value, &DECAYS));
    if form == Some(Decay::Doubled) {
        section.refuse(
            "decay_factor",
            "`decay_form: doubled` is a factor of 2 already",
            "write `decay_form: gradient` with a factor of your own",
        );
    }
    let factor = section.read("decay_factor", positive);
    let form = match form {
        None => default.decay_form,
        Some(Decay::Decoupled) => DecayForm::Decoupled,
        Some(_) if matches!(default.kind, OptimizerKind::Adamw(_)) => {
            let problem = Problem::senseless("AdamW is Adam with decoupled decay");
            section.report("decay_form", problem.help("write `kind: adam` for decay in the gradient"));
            default.decay_form
        }
        Some(Decay::Doubled) => return (DecayForm::Gradient, 2.0),
        Some(Decay::Gradient) => DecayForm::Gradient,
    };
    (form, factor.unwrap_or(default.decay_factor))
}

fn except(section: &mut Section<'_>) -> Option<Vec<RoleGroup>> {
    section.each("decay_except", |item| word(item, &GROUPS))
}

fn group(mut section: Section<'_>) -> NamedGroup {
    let help = "write such as `{match: \"stage1.*\", rate_factor: 0.1}`";
    if section.is_written() && section.value("match").is_none() {
        section.missing("match", "which parameters the group is of", help);
    }
    let pattern = section.read("match", |value| match value.as_str() {
        Some(text) if !text.is_empty() => Ok(text.to_string()),
        _ => Err(Problem::expected("the name of a parameter, layer or block, in which `*` may stand", value)),
    });
    let factors = ["rate_factor", "decay_factor"].map(|key| section.read(key, not_negative));
    if section.is_written() && ["rate_factor", "decay_factor"].iter().all(|key| section.value(key).is_none()) {
        section.missing("rate_factor", "a group has a `rate_factor`, a `decay_factor` or both", help);
    }
    section.finish();
    let [rate_factor, decay_factor] = factors.map(|factor| factor.unwrap_or(1.0));
    NamedGroup { pattern: pattern.unwrap_or_default(), rate_factor, decay_factor }
}

/// A norm, or `none`.
fn limit(value: &Value) -> Result<Option<f64>, Problem> {
    if value.as_str() == Some("none") { Ok(None) } else { positive(value).map(Some) }
}

/// Takes out of a profile what does not fit the optimizer that the recipe has chosen: what PyTorch does with momentum
/// says nothing of Adam, and decay that is decoupled by definition takes no other form.
pub(super) fn fit_profile(root: &Value, profile: &mut Value) {
    let said = |key: &str| root.get("optimizer").and_then(|optimizer| optimizer.get(key)).and_then(Value::as_str);
    let Some(Value::Mapping(forms)) = profile.get_mut("optimizer") else { return };
    let mut without = |keys: &[&str]| keys.iter().for_each(|key| drop(Mapping::remove(forms, *key)));
    match said("kind") {
        Some("adam") => without(&["momentum_form"]),
        Some("adamw") => without(&["momentum_form", "decay_form", "decay_factor"]),
        _ => {}
    }
    if said("decay_form") == Some("doubled") {
        without(&["decay_factor"]);
    }
}
