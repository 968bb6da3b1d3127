//! The most multiply-adds that this machine can do: what the kernels are measured against.

use super::isa::Isa;

/// GFLOP/s (two for a multiply-add) of `threads` threads doing nothing but independent fused multiply-adds.
pub fn measure(isa: Isa, threads: usize) -> f64 {
    let _ = (isa, threads);
    0.0
}
