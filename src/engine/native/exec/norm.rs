//! Batch norm with all blocks at hand: statistics of each group of the batch, and its two backward sums.
//!
//! A group is all of the batch where the program says nothing else. Its blocks are summed by the tree of
//! [`super::tree`], and so are the groups where one number is made of all.

use super::{Context, tree};
use crate::engine::EngineError;
use crate::engine::native::kernels::norm::NormCoefficients;
use crate::engine::native::layers::NormLayer;
use crate::engine::native::step::Slot;
use crate::lower::program::VarianceEstimate;

/// Count, mean and sum of squared deviations of some numbers.
#[derive(Debug, Clone, Copy, Default)]
struct Moments {
    count: f64,
    mean: f64,
    squares: f64,
}

impl Moments {
    /// Of two sets together (Chan, Golub & LeVeque 1979), the same to the bit either way round.
    fn join(self, other: Moments) -> Moments {
        let count = self.count + other.count;
        let delta = self.mean - other.mean;
        Moments {
            count,
            mean: (self.count * self.mean + other.count * other.mean) / count,
            squares: (self.squares + other.squares) + delta * delta * (self.count * other.count / count),
        }
    }

    fn variance(self) -> f64 {
        self.squares / self.count
    }

    /// What goes into the running variance.
    fn estimate(self, estimate: VarianceEstimate) -> f64 {
        match estimate {
            VarianceEstimate::Unbiased if self.count > 1.0 => self.squares / (self.count - 1.0),
            VarianceEstimate::Unbiased | VarianceEstimate::Biased => self.variance(),
        }
    }
}

/// Mean over groups, weighted by their images, of what running statistics follow.
#[derive(Debug, Clone, Copy)]
struct Shown {
    images: f64,
    mean: f64,
    variance: f64,
}

impl Shown {
    fn join(self, other: Shown) -> Shown {
        let images = self.images + other.images;
        let blend = |a: f64, b: f64| (self.images * a + other.images * b) / images;
        Shown { images, mean: blend(self.mean, other.mean), variance: blend(self.variance, other.variance) }
    }
}

impl Context<'_> {
    /// Mean and variance over each group of the batch, the coefficients, and the running statistics, which move once
    /// towards the mean over the groups.
    pub(super) fn norm_statistics(
        &self,
        norm: &mut NormLayer,
        partial: Slot,
        memory: &[f32],
        statistics: &mut [Vec<f32>],
    ) -> Result<(), EngineError> {
        let parts = self.parts(memory, partial)?;
        for channel in 0..norm.channels {
            let scale = self.parameters[norm.scale][channel];
            let shift = self.parameters[norm.shift][channel];
            let mut of_block = |block: usize| {
                let partial = parts.of(block);
                let (mean, squares) = (f64::from(partial[2 * channel]), f64::from(partial[2 * channel + 1]));
                Moments { count: (norm.plane * self.blocking.images(block).len()) as f64, mean, squares }
            };
            let mut of_group = |group: usize| {
                let blocks = self.blocking.blocks_of(group);
                let moments = tree::fold(blocks, &mut of_block, &Moments::join).unwrap_or_default();
                let (mean, variance) = (moments.mean, moments.variance());
                set_coefficients(
                    &mut norm.coefficients[group],
                    channel,
                    norm.epsilon,
                    [mean, variance],
                    [scale, shift],
                );
                let images = self.blocking.images_of(group).len() as f64;
                Shown { images, mean, variance: moments.estimate(norm.estimate) }
            };
            let shown = tree::fold(0..self.blocking.groups(), &mut of_group, &Shown::join);
            if let (Some(shown), true) = (shown, self.move_statistics) {
                let decay = f64::from(norm.decay);
                let mut blend = |statistic: usize, new: f64| {
                    let running = &mut statistics[statistic][channel];
                    *running = (decay * f64::from(*running) + (1.0 - decay) * new) as f32;
                };
                blend(norm.mean, shown.mean);
                blend(norm.variance, shown.variance);
            }
        }
        Ok(())
    }

    /// dshift = Σ g, dscale = Σ g·x̂, and for each group the two means that its input gradient subtracts.
    pub(super) fn norm_gradient(
        &self,
        norm: &mut NormLayer,
        partial: Slot,
        memory: &[f32],
        gradients: &mut [Vec<f32>],
    ) -> Result<(), EngineError> {
        let parts = self.parts(memory, partial)?;
        let add = |left: [f64; 2], right: [f64; 2]| [left[0] + right[0], left[1] + right[1]];
        for channel in 0..norm.channels {
            let mut of_block = |block: usize| {
                let partial = parts.of(block);
                [f64::from(partial[2 * channel]), f64::from(partial[2 * channel + 1])]
            };
            let mut of_group = |group: usize| {
                let blocks = self.blocking.blocks_of(group);
                let [sum, product] = tree::fold(blocks, &mut of_block, &add).unwrap_or_default();
                let count = (norm.plane * self.blocking.images_of(group).len()) as f64;
                let coefficients = &mut norm.coefficients[group];
                let inverse = f64::from(coefficients.inverse_deviation[channel]);
                coefficients.gradient_mean[channel] = (sum / count) as f32;
                coefficients.gradient_slope[channel] = (product * inverse * inverse / count) as f32;
                [sum, product * inverse]
            };
            let [shift, scale] = tree::fold(0..self.blocking.groups(), &mut of_group, &add).unwrap_or_default();
            gradients[norm.shift][channel] += shift as f32;
            gradients[norm.scale][channel] += scale as f32;
        }
        Ok(())
    }
}

/// Sets what normalises a channel by this mean and variance, with this scale and shift.
pub(crate) fn set_coefficients(
    coefficients: &mut NormCoefficients,
    channel: usize,
    epsilon: f32,
    [mean, variance]: [f64; 2],
    [scale, shift]: [f32; 2],
) {
    let inverse = 1.0 / (variance + f64::from(epsilon)).sqrt();
    coefficients.mean[channel] = mean as f32;
    coefficients.variance[channel] = variance as f32;
    coefficients.inverse_deviation[channel] = inverse as f32;
    coefficients.factor[channel] = (f64::from(scale) * inverse) as f32;
    coefficients.shift[channel] = shift;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn joined_moments_are_those_of_all_numbers_either_way_round() {
        let of = |numbers: &[f64]| {
            let count = numbers.len() as f64;
            let mean = numbers.iter().sum::<f64>() / count;
            Moments { count, mean, squares: numbers.iter().map(|x| (x - mean).powi(2)).sum() }
        };
        let numbers: Vec<f64> = (0..50).map(|i| 1e3 + f64::from(crate::random::normal(3, i))).collect();
        let (few, many) = (of(&numbers[..7]), of(&numbers[7..]));
        let (one, other, all) = (few.join(many), many.join(few), of(&numbers));
        assert_eq!((one.mean.to_bits(), one.squares.to_bits()), (other.mean.to_bits(), other.squares.to_bits()));
        assert!((one.mean - all.mean).abs() < 1e-10 && (one.squares - all.squares).abs() < 1e-9, "{one:?} {all:?}");
        assert_eq!(one.count, 50.0);
        assert_eq!(of(&[1.0, 3.0]).estimate(VarianceEstimate::Unbiased), 2.0);
        assert_eq!(of(&[1.0, 3.0]).estimate(VarianceEstimate::Biased), 1.0);
        assert_eq!(of(&[1.0]).estimate(VarianceEstimate::Unbiased), 0.0);
    }
}
