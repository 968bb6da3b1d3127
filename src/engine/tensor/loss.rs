//! Softmax cross-entropy: on the tape for the gradient, and for the metrics from the logits in `f64` or, where launches
//! count, summed on the device in `f32`.

use super::device::{OnDevice, Recording, TensorDevice};
use super::value::{Line, Matrix, Rows, fetch, transposed, upload};
use crate::engine::{EngineError, Metrics, summable};
use dfdx::prelude::*;

/// The mean over the batch of −Σ target·log softmax(logits), the target being 1 − smoothing for the label and
/// smoothing / classes for every class besides. `logits` is classes × batch; dfdx's log-softmax takes the maximum off
/// first.
pub(super) fn cross_entropy<D: TensorDevice, T: Recording<D>>(
    logits: Matrix<D, T>,
    labels: &[u32],
    smoothing: f32,
) -> Result<Tensor<(), f32, D, T>, D::Err> {
    let (classes, batch) = *logits.shape();
    let scale = 1.0 / batch as f32;
    let mut weights = vec![-scale * smoothing / classes as f32; classes * batch];
    for (image, &label) in labels.iter().enumerate() {
        if let Some(weight) = weights.get_mut(label as usize * batch + image) {
            *weight -= scale * (1.0 - smoothing);
        }
    }
    let weights = upload(logits.device(), weights, classes, batch)?;
    logits.try_log_softmax::<Axis<0>>()?.try_mul(weights)?.try_sum::<(), Axes2<0, 1>>()
}

/// Log of the softmax's probabilities, classes × batch, and with labels that lie on the device of each image's own class.
#[allow(clippy::type_complexity)]
pub(super) fn log_probabilities<D: TensorDevice, T: Recording<D>>(
    logits: Matrix<D, T>,
    labels: &Rows<D>,
) -> Result<(Matrix<D>, Line<D, T>), D::Err> {
    let (all, tape) = logits.try_log_softmax::<Axis<0>>()?.split_tape();
    let images = all.clone().put_tape(tape).try_permute::<(usize, usize), Axes2<1, 0>>()?;
    Ok((all, images.try_select(labels.clone())?))
}

/// The loss of [`cross_entropy`] with labels that lie on the device, and the log of the softmax's probability of each
/// image's own class. Nothing goes to the device.
#[allow(clippy::type_complexity)]
pub(super) fn loss_there<D: TensorDevice, T: Recording<D>>(
    logits: Matrix<D, T>,
    labels: &Rows<D>,
    smoothing: f32,
) -> Result<(Tensor<(), f32, D, T>, Line<D>), D::Err> {
    let (classes, batch) = *logits.shape();
    let (all, own) = log_probabilities(logits, labels)?;
    let (own, tape) = own.split_tape();
    let of_labels = own.clone().put_tape(tape).try_mul((smoothing - 1.0) / batch as f32)?.try_sum::<(), Axis<0>>()?;
    if smoothing == 0.0 {
        return Ok((of_labels, own));
    }
    let (of_labels, tape) = of_labels.split_tape();
    let of_all = all.put_tape(tape).try_sum::<(), Axes2<0, 1>>()?.try_mul(-smoothing / (classes * batch) as f32)?;
    Ok((of_all.try_add(of_labels)?, own))
}

/// Metrics that wait on the device, so that a step need not wait for them.
#[derive(Debug)]
pub(super) struct Pending<D: TensorDevice> {
    batches: Vec<(Matrix<D>, Vec<u32>)>,
    sums: Option<Sums<D>>,
    summed: Metrics,
    /// Classes × classes: 0 for a class before that of the row, −∞ for it and those after.
    before: Option<Matrix<D>>,
}

/// Sums over batches of one size, a number a column.
#[derive(Debug)]
struct Sums<D: TensorDevice> {
    log_probabilities: Line<D>,
    hits: Line<D>,
    batches: usize,
}

/// Batches whose metrics may wait: keeps what lies on the device small, and sums in `f32` short. By now the oldest are
/// long computed.
const MOST: usize = 64;

