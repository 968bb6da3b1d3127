//! Softmax cross-entropy on one block of 16 images.

use super::LANES;
use super::multiversion::multiversion;
use super::pointwise::exp;
use crate::engine::summable;

/// What a block adds to the metrics.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct BlockLoss {
    /// Sum of the losses of its images.
    pub loss: f64,
    /// Images whose largest logit is that of their label.
    pub correct: u64,
}

impl BlockLoss {
    /// Of two sets of blocks together.
    pub fn join(self, other: BlockLoss) -> BlockLoss {
        BlockLoss { loss: self.loss + other.loss, correct: self.correct + other.correct }
    }
}

multiversion! {
    /// The loss of the images of a block, `labels.len()` of them, and, into `gradient` (if not empty), the gradient of
    /// the loss with smoothed labels times `scale`, 0 in the lanes without an image. Stable: the largest logit is
    /// subtracted first.
    pub fn softmax_cross_entropy(logits: &[f32], labels: &[u32], smoothing: f32, scale: f32, gradient: &mut [f32]) -> BlockLoss {
        let logits = logits.as_chunks::<LANES>().0;
        let mut largest = [f32::NEG_INFINITY; LANES];
        let mut best = [0u32; LANES];
        for (class, row) in logits.iter().enumerate() {
            for lane in 0..LANES {
                // NaN takes the lead and keeps it: no comparison with it is true.
                let better = (row[lane] > largest[lane]) | (row[lane].is_nan() & !largest[lane].is_nan());
                best[lane] = if better { class as u32 } else { best[lane] };
                largest[lane] = if better { row[lane] } else { largest[lane] };
            }
        }
        let mut sum = [0.0f32; LANES];
        for row in logits {
            for lane in 0..LANES {
                sum[lane] += exp(row[lane] - largest[lane]);
            }
        }
        let mut total = BlockLoss::default();
        for (lane, &label) in labels.iter().enumerate().take(LANES) {
            let own = logits.get(label as usize).map_or(f32::NAN, |row| row[lane]);
            total.loss += summable(f64::from(sum[lane]).ln() + (f64::from(largest[lane]) - f64::from(own)));
            total.correct += u64::from(best[lane] == label && !largest[lane].is_nan());
        }
        let share: [f32; LANES] =
            std::array::from_fn(|lane| if lane < labels.len() { scale / sum[lane] } else { 0.0 });
        // Every class's part of a smoothed target.
        let spread = scale * smoothing / logits.len() as f32;
        for (row, gradient) in logits.iter().zip(gradient.as_chunks_mut::<LANES>().0) {
            for lane in 0..LANES {
                let probability = exp(row[lane] - largest[lane]) * share[lane];
                gradient[lane] = if share[lane] == 0.0 { 0.0 } else { probability - spread };
            }
        }
        let gradient = gradient.as_chunks_mut::<LANES>().0;
        for (lane, &label) in labels.iter().enumerate().take(LANES) {
            if let Some(row) = gradient.get_mut(label as usize) {
                row[lane] -= scale * (1.0 - smoothing);
            }
        }
        total
    }
}
