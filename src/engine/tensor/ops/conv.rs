//! Convolution, in two forms that say the same:
//!
//! - [`Form::Patches`]: the patches of the whole batch side by side, times the weights (Chellapilla, Puri & Simard,
//!   "High performance convolutional neural networks for document processing", 2006). The choice of rows that makes
//!   the patches holds stride, padding and dilation.
//! - [`Form::Shifts`]: a two-dimensional window is a window of columns and a window of rows. So the input is shifted
//!   sideways once for each column of the kernel and multiplied with all the weights at once; the products are
//!   shifted up and down once for each row of the kernel and summed. A shift is a product with a matrix of zeros and
//!   ones, in which stride, padding and dilation are again data. On the CPU dfdx's `gather` moves one number at a
//!   time; this way nearly everything is matrix products, and height + width copies take the place of height · width.
//!
//! The second needs products in which one side is broadcast over the batch, which dfdx refuses on CUDA.

use super::channels::{Ones, add_bias};
use super::place::Placement;
use crate::engine::tensor::device::{KernelStyle, Recording, TensorDevice};
use crate::engine::tensor::value::{Matrix, Rows, upload_rows};
use crate::engine::tensor::window::Windows;
use dfdx::prelude::*;

/// A convolution, ready to run.
#[derive(Debug)]
pub(in crate::engine::tensor) struct Convolution<D: TensorDevice> {
    form: Form<D>,
    out_channels: usize,
    windows: usize,
}

/// How the product is laid out.
#[derive(Debug)]
enum Form<D: TensorDevice> {
    Patches(Patches<D>),
    Shifts(Shifts<D>),
}

impl<D: TensorDevice> Convolution<D> {
    /// Chooses the faster form. `groups` divides both channel numbers.
    pub fn new(
        device: &D,
        style: KernelStyle,
        windows: &Windows,
        out_channels: usize,
        groups: usize,
    ) -> Result<Self, D::Err> {
        let form = if style == KernelStyle::Gemm && groups == 1 && windows.taps() > 1 {
            Form::Shifts(Shifts::new(device, windows, out_channels)?)
        } else {
            Form::Patches(Patches::new(device, windows, out_channels, groups)?)
        };
        Ok(Self { form, out_channels, windows: windows.windows() })
    }

    /// `weight` is O × depth, `bias` O × 1. With `constant_input` nothing asks for the input's gradient, and the
    /// costly way back to it is left out.
    pub fn forward<T: Recording<D>>(
        &self,
        ones: &mut Ones<D>,
        x: Matrix<D, T>,
        weight: &Matrix<D>,
        bias: Option<&Matrix<D>>,
        constant_input: bool,
    ) -> Result<Matrix<D, T>, D::Err> {
        let (_, batch) = *x.shape();
        let (x, tape) = x.split_tape();
        let (spread, tape) =
            if constant_input { (self.spread(x)?, tape) } else { self.spread(x.put_tape(tape))?.split_tape() };
        let weight = weight.clone().put_tape(tape);
        let y = match &self.form {
            Form::Patches(patches) => patches.product(weight, spread, batch)?,
            Form::Shifts(shifts) => shifts.product(ones, weight, spread, batch)?,
        };
        let y = y.try_reshape_like(&(self.out_channels * self.windows, batch))?;
        match bias {
            Some(bias) => add_bias(ones, y, bias),
            None => Ok(y),
        }
    }

    /// What is done to the input before the weights come in.
    fn spread<T: Recording<D>>(&self, x: Matrix<D, T>) -> Result<Matrix<D, T>, D::Err> {
        match &self.form {
            Form::Patches(patches) => patches.gather(x),
            Form::Shifts(shifts) => shifts.sideways(x),
        }
    }
}

/// The form of one product.
#[derive(Debug)]
struct Patches<D: TensorDevice> {
    /// A row of zeros for the padding to read, where there is padding.
    extended: Option<Placement<D>>,
    /// The patches; `None` where each pixel is its own patch.
    rows: Option<Rows<D>>,
    groups: usize,
    out_channels: usize,
    /// (I/groups)·H·W of the weight.
    depth: usize,
    windows: usize,
}

impl<D: TensorDevice> Patches<D> {
    fn new(device: &D, windows: &Windows, out_channels: usize, groups: usize) -> Result<Self, D::Err> {
        let rows = windows.input.elements();
        let extended = windows.touches_padding().then(|| Placement::with_zero_row(device, rows)).transpose()?;
        let rows = (!windows.is_identity()).then(|| upload_rows(device, windows.patches(rows))).transpose()?;
        let depth = windows.input.channels() / groups * windows.taps();
        Ok(Self { extended, rows, groups, out_channels, depth, windows: windows.windows() })
    }

