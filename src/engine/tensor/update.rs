//! The optimizer's step, on the device. SGD is one launch a parameter.

use super::TensorEngine;
use super::device::{OnDevice, TensorDevice};
use super::value::{Matrix, upload};
use crate::engine::{DecayForm, EngineError, Rule, Update};
use dfdx::prelude::*;

/// The momentum buffer of each parameter, by the identity of its tensor. dfdx's own step wants bare memory, and its
/// container of gradients is what lends it.
pub(super) type Velocities<D> = Gradients<f32, D>;

/// What gradients are multiplied by, on the device.
type Factor<D> = Tensor<(), f32, D>;

impl<D: TensorDevice> TensorEngine<D> {
    /// Room for what an update keeps beside the velocities.
    pub(super) fn keep_for(&mut self, update: &Update<'_>) -> Result<(), EngineError> {
        if matches!(update.rule, Rule::Adam { .. }) && self.squares.is_empty() {
            let zeros = |parameter: &Matrix<D>| self.device.try_zeros_like(parameter.shape()).on::<D>();
            self.squares = self.parameters.iter().map(zeros).collect::<Result<_, _>>()?;
        }
        if update.average.is_some() && self.averages.is_empty() {
            // Of their own: dfdx copies what is shared when it is written to.
            self.averages.clone_from(&self.parameters);
        }
        Ok(())
    }
}

/// Scales all gradients down to a norm of `most` if theirs is larger; the device is not waited for.
pub(super) fn clip<D: TensorDevice>(
    parameters: &[Matrix<D>],
    gradients: &mut Gradients<f32, D>,
    most: f32,
) -> Result<(), D::Err> {
    let mut squares: Option<Factor<D>> = None;
    for parameter in parameters {
        gradients.get_or_alloc_mut(parameter)?;
        let sum = gradients.get(parameter).try_square()?.try_sum::<(), Axes2<0, 1>>()?;
        squares = Some(match squares {
            None => sum,
            Some(squares) => squares.try_add(sum)?,
        });
    }
    let Some(squares) = squares else { return Ok(()) };
    let factor = squares.try_sqrt()?.try_add(1e-6)?.try_recip()?.try_mul(most)?.try_clamp(0.0, 1.0)?;
    for parameter in parameters {
        let factors = factor.clone().try_broadcast_like::<_, Axes2<0, 1>>(parameter.shape())?;
        let scaled = gradients.get(parameter).try_mul(factors)?;
        put(gradients, parameter, scaled)?;
    }
    Ok(())
}

/// What an update keeps of one parameter beside its velocity.
pub(super) struct Kept<'a, D: TensorDevice> {
    /// For Adam.
    pub squares: Option<&'a mut Matrix<D>>,
    /// For an average.
    pub average: Option<&'a mut Matrix<D>>,
}

/// Moves the parameter at this place, and what is kept of it, as [`Update`] says.
pub(super) fn step<D: TensorDevice>(
    place: usize,
    parameter: &mut Matrix<D>,
    velocities: &mut Velocities<D>,
    kept: Kept<'_, D>,
    gradients: &mut Gradients<f32, D>,
    update: &Update<'_>,
) -> Result<(), D::Err> {
    // A parameter that the loss does not reach has no gradient yet: it is zero.
    gradients.get_or_alloc_mut(&*parameter)?;
    match (update.rule, kept.squares) {
        (Rule::Adam { beta1, beta2, epsilon }, Some(squares)) => {
            adam(place, parameter, velocities, squares, gradients, update, (beta1, beta2, epsilon))?;
        }
        (rule, _) => sgd(place, parameter, velocities, gradients, update, rule)?,
    }
    match (kept.average, update.average) {
        (Some(average), Some(decay)) => {
            let way = parameter.clone().try_sub(average.clone())?;
            average.try_axpy(1.0, &way, 1.0 - decay)
        }
        _ => Ok(()),
    }
}

