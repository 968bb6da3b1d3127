//! The step of SGD, on the device.

use super::device::TensorDevice;
use super::value::Matrix;
use crate::engine::{DecayForm, Update};

/// Moves one parameter, with its decay coefficient, as [`Update`] says.
pub(super) fn step<D: TensorDevice>(
    parameter: &mut Matrix<D>,
    velocity: &mut Matrix<D>,
    mut gradient: Matrix<D>,
    decay: f32,
    update: &Update<'_>,
) -> Result<(), D::Err> {
    let mut keep = 1.0;
    if decay != 0.0 {
        match update.decay_form {
            DecayForm::Gradient => gradient.try_axpy(1.0, parameter, decay)?,
            DecayForm::Decoupled => keep = 1.0 - f64::from(update.rate) * f64::from(decay),
        }
    }
    velocity.try_axpy(update.momentum, &gradient, 1.0)?;
    if update.nesterov {
        gradient.try_axpy(1.0, velocity, update.momentum)?;
        parameter.try_axpy(keep, &gradient, -update.rate)
    } else {
        parameter.try_axpy(keep, velocity, -update.rate)
    }
}
