//! Two-dimensional convolution of blocks of images, forward and backward.
//!
//! ```
//! use netc::bench::kernels::{LANES, buffer::Buffer, conv::{Conv, ConvShape, Epilogue}, isa::Isa};
//! use netc::bench::dims::{Padding, Pair};
//!
//! let shape = ConvShape {
//!     in_channels: 3, out_channels: 8, input: Pair::square(10), kernel: Pair::square(3), stride: Pair::square(1),
//!     padding: Padding::all(1), dilation: Pair::square(1), groups: 1,
//! };
//! let conv = Conv::new(shape, Isa::best()).unwrap();
//! let weights = vec![0.5; shape.weight_len()];
//! let mut packed = Buffer::zeroed(conv.packed_forward_len());
//! conv.pack_forward(&weights, &mut packed); // once a step
//! let (input, mut output) = (Buffer::zeroed(shape.input_len()), Buffer::zeroed(shape.output_len()));
//! let mut scratch = Buffer::zeroed(conv.scratch_len()); // one a thread
//! conv.forward(&packed, &input, 0..8, &mut output, Epilogue::default(), &mut scratch); // once a block
//! ```

mod direct;
mod shape;
mod target;
#[cfg(test)]
mod tests;
mod transform;
mod winograd;
mod winograd_weights;

pub use shape::{ConvShape, ConvShapeError};

use super::LANES;
use super::isa::Isa;
use direct::Direct;
use std::ops::Range;
use target::Target;
use winograd::Winograd;
use winograd_weights::WinogradWeights;

/// What happens to an output element before it is stored, in this order.
#[derive(Debug, Default)]
pub struct Epilogue<'a> {
    /// Added to each output channel: O numbers (all of the layer's, whatever range is computed).
    pub bias: Option<&'a [f32]>,
    /// Added next: a map like the output slice.
    pub residual: Option<&'a [f32]>,
    /// max(x, 0) last.
    pub relu: bool,
    /// Written, not added to: for each channel of the range and each lane the sum over the plane of what is stored,
    /// then the sum of squares: `[channels][2][LANES]`. Batch norm's statistics come out of these; leave unused lanes
    /// out when summing over lanes.
    pub statistics: Option<&'a mut [f32]>,
}

/// A convolution made ready for an instruction set: knows its algorithms, its packed weights and its scratch.
#[derive(Debug, Clone)]
pub struct Conv {
    shape: ConvShape,
    forward: Algorithm,
    backward: Algorithm,
    weights: WeightAlgorithm,
}

/// How a weight gradient is computed.
#[derive(Debug, Clone)]
enum WeightAlgorithm {
    Direct(Direct),
    Winograd(WinogradWeights),
}

impl WeightAlgorithm {
    fn choose(shape: &ConvShape, isa: Isa) -> Self {
        let direct = Direct::forward(shape, isa);
        if winograd::covers(shape) {
            let winograd = WinogradWeights::new(shape, isa);
            if winograd.cost() < direct.cost() {
                return WeightAlgorithm::Winograd(winograd);
            }
        }
        WeightAlgorithm::Direct(direct)
    }

    fn scratch_len(&self) -> usize {
        match self {
            WeightAlgorithm::Direct(direct) => direct.scratch_len(),
            WeightAlgorithm::Winograd(winograd) => winograd.scratch_len(),
        }
    }
}

/// How a correlation is computed.
#[derive(Debug, Clone)]
enum Algorithm {
    Direct(Direct),
    Winograd(Winograd),
}

impl Algorithm {
    /// The cheaper of the two, if there are two.
    fn choose(shape: &ConvShape, direct: Direct, winograd: impl Fn() -> Winograd) -> Self {
        if winograd::covers(shape) {
            let winograd = winograd();
            if winograd.cost() < direct.cost() {
                return Algorithm::Winograd(winograd);
            }
        }
        Algorithm::Direct(direct)
    }

    fn scratch_len(&self) -> usize {
        match self {
            Algorithm::Direct(direct) => direct.scratch_len(),
            Algorithm::Winograd(winograd) => winograd.scratch_len(),
        }
    }

    fn packed_len(&self) -> usize {
        match self {
            Algorithm::Direct(direct) => direct.packed_len(),
            Algorithm::Winograd(winograd) => winograd.packed_len(),
        }
    }

    fn pack(&self, packed: &mut [f32], weight: impl Fn(usize, usize, usize, usize) -> f32) {
        match self {
            Algorithm::Direct(direct) => direct.pack(packed, weight),
            Algorithm::Winograd(winograd) => winograd.pack(packed, weight),
        }
    }

