//! Batch norm (Ioffe & Szegedy 2015) on one block of 16 images.
//!
//! Statistics are taken a block at a time and combined over the blocks in a fixed order (Chan, Golub & LeVeque 1979),
//! so that they do not depend on which thread did which block.

use super::LANES;
use super::multiversion::multiversion;

/// What turns x into y, and gradients back, for each channel. The vectors all have the number of channels.
#[derive(Debug, Clone, Default)]
pub struct NormCoefficients {
    /// Mean of x.
    pub mean: Vec<f32>,
    /// Biased variance of x.
    pub variance: Vec<f32>,
    /// scale/√(variance + epsilon)
    pub factor: Vec<f32>,
    /// shift
    pub shift: Vec<f32>,
    /// 1/√(variance + epsilon)
    pub inverse_deviation: Vec<f32>,
    /// Backward: mean of the gradient.
    pub gradient_mean: Vec<f32>,
    /// Backward: mean of gradient·x̂, times 1/√(variance + epsilon).
    pub gradient_slope: Vec<f32>,
}

impl NormCoefficients {
    /// For so many channels.
    pub fn new(channels: usize) -> Self {
        let zeros = || vec![0.0; channels];
        NormCoefficients {
            mean: zeros(),
            variance: zeros(),
            factor: zeros(),
            shift: zeros(),
            inverse_deviation: zeros(),
            gradient_mean: zeros(),
            gradient_slope: zeros(),
        }
    }
}

/// Lanes that hold an image: 1, the others 0.
pub fn lane_mask(images: usize) -> [f32; LANES] {
    std::array::from_fn(|lane| if lane < images { 1.0 } else { 0.0 })
}

/// Sums of f(x) over the vectors of a channel; short runs in f32, the runs in f64.
#[inline(always)]
fn sum_lanes(x: &[f32], f: impl Fn(f32, usize) -> f32) -> f64 {
    let mut total = [0.0f64; LANES];
    for run in x.chunks(64 * LANES) {
        let mut parts = [[0.0f32; LANES]; 4];
        let (quads, rest) = run.as_chunks::<LANES>().0.as_chunks::<4>();
        for quad in quads {
            for (part, lanes) in parts.iter_mut().zip(quad) {
                for lane in 0..LANES {
                    part[lane] += f(lanes[lane], lane);
                }
            }
        }
        for lanes in rest {
            for lane in 0..LANES {
                parts[0][lane] += f(lanes[lane], lane);
            }
        }
        for lane in 0..LANES {
            total[lane] += f64::from((parts[0][lane] + parts[1][lane]) + (parts[2][lane] + parts[3][lane]));
        }
    }
    total.iter().sum()
}

