//! What lowering fills in where a spec says nothing: the weight rule and the settings of batch norm.
//!
//! The recipe sets them (`init`, `batch_norm`); they live here so that lowering does not depend on training.

use super::program::{Init, VarianceEstimate};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

/// Which rule gives the starting weights of convolutions and linear layers.
///
/// Fan-in is the number of inputs one output reads: (I/groups)·H·W for a convolution, I for a linear layer. Fan-out is
/// (O/groups)·H·W, or O.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum InitRule {
    /// N(0, 2/fan_in), biases 0. He, Zhang, Ren, Sun 2015, "Delving Deep into Rectifiers", eq. 10.
    HeNormal,
    /// U(±√(6/fan_in)), biases 0: uniform with the variance of [`InitRule::HeNormal`].
    HeUniform,
    /// N(0, 2/fan_out), biases 0: the same paper's eq. 14, which keeps the size of gradients instead of activations;
    /// torchvision's ResNets (`kaiming_normal_(mode="fan_out")`).
    HeNormalFanOut,
    /// U(±√(6/fan_out)), biases 0: uniform with the variance of [`InitRule::HeNormalFanOut`].
    HeUniformFanOut,
    /// N(0, 2/(fan_in + fan_out)), biases 0: normal with the variance of [`InitRule::GlorotUniform`].
    GlorotNormal,
    /// U(±√(6/(fan_in + fan_out))), biases 0. Glorot & Bengio 2010, "Understanding the difficulty of training deep
    /// feedforward neural networks", eq. 16. The usual choice for tanh.
    GlorotUniform,
    /// Normal with variance 1/fan_in, cut off at two deviations; biases 0. TensorFlow's `variance_scaling_initializer()`
    /// with its defaults (scale 1, fan-in, truncated), Keras's `lecun_normal`; both widen the normal by 1/0.8796 before
    /// they cut it, so that the variance holds (keras/src/initializers/random_initializers.py:305).
    VarianceScaling,
    /// All 0, biases too: Caffe's `constant` filler, which is what it does where no filler is written. Every unit of a
    /// layer then stays equal to every other, so that nothing can be learnt.
    Zero,
    /// U(±1/√fan_in) for weights and biases: what PyTorch, dfdx and burn do when nothing is said. LeCun et al. 1998,
    /// "Efficient BackProp", has the same scale but for a factor √3.
    Torch,
    /// N(0, std²) whatever the fan, biases 0: Krizhevsky 2012 (0.01), Caffe's `gaussian`.
    Normal {
        /// Standard deviation, above 0.
        std: f64,
    },
    /// The same, drawn again wherever it lies beyond two deviations; `std` is the deviation before that, as
    /// TensorFlow's `truncated_normal_initializer(stddev)` and its CIFAR-10 tutorial (0.05, 0.04) have it. Biases 0.
    TruncatedNormal {
        /// Standard deviation before the tails are cut off, above 0.
        std: f64,
    },
    /// U(±bound) whatever the fan, biases 0.
    Uniform {
        /// Half the width, above 0.
        bound: f64,
    },
    /// All the same; biases 0.
    Constant {
        /// The value.
        value: f64,
    },
}

impl InitRule {
    /// Every rule that needs no number, with the word a recipe uses for it.
    pub const NAMES: [(&'static str, InitRule); 9] = [
        ("he-normal", InitRule::HeNormal),
        ("he-uniform", InitRule::HeUniform),
        ("he-normal-fan-out", InitRule::HeNormalFanOut),
        ("he-uniform-fan-out", InitRule::HeUniformFanOut),
        ("glorot-normal", InitRule::GlorotNormal),
        ("glorot-uniform", InitRule::GlorotUniform),
        ("torch", InitRule::Torch),
        ("variance-scaling", InitRule::VarianceScaling),
        ("zero", InitRule::Zero),
    ];

    /// The word a recipe uses for it: a rule of [`InitRule::NAMES`], or the `kind` of one with a number.
    pub fn name(self) -> &'static str {
        match self.number() {
            Some((kind, ..)) => kind,
            None => Self::NAMES.iter().find(|(_, rule)| *rule == self).map_or("", |(name, _)| name),
        }
    }

