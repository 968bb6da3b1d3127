//! That a program is whole before an engine takes it, so that nothing after has to ask.
//!
//! Programs come from the compiler and are whole; this guards against one that was put together by hand. Of a program
//! that passes:
//!
//! - **Order**: value 0 is the images. Every other value that is read was written by an op before, and no value is
//!   written twice.
//! - **Inputs**: an addition and a concatenation read one value or more, every other op exactly one.
//! - **Sizes**: what an op reads first and what it writes are not empty, and no kernel, stride or dilation of a window
//!   has a side of 0.
//! - **Shapes**: each op's output has the shape that its inputs, settings and weights give. Of a pool less is asked: any
//!   number of windows, as long as each of them sees at least one pixel of the image.
//! - **Kinds of shapes**: convolutions, pools, subsampling and zero channels work on maps, linear layers on vectors.
//! - **Groups** of a convolution divide its input and its output channels.
//! - **Response norms** have a window of odd size, so that it has a middle.
//! - **Parameters**: each that an op names is there, with the dimensions that the op's shapes ask for; running statistics
//!   have a number for each channel. Two ops may name the same one.
//! - **Logits** are a vector that an op writes.
//! - **Groups** of images that batch norm has statistics of are not empty.
//!
//! Not looked at: numbers (rates, epsilons, decays), and whether an op or a parameter is of any use.

use super::EngineError;
use crate::graph::dims::{Padding, Pair, Shape};
use crate::lower::program::{Op, OpKind, ParameterId, Program, StatisticId, ValueId};

/// Checks ids, shapes and parameters of every op.
///
/// # Errors
/// [`EngineError::Program`] naming the first op that does not fit.
pub fn verify(program: &Program) -> Result<(), EngineError> {
    let mut computed = vec![false; program.values.len()];
    if let Some(images) = computed.first_mut() {
        *images = true;
    }
    for op in &program.ops {
        let check = Check { program, op };
        let known = op.inputs.iter().all(|input| computed.get(input.0) == Some(&true));
        check.that(!op.inputs.is_empty() && known, "it reads what is not computed before it")?;
        check.that(computed.get(op.output.0) == Some(&false), "its output is not its own")?;
        check.op()?;
        computed[op.output.0] = true;
    }
    if program.norm_group == Some(0) {
        return Err(EngineError::Program("batch norm has groups of 0 images".into()));
    }
    let logits = program.logits;
    let vector = computed.get(logits.0) == Some(&true) && is_vector(program.shape(logits)) && logits != ValueId(0);
    if vector { Ok(()) } else { Err(EngineError::Program("the logits are not a vector that is computed".into())) }
}

struct Check<'a> {
    program: &'a Program,
    op: &'a Op,
}

fn is_vector(shape: Shape) -> bool {
    matches!(shape, Shape::Vector { .. })
}