multiversion! {
    /// `partial[2c]`, `partial[2c + 1]` ← mean and sum of squared deviations of channel c over the first `images` lanes.
    pub fn statistics(x: &[f32], plane: usize, images: usize, partial: &mut [f32]) {
        let count = (plane * images) as f64;
        let mask = lane_mask(images);
        let channels = x.chunks_exact(plane * LANES);
        for (pair, channel) in partial.as_chunks_mut::<2>().0.iter_mut().zip(channels) {
            // Two passes over a channel that is still in the cache: no cancellation whatever the mean is.
            let sum = if images == LANES {
                sum_lanes(channel, |x, _| x)
            } else {
                sum_lanes(channel, |x, lane| x * mask[lane])
            };
            let mean = (sum / count) as f32;
            let squares = if images == LANES {
                sum_lanes(channel, |x, _| (x - mean) * (x - mean))
            } else {
                sum_lanes(channel, |x, lane| (x - mean) * (x - mean) * mask[lane])
            };
            *pair = [mean, squares as f32];
        }
    }

    /// y ← (x − mean)·factor + shift (+ addend), then relu if asked.
    pub fn apply(
        x: &[f32],
        plane: usize,
        coefficients: &NormCoefficients,
        addend: Option<&[f32]>,
        relu: bool,
        y: &mut [f32],
    ) {
        // Flat loops: see the remark in `pointwise`.
        #[inline(always)]
        fn each(x: &[f32], y: &mut [f32], mean: f32, factor: f32, shift: f32, f: impl Fn(f32) -> f32) {
            for (y, x) in y.iter_mut().zip(x) {
                *y = f((x - mean) * factor + shift);
            }
        }
        #[inline(always)]
        fn each_add(
            x: &[f32], other: &[f32], y: &mut [f32], mean: f32, factor: f32, shift: f32, f: impl Fn(f32) -> f32,
        ) {
            for (y, (x, other)) in y.iter_mut().zip(x.iter().zip(other)) {
                *y = f((x - mean) * factor + shift + other);
            }
        }
        #[inline(always)]
        fn positive(x: f32) -> f32 {
            if x < 0.0 { 0.0 } else { x }
        }
        let size = plane * LANES;
        let NormCoefficients { mean, factor, shift, .. } = coefficients;
        let numbers = mean.iter().zip(factor).zip(shift);
        let maps = x.chunks_exact(size).zip(y.chunks_exact_mut(size));
        for (channel, ((x, y), ((&mean, &factor), &shift))) in maps.zip(numbers).enumerate() {
            match addend.and_then(|other| other.get(channel * size..(channel + 1) * size)) {
                None if relu => each(x, y, mean, factor, shift, positive),
                None => each(x, y, mean, factor, shift, |x| x),
                Some(other) if relu => each_add(x, other, y, mean, factor, shift, positive),
                Some(other) => each_add(x, other, y, mean, factor, shift, |x| x),
            }
        }
    }

    /// First pass of the backward: `partial[2c]`, `partial[2c + 1]` ← Σ g and Σ g·(x − mean) of channel c.
    ///
    /// `relu`: the gradient is that of relu(y), so it is masked by y > 0, with y computed from x as [`apply`] did.
    /// The gradient itself is left as it is.
    pub fn reduce(
        x: &[f32],
        gradient: &[f32],
        plane: usize,
        coefficients: &NormCoefficients,
        relu: bool,
        partial: &mut [f32],
    ) {
        let size = plane * LANES;
        let NormCoefficients { mean, factor, shift, .. } = coefficients;
        let numbers = mean.iter().zip(factor).zip(shift);
        let maps = x.chunks_exact(size).zip(gradient.chunks_exact(size));
        for ((pair, (x, gradient)), ((&mean, &factor), &shift)) in
            partial.as_chunks_mut::<2>().0.iter_mut().zip(maps).zip(numbers)
        {
            let sums = if relu {
                reduce_channel(x, gradient, mean, |x, g| if x * factor + shift > 0.0 { g } else { 0.0 })
            } else {
                reduce_channel(x, gradient, mean, |_, g| g)
            };
            *pair = sums;
        }
    }

    /// As [`reduce`], for y = relu(bn(x) + addend): masks the gradient by the saved output and writes it back, since
    /// the addend needs it too.
    pub fn reduce_masking(
        x: &[f32],
        output: &[f32],
        gradient: &mut [f32],
        plane: usize,
        coefficients: &NormCoefficients,
        partial: &mut [f32],
    ) {
        let size = plane * LANES;
        let maps = x.chunks_exact(size).zip(output.chunks_exact(size)).zip(gradient.chunks_exact_mut(size));
        for ((pair, ((x, output), gradient)), &mean) in
            partial.as_chunks_mut::<2>().0.iter_mut().zip(maps).zip(&coefficients.mean)
        {
            let (mut total, mut total_product) = ([0.0f64; LANES], [0.0f64; LANES]);
            let runs = x.chunks(32 * LANES).zip(output.chunks(32 * LANES)).zip(gradient.chunks_mut(32 * LANES));
            for ((x, output), gradient) in runs {
                let (mut sum, mut product) = ([0.0f32; LANES], [0.0f32; LANES]);
                let inputs = x.as_chunks::<LANES>().0.iter().zip(output.as_chunks::<LANES>().0);
                for ((x, output), gradient) in inputs.zip(gradient.as_chunks_mut::<LANES>().0) {
                    for lane in 0..LANES {
                        let g = if output[lane] > 0.0 { gradient[lane] } else { 0.0 };
                        gradient[lane] = g;
                        sum[lane] += g;
                        product[lane] += g * (x[lane] - mean);
                    }
                }
                for lane in 0..LANES {
                    total[lane] += f64::from(sum[lane]);
                    total_product[lane] += f64::from(product[lane]);
                }
            }
            *pair = [total.iter().sum::<f64>() as f32, total_product.iter().sum::<f64>() as f32];
        }
    }

    /// Second pass, in place: gradient ← factor·(g − gradient_mean − (x − mean)·gradient_slope), masked by the relu
    /// as in [`reduce`], and 0 in the lanes that hold no image.
    pub fn input_gradient(
        x: &[f32],
        plane: usize,
        images: usize,
        coefficients: &NormCoefficients,
        relu: bool,
        gradient: &mut [f32],
    ) {
        let size = plane * LANES;
        let channels = x.chunks_exact(size).zip(gradient.chunks_exact_mut(size));
        for (channel, (x, gradient)) in channels.enumerate() {
            let numbers = Numbers::of(coefficients, channel);
            if relu {
                gradient.iter_mut().zip(x).for_each(|(gradient, x)| *gradient = numbers.masked(*x, *gradient));
            } else {
                gradient.iter_mut().zip(x).for_each(|(gradient, x)| *gradient = numbers.gradient(*x, *gradient));
            }
            clear_unused(images, gradient);
        }
    }

    /// As [`input_gradient`] into another buffer, the incoming gradient (already masked) being needed again.
    pub fn input_gradient_to(
        x: &[f32],
        gradient: &[f32],
        plane: usize,
        images: usize,
        coefficients: &NormCoefficients,
        relu: bool,
        to: &mut [f32],
    ) {
        let size = plane * LANES;
        let channels = x.chunks_exact(size).zip(gradient.chunks_exact(size)).zip(to.chunks_exact_mut(size));
        for (channel, ((x, gradient), to)) in channels.enumerate() {
            let numbers = Numbers::of(coefficients, channel);
            let inputs = x.iter().zip(gradient);
            if relu {
                to.iter_mut().zip(inputs).for_each(|(to, (x, gradient))| *to = numbers.masked(*x, *gradient));
            } else {
                to.iter_mut().zip(inputs).for_each(|(to, (x, gradient))| *to = numbers.gradient(*x, *gradient));
            }
            clear_unused(images, to);
        }
    }
}

