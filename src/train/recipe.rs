//! How a network is trained: the YAML recipe. `docs/recipes.md` has every key with its meaning, default and source.

use super::interval::Interval;
use super::origin::Origins;
use super::population::PopulationVariance;
use super::schedule::Schedule;
use crate::diagnostic::Code;
use crate::engine::DecayForm;
use crate::graph::conventions::Conventions;
use crate::graph::layer::{Rounding, Squares};
use crate::lower::defaults::{Defaults, InitRules, NormDefaults};
use crate::lower::program::{Divisor, Role};
use crate::syntax::ast::LintLevel;
use serde::{Deserialize, Serialize, Serializer};

/// Everything about a run that is not the network. Serialised, it is a recipe text that reads back as the same recipe.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Recipe {
    /// The shipped profile that filled what was left open. One of the user's own is not named: all that it said is here,
    /// and its file may be gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// `cifar10`, `mnist`, `shapes` or a folder.
    pub data: String,
    /// What is done to pixels before the network sees them.
    pub normalize: Normalize,
    /// Random changes to training images.
    pub augment: Augment,
    /// Images a step.
    pub batch: usize,
    /// How long it trains.
    #[serde(flatten)]
    pub length: Length,
    /// Training images kept aside; 0 for none.
    pub hold_out: usize,
    /// What a step does with the gradient.
    pub optimizer: Optimizer,
    /// How the learning rate changes.
    pub schedule: Schedule,
    /// Rule for starting weights.
    pub init: InitRules,
    /// Share of each training target that is spread evenly over all classes; 0 for none.
    pub label_smoothing: f64,
    /// Batch norm: what the spec does not say, and what it is evaluated with.
    pub batch_norm: BatchNorm,
    /// Pools where the spec does not say.
    pub pooling: Pooling,
    /// Local response norm where the spec does not say.
    pub lrn: Lrn,
    /// What every random draw of the run depends on.
    pub seed: u64,
    /// How often the run keeps what it needs to go on.
    pub checkpoint: Checkpoint,
}

impl Default for Recipe {
    fn default() -> Self {
        let Defaults { init, norm, label_smoothing } = Defaults::default();
        let conventions = Conventions::default();
        Recipe {
            profile: None,
            data: "cifar10".into(),
            normalize: Normalize::PerChannel,
            augment: Augment::default(),
            batch: 128,
            length: Length::Epochs(10),
            hold_out: 0,
            optimizer: Optimizer::default(),
            schedule: Schedule::Constant,
            init,
            label_smoothing: f64::from(label_smoothing),
            batch_norm: BatchNorm { defaults: norm, ..BatchNorm::default() },
            pooling: Pooling { rounding: conventions.rounding, divisor: conventions.divisor },
            lrn: Lrn { squares: conventions.squares },
            seed: 0,
            checkpoint: Checkpoint::default(),
        }
    }
}

impl Recipe {
    /// What lowering fills in under this recipe.
    pub fn defaults(&self) -> Defaults {
        let norm = self.batch_norm.defaults;
        Defaults { init: self.init, norm, label_smoothing: self.label_smoothing as f32 }
    }

    /// What graph building fills in under this recipe.
    pub fn conventions(&self) -> Conventions {
        let (Pooling { rounding, divisor }, Lrn { squares }) = (self.pooling, self.lrn);
        Conventions { rounding, divisor, squares }
    }

    /// The recipe as YAML, every value in force written out.
    pub fn to_yaml(&self) -> String {
        // A recipe is words and numbers: there is nothing in it that YAML cannot say.
        serde_yaml::to_string(self).unwrap_or_default()
    }
}

/// How a recipe is put together, beside its text and the `--set`s.
#[derive(Debug, Clone, Copy, Default)]
pub struct Resolve {
    /// Takes out of the recipe's text what profiles cover, so that they decide on all of it.
    pub bare: bool,
}

/// A recipe, and where its values come from.
#[derive(Debug, Clone)]
pub struct Resolved {
    /// The values in force.
    pub recipe: Recipe,
    /// Where each was said.
    pub origins: Origins,
    /// What it says of lints.
    pub lints: Vec<(Code, LintLevel)>,
}

