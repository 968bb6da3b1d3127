//! How a network is trained: the YAML recipe. `docs/recipes.md` has every key with its meaning, default and source.

use super::schedule::Schedule;
use crate::engine::DecayForm;
use crate::lower::defaults::{Defaults, InitRule, NormDefaults};
use crate::lower::program::Role;
use serde::{Serialize, Serializer};

/// Everything about a run that is not the network. Serialised, it is a recipe text that reads back as the same recipe.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Recipe {
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
    pub init: InitRule,
    /// Batch norm where the spec does not say.
    pub batch_norm: NormDefaults,
    /// What every random draw of the run depends on.
    pub seed: u64,
}

impl Default for Recipe {
    fn default() -> Self {
        let Defaults { init, norm } = Defaults::default();
        Recipe {
            data: "cifar10".into(),
            normalize: Normalize::PerChannel,
            augment: Augment::default(),
            batch: 128,
            length: Length::Epochs(10),
            hold_out: 0,
            optimizer: Optimizer::default(),
            schedule: Schedule::Constant,
            init,
            batch_norm: norm,
            seed: 0,
        }
    }
}

impl Recipe {
    /// What lowering fills in under this recipe.
    pub fn defaults(&self) -> Defaults {
        Defaults { init: self.init, norm: self.batch_norm }
    }

    /// The recipe as YAML, every value in force written out.
    pub fn to_yaml(&self) -> String {
        // A recipe is words and numbers: there is nothing in it that YAML cannot say.
        serde_yaml::to_string(self).unwrap_or_default()
    }
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
    /// Nesterov's form of momentum, as PyTorch has it.
    pub nesterov: bool,
    /// Decay coefficient.
    pub weight_decay: f64,
    /// Where decay enters.
    #[serde(serialize_with = "decay_form")]
    pub decay_form: DecayForm,
    /// Parameters that do not decay.
    pub decay_except: Vec<Group>,
}

impl Default for Optimizer {
    fn default() -> Self {
        Optimizer {
            kind: OptimizerKind::Sgd,
            learning_rate: 0.05,
            momentum: 0.9,
            nesterov: false,
            weight_decay: 1e-4,
            decay_form: DecayForm::Gradient,
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
        if self.decay_except.iter().any(|group| group.contains(role)) { 0.0 } else { self.weight_decay as f32 }
    }
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

    #[test]
    fn a_length_is_in_steps() {
        assert_eq!(Length::Epochs(164).steps(391), 64_124);
        assert_eq!(Length::Steps(64_000).steps(391), 64_000);
        assert_eq!(Length::Epochs(u64::MAX).steps(2), u64::MAX);
    }
}