    fn run(&self, packed: &[f32], source: &[f32], target: &Target<'_>, scratch: &mut [f32]) {
        match self {
            Algorithm::Direct(direct) => direct.run(packed, source, target, scratch),
            Algorithm::Winograd(winograd) => winograd.run(packed, source, target, scratch),
        }
    }
}

impl Conv {
    /// Chooses algorithms for a shape.
    ///
    /// # Errors
    /// [`ConvShapeError`] when the sizes make no convolution.
    pub fn new(shape: ConvShape, isa: Isa) -> Result<Conv, ConvShapeError> {
        shape.validate()?;
        let forward = Algorithm::choose(&shape, Direct::forward(&shape, isa), || Winograd::forward(&shape, isa));
        let backward = Algorithm::choose(&shape, Direct::backward(&shape, isa), || Winograd::backward(&shape, isa));
        Ok(Conv { shape, forward, backward, weights: WeightAlgorithm::choose(&shape, isa) })
    }

    /// Plain sums of products in every direction. Slower, and rounded less than Winograd's.
    ///
    /// # Errors
    /// As [`Conv::new`].
    pub fn direct(shape: ConvShape, isa: Isa) -> Result<Conv, ConvShapeError> {
        shape.validate()?;
        let forward = Algorithm::Direct(Direct::forward(&shape, isa));
        let backward = Algorithm::Direct(Direct::backward(&shape, isa));
        Ok(Conv { shape, forward, backward, weights: WeightAlgorithm::Direct(Direct::forward(&shape, isa)) })
    }

    /// Winograd wherever it exists, or nowhere: for tests, whose shapes are too small for it to be chosen.
    #[cfg(test)]
    fn forced(shape: ConvShape, isa: Isa, winograd: bool) -> Result<Conv, ConvShapeError> {
        if !winograd || !winograd::covers(&shape) {
            return Conv::direct(shape, isa);
        }
        shape.validate()?;
        let forward = Algorithm::Winograd(Winograd::forward(&shape, isa));
        let backward = Algorithm::Winograd(Winograd::backward(&shape, isa));
        let weights = WeightAlgorithm::Winograd(WinogradWeights::new(&shape, isa));
        Ok(Conv { shape, forward, backward, weights })
    }

    /// The sizes.
    pub fn shape(&self) -> &ConvShape {
        &self.shape
    }

    /// What computes forward, data gradient and weight gradient, for reports.
    #[cfg(any(test, feature = "bench"))]
    pub fn algorithms(&self) -> String {
        let name = |algorithm: &Algorithm| match algorithm {
            Algorithm::Direct(_) => "direct",
            Algorithm::Winograd(_) => "Winograd",
        };
        let weights = match self.weights {
            WeightAlgorithm::Direct(_) => "direct",
            WeightAlgorithm::Winograd(_) => "Winograd",
        };
        format!("{}, {}, {weights}", name(&self.forward), name(&self.backward))
    }

    /// Numbers of scratch that any of the calls needs; one scratch a thread, contents don't matter.
    pub fn scratch_len(&self) -> usize {
        self.weights.scratch_len().max(self.forward.scratch_len()).max(self.backward.scratch_len())
    }

    /// Numbers in the weights packed for [`Conv::forward`].
    pub fn packed_forward_len(&self) -> usize {
        self.forward.packed_len()
    }

    /// Numbers in the weights packed for [`Conv::data_gradient`].
    pub fn packed_backward_len(&self) -> usize {
        self.backward.packed_len()
    }

    /// Packs O×(I/groups)×kh×kw weights for [`Conv::forward`]; do it each time the weights have changed.
    ///
    /// # Panics
    /// When a slice has the wrong length.
    pub fn pack_forward(&self, weights: &[f32], packed: &mut [f32]) {
        assert_eq!(weights.len(), self.shape.weight_len());
        assert_eq!(packed.len(), self.packed_forward_len());
        let (outputs, filter, area) = (self.shape.group_outputs(), self.shape.filter_len(), self.shape.kernel.area());
        self.forward.pack(packed, |group, o, i, tap| weights[(group * outputs + o) * filter + i * area + tap]);
    }

    /// Packs weights for [`Conv::data_gradient`].
    ///
    /// # Panics
    /// When a slice has the wrong length.
    pub fn pack_backward(&self, weights: &[f32], packed: &mut [f32]) {
        assert_eq!(weights.len(), self.shape.weight_len());
        assert_eq!(packed.len(), self.packed_backward_len());
        let (outputs, filter, area) = (self.shape.group_outputs(), self.shape.filter_len(), self.shape.kernel.area());
        self.backward.pack(packed, |group, i, o, tap| weights[(group * outputs + o) * filter + i * area + tap]);
    }