/// Batch norm.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct BatchNorm {
    /// Where the spec does not say.
    #[serde(flatten)]
    pub defaults: NormDefaults,
    /// What a network is evaluated with.
    pub statistics: Statistics,
    /// How the variances of batches become the population's.
    pub population_variance: PopulationVariance,
    /// Training images that the population's statistics are taken over; all where nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub population_images: Option<usize>,
}

/// What batch norm is evaluated with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Statistics {
    /// The running averages of training.
    #[default]
    Moving,
    /// True averages over the training images, taken anew before each evaluation: [`super::population`].
    Population,
}

/// How often a run keeps what it needs to go on, and how much of it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Checkpoint {
    /// How often.
    pub every: Interval,
    /// The last so many are kept.
    pub keep: usize,
}

impl Default for Checkpoint {
    fn default() -> Self {
        Checkpoint { every: Interval::Epochs(1), keep: 2 }
    }
}

/// Pools where the spec does not say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Pooling {
    /// Whether a last window over the edge is kept.
    pub rounding: Rounding,
    /// What an average pool divides by.
    #[serde(serialize_with = "divisor")]
    pub divisor: Divisor,
}

fn divisor<S: Serializer>(divisor: &Divisor, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(match divisor {
        Divisor::PaddedWindow => "window",
        Divisor::ImageOnly => "image",
    })
}

/// Local response norm where the spec does not say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Lrn {
    /// What alpha multiplies.
    pub squares: Squares,
}

/// How long a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Length {
    /// Passes over the training images.
    Epochs(u64),
    /// Updates of the weights.
    Steps(u64),
}

impl Length {
    /// In steps.
    pub fn steps(self, steps_per_epoch: u64) -> u64 {
        match self {
            Length::Epochs(epochs) => epochs.saturating_mul(steps_per_epoch),
            Length::Steps(steps) => steps,
        }
    }
}

/// What is done to pixels, which start in 0..=1.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Normalize {
    /// Nothing.
    None,
    /// Minus the mean, over the deviation, of each channel over the training images.
    PerChannel,
    /// Minus the mean training image (He et al. 2015; Krizhevsky 2012).
    PerPixelMean,
    /// Each image minus its own mean, over its own deviation.
    PerImage,
    /// Minus `mean`, over `std`, one number a channel, both for pixels in 0..=1.
    #[serde(untagged)]
    Fixed {
        /// One a channel.
        mean: Vec<f64>,
        /// One a channel, above 0.
        std: Vec<f64>,
    },
}

/// Random changes to training images.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Augment {
    /// Pixels of padding on each side, of which a random part is cropped away again; 0 for no crop.
    pub pad: usize,
    /// What the padding holds.
    pub pad_value: PadValue,
    /// Mirrors every other image, at random.
    pub flip: bool,
}

/// What the pixels round a padded image are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum PadValue {
    /// 0 after normalisation, which is the mean colour (He et al. 2015, fb.resnet.torch).
    #[default]
    Zero,
    /// 0 before normalisation, which is black (torchvision's `RandomCrop` before `Normalize`).
    Black,
}

/// Stochastic gradient descent.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Optimizer {
    /// Which one.
    pub kind: OptimizerKind,
    /// At the first step.
    pub learning_rate: f64,
    /// 0 for none.
    pub momentum: f64,
    /// What the velocity holds.
    pub momentum_form: MomentumForm,
    /// Nesterov's form of momentum, as PyTorch has it.
    pub nesterov: bool,
    /// Decay coefficient.
    pub weight_decay: f64,
    /// Where decay enters.
    #[serde(serialize_with = "decay_form")]
    pub decay_form: DecayForm,
    /// What the coefficient is multiplied by: 2 where λ is the factor of Σw², whose gradient is 2λ·w.
    pub decay_factor: f64,
    /// Parameters that do not decay.
    pub decay_except: Vec<Group>,
}

impl Default for Optimizer {
    fn default() -> Self {
        Optimizer {
            kind: OptimizerKind::Sgd,
            learning_rate: 0.05,
            momentum: 0.9,
            momentum_form: MomentumForm::Torch,
            nesterov: false,
            weight_decay: 1e-4,
            decay_form: DecayForm::Gradient,
            decay_factor: 1.0,
            decay_except: Vec::new(),
        }
    }
}