fn sgd<D: TensorDevice>(
    place: usize,
    parameter: &mut Matrix<D>,
    velocities: &mut Velocities<D>,
    gradients: &mut Gradients<f32, D>,
    update: &Update<'_>,
    rule: Rule,
) -> Result<(), D::Err> {
    let (momentum, nesterov) = match rule {
        Rule::Sgd { momentum, nesterov } => (f64::from(momentum), nesterov),
        Rule::Adam { .. } => (0.0, false),
    };
    // Classic momentum of 0 rather than none: the velocity is then the last gradient, as it is documented to be.
    let momentum = if nesterov { Momentum::Nesterov(momentum) } else { Momentum::Classic(momentum) };
    let (rate, decay) = update.of(place);
    let decay = f64::from(decay);
    let weight_decay = match update.decay_form {
        _ if decay == 0.0 => None,
        DecayForm::Gradient => Some(WeightDecay::L2(decay)),
        DecayForm::Decoupled => Some(WeightDecay::Decoupled(decay)),
    };
    let config = SgdConfig { lr: f64::from(rate), momentum: Some(momentum), weight_decay };
    let gradient = gradients.get_or_alloc_mut(&*parameter)?;
    let velocity = velocities.get_or_alloc_mut(&*parameter)?;
    config.try_update(parameter, velocity, gradient)
}

fn adam<D: TensorDevice>(
    place: usize,
    parameter: &mut Matrix<D>,
    velocities: &mut Velocities<D>,
    squares: &mut Matrix<D>,
    gradients: &Gradients<f32, D>,
    update: &Update<'_>,
    (beta1, beta2, epsilon): (f32, f32, f32),
) -> Result<(), D::Err> {
    let (rate, decay) = update.of(place);
    let (of_rate, of_squares) = update.corrections(beta1, beta2);
    let (beta1, beta2) = (f64::from(beta1), f64::from(beta2));
    let mut gradient = gradients.get(&*parameter);
    let mut keep = 1.0;
    match update.decay_form {
        DecayForm::Gradient => gradient.try_axpy(1.0, parameter, f64::from(decay))?,
        DecayForm::Decoupled => keep -= f64::from(rate) * f64::from(decay),
    }
    velocities.get_or_alloc_mut(&*parameter)?;
    let mut first = velocities.get(&*parameter);
    first.try_axpy(beta1, &gradient, 1.0 - beta1)?;
    squares.try_axpy(beta2, &gradient.try_square()?, 1.0 - beta2)?;
    let root = squares.clone().try_mul(of_squares as f32)?.try_sqrt()?.try_add(epsilon)?;
    let direction = first.clone().try_div(root)?;
    parameter.try_axpy(keep, &direction, -f64::from(rate) * of_rate)?;
    put(velocities, parameter, first)
}

/// Sets the velocity of a parameter.
pub(super) fn set_velocity<D: TensorDevice>(
    velocities: &mut Velocities<D>,
    parameter: &Matrix<D>,
    velocity: &[f32],
) -> Result<(), D::Err> {
    let (rows, columns) = *parameter.shape();
    let values = upload(parameter.device(), velocity.to_vec(), rows, columns)?;
    put(velocities, parameter, values)
}

/// Sets what a container holds for a parameter.
fn put<D: TensorDevice>(
    container: &mut Gradients<f32, D>,
    parameter: &Matrix<D>,
    mut values: Matrix<D>,
) -> Result<(), D::Err> {
    // A step of rate 0 from zero momentum with a decay of 1 leaves 0 + 1·value behind: the one public way from a tensor
    // to bare memory that stays on the device.
    let copy = SgdConfig { lr: 0.0, momentum: Some(Momentum::Classic(0.0)), weight_decay: Some(WeightDecay::L2(1.0)) };
    let nothing = Storage::<f32>::try_alloc_len(parameter.device(), parameter.shape().num_elements())?;
    copy.try_update(&mut values, container.get_or_alloc_mut(parameter)?, &nothing)
}