    /// `kind`, key and value of a rule with a number.
    pub fn number(self) -> Option<(&'static str, &'static str, f64)> {
        match self {
            InitRule::Normal { std } => Some(("normal", "std", std)),
            InitRule::TruncatedNormal { std } => Some(("truncated-normal", "std", std)),
            InitRule::Uniform { bound } => Some(("uniform", "bound", bound)),
            InitRule::Constant { value } => Some(("constant", "value", value)),
            InitRule::HeNormal
            | InitRule::HeUniform
            | InitRule::HeNormalFanOut
            | InitRule::HeUniformFanOut
            | InitRule::GlorotNormal
            | InitRule::GlorotUniform
            | InitRule::VarianceScaling
            | InitRule::Zero
            | InitRule::Torch => None,
        }
    }

    /// Starting values of a weight.
    pub fn weight(self, fan: Fan) -> Init {
        let (fan_in, fan_out) = (fan.fan_in.max(1) as f64, fan.fan_out.max(1) as f64);
        let normal = |variance: f64| Init::Normal { std: variance.sqrt() as f32 };
        let uniform = |square: f64| Init::Uniform { bound: square.sqrt() as f32 };
        match self {
            InitRule::HeNormal => normal(2.0 / fan_in),
            InitRule::HeUniform => uniform(6.0 / fan_in),
            InitRule::HeNormalFanOut => normal(2.0 / fan_out),
            InitRule::HeUniformFanOut => uniform(6.0 / fan_out),
            InitRule::GlorotNormal => normal(2.0 / (fan_in + fan_out)),
            InitRule::GlorotUniform => uniform(6.0 / (fan_in + fan_out)),
            InitRule::Torch => uniform(1.0 / fan_in),
            InitRule::VarianceScaling => {
                Init::TruncatedNormal { deviation: ((1.0 / fan_in).sqrt() / Init::TRUNCATION) as f32 }
            }
            InitRule::Zero => Init::Constant { value: 0.0 },
            InitRule::Normal { std } => Init::Normal { std: std as f32 },
            InitRule::TruncatedNormal { std } => Init::TruncatedNormal { deviation: std as f32 },
            InitRule::Uniform { bound } => Init::Uniform { bound: bound as f32 },
            InitRule::Constant { value } => Init::Constant { value: value as f32 },
        }
    }

    /// Starting values of the bias beside a weight with this fan.
    pub fn bias(self, fan: Fan) -> Init {
        // Only PyTorch draws biases; everybody else starts them at 0.
        if self == InitRule::Torch { self.weight(fan) } else { Init::Constant { value: 0.0 } }
    }
}

impl Serialize for InitRule {
    /// As a recipe has it: a word, or a mapping of `kind` and a number.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Some((kind, key, value)) = self.number() else { return serializer.serialize_str(self.name()) };
        let mut rule = serializer.serialize_map(Some(2))?;
        rule.serialize_entry("kind", kind)?;
        rule.serialize_entry(key, &value)?;
        rule.end()
    }
}

/// The rules in force.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct InitRules {
    /// Of convolutions.
    pub conv: InitRule,
    /// Of linear layers.
    pub linear: InitRule,
    /// What all biases start at, where not as the rule beside them says.
    pub bias: Option<f64>,
}

impl From<InitRule> for InitRules {
    fn from(rule: InitRule) -> Self {
        InitRules { conv: rule, linear: rule, bias: None }
    }
}

impl Serialize for InitRules {
    /// As a recipe has it: one word where both are the same.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.conv == self.linear && self.bias.is_none() {
            return self.conv.serialize(serializer);
        }
        let mut rules = serializer.serialize_map(None)?;
        rules.serialize_entry("conv", &self.conv)?;
        rules.serialize_entry("linear", &self.linear)?;
        self.bias.iter().try_for_each(|bias| rules.serialize_entry("bias", bias))?;
        rules.end()
    }
}

/// How many inputs an output reads, and how many outputs an input feeds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fan {
    /// Inputs of one output.
    pub fan_in: usize,
    /// Outputs of one input (of a stride-1 convolution, away from the border).
    pub fan_out: usize,
}

impl Fan {
    /// Of a convolution weight O×(I/groups)×H×W.
    pub fn conv(dims: [usize; 4], groups: usize) -> Self {
        let [outputs, inputs, height, width] = dims;
        Fan { fan_in: inputs * height * width, fan_out: outputs / groups.max(1) * height * width }
    }

