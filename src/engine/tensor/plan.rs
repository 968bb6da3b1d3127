//! From a [`Program`] to operations that are ready to run: everything checked, every index table on the device.

use super::device::{Lowering, OnDevice, TensorDevice};
use super::ops::conv::Convolution;
use super::ops::norm::ResponseNorm;
use super::ops::place::Placement;
use super::ops::pool::{AvgPool, MaxPool};
use super::window::Windows;
use crate::engine::EngineError;
use crate::graph::dims::{Padding, Pair, Shape};
use crate::lower::program::{Op, OpKind, ParameterId, Program, StatisticId, ValueId};

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
    lowering: Lowering,
    program: &Program,
) -> Result<Vec<Ready<D>>, EngineError> {
    let mut known = vec![false; program.values.len()];
    if let Some(images) = known.first_mut() {
        *images = true;
    }
    let mut ready = Vec::with_capacity(program.ops.len());
    for op in &program.ops {
        let says = |what: String| EngineError::Program(format!("`{}`: {what}", op.name));
        if op.inputs.is_empty() || !op.inputs.iter().all(|input| known.get(input.0) == Some(&true)) {
            return Err(says("it reads what is not computed before it".into()));
        }
        match known.get_mut(op.output.0) {
            Some(output) if !*output => *output = true,
            _ => return Err(says("its output is not its own".into())),
        }
        ready.push(Checked { device, lowering, program, op }.prepare()?);
    }
    match known.get(program.logits.0) {
        Some(true) if matches!(program.shape(program.logits), Shape::Vector { .. }) => Ok(ready),
        _ => Err(EngineError::Program("the logits are not a vector that is computed".into())),
    }
}

/// One operation and what it belongs to; its ids of values are known to be good.
struct Checked<'a, D> {
    device: &'a D,
    lowering: Lowering,
    program: &'a Program,
    op: &'a Op,
}