    fn gather<T: Recording<D>>(&self, x: Matrix<D, T>) -> Result<Matrix<D, T>, D::Err> {
        let x = match &self.extended {
            Some(extended) => extended.apply(x)?,
            None => x,
        };
        match &self.rows {
            Some(rows) => x.try_gather(rows.clone()),
            None => Ok(x),
        }
    }

    fn product<T: Recording<D>>(
        &self,
        weight: Matrix<D, T>,
        patches: Matrix<D>,
        batch: usize,
    ) -> Result<Matrix<D, T>, D::Err> {
        let columns = self.windows * batch;
        if self.groups == 1 {
            return weight.try_matmul(patches.try_reshape_like(&(self.depth, columns))?);
        }
        let weight = weight.try_reshape_like(&(self.groups, self.out_channels / self.groups, self.depth))?;
        let patches = patches.try_reshape_like(&(self.groups, self.depth, columns))?;
        weight.try_matmul(patches)?.try_reshape_like(&(self.out_channels, columns))
    }
}

/// The form of three products.
#[derive(Debug)]
struct Shifts<D: TensorDevice> {
    /// Kernel column × output column × input column: 1 where that tap of that window reads that pixel.
    columns: Tensor<(usize, usize, usize), f32, D>,
    /// Kernel row × output row × input row.
    rows: Tensor<(usize, usize, usize), f32, D>,
    /// From O × I × H × W to H × O × W × I.
    reorder: Rows<D>,
    channels: usize,
    out_channels: usize,
}

impl<D: TensorDevice> Shifts<D> {
    fn new(device: &D, windows: &Windows, out_channels: usize) -> Result<Self, D::Err> {
        let (kernel, plane) = (windows.kernel, windows.input.plane());
        let selection = |taps: usize, outputs: usize, inputs: usize, reads: &dyn Fn(usize, usize) -> Option<usize>| {
            let mut ones = vec![0.0; taps * outputs * inputs];
            for tap in 0..taps {
                for output in 0..outputs {
                    if let Some(place) =
                        reads(output, tap).and_then(|input| ones.get_mut((tap * outputs + output) * inputs + input))
                    {
                        *place = 1.0;
                    }
                }
            }
            device.try_tensor_from_vec(ones, (taps, outputs, inputs))
        };
        let columns = selection(kernel.width, windows.output.width, plane.width, &|o, t| windows.column(o, t))?;
        let rows = selection(kernel.height, windows.output.height, plane.height, &|o, t| windows.row(o, t))?;
        let channels = windows.input.channels();
        let mut reorder = Vec::with_capacity(out_channels * channels * kernel.area());
        for i in 0..kernel.height {
            for output in 0..out_channels {
                for j in 0..kernel.width {
                    let at = |input| ((output * channels + input) * kernel.height + i) * kernel.width + j;
                    reorder.extend((0..channels).map(at));
                }
            }
        }
        Ok(Self { columns, rows, reorder: upload_rows(device, reorder)?, channels, out_channels })
    }

    /// (C·H·W) × batch to (kernel width · C · H · output width) × batch.
    fn sideways<T: Recording<D>>(&self, x: Matrix<D, T>) -> Result<Matrix<D, T>, D::Err> {
        let (elements, batch) = *x.shape();
        let (taps, outputs, inputs) = *self.columns.shape();
        let lines = elements / inputs;
        let (x, tape) = x.split_tape();
        let x = x
            .try_reshape_like(&(lines, inputs, batch))?
            .try_broadcast_like::<_, Axis<0>>(&(taps, lines, inputs, batch))?;
        let shifts = self.columns.clone().try_broadcast_like::<_, Axis<1>>(&(taps, lines, outputs, inputs))?;
        let shifted = shifts.put_tape(tape).try_matmul(x)?;
        shifted.try_reshape_like(&(taps * lines * outputs, batch))
    }