fn decay_form<S: Serializer>(form: &DecayForm, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(match form {
        DecayForm::Gradient => "gradient",
        DecayForm::Decoupled => "decoupled",
    })
}

impl Optimizer {
    /// The decay coefficient of a parameter with this role.
    pub fn decay(&self, role: Role) -> f32 {
        if self.decay_except.iter().any(|group| group.contains(role)) { 0.0 } else { self.coefficient() as f32 }
    }

    /// λ with its factor.
    pub fn coefficient(&self) -> f64 {
        self.weight_decay * self.decay_factor
    }

    /// What an engine multiplies its velocity by in a step at `rate`, when the step before was at `before`.
    ///
    /// Engines keep v ← μ·v + g; w ← w − rate·v. Sutskever's velocity is −rate·v of the step that made it, so that it
    /// becomes the engines' form when v is scaled by before/rate wherever the rate changes. At a rate of 0 there is no
    /// such v; the engines' own form stands in.
    pub fn momentum_at(&self, before: f64, rate: f64) -> f64 {
        match self.momentum_form {
            MomentumForm::Sutskever if rate > 0.0 => self.momentum * (before / rate),
            _ => self.momentum,
        }
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

/// Which optimizer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum OptimizerKind {
    /// Stochastic gradient descent with momentum.
    Sgd,
}

/// Parameters that are treated alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Group {
    /// Biases of convolutions and linear layers.
    Bias,
    /// Scales and shifts of batch norms.
    Norm,
}

impl Group {
    /// Whether a parameter with this role belongs to it.
    pub fn contains(self, role: Role) -> bool {
        match self {
            Group::Bias => role == Role::Bias,
            Group::Norm => matches!(role, Role::NormScale | Role::NormShift),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decay_leaves_out_what_it_is_told_to() {
        let mut optimizer = Optimizer { weight_decay: 5e-4, ..Optimizer::default() };
        assert_eq!(optimizer.decay(Role::Bias), 5e-4);
        optimizer.decay_except = vec![Group::Bias, Group::Norm];
        for role in [Role::Bias, Role::NormScale, Role::NormShift] {
            assert_eq!(optimizer.decay(role), 0.0);
        }
        for role in [Role::ConvWeight, Role::LinearWeight] {
            assert_eq!(optimizer.decay(role), 5e-4);
        }
    }

    /// Sutskever's form by hand, against the engines' form with the momentum of each step.
    #[test]
    fn sutskevers_form_is_exact_in_the_engines_form() {
        let sutskever = Optimizer { momentum_form: MomentumForm::Sutskever, ..Optimizer::default() };
        let rates = [0.1, 0.1, 0.01, 0.01, 0.001, 0.05, 0.05];
        let (mut w, mut v, mut hand_w, mut hand_v, mut before) = (1.0f64, 0.0, 1.0f64, 0.0, 0.1);
        for (step, rate) in rates.into_iter().enumerate() {
            let gradient = |w: f64| 3.0 * w + (step as f64).sin();
            v = sutskever.momentum_at(before, rate) * v + gradient(w);
            w -= rate * v;
            hand_v = 0.9 * hand_v - rate * gradient(hand_w);
            hand_w += hand_v;
            assert!((w - hand_w).abs() < 1e-12, "step {step}: {w} and {hand_w}");
            before = rate;
        }
        assert_eq!(Optimizer::default().momentum_at(0.1, 0.01), 0.9);
        assert_eq!(sutskever.momentum_at(0.1, 0.0), 0.9);
    }

    #[test]
    fn a_decay_factor_doubles() {
        let keras = Optimizer { decay_factor: 2.0, ..Optimizer::default() };
        assert_eq!(keras.decay(Role::ConvWeight), 2e-4);
    }

    #[test]
    fn a_length_is_in_steps() {
        assert_eq!(Length::Epochs(164).steps(391), 64_124);
        assert_eq!(Length::Steps(64_000).steps(391), 64_000);
        assert_eq!(Length::Epochs(u64::MAX).steps(2), u64::MAX);
    }
}
