//! Which engine runs a program.

use super::{Engine, EngineError};
use crate::diagnostic::{Code, Diagnostic};
use crate::lower::program::Program;

/// Where a program runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Device {
    /// This machine's processor.
    #[default]
    Cpu,
    /// The first CUDA device.
    Cuda,
}

/// An engine for `program` on `device`.
///
/// # Errors
/// [`Code::DeviceUnavailable`] when there is no such device or netc was built without it; [`Code::RunFailed`] when the
/// engine cannot take the program.
pub fn engine(device: Device, program: Program) -> Result<Box<dyn Engine>, Diagnostic> {
    match device {
        Device::Cpu => cpu(program),
        Device::Cuda => cuda(program),
    }
}

fn cpu(program: Program) -> Result<Box<dyn Engine>, Diagnostic> {
    Ok(Box::new(super::tensor::TensorEngine::cpu(program).map_err(|error| failed(&error))?))
}

#[cfg(feature = "cuda")]
fn cuda(program: Program) -> Result<Box<dyn Engine>, Diagnostic> {
    Ok(Box::new(super::tensor::TensorEngine::cuda(program, 0).map_err(|error| failed(&error))?))
}

#[cfg(not(feature = "cuda"))]
fn cuda(_: Program) -> Result<Box<dyn Engine>, Diagnostic> {
    let message = "this netc was built without CUDA";
    let help =
        "build one with it, which needs the CUDA toolkit: `cargo build --release --features cuda` (docs/cuda.md)";
    Err(Diagnostic::new(Code::DeviceUnavailable, message).help(help).help("or leave out `--device cuda`"))
}

fn failed(error: &EngineError) -> Diagnostic {
    let code = match error {
        EngineError::Device { .. } => Code::DeviceUnavailable,
        EngineError::Program(_) | EngineError::Batch(_) | EngineError::State(_) => Code::RunFailed,
    };
    Diagnostic::new(code, error.to_string())
}

#[cfg(all(test, not(feature = "cuda")))]
mod tests {
    use super::*;
    use crate::graph::dims::Shape;
    use crate::train::mock;

    #[test]
    fn a_device_that_was_not_built_says_how_to() {
        let error = engine(Device::Cuda, mock::program(Shape::map(1, 2, 2), 2)).err().unwrap();
        assert_eq!(error.code, Code::DeviceUnavailable);
        assert!(error.help[0].contains("--features cuda"));
    }
}
