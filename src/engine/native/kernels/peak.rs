//! The most multiply-adds that this machine can do: what the kernels are measured against.

use super::LANES;
use super::isa::Isa;
use super::simd::{self, Simd, Task};
use std::hint::black_box;
use std::sync::Barrier;
use std::time::Instant;

/// Sums that do not wait for each other: more than latency × throughput of any core so far, and they fit the registers
/// of AVX-512; AVX2 has room for half as many.
const CHAINS: usize = 12;
const ROUNDS: usize = 25_000;

struct Chains<const N: usize>;

impl<const N: usize> Task for Chains<N> {
    type Output = f32;

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> f32 {
        let (a, b) = (simd.splat(black_box(0.999)), simd.splat(black_box(0.001)));
        let mut sums = [simd.zero(); N];
        for _ in 0..ROUNDS {
            // Eight steps a turn, so that counting turns costs nothing.
            for _ in 0..8 {
                for sum in &mut sums {
                    *sum = simd.mul_add(*sum, a, b);
                }
            }
        }
        let mut total = 0.0;
        for sum in sums {
            total += simd.sum(sum);
        }
        total
    }
}

/// GFLOP/s (two for a multiply-add) that `threads` threads reach together doing nothing but multiply-adds that do not
/// depend on each other, each in the best of a few tries; takes some 0.1 s on two idle cores.
pub fn measure(isa: Isa, threads: usize) -> f64 {
    let work = || match isa {
        Isa::Avx512 => black_box(simd::run(isa, Chains::<CHAINS>)),
        _ => black_box(simd::run(isa, Chains::<{ CHAINS / 2 }>)),
    };
    let chains = if isa == Isa::Avx512 { CHAINS } else { CHAINS / 2 };
    let operations = (2 * LANES * chains * 8 * ROUNDS) as f64;
    // Each thread's own best, so that a thread that starts late or shares its core now and then does not count.
    let barrier = Barrier::new(threads);
    let best = || {
        barrier.wait();
        (0..20).fold(f64::INFINITY, |best: f64, _| {
            let start = Instant::now();
            work();
            best.min(start.elapsed().as_secs_f64())
        })
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(best)).collect();
        workers.into_iter().filter_map(|worker| worker.join().ok()).map(|seconds| operations / seconds / 1e9).sum()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg_attr(miri, ignore)]
    fn is_some_plausible_number() {
        let peak = measure(Isa::Portable, 1);
        assert!((0.1..1e5).contains(&peak), "{peak}");
    }
}
