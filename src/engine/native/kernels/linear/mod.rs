//! Linear layers y = x·Wᵀ + b on vectors `[F][LANES]`, all blocks of a run at once so that weights are read once.

mod product;
#[cfg(test)]
mod tests;

use super::LANES;
use super::isa::Isa;
use super::simd;
use product::{Apply, Outer};

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

    /// Numbers of scratch that any of the calls needs for a run of `blocks`; one scratch a thread, contents don't matter.
    pub fn scratch_len(&self, blocks: usize) -> usize {
        product::outer_scratch(blocks)
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
        let product = Apply {
            weights,
            row_step: self.inputs,
            inner_step: 1,
            rows: self.outputs,
            inner: self.inputs,
            x: input,
            y: output,
            bias,
            relu,
            accumulate: false,
        };
        simd::run(self.isa, product);
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
        let product = Apply {
            weights,
            row_step: 1,
            inner_step: self.inputs,
            rows: self.inputs,
            inner: self.outputs,
            x: output_gradient,
            y: input_gradient,
            bias: None,
            relu: false,
            accumulate,
        };
        simd::run(self.isa, product);
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
        let product = Outer {
            inputs: self.inputs,
            outputs: self.outputs,
            wanted: outputs,
            x: input,
            dy: output_gradient,
            dw: weight_gradient,
            accumulate,
            scratch,
        };
        simd::run(self.isa, product);
    }
}