/// Sums of f(x − mean, g) and of its product with x − mean.
#[inline(always)]
fn reduce_channel(x: &[f32], gradient: &[f32], mean: f32, f: impl Fn(f32, f32) -> f32) -> [f32; 2] {
    let (mut total, mut total_product) = ([0.0f64; LANES], [0.0f64; LANES]);
    for (x, gradient) in x.chunks(32 * LANES).zip(gradient.chunks(32 * LANES)) {
        let (mut sum, mut product) = ([0.0f32; LANES], [0.0f32; LANES]);
        for (x, gradient) in x.as_chunks::<LANES>().0.iter().zip(gradient.as_chunks::<LANES>().0) {
            for lane in 0..LANES {
                let centred = x[lane] - mean;
                let g = f(centred, gradient[lane]);
                sum[lane] += g;
                product[lane] += g * centred;
            }
        }
        for lane in 0..LANES {
            total[lane] += f64::from(sum[lane]);
            total_product[lane] += f64::from(product[lane]);
        }
    }
    [total.iter().sum::<f64>() as f32, total_product.iter().sum::<f64>() as f32]
}

/// The coefficients of one channel.
struct Numbers {
    mean: f32,
    factor: f32,
    shift: f32,
    gradient_mean: f32,
    gradient_slope: f32,
}

impl Numbers {
    #[inline(always)]
    fn of(coefficients: &NormCoefficients, channel: usize) -> Self {
        let at = |values: &[f32]| values.get(channel).copied().unwrap_or(0.0);
        Numbers {
            mean: at(&coefficients.mean),
            factor: at(&coefficients.factor),
            shift: at(&coefficients.shift),
            gradient_mean: at(&coefficients.gradient_mean),
            gradient_slope: at(&coefficients.gradient_slope),
        }
    }

    #[inline(always)]
    fn gradient(&self, x: f32, g: f32) -> f32 {
        self.factor * (g - self.gradient_mean - (x - self.mean) * self.gradient_slope)
    }

    #[inline(always)]
    fn masked(&self, x: f32, g: f32) -> f32 {
        let centred = x - self.mean;
        let g = if centred * self.factor + self.shift > 0.0 { g } else { 0.0 };
        self.factor * (g - self.gradient_mean - centred * self.gradient_slope)
    }
}

#[inline(always)]
fn clear_unused(images: usize, x: &mut [f32]) {
    if images < LANES {
        let mask = lane_mask(images);
        for lanes in x.as_chunks_mut::<LANES>().0 {
            for lane in 0..LANES {
                lanes[lane] *= mask[lane];
            }
        }
    }
}
