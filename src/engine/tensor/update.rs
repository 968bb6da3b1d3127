//! The step of SGD, on the device: one launch a parameter.

use super::device::TensorDevice;
use super::value::{Matrix, upload};
use crate::engine::{DecayForm, Update};
use dfdx::prelude::*;

/// The momentum buffer of each parameter, by the identity of its tensor. dfdx's own step wants bare memory, and its
/// container of gradients is what lends it.
pub(super) type Velocities<D> = Gradients<f32, D>;

/// Moves one parameter, with its decay coefficient, as [`Update`] says.
pub(super) fn step<D: TensorDevice>(
    parameter: &mut Matrix<D>,
    velocities: &mut Velocities<D>,
    gradients: &mut Gradients<f32, D>,
    decay: f32,
    update: &Update<'_>,
) -> Result<(), D::Err> {
    let momentum = f64::from(update.momentum);
    // Classic momentum of 0 rather than none: the velocity is then the last gradient, as it is documented to be.
    let momentum = if update.nesterov { Momentum::Nesterov(momentum) } else { Momentum::Classic(momentum) };
    let decay = f64::from(decay);
    let weight_decay = match update.decay_form {
        _ if decay == 0.0 => None,
        DecayForm::Gradient => Some(WeightDecay::L2(decay)),
        DecayForm::Decoupled => Some(WeightDecay::Decoupled(decay)),
    };
    let config = SgdConfig { lr: f64::from(update.rate), momentum: Some(momentum), weight_decay };
    // A parameter that the loss does not reach has no gradient yet: it is zero.
    let gradient = gradients.get_or_alloc_mut(&*parameter)?;
    let velocity = velocities.get_or_alloc_mut(&*parameter)?;
    config.try_update(parameter, velocity, gradient)
}

/// Sets the velocity of a parameter.
pub(super) fn set_velocity<D: TensorDevice>(
    velocities: &mut Velocities<D>,
    parameter: &Matrix<D>,
    velocity: &[f32],
) -> Result<(), D::Err> {
    let (rows, columns) = *parameter.shape();
    let device = parameter.device();
    let mut values = upload(device, velocity.to_vec(), rows, columns)?;
    // A step of rate 0 from zero momentum with a decay of 1 leaves 0 + 1·value behind: the one public way from a tensor
    // to bare memory that stays on the device.
    let copy = SgdConfig { lr: 0.0, momentum: Some(Momentum::Classic(0.0)), weight_decay: Some(WeightDecay::L2(1.0)) };
    let nothing = Storage::<f32>::try_alloc_len(device, velocity.len())?;
    copy.try_update(&mut values, velocities.get_or_alloc_mut(parameter)?, &nothing)
}
