//! What the engine asks of a dfdx device.

use crate::engine::EngineError;
use dfdx::prelude::{Cache, Cpu, Device, Synchronize, Tape};
use std::fmt::Display;

/// A dfdx device that the engine can run on.
pub trait TensorDevice: Device<f32> + Cache + Synchronize {
    /// Name in messages: `cpu` or `cuda`.
    const NAME: &'static str;
    /// The style of kernels that suits it.
    const STYLE: KernelStyle;
}

/// Which of dfdx's kernels the program is made of. Both compute the same: either can run on the CPU, which is how the
/// one for CUDA is tested without CUDA.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KernelStyle {
    /// Nearly everything is a matrix product: dfdx's broadcasts and reductions visit one number at a time on the CPU.
    Gemm,
    /// As few launches as dfdx's operations allow: broadcasts and reductions are one each, and no product may have a
    /// side that is broadcast over its batch. A `relu` turns NaN into 0 here, so the weights are looked at whenever
    /// metrics are read.
    FewLaunches,
}

impl TensorDevice for Cpu {
    const NAME: &'static str = "cpu";
    const STYLE: KernelStyle = KernelStyle::Gemm;
}

#[cfg(feature = "cuda")]
impl TensorDevice for dfdx::prelude::Cuda {
    const NAME: &'static str = "cuda";
    const STYLE: KernelStyle = KernelStyle::FewLaunches;
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
        self.map_err(|error| EngineError::Device { device: D::NAME, message: in_words(error.to_string()) })
    }
}

/// What a driver says by a code alone.
fn in_words(error: String) -> String {
    if error.contains("OUT_OF_MEMORY") {
        return format!("it has no memory left, and fewer images a step (`--batch`) need less; it said {error}");
    }
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_device_names_what_needs_less() {
        let full = Err::<(), _>("DriverError(CUDA_ERROR_OUT_OF_MEMORY, ..)").on::<Cpu>().unwrap_err();
        assert!(full.to_string().contains("--batch"), "{full}");
        let other = Err::<(), _>("CUDA_ERROR_ILLEGAL_ADDRESS").on::<Cpu>().unwrap_err();
        assert_eq!(other.to_string(), "the cpu device failed: CUDA_ERROR_ILLEGAL_ADDRESS");
    }
}
