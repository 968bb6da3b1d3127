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
    /// N(0, 2/fan), biases 0. He, Zhang, Ren, Sun 2015, "Delving Deep into Rectifiers", eq. 10 (fan-in) and 14 (fan-out).
    HeNormal(FanOf),
    /// U(±√(6/fan)), biases 0: uniform with the variance of [`InitRule::HeNormal`].
    HeUniform(FanOf),
    /// N(0, 2/(fan_in + fan_out)), biases 0. Glorot & Bengio 2010, "Understanding the difficulty of training deep
    /// feedforward neural networks", with the variance of eq. 12.
    GlorotNormal,
    /// U(±√(6/(fan_in + fan_out))), biases 0: eq. 16 of the same. The usual choice for tanh.
    GlorotUniform,
    /// Normal with variance 1/fan_in, cut off at two deviations; biases 0. TensorFlow's `variance_scaling_initializer()`
    /// with its defaults (scale 1, fan-in, truncated), Keras's `lecun_normal`; both widen the normal by 1/0.8796 before
    /// they cut it, so that the variance holds (keras/src/initializers/random_initializers.py:305).
    VarianceScaling,
    /// N(0, std²), biases 0: Caffe's `gaussian` filler.
    Normal {
        /// Standard deviation.
        std: f64,
    },
    /// The same, drawn again beyond two deviations, biases 0: TensorFlow's `truncated_normal_initializer(stddev)`.
    TruncatedNormal {
        /// Standard deviation before the tails are cut off, as TensorFlow has it.
        std: f64,
    },
    /// U(±bound), biases 0.
    Uniform {
        /// Half the width.
        bound: f64,
    },
    /// All the same, biases 0. Every unit of a layer then stays equal to every other.
    Constant {
        /// The value.
        value: f64,
    },
    /// All 0, biases too: Caffe's `constant` filler, which is what it does where no filler is written. Nothing can be
    /// learnt.
    Zero,
    /// U(±1/√fan_in) for weights and biases: what PyTorch, dfdx and burn do when nothing is said. LeCun et al. 1998,
    /// "Efficient BackProp", has the same scale but for a factor √3.
    Torch,
}

/// Which fan a rule divides by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FanOf {
    /// Keeps the variance of activations.
    #[default]
    In,
    /// Keeps the variance of gradients; what torchvision starts its ResNets with.
    Out,
}

impl FanOf {
    fn of(self, fan: Fan) -> f64 {
        match self {
            FanOf::In => fan.fan_in.max(1) as f64,
            FanOf::Out => fan.fan_out.max(1) as f64,
        }
    }
}

impl InitRule {
    /// Every rule that a single word names, with that word.
    pub const NAMES: [(&'static str, InitRule); 7] = [
        ("he-normal", InitRule::HeNormal(FanOf::In)),
        ("he-uniform", InitRule::HeUniform(FanOf::In)),
        ("glorot-normal", InitRule::GlorotNormal),
        ("glorot-uniform", InitRule::GlorotUniform),
        ("torch", InitRule::Torch),
        ("variance-scaling", InitRule::VarianceScaling),
        ("zero", InitRule::Zero),
    ];

    /// The word a recipe uses for it.
    pub fn name(self) -> &'static str {
        match self {
            InitRule::HeNormal(_) => "he-normal",
            InitRule::HeUniform(_) => "he-uniform",
            InitRule::GlorotNormal => "glorot-normal",
            InitRule::GlorotUniform => "glorot-uniform",
            InitRule::VarianceScaling => "variance-scaling",
            InitRule::Normal { .. } => "normal",
            InitRule::TruncatedNormal { .. } => "truncated-normal",
            InitRule::Uniform { .. } => "uniform",
            InitRule::Constant { .. } => "constant",
            InitRule::Zero => "zero",
            InitRule::Torch => "torch",
        }
    }

    /// Starting values of a weight.
    pub fn weight(self, fan: Fan) -> Init {
        let (fan_in, fan_out) = (FanOf::In.of(fan), FanOf::Out.of(fan));
        match self {
            InitRule::HeNormal(which) => Init::Normal { std: (2.0 / which.of(fan)).sqrt() as f32 },
            InitRule::HeUniform(which) => Init::Uniform { bound: (6.0 / which.of(fan)).sqrt() as f32 },
            InitRule::GlorotNormal => Init::Normal { std: (2.0 / (fan_in + fan_out)).sqrt() as f32 },
            InitRule::GlorotUniform => Init::Uniform { bound: (6.0 / (fan_in + fan_out)).sqrt() as f32 },
            InitRule::Torch => Init::Uniform { bound: (1.0 / fan_in).sqrt() as f32 },
            InitRule::VarianceScaling => {
                Init::TruncatedNormal { deviation: ((1.0 / fan_in).sqrt() / Init::TRUNCATION) as f32 }
            }
            InitRule::Normal { std } => Init::Normal { std: std as f32 },
            InitRule::TruncatedNormal { std } => Init::TruncatedNormal { deviation: std as f32 },
            InitRule::Uniform { bound } => Init::Uniform { bound: bound as f32 },
            InitRule::Constant { value } => Init::Constant { value: value as f32 },
            InitRule::Zero => Init::Constant { value: 0.0 },
        }
    }

