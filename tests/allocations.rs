//! The steady state allocates nothing of its own. One test in this file: the count is the process's.
//!
//! What remains is rayon's queue of jobs from outside the pool, which takes a new segment of about 1.5 KB (and frees the
//! old one) every 63 handovers; a training step is one handover, an evaluation another.

// Clippy's leave for tests ends at the functions they share.
#![allow(unsafe_code, clippy::unwrap_used, clippy::panic)]

mod support;

use netc::internals::engine::native::{NativeEngine, Options};
use netc::internals::engine::{Engine, Update};
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};
use support::builder::{cifarnet, lenet5, resnet_cifar};
use support::{OwnedBatch, random_state};

struct Counting;

static CALLS: AtomicUsize = AtomicUsize::new(0);
static BYTES: AtomicUsize = AtomicUsize::new(0);

// SAFETY: everything is handed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        CALLS.fetch_add(1, Ordering::Relaxed);
        BYTES.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promise about `layout` is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: `pointer` came from `System.alloc` with this `layout`.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn steady_steps_allocate_nothing() {
    for (program, len) in [(lenet5(), 40), (cifarnet(), 20), (resnet_cifar(1), 40)] {
        let decay = vec![1e-4; program.parameters.len()];
        let batch = OwnedBatch::random(&program, len, 3);
        let state = random_state(&program, 2);
        let mut engine = NativeEngine::new(program, Options { threads: Some(2), ..Options::default() }).unwrap();
        engine.load(&state).unwrap();
        let mut step = || {
            let update = Update::sgd(0.01, 0.9, &decay);
            engine.train_step(&batch.get(), &update).unwrap();
            engine.evaluate(&batch.get()).unwrap();
            engine.read_metrics().unwrap();
        };
        for _ in 0..3 {
            step();
        }
        let before = (CALLS.load(Ordering::Relaxed), BYTES.load(Ordering::Relaxed));
        const STEPS: usize = 16;
        for _ in 0..STEPS {
            step();
        }
        let (calls, bytes) = (CALLS.load(Ordering::Relaxed) - before.0, BYTES.load(Ordering::Relaxed) - before.1);
        println!("{calls} allocations, {bytes} bytes in {STEPS} steps");
        assert!(calls <= 1 && bytes < 2048, "{calls} allocations of {bytes} bytes in {STEPS} steps and evaluations");
    }
}
