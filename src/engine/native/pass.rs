//! One pass over a batch: room for it, weights packed for the kernels, then the steps of a plan.

use super::blocking::Blocking;
use super::exec::{Context, Outputs};
use super::kernels::loss::BlockLoss;
use super::layers::Layers;
use super::memory::Arena;
use super::{NativeEngine, Purpose, fold};
use crate::data::batch::Batch;
use crate::engine::{EngineError, batch};
use rayon::prelude::*;
use std::sync::Mutex;

/// How far a pass in training mode goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TrainingPass {
    /// To the logits; running statistics stay as they are.
    Forward,
    /// To the gradients; running statistics stay as they are.
    Gradients,
    /// To the gradients, and running statistics move.
    Step,
}

/// Which packed weights are up to date.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Packed {
    pub(super) forward: bool,
    pub(super) backward: bool,
    pub(super) folded: bool,
}

impl NativeEngine {
    /// How a batch of so many images is cut: evaluation knows no groups.
    pub(super) fn blocking(&self, purpose: Purpose, images: usize) -> Blocking {
        let group = self.program.norm_group.filter(|_| purpose == Purpose::Train);
        Blocking::new(images, group)
    }

    /// Makes room for a batch: allocates only when there has not been one so large.
    fn reserve(&mut self, purpose: Purpose, images: usize) -> Result<(), EngineError> {
        let len = self.activation_bytes(purpose, images) / 4;
        if self.arena.len() < len {
            self.arena = Arena::new(0)?;
            self.arena = Arena::new(len)?;
        }
        let blocking = self.blocking(purpose, images);
        let blocks = blocking.blocks();
        if purpose == Purpose::Train {
            self.layers.reserve_groups(blocking.groups());
            self.threads.reserve_scratch(self.layers.scratch_len(&self.program, blocks));
        }
        if self.losses.len() < blocks {
            self.losses.resize(blocks, BlockLoss::default());
            self.shared_losses.resize_with(blocks, Mutex::default);
        }
        Ok(())
    }

    /// A pass in training mode. The losses lie in `self.losses`.
    pub(super) fn run_train(&mut self, batch: &Batch<'_>, pass: TrainingPass) -> Result<(), EngineError> {
        let pixels = batch::pixels(batch, &self.program)?;
        let forward_only = pass == TrainingPass::Forward;
        self.reserve(Purpose::Train, batch.len())?;
        self.pack(Purpose::Train, forward_only);
        let blocking = self.blocking(Purpose::Train, batch.len());
        let blocks = blocking.blocks();
        let context = Context {
            plan: &self.train,
            purpose: Purpose::Train,
            isa: self.isa,
            threads: &self.threads,
            parameters: &self.parameters,
            batch,
            blocking,
            pixels,
            input_len: self.program.input().elements(),
            move_statistics: pass == TrainingPass::Step,
            threads_per_block: self.threads.count() / blocks,
            profile: self.profile.as_ref().map(|(train, _)| train),
        };
        let mut outputs = Outputs {
            layers: &mut self.layers,
            gradients: &mut self.gradients,
            statistics: &mut self.statistics,
            losses: &mut self.losses[..blocks],
        };
        let memory = &mut self.arena.numbers_mut()[..blocks * self.train.block_len];
        let steps = if forward_only { self.train.forward } else { self.train.steps.len() };
        self.threads.install(|| context.run(steps, memory, &mut outputs))
    }

    /// Forward in evaluation mode. The losses lie in `self.shared_losses`.
    pub(super) fn run_evaluate(
        &mut self,
        batch: &Batch<'_>,
        take: impl Fn(usize, &[f32]) + Sync + Send,
    ) -> Result<(), EngineError> {
        let pixels = batch::pixels(batch, &self.program)?;
        self.reserve(Purpose::Evaluate, batch.len())?;
        self.pack(Purpose::Evaluate, true);
        let blocking = self.blocking(Purpose::Evaluate, batch.len());
        let blocks = blocking.blocks();
        let context = Context {
            plan: &self.evaluate,
            purpose: Purpose::Evaluate,
            isa: self.isa,
            threads: &self.threads,
            parameters: &self.parameters,
            batch,
            blocking,
            pixels,
            input_len: self.program.input().elements(),
            move_statistics: false,
            threads_per_block: self.threads.count() / blocks,
            profile: self.profile.as_ref().map(|(_, evaluate)| evaluate),
        };
        let workers = self.threads.count().min(blocks);
        let memory = &mut self.arena.numbers_mut()[..workers * self.evaluate.block_len];
        let (layers, losses) = (&self.layers, &self.shared_losses[..blocks]);
        self.threads.install(|| context.run_apart(memory, layers, losses, take))
    }

    /// Brings the packed weights that a pass needs up to date, and the coefficients of evaluation.
    fn pack(&mut self, purpose: Purpose, forward_only: bool) {
        let parameters = &self.parameters;
        let (forward, backward) = match purpose {
            Purpose::Train => (!self.packed.forward, !self.packed.backward && !forward_only),
            Purpose::Evaluate => (!self.packed.forward, false),
        };
        // The coefficients are those of the last batch after a training pass.
        let folded = purpose == Purpose::Evaluate && !self.packed.folded;
        if purpose == Purpose::Train {
            self.packed.folded = false;
        }
        if folded {
            fold::evaluation_coefficients(&mut self.layers.norms, parameters, &self.statistics);
        }
        if !(forward || backward || folded) {
            return;
        }
        let Layers { convs, norms, .. } = &mut self.layers;
        self.threads.install(|| {
            convs.par_iter_mut().for_each(|conv| {
                let weights = &parameters[conv.weight];
                if forward {
                    conv.kernel.pack_forward(weights, &mut conv.forward);
                }
                if backward {
                    conv.kernel.pack_backward(weights, &mut conv.backward);
                }
                if folded {
                    fold::fold(conv, norms, parameters);
                }
            });
        });
        self.packed.forward |= forward;
        self.packed.backward |= backward;
        self.packed.folded |= folded;
    }
}