impl Check<'_> {
    fn that(&self, good: bool, otherwise: &str) -> Result<(), EngineError> {
        if good { Ok(()) } else { Err(EngineError::Program(format!("`{}`: {otherwise}", self.op.name))) }
    }

    fn op(&self) -> Result<(), EngineError> {
        let input = self.op.inputs.first().map_or(Shape::vector(0), |&input| self.program.shape(input));
        let output = self.program.shape(self.op.output);
        let several = matches!(self.op.kind, OpKind::Add | OpKind::Concat);
        self.that(several || self.op.inputs.len() == 1, "it reads one value")?;
        self.that(input.elements() > 0 && output.elements() > 0, "it works on nothing")?;
        match self.op.kind {
            OpKind::Conv { weight, bias, kernel, stride, padding, dilation, groups } => {
                let (inputs, outputs) = (input.channels(), output.channels());
                self.that(!is_vector(input) && !is_vector(output), "it works on maps")?;
                self.that(groups > 0 && inputs % groups == 0 && outputs % groups == 0, "its groups do not divide")?;
                self.parameter(weight, &[outputs, inputs / groups, kernel.height, kernel.width])?;
                bias.map_or(Ok(()), |bias| self.parameter(bias, &[outputs]))?;
                self.that(
                    kernel.area() * stride.area() * dilation.area() > 0,
                    "a kernel, stride or dilation is empty",
                )?;
                let along = |size: usize, padding: usize, kernel: usize, stride: usize, dilation: usize| {
                    Some((size + padding).checked_sub((kernel - 1) * dilation + 1)? / stride + 1)
                };
                let (plane, Padding { top, bottom, left, right }) = (input.plane(), padding);
                let height = along(plane.height, top + bottom, kernel.height, stride.height, dilation.height);
                let width = along(plane.width, left + right, kernel.width, stride.width, dilation.width);
                let fits = height == Some(output.plane().height) && width == Some(output.plane().width);
                self.that(fits, "its output has another size than its window gives")
            }
            OpKind::Linear { weight, bias } => {
                self.that(is_vector(input) && is_vector(output), "it works on vectors")?;
                self.parameter(weight, &[output.elements(), input.elements()])?;
                bias.map_or(Ok(()), |bias| self.parameter(bias, &[output.elements()]))
            }
            OpKind::BatchNorm { scale, shift, mean, variance, .. } => {
                self.same(input, output)?;
                let channels = input.channels();
                self.parameter(scale, &[channels]).and_then(|()| self.parameter(shift, &[channels]))?;
                self.statistic(mean, channels).and_then(|()| self.statistic(variance, channels))
            }
            OpKind::Relu | OpKind::Tanh | OpKind::Sigmoid | OpKind::Dropout { .. } => self.same(input, output),
            OpKind::MaxPool { kernel, stride, padding } | OpKind::AvgPool { kernel, stride, padding, .. } => {
                self.pool(input, output, kernel, stride, padding)
            }
            OpKind::GlobalAvgPool => {
                let fits = !is_vector(input) && output == Shape::vector(input.channels());
                self.that(fits, "its shapes do not fit")
            }
            OpKind::LocalResponseNorm { size, .. } => {
                self.same(input, output)?;
                self.that(size % 2 == 1, "its size is even")
            }
            OpKind::Flatten => self.that(output == Shape::vector(input.elements()), "its shapes do not fit"),
            OpKind::Add => self.op.inputs.iter().try_for_each(|&input| self.same(self.program.shape(input), output)),
            OpKind::Concat => {
                let shapes = || self.op.inputs.iter().map(|&input| self.program.shape(input));
                let alike = |shape: Shape| shape.plane() == output.plane() && is_vector(shape) == is_vector(output);
                let channels: usize = shapes().map(Shape::channels).sum();
                self.that(shapes().all(alike) && channels == output.channels(), "its shapes do not fit")
            }
            OpKind::Subsample { stride } => {
                self.that(!is_vector(input) && !is_vector(output) && stride.area() > 0, "it works on maps")?;
                let (from, to) = (input.plane(), output.plane());
                let steps = Pair::new(from.height.div_ceil(stride.height), from.width.div_ceil(stride.width));
                self.that(input.channels() == output.channels() && to == steps, "its shapes do not fit")
            }
            OpKind::PadChannels { before, after } => {
                let fits = input.channels() + before + after == output.channels() && input.plane() == output.plane();
                self.that(fits && !is_vector(input) && !is_vector(output), "its shapes do not fit")
            }
        }
    }

    fn pool(
        &self,
        input: Shape,
        output: Shape,
        kernel: Pair,
        stride: Pair,
        padding: Padding,
    ) -> Result<(), EngineError> {
        self.that(!is_vector(input) && !is_vector(output), "it works on maps")?;
        self.that(input.channels() == output.channels(), "its shapes do not fit")?;
        self.that(kernel.area() * stride.area() > 0, "a kernel or stride is empty")?;
        let reads = |size: usize, outputs: usize, before: usize, kernel: usize, stride: usize| {
            (0..outputs).all(|y| (y * stride + kernel > before) && y * stride < size + before)
        };
        let (from, to) = (input.plane(), output.plane());
        let vertical = reads(from.height, to.height, padding.top, kernel.height, stride.height);
        let horizontal = reads(from.width, to.width, padding.left, kernel.width, stride.width);
        self.that(vertical && horizontal, "a window reads nothing")
    }

    fn same(&self, input: Shape, output: Shape) -> Result<(), EngineError> {
        self.that(input == output, "its shapes differ")
    }

    fn parameter(&self, id: ParameterId, dims: &[usize]) -> Result<(), EngineError> {
        let fits = self.program.parameters.get(id.0).is_some_and(|parameter| parameter.dims == dims);
        self.that(fits, "a parameter does not fit")
    }

    fn statistic(&self, id: StatisticId, channels: usize) -> Result<(), EngineError> {
        let fits = self.program.statistics.get(id.0).is_some_and(|statistic| statistic.channels == channels);
        self.that(fits, "a statistic does not fit")
    }
}
