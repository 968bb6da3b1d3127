//! Linear layers y = x·Wᵀ + b on vectors `[F][LANES]`, all blocks of a run at once so that weights are read once.

#[cfg(test)]
mod tests;

use super::LANES;
use super::isa::Isa;

/// A linear layer made ready for an instruction set.
#[derive(Debug, Clone, Copy)]
pub struct Linear {
    inputs: usize,
    outputs: usize,
    isa: Isa,
}

impl Linear {
    /// A layer from `inputs` to `outputs` features.
    pub fn new(inputs: usize, outputs: usize, isa: Isa) -> Linear {
        Linear { inputs, outputs, isa }
    }

    /// The instruction set.
    pub fn isa(&self) -> Isa {
        self.isa
    }

    /// Numbers of scratch that any of the calls needs for a run of `blocks`; one scratch a thread, contents don't matter.
    pub fn scratch_len(&self, blocks: usize) -> usize {
        let _ = blocks;
        0
    }

    fn check(&self, blocks: usize, weights: usize, inputs: usize, outputs: usize) {
        assert_eq!(weights, self.inputs * self.outputs);
        assert_eq!(inputs, blocks * self.inputs * LANES);
        assert_eq!(outputs, blocks * self.outputs * LANES);
    }

    /// y = x·Wᵀ + b, then max(·, 0) if `relu`, for a run of blocks: `weights` O×I, `bias` O, `input`
    /// `[blocks][I][LANES]`, `output` `[blocks][O][LANES]`.
    ///
    /// # Panics
    /// When a slice has the wrong length.
    pub fn forward(&self, weights: &[f32], bias: Option<&[f32]>, input: &[f32], output: &mut [f32], relu: bool) {
        let blocks = output.len() / (self.outputs * LANES);
        self.check(blocks, weights.len(), input.len(), output.len());
        assert!(bias.is_none_or(|bias| bias.len() == self.outputs));
        for (x, y) in input.chunks_exact(self.inputs * LANES).zip(output.chunks_exact_mut(self.outputs * LANES)) {
            for (o, y) in y.chunks_exact_mut(LANES).enumerate() {
                y.fill(bias.map_or(0.0, |bias| bias[o]));
                for (weight, x) in weights[o * self.inputs..][..self.inputs].iter().zip(x.chunks_exact(LANES)) {
                    y.iter_mut().zip(x).for_each(|(y, x)| *y += weight * x);
                }
                if relu {
                    y.iter_mut().for_each(|y| *y = y.max(0.0));
                }
            }
        }
    }

    /// dx = dy·W for a run of blocks, added to `input_gradient` if `accumulate`, else written over it.
    ///
    /// # Panics
    /// When a slice has the wrong length.
    pub fn data_gradient(
        &self,
        weights: &[f32],
        output_gradient: &[f32],
        input_gradient: &mut [f32],
        accumulate: bool,
    ) {
        let blocks = output_gradient.len() / (self.outputs * LANES);
        self.check(blocks, weights.len(), input_gradient.len(), output_gradient.len());
        if !accumulate {
            input_gradient.fill(0.0);
        }
        let gradients = output_gradient.chunks_exact(self.outputs * LANES);
        for (dy, dx) in gradients.zip(input_gradient.chunks_exact_mut(self.inputs * LANES)) {
            for (dy, weights) in dy.chunks_exact(LANES).zip(weights.chunks_exact(self.inputs)) {
                for (weight, dx) in weights.iter().zip(dx.chunks_exact_mut(LANES)) {
                    dx.iter_mut().zip(dy).for_each(|(dx, dy)| *dx += weight * dy);
                }
            }
        }
    }

    /// dW = dyᵀ·x summed over a run of blocks, for the rows `outputs` of W (`weight_gradient`: `outputs`×I), added if
    /// `accumulate`, else written over. Unused lanes of the gradient must be zero.
    ///
    /// # Panics
    /// When a slice has the wrong length or the range leaves 0..O.
    pub fn weight_gradient(
        &self,
        input: &[f32],
        output_gradient: &[f32],
        outputs: std::ops::Range<usize>,
        weight_gradient: &mut [f32],
        accumulate: bool,
        scratch: &mut [f32],
    ) {
        let blocks = output_gradient.len() / (self.outputs * LANES);
        self.check(blocks, self.inputs * self.outputs, input.len(), output_gradient.len());
        assert!(outputs.start <= outputs.end && outputs.end <= self.outputs);
        assert_eq!(weight_gradient.len(), outputs.len() * self.inputs);
        assert!(scratch.len() >= self.scratch_len(blocks));
        if !accumulate {
            weight_gradient.fill(0.0);
        }
        let gradients = output_gradient.chunks_exact(self.outputs * LANES);
        for (dy, x) in gradients.zip(input.chunks_exact(self.inputs * LANES)) {
            let dy = dy[outputs.start * LANES..outputs.end * LANES].chunks_exact(LANES);
            for (dy, dw) in dy.zip(weight_gradient.chunks_exact_mut(self.inputs)) {
                for (x, dw) in x.chunks_exact(LANES).zip(dw) {
                    *dw += x.iter().zip(dy).map(|(x, dy)| x * dy).sum::<f32>();
                }
            }
        }
    }

    /// db = Σ over images of dy, for a run of blocks; unused lanes of the gradient must be zero.
    ///
    /// # Panics
    /// When a slice has the wrong length.
    pub fn bias_gradient(&self, output_gradient: &[f32], bias_gradient: &mut [f32], accumulate: bool) {
        assert_eq!(bias_gradient.len(), self.outputs);
        assert_eq!(output_gradient.len() % (self.outputs * LANES), 0);
        if !accumulate {
            bias_gradient.fill(0.0);
        }
        for block in output_gradient.chunks_exact(self.outputs * LANES) {
            for (sum, lanes) in bias_gradient.iter_mut().zip(block.chunks_exact(LANES)) {
                *sum += super::layout::sum(lanes);
            }
        }
    }
}
