//! What the steps look up: layers with weights, their kernels and what is kept of them between steps.

use super::Convolution;
use super::exec::linear_scratch;
use super::kernels::buffer::Buffer;
use super::kernels::conv::{Conv, ConvShape};
use super::kernels::isa::Isa;
use super::kernels::linear::Linear;
use super::kernels::lrn::Response;
use super::kernels::norm::NormCoefficients;
use super::step::LayerIndex;
use crate::engine::EngineError;
use crate::lower::program::{OpKind, Program, VarianceEstimate};

/// A convolution.
#[derive(Debug)]
pub struct ConvLayer {
    /// Its kernels.
    pub kernel: Conv,
    /// Weight parameter.
    pub weight: usize,
    /// Bias parameter.
    pub bias: Option<usize>,
    /// Weights for the forward pass of training (and of evaluation where no batch norm is folded in).
    pub forward: Buffer,
    /// Weights for the data gradient.
    pub backward: Buffer,
    /// The batch norm that evaluation folds in, and the weights with it.
    pub folded: Option<Folded>,
}

/// Weights and bias of a convolution with the batch norm that follows it folded in:
/// w·scale/√(variance + epsilon) and shift + (bias − mean)·scale/√(variance + epsilon).
#[derive(Debug)]
pub struct Folded {
    /// The batch norm.
    pub norm: LayerIndex,
    /// Weights as they are.
    pub weights: Vec<f32>,
    /// Weights as the kernel wants them.
    pub packed: Buffer,
    /// Bias.
    pub bias: Vec<f32>,
}

/// A linear layer.
#[derive(Debug)]
pub struct LinearLayer {
    /// Its kernels.
    pub kernel: Linear,
    /// Weight parameter.
    pub weight: usize,
    /// Bias parameter.
    pub bias: Option<usize>,
    /// Inputs.
    pub inputs: usize,
    /// Outputs.
    pub outputs: usize,
}

/// A batch norm.
#[derive(Debug)]
pub struct NormLayer {
    /// Scale parameter.
    pub scale: usize,
    /// Shift parameter.
    pub shift: usize,
    /// Running-mean statistic.
    pub mean: usize,
    /// Running-variance statistic.
    pub variance: usize,
    /// Added to the variance.
    pub epsilon: f32,
    /// Weight of the old running value.
    pub decay: f32,
    /// Estimate that goes into the running variance.
    pub estimate: VarianceEstimate,
    /// C
    pub channels: usize,
    /// H·W
    pub plane: usize,
    /// What turns x into y: of each group of the batch in training; in evaluation the first is that of the running
    /// statistics. Never empty.
    pub coefficients: Vec<NormCoefficients>,
}

/// All of a program.
#[derive(Debug, Default)]
pub struct Layers {
    /// Convolutions.
    pub convs: Vec<ConvLayer>,
    /// Linear layers.
    pub linears: Vec<LinearLayer>,
    /// Batch norms.
    pub norms: Vec<NormLayer>,
    /// For each op of the program its place in the table of its kind.
    pub of_op: Vec<Option<LayerIndex>>,
}

impl Layers {
    /// Of a program.
    ///
    /// # Errors
    /// [`EngineError::Program`] for sizes that the program's own checks should have refused.
    pub fn new(program: &Program, isa: Isa, convolution: Convolution) -> Result<Layers, EngineError> {
        let mut layers = Layers::default();
        for op in &program.ops {
            let input = op.inputs.first().map(|&input| program.shape(input));
            let (Some(input), output) = (input, program.shape(op.output)) else {
                return Err(super::broken(&op.name, "it reads nothing"));
            };
            let layer = match op.kind {
                OpKind::Conv { weight, bias, kernel, stride, padding, dilation, groups } => {
                    let shape = ConvShape {
                        in_channels: input.channels(),
                        out_channels: output.channels(),
                        input: input.plane(),
                        kernel,
                        stride,
                        padding,
                        dilation,
                        groups,
                    };
                    let kernel = match convolution {
                        Convolution::Fastest => Conv::new(shape, isa),
                        Convolution::Direct => Conv::direct(shape, isa),
                    };
                    let kernel = kernel.map_err(|error| super::broken(&op.name, &error.to_string()))?;
                    layers.convs.push(ConvLayer {
                        weight: weight.0,
                        bias: bias.map(|bias| bias.0),
                        forward: Buffer::zeroed(kernel.packed_forward_len()),
                        backward: Buffer::zeroed(kernel.packed_backward_len()),
                        folded: None,
                        kernel,
                    });
                    Some(LayerIndex(layers.convs.len() - 1))
                }
                OpKind::Linear { weight, bias } => {
                    let (inputs, outputs) = (input.elements(), output.elements());
                    layers.linears.push(LinearLayer {
                        kernel: Linear::new(inputs, outputs, isa),
                        weight: weight.0,
                        bias: bias.map(|bias| bias.0),
                        inputs,
                        outputs,
                    });
                    Some(LayerIndex(layers.linears.len() - 1))
                }
                OpKind::BatchNorm { scale, shift, mean, variance, epsilon, decay, running_variance } => {
                    let channels = input.channels();
                    layers.norms.push(NormLayer {
                        scale: scale.0,
                        shift: shift.0,
                        mean: mean.0,
                        variance: variance.0,
                        epsilon,
                        decay,
                        estimate: running_variance,
                        channels,
                        plane: input.plane().area(),
                        coefficients: vec![NormCoefficients::new(channels)],
                    });
                    Some(LayerIndex(layers.norms.len() - 1))
                }
                OpKind::Relu
                | OpKind::Tanh
                | OpKind::Sigmoid
                | OpKind::MaxPool { .. }
                | OpKind::AvgPool { .. }
                | OpKind::GlobalAvgPool
                | OpKind::LocalResponseNorm { .. }
                | OpKind::Dropout { .. }
                | OpKind::Flatten
                | OpKind::Add
                | OpKind::Concat
                | OpKind::Subsample { .. }
                | OpKind::PadChannels { .. } => None,
            };
            layers.of_op.push(layer);
        }
        Ok(layers)
    }

    /// Room for the coefficients of so many groups.
    pub fn reserve_groups(&mut self, groups: usize) {
        for norm in &mut self.norms {
            if norm.coefficients.len() < groups {
                norm.coefficients.resize(groups, NormCoefficients::new(norm.channels));
            }
        }
    }

    /// Numbers of scratch that a thread needs for any of the layers, for a batch of so many blocks.
    pub fn scratch_len(&self, program: &Program, blocks: usize) -> usize {
        let convs = self.convs.iter().map(|conv| conv.kernel.scratch_len());
        let linears =
            self.linears.iter().map(|linear| linear.kernel.scratch_len(1) + linear_scratch(linear.inputs, blocks));
        let responses = program.ops.iter().map(|op| match (&op.kind, op.inputs.first()) {
            (OpKind::LocalResponseNorm { .. }, Some(&input)) => {
                Response::scratch_len_of(program.shape(input).channels())
            }
            _ => 0,
        });
        convs.chain(linears).chain(responses).max().unwrap_or(0)
    }

    /// Bytes of packed weights and coefficients.
    pub fn bytes(&self) -> usize {
        let conv = |conv: &ConvLayer| {
            let folded = conv.folded.as_ref().map_or(0, |f| f.weights.len() + f.packed.len() + f.bias.len());
            conv.forward.len() + conv.backward.len() + folded
        };
        let numbers: usize = self.convs.iter().map(conv).sum();
        4 * (numbers + self.norms.iter().map(|norm| 7 * norm.channels * norm.coefficients.len()).sum::<usize>())
    }
}
