//! How a network is trained: the YAML recipe. `docs/recipes.md` has every key with its meaning, default and source.

pub mod interval;
pub mod milestone;
pub mod optimizer;
pub mod origin;
pub mod parse;
pub mod profile;
pub mod schedule;

pub use parse::{RecipeSource, read};

use self::milestone::RunLength;
use self::schedule::Schedule;
use super::recipe::interval::Interval;
use super::recipe::optimizer::Optimizer;
use super::recipe::origin::Origins;
pub use crate::data::ImageOrder;
pub use crate::data::augment::{Augment, PadValue};

use crate::diagnostic::{Code, LintLevel};
use crate::engine::precision::Precision;
use crate::graph::conventions::Conventions;
use crate::graph::layer::Divisor;
use crate::graph::layer::{Rounding, Squares};
use crate::lower::defaults::{Defaults, InitRules, NormDefaults};
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
    /// Which order its images have before they are shuffled, and so which are the first.
    pub order: ImageOrder,
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
    /// How much of a label is spread evenly over all classes; 0 for none.
    pub label_smoothing: f64,
    /// An average of the weights, which is what is evaluated and saved then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub average: Option<Average>,
    /// Rule for starting weights.
    pub init: InitRules,
    /// Batch norm: what the spec does not say, and what it is evaluated with.
    pub batch_norm: BatchNorm,
    /// Pools where the spec does not say.
    pub pooling: Pooling,
    /// Local response norm where the spec does not say.
    pub lrn: Lrn,
    /// What an engine computes in.
    pub precision: Precision,
    /// What every random draw of the run depends on.
    pub seed: u64,
    /// How often the run keeps what it needs to go on.
    pub checkpoint: CheckpointPolicy,
}

impl Default for Recipe {
    fn default() -> Self {
        let Defaults { init, norm, label_smoothing } = Defaults::default();
        let conventions = Conventions::default();
        Recipe {
            profile: None,
            data: "cifar10".into(),
            order: ImageOrder::default(),
            normalize: Normalize::PerChannel,
            augment: Augment::default(),
            batch: 128,
            length: Length::Epochs(10),
            hold_out: 0,
            optimizer: Optimizer::default(),
            schedule: Schedule::default(),
            label_smoothing: f64::from(label_smoothing),
            average: None,
            init,
            batch_norm: BatchNorm { defaults: norm, ..BatchNorm::default() },
            pooling: Pooling { rounding: conventions.rounding, divisor: conventions.divisor },
            lrn: Lrn { squares: conventions.squares },
            precision: Precision::default(),
            seed: 0,
            checkpoint: CheckpointPolicy::default(),
        }
    }
}

impl Recipe {
    /// How long a run on so many training images is. The last batch of an epoch is kept, however small.
    pub fn run_length(&self, images: usize) -> RunLength {
        let steps_per_epoch = (images.div_ceil(self.batch.max(1)) as u64).max(1);
        RunLength { steps_per_epoch, total_steps: self.length.steps(steps_per_epoch) }
    }

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

/// An exponential moving average of the weights.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Average {
    /// Weight of the old average in each step.
    pub decay: f64,
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
    /// True averages over the training images, taken anew before each evaluation: `train/population.rs`.
    Population,
}

/// How the variances of batches become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum PopulationVariance {
    /// The mean of the batches' variances (Ioffe & Szegedy 2015, algorithm 2)
    // Each times m/(m − 1) where the net's running variance is unbiased: line 10 there.
    #[default]
    Mean,
    /// The variance of all values together, which also counts how far the batches' means lie apart
    Pooled,
}

impl PopulationVariance {
    /// Both ways.
    pub const ALL: [PopulationVariance; 2] = [PopulationVariance::Mean, PopulationVariance::Pooled];

    /// The word for it in a recipe.
    pub fn name(self) -> &'static str {
        match self {
            PopulationVariance::Mean => "mean",
            PopulationVariance::Pooled => "pooled",
        }
    }
}

/// How often a run keeps what it needs to go on, and how much of it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct CheckpointPolicy {
    /// How often.
    pub every: Interval,
    /// The last so many are kept.
    pub keep: usize,
}

impl Default for CheckpointPolicy {
    fn default() -> Self {
        CheckpointPolicy { every: Interval::Epochs(1), keep: 2 }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_has_a_step_for_every_batch_and_at_least_one() {
        let steps = |batch, images| Recipe { batch, ..Recipe::default() }.run_length(images).steps_per_epoch;
        assert_eq!([steps(1, 5), steps(2, 5), steps(5, 5), steps(9, 5), steps(9, 0)], [5, 3, 1, 1, 1]);
        let epochs = Recipe { batch: 2, length: Length::Epochs(3), ..Recipe::default() };
        assert_eq!(epochs.run_length(5).total_steps, 9);
    }
}
