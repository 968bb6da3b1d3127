//! The CUDA device: found and opened with words for what can be wrong, where dfdx would panic.

#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
mod libraries;

use super::device::TensorDevice;
use crate::engine::EngineError;
use cudarc::driver::result;
use dfdx::prelude::*;

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
    let device = Cuda::try_build(ordinal, 0).map_err(|error| failed(error.to_string()))?;
    // The first kernel, to learn whether this device takes the kernels of this build at all.
    let tried = device.try_ones_like(&(1,)).and_then(|one: Tensor<(usize,), f32, Cuda>| one.try_relu());
    tried.and_then(|_| device.try_synchronize()).map_err(|error| failed(refused(&error.to_string())))?;
    Ok(device)
}

/// What is wrong when a device does not take this build's kernels.
fn refused(error: &str) -> String {
    let advice = if error.contains("UNSUPPORTED_PTX_VERSION") {
        "this netc was built with a CUDA toolkit that is newer than the driver: install a newer driver, or build for an older one (docs/cuda.md)"
    } else if ["NO_BINARY_FOR_GPU", "INVALID_PTX"].iter().any(|word| error.contains(word)) {
        "this netc was built for newer GPUs than this one: build it with CUDA_COMPUTE_CAP set to this GPU's (docs/cuda.md)"
    } else {
        return error.into();
    };
    format!("{advice}; it said {error}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_build_for_another_gpu_is_told() {
        assert!(refused("DriverError(CUDA_ERROR_UNSUPPORTED_PTX_VERSION, ..)").contains("newer driver"));
        assert!(refused("DriverError(CUDA_ERROR_NO_BINARY_FOR_GPU, ..)").contains("CUDA_COMPUTE_CAP"));
        assert_eq!(refused("CUDA_ERROR_ILLEGAL_ADDRESS"), "CUDA_ERROR_ILLEGAL_ADDRESS");
    }
}