impl<D: TensorDevice> Checked<'_, D> {
    fn prepare(&self) -> Result<Ready<D>, EngineError> {
        let input = self.shape(self.op.inputs.first());
        let output = self.program.shape(self.op.output);
        if self.op.inputs.len() > 1 && !matches!(self.op.kind, OpKind::Add | OpKind::Concat) {
            return Err(self.error("it reads one value"));
        }
        match self.op.kind {
            OpKind::Conv { weight, bias, kernel, stride, padding, dilation, groups } => {
                let windows = self.windows(input, output, kernel, stride, padding, dilation)?;
                let (inputs, outputs) = (input.channels(), output.channels());
                self.check(groups > 0 && inputs % groups == 0 && outputs % groups == 0, "its groups do not divide")?;
                self.parameter(weight, &[outputs, inputs / groups, kernel.height, kernel.width])?;
                bias.map_or(Ok(()), |bias| self.parameter(bias, &[outputs]))?;
                let conv = Convolution::new(self.device, self.lowering, &windows, outputs, groups);
                Ok(Ready::Conv(conv.on::<D>()?))
            }
            OpKind::Linear { weight, bias } => {
                self.check(is_vector(input) && is_vector(output), "it works on vectors")?;
                self.parameter(weight, &[output.elements(), input.elements()])?;
                bias.map_or(Ok(()), |bias| self.parameter(bias, &[output.elements()]))?;
                Ok(Ready::Linear)
            }
            OpKind::BatchNorm { scale, shift, mean, variance, .. } => {
                self.same(input, output)?;
                self.parameter(scale, &[input.channels()])?;
                self.parameter(shift, &[input.channels()])?;
                self.statistic(mean, input.channels())?;
                self.statistic(variance, input.channels())?;
                Ok(Ready::BatchNorm)
            }
            OpKind::Relu => self.same(input, output).map(|()| Ready::Relu),
            OpKind::Tanh => self.same(input, output).map(|()| Ready::Tanh),
            OpKind::Sigmoid => self.same(input, output).map(|()| Ready::Sigmoid),
            OpKind::MaxPool { kernel, stride, padding } => {
                let windows = self.pool(input, output, kernel, stride, padding)?;
                let maxima = windows.maxima().ok_or_else(|| self.error("a window reads nothing"))?;
                Ok(Ready::MaxPool(MaxPool::new(self.device, maxima).on::<D>()?))
            }
            OpKind::AvgPool { kernel, stride, padding, divisor } => {
                let windows = self.pool(input, output, kernel, stride, padding)?;
                let pool = AvgPool::new(self.device, &windows, divisor).on::<D>()?;
                pool.map(Ready::AvgPool).ok_or_else(|| self.error("a window reads nothing"))
            }
            OpKind::GlobalAvgPool => {
                self.check(!is_vector(input) && output == Shape::vector(input.channels()), "its shapes do not fit")?;
                Ok(Ready::GlobalAvgPool)
            }
            OpKind::LocalResponseNorm { size, alpha, beta, k } => {
                self.same(input, output)?;
                self.check(size % 2 == 1, "its size is even")?;
                let norm = ResponseNorm::new(self.device, input.channels(), size, alpha, beta, k);
                Ok(Ready::ResponseNorm(norm.on::<D>()?))
            }
            OpKind::Dropout { .. } => self.same(input, output).map(|()| Ready::Dropout),
            OpKind::Flatten => {
                self.check(output == Shape::vector(input.elements()), "its shapes do not fit")?;
                Ok(Ready::Flatten)
            }
            OpKind::Add => {
                self.op.inputs.iter().try_for_each(|&input| self.same(self.program.shape(input), output))?;
                Ok(Ready::Add)
            }
            OpKind::Concat => self.concat(output),
            OpKind::Subsample { stride } => {
                let windows =
                    self.windows(input, output, Pair::square(1), stride, Padding::default(), Pair::square(1))?;
                self.check(input.channels() == output.channels(), "its shapes do not fit")?;
                let sources: Vec<_> = windows.patches(0).into_iter().map(Some).collect();
                Ok(Ready::Place(Placement::new(self.device, &sources).on::<D>()?))
            }
            OpKind::PadChannels { before, after } => {
                let fits = input.channels() + before + after == output.channels() && input.plane() == output.plane();
                self.check(fits, "its shapes do not fit")?;
                let start = before * input.plane().area();
                self.place(start, input, output).map(Ready::Place)
            }
        }
    }

    fn concat(&self, output: Shape) -> Result<Ready<D>, EngineError> {
        let mut start = 0;
        let mut placements = Vec::with_capacity(self.op.inputs.len());
        for &input in &self.op.inputs {
            let input = self.program.shape(input);
            let alike = input.plane() == output.plane() && is_vector(input) == is_vector(output);
            self.check(alike && start + input.elements() <= output.elements(), "its shapes do not fit")?;
            placements.push(self.place(start, input, output)?);
            start += input.elements();
        }
        self.check(start == output.elements(), "its shapes do not fit")?;
        Ok(Ready::Concat(placements))
    }

    /// The rows of `input` from row `start` of `output` on, zeros elsewhere.
    fn place(&self, start: usize, input: Shape, output: Shape) -> Result<Placement<D>, EngineError> {
        let source = |row: usize| row.checked_sub(start).filter(|&row| row < input.elements());
        let sources: Vec<_> = (0..output.elements()).map(source).collect();
        Placement::new(self.device, &sources).on::<D>()
    }

    fn pool(
        &self,
        input: Shape,
        output: Shape,
        kernel: Pair,
        stride: Pair,
        padding: Padding,
    ) -> Result<Windows, EngineError> {
        self.check(input.channels() == output.channels(), "its shapes do not fit")?;
        self.windows(input, output, kernel, stride, padding, Pair::square(1))
    }

    fn windows(
        &self,
        input: Shape,
        output: Shape,
        kernel: Pair,
        stride: Pair,
        padding: Padding,
        dilation: Pair,
    ) -> Result<Windows, EngineError> {
        self.check(!is_vector(input) && !is_vector(output), "it works on maps")?;
        let positive = kernel.area() > 0 && stride.area() > 0 && dilation.area() > 0 && output.elements() > 0;
        self.check(positive, "a kernel, stride, dilation or output is empty")?;
        Ok(Windows { input, output: output.plane(), kernel, stride, padding, dilation })
    }

    fn same(&self, input: Shape, output: Shape) -> Result<(), EngineError> {
        self.check(input == output, "its shapes differ")
    }

    fn parameter(&self, id: ParameterId, dims: &[usize]) -> Result<(), EngineError> {
        let fits = self.program.parameters.get(id.0).is_some_and(|parameter| parameter.dims == dims);
        self.check(fits, "a parameter does not fit")
    }

    fn statistic(&self, id: StatisticId, channels: usize) -> Result<(), EngineError> {
        let fits = self.program.statistics.get(id.0).is_some_and(|statistic| statistic.channels == channels);
        self.check(fits, "a statistic does not fit")
    }

    fn shape(&self, id: Option<&ValueId>) -> Shape {
        id.map_or(Shape::vector(0), |&id| self.program.shape(id))
    }

    fn check(&self, good: bool, otherwise: &str) -> Result<(), EngineError> {
        if good { Ok(()) } else { Err(self.error(otherwise)) }
    }

    fn error(&self, what: &str) -> EngineError {
        EngineError::Program(format!("`{}`: {what}", self.op.name))
    }
}

fn is_vector(shape: Shape) -> bool {
    matches!(shape, Shape::Vector { .. })
}
