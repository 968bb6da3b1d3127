//! Runs the steps of one block that compute gradients.

use super::block::Work;
use crate::engine::EngineError;
use crate::engine::native::kernels::{LANES, lrn, norm, pointwise, pool, shape};
use crate::engine::native::step::Backward;

impl Work<'_> {
    pub fn backward(&self, step: &Backward, memory: &mut [f32]) -> Result<(), EngineError> {
        let isa = self.context.isa;
        match *step {
            Backward::Activate { kind, y, g } => {
                let [y, g] = self.slots(memory, [y, g])?;
                pointwise::activate_backward(isa, kind, y, g);
            }
            Backward::BiasGradient { plane, dy, partial } => {
                let [dy, partial] = self.slots(memory, [dy, partial])?;
                pointwise::channel_sums(isa, dy, plane, partial);
            }
            Backward::ConvWeightGradient { layer, x, dy, partial } => {
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
            Backward::ConvDataGradient { layer, dy, dx, add } => {
                let conv = &self.layers.convs[layer.0];
                let [dy, dx] = self.slots(memory, [dy, dx])?;
                let shape = conv.kernel.shape();
                self.in_parts(shape.in_channels, shape.input.area() * LANES, dx, |channels, part, scratch| {
                    conv.kernel.data_gradient(&conv.backward, dy, channels, part, add, scratch);
                });
            }
            Backward::LinearDataGradient { layer, dy, dx, add } => {
                let linear = &self.layers.linears[layer.0];
                let [dy, dx] = self.slots(memory, [dy, dx])?;
                linear.kernel.data_gradient(self.weights(linear.weight), dy, dx, add);
            }
            Backward::NormReduce { layer, x, g, relu, output, partial } => {
                let norm = &self.layers.norms[layer.0];
                let coefficients = &norm.coefficients[self.group];
                if let Some(output) = output {
                    let [x, output, g, partial] = self.slots(memory, [x, output, g, partial])?;
                    norm::reduce_masking(isa, x, output, g, norm.plane, coefficients, partial);
                } else {
                    let [x, g, partial] = self.slots(memory, [x, g, partial])?;
                    norm::reduce(isa, x, g, norm.plane, coefficients, relu, partial);
                }
            }
            Backward::NormInputGradient { layer, x, g, relu, dx } => {
                let norm = &self.layers.norms[layer.0];
                let coefficients = &norm.coefficients[self.group];
                let images = self.images.len();
                if g == dx {
                    let [x, g] = self.slots(memory, [x, g])?;
                    norm::input_gradient(isa, x, norm.plane, images, coefficients, relu, g);
                } else {
                    let [x, g, dx] = self.slots(memory, [x, g, dx])?;
                    norm::input_gradient_to(isa, x, g, norm.plane, images, coefficients, relu, dx);
                }
            }
            Backward::Dropout { stream, rate, dy, dx } => self.dropout(memory, stream, rate, dy, dx)?,
            Backward::MaxPool { ref window, x, y, dy, dx, add } => {
                let [x, y, dy, dx] = self.slots(memory, [x, y, dy, dx])?;
                pool::max_pool_backward(isa, window, x, y, dy, add, dx);
            }
            Backward::AvgPool { ref window, divisor, dy, dx, add } => {
                let [dy, dx] = self.slots(memory, [dy, dx])?;
                pool::avg_pool_backward(isa, window, divisor, dy, add, dx);
            }
            Backward::GlobalAvgPool { plane, dy, dx, add } => {
                let [dy, dx] = self.slots(memory, [dy, dx])?;
                pool::global_avg_pool_backward(isa, plane, dy, add, dx);
            }
            Backward::LocalResponse { ref response, x, dy, dx, add } => {
                let [x, dy, dx] = self.slots(memory, [x, dy, dx])?;
                self.context.threads.with_scratch(|scratch| {
                    lrn::response_backward(isa, response, x, dy, add, dx, &mut scratch[..response.scratch_len()]);
                });
            }
            Backward::Subsample { input, output, stride, dy, dx, add } => {
                let [dy, dx] = self.slots(memory, [dy, dx])?;
                shape::subsample_backward(isa, input, output, stride, dy, add, dx);
            }
            Backward::Move { from, from_start, to, len, add } => {
                let [from, to] = self.slots(memory, [from, to])?;
                let (from, to) = (&from[from_start..from_start + len], &mut to[..len]);
                if add { pointwise::accumulate(isa, from, to) } else { to.copy_from_slice(from) }
            }
        }
        Ok(())
    }
}
