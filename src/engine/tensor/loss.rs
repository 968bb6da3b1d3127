//! Softmax cross-entropy: on the tape for the gradient, and from the logits in `f64` for the metrics.

use super::device::{Recording, TensorDevice};
use super::value::{Matrix, transposed, upload};
use crate::engine::{Metrics, summable};
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

/// Metrics that wait on the device, so that a step need not wait for them.
#[derive(Debug)]
pub(super) struct Pending<D: TensorDevice> {
    batches: Vec<(Matrix<D>, Vec<u32>)>,
    summed: Metrics,
}

impl<D: TensorDevice> Pending<D> {
    /// Nothing seen.
    pub fn new() -> Self {
        Self { batches: Vec::new(), summed: Metrics::default() }
    }

    /// Remembers a batch's logits, classes × batch.
    pub fn push(&mut self, logits: Matrix<D>, labels: &[u32]) {
        // Keeps what lies on the device small; by now the oldest are long computed.
        const MOST: usize = 64;
        if self.batches.len() >= MOST {
            self.collect();
        }
        self.batches.push((logits, labels.to_vec()));
    }

    /// The sums so far, which start again from nothing.
    pub fn take(&mut self) -> Metrics {
        self.collect();
        std::mem::take(&mut self.summed)
    }

    fn collect(&mut self) {
        for (logits, labels) in self.batches.drain(..) {
            let (classes, batch) = *logits.shape();
            self.summed.add(measure(&transposed(&logits.as_vec(), classes, batch), &labels, classes));
        }
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

    #[test]
    fn the_first_of_equal_logits_is_the_answer() {
        let metrics = measure(&[1.0, 3.0, 3.0, 2.0, 2.0, 2.0], &[1, 2], 3);
        assert_eq!((metrics.correct, metrics.images), (1, 2));
        let first = (1f64.exp() + 2.0 * 3f64.exp()).ln() - 3.0;
        assert!((metrics.loss_sum - first - 3f64.ln()).abs() < 1e-7);
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