    /// One block forward: output channels `channels` of y = conv(x, w), then the epilogue.
    ///
    /// `input` is the whole block `[I][H][W][LANES]`, `output` only the planes of `channels`, so that threads can share
    /// a block (ranges that start at multiples of 16 waste least).
    ///
    /// # Panics
    /// When a slice has the wrong length or the range leaves 0..O.
    pub fn forward(
        &self,
        packed: &[f32],
        input: &[f32],
        channels: Range<usize>,
        output: &mut [f32],
        epilogue: Epilogue<'_>,
        scratch: &mut [f32],
    ) {
        let shape = &self.shape;
        assert_eq!(packed.len(), self.packed_forward_len());
        assert_eq!(input.len(), shape.input_len());
        assert!(channels.start <= channels.end && channels.end <= shape.out_channels);
        assert_eq!(output.len(), channels.len() * shape.output().area() * LANES);
        assert!(epilogue.bias.is_none_or(|bias| bias.len() == shape.out_channels));
        assert!(epilogue.residual.is_none_or(|residual| residual.len() == output.len()));
        assert!(epilogue.statistics.as_ref().is_none_or(|s| s.len() == channels.len() * 2 * LANES));
        assert!(scratch.len() >= self.scratch_len());
        let target = Target::new(output, shape.output().area(), channels, epilogue);
        self.forward.run(packed, input, &target, scratch);
    }

    /// One block of dx = convᵀ(dy, w): input channels `channels`, added to `input_gradient` if `accumulate`, else
    /// written over it. `output_gradient` is the whole block, `input_gradient` only the planes of `channels`.
    ///
    /// # Panics
    /// When a slice has the wrong length or the range leaves 0..I.
    pub fn data_gradient(
        &self,
        packed: &[f32],
        output_gradient: &[f32],
        channels: Range<usize>,
        input_gradient: &mut [f32],
        accumulate: bool,
        scratch: &mut [f32],
    ) {
        let shape = &self.shape;
        assert_eq!(packed.len(), self.packed_backward_len());
        assert_eq!(output_gradient.len(), shape.output_len());
        assert!(channels.start <= channels.end && channels.end <= shape.in_channels);
        assert_eq!(input_gradient.len(), channels.len() * shape.input.area() * LANES);
        assert!(scratch.len() >= self.scratch_len());
        let plane = shape.input.area();
        let target = if accumulate {
            Target::accumulating(input_gradient, plane, channels)
        } else {
            Target::new(input_gradient, plane, channels, Epilogue::default())
        };
        self.backward.run(packed, output_gradient, &target, scratch);
    }

    /// dw = Σ over images and positions of dy·x, for the filters of output channels `channels`, over a run of blocks;
    /// added to `weight_gradient` (`channels`×(I/groups)×kh×kw) if `accumulate`, else written over it.
    ///
    /// `inputs` and `output_gradients` are whole blocks, as many of each; unused lanes of the gradients must be zero.
    ///
    /// # Panics
    /// When a slice has the wrong length or the range leaves 0..O.
    pub fn weight_gradient(
        &self,
        inputs: &[f32],
        output_gradients: &[f32],
        channels: Range<usize>,
        weight_gradient: &mut [f32],
        accumulate: bool,
        scratch: &mut [f32],
    ) {
        let shape = &self.shape;
        assert_eq!(inputs.len() % shape.input_len(), 0);
        assert_eq!(output_gradients.len() % shape.output_len(), 0);
        assert_eq!(inputs.len() / shape.input_len(), output_gradients.len() / shape.output_len());
        assert!(channels.start <= channels.end && channels.end <= shape.out_channels);
        assert_eq!(weight_gradient.len(), channels.len() * shape.filter_len());
        assert!(scratch.len() >= self.scratch_len());
        if !accumulate {
            weight_gradient.fill(0.0);
        }
        match &self.weights {
            WeightAlgorithm::Direct(direct) => {
                let blocks = inputs.chunks_exact(shape.input_len());
                for (input, output_gradient) in blocks.zip(output_gradients.chunks_exact(shape.output_len())) {
                    direct.weight_gradient(input, output_gradient, channels.clone(), weight_gradient, scratch);
                }
            }
            WeightAlgorithm::Winograd(winograd) => {
                winograd.run(inputs, output_gradients, channels, weight_gradient, scratch);
            }
        }
    }
}
