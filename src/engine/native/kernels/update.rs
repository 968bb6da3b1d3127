//! The optimizer's step on one tensor.

use super::multiversion::multiversion;
use crate::engine::{DecayForm, Rule, Update};

/// What a step of SGD needs for one tensor.
#[derive(Debug, Clone, Copy)]
pub struct Sgd {
    /// Learning rate.
    pub rate: f32,
    /// Factor of the old velocity.
    pub momentum: f32,
    /// Nesterov's look-ahead.
    pub nesterov: bool,
    /// Decay that enters the gradient.
    pub decay: f32,
    /// What weights are multiplied by beside the step: decoupled decay.
    pub keep: f32,
    /// What gradients are multiplied by: clipping.
    pub scale: f32,
}

/// What a step of Adam needs for one tensor.
#[derive(Debug, Clone, Copy)]
pub struct Adam {
    /// Learning rate over 1 − β₁ᵗ.
    pub rate: f32,
    /// β₁
    pub beta1: f32,
    /// β₂
    pub beta2: f32,
    /// 1/(1 − β₂ᵗ)
    pub correction: f32,
    /// Added to the root.
    pub epsilon: f32,
    /// As for [`Sgd`].
    pub decay: f32,
    /// As for [`Sgd`].
    pub keep: f32,
    /// As for [`Sgd`].
    pub scale: f32,
}

/// The step of one tensor.
#[derive(Debug, Clone, Copy)]
pub enum Step {
    /// Stochastic gradient descent.
    Sgd(Sgd),
    /// Adam.
    Adam(Adam),
}

impl Step {
    /// That of an update for the parameter at this place, with gradients times `scale`.
    pub fn new(update: &Update<'_>, parameter: usize, scale: f32) -> Self {
        let (rate, coefficient) = update.of(parameter);
        let (decay, keep) = match update.decay_form {
            DecayForm::Gradient => (coefficient, 1.0),
            DecayForm::Decoupled => (0.0, 1.0 - rate * coefficient),
        };
        match update.rule {
            Rule::Sgd { momentum, nesterov } => Step::Sgd(Sgd { rate, momentum, nesterov, decay, keep, scale }),
            Rule::Adam { beta1, beta2, epsilon } => {
                let (of_rate, of_squares) = update.corrections(beta1, beta2);
                let rate = (f64::from(rate) * of_rate) as f32;
                Step::Adam(Adam { rate, beta1, beta2, correction: of_squares as f32, epsilon, decay, keep, scale })
            }
        }
    }
}

multiversion! {
    /// v ← momentum·v + g; w ← w − rate·(v, or g + momentum·v with Nesterov).
    pub fn sgd(step: Sgd, gradient: &[f32], velocity: &mut [f32], weights: &mut [f32]) {
        let Sgd { rate, momentum, nesterov, decay, keep, scale } = step;
        for ((w, v), &g) in weights.iter_mut().zip(velocity).zip(gradient) {
            let g = scale * g + decay * *w;
            *v = momentum * *v + g;
            let direction = if nesterov { g + momentum * *v } else { *v };
            *w = *w * keep - rate * direction;
        }
    }
}

multiversion! {
    /// m ← β₁·m + (1 − β₁)·g; s ← β₂·s + (1 − β₂)·g²; w ← w − rate·m/(√(s·correction) + epsilon).
    pub fn adam(step: Adam, gradient: &[f32], first: &mut [f32], second: &mut [f32], weights: &mut [f32]) {
        let Adam { rate, beta1, beta2, correction, epsilon, decay, keep, scale } = step;
        let tensors = weights.iter_mut().zip(first).zip(second).zip(gradient);
        for (((w, m), s), &g) in tensors {
            let g = scale * g + decay * *w;
            *m = beta1 * *m + (1.0 - beta1) * g;
            *s = beta2 * *s + (1.0 - beta2) * g * g;
            *w = *w * keep - rate * *m / ((*s * correction).sqrt() + epsilon);
        }
    }
}

multiversion! {
    /// a ← a + share·(w − a), with share 1 − decay.
    pub fn follow(share: f32, weights: &[f32], average: &mut [f32]) {
        for (a, &w) in average.iter_mut().zip(weights) {
            *a += share * (w - *a);
        }
    }
}

/// Numbers of a sum that is taken at once.
const LANES: usize = 16;

multiversion! {
    /// Σ x², in f64 over 16 lanes: the same for any number of threads, as it knows none.
    pub fn sum_of_squares(x: &[f32]) -> f64 {
        let mut sums = [0.0f64; LANES];
        let (whole, rest) = x.as_chunks::<LANES>();
        for chunk in whole {
            for (sum, &x) in sums.iter_mut().zip(chunk) {
                *sum += f64::from(x) * f64::from(x);
            }
        }
        sums.iter().sum::<f64>() + rest.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>()
    }
}
