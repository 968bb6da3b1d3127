//! The forward pass.

use super::Compiler;
use crate::engine::EngineError;
use crate::engine::native::broken;
use crate::engine::native::fuse::{Group, Purpose};
use crate::engine::native::kernels::lrn::Response;
use crate::engine::native::kernels::pointwise::Activation;
use crate::engine::native::kernels::pool::Window;
use crate::engine::native::step::{BarrierStep, Forward, LayerIndex, block_len};
use crate::graph::dims::{Padding, Pair, Shape};
use crate::lower::program::{Op, OpKind, ValueId};

impl Compiler<'_> {
    pub(super) fn forward(&mut self) -> Result<(), EngineError> {
        let to = self.new_place(ValueId(0));
        self.block("images", Forward::Pack { to });
        for group in self.groups.clone() {
            self.forward_group(&group)?;
        }
        Ok(())
    }

    /// The table entry of an op with weights.
    pub(super) fn layer(&self, op: usize) -> Result<LayerIndex, EngineError> {
        let missing = || broken(&self.program.ops[op].name, "it has no weights");
        self.layers.of_op.get(op).copied().flatten().ok_or_else(missing)
    }

    fn forward_group(&mut self, group: &Group) -> Result<(), EngineError> {
        let program = self.program;
        let op = &program.ops[group.op];
        let name = op.name.as_str();
        let x = self.place(op.inputs[0])?;
        let relu = group.relu;
        match &op.kind {
            OpKind::Conv { .. } => {
                let layer = self.layer(group.op)?;
                let residual = group.addend.map(|addend| self.place(addend)).transpose()?;
                let y = self.new_place(group.output);
                let flops = self.conv_flops(layer);
                self.block_counted(name, Forward::Conv { layer, x, residual, relu, y }, flops);
            }
            OpKind::Linear { .. } => {
                let layer = self.layer(group.op)?;
                let y = self.new_place(group.output);
                let flops = self.linear_flops(layer);
                self.block_counted(name, Forward::Linear { layer, x, relu, y }, flops);
            }
            OpKind::BatchNorm { .. } => {
                let layer = self.layer(group.op)?;
                if self.purpose == Purpose::Train {
                    let partial = self.raw_slot(
                        format!("statistics of {name}"),
                        (2 * self.layers.norms[layer.0].channels).next_multiple_of(16),
                    );
                    self.block(name, Forward::NormStatistics { layer, x, partial });
                    self.barrier(name, BarrierStep::NormStatistics { layer, partial });
                }
                let addend = group.addend.map(|addend| self.place(addend)).transpose()?;
                let y = self.new_place(group.output);
                self.block(name, Forward::NormApply { layer, x, addend, relu, y });
            }
            OpKind::Relu => self.activate(op, Activation::Relu)?,
            OpKind::Tanh => self.activate(op, Activation::Tanh)?,
            OpKind::Sigmoid => self.activate(op, Activation::Sigmoid)?,
            OpKind::Add => {
                let inputs = op.inputs.iter().map(|&input| self.place(input)).collect::<Result<Vec<_>, _>>()?;
                let y = self.new_place(group.output);
                self.block(name, Forward::Sum { inputs, relu, y });
            }
            OpKind::MaxPool { .. } => {
                let y = self.new_place(op.output);
                let window = self.window(op)?;
                self.block(name, Forward::MaxPool { window, x, y });
            }
            OpKind::AvgPool { divisor, .. } => {
                let y = self.new_place(op.output);
                let window = self.window(op)?;
                self.block(name, Forward::AvgPool { window, divisor: *divisor, x, y });
            }
            OpKind::GlobalAvgPool => {
                let y = self.new_place(op.output);
                let plane = self.shape(op.inputs[0]).plane().area();
                self.block(name, Forward::GlobalAvgPool { plane, x, y });
            }
            OpKind::LocalResponseNorm { .. } => {
                let y = self.new_place(op.output);
                let response = self.response(op)?;
                self.block(name, Forward::LocalResponse { response, x, y });
            }
            OpKind::Dropout { rate, stream } => match self.purpose {
                Purpose::Train => {
                    let y = self.new_place(op.output);
                    self.block(name, Forward::Dropout { stream: *stream, rate: *rate, x, y });
                }
                Purpose::Evaluate => self.places[op.output.0] = Some(x),
            },
            // C×H×W and C·H·W are the same numbers in the same order.
            OpKind::Flatten => self.places[op.output.0] = Some(x),
            OpKind::Concat => {
                let to = self.new_place(op.output);
                let mut to_start = 0;
                for &input in &op.inputs {
                    let (from, len) = (self.place(input)?, self.value_len(input));
                    self.block(name, Forward::Move { from, to, to_start, len });
                    to_start += len;
                }
            }
            OpKind::Subsample { stride } => {
                let y = self.new_place(op.output);
                let (input, output) = (self.shape(op.inputs[0]).plane(), self.shape(op.output).plane());
                self.block(name, Forward::Subsample { input, output, stride: *stride, x, y });
            }
            OpKind::PadChannels { before, .. } => {
                let to = self.new_place(op.output);
                let to_start = before * block_len(self.shape(op.output).plane().area());
                let len = self.value_len(op.inputs[0]);
                self.block(name, Forward::Clear { to });
                self.block(name, Forward::Move { from: x, to, to_start, len });
            }
        }
        Ok(())
    }

    fn activate(&mut self, op: &Op, kind: Activation) -> Result<(), EngineError> {
        let x = self.place(op.inputs[0])?;
        let y = self.new_place(op.output);
        self.block(&op.name, Forward::Activate { kind, x, y });
        Ok(())
    }

    pub(super) fn conv_flops(&self, layer: LayerIndex) -> u64 {
        let shape = self.layers.convs[layer.0].kernel.shape();
        2 * (shape.output().area() * shape.out_channels * shape.filter_len()) as u64
    }

    pub(super) fn linear_flops(&self, layer: LayerIndex) -> u64 {
        let linear = &self.layers.linears[layer.0];
        2 * (linear.inputs * linear.outputs) as u64
    }

    pub(super) fn window(&self, op: &Op) -> Result<Window, EngineError> {
        let (OpKind::MaxPool { kernel, stride, padding } | OpKind::AvgPool { kernel, stride, padding, .. }) = op.kind
        else {
            return Err(broken(&op.name, "it is no pool"));
        };
        self.window_of(op, kernel, stride, padding)
    }

    fn window_of(&self, op: &Op, kernel: Pair, stride: Pair, padding: Padding) -> Result<Window, EngineError> {
        let (input, output) = (self.shape(op.inputs[0]), self.shape(op.output));
        match (input, output) {
            (Shape::Map { channels, .. }, Shape::Map { .. })
                if input.plane().area() > 0 && output.plane().area() > 0 =>
            {
                Ok(Window { channels, input: input.plane(), output: output.plane(), kernel, stride, padding })
            }
            _ => Err(broken(&op.name, "a pool needs a map")),
        }
    }

    pub(super) fn response(&self, op: &Op) -> Result<Response, EngineError> {
        let OpKind::LocalResponseNorm { size, alpha, beta, k } = op.kind else {
            return Err(broken(&op.name, "it is no local response norm"));
        };
        let shape = self.shape(op.inputs[0]);
        let (channels, plane) = (shape.channels(), shape.plane().area());
        Ok(Response { half: size.saturating_sub(1) / 2, alpha, beta, k, channels, plane })
    }
}
