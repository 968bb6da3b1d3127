//! Runs the steps of one block.

use super::{Context, slices};
use crate::engine::EngineError;
use crate::engine::native::fuse::Purpose;
use crate::engine::native::kernels::conv::Epilogue;
use crate::engine::native::kernels::loss::{self, BlockLoss};
use crate::engine::native::kernels::{LANES, layout, lrn, norm, pointwise, pool, shape};
use crate::engine::native::layers::Layers;
use crate::engine::native::step::{BlockStep, Layer, Slot};
use rayon::prelude::*;
use std::ops::Range;

/// One block, at work.
pub struct Work<'a> {
    pub context: &'a Context<'a>,
    pub layers: &'a Layers,
    /// Its images.
    pub images: Range<usize>,
}

impl Work<'_> {
    fn slots<'m, const N: usize>(
        &self,
        memory: &'m mut [f32],
        slots: [Slot; N],
    ) -> Result<[&'m mut [f32]; N], EngineError> {
        slices(memory, self.context.plan, slots)
    }

    fn parameter(&self, index: Option<usize>) -> Option<&[f32]> {
        self.context.parameters.get(index?).map(Vec::as_slice)
    }

    fn weights(&self, index: usize) -> &[f32] {
        self.parameter(Some(index)).unwrap_or(&[])
    }

    pub fn run(&self, step: &BlockStep, memory: &mut [f32], loss: &mut BlockLoss) -> Result<(), EngineError> {
        use BlockStep as B;
        let isa = self.context.isa;
        let batch = self.context.batch;
        match *step {
            B::Pack { to } => {
                let len = self.context.input_len;
                let images = &self.context.pixels[self.images.start * len..self.images.end * len];
                let [to] = self.slots(memory, [to])?;
                layout::pack(images, len, to);
            }
            B::Conv { layer, x, residual, relu, y } => self.conv(memory, layer, x, residual, relu, y)?,
            B::Linear { layer, x, relu, y } => {
                let linear = &self.layers.linears[layer.0];
                let [x, y] = self.slots(memory, [x, y])?;
                linear.kernel.forward(self.weights(linear.weight), self.parameter(linear.bias), x, y, relu);
            }
            B::NormStatistics { layer, x, partial } => {
                let [x, partial] = self.slots(memory, [x, partial])?;
                norm::statistics(isa, x, self.layers.norms[layer.0].plane, self.images.len(), partial);
            }
            B::NormApply { layer, x, addend, relu, y } => {
                let norm = &self.layers.norms[layer.0];
                match addend {
                    Some(addend) if addend != x => {
                        let [x, addend, y] = self.slots(memory, [x, addend, y])?;
                        norm::apply(isa, x, norm.plane, &norm.coefficients, Some(addend), relu, y);
                    }
                    Some(_) => {
                        let [x, y] = self.slots(memory, [x, y])?;
                        norm::apply(isa, x, norm.plane, &norm.coefficients, Some(x), relu, y);
                    }
                    None => {
                        let [x, y] = self.slots(memory, [x, y])?;
                        norm::apply(isa, x, norm.plane, &norm.coefficients, None, relu, y);
                    }
                }
            }
            B::Activate { kind, x, y } if x == y => {
                let [x] = self.slots(memory, [x])?;
                pointwise::activate_in_place(isa, kind, x);
            }
            B::Activate { kind, x, y } => {
                let [x, y] = self.slots(memory, [x, y])?;
                pointwise::activate(isa, kind, x, y);
            }
            B::Sum { ref inputs, relu, y } => self.sum(memory, inputs, relu, y)?,
            B::Dropout { stream, rate, x, y } => {
                if x != y {
                    let [x, y] = self.slots(memory, [x, y])?;
                    pointwise::copy(isa, x, y);
                }
                let mut keys = [0; LANES];
                keys.iter_mut().zip(&batch.keys[self.images.clone()]).for_each(|(to, from)| *to = *from);
                let [y] = self.slots(memory, [y])?;
                pointwise::dropout(isa, &keys, stream, rate, y);
            }
            B::MaxPool { ref window, x, y } => {
                let [x, y] = self.slots(memory, [x, y])?;
                pool::max_pool(isa, window, x, y);
            }
            B::AvgPool { ref window, divisor, x, y } => {
                let [x, y] = self.slots(memory, [x, y])?;
                pool::avg_pool(isa, window, divisor, x, y);
            }
            B::GlobalAvgPool { plane, x, y } => {
                let [x, y] = self.slots(memory, [x, y])?;
                pool::global_avg_pool(isa, plane, x, y);
            }
            B::LocalResponse { ref response, x, y } => {
                let [x, y] = self.slots(memory, [x, y])?;
                lrn::response(isa, response, x, y);
            }
            B::Subsample { input, output, stride, x, y } => {
                let [x, y] = self.slots(memory, [x, y])?;
                shape::subsample(isa, input, output, stride, x, y);
            }
            B::Clear { to } => {
                let [to] = self.slots(memory, [to])?;
                to.fill(0.0);
            }
            B::Move { from, from_start, to, to_start, len, add } => {
                let [from, to] = self.slots(memory, [from, to])?;
                let (from, to) = (&from[from_start..from_start + len], &mut to[to_start..to_start + len]);
                if add { pointwise::accumulate(isa, from, to) } else { to.copy_from_slice(from) }
            }
            B::Loss { logits, gradient, smoothing } => {
                let labels = &batch.labels[self.images.clone()];
                let scale = 1.0 / batch.len() as f32;
                *loss = match gradient {
                    Some(gradient) => {
                        let [logits, gradient] = self.slots(memory, [logits, gradient])?;
                        loss::softmax_cross_entropy(isa, logits, labels, smoothing, scale, gradient)
                    }
                    None => {
                        let [logits] = self.slots(memory, [logits])?;
                        loss::softmax_cross_entropy(isa, logits, labels, smoothing, scale, &mut [])
                    }
                };
            }
            _ => self.run_backward(step, memory)?,
        }
        Ok(())
    }

    fn run_backward(&self, step: &BlockStep, memory: &mut [f32]) -> Result<(), EngineError> {
        use BlockStep as B;
        let isa = self.context.isa;
        match *step {
            B::ActivateBackward { kind, y, g } => {
                let [y, g] = self.slots(memory, [y, g])?;
                pointwise::activate_backward(isa, kind, y, g);
            }
            B::BiasGradient { plane, dy, partial } => {
                let [dy, partial] = self.slots(memory, [dy, partial])?;
                pointwise::channel_sums(isa, dy, plane, partial);
            }
            B::ConvWeightGradient { layer, x, dy, partial } => {
                let kernel = &self.layers.convs[layer.0].kernel;
                let [x, dy, partial] = self.slots(memory, [x, dy, partial])?;
                let partial = &mut partial[..kernel.shape().weight_len()];
                self.in_parts(
                    kernel.shape().out_channels,
                    kernel.shape().filter_len(),
                    partial,
                    |channels, part, scratch| {
                        kernel.weight_gradient(x, dy, channels, part, false, scratch);
                    },
                );
            }
            B::ConvDataGradient { layer, dy, dx, add } => {
                let conv = &self.layers.convs[layer.0];
                let [dy, dx] = self.slots(memory, [dy, dx])?;
                let shape = conv.kernel.shape();
                self.in_parts(shape.in_channels, shape.input.area() * LANES, dx, |channels, part, scratch| {
                    conv.kernel.data_gradient(&conv.backward, dy, channels, part, add, scratch);
                });
            }
            B::LinearDataGradient { layer, dy, dx, add } => {
                let linear = &self.layers.linears[layer.0];
                let [dy, dx] = self.slots(memory, [dy, dx])?;
                linear.kernel.data_gradient(self.weights(linear.weight), dy, dx, add);
            }
            B::NormReduce { layer, x, g, relu, output, partial } => {
                let norm = &self.layers.norms[layer.0];
                if let Some(output) = output {
                    let [x, output, g, partial] = self.slots(memory, [x, output, g, partial])?;
                    norm::reduce_masking(isa, x, output, g, norm.plane, &norm.coefficients, partial);
                } else {
                    let [x, g, partial] = self.slots(memory, [x, g, partial])?;
                    norm::reduce(isa, x, g, norm.plane, &norm.coefficients, relu, partial);
                }
            }
            B::NormInputGradient { layer, x, g, relu, dx } => {
                let norm = &self.layers.norms[layer.0];
                let images = self.images.len();
                if g == dx {
                    let [x, g] = self.slots(memory, [x, g])?;
                    norm::input_gradient(isa, x, norm.plane, images, &norm.coefficients, relu, g);
                } else {
                    let [x, g, dx] = self.slots(memory, [x, g, dx])?;
                    norm::input_gradient_to(isa, x, g, norm.plane, images, &norm.coefficients, relu, dx);
                }
            }
            B::MaxPoolBackward { ref window, x, y, dy, dx, add } => {
                let [x, y, dy, dx] = self.slots(memory, [x, y, dy, dx])?;
                pool::max_pool_backward(isa, window, x, y, dy, add, dx);
            }
            B::AvgPoolBackward { ref window, divisor, dy, dx, add } => {
                let [dy, dx] = self.slots(memory, [dy, dx])?;
                pool::avg_pool_backward(isa, window, divisor, dy, add, dx);
            }
            B::GlobalAvgPoolBackward { plane, dy, dx, add } => {
                let [dy, dx] = self.slots(memory, [dy, dx])?;
                pool::global_avg_pool_backward(isa, plane, dy, add, dx);
            }
            B::LocalResponseBackward { ref response, x, dy, dx, add } => {
                let [x, dy, dx] = self.slots(memory, [x, dy, dx])?;
                self.context.team.with_scratch(|scratch| {
                    lrn::response_backward(isa, response, x, dy, add, dx, &mut scratch[..response.scratch_len()]);
                });
            }
            B::SubsampleBackward { input, output, stride, dy, dx, add } => {
                let [dy, dx] = self.slots(memory, [dy, dx])?;
                shape::subsample_backward(isa, input, output, stride, dy, add, dx);
            }
            _ => return Err(super::super::broken("plan", "a step of the forward pass is not handled")),
        }
        Ok(())
    }

    /// Runs `f` for the `channels` of `target`, each `len` numbers of it: at once, or in parts on several threads where
    /// there are more threads than blocks. What is computed for a channel is the same either way.
    fn in_parts(
        &self,
        channels: usize,
        len: usize,
        target: &mut [f32],
        f: impl Fn(Range<usize>, &mut [f32], &mut [f32]) + Sync + Send,
    ) {
        let team = self.context.team;
        if self.context.ways < 2 {
            return team.with_scratch(|scratch| f(0..channels, target, scratch));
        }
        let part = channels.div_ceil(self.context.ways).next_multiple_of(4);
        target.par_chunks_mut(part * len).enumerate().with_max_len(1).for_each(|(index, target)| {
            let channels = index * part..((index + 1) * part).min(channels);
            team.with_scratch(|scratch| f(channels, target, scratch));
        });
    }

    #[allow(clippy::too_many_arguments)]
    fn conv(
        &self,
        memory: &mut [f32],
        layer: Layer,
        x: Slot,
        residual: Option<Slot>,
        relu: bool,
        y: Slot,
    ) -> Result<(), EngineError> {
        let conv = &self.layers.convs[layer.0];
        let folded = conv.folded.as_ref().filter(|_| self.context.purpose == Purpose::Evaluate);
        let (packed, bias) = match folded {
            Some(folded) => (&folded.packed, Some(folded.bias.as_slice())),
            None => (&conv.forward, self.parameter(conv.bias)),
        };
        let shape = conv.kernel.shape();
        let plane = shape.output().area() * LANES;
        let apply = |x: &[f32], residual: Option<&[f32]>, y: &mut [f32]| {
            self.in_parts(shape.out_channels, plane, y, |channels, part, scratch| {
                let residual = residual.map(|residual| &residual[channels.start * plane..channels.end * plane]);
                let epilogue = Epilogue { bias, residual, relu, statistics: None };
                conv.kernel.forward(packed, x, channels, part, epilogue, scratch);
            });
        };
        match residual {
            Some(residual) if residual != x => {
                let [x, residual, y] = self.slots(memory, [x, residual, y])?;
                apply(x, Some(residual), y);
            }
            Some(_) => {
                let [x, y] = self.slots(memory, [x, y])?;
                apply(x, Some(x), y);
            }
            None => {
                let [x, y] = self.slots(memory, [x, y])?;
                apply(x, None, y);
            }
        }
        Ok(())
    }

    /// y = relu(a + b + …), a pair at a time: an input may be there twice.
    fn sum(&self, memory: &mut [f32], inputs: &[Slot], relu: bool, y: Slot) -> Result<(), EngineError> {
        let isa = self.context.isa;
        for (index, &input) in inputs.iter().enumerate() {
            if input == y {
                continue;
            }
            let [input, y] = self.slots(memory, [input, y])?;
            match index {
                0 => pointwise::copy(isa, input, y),
                _ if relu && index + 1 == inputs.len() => pointwise::accumulate_relu(isa, input, y),
                _ => pointwise::accumulate(isa, input, y),
            }
        }
        Ok(())
    }
}
