//! Batch-norm statistics as the paper has them: the true average over the training set.
//!
//! A running average remembers the batches of the last steps, seen while the weights still moved. Ioffe & Szegedy 2015,
//! algorithm 2, instead fix the weights and average over the training set; so did He et al. 2015, who report the mean
//! and variance "computed by average (not moving average) on a sufficiently large training batch after the training
//! procedure" (README of KaimingHe/deep-residual-networks). Images come without augmentation, in shuffled batches: a
//! folder sorted by class would otherwise give batches of one class each.

use super::batches::BatchSource;
use super::error::RunError;
use super::stop::Stop;
use crate::data::Subset;
use crate::data::loader::{LoaderOptions, Order};
use crate::data::normalize::Normalization;
use crate::engine::Engine;
use crate::lower::program::{OpKind, Program, VarianceEstimate};
use crate::recipe::PopulationVariance;

/// How true averages are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Method {
    /// What becomes of the variances.
    pub variance: PopulationVariance,
    /// Images a batch.
    pub batch: usize,
    /// The order of the images depends on it.
    pub seed: u64,
}

/// The statistics of every batch norm over `images`, in the order of [`Program::statistics`], with the weights as they
/// are; `None` when asked to stop before the end. `progress` hears how many images are done, and of how many.
///
/// # Errors
/// When engine or data fail.
pub fn statistics(
    engine: &mut dyn Engine,
    images: &Subset,
    normalization: &Normalization,
    method: Method,
    stop: &Stop,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Option<Vec<Vec<f32>>>, RunError> {
    let mut sums = NormSums::new(engine.program());
    let mut options = LoaderOptions::evaluation(method.batch, normalization.clone());
    (options.order, options.seed) = (Order::Shuffled, method.seed);
    let total = images.len() as u64;
    let mut done = 0;
    for next in BatchSource::new(engine, images, options)? {
        if stop.requested() {
            return Ok(None);
        }
        let batch = next.batch();
        // Each group of a batch is what training normalises with, so that the population is one of groups.
        engine.moments(&batch)?.iter().for_each(|group| sums.add(&group.values, group.images, method.variance));
        done += batch.len() as u64;
        progress(done, total);
    }
    Ok(Some(sums.finish(method.variance)))
}

/// Where a batch norm keeps its two statistics, and over how much of each image they are.
#[derive(Debug, Clone, Copy)]
struct Norm {
    mean: usize,
    variance: usize,
    /// Values a channel of one image.
    plane: usize,
    estimate: VarianceEstimate,
}

/// Weighted sums over batches, or over the groups of all batches, in f64.
struct NormSums {
    norms: Vec<Norm>,
    /// Images seen.
    images: f64,
    /// Σ n·mean, or Σ n·variance, of each statistic.
    sums: Vec<Vec<f64>>,
    /// Σ n·mean², at the place of the mean.
    squares: Vec<Vec<f64>>,
}

impl NormSums {
    fn new(program: &Program) -> NormSums {
        let norms = program.ops.iter().filter_map(|op| match op.kind {
            OpKind::BatchNorm { mean, variance, running_variance, .. } => {
                let plane = program.shape(*op.inputs.first()?).plane().area();
                Some(Norm { mean: mean.0, variance: variance.0, plane, estimate: running_variance })
            }
            _ => None,
        });
        let zeros = || program.statistics.iter().map(|statistic| vec![0.0; statistic.channels]).collect();
        NormSums { norms: norms.collect(), images: 0.0, sums: zeros(), squares: zeros() }
    }

    fn add(&mut self, moments: &[Vec<f32>], images: usize, method: PopulationVariance) {
        let weight = images as f64;
        self.images += weight;
        for norm in &self.norms {
            let (Some(means), Some(variances)) = (moments.get(norm.mean), moments.get(norm.variance)) else { continue };
            let factor = match method {
                PopulationVariance::Mean => unbiased(norm.estimate, weight * norm.plane as f64),
                PopulationVariance::Pooled => 1.0,
            };
            accumulate(&mut self.sums, norm.mean, means, |mean| weight * mean);
            accumulate(&mut self.squares, norm.mean, means, |mean| weight * mean * mean);
            accumulate(&mut self.sums, norm.variance, variances, |variance| weight * factor * variance);
        }
    }

    fn finish(self, method: PopulationVariance) -> Vec<Vec<f32>> {
        let average = |sums: &Vec<f64>| sums.iter().map(|sum| sum / self.images).collect::<Vec<f64>>();
        let mut all: Vec<Vec<f64>> = self.sums.iter().map(average).collect();
        if method == PopulationVariance::Pooled {
            for norm in &self.norms {
                let Some(means) = all.get(norm.mean).cloned() else { continue };
                let squares = self.squares.get(norm.mean).map(average).unwrap_or_default();
                let factor = unbiased(norm.estimate, self.images * norm.plane as f64);
                for ((variance, mean), square) in
                    all.get_mut(norm.variance).into_iter().flatten().zip(means).zip(squares)
                {
                    *variance = factor * (*variance + (square - mean * mean).max(0.0));
                }
            }
        }
        all.into_iter().map(|values| values.into_iter().map(|value| value as f32).collect()).collect()
    }
}

fn accumulate(sums: &mut [Vec<f64>], at: usize, values: &[f32], each: impl Fn(f64) -> f64) {
    for (sum, value) in sums.get_mut(at).into_iter().flatten().zip(values) {
        *sum += each(f64::from(*value));
    }
}

/// m/(m − 1) where the unbiased estimate is asked for and there is one.
fn unbiased(estimate: VarianceEstimate, count: f64) -> f64 {
    match estimate {
        VarianceEstimate::Unbiased if count > 1.0 => count / (count - 1.0),
        VarianceEstimate::Unbiased | VarianceEstimate::Biased => 1.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::mock;
    use crate::graph::dims::Shape;
    use crate::lower::program::{Op, ParameterId, Statistic, StatisticId, Value, ValueId};

    /// One batch norm over one channel of 1×2 maps.
    fn program(estimate: VarianceEstimate) -> Program {
        let shape = Shape::map(1, 1, 2);
        let mut program = mock::program(shape, 2);
        let statistic = |name: &str, initial| Statistic { name: name.into(), channels: 1, initial };
        program.statistics = vec![statistic("bn.running_mean", 0.0), statistic("bn.running_var", 1.0)];
        program.values.push(Value { name: "bn".into(), shape });
        let kind = OpKind::BatchNorm {
            scale: ParameterId(0),
            shift: ParameterId(1),
            mean: StatisticId(0),
            variance: StatisticId(1),
            epsilon: 1e-5,
            decay: 0.9,
            running_variance: estimate,
        };
        program.ops.push(Op { name: "bn".into(), kind, inputs: vec![ValueId(0)], output: ValueId(3) });
        program
    }

    /// Two batches, {1, 3, 5, 7} and {10, 14}, by hand.
    #[test]
    fn batches_are_averaged_by_their_size() {
        let found = |estimate, method| {
            let mut sums = NormSums::new(&program(estimate));
            sums.add(&[vec![4.0], vec![5.0]], 2, method);
            sums.add(&[vec![12.0], vec![4.0]], 1, method);
            sums.finish(method).concat()
        };
        let (biased, unbiased) = (VarianceEstimate::Biased, VarianceEstimate::Unbiased);
        let near = |found: Vec<f32>, expected: [f64; 2]| {
            assert!(
                found.iter().zip(expected).all(|(f, e)| (f64::from(*f) - e).abs() < 1e-6),
                "{found:?} {expected:?}"
            );
        };
        let mean = 40.0 / 6.0;
        near(found(biased, PopulationVariance::Mean), [mean, (2.0 * 5.0 + 4.0) / 3.0]);
        near(found(unbiased, PopulationVariance::Mean), [mean, (2.0 * 5.0 * 4.0 / 3.0 + 4.0 * 2.0) / 3.0]);
        let pooled = [1.0, 3.0, 5.0, 7.0, 10.0, 14.0].map(|x: f64| (x - mean).powi(2)).iter().sum::<f64>();
        near(found(biased, PopulationVariance::Pooled), [mean, pooled / 6.0]);
        near(found(unbiased, PopulationVariance::Pooled), [mean, pooled / 5.0]);
    }
}
