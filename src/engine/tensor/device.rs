//! What the engine asks of a dfdx device.

use crate::engine::EngineError;
use dfdx::prelude::{Cache, Cpu, Device, Tape};
use std::fmt::Display;

/// A dfdx device that the engine can run on.
pub trait TensorDevice: Device<f32> + Cache {
    /// Name in messages: `cpu` or `cuda`.
    const NAME: &'static str;
    /// Whether a batched product may have one side broadcast over the batch.
    const BROADCASTS_PRODUCTS: bool;
}

impl TensorDevice for Cpu {
    const NAME: &'static str = "cpu";
    const BROADCASTS_PRODUCTS: bool = true;
}

#[cfg(feature = "cuda")]
impl TensorDevice for dfdx::prelude::Cuda {
    const NAME: &'static str = "cuda";
    // dfdx asserts it: cuBLAS cannot sum a gradient over a stride of 0.
    const BROADCASTS_PRODUCTS: bool = false;
}

/// The tape of a training step, or none in evaluation.
pub(super) trait Recording<D: TensorDevice>: Tape<f32, D> + 'static {}

impl<D: TensorDevice, T: Tape<f32, D> + 'static> Recording<D> for T {}

/// Turns what a device says into an [`EngineError`].
pub(super) trait OnDevice<V> {
    /// The value, or [`EngineError::Device`].
    fn on<D: TensorDevice>(self) -> Result<V, EngineError>;
}

impl<V, E: Display> OnDevice<V> for Result<V, E> {
    fn on<D: TensorDevice>(self) -> Result<V, EngineError> {
        self.map_err(|error| EngineError::Device { device: D::NAME, message: error.to_string() })
    }
}