    /// Of a linear weight O×I.
    pub fn linear(outputs: usize, inputs: usize) -> Self {
        Fan { fan_in: inputs, fan_out: outputs }
    }
}

/// Settings of a batch norm that the spec does not give.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct NormDefaults {
    /// Added to the variance.
    pub epsilon: f32,
    /// Weight of the old running value.
    pub decay: f32,
    /// Which estimate enters the running variance.
    pub running_variance: VarianceEstimate,
    /// Images that share statistics in training; the whole batch where nothing is said. No spec can give it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<usize>,
}

impl Default for NormDefaults {
    /// 1e-5, 0.9, unbiased: PyTorch's (whose `momentum` 0.1 is this decay 0.9).
    fn default() -> Self {
        NormDefaults { epsilon: 1e-5, decay: 0.9, running_variance: VarianceEstimate::Unbiased, group: None }
    }
}

/// All that lowering fills in.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Defaults {
    /// Starting weights.
    pub init: InitRules,
    /// Batch norm.
    pub norm: NormDefaults,
    /// Share of the target that is spread evenly over all classes.
    pub label_smoothing: f32,
}

impl Default for Defaults {
    /// PyTorch's of both, since that is what most readers will compare with.
    fn default() -> Self {
        Defaults { init: InitRule::Torch.into(), norm: NormDefaults::default(), label_smoothing: 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A 3×3 convolution from 16 to 32 channels: fan-in 144, fan-out 288.
    const DIMS: [usize; 4] = [32, 16, 3, 3];

    fn number(init: Init) -> f64 {
        f64::from(match init {
            Init::Normal { std } => std,
            Init::Uniform { bound } => bound,
            Init::TruncatedNormal { deviation } => deviation,
            Init::Constant { value } => value,
        })
    }

    #[test]
    fn rules_give_the_published_numbers() {
        let fan = Fan::conv(DIMS, 1);
        assert_eq!(fan, Fan { fan_in: 144, fan_out: 288 });
        for (rule, expected) in [
            (InitRule::HeNormal, 0.117_851_13),
            (InitRule::HeUniform, 0.204_124_15),
            (InitRule::GlorotUniform, 0.117_851_13),
            (InitRule::Torch, 0.083_333_33),
            // 1/12 over 0.8796: std 0.0833 once the tails are gone.
            (InitRule::VarianceScaling, 0.094_737_27),
            (InitRule::Zero, 0.0),
            (InitRule::HeNormalFanOut, 0.083_333_33),
            (InitRule::HeUniformFanOut, 0.144_337_57),
            (InitRule::GlorotNormal, 0.068_041_38),
            (InitRule::Normal { std: 0.01 }, 0.01),
            (InitRule::TruncatedNormal { std: 0.05 }, 0.05),
            (InitRule::Uniform { bound: 0.07 }, 0.07),
            (InitRule::Constant { value: 0.1 }, 0.1),
        ] {
            assert!((number(rule.weight(fan)) - expected).abs() < 1e-7, "{rule:?}");
        }
        assert!((InitRule::VarianceScaling.weight(fan).std() - 1.0 / 12.0).abs() < 1e-7);
        assert!((InitRule::Torch.weight(fan).std() - 0.048_112_52).abs() < 1e-7);
        assert!(matches!(InitRule::HeNormal.weight(fan), Init::Normal { .. }));
        assert!(matches!(InitRule::Torch.weight(fan), Init::Uniform { .. }));
    }

    #[test]
    fn only_torch_draws_biases() {
        let fan = Fan::linear(10, 84);
        assert_eq!(InitRule::Torch.bias(fan), Init::Uniform { bound: (1.0f64 / 84.0).sqrt() as f32 });
        assert_eq!(InitRule::GlorotUniform.bias(fan), Init::Constant { value: 0.0 });
    }

    #[test]
    fn groups_count_in_both_fans() {
        assert_eq!(Fan::conv([32, 4, 3, 3], 4), Fan { fan_in: 36, fan_out: 72 });
        // A shape that cannot be is the checks' business; it must not divide by zero here.
        assert!(number(InitRule::HeNormal.weight(Fan::conv([0, 0, 0, 0], 0))).is_finite());
    }
}
