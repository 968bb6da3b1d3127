//! One pass through the program.

use super::device::{OnDevice, Recording, TensorDevice};
use super::ops::channels::{Ones, add_bias};
use super::ops::norm::{Moments, batch_norm, batch_norm_fixed};
use super::ops::pointwise::{dropout_mask, relu};
use super::ops::pool::global_avg_pool;
use super::plan::Ready;
use super::value::{Matrix, upload};
use crate::engine::{EngineError, Mode};
use crate::lower::program::{Op, OpKind, ParameterId, Program, StatisticId, ValueId};
use dfdx::optim::UnusedTensors;
use dfdx::prelude::*;

/// What a pass reads.
pub(super) struct Pass<'a, D: TensorDevice> {
    pub device: &'a D,
    pub program: &'a Program,
    pub ready: &'a [Ready<D>],
    /// Index of the last op that reads each value; what nobody reads any more is dropped.
    pub last_reader: &'a [usize],
    pub parameters: &'a [Matrix<D>],
    pub statistics: &'a [Matrix<D>],
    pub ones: &'a mut Ones<D>,
    pub mode: Mode,
    pub keys: &'a [u64],
    /// Whether to look for the first output that is not finite, which takes every one of them to the host.
    pub watch: bool,
}

/// What a pass leaves behind: the logits (classes × batch), and the moments of each batch norm by the index of its op.
pub(super) struct Outcome<D: TensorDevice, T> {
    pub logits: Matrix<D, T>,
    pub moments: Vec<(usize, Moments<D>)>,
    /// Index of the op whose output is the first that is not finite, of those watched.
    pub not_finite: Option<usize>,
}

impl<'a, D: TensorDevice> Pass<'a, D> {
    /// Runs every op on `images`, elements × batch, recording on `tape`.
    pub fn run<T: Recording<D>>(&mut self, images: Matrix<D>, mut tape: T) -> Result<Outcome<D, T>, EngineError> {
        let program = self.program;
        let mut values: Vec<Option<Matrix<D>>> = vec![None; program.values.len()];
        let mut kept = UnusedTensors { ids: Vec::new() };
        self.parameters.iter().for_each(|parameter| kept.add(parameter));
        kept.add(&images);
        if let Some(first) = values.first_mut() {
            *first = Some(images);
        }
        let mut moments = Vec::new();
        let mut not_finite = None;
        for (at, (op, ready)) in program.ops.iter().zip(self.ready).enumerate() {
            let inputs = op.inputs.iter().map(|id| read(&values, *id)).collect::<Result<Vec<_>, _>>()?;
            // Before the op, so that it has the only copy: dfdx then writes its result over what is not needed again.
            for input in &op.inputs {
                if self.last_reader.get(input.0) == Some(&at)
                    && let Some(value) = values.get_mut(input.0)
                {
                    *value = None;
                }
            }
            if T::OWNS_TAPE {
                // On the way back this runs after the op is done with, when the gradients of what it made on its way,
                // the patches of a convolution above all, are of no use. dfdx would keep them to the end.
                let ids = kept.ids.clone();
                tape.add_backward_op(move |gradients| {
                    gradients.retain_leafs(&ids);
                    Ok(())
                });
            }
            let (output, of_batch) = self.op(op, ready, inputs, tape)?;
            let (output, rest) = output.split_tape();
            tape = rest;
            moments.extend(of_batch.map(|moments| (at, moments)));
            kept.add(&output);
            if self.watch && not_finite.is_none() && output.as_vec().iter().any(|x| !x.is_finite()) {
                not_finite = Some(at);
            }
            if let Some(value) = values.get_mut(op.output.0) {
                *value = Some(output);
            }
        }
        Ok(Outcome { logits: read(&values, program.logits)?.put_tape(tape), moments, not_finite })
    }

