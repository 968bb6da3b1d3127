//! Runs a plan.
//!
//! The block steps between two barriers go block by block, each block on whichever thread is free: a block's memory is
//! its own, and what a step computes depends on nothing else, so the results are the same bits for any number of
//! threads.

mod backward;
mod barrier;
mod block;
mod forward;
mod norm;
mod threads;
pub mod tree;

pub use barrier::linear_scratch;
pub(crate) use norm::set_coefficients;
pub use threads::ThreadPool;

use super::blocking::Blocking;
use super::fuse::Purpose;
use super::kernels::isa::Isa;
use super::kernels::loss::BlockLoss;
use super::layers::Layers;
use super::plan::Plan;
use super::step::{Kind, Slot};
use crate::data::batch::Batch;
use crate::engine::EngineError;
use rayon::prelude::*;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// Time spent in each step, over all threads, in nanoseconds.
#[derive(Debug, Default)]
pub struct Profile {
    /// One a step of the plan.
    pub nanoseconds: Vec<AtomicU64>,
}

impl Profile {
    /// For so many steps.
    pub fn new(steps: usize) -> Profile {
        Profile { nanoseconds: (0..steps).map(|_| AtomicU64::new(0)).collect() }
    }

    fn add(&self, step: usize, since: Instant) {
        if let Some(time) = self.nanoseconds.get(step) {
            time.fetch_add(since.elapsed().as_nanos() as u64, Ordering::Relaxed);
        }
    }
}

/// What all steps read.
pub struct Context<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// What it is for.
    pub purpose: Purpose,
    /// Instruction set.
    pub isa: Isa,
    /// Threads.
    pub threads: &'a ThreadPool,
    /// Parameters, in the program's order.
    pub parameters: &'a [Vec<f32>],
    /// The batch.
    pub batch: &'a Batch<'a>,
    /// How it is cut into blocks, and these into groups.
    pub blocking: Blocking,
    /// Its images, N×C×H×W.
    pub pixels: &'a [f32],
    /// Numbers of an input image.
    pub input_len: usize,
    /// Whether running statistics move.
    pub move_statistics: bool,
    /// Threads that share a block in its convolutions: more than one where there are fewer blocks than threads.
    pub threads_per_block: usize,
    /// Where time is counted, if it is.
    pub profile: Option<&'a Profile>,
}

/// What steps write besides the blocks.
pub struct Outputs<'a> {
    /// Layers: barriers set the coefficients of batch norms.
    pub layers: &'a mut Layers,
    /// Gradient of each parameter.
    pub gradients: &'a mut [Vec<f32>],
    /// Running statistics.
    pub statistics: &'a mut [Vec<f32>],
    /// One a block.
    pub losses: &'a mut [BlockLoss],
}

impl Context<'_> {
    fn timed<R>(&self, step: usize, f: impl FnOnce() -> R) -> R {
        let Some(profile) = self.profile else { return f() };
        let start = Instant::now();
        let result = f();
        profile.add(step, start);
        result
    }

    /// Trains on, or runs forward, the first `steps` of the plan, all blocks in step with each other. `memory` holds a
    /// run of `block_len` numbers a block.
    ///
    /// # Errors
    /// [`EngineError::Program`] for a plan that is broken.
    pub fn run(&self, steps: usize, memory: &mut [f32], outputs: &mut Outputs<'_>) -> Result<(), EngineError> {
        for segment in self.plan.segments.iter().take_while(|segment| segment.end <= steps) {
            match self.plan.steps[segment.start].kind {
                Kind::Block(_) => {
                    let layers = &*outputs.layers;
                    let blocks = memory.par_chunks_exact_mut(self.plan.block_len.max(1));
                    let items = blocks.zip(outputs.losses.par_iter_mut()).enumerate();
                    self.threads.each(items, |(block, (memory, loss))| {
                        self.run_block(segment.clone(), block, memory, loss, layers)
                    })?;
                }
                Kind::Barrier(_) => {
                    for index in segment.clone() {
                        if let Kind::Barrier(step) = &self.plan.steps[index].kind {
                            self.timed(index, || self.run_barrier(step, memory, outputs))?;
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// Runs a plan without barriers. Each thread takes blocks one after the other through the whole plan in the same
    /// memory, which stays in its cache: `memory` holds a run of `block_len` numbers a thread. `take` gets the logits.
    ///
    /// # Errors
    /// As [`Context::run`].
    pub fn run_apart(
        &self,
        memory: &mut [f32],
        layers: &Layers,
        losses: &[Mutex<BlockLoss>],
        take: impl Fn(usize, &[f32]) + Sync + Send,
    ) -> Result<(), EngineError> {
        let next = AtomicUsize::new(0);
        let workers = memory.par_chunks_exact_mut(self.plan.block_len.max(1));
        self.threads.each(workers, |memory| {
            loop {
                let block = next.fetch_add(1, Ordering::Relaxed);
                let Some(loss) = losses.get(block) else { return Ok(()) };
                let mut loss = loss.lock().unwrap_or_else(PoisonError::into_inner);
                self.run_block(0..self.plan.steps.len(), block, memory, &mut loss, layers)?;
                take(block, slice(memory, self.plan, self.plan.logits)?);
            }
        })
    }

    fn run_block(
        &self,
        steps: Range<usize>,
        block: usize,
        memory: &mut [f32],
        loss: &mut BlockLoss,
        layers: &Layers,
    ) -> Result<(), EngineError> {
        let work = block::Work {
            context: self,
            layers,
            images: self.blocking.images(block),
            group: self.blocking.group_of(block),
        };
        for index in steps {
            if let Kind::Block(step) = &self.plan.steps[index].kind {
                self.timed(index, || work.run(step, memory, loss))?;
            }
        }
        Ok(())
    }
}

fn overlap() -> EngineError {
    super::broken("memory plan", "slots of one step overlap or leave the block")
}

/// A slot of a block.
fn slice<'m>(memory: &'m [f32], plan: &Plan, slot: Slot) -> Result<&'m [f32], EngineError> {
    memory.get(plan.slots[slot.0].range()).ok_or_else(overlap)
}

/// Several slots of a block; that they lie apart is checked.
fn slices<'m, const N: usize>(
    memory: &'m mut [f32],
    plan: &Plan,
    slots: [Slot; N],
) -> Result<[&'m mut [f32]; N], EngineError> {
    memory.get_disjoint_mut(slots.map(|slot| plan.slots[slot.0].range())).map_err(|_| overlap())
}
