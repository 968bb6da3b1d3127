//! The CUDA device: found and opened with words for what can be wrong, where dfdx would panic.

#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
mod libraries;

use super::device::TensorDevice;
use crate::engine::EngineError;
use cudarc::driver::result;
use dfdx::prelude::Cuda;

/// Where there is no lazy loading the linker has done it: a program that starts has its libraries.
#[cfg(not(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"))))]
mod libraries {
    pub fn load() -> Result<(), String> {
        Ok(())
    }
}

/// Opens the CUDA device with this number, counted from 0.
///
/// # Errors
/// [`EngineError::Device`] when there is no driver, no cuBLAS, no such device, or no memory.
pub fn open_cuda(ordinal: usize) -> Result<Cuda, EngineError> {
    let failed = |message: String| EngineError::Device { device: Cuda::NAME, message };
    libraries::load().map_err(failed)?;
    result::init()
        .map_err(|error| failed(format!("its driver does not start ({error}): is there a GPU, and may it be used?")))?;
    let found = result::device::get_count().map_err(|error| failed(error.to_string()))?;
    let found = usize::try_from(found).unwrap_or(0);
    if ordinal >= found {
        return Err(failed(format!("there is no device {ordinal}: {found} found, counted from 0")));
    }
    Cuda::try_build(ordinal, 0).map_err(|error| failed(error.to_string()))
}
