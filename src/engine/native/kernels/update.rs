//! The optimizer's step on one tensor.

use super::multiversion::multiversion;
use crate::engine::DecayForm;

/// The numbers of one step for one tensor, as in [`crate::engine::Update`].
#[derive(Debug, Clone, Copy)]
pub struct Step {
    /// Learning rate.
    pub rate: f32,
    /// Factor of the old velocity.
    pub momentum: f32,
    /// Nesterov's look-ahead.
    pub nesterov: bool,
    /// How decay enters.
    pub decay_form: DecayForm,
    /// Decay coefficient of this tensor.
    pub decay: f32,
}

multiversion! {
    /// v ← momentum·v + g; w ← w − rate·(v, or g + momentum·v with Nesterov); decay as `step` says.
    pub fn sgd(step: Step, gradient: &[f32], velocity: &mut [f32], weights: &mut [f32]) {
        let Step { rate, momentum, nesterov, decay_form, decay } = step;
        let (in_gradient, shrink) = match decay_form {
            DecayForm::Gradient => (decay, 1.0),
            DecayForm::Decoupled => (0.0, 1.0 - rate * decay),
        };
        for ((w, v), &g) in weights.iter_mut().zip(velocity).zip(gradient) {
            let g = g + in_gradient * *w;
            *v = momentum * *v + g;
            let direction = if nesterov { g + momentum * *v } else { *v };
            *w = *w * shrink - rate * direction;
        }
    }
}
