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

/// Opens a CUDA device without the panic dfdx answers a missing driver with.
///
/// # Errors
/// [`EngineError::Device`] when there is no driver, no such device, or no memory.
#[cfg(feature = "cuda")]
pub fn open_cuda(ordinal: usize) -> Result<dfdx::prelude::Cuda, EngineError> {
    use dfdx::prelude::Cuda;
    let failed = |message: String| EngineError::Device { device: Cuda::NAME, message };
    cudarc::driver::result::init().map_err(|error| {
        failed(format!("no CUDA driver answers ({error}): is there a GPU, and is its driver installed?"))
    })?;
    let found = cudarc::driver::result::device::get_count().map_err(|error| failed(error.to_string()))?;
    if usize::try_from(found).is_ok_and(|found| ordinal >= found) {
        return Err(failed(format!("there is no device {ordinal}: {found} found, counted from 0")));
    }
    Cuda::try_build(ordinal, 0).map_err(|error| failed(error.to_string()))
}
