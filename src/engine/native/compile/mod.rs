//! From a [`Program`] to steps: forward here, backward in `backward.rs`.

mod backward;
mod forward;

use super::fuse::{self, Group, Purpose};
use super::layers::Layers;
use super::step::{BarrierStep, BlockStep, Forward, Kind, Slot, Step, block_len};
use crate::engine::EngineError;
use crate::graph::dims::Shape;
use crate::lower::program::{OpKind, Program, ValueId};

/// A piece of a block's memory, not yet placed.
#[derive(Debug, Clone, PartialEq)]
pub struct SlotInfo {
    /// What it holds.
    pub name: String,
    /// Numbers.
    pub len: usize,
}

/// Steps and the memory they name.
#[derive(Debug, Clone, PartialEq)]
pub struct Compiled {
    /// In order.
    pub steps: Vec<Step>,
    /// How many of the steps are the forward pass with the loss.
    pub forward: usize,
    /// What the steps' slots are.
    pub slots: Vec<SlotInfo>,
    /// Where the logits lie.
    pub logits: Slot,
}

/// Compiles for training or evaluation.
///
/// # Errors
/// [`EngineError::Program`] for a program that its own checks should have refused.
pub fn compile(program: &Program, layers: &Layers, purpose: Purpose) -> Result<Compiled, EngineError> {
    let mut compiler = Compiler::new(program, layers, purpose);
    compiler.forward()?;
    let logits = compiler.place(program.logits)?;
    let gradient = (purpose == Purpose::Train)
        .then(|| compiler.slot(format!("gradient of {}", program.values[program.logits.0].name), program.classes()));
    compiler.block("loss", Forward::Loss { logits, gradient, smoothing: program.loss.smoothing() });
    let forward = compiler.steps.len();
    if let Some(gradient) = gradient {
        compiler.gradients[program.logits.0] = Some(gradient);
        compiler.backward()?;
    }
    Ok(Compiled { steps: compiler.steps, forward, slots: compiler.slots, logits })
}

struct Compiler<'a> {
    program: &'a Program,
    layers: &'a Layers,
    purpose: Purpose,
    groups: Vec<Group>,
    steps: Vec<Step>,
    slots: Vec<SlotInfo>,
    /// Where each value lies.
    places: Vec<Option<Slot>>,
    /// Where the gradient of each value is being summed up.
    gradients: Vec<Option<Slot>>,
    /// Values that a parameter leads to: the only ones whose gradient is of use.
    needs: Vec<bool>,
    /// The group that makes each value.
    makers: Vec<Option<usize>>,
    /// Barriers of which nothing in this pass waits; run with the next one that must be.
    deferred: Vec<Step>,
    /// Parameters whose gradient has been written, so that another use adds.
    written: Vec<bool>,
    is_backward: bool,
}

impl<'a> Compiler<'a> {
    fn new(program: &'a Program, layers: &'a Layers, purpose: Purpose) -> Self {
        let groups = fuse::groups(program, purpose);
        let values = program.values.len();
        let mut needs = vec![false; values];
        for op in &program.ops {
            let trained = matches!(op.kind, OpKind::Conv { .. } | OpKind::Linear { .. } | OpKind::BatchNorm { .. });
            needs[op.output.0] = trained || op.inputs.iter().any(|input| needs[input.0]);
        }
        let mut makers = vec![None; values];
        for (index, group) in groups.iter().enumerate() {
            makers[group.output.0] = Some(index);
        }
        Compiler {
            program,
            layers,
            purpose,
            groups,
            steps: Vec::new(),
            slots: Vec::new(),
            places: vec![None; values],
            gradients: vec![None; values],
            needs,
            makers,
            deferred: Vec::new(),
            written: vec![false; program.parameters.len()],
            is_backward: false,
        }
    }

    fn shape(&self, value: ValueId) -> Shape {
        self.program.shape(value)
    }

    fn value_len(&self, value: ValueId) -> usize {
        block_len(self.shape(value).elements())
    }

    /// A new slot of `elements` numbers an image.
    fn slot(&mut self, name: String, elements: usize) -> Slot {
        self.raw_slot(name, block_len(elements))
    }

    fn raw_slot(&mut self, name: String, len: usize) -> Slot {
        self.slots.push(SlotInfo { name, len });
        Slot(self.slots.len() - 1)
    }

    /// Makes the slot of a value that is about to be computed.
    fn new_place(&mut self, value: ValueId) -> Slot {
        let slot = self.slot(self.program.values[value.0].name.clone(), self.shape(value).elements());
        self.places[value.0] = Some(slot);
        slot
    }

    fn place(&self, value: ValueId) -> Result<Slot, EngineError> {
        let missing = || super::broken(&self.program.values[value.0].name, "it is read before it is computed");
        self.places.get(value.0).copied().flatten().ok_or_else(missing)
    }

    fn block(&mut self, name: &str, step: impl Into<BlockStep>) {
        self.block_counted(name, step, 0);
    }

    fn block_counted(&mut self, name: &str, step: impl Into<BlockStep>, flops: u64) {
        let backward = self.is_backward;
        self.steps.push(Step { name: name.into(), backward, kind: Kind::Block(step.into()), flops });
    }

    /// A barrier that the next block steps wait for, and with it all that were put off.
    fn barrier(&mut self, name: &str, step: BarrierStep) {
        self.flush();
        let backward = self.is_backward;
        self.steps.push(Step { name: name.into(), backward, kind: Kind::Barrier(step), flops: 0 });
    }

    /// A barrier that nothing in this pass waits for.
    fn defer(&mut self, name: &str, step: BarrierStep, flops: u64) {
        let backward = self.is_backward;
        self.deferred.push(Step { name: name.into(), backward, kind: Kind::Barrier(step), flops });
    }

    fn flush(&mut self) {
        self.steps.append(&mut self.deferred);
    }
}
