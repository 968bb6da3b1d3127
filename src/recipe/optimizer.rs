//! What a step does with the gradient, as a recipe says it.

use crate::engine::{DecayForm, Rule};
use crate::lower::program::Role;
use serde::{Serialize, Serializer};

/// The optimizer of a recipe.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Optimizer {
    /// Which one, with what only it has.
    #[serde(flatten)]
    pub kind: OptimizerKind,
    /// What the schedule starts from; the highest rate of a one-cycle schedule.
    pub learning_rate: f64,
    /// Decay coefficient.
    pub weight_decay: f64,
    /// Where decay enters.
    #[serde(serialize_with = "decay_form")]
    pub decay_form: DecayForm,
    /// What the coefficient is multiplied by: 2 where λ is the factor of Σw², whose gradient is 2λ·w.
    pub decay_factor: f64,
    /// Parameters that do not decay.
    pub decay_except: Vec<RoleGroup>,
    /// Parameters with a rate or a decay of their own.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<NamedGroup>,
    /// Gradients are scaled down to this norm, all together, where theirs is larger.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clip_norm: Option<f64>,
}

impl Default for Optimizer {
    fn default() -> Self {
        Optimizer::of(OptimizerKind::default())
    }
}

/// Which optimizer.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum OptimizerKind {
    /// Stochastic gradient descent.
    Sgd(Momentum),
    /// Kingma & Ba 2015.
    Adam(Moments),
    /// The same with decoupled decay: Loshchilov & Hutter 2019.
    Adamw(Moments),
}

impl Default for OptimizerKind {
    fn default() -> Self {
        OptimizerKind::Sgd(Momentum::default())
    }
}

/// What SGD has of its own.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Momentum {
    /// 0 for none.
    pub momentum: f64,
    /// What the velocity holds.
    pub momentum_form: MomentumForm,
    /// Nesterov's form of momentum, as PyTorch has it.
    pub nesterov: bool,
}

impl Default for Momentum {
    fn default() -> Self {
        Momentum { momentum: 0.9, momentum_form: MomentumForm::Torch, nesterov: false }
    }
}

impl Momentum {
    /// What an engine multiplies its velocity by in a step at `rate`, when the step before was at `before`.
    ///
    /// Engines keep v ← μ·v + g; w ← w − rate·v. Sutskever's velocity is −rate·v of the step that made it, so that it
    /// becomes the engines' form when v is scaled by before/rate wherever the rate changes. At a rate of 0 there is no
    /// such v; the engines' own form stands in.
    pub fn at(&self, before: f64, rate: f64) -> f64 {
        match self.momentum_form {
            MomentumForm::Sutskever if rate > 0.0 => self.momentum * (before / rate),
            _ => self.momentum,
        }
    }
}

/// What Adam has of its own.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Moments {
    /// Weight of the old mean gradient.
    pub beta1: f64,
    /// Weight of the old mean square.
    pub beta2: f64,
    /// Added to the root of the mean square.
    pub epsilon: f64,
}

impl Default for Moments {
    /// The paper's, PyTorch's too.
    fn default() -> Self {
        Moments { beta1: 0.9, beta2: 0.999, epsilon: 1e-8 }
    }
}

/// What the velocity holds. Both forms make the same steps while the rate stays; after a drop the second one keeps
/// moving at the old rate until the momentum has used it up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum MomentumForm {
    /// Gradients: v ← μ·v + g; w ← w − rate·v (PyTorch, TensorFlow, dfdx).
    Torch,
    /// Steps: v ← μ·v − rate·g; w ← w + v (Sutskever et al. 2013; Caffe, Keras).
    Sutskever,
}

fn decay_form<S: Serializer>(form: &DecayForm, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(match form {
        DecayForm::Gradient => "gradient",
        DecayForm::Decoupled => "decoupled",
    })
}

