//! From a verified [`Program`] to operations that are ready to run, every index table on the device.

use super::device::{KernelStyle, OnDevice, TensorDevice};
use super::ops::conv::Convolution;
use super::ops::norm::ResponseNorm;
use super::ops::place::Placement;
use super::ops::pool::{AvgPool, MaxPool};
use super::window::Windows;
use crate::engine::EngineError;
use crate::engine::verify::verify;
use crate::graph::dims::{Padding, Pair, Shape};
use crate::lower::program::{Op, OpKind, Program};

/// An operation, ready to run. What is not here is in the program.
#[derive(Debug)]
pub(super) enum Ready<D: TensorDevice> {
    Conv(Convolution<D>),
    Linear,
    BatchNorm,
    Relu,
    Tanh,
    Sigmoid,
    MaxPool(MaxPool<D>),
    AvgPool(AvgPool<D>),
    GlobalAvgPool,
    ResponseNorm(ResponseNorm<D>),
    Dropout,
    /// Flattening moves nothing.
    Flatten,
    Add,
    /// One placement an input, each into its own rows.
    Concat(Vec<Placement<D>>),
    /// `subsample` and `pad_channels`.
    Place(Placement<D>),
}

/// Prepares every operation of a program.
///
/// # Errors
/// [`EngineError::Program`] when shapes, ids or parameters contradict each other; [`EngineError::Device`].
pub(super) fn prepare<D: TensorDevice>(
    device: &D,
    style: KernelStyle,
    program: &Program,
) -> Result<Vec<Ready<D>>, EngineError> {
    verify(program)?;
    program.ops.iter().map(|op| Preparation { device, style, program, op }.prepare()).collect()
}

/// One operation of a verified program.
struct Preparation<'a, D> {
    device: &'a D,
    style: KernelStyle,
    program: &'a Program,
    op: &'a Op,
}

impl<D: TensorDevice> Preparation<'_, D> {
    fn prepare(&self) -> Result<Ready<D>, EngineError> {
        let input = self.op.inputs.first().map_or(Shape::vector(0), |&input| self.program.shape(input));
        let output = self.program.shape(self.op.output);
        let windows = |kernel, stride, padding, dilation| Windows {
            input,
            output: output.plane(),
            kernel,
            stride,
            padding,
            dilation,
        };
        let one = Pair::square(1);
        Ok(match self.op.kind {
            OpKind::Conv { kernel, stride, padding, dilation, groups, .. } => {
                let windows = windows(kernel, stride, padding, dilation);
                Ready::Conv(Convolution::new(self.device, self.style, &windows, output.channels(), groups).on::<D>()?)
            }
            OpKind::Linear { .. } => Ready::Linear,
            OpKind::BatchNorm { .. } => Ready::BatchNorm,
            OpKind::Relu => Ready::Relu,
            OpKind::Tanh => Ready::Tanh,
            OpKind::Sigmoid => Ready::Sigmoid,
            OpKind::MaxPool { kernel, stride, padding } => {
                let maxima = windows(kernel, stride, padding, one).maxima().ok_or_else(|| self.reads_nothing())?;
                Ready::MaxPool(MaxPool::new(self.device, maxima).on::<D>()?)
            }
            OpKind::AvgPool { kernel, stride, padding, divisor } => {
                let windows = windows(kernel, stride, padding, one);
                let pool = AvgPool::new(self.device, &windows, divisor).on::<D>()?;
                Ready::AvgPool(pool.ok_or_else(|| self.reads_nothing())?)
            }
            OpKind::GlobalAvgPool => Ready::GlobalAvgPool,
            OpKind::LocalResponseNorm { size, alpha, beta, k } => {
                let norm = ResponseNorm::new(self.device, input.channels(), size, alpha, beta, k);
                Ready::ResponseNorm(norm.on::<D>()?)
            }
            OpKind::Dropout { .. } => Ready::Dropout,
            OpKind::Flatten => Ready::Flatten,
            OpKind::Add => Ready::Add,
            OpKind::Concat => Ready::Concat(self.concat(output)?),
            OpKind::Subsample { stride } => {
                let windows = windows(one, stride, Padding::default(), one);
                let sources: Vec<_> = windows.patches(0).into_iter().map(Some).collect();
                Ready::Place(Placement::new(self.device, &sources).on::<D>()?)
            }
            OpKind::PadChannels { before, .. } => {
                Ready::Place(self.place(before * input.plane().area(), input, output)?)
            }
        })
    }

    fn concat(&self, output: Shape) -> Result<Vec<Placement<D>>, EngineError> {
        let mut start = 0;
        let mut placements = Vec::with_capacity(self.op.inputs.len());
        for &input in &self.op.inputs {
            let input = self.program.shape(input);
            placements.push(self.place(start, input, output)?);
            start += input.elements();
        }
        Ok(placements)
    }

    /// The rows of `input` from row `start` of `output` on, zeros elsewhere.
    fn place(&self, start: usize, input: Shape, output: Shape) -> Result<Placement<D>, EngineError> {
        let source = |row: usize| row.checked_sub(start).filter(|&row| row < input.elements());
        let sources: Vec<_> = (0..output.elements()).map(source).collect();
        Placement::new(self.device, &sources).on::<D>()
    }

    fn reads_nothing(&self) -> EngineError {
        EngineError::Program(format!("`{}`: a window reads nothing", self.op.name))
    }
}
