//! The threads that work on blocks, and the scratch that each of them has.

use crate::engine::EngineError;
use crate::engine::native::kernels::buffer::Buffer;
use rayon::prelude::*;
use std::sync::{Mutex, PoisonError};

/// Threads, and one scratch for each.
#[derive(Debug)]
pub struct ThreadPool {
    pool: rayon::ThreadPool,
    scratch: Vec<Mutex<Buffer>>,
}

impl ThreadPool {
    /// So many threads, each with so many numbers of scratch.
    ///
    /// # Errors
    /// [`EngineError::Device`] when the threads cannot be had.
    pub fn new(threads: usize, scratch_len: usize) -> Result<ThreadPool, EngineError> {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads.max(1))
            .thread_name(|index| format!("netc-{index}"))
            .build()
            .map_err(|error| EngineError::Device { device: "cpu", message: error.to_string() })?;
        let scratch = (0..threads.max(1)).map(|_| Mutex::new(Buffer::zeroed(scratch_len))).collect();
        Ok(ThreadPool { pool, scratch })
    }

    /// Number of threads.
    pub fn count(&self) -> usize {
        self.scratch.len()
    }

    /// Bytes of all scratch.
    pub fn bytes(&self) -> usize {
        self.scratch.iter().map(|scratch| 4 * scratch.lock().unwrap_or_else(PoisonError::into_inner).len()).sum()
    }

    /// Gives every thread at least so many numbers of scratch.
    pub fn reserve_scratch(&self, len: usize) {
        for scratch in &self.scratch {
            let mut scratch = scratch.lock().unwrap_or_else(PoisonError::into_inner);
            if scratch.len() < len {
                *scratch = Buffer::zeroed(len);
            }
        }
    }

    /// Runs `f` on one of the threads and waits for it, as rayon's function of that name does: from there
    /// [`ThreadPool::each`] reaches the other threads without a handover.
    pub fn install<R: Send>(&self, f: impl FnOnce() -> R + Send) -> R {
        self.pool.install(f)
    }

    /// Runs `f` for each item, on all threads. Only within [`ThreadPool::install`].
    pub fn each<I>(
        &self,
        items: I,
        f: impl Fn(I::Item) -> Result<(), EngineError> + Sync + Send,
    ) -> Result<(), EngineError>
    where
        I: IndexedParallelIterator,
    {
        items.with_max_len(1).try_for_each(f)
    }

    /// The scratch of the thread that asks. `f` must not hand work to other threads: this one would take on some of
    /// theirs while it waits, and ask for its scratch again.
    pub(super) fn with_scratch<R>(&self, f: impl FnOnce(&mut [f32]) -> R) -> R {
        let own = rayon::current_thread_index().unwrap_or(0) % self.scratch.len();
        let mut scratch = self.scratch[own].lock().unwrap_or_else(PoisonError::into_inner);
        f(&mut scratch)
    }
}
