//! The instructions that a [`Program`](crate::lower::program::Program) is compiled to.
//!
//! A [`BlockStep`] is run for one block of 16 images and touches only that block's memory; a [`BarrierStep`] waits for
//! all blocks. Everything between two barriers can run block after block on any thread: there is one wait a batch norm,
//! and none in a net without.
//!
//! Block steps are of two kinds, each with an executor of its own: [`Forward`] computes values, [`Backward`] gradients.

mod backward;
mod barrier;
mod forward;

pub use backward::Backward;
pub use barrier::BarrierStep;
pub use forward::Forward;

use super::kernels::LANES;

/// A piece of a block's memory: index into the plan's table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Slot(pub usize);

/// A layer with weights: index into one of the tables of [`super::layers::Layers`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LayerIndex(pub usize);

/// One thing to do.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// Name of the program's op it serves.
    pub name: String,
    /// Whether it belongs to the backward pass, which computes some values anew by steps of [`Forward`].
    pub backward: bool,
    /// What to do.
    pub kind: Kind,
    /// Floating-point operations an image, of those that are counted (multiply-adds as two).
    pub flops: u64,
}

/// Where a step runs.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// On each block by itself.
    Block(BlockStep),
    /// Once, after every block has come so far.
    Barrier(BarrierStep),
}

/// What is done to a block.
#[derive(Debug, Clone, PartialEq)]
pub enum BlockStep {
    /// Computes values.
    Forward(Forward),
    /// Computes gradients.
    Backward(Backward),
}

impl From<Forward> for BlockStep {
    fn from(step: Forward) -> BlockStep {
        BlockStep::Forward(step)
    }
}

impl From<Backward> for BlockStep {
    fn from(step: Backward) -> BlockStep {
        BlockStep::Backward(step)
    }
}

/// Makes `slots`, which lists the slots of a step, and `rename`, which replaces one, from a single `match` over its
/// variants: its arms read the same of a step that is borrowed and of one that is borrowed to be changed.
macro_rules! slots {
    ($step:ty, |$this:ident, $each:ident| $visit:expr) => {
        impl $step {
            /// The slots it touches.
            pub(super) fn slots(&self) -> Vec<Slot> {
                let mut slots = Vec::new();
                // A step whose every arm hands it on does not change it itself.
                #[allow(unused_mut)]
                let mut $each = |slot: &Slot| slots.push(*slot);
                let $this = self;
                $visit;
                slots
            }

            /// Replaces a slot by another.
            pub(super) fn rename(&mut self, from: Slot, to: Slot) {
                let $each = |slot: &mut Slot| {
                    if *slot == from {
                        *slot = to;
                    }
                };
                let $this = self;
                $visit;
            }
        }
    };
}
use slots;

impl Step {
    /// The slots it touches.
    pub fn slots(&self) -> Vec<Slot> {
        match &self.kind {
            Kind::Block(BlockStep::Forward(step)) => step.slots(),
            Kind::Block(BlockStep::Backward(step)) => step.slots(),
            Kind::Barrier(step) => step.slots(),
        }
    }

    /// What it is called in a table.
    pub fn label(&self) -> &'static str {
        match &self.kind {
            Kind::Block(BlockStep::Forward(step)) => step.label(),
            Kind::Block(BlockStep::Backward(step)) => step.label(),
            Kind::Barrier(step) => step.label(),
        }
    }

    /// Replaces a slot by another.
    pub fn rename(&mut self, from: Slot, to: Slot) {
        match &mut self.kind {
            Kind::Block(BlockStep::Forward(step)) => step.rename(from, to),
            Kind::Block(BlockStep::Backward(step)) => step.rename(from, to),
            Kind::Barrier(step) => step.rename(from, to),
        }
    }

    /// For a step that can work in place and does not yet: what it reads there, and where it writes. Gradients are worked
    /// on in place from the start, as `compile` hands their slots from op to op.
    pub fn in_place(&self) -> Option<(Slot, Slot)> {
        match &self.kind {
            Kind::Block(BlockStep::Forward(step)) => step.in_place(),
            Kind::Block(BlockStep::Backward(_)) | Kind::Barrier(_) => None,
        }
    }
}

/// Numbers that a value of one image takes in a block's memory.
pub fn block_len(elements: usize) -> usize {
    elements * LANES
}
