//! Activations and dropout.

use crate::engine::tensor::device::{KernelStyle, Recording, TensorDevice};
use crate::engine::tensor::value::Matrix;
use crate::random;
use dfdx::prelude::*;

/// max(x, 0), with gradient 0 at 0. dfdx's own turns NaN into 0, which would hide a run that has diverged behind a
/// loss of ln(classes): the term 0·x adds nothing to a number and keeps NaN. Where launches count it is left out.
pub(in crate::engine::tensor) fn relu<D: TensorDevice, T: Recording<D>>(
    x: Matrix<D, T>,
    style: KernelStyle,
) -> Result<Matrix<D, T>, D::Err> {
    if style == KernelStyle::FewLaunches {
        return x.try_relu();
    }
    let (x, tape) = x.split_tape();
    let (nothing, tape) = x.clone().put_tape(tape).try_mul(0.0)?.split_tape();
    x.put_tape(tape).try_relu()?.try_add(nothing)
}

/// 1/(1 − rate) where an element is kept and 0 where it is dropped, elements × batch.
pub(in crate::engine::tensor) fn dropout_mask(keys: &[u64], elements: usize, rate: f32, stream: u64) -> Vec<f32> {
    let kept = 1.0 / (1.0 - rate);
    let mut mask = Vec::with_capacity(elements * keys.len());
    for element in 0..elements as u64 {
        let factor = |&key: &u64| if random::dropped(key, stream, element, rate) { 0.0 } else { kept };
        mask.extend(keys.iter().map(factor));
    }
    mask
}