impl<D: TensorDevice> Pending<D> {
    /// Nothing seen.
    pub fn new() -> Self {
        Self { batches: Vec::new(), sums: None, summed: Metrics::default(), before: None }
    }

    /// Remembers a batch's logits, classes × batch.
    pub fn push(&mut self, logits: Matrix<D>, labels: &[u32]) -> Result<(), EngineError> {
        if self.batches.len() >= MOST {
            self.collect()?;
        }
        self.batches.push((logits, labels.to_vec()));
        Ok(())
    }

    /// Adds a batch up on the device: its logits, classes × batch, and what [`log_probabilities`] says of each image's own class.
    pub fn add(&mut self, logits: Matrix<D>, labels: &Rows<D>, own: Line<D>) -> Result<(), EngineError> {
        if self.sums.as_ref().is_some_and(|sums| sums.batches >= MOST || sums.hits.shape() != own.shape()) {
            self.collect()?;
        }
        let hits = self.hits(logits, labels).on::<D>()?;
        match &mut self.sums {
            None => self.sums = Some(Sums { log_probabilities: own, hits, batches: 1 }),
            Some(sums) => {
                sums.log_probabilities.try_axpy(1.0, &own, 1.0).on::<D>()?;
                sums.hits.try_axpy(1.0, &hits, 1.0).on::<D>()?;
                sums.batches += 1;
            }
        }
        Ok(())
    }

    /// 1 where the first of the largest logits is that of the label, as [`measure`] has it.
    fn hits(&mut self, logits: Matrix<D>, labels: &Rows<D>) -> Result<Line<D>, D::Err> {
        let (classes, batch) = *logits.shape();
        let device = logits.device().clone();
        let before = match &self.before {
            Some(before) => before.clone(),
            None => {
                let at = |i: usize| if i % classes < i / classes { 0.0 } else { f32::NEG_INFINITY };
                let table = upload(&device, (0..classes * classes).map(at).collect(), classes, classes)?;
                self.before.insert(table).clone()
            }
        };
        let images = logits.try_permute::<(usize, usize), Axes2<1, 0>>()?;
        let own: Line<D> = images.clone().try_select(labels.clone())?;
        let best: Line<D> = images.clone().try_max::<_, Axis<1>>()?;
        let before: Matrix<D> = before.try_gather(labels.clone())?;
        let best_before: Line<D> = before.try_add(images)?.try_max::<_, Axis<1>>()?;
        let (one, zero): (Line<D>, Line<D>) = (device.try_ones_like(&(batch,))?, device.try_zeros_like(&(batch,))?);
        let first = own.gt(&best_before).try_choose(one, zero.clone())?;
        own.ge(&best).try_choose(first, zero)
    }

    /// The sums so far, which start again from nothing.
    pub fn take(&mut self) -> Result<Metrics, EngineError> {
        self.collect()?;
        Ok(std::mem::take(&mut self.summed))
    }

    fn collect(&mut self) -> Result<(), EngineError> {
        for (logits, labels) in self.batches.drain(..) {
            let (classes, batch) = *logits.shape();
            self.summed.add(measure(&transposed(&fetch(&logits)?, classes, batch), &labels, classes));
        }
        if let Some(sums) = self.sums.take() {
            let hits = fetch(&sums.hits)?;
            self.summed.add(Metrics {
                loss_sum: fetch(&sums.log_probabilities)?.iter().map(|&sum| summable(-f64::from(sum))).sum(),
                correct: hits.iter().map(|&hits| hits as u64).sum(),
                images: (hits.len() * sums.batches) as u64,
            });
        }
        Ok(())
    }
}

