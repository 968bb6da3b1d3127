//! Runs the steps that need all blocks. Sums over blocks are taken in the order of the blocks.

use super::{Context, Outputs, slice};
use crate::engine::EngineError;
use crate::engine::native::layers::NormLayer;
use crate::engine::native::step::{BarrierStep, Slot};
use crate::lower::program::VarianceEstimate;
use rayon::prelude::*;

/// Numbers of a weight gradient that one thread sums at a time.
const CHUNK: usize = 4096;

/// Rows of a linear layer's weight gradient that one thread does at a time.
const ROWS: usize = 16;

impl Context<'_> {
    pub(super) fn run_barrier(
        &self,
        step: &BarrierStep,
        memory: &[f32],
        outputs: &mut Outputs<'_>,
    ) -> Result<(), EngineError> {
        match *step {
            BarrierStep::NormStatistics { layer, partial } => {
                let norm = &mut outputs.layers.norms[layer.0];
                self.norm_statistics(norm, partial, memory, outputs.statistics)
            }
            BarrierStep::NormGradient { layer, partial, add_scale, add_shift } => {
                let norm = &mut outputs.layers.norms[layer.0];
                for (parameter, add) in [(norm.scale, add_scale), (norm.shift, add_shift)] {
                    if !add {
                        outputs.gradients[parameter].fill(0.0);
                    }
                }
                self.norm_gradient(norm, partial, memory, outputs.gradients)
            }
            BarrierStep::SumGradient { parameter, partial, add } => {
                let gradient = &mut outputs.gradients[parameter];
                let sum = |(chunk, gradient): (usize, &mut [f32])| {
                    if !add {
                        gradient.fill(0.0);
                    }
                    for block in memory.chunks_exact(self.plan.block_len) {
                        let partial = slice(block, self.plan, partial)?;
                        gradient.iter_mut().zip(&partial[chunk * CHUNK..]).for_each(|(sum, part)| *sum += part);
                    }
                    Ok(())
                };
                if gradient.len() <= 2 * CHUNK {
                    gradient.chunks_mut(CHUNK).enumerate().try_for_each(sum)
                } else {
                    self.threads.each(gradient.par_chunks_mut(CHUNK).enumerate(), sum)
                }
            }
            BarrierStep::LinearWeightGradient { layer, x, dy, add } => {
                let linear = &outputs.layers.linears[layer.0];
                let rows = outputs.gradients[linear.weight].par_chunks_mut(ROWS * linear.inputs);
                self.threads.each(rows.enumerate(), |(run, gradient)| {
                    let rows = run * ROWS..((run + 1) * ROWS).min(linear.outputs);
                    self.threads.with_scratch(|scratch| {
                        for (index, block) in memory.chunks_exact(self.plan.block_len).enumerate() {
                            let (x, dy) = (slice(block, self.plan, x)?, slice(block, self.plan, dy)?);
                            let add = add || index > 0;
                            linear.kernel.weight_gradient(x, dy, rows.clone(), gradient, add, scratch);
                        }
                        Ok(())
                    })
                })
            }
        }
    }

    /// Mean and variance over the batch (Chan, Golub & LeVeque's combination, in f64), the coefficients, and the
    /// running statistics.
    fn norm_statistics(
        &self,
        norm: &mut NormLayer,
        partial: Slot,
        memory: &[f32],
        statistics: &mut [Vec<f32>],
    ) -> Result<(), EngineError> {
        for channel in 0..norm.channels {
            let (mut count, mut mean, mut squares) = (0.0f64, 0.0f64, 0.0f64);
            for (index, block) in memory.chunks_exact(self.plan.block_len).enumerate() {
                let partial = slice(block, self.plan, partial)?;
                let (part_mean, part_squares) = (f64::from(partial[2 * channel]), f64::from(partial[2 * channel + 1]));
                let part = (norm.plane * self.images(index).len()) as f64;
                let delta = part_mean - mean;
                squares += part_squares + delta * delta * count * part / (count + part);
                mean += delta * part / (count + part);
                count += part;
            }
            let variance = squares / count;
            set_coefficients(norm, channel, mean, variance, self.parameters);
            if self.move_statistics {
                let decay = f64::from(norm.decay);
                let shown = match norm.estimate {
                    VarianceEstimate::Unbiased if count > 1.0 => squares / (count - 1.0),
                    _ => variance,
                };
                let mut blend = |statistic: usize, new: f64| {
                    let running = &mut statistics[statistic][channel];
                    *running = (decay * f64::from(*running) + (1.0 - decay) * new) as f32;
                };
                blend(norm.mean, mean);
                blend(norm.variance, shown);
            }
        }
        Ok(())
    }

    /// dshift = Σ g, dscale = Σ g·x̂, and the two means that the input gradient subtracts.
    fn norm_gradient(
        &self,
        norm: &mut NormLayer,
        partial: Slot,
        memory: &[f32],
        gradients: &mut [Vec<f32>],
    ) -> Result<(), EngineError> {
        let count = (norm.plane * self.batch.len()) as f64;
        for channel in 0..norm.channels {
            let (mut sum, mut product) = (0.0f64, 0.0f64);
            for block in memory.chunks_exact(self.plan.block_len) {
                let partial = slice(block, self.plan, partial)?;
                sum += f64::from(partial[2 * channel]);
                product += f64::from(partial[2 * channel + 1]);
            }
            let inverse = f64::from(norm.coefficients.inverse_deviation[channel]);
            gradients[norm.shift][channel] += sum as f32;
            gradients[norm.scale][channel] += (product * inverse) as f32;
            norm.coefficients.gradient_mean[channel] = (sum / count) as f32;
            norm.coefficients.gradient_slope[channel] = (product * inverse * inverse / count) as f32;
        }
        Ok(())
    }
}

/// What normalises a channel by this mean and variance.
pub(crate) fn set_coefficients(
    norm: &mut NormLayer,
    channel: usize,
    mean: f64,
    variance: f64,
    parameters: &[Vec<f32>],
) {
    let inverse = 1.0 / (variance + f64::from(norm.epsilon)).sqrt();
    let coefficients = &mut norm.coefficients;
    coefficients.mean[channel] = mean as f32;
    coefficients.variance[channel] = variance as f32;
    coefficients.inverse_deviation[channel] = inverse as f32;
    coefficients.factor[channel] = (f64::from(parameters[norm.scale][channel]) * inverse) as f32;
    coefficients.shift[channel] = parameters[norm.shift][channel];
}
