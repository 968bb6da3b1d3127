//! Which engine runs a program.

use super::native::kernels::isa::Isa;
use super::native::{self, Convolution, NativeEngine};
use super::tensor;
use super::{Arithmetic, Engine, EngineError};
use crate::lower::program::Program;

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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CpuEngine {
    /// Compiled ahead for this processor.
    #[default]
    Native,
    /// dfdx tensors, the reference: slow, and derived independently.
    Tensor,
}

impl CpuEngine {
    /// Both.
    pub const ALL: [CpuEngine; 2] = [CpuEngine::Native, CpuEngine::Tensor];

    /// The word for it on the command line, and in [`Arithmetic::engine`].
    pub fn name(self) -> &'static str {
        match self {
            CpuEngine::Native => "native",
            CpuEngine::Tensor => "tensor",
        }
    }
}

/// Where and how a program runs.
#[derive(Debug, Clone, Copy, Default)]
pub struct Selection {
    /// Where.
    pub device: Device,
    /// What runs it on the CPU.
    pub engine: CpuEngine,
    /// Threads of the native engine; all cores if not given. The result is the same for any number.
    pub threads: Option<u16>,
    /// How the native engine computes convolutions.
    pub convolution: Convolution,
    /// Instruction set of the native engine, where it has to be that of another run.
    pub isa: Option<Isa>,
}

impl Selection {
    /// What computes as `arithmetic` says; `None` where that is not known here.
    pub fn of(arithmetic: &Arithmetic, threads: Option<u16>) -> Option<Self> {
        let isa = arithmetic.instructions.as_deref().map(str::parse).transpose().ok()?;
        let convolution = match arithmetic.convolution.as_deref() {
            None => Convolution::default(),
            Some(name) => Convolution::ALL.into_iter().find(|convolution| convolution.name() == name)?,
        };
        Some(Selection {
            device: arithmetic.device.parse().ok()?,
            engine: CpuEngine::ALL.into_iter().find(|engine| engine.name() == arithmetic.engine)?,
            threads,
            convolution,
            isa,
        })
    }
}

/// An engine for `program` as selected.
///
/// # Errors
/// [`EngineError::NotBuilt`] when netc was built without the device, [`EngineError::Device`] when there is none, and
/// [`EngineError::Program`] when the engine cannot take the program.
pub fn engine(selection: Selection, program: Program) -> Result<Box<dyn Engine>, EngineError> {
    match (selection.device, selection.engine) {
        (Device::Cpu, CpuEngine::Native) => {
            let threads = selection.threads.map(usize::from);
            let options = native::Options { threads, isa: selection.isa, convolution: selection.convolution };
            Ok(Box::new(NativeEngine::new(program, options)?))
        }
        (Device::Cpu, CpuEngine::Tensor) => Ok(tensor::cpu(program)?),
        (Device::Cuda(ordinal), _) => cuda(program, ordinal),
    }
}

#[cfg(feature = "cuda")]
fn cuda(program: Program, ordinal: usize) -> Result<Box<dyn Engine>, EngineError> {
    Ok(tensor::on_cuda(ordinal)?(program)?)
}

#[cfg(not(feature = "cuda"))]
fn cuda(_: Program, _: usize) -> Result<Box<dyn Engine>, EngineError> {
    Err(EngineError::NotBuilt("CUDA"))
}

#[cfg(all(test, not(feature = "cuda")))]
mod tests {
    use super::*;
    use crate::engine::mock;
    use crate::graph::dims::Shape;

    #[test]
    fn devices_have_numbers() {
        let parse = |text: &str| text.parse::<Device>().ok();
        assert_eq!(parse("cpu"), Some(Device::Cpu));
        assert_eq!((parse("cuda"), parse("cuda:3")), (Some(Device::Cuda(0)), Some(Device::Cuda(3))));
        assert_eq!([parse("gpu"), parse("cuda:"), parse("cuda:-1"), parse("cpu:1")], [None; 4]);
    }

    #[test]
    fn a_device_that_was_not_built_is_refused() {
        let error = engine(
            Selection { device: Device::Cuda(0), ..Selection::default() },
            mock::program(Shape::map(1, 2, 2), 2),
        )
        .err()
        .unwrap();
        assert_eq!(error, EngineError::NotBuilt("CUDA"));
    }
}
