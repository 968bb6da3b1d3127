//! The backward pass: the groups in reverse order, each turning the gradient of its output into those of its inputs
//! and weights.
//!
//! A gradient slot has one owner at a time. An op whose gradient has the shape of its input works in place and gives
//! the slot away; where a value has several readers, the first to come sets its gradient and the others add.

use super::Compiler;
use crate::engine::EngineError;
use crate::engine::native::fuse::Group;
use crate::engine::native::kernels::pointwise::Activation;
use crate::engine::native::step::{Backward, BarrierStep, Forward, Slot, block_len};
use crate::lower::program::{Op, OpKind, ValueId};

impl Compiler<'_> {
    pub(super) fn backward(&mut self) -> Result<(), EngineError> {
        self.is_backward = true;
        for group in self.groups.clone().iter().rev() {
            // No gradient: nothing the loss depends on. No need: no weight before it.
            if let (Some(g), true) = (self.gradients[group.output.0], self.needs[group.output.0]) {
                self.backward_group(group, g)?;
            }
        }
        self.flush();
        Ok(())
    }

    /// Where to write the gradient of a value, and whether to add to what is there.
    fn target(&mut self, value: ValueId) -> Option<(Slot, bool)> {
        if !self.needs[value.0] {
            return None;
        }
        if let Some(slot) = self.gradients[value.0] {
            return Some((slot, true));
        }
        let name = format!("gradient of {}", self.program.values[value.0].name);
        let slot = self.slot(name, self.shape(value).elements());
        self.gradients[value.0] = Some(slot);
        Some((slot, false))
    }

    /// Hands a slot that nobody else needs over as the gradient of a value.
    fn give(&mut self, name: &str, value: ValueId, from: Slot) {
        if !self.needs[value.0] {
            return;
        }
        match self.gradients[value.0] {
            None => self.gradients[value.0] = Some(from),
            Some(to) => {
                let len = self.value_len(value);
                self.block(name, Backward::Move { from, from_start: 0, to, len, add: true });
            }
        }
    }

    /// Adds a copy of a gradient to that of a value.
    fn copy_to(&mut self, name: &str, value: ValueId, from: Slot) {
        if let Some((to, add)) = self.target(value) {
            let len = self.value_len(value);
            self.block(name, Backward::Move { from, from_start: 0, to, len, add });
        }
    }

    /// Where a value of the forward pass lies now. The output of a batch norm (and its relu) is computed anew from its
    /// input rather than kept: the input is kept anyway, and memory is slower than arithmetic.
    fn saved(&mut self, value: ValueId) -> Result<Slot, EngineError> {
        let program = self.program;
        if let Some(group) = self.makers[value.0].take() {
            let group = self.groups[group].clone();
            let op = &program.ops[group.op];
            if matches!(op.kind, OpKind::BatchNorm { .. }) && group.addend.is_none() {
                let x = self.saved(op.inputs[0])?;
                let layer = self.layer(group.op)?;
                let y = self.new_place(value);
                self.block(&op.name, Forward::NormApply { layer, x, addend: None, relu: group.relu, y });
            }
        }
        self.place(value)
    }

    /// Whether the gradient of a parameter is to be added to.
    fn adds_to(&mut self, parameter: usize) -> bool {
        std::mem::replace(&mut self.written[parameter], true)
    }

    fn sum_later(&mut self, name: &str, parameter: usize, partial: Slot) {
        let add = self.adds_to(parameter);
        self.defer(name, BarrierStep::SumGradient { parameter, partial, add }, 0);
    }

    fn relu_backward(&mut self, name: &str, group: &Group, g: Slot) -> Result<(), EngineError> {
        if group.relu {
            let y = self.saved(group.output)?;
            self.block(name, Backward::Activate { kind: Activation::Relu, y, g });
        }
        Ok(())
    }

    fn bias_backward(&mut self, name: &str, bias: Option<usize>, plane: usize, channels: usize, dy: Slot) {
        if let Some(bias) = bias {
            let partial = self.raw_slot(format!("bias gradient of {name}"), channels.next_multiple_of(16));
            self.block(name, Backward::BiasGradient { plane, dy, partial });
            self.sum_later(name, bias, partial);
        }
    }

    fn backward_group(&mut self, group: &Group, g: Slot) -> Result<(), EngineError> {
        let program = self.program;
        let op = &program.ops[group.op];
        let name = op.name.as_str();
        let input = op.inputs[0];
        match &op.kind {
            OpKind::Conv { .. } => {
                self.relu_backward(name, group, g)?;
                self.conv_backward(op, group, g)?;
            }
            OpKind::Linear { .. } => {
                self.relu_backward(name, group, g)?;
                let layer = self.layer(group.op)?;
                let (bias, weight, outputs) = {
                    let linear = &self.layers.linears[layer.0];
                    (linear.bias, linear.weight, linear.outputs)
                };
                self.bias_backward(name, bias, 1, outputs, g);
                let x = self.saved(input)?;
                let flops = self.linear_flops(layer);
                let add = self.adds_to(weight);
                self.defer(name, BarrierStep::LinearWeightGradient { layer, x, dy: g, add }, flops);
                if let Some((dx, add)) = self.target(input) {
                    self.block_counted(name, Backward::LinearDataGradient { layer, dy: g, dx, add }, flops);
                }
            }
            OpKind::BatchNorm { .. } => self.norm_backward(op, group, g)?,
            OpKind::Relu => self.activation_backward(op, Activation::Relu, g)?,
            OpKind::Tanh => self.activation_backward(op, Activation::Tanh, g)?,
            OpKind::Sigmoid => self.activation_backward(op, Activation::Sigmoid, g)?,
            OpKind::Add => {
                self.relu_backward(name, group, g)?;
                // One input may have the slot itself: the last, after the copies are made.
                if let Some((&last, others)) = op.inputs.split_last() {
                    for &other in others {
                        self.copy_to(name, other, g);
                    }
                    self.give(name, last, g);
                }
            }
            OpKind::MaxPool { .. } => {
                let window = self.window(op)?;
                let (x, y) = (self.saved(input)?, self.saved(op.output)?);
                if let Some((dx, add)) = self.target(input) {
                    self.block(name, Backward::MaxPool { window, x, y, dy: g, dx, add });
                }
            }
            OpKind::AvgPool { divisor, .. } => {
                let window = self.window(op)?;
                if let Some((dx, add)) = self.target(input) {
                    self.block(name, Backward::AvgPool { window, divisor: *divisor, dy: g, dx, add });
                }
            }
            OpKind::GlobalAvgPool => {
                let plane = self.shape(input).plane().area();
                if let Some((dx, add)) = self.target(input) {
                    self.block(name, Backward::GlobalAvgPool { plane, dy: g, dx, add });
                }
            }
            OpKind::LocalResponseNorm { .. } => {
                let response = self.response(op)?;
                let x = self.saved(input)?;
                if let Some((dx, add)) = self.target(input) {
                    self.block(name, Backward::LocalResponse { response, x, dy: g, dx, add });
                }
            }
            OpKind::Dropout { rate, stream } => {
                self.block(name, Backward::Dropout { stream: *stream, rate: *rate, dy: g, dx: g });
                self.give(name, input, g);
            }
            OpKind::Flatten => self.give(name, input, g),
            OpKind::Concat => {
                let mut from_start = 0;
                for &input in &op.inputs {
                    let len = self.value_len(input);
                    if let Some((to, add)) = self.target(input) {
                        self.block(name, Backward::Move { from: g, from_start, to, len, add });
                    }
                    from_start += len;
                }
            }
            OpKind::Subsample { stride } => {
                let (from, to) = (self.shape(input).plane(), self.shape(op.output).plane());
                if let Some((dx, add)) = self.target(input) {
                    let step = Backward::Subsample { input: from, output: to, stride: *stride, dy: g, dx, add };
                    self.block(name, step);
                }
            }
            OpKind::PadChannels { before, .. } => {
                let from_start = before * block_len(self.shape(op.output).plane().area());
                let len = self.value_len(input);
                if let Some((to, add)) = self.target(input) {
                    self.block(name, Backward::Move { from: g, from_start, to, len, add });
                }
            }
        }
        Ok(())
    }

    fn activation_backward(&mut self, op: &Op, kind: Activation, g: Slot) -> Result<(), EngineError> {
        let y = self.saved(op.output)?;
        self.block(&op.name, Backward::Activate { kind, y, g });
        self.give(&op.name, op.inputs[0], g);
        Ok(())
    }

    fn conv_backward(&mut self, op: &Op, group: &Group, dy: Slot) -> Result<(), EngineError> {
        let name = op.name.as_str();
        let layer = self.layer(group.op)?;
        let (bias, weight, shape) = {
            let conv = &self.layers.convs[layer.0];
            (conv.bias, conv.weight, *conv.kernel.shape())
        };
        self.bias_backward(name, bias, shape.output().area(), shape.out_channels, dy);
        let flops = self.conv_flops(layer);
        let x = self.saved(op.inputs[0])?;
        let partial = self.raw_slot(format!("weight gradient of {name}"), shape.weight_len().next_multiple_of(16));
        self.block_counted(name, Backward::ConvWeightGradient { layer, x, dy, partial }, flops);
        self.sum_later(name, weight, partial);
        if let Some((dx, add)) = self.target(op.inputs[0]) {
            self.block_counted(name, Backward::ConvDataGradient { layer, dy, dx, add }, flops);
        }
        Ok(())
    }

    fn norm_backward(&mut self, op: &Op, group: &Group, g: Slot) -> Result<(), EngineError> {
        let name = op.name.as_str();
        let input = op.inputs[0];
        let layer = self.layer(group.op)?;
        let (scale, shift, channels) = {
            let norm = &self.layers.norms[layer.0];
            (norm.scale, norm.shift, norm.channels)
        };
        let x = self.saved(input)?;
        // With an addend the mask cannot be had from x alone: it comes from the output, and is applied in place, as
        // the addend needs the masked gradient as well.
        let (relu, output) = match group.addend {
            Some(_) if group.relu => (false, Some(self.saved(group.output)?)),
            _ => (group.relu, None),
        };
        let partial = self.raw_slot(format!("gradient sums of {name}"), (2 * channels).next_multiple_of(16));
        self.block(name, Backward::NormReduce { layer, x, g, relu, output, partial });
        let (add_scale, add_shift) = (self.adds_to(scale), self.adds_to(shift));
        self.barrier(name, BarrierStep::NormGradient { layer, partial, add_scale, add_shift });
        let addend = group.addend.filter(|addend| self.needs[addend.0]);
        if let Some(addend) = addend.filter(|addend| self.gradients[addend.0].is_some()) {
            self.give(name, addend, g);
        } else if let (Some(addend), true) = (addend, self.needs[input.0]) {
            let gradient = format!("gradient of {}", self.program.values[input.0].name);
            let dx = self.slot(gradient, self.shape(input).elements());
            self.block(name, Backward::NormInputGradient { layer, x, g, relu, dx });
            self.give(name, input, dx);
            self.give(name, addend, g);
            return Ok(());
        } else if let Some(addend) = addend {
            self.give(name, addend, g);
            return Ok(());
        }
        if self.needs[input.0] {
            self.block(name, Backward::NormInputGradient { layer, x, g, relu, dx: g });
            self.give(name, input, g);
        }
        Ok(())
    }
}