    #[allow(clippy::type_complexity)]
    fn op<T: Recording<D>>(
        &mut self,
        op: &Op,
        ready: &Ready<D>,
        inputs: Vec<Matrix<D>>,
        tape: T,
    ) -> Result<(Matrix<D, T>, Option<Moments<D>>), EngineError> {
        let mut inputs = inputs.into_iter();
        let first = inputs.next().ok_or_else(|| broken(&op.name))?;
        let batch = first.shape().1;
        let of_images = op.inputs.first() == Some(&ValueId(0));
        let channels = op.inputs.first().map_or(0, |id| self.program.shape(*id).channels());
        let x = first.put_tape(tape);
        let output = match (ready, &op.kind) {
            (Ready::Conv(conv), OpKind::Conv { weight, bias, .. }) => {
                let (weight, bias) = (self.parameter(*weight)?, self.optional(*bias)?);
                conv.forward(self.ones, x, weight, bias, of_images)
            }
            (Ready::Linear, OpKind::Linear { weight, bias }) => {
                let (weight, bias) = (self.parameter(*weight)?, self.optional(*bias)?);
                let (x, tape) = x.split_tape();
                let y = weight.clone().put_tape(tape).try_matmul(x);
                match bias {
                    Some(bias) => y.and_then(|y| add_bias(self.ones, y, bias)),
                    None => y,
                }
            }
            (Ready::BatchNorm, OpKind::BatchNorm { scale, shift, mean, variance, epsilon, .. }) => {
                let (scale, shift) = (self.parameter(*scale)?, self.parameter(*shift)?);
                if self.mode == Mode::Train {
                    let groups = self.program.norm_groups(batch);
                    let (y, moments) = batch_norm(self.ones, x, scale, shift, *epsilon, groups).on::<D>()?;
                    return Ok((y, Some(moments)));
                }
                let moments = (self.statistic(*mean)?, self.statistic(*variance)?);
                batch_norm_fixed(self.ones, x, (scale, shift), moments, *epsilon)
            }
            (Ready::Relu, _) => relu(x, self.ones.style),
            (Ready::Tanh, _) => x.try_tanh(),
            (Ready::Sigmoid, _) => x.try_sigmoid(),
            (Ready::MaxPool(pool), _) => pool.forward(x),
            (Ready::AvgPool(pool), _) => pool.forward(self.ones, x),
            (Ready::GlobalAvgPool, _) => global_avg_pool(x, channels),
            (Ready::ResponseNorm(norm), _) => norm.forward(x),
            (Ready::Dropout, OpKind::Dropout { rate, stream }) if self.mode == Mode::Train => {
                let elements = x.shape().0;
                let mask = dropout_mask(self.keys, elements, *rate, *stream);
                upload(self.device, mask, elements, batch).and_then(|mask| x.try_mul(mask))
            }
            (Ready::Dropout | Ready::Flatten, _) => Ok(x),
            (Ready::Add, _) => inputs.try_fold(x, add),
            (Ready::Concat(placements), _) => {
                let mut placements = placements.iter();
                let first = placements.next().ok_or_else(|| broken(&op.name))?.apply(x).on::<D>()?;
                inputs.zip(placements).try_fold(first, |sum, (next, placement)| {
                    let (sum, tape) = sum.split_tape();
                    placement.apply(next.put_tape(tape))?.try_add(sum)
                })
            }
            (Ready::Place(placement), _) => placement.apply(x),
            (Ready::Conv(_) | Ready::Linear | Ready::BatchNorm, _) => return Err(broken(&op.name)),
        };
        Ok((output.on::<D>()?, None))
    }

    fn parameter(&self, id: ParameterId) -> Result<&'a Matrix<D>, EngineError> {
        self.parameters.get(id.0).ok_or_else(|| broken("parameters"))
    }

    fn optional(&self, id: Option<ParameterId>) -> Result<Option<&'a Matrix<D>>, EngineError> {
        id.map(|id| self.parameter(id)).transpose()
    }

    fn statistic(&self, id: StatisticId) -> Result<&'a Matrix<D>, EngineError> {
        self.statistics.get(id.0).ok_or_else(|| broken("statistics"))
    }
}

/// dfdx cannot add a tensor to itself, so one of two that are the same is taken times 1. (A value reaches an `add`
/// twice by its name, or through a `flatten`, which moves nothing.)
fn add<D: TensorDevice, T: Recording<D>>(sum: Matrix<D, T>, next: Matrix<D>) -> Result<Matrix<D, T>, D::Err> {
    let mut ids = UnusedTensors { ids: Vec::new() };
    ids.add(&sum);
    ids.add(&next);
    if ids.ids.first() != ids.ids.get(1) {
        return sum.try_add(next);
    }
    let (sum, tape) = sum.split_tape();
    next.put_tape(tape).try_mul(1.0)?.try_add(sum)
}

fn read<D: TensorDevice>(values: &[Option<Matrix<D>>], id: ValueId) -> Result<Matrix<D>, EngineError> {
    values.get(id.0).cloned().flatten().ok_or_else(|| broken("values"))
}

/// What the checks at the start rule out.
fn broken(what: &str) -> EngineError {
    EngineError::Program(format!("`{what}`: not as it was checked"))
}
