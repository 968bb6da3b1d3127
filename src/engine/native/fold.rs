//! Batch norm in evaluation: by the running statistics, and folded into the convolution before it where there is one.

use super::exec::set_coefficients;
use super::fuse::{self, Purpose};
use super::kernels::buffer::Buffer;
use super::layers::{ConvLayer, Folded, Layers, NormLayer};
use crate::lower::program::Program;

/// Gives every convolution that evaluation folds a batch norm into the room for it.
pub fn mark(program: &Program, layers: &mut Layers) {
    for group in fuse::groups(program, Purpose::Evaluate) {
        let norm = group.norm.and_then(|norm| layers.of_op[norm]);
        if let (Some(norm), Some(conv)) = (norm, layers.of_op[group.op]) {
            let conv = &mut layers.convs[conv.0];
            conv.folded = Some(Folded {
                norm,
                weights: vec![0.0; conv.kernel.shape().weight_len()],
                packed: Buffer::zeroed(conv.kernel.packed_forward_len()),
                bias: vec![0.0; conv.kernel.shape().out_channels],
            });
        }
    }
}

/// Sets the coefficients of each batch norm to those of the running statistics.
pub fn evaluation_coefficients(norms: &mut [NormLayer], parameters: &[Vec<f32>], statistics: &[Vec<f32>]) {
    for norm in norms {
        let running = statistics[norm.mean].iter().zip(&statistics[norm.variance]);
        for (channel, (&mean, &variance)) in running.enumerate() {
            let values = [parameters[norm.scale][channel], parameters[norm.shift][channel]];
            let statistics = [f64::from(mean), f64::from(variance)];
            set_coefficients(&mut norm.coefficients[0], channel, norm.epsilon, statistics, values);
        }
    }
}

/// Folds the coefficients of its batch norm into a convolution's weights and bias, if there is one.
pub fn fold(conv: &mut ConvLayer, norms: &[NormLayer], parameters: &[Vec<f32>]) {
    let Some(folded) = &mut conv.folded else { return };
    let coefficients = &norms[folded.norm.0].coefficients[0];
    let weights = &parameters[conv.weight];
    let filter = weights.len() / folded.bias.len().max(1);
    let filters = folded.weights.chunks_exact_mut(filter.max(1)).zip(weights.chunks_exact(filter.max(1)));
    for (channel, ((to, from), bias)) in filters.zip(&mut folded.bias).enumerate() {
        let factor = coefficients.factor[channel];
        to.iter_mut().zip(from).for_each(|(to, from)| *to = from * factor);
        let own = conv.bias.map_or(0.0, |bias| parameters[bias][channel]);
        *bias = coefficients.shift[channel] + (own - coefficients.mean[channel]) * factor;
    }
    conv.kernel.pack_forward(&folded.weights, &mut folded.packed);
}
