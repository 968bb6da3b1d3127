//! What kind of numbers each engine computes in. A later engine, or a later way of computing of one that is here, adds
//! its own in [`of`], and in [`ENGINES`] where it is a new engine.

use super::EngineError;
use super::select::{CpuEngine, Device};
use crate::diagnostic::suggest;
use serde::Serialize;

/// A kind of numbers that products are computed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// 32-bit floats throughout.
    #[default]
    Fp32,
    /// 32-bit floats whose products take 10 bits behind the point of each factor (NVIDIA's tensor cores).
    Tf32,
    /// Products of 16-bit floats with the range of 32-bit ones, added up in 32 bits.
    Bf16,
    /// Products of IEEE's 16-bit floats, added up in 32 bits.
    Fp16,
}

impl Precision {
    /// All that have a word.
    pub const ALL: [Precision; 4] = [Precision::Fp32, Precision::Tf32, Precision::Bf16, Precision::Fp16];

    /// The word for it in a recipe.
    pub fn name(self) -> &'static str {
        match self {
            Precision::Fp32 => "fp32",
            Precision::Tf32 => "tf32",
            Precision::Bf16 => "bf16",
            Precision::Fp16 => "fp16",
        }
    }
}

/// Every engine with its place, whether or not this netc was built with it.
pub const ENGINES: [(Device, CpuEngine); 3] =
    [(Device::Cpu, CpuEngine::Native), (Device::Cpu, CpuEngine::Tensor), (Device::Cuda(0), CpuEngine::Tensor)];

/// What an engine has, its own first. The choice among engines of the CPU says nothing on CUDA.
pub fn of(device: Device, engine: CpuEngine) -> &'static [Precision] {
    match (device, engine) {
        (Device::Cpu, CpuEngine::Native | CpuEngine::Tensor) | (Device::Cuda(_), _) => &[Precision::Fp32],
    }
}

/// Whether any engine has it.
pub fn exists(precision: Precision) -> bool {
    ENGINES.iter().any(|&(device, engine)| of(device, engine).contains(&precision))
}

/// `the native engine on cpu has fp32; …`: what each engine has.
pub fn list() -> String {
    let one = |&(device, engine): &(Device, CpuEngine)| {
        format!("{} has {}", name(device, engine), suggest::list(of(device, engine).iter().map(|p| p.name())))
    };
    ENGINES.iter().map(one).collect::<Vec<_>>().join("; ")
}

fn name(device: Device, engine: CpuEngine) -> String {
    match device {
        Device::Cpu => format!("the {} engine on cpu", engine.name()),
        Device::Cuda(_) => format!("the {} engine on cuda", CpuEngine::Tensor.name()),
    }
}

/// That the engine of a selection has it.
///
/// # Errors
/// [`EngineError::Precision`] that says which engine does.
pub fn require(device: Device, engine: CpuEngine, precision: Precision) -> Result<(), EngineError> {
    if of(device, engine).contains(&precision) {
        return Ok(());
    }
    Err(EngineError::Precision { engine: name(device, engine), precision: precision.name(), known: list() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_engine_has_fp32_and_says_what_it_has_not() {
        for (device, engine) in ENGINES {
            assert_eq!(require(device, engine, Precision::Fp32), Ok(()));
        }
        let error = require(Device::Cpu, CpuEngine::Native, Precision::Bf16).unwrap_err();
        let message = "the native engine on cpu does not compute in bf16: the native engine on cpu has `fp32`; ";
        assert!(error.to_string().starts_with(message), "{error}");
        assert_eq!(Precision::ALL.map(exists), [true, false, false, false]);
    }
}