/// Loss and hits of batch × classes logits. Of equal largest logits the first is the answer.
fn measure(logits: &[f32], labels: &[u32], classes: usize) -> Metrics {
    let mut metrics = Metrics::default();
    for (row, &label) in logits.chunks_exact(classes.max(1)).zip(labels) {
        let (mut best, mut largest) = (0, f64::NEG_INFINITY);
        for (class, &logit) in row.iter().enumerate() {
            if f64::from(logit) > largest {
                (best, largest) = (class, f64::from(logit));
            }
        }
        let sum: f64 = row.iter().map(|&logit| (f64::from(logit) - largest).exp()).sum();
        let own = row.get(label as usize).copied().map_or(f64::NAN, f64::from);
        metrics.add(Metrics {
            loss_sum: summable(largest + sum.ln() - own),
            // NaN is nobody's class.
            correct: u64::from(best == label as usize && largest > f64::NEG_INFINITY),
            images: 1,
        });
    }
    metrics
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::tensor::value::upload_rows;

    #[test]
    fn the_first_of_equal_logits_is_the_answer() {
        let metrics = measure(&[1.0, 3.0, 3.0, 2.0, 2.0, 2.0], &[1, 2], 3);
        assert_eq!((metrics.correct, metrics.images), (1, 2));
        let first = (1f64.exp() + 2.0 * 3f64.exp()).ln() - 3.0;
        assert!((metrics.loss_sum - first - 3f64.ln()).abs() < 1e-7);
    }

    #[test]
    fn the_device_finds_what_the_host_finds() {
        let device = Cpu::default();
        let rows: [[f32; 3]; 6] = [
            [1.0, 3.0, 3.0],
            [1.0, 3.0, 3.0],
            [2.0, 2.0, 2.0],
            [2.0, 2.0, 2.0],
            [-1.0, -5.0, 4.0],
            [f32::NEG_INFINITY, f32::NEG_INFINITY, 0.0],
        ];
        let labels = [1, 2, 0, 2, 2, 2];
        let expected = measure(&rows.concat(), &labels, 3);
        assert_eq!(expected.correct, 4);
        let mut pending = Pending::new();
        for _ in 0..2 {
            let logits = upload(&device, transposed(&rows.concat(), 6, 3), 3, 6).unwrap();
            let labels = upload_rows(&device, labels.iter().map(|&label| label as usize).collect()).unwrap();
            let (_, own) = log_probabilities(logits.clone(), &labels).unwrap();
            pending.add(logits, &labels, own).unwrap();
        }
        let found = pending.take().unwrap();
        assert_eq!((found.correct, found.images), (8, 12));
        assert!((found.loss_sum - 2.0 * expected.loss_sum).abs() < 1e-5, "{found:?} {expected:?}");
        assert_eq!(pending.take().unwrap(), Metrics::default());
    }

    #[test]
    fn the_loss_is_the_same_on_the_device() {
        let device = Cpu::default();
        let logits = upload(&device, (0..15u64).map(|i| crate::random::normal(5, i)).collect(), 3, 5).unwrap();
        let labels = [2, 0, 1, 1, 0];
        let rows = upload_rows(&device, labels.iter().map(|&label| label as usize).collect()).unwrap();
        for smoothing in [0.0, 0.1, 0.9] {
            let here = cross_entropy(logits.leaky_trace(), &labels, smoothing).unwrap();
            let (there, _) = loss_there(logits.leaky_trace(), &rows, smoothing).unwrap();
            assert!((here.array() - there.array()).abs() < 1e-6, "{smoothing}");
            let (here, there) = (here.backward().get(&logits).as_vec(), there.backward().get(&logits).as_vec());
            assert!(here.iter().zip(&there).all(|(a, b)| (a - b).abs() < 1e-6), "{smoothing}: {here:?} {there:?}");
        }
    }

    #[test]
    fn large_logits_do_not_overflow_and_nan_stays() {
        let metrics = measure(&[1e30, 0.0], &[1], 2);
        assert!((metrics.loss_sum / f64::from(1e30f32) - 1.0).abs() < 1e-12);
        let lost = measure(&[f32::NAN, 0.0], &[0], 2);
        assert!(lost.loss_sum.is_nan() && lost.correct == 0);
        let all = measure(&[f32::NAN, f32::NAN], &[0], 2);
        assert!(all.loss_sum.is_nan() && all.correct == 0);
    }
}
