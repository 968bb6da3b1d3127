//! Programs that contradict themselves, which no engine may take.

use super::builder::small;
use netc::internals::graph::dims::{Padding, Pair, Shape};
use netc::internals::lower::program::{OpKind, ParameterId, Program, ValueId};

/// What spoils [`small`], by what is then wrong with it.
type Spoil = (&'static str, fn(&mut Program));

const SPOILS: &[Spoil] = &[
    ("the logits are not there", |p| p.logits = ValueId(99)),
    ("the logits are the images", |p| p.logits = ValueId(0)),
    ("an op reads nothing", |p| p.ops[2].inputs = vec![]),
    ("an op reads what comes after it", |p| p.ops[2].inputs = vec![ValueId(6)]),
    ("a relu reads two values", |p| p.ops[2].inputs.push(ValueId(1))),
    ("a value is written twice", |p| p.ops[2].output = ValueId(1)),
    ("a relu changes the shape", |p| p.values[3].shape = Shape::map(4, 6, 5)),
    ("a weight has other dimensions", |p| p.parameters[0].dims = vec![4, 2, 3, 2]),
    ("there are no parameters", |p| p.parameters.clear()),
    ("a running statistic is too short", |p| p.statistics[0].channels = 3),
    ("a pool has windows outside of the image", |p| p.values[4].shape = Shape::map(4, 5, 3)),
    ("a pool has windows within its padding", |p| {
        if let OpKind::MaxPool { padding, .. } = &mut p.ops[3].kind {
            *padding = Padding::all(2);
        }
    }),
    ("a convolution has no groups", |p| {
        if let OpKind::Conv { groups, .. } = &mut p.ops[0].kind {
            *groups = 0;
        }
    }),
    ("a stride is 0", |p| {
        if let OpKind::Conv { stride, .. } = &mut p.ops[0].kind {
            *stride = Pair::new(1, 0);
        }
    }),
    ("a convolution's stride gives another size", |p| {
        if let OpKind::Conv { stride, .. } = &mut p.ops[0].kind {
            *stride = Pair::square(2);
        }
    }),
    ("a bias is a weight", |p| {
        if let OpKind::Linear { bias, .. } = &mut p.ops[6].kind {
            *bias = Some(ParameterId(0));
        }
    }),
];

/// Each of the programs, with what is wrong with it.
pub fn contradictions() -> impl Iterator<Item = (&'static str, Program)> {
    SPOILS.iter().map(|(wrong, spoil)| {
        let mut program = small();
        spoil(&mut program);
        (*wrong, program)
    })
}
