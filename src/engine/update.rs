//! What a step does with the gradient.

use super::EngineError;
use crate::lower::program::Program;

/// How weight decay enters the step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DecayForm {
    /// gradient += decay·w before anything else is done with it (L2 in the gradient: PyTorch's SGD and Adam, Caffe).
    Gradient,
    /// w ← w·(1 − rate·decay) beside the step (decoupled: Loshchilov & Hutter 2019, AdamW).
    Decoupled,
}

/// From a gradient g to a step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Rule {
    /// v ← momentum·v + g; w ← w − rate·v, or w − rate·(g + momentum·v) with Nesterov (PyTorch's form of it).
    Sgd {
        /// 0 for plain SGD.
        momentum: f32,
        /// Nesterov's look-ahead.
        nesterov: bool,
    },
    /// Kingma & Ba 2015, algorithm 1, as PyTorch computes it: m ← β₁·m + (1 − β₁)·g; s ← β₂·s + (1 − β₂)·g²;
    /// w ← w − rate/(1 − β₁ᵗ) · m/(√(s/(1 − β₂ᵗ)) + epsilon). The velocities hold m, the squares s.
    Adam {
        /// β₁
        beta1: f32,
        /// β₂
        beta2: f32,
        /// Added to the root.
        epsilon: f32,
    },
}

/// One step, in this order: the gradients of all parameters are clipped, decay enters, the rule moves the weights, and the
/// average follows them.
#[derive(Debug, Clone, Copy)]
pub struct Update<'a> {
    /// Learning rate of this step.
    pub rate: f32,
    /// t, from 1.
    pub step: u64,
    /// What becomes of the gradient.
    pub rule: Rule,
    /// How decay enters.
    pub decay_form: DecayForm,
    /// Decay coefficient of each parameter, in the order of [`Program::parameters`].
    pub decay: &'a [f32],
    /// What the rate of each parameter is multiplied by; empty for 1.
    pub rates: &'a [f32],
    /// All gradients together are scaled down to this L2 norm when theirs, n, is larger: times c/(n + 10⁻⁶), as
    /// `torch.nn.utils.clip_grad_norm_` does.
    pub clip: Option<f32>,
    /// Weight d of the old average: a ← d·a + (1 − d)·w. It starts as the weights before the first step that keeps one.
    /// An engine computes a + (1 − d)·(w − a), as PyTorch's `lerp` does, with 1 − d taken here in `f64`: of 0.9999 as an
    /// `f32` it is off by 0.017 %, and so would be how fast the average follows.
    pub average: Option<f64>,
}

impl<'a> Update<'a> {
    /// SGD with momentum and decay in the gradient, and nothing else.
    pub fn sgd(rate: f32, momentum: f32, decay: &'a [f32]) -> Self {
        let (rule, decay_form) = (Rule::Sgd { momentum, nesterov: false }, DecayForm::Gradient);
        Update { rate, step: 1, rule, decay_form, decay, rates: &[], clip: None, average: None }
    }

    /// Rate and decay of the parameter at this place.
    pub fn of(&self, parameter: usize) -> (f32, f32) {
        let factor = self.rates.get(parameter).copied().unwrap_or(1.0);
        (self.rate * factor, self.decay.get(parameter).copied().unwrap_or(0.0))
    }

    /// Checks that it says something of each parameter.
    ///
    /// # Errors
    /// [`EngineError::State`] with the numbers that do not fit.
    pub fn validate(&self, program: &Program) -> Result<(), EngineError> {
        let needed = program.parameters.len();
        let problem = if self.decay.len() != needed {
            format!("{} decay coefficients for {needed} parameters", self.decay.len())
        } else if !self.rates.is_empty() && self.rates.len() != needed {
            format!("{} factors of the rate for {needed} parameters", self.rates.len())
        } else {
            return Ok(());
        };
        Err(EngineError::State(problem))
    }

    /// What gradients of this norm are multiplied by.
    pub fn clipping(&self, norm: f64) -> f32 {
        match self.clip {
            // A norm that is no number gives a factor that is none: the run is to notice.
            Some(most) if norm.is_nan() || norm > f64::from(most) => (f64::from(most) / (norm + 1e-6)) as f32,
            _ => 1.0,
        }
    }

    /// Adam's corrections for the step: rate's factor 1/(1 − β₁ᵗ), and 1/(1 − β₂ᵗ).
    pub fn corrections(&self, beta1: f32, beta2: f32) -> (f64, f64) {
        let correction = |beta: f32| 1.0 / (1.0 - f64::from(beta).powf(self.step as f64));
        (correction(beta1), correction(beta2))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::mock;
    use crate::graph::dims::Shape;

    #[test]
    fn only_gradients_longer_than_the_bound_are_made_shorter() {
        let update = Update { clip: Some(2.0), ..Update::sgd(0.1, 0.9, &[]) };
        assert_eq!([0.0, 1.0, 2.0].map(|norm| update.clipping(norm)), [1.0; 3]);
        assert!((update.clipping(8.0) - 0.25).abs() < 1e-6);
        assert!(update.clipping(f64::NAN).is_nan());
        assert_eq!(Update::sgd(0.1, 0.9, &[]).clipping(8.0), 1.0);
    }

    #[test]
    fn every_parameter_has_its_decay_and_its_rate_or_none_has() {
        let program = mock::program(Shape::map(1, 2, 2), 3);
        let fits =
            |decay: &[f32], rates: &[f32]| Update { rates, ..Update::sgd(0.1, 0.9, decay) }.validate(&program).is_ok();
        assert!(fits(&[0.0; 2], &[]) && fits(&[0.0; 2], &[1.0; 2]));
        assert!(!fits(&[0.0; 2], &[1.0; 1]) && !fits(&[0.0; 2], &[1.0; 3]) && !fits(&[0.0; 3], &[]));
    }
}
