//! Passes over a batch, and what the engine keeps of them: its images and labels put on the device, the loss, the
//! gradients, the running statistics.

use super::TensorEngine;
use super::device::{KernelStyle, OnDevice, Recording, TensorDevice};
use super::forward::{Outcome, Pass};
use super::images::ResidentSet;
use super::loss::{cross_entropy, loss_there};
use super::ops::norm::Moments;
use super::value::{Matrix, Rows, fetch, transposed, upload, upload_rows};
use crate::data::batch::{Batch, Images, SetId};
use crate::engine::{EngineError, Mode, batch};
use crate::lower::program::{OpKind, VarianceEstimate};
use dfdx::prelude::*;

impl<D: TensorDevice> TensorEngine<D> {
    /// One pass over a batch.
    pub(super) fn run<T: Recording<D>>(
        &mut self,
        batch: &Batch<'_>,
        mode: Mode,
        tape: T,
    ) -> Result<Outcome<D, T>, EngineError> {
        self.pass(batch, mode, tape, false)
    }

    pub(super) fn pass<T: Recording<D>>(
        &mut self,
        batch: &Batch<'_>,
        mode: Mode,
        tape: T,
        watch: bool,
    ) -> Result<Outcome<D, T>, EngineError> {
        let images = self.images(batch)?;
        let mut pass = Pass {
            device: &self.device,
            program: &self.program,
            ready: &self.ready,
            last_reader: &self.last_reader,
            parameters: &self.parameters,
            statistics: &self.statistics,
            ones: &mut self.ones,
            mode,
            keys: batch.keys,
            watch,
        };
        pass.run(images, tape)
    }

    /// The images of a batch, elements × batch.
    pub(super) fn images(&mut self, batch: &Batch<'_>) -> Result<Matrix<D>, EngineError> {
        let of_set = |id: SetId| self.sets.get(id.0).map(|images| images.set().split.len());
        batch::validate(batch, &self.program, of_set)?;
        let count = batch.len();
        if self.batch_size != count {
            // Nothing cached fits another batch size, and the cache never forgets by itself.
            self.ones.clear();
            self.device.try_empty_cache().on::<D>()?;
            self.batch_size = count;
        }
        match batch.images {
            Images::Pixels(pixels) => {
                let elements = self.program.input().elements();
                upload(&self.device, transposed(pixels, count, elements), elements, count).on::<D>()
            }
            Images::Resident { set, indices, variations } => {
                self.set(set)?.batch(&self.device, indices, variations).on::<D>()
            }
        }
    }

    fn set(&self, id: SetId) -> Result<&ResidentSet<D>, EngineError> {
        self.sets.get(id.0).ok_or_else(|| EngineError::Batch("its images are not on the device".into()))
    }

    /// Class indices, on the device.
    pub(super) fn labels(&self, labels: &[u32]) -> Result<Rows<D>, EngineError> {
        upload_rows(&self.device, labels.iter().map(|&label| label as usize).collect()).on::<D>()
    }

    /// Forward and backward in [`Mode::Train`]; `measured` also adds the batch to the metrics.
    #[allow(clippy::type_complexity)]
    pub(super) fn differentiate(
        &mut self,
        batch: &Batch<'_>,
        measured: bool,
    ) -> Result<(Gradients<f32, D>, Vec<(usize, Moments<D>)>), EngineError> {
        let outcome = self.run(batch, Mode::Train, OwnedTape::<f32, D>::default())?;
        let (logits, tape) = outcome.logits.split_tape();
        let smoothing = self.program.loss.smoothing();
        let taped = logits.clone().put_tape(tape);
        let loss = match self.ones.style {
            KernelStyle::Gemm => {
                if measured {
                    self.pending.push(logits, batch.labels)?;
                }
                cross_entropy(taped, batch.labels, smoothing).on::<D>()?
            }
            KernelStyle::FewLaunches => {
                let labels = self.labels(batch.labels)?;
                let (loss, own) = loss_there(taped, &labels, smoothing).on::<D>()?;
                if measured {
                    self.pending.add(logits, &labels, own)?;
                }
                loss
            }
        };
        Ok((loss.try_backward().on::<D>()?, outcome.moments))
    }

    /// Whether every parameter is a finite number. What goes wrong on the way there, in the activations too, comes to
    /// the parameters with the next step: a gradient is a product with what was bad.
    pub(super) fn is_finite(&self) -> Result<bool, EngineError> {
        let mut sums = None;
        for parameter in &self.parameters {
            let sum = parameter.clone().try_sum::<(), Axes2<0, 1>>().on::<D>()?;
            sums = Some(match sums {
                None => sum,
                Some(sums) => sum.try_add(sums).on::<D>()?,
            });
        }
        let Some(sums) = sums else { return Ok(true) };
        Ok(fetch::<D, ()>(&sums)?.iter().all(|sum| sum.is_finite()))
    }

    /// Moves the running statistics towards the moments of a batch: the mean over its groups, weighted by their images.
    pub(super) fn follow(&mut self, moments: Vec<(usize, Moments<D>)>) -> Result<(), EngineError> {
        for (op, moments) in moments {
            let Some(OpKind::BatchNorm { mean, variance, decay, running_variance, .. }) =
                self.program.ops.get(op).map(|op| &op.kind)
            else {
                continue;
            };
            let batch = moments.images.iter().sum::<usize>() as f64;
            let share = |images: usize| images as f64 / batch;
            let corrected = |images: usize| {
                let count = (images * moments.plane) as f64;
                let correction = match running_variance {
                    VarianceEstimate::Unbiased if count > 1.0 => count / (count - 1.0),
                    VarianceEstimate::Unbiased | VarianceEstimate::Biased => 1.0,
                };
                share(images) * correction
            };
            let shares: Vec<f64> = moments.images.iter().copied().map(share).collect();
            let corrected: Vec<f64> = moments.images.iter().copied().map(corrected).collect();
            let decay = f64::from(*decay);
            if let Some(running) = self.statistics.get_mut(mean.0) {
                towards(running, decay, moments.mean, &shares).on::<D>()?;
            }
            if let Some(running) = self.statistics.get_mut(variance.0) {
                towards(running, decay, moments.variance, &corrected).on::<D>()?;
            }
        }
        Ok(())
    }
}

/// decay·running + (1 − decay)·Σ weight·moment, over the columns of `moments`, one a group.
fn towards<D: TensorDevice>(
    running: &mut Matrix<D>,
    decay: f64,
    moments: Matrix<D>,
    weights: &[f64],
) -> Result<(), D::Err> {
    if let [weight] = weights {
        return running.try_axpy(decay, &moments, (1.0 - decay) * weight);
    }
    let column = weights.iter().map(|&weight| weight as f32).collect();
    let column = upload(running.device(), column, weights.len(), 1)?;
    running.try_axpy(decay, &moments.try_matmul(column)?, 1.0 - decay)
}
