//! Runs the steps of one block that compute values.

use super::block::Work;
use crate::engine::EngineError;
use crate::engine::native::fuse::Purpose;
use crate::engine::native::kernels::conv::Epilogue;
use crate::engine::native::kernels::loss::{self, BlockLoss};
use crate::engine::native::kernels::{LANES, layout, lrn, norm, pointwise, pool, shape};
use crate::engine::native::step::{Forward, LayerIndex, Slot};

impl Work<'_> {
    pub fn forward(&self, step: &Forward, memory: &mut [f32], loss: &mut BlockLoss) -> Result<(), EngineError> {
        let isa = self.context.isa;
        let batch = self.context.batch;
        match *step {
            Forward::Pack { to } => {
                let len = self.context.input_len;
                let images = &self.context.pixels[self.images.start * len..self.images.end * len];
                let [to] = self.slots(memory, [to])?;
                layout::pack(images, len, to);
            }
            Forward::Conv { layer, x, residual, relu, y } => self.conv(memory, layer, x, residual, relu, y)?,
            Forward::Linear { layer, x, relu, y } => {
                let linear = &self.layers.linears[layer.0];
                let [x, y] = self.slots(memory, [x, y])?;
                linear.kernel.forward(self.weights(linear.weight), self.parameter(linear.bias), x, y, relu);
            }
            Forward::NormStatistics { layer, x, partial } => {
                let [x, partial] = self.slots(memory, [x, partial])?;
                norm::statistics(isa, x, self.layers.norms[layer.0].plane, self.images.len(), partial);
            }
            Forward::NormApply { layer, x, addend, relu, y } => {
                let norm = &self.layers.norms[layer.0];
                let coefficients = &norm.coefficients[self.group];
                match addend {
                    Some(addend) if addend != x => {
                        let [x, addend, y] = self.slots(memory, [x, addend, y])?;
                        norm::apply(isa, x, norm.plane, coefficients, Some(addend), relu, y);
                    }
                    Some(_) => {
                        let [x, y] = self.slots(memory, [x, y])?;
                        norm::apply(isa, x, norm.plane, coefficients, Some(x), relu, y);
                    }
                    None => {
                        let [x, y] = self.slots(memory, [x, y])?;
                        norm::apply(isa, x, norm.plane, coefficients, None, relu, y);
                    }
                }
            }
            Forward::Activate { kind, x, y } if x == y => {
                let [x] = self.slots(memory, [x])?;
                pointwise::activate_in_place(isa, kind, x);
            }
            Forward::Activate { kind, x, y } => {
                let [x, y] = self.slots(memory, [x, y])?;
                pointwise::activate(isa, kind, x, y);
            }
            Forward::Sum { ref inputs, relu, y } => self.sum(memory, inputs, relu, y)?,
            Forward::Dropout { stream, rate, x, y } => self.dropout(memory, stream, rate, x, y)?,
            Forward::MaxPool { ref window, x, y } => {
                let [x, y] = self.slots(memory, [x, y])?;
                pool::max_pool(isa, window, x, y);
            }
            Forward::AvgPool { ref window, divisor, x, y } => {
                let [x, y] = self.slots(memory, [x, y])?;
                pool::avg_pool(isa, window, divisor, x, y);
            }
            Forward::GlobalAvgPool { plane, x, y } => {
                let [x, y] = self.slots(memory, [x, y])?;
                pool::global_avg_pool(isa, plane, x, y);
            }
            Forward::LocalResponse { ref response, x, y } => {
                let [x, y] = self.slots(memory, [x, y])?;
                lrn::response(isa, response, x, y);
            }
            Forward::Subsample { input, output, stride, x, y } => {
                let [x, y] = self.slots(memory, [x, y])?;
                shape::subsample(isa, input, output, stride, x, y);
            }
            Forward::Clear { to } => {
                let [to] = self.slots(memory, [to])?;
                to.fill(0.0);
            }
            Forward::Move { from, to, to_start, len } => {
                let [from, to] = self.slots(memory, [from, to])?;
                to[to_start..to_start + len].copy_from_slice(&from[..len]);
            }
            Forward::Loss { logits, gradient, smoothing } => {
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
        }
        Ok(())
    }

    #[allow(clippy::too_many_arguments)]
    fn conv(
        &self,
        memory: &mut [f32],
        layer: LayerIndex,
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
