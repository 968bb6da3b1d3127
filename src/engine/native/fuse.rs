//! Which ops run as one.

use crate::lower::program::{OpKind, Program, ValueId};

/// What a plan is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Forward with batch statistics, backward.
    Train,
    /// Forward with running statistics.
    Evaluate,
}

/// A run of ops that become one step (or, for a batch norm in training, one step a pass).
#[derive(Debug, Clone, PartialEq)]
pub struct Group {
    /// The op it starts with, which decides what it is.
    pub op: usize,
    /// The batch norm folded into a convolution.
    pub norm: Option<usize>,
    /// The other side of an addition.
    pub addend: Option<ValueId>,
    /// Whether a relu ends it.
    pub relu: bool,
    /// What it makes.
    pub output: ValueId,
    /// Its last op: the place in the program where all it reads is there.
    end: usize,
}

/// Groups of ops, in an order in which they can run.
pub fn groups(program: &Program, purpose: Purpose) -> Vec<Group> {
    let mut readers = vec![Vec::new(); program.values.len()];
    for (index, op) in program.ops.iter().enumerate() {
        for input in &op.inputs {
            readers[input.0].push(index);
        }
    }
    // The only reader of a value that nobody else needs to see.
    let reader = |value: ValueId, taken: &[bool]| match readers[value.0].as_slice() {
        [only] if value != program.logits && !taken[*only] => Some(*only),
        _ => None,
    };
    let mut taken = vec![false; program.ops.len()];
    let mut groups = Vec::new();
    for (index, op) in program.ops.iter().enumerate() {
        if taken[index] {
            continue;
        }
        let mut group = Group { op: index, norm: None, addend: None, relu: false, output: op.output, end: index };
        let is_conv = matches!(op.kind, OpKind::Conv { .. });
        let extend = |group: &mut Group, taken: &mut [bool], next: usize| {
            taken[next] = true;
            group.output = program.ops[next].output;
            group.end = next;
        };
        if let (Purpose::Evaluate, true, Some(next)) = (purpose, is_conv, reader(group.output, &taken))
            && matches!(program.ops[next].kind, OpKind::BatchNorm { .. })
        {
            group.norm = Some(next);
            extend(&mut group, &mut taken, next);
        }
        let is_norm = matches!(op.kind, OpKind::BatchNorm { .. });
        let may_add = is_norm || (purpose == Purpose::Evaluate && is_conv);
        if let (true, Some(next)) = (may_add, reader(group.output, &taken))
            && let (OpKind::Add, &[a, b]) = (&program.ops[next].kind, program.ops[next].inputs.as_slice())
        {
            group.addend = Some(if a == group.output { b } else { a });
            extend(&mut group, &mut taken, next);
        }
        let may_clip = is_conv || is_norm || matches!(op.kind, OpKind::Add | OpKind::Linear { .. });
        if let (true, Some(next)) = (may_clip, reader(group.output, &taken))
            && matches!(program.ops[next].kind, OpKind::Relu)
        {
            group.relu = true;
            extend(&mut group, &mut taken, next);
        }
        groups.push(group);
    }
    groups.sort_by_key(|group| group.end);
    groups
}