impl Optimizer {
    /// One of this kind, with PyTorch's defaults; but SGD has the momentum and decay that vision nets are trained with.
    pub fn of(kind: OptimizerKind) -> Self {
        let (learning_rate, weight_decay, decay_form) = match kind {
            OptimizerKind::Sgd(_) => (0.05, 1e-4, DecayForm::Gradient),
            OptimizerKind::Adam(_) => (1e-3, 0.0, DecayForm::Gradient),
            OptimizerKind::Adamw(_) => (1e-3, 1e-2, DecayForm::Decoupled),
        };
        let (decay_factor, decay_except, groups) = (1.0, Vec::new(), Vec::new());
        Optimizer { kind, learning_rate, weight_decay, decay_form, decay_factor, decay_except, groups, clip_norm: None }
    }

    /// The decay coefficient of parameters with this role that are in no group of their own.
    pub fn decay(&self, role: Role) -> f32 {
        if self.decay_except.iter().any(|group| group.contains(role)) { 0.0 } else { self.coefficient() as f32 }
    }

    /// The decay coefficient of a parameter.
    pub fn decay_of(&self, name: &str, role: Role) -> f32 {
        if self.decay_except.iter().any(|group| group.contains(role)) {
            return 0.0;
        }
        let factor: f64 = self.matching(name).map(|group| group.decay_factor).product();
        (self.coefficient() * factor) as f32
    }

    /// Weight of the old velocity; 0 where there is none.
    pub fn momentum(&self) -> f64 {
        match self.kind {
            OptimizerKind::Sgd(momentum) => momentum.momentum,
            OptimizerKind::Adam(_) | OptimizerKind::Adamw(_) => 0.0,
        }
    }

    /// What the rate of a parameter is multiplied by.
    pub fn rate_factor(&self, name: &str) -> f32 {
        let factor: f64 = self.matching(name).map(|group| group.rate_factor).product();
        factor as f32
    }

    fn matching<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a NamedGroup> {
        self.groups.iter().filter(move |group| group.contains(name))
    }

    /// λ with its factor.
    pub fn coefficient(&self) -> f64 {
        self.weight_decay * self.decay_factor
    }

    /// What becomes of the gradient in a step at `rate`, when the step before was at `before`.
    pub fn rule(&self, before: f64, rate: f64) -> Rule {
        match self.kind {
            OptimizerKind::Sgd(momentum) => {
                Rule::Sgd { momentum: momentum.at(before, rate) as f32, nesterov: momentum.nesterov }
            }
            OptimizerKind::Adam(moments) | OptimizerKind::Adamw(moments) => {
                let Moments { beta1, beta2, epsilon } = moments;
                Rule::Adam { beta1: beta1 as f32, beta2: beta2 as f32, epsilon: epsilon as f32 }
            }
        }
    }
}

/// Parameters that are treated alike for what they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RoleGroup {
    /// Biases of convolutions and linear layers.
    Bias,
    /// Scales and shifts of batch norms.
    Norm,
}

impl RoleGroup {
    /// Whether a parameter with this role belongs to it.
    pub fn contains(self, role: Role) -> bool {
        match self {
            RoleGroup::Bias => role == Role::Bias,
            RoleGroup::Norm => matches!(role, Role::NormScale | Role::NormShift),
        }
    }
}

/// Parameters that are treated alike for what they are called.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NamedGroup {
    /// A parameter's name, or that of a layer or block with all in it; `*` stands for any run of characters.
    #[serde(rename = "match")]
    pub pattern: String,
    /// What their rate is multiplied by; 0 freezes them.
    pub rate_factor: f64,
    /// What their decay is multiplied by.
    pub decay_factor: f64,
}

impl NamedGroup {
    /// Whether the parameter of this name belongs to it.
    pub fn contains(&self, name: &str) -> bool {
        // What a dot follows is a layer or block round it.
        let ends = name.match_indices('.').map(|(dot, _)| &name[..dot]);
        ends.chain([name]).any(|prefix| fits(&self.pattern, prefix))
    }
}

