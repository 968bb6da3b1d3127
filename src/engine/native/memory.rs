//! The memory that a plan's blocks live in.

use super::kernels::{LANES, huge_pages};
use crate::engine::EngineError;
use dfdx::tensor::{Cpu, Storage};

/// One run of numbers in dfdx's CPU storage, from the first cache line on.
///
/// dfdx gives the alignment of an `f32`; sixteen numbers more than asked for let the run start at a multiple of 64
/// bytes, without which every vector would straddle two cache lines.
pub struct Arena {
    storage: <Cpu as Storage<f32>>::Vec,
    start: usize,
    len: usize,
}

impl Arena {
    /// `len` zeros.
    ///
    /// # Errors
    /// [`EngineError::Device`] when there is not so much memory.
    pub fn new(len: usize) -> Result<Arena, EngineError> {
        let full = || EngineError::Device {
            device: "cpu",
            message: format!("a batch of this size takes {} MiB, and there is not so much memory", len >> 18),
        };
        // dfdx aborts where it cannot allocate: what cannot be had is found out by asking for it first.
        Vec::<f32>::new().try_reserve_exact(len + LANES).map_err(|_| full())?;
        let mut storage = Storage::<f32>::try_alloc_len(&Cpu::default(), len + LANES).map_err(|_| full())?;
        huge_pages::prefer(storage.as_mut_ptr().cast(), 4 * storage.len());
        let start = storage.as_ptr().align_offset(64).min(LANES);
        Ok(Arena { storage, start, len })
    }

    /// Numbers.
    pub fn len(&self) -> usize {
        self.len
    }

    /// The numbers.
    pub fn numbers(&self) -> &[f32] {
        &self.storage[self.start..self.start + self.len]
    }

    /// The numbers, to be written.
    pub fn numbers_mut(&mut self) -> &mut [f32] {
        &mut self.storage[self.start..self.start + self.len]
    }
}

impl std::fmt::Debug for Arena {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Arena({} numbers)", self.len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_had_is_an_error() {
        // Half of a 64-bit address space.
        assert!(matches!(Arena::new(1 << 61), Err(EngineError::Device { .. })));
        assert_eq!(Arena::new(100).unwrap().numbers(), [0.0; 100]);
    }
}
