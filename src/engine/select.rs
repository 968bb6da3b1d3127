//! Which engine runs a program.

use super::native::kernels::isa::Isa;
use super::native::{self, Convolution, NativeEngine};
use super::tensor::TensorEngine;
use super::{Arithmetic, Engine, EngineError};
use crate::diagnostic::{Code, Diagnostic};
use crate::lower::program::Program;
use clap::ValueEnum;

/// Where a program runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Device {
    /// This machine's processor.
    #[default]
    Cpu,
    /// The CUDA device with this number, counted from 0.
    Cuda(usize),
}

impl std::fmt::Display for Device {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Device::Cpu => f.write_str("cpu"),
            Device::Cuda(ordinal) => write!(f, "cuda:{ordinal}"),
        }
    }
}

impl std::str::FromStr for Device {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let ordinal = match text {
            "cpu" => return Ok(Device::Cpu),
            "cuda" => Some(0),
            _ => text.strip_prefix("cuda:").and_then(|ordinal| ordinal.parse().ok()),
        };
        ordinal.map(Device::Cuda).ok_or_else(|| "it is `cpu`, `cuda`, or `cuda:1` for the second CUDA device".into())
    }
}

/// What runs a program on the CPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum CpuEngine {
    /// Compiled ahead for this processor
    #[default]
    Native,
    /// dfdx tensors, the reference: slow, and derived independently
    Tensor,
}

/// What `train` and `eval` take about where they run.
#[derive(Debug, Clone, Copy, Default, clap::Args)]
pub struct Selection {
    /// Where to run: `cpu`, `cuda`, or `cuda:1` for the second CUDA device
    #[arg(long, default_value_t)]
    pub device: Device,
    /// What runs it on the CPU
    #[arg(long, value_enum, default_value_t)]
    pub engine: CpuEngine,
    /// Threads of the native engine; all cores if not given. The result is the same for any number
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: Option<u16>,
    /// How the native engine computes convolutions
    #[arg(long, value_enum, default_value_t)]
    pub convolution: Convolution,
    /// Instruction set of the native engine, where it has to be that of another run.
    #[arg(skip)]
    pub isa: Option<Isa>,
}

impl Selection {
    /// What computes as `arithmetic` says; `None` where that is not known here.
    pub fn of(arithmetic: &Arithmetic, threads: Option<u16>) -> Option<Self> {
        let isa = arithmetic.instructions.as_deref().map(str::parse).transpose().ok()?;
        let convolution = arithmetic.convolution.as_deref().map(|name| Convolution::from_str(name, false));
        Some(Selection {
            device: arithmetic.device.parse().ok()?,
            engine: CpuEngine::from_str(&arithmetic.engine, false).ok()?,
            threads,
            convolution: convolution.transpose().ok()?.unwrap_or_default(),
            isa,
        })
    }
}

/// An engine for `program` as selected.
///
/// # Errors
/// [`Code::DeviceUnavailable`] when there is no such device or netc was built without it; [`Code::RunFailed`] when the
/// engine cannot take the program.
pub fn engine(selection: Selection, program: Program) -> Result<Box<dyn Engine>, Diagnostic> {
    match (selection.device, selection.engine) {
        (Device::Cpu, CpuEngine::Native) => {
            let threads = selection.threads.map(usize::from);
            let options = native::Options { threads, isa: selection.isa, convolution: selection.convolution };
            Ok(Box::new(NativeEngine::new(program, options).map_err(|error| failed(&error))?))
        }
        (Device::Cpu, CpuEngine::Tensor) => Ok(Box::new(TensorEngine::cpu(program).map_err(|error| failed(&error))?)),
        (Device::Cuda(ordinal), _) => cuda(program, ordinal),
    }
}

#[cfg(feature = "cuda")]
fn cuda(program: Program, ordinal: usize) -> Result<Box<dyn Engine>, Diagnostic> {
    Ok(Box::new(TensorEngine::cuda(program, ordinal).map_err(|error| failed(&error))?))
}

#[cfg(not(feature = "cuda"))]
fn cuda(_: Program, _: usize) -> Result<Box<dyn Engine>, Diagnostic> {
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
    fn devices_have_numbers() {
        let parse = |text: &str| text.parse::<Device>().ok();
        assert_eq!(parse("cpu"), Some(Device::Cpu));
        assert_eq!((parse("cuda"), parse("cuda:3")), (Some(Device::Cuda(0)), Some(Device::Cuda(3))));
        assert_eq!([parse("gpu"), parse("cuda:"), parse("cuda:-1"), parse("cpu:1")], [None; 4]);
    }

    #[test]
    fn a_device_that_was_not_built_says_how_to() {
        let error = engine(
            Selection { device: Device::Cuda(0), ..Selection::default() },
            mock::program(Shape::map(1, 2, 2), 2),
        )
        .err()
        .unwrap();
        assert_eq!(error.code, Code::DeviceUnavailable);
        assert!(error.help[0].contains("--features cuda"));
    }
}