/// Whether `pattern`, in which `*` stands for any run of characters, is the whole of `text`.
fn fits(pattern: &str, text: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut left) = text.strip_prefix(start) else { return false };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let end = parts.pop().unwrap_or_default();
    for part in parts {
        // The earliest place leaves the most for what follows.
        let Some(at) = left.find(part) else { return false };
        left = &left[at + part.len()..];
    }
    left.ends_with(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decay_leaves_out_what_it_is_told_to() {
        let mut optimizer = Optimizer { weight_decay: 5e-4, ..Optimizer::default() };
        assert_eq!(optimizer.decay(Role::Bias), 5e-4);
        optimizer.decay_except = vec![RoleGroup::Bias, RoleGroup::Norm];
        for role in [Role::Bias, Role::NormScale, Role::NormShift] {
            assert_eq!(optimizer.decay(role), 0.0);
        }
        for role in [Role::ConvWeight, Role::LinearWeight] {
            assert_eq!(optimizer.decay(role), 5e-4);
        }
    }

    #[test]
    fn patterns_are_names_of_parameters_layers_and_blocks() {
        let contains = |pattern: &str, name: &str| {
            NamedGroup { pattern: pattern.into(), rate_factor: 1.0, decay_factor: 1.0 }.contains(name)
        };
        for (pattern, name) in [
            ("conv1", "conv1.weight"),
            ("conv1.weight", "conv1.weight"),
            ("stage1.*", "stage1.0.conv1.weight"),
            ("stage1", "stage1.0.conv1.weight"),
            ("*.bias", "fc.bias"),
            ("stage*.0.*.weight", "stage2.0.conv1.weight"),
            ("*", "fc.bias"),
            ("conv*", "conv12.weight"),
        ] {
            assert!(contains(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [
            ("conv1", "conv12.weight"),
            ("stage1.*", "stage10.0.conv1.weight"),
            ("weight", "conv1.weight"),
            ("*.bias", "fc.weight"),
            ("a*a", "a"),
            ("", "conv1.weight"),
            ("stage1.", "stage1.0.conv1.weight"),
        ] {
            assert!(!contains(pattern, name), "{pattern} {name}");
        }
    }

    #[test]
    fn factors_of_all_groups_that_a_parameter_is_in_are_multiplied() {
        let group = |pattern: &str, rate_factor, decay_factor| NamedGroup {
            pattern: pattern.into(),
            rate_factor,
            decay_factor,
        };
        let groups = vec![group("stage1", 0.5, 2.0), group("*.weight", 0.5, 0.0)];
        let optimizer = Optimizer { weight_decay: 0.25, groups, ..Optimizer::default() };
        assert_eq!(optimizer.rate_factor("stage1.conv.weight"), 0.25);
        assert_eq!(optimizer.rate_factor("stage1.conv.bias"), 0.5);
        assert_eq!(optimizer.rate_factor("fc.bias"), 1.0);
        assert_eq!(optimizer.decay_of("stage1.conv.bias", Role::Bias), 0.5);
        assert_eq!(optimizer.decay_of("fc.weight", Role::LinearWeight), 0.0);
    }

    /// Sutskever's form by hand, against the engines' form with the momentum of each step.
    #[test]
    fn sutskevers_form_is_exact_in_the_engines_form() {
        let sutskever = Momentum { momentum_form: MomentumForm::Sutskever, ..Momentum::default() };
        let rates = [0.1, 0.1, 0.01, 0.01, 0.001, 0.05, 0.05];
        let (mut w, mut v, mut hand_w, mut hand_v, mut before) = (1.0f64, 0.0, 1.0f64, 0.0, 0.1);
        for (step, rate) in rates.into_iter().enumerate() {
            let gradient = |w: f64| 3.0 * w + (step as f64).sin();
            v = sutskever.at(before, rate) * v + gradient(w);
            w -= rate * v;
            hand_v = 0.9 * hand_v - rate * gradient(hand_w);
            hand_w += hand_v;
            assert!((w - hand_w).abs() < 1e-12, "step {step}: {w} and {hand_w}");
            before = rate;
        }
        assert_eq!(Momentum::default().at(0.1, 0.01), 0.9);
        assert_eq!(sutskever.at(0.1, 0.0), 0.9);
    }
}