    /// Starting values of the bias beside a weight with this fan.
    pub fn bias(self, fan: Fan) -> Init {
        match self {
            InitRule::Torch => self.weight(fan),
            _ => Init::Constant { value: 0.0 },
        }
    }
}

impl Serialize for InitRule {
    /// As a recipe has it: a word where that is enough, else a mapping with the word under `kind`.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let number = match *self {
            InitRule::HeNormal(FanOf::Out) | InitRule::HeUniform(FanOf::Out) => {
                let mut rule = serializer.serialize_map(Some(2))?;
                rule.serialize_entry("kind", self.name())?;
                rule.serialize_entry("fan", "out")?;
                return rule.end();
            }
            InitRule::Normal { std } | InitRule::TruncatedNormal { std } => ("std", std),
            InitRule::Uniform { bound } => ("bound", bound),
            InitRule::Constant { value } => ("value", value),
            _ => return serializer.serialize_str(self.name()),
        };
        let mut rule = serializer.serialize_map(Some(2))?;
        rule.serialize_entry("kind", self.name())?;
        rule.serialize_entry(number.0, &number.1)?;
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
}

impl From<InitRule> for InitRules {
    fn from(rule: InitRule) -> Self {
        InitRules { conv: rule, linear: rule }
    }
}

impl Serialize for InitRules {
    /// As a recipe has it: one word where both are the same.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.conv == self.linear {
            return self.conv.serialize(serializer);
        }
        let mut rules = serializer.serialize_map(Some(2))?;
        rules.serialize_entry("conv", &self.conv)?;
        rules.serialize_entry("linear", &self.linear)?;
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
}

impl Default for NormDefaults {
    /// 1e-5, 0.9, unbiased: PyTorch's (whose `momentum` 0.1 is this decay 0.9).
    fn default() -> Self {
        NormDefaults { epsilon: 1e-5, decay: 0.9, running_variance: VarianceEstimate::Unbiased }
    }
}

/// All that lowering fills in.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Defaults {
    /// Starting weights.
    pub init: InitRules,
    /// Batch norm.
    pub norm: NormDefaults,
    /// How much of a label is spread over all classes.
    pub smoothing: f32,
}

impl Default for Defaults {
    /// PyTorch's of both, since that is what most readers will compare with.
    fn default() -> Self {
        Defaults { init: InitRule::Torch.into(), norm: NormDefaults::default(), smoothing: 0.0 }
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
            (InitRule::HeNormal(FanOf::In), 0.117_851_13),
            (InitRule::HeUniform(FanOf::In), 0.204_124_15),
            (InitRule::HeNormal(FanOf::Out), 0.083_333_33),
            (InitRule::HeUniform(FanOf::Out), 0.144_337_57),
            (InitRule::GlorotNormal, 0.068_041_38),
            (InitRule::GlorotUniform, 0.117_851_13),
            (InitRule::Normal { std: 0.01 }, 0.01),
            (InitRule::TruncatedNormal { std: 0.05 }, 0.05),
            (InitRule::Uniform { bound: 0.3 }, 0.3),
            (InitRule::Constant { value: -0.5 }, -0.5),
            (InitRule::Torch, 0.083_333_33),
            // 1/12 over 0.8796: std 0.0833 once the tails are gone.
            (InitRule::VarianceScaling, 0.094_737_27),
            (InitRule::Zero, 0.0),
        ] {
            assert!((number(rule.weight(fan)) - expected).abs() < 1e-7, "{rule:?}");
        }
        assert!((InitRule::VarianceScaling.weight(fan).std() - 1.0 / 12.0).abs() < 1e-7);
        assert!((InitRule::Torch.weight(fan).std() - 0.048_112_52).abs() < 1e-7);
        assert!(matches!(InitRule::HeNormal(FanOf::In).weight(fan), Init::Normal { .. }));
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
        assert!(number(InitRule::HeNormal(FanOf::In).weight(Fan::conv([0, 0, 0, 0], 0))).is_finite());
    }
}