    fn product<T: Recording<D>>(
        &self,
        ones: &mut Ones<D>,
        weight: Matrix<D, T>,
        shifted: Matrix<D>,
        batch: usize,
    ) -> Result<Matrix<D, T>, D::Err> {
        let (row_taps, out_height, height) = *self.rows.shape();
        let (column_taps, out_width, _) = *self.columns.shape();
        let (depth, outputs) = (column_taps * self.channels, self.out_channels);
        let weight = weight.try_reshape_like(&(row_taps * outputs * depth,))?;
        let weight: Tensor<(usize,), f32, D, T> = weight.try_gather(self.reorder.clone())?;
        let weight = weight.try_reshape_like(&(row_taps * outputs, depth))?;
        let products = weight.try_matmul(shifted.try_reshape_like(&(depth, height * out_width * batch))?)?;

        let (products, tape) = products.split_tape();
        let products = products.try_reshape_like(&(row_taps, outputs, height, out_width * batch))?;
        let shifts = self.rows.clone().try_broadcast_like::<_, Axis<1>>(&(row_taps, outputs, out_height, height))?;
        let shifted = shifts.put_tape(tape).try_matmul(products)?;
        let columns = outputs * out_height * out_width * batch;
        let (shifted, tape) = shifted.try_reshape_like(&(row_taps, columns))?.split_tape();
        ones.row(row_taps)?.put_tape(tape).try_matmul(shifted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::dims::{Padding, Pair, Shape};
    use crate::random;

    const BATCH: usize = 3;

    fn draw(device: &Cpu, seed: u64, rows: usize, columns: usize) -> Matrix<Cpu> {
        let data = (0..(rows * columns) as u64).map(|i| random::normal(seed, i)).collect();
        device.tensor_from_vec(data, (rows, columns))
    }

    /// Output, and gradients of a weighted sum of it with respect to input and weight.
    fn run(device: &Cpu, form: Form<Cpu>, windows: &Windows, outputs: usize, constant_input: bool) -> [Vec<f32>; 3] {
        let x = draw(device, 1, windows.input.elements(), BATCH);
        let weight = draw(device, 2, outputs, windows.input.channels() * windows.taps());
        let conv = Convolution { form, out_channels: outputs, windows: windows.windows() };
        let mut ones = Ones::new(device.clone(), KernelStyle::Gemm);
        let y = conv.forward(&mut ones, x.leaky_trace(), &weight, None, constant_input).unwrap();
        let out = y.as_vec();
        let (rows, columns) = *y.shape();
        let loss = (y * draw(device, 3, rows, columns)).sum::<(), Axes2<0, 1>>();
        let mut gradients = loss.backward();
        gradients.try_alloc_for(&x).unwrap();
        [out, gradients.get(&x).as_vec(), gradients.get(&weight).as_vec()]
    }

    #[test]
    fn both_forms_say_the_same() {
        let device = Cpu::default();
        let pairs = |a: (usize, usize), b: (usize, usize), c: (usize, usize)| {
            (Pair::new(a.0, a.1), Pair::new(b.0, b.1), Pair::new(c.0, c.1))
        };
        let none = Padding::default();
        let odd = Padding { top: 2, bottom: 0, left: 1, right: 3 };
        for ((kernel, stride, dilation), padding, output) in [
            (pairs((3, 3), (1, 1), (1, 1)), Padding::all(1), Pair::new(6, 7)),
            (pairs((3, 3), (2, 2), (1, 1)), Padding::all(1), Pair::new(3, 4)),
            (pairs((2, 3), (1, 2), (2, 1)), odd, Pair::new(6, 5)),
            (pairs((6, 7), (1, 1), (1, 1)), none, Pair::new(1, 1)),
            (pairs((1, 1), (1, 1), (1, 1)), none, Pair::new(6, 7)),
            (pairs((1, 1), (2, 3), (1, 1)), none, Pair::new(3, 3)),
        ] {
            let windows = Windows { input: Shape::map(3, 6, 7), output, kernel, stride, padding, dilation };
            for constant_input in [false, true] {
                let patches = Form::Patches(Patches::new(&device, &windows, 4, 1).unwrap());
                let shifts = Form::Shifts(Shifts::new(&device, &windows, 4).unwrap());
                let patches = run(&device, patches, &windows, 4, constant_input);
                let shifts = run(&device, shifts, &windows, 4, constant_input);
                for (at, (one, other)) in patches.iter().zip(&shifts).enumerate() {
                    if constant_input && at == 1 {
                        // Nobody asks for the gradient of a constant input.
                        continue;
                    }
                    assert_eq!(one.len(), other.len());
                    assert!(one.iter().any(|x| *x != 0.0));
                    assert!(one.iter().zip(other).all(|(a, b)| (a - b).abs() < 1e-4), "{windows:?}");
                }
            }
        }
    }
}
