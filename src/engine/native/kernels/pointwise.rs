//! Element-wise kernels on one block of 16 images, the images innermost.

use super::LANES;
use super::multiversion::multiversion;
use crate::random;

/// One number of each image of a block.
pub type Lanes = [f32; LANES];

/// The nonlinearities.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// max(x, 0)
    Relu,
    /// Hyperbolic tangent.
    Tanh,
    /// 1/(1 + e⁻ˣ)
    Sigmoid,
}

/// e^r − 1 for |r| ≤ ln2/2, by its Taylor polynomial; relative error below 1e-7.
#[inline(always)]
fn expm1_small(r: f32) -> f32 {
    let mut p = 1.0 / 40320.0;
    for factor in [1.0 / 5040.0, 1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0] {
        p = p * r + factor;
    }
    p * r
}

/// Splits x into n·ln2 + r and gives (2ⁿ, e^r − 1), for x in ±87.
#[inline(always)]
fn exp_parts(x: f32) -> (f32, f32) {
    // Adding 1.5·2²³ rounds to an integer that can be read from the low bits of the sum.
    const ROUND: f32 = 12_582_912.0;
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    // ln2 in two parts: n·HIGH is exact for |n| < 2⁹.
    const HIGH: f32 = 0.693_359_4;
    const LOW: f32 = -2.121_944_4e-4;
    let r = (x - n * HIGH) - n * LOW;
    let power = f32::from_bits(shifted.to_bits().wrapping_add(127).wrapping_shl(23));
    (power, expm1_small(r))
}

/// eˣ for x ≤ 88 (0 below −87), without a call, so that loops over lanes vectorise; relative error below 3e-7.
#[inline(always)]
pub(super) fn exp(x: f32) -> f32 {
    let (power, fraction) = exp_parts(x.clamp(-87.0, 88.0));
    let y = power * fraction + power;
    if x < -87.0 { 0.0 } else { y }
}

/// tanh x = m/(m + 2) with m = e²ˣ − 1 kept without cancellation near 0; relative error below 4e-7.
#[inline(always)]
fn tanh(x: f32) -> f32 {
    // tanh(9.02) rounds to 1 in f32.
    let (power, fraction) = exp_parts(2.0 * x.clamp(-9.1, 9.1));
    let m = power * fraction + (power - 1.0);
    let y = m / (m + 2.0);
    if x.is_nan() { x } else { y }
}

#[inline(always)]
fn sigmoid(x: f32) -> f32 {
    let (power, fraction) = exp_parts(-x.clamp(-86.0, 86.0));
    let y = 1.0 / (1.0 + (power * fraction + power));
    if x.is_nan() { x } else { y }
}

#[inline(always)]
fn relu(x: f32) -> f32 {
    // Written so that NaN stays NaN: a run that diverges has to show it.
    if x < 0.0 { 0.0 } else { x }
}

// Flat loops, not loops over lanes within loops over vectors: given two loops the compiler vectorises the outer one,
// with shuffles that cost ten times the arithmetic.

#[inline(always)]
fn for_each(x: &mut [f32], f: impl Fn(f32) -> f32) {
    for value in x {
        *value = f(*value);
    }
}

#[inline(always)]
fn for_each_pair(x: &[f32], y: &mut [f32], f: impl Fn(f32, f32) -> f32) {
    for (y, &x) in y.iter_mut().zip(x) {
        *y = f(x, *y);
    }
}

multiversion! {
    /// x ← f(x).
    pub fn activate_in_place(kind: Activation, x: &mut [f32]) {
        match kind {
            Activation::Relu => for_each(x, relu),
            Activation::Tanh => for_each(x, tanh),
            Activation::Sigmoid => for_each(x, sigmoid),
        }
    }

    /// y ← f(x).
    pub fn activate(kind: Activation, x: &[f32], y: &mut [f32]) {
        match kind {
            Activation::Relu => for_each_pair(x, y, |x, _| relu(x)),
            Activation::Tanh => for_each_pair(x, y, |x, _| tanh(x)),
            Activation::Sigmoid => for_each_pair(x, y, |x, _| sigmoid(x)),
        }
    }

    /// gradient ← gradient · f′, with f′ from the output y.
    pub fn activate_backward(kind: Activation, y: &[f32], gradient: &mut [f32]) {
        match kind {
            Activation::Relu => for_each_pair(y, gradient, |y, g| if y > 0.0 { g } else { 0.0 }),
            Activation::Tanh => for_each_pair(y, gradient, |y, g| g * (1.0 - y * y)),
            Activation::Sigmoid => for_each_pair(y, gradient, |y, g| g * y * (1.0 - y)),
        }
    }

    /// to ← from.
    pub fn copy(from: &[f32], to: &mut [f32]) {
        for_each_pair(from, to, |x, _| x);
    }

    /// to ← to + from.
    pub fn accumulate(from: &[f32], to: &mut [f32]) {
        for_each_pair(from, to, |x, y| y + x);
    }

    /// sum ← max(sum + other, 0).
    pub fn accumulate_relu(other: &[f32], sum: &mut [f32]) {
        for_each_pair(other, sum, |x, y| relu(y + x));
    }

    /// Dropout, in place, of one block: element `i` of the image in lane `l` is dropped when
    /// [`random::dropped`] says so for `keys[l]`. It is its own gradient: the same call on a gradient goes backward.
    pub fn dropout(keys: &[u64; LANES], stream: u64, rate: f32, x: &mut [f32]) {
        let keep = 1.0 - rate;
        let streams = keys.map(|key| random::mix(key ^ random::mix(stream)));
        for (element, lanes) in x.as_chunks_mut::<LANES>().0.iter_mut().enumerate() {
            for (value, &key) in lanes.iter_mut().zip(&streams) {
                let drop = random::uniform(key, element as u64) < rate;
                *value = if drop { 0.0 } else { *value / keep };
            }
        }
    }

    /// `sums[c]` ← sum over the plane and the lanes of x, for each channel of `plane` pixels: a bias gradient.
    pub fn channel_sums(x: &[f32], plane: usize, sums: &mut [f32]) {
        for (sum, channel) in sums.iter_mut().zip(x.chunks_exact(plane * LANES)) {
            let mut total = [0.0f64; LANES];
            for row in channel.chunks(32 * LANES) {
                let mut part = [0.0f32; LANES];
                for lanes in row.as_chunks::<LANES>().0 {
                    for (p, x) in part.iter_mut().zip(lanes) {
                        *p += x;
                    }
                }
                for (t, &p) in total.iter_mut().zip(&part) {
                    *t += f64::from(p);
                }
            }
            *sum = total.iter().sum::<f64>() as f32;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exponentials_agree_with_the_library() {
        let mut worst = (0.0f64, 0.0f64, 0.0f64);
        for i in -40_000..=40_000 {
            let x = i as f32 * 1e-3;
            let wide = f64::from(x);
            worst.0 = worst.0.max((f64::from(exp(x)) / wide.exp() - 1.0).abs());
            worst.1 = worst.1.max(if i == 0 { 0.0 } else { (f64::from(tanh(x)) / wide.tanh() - 1.0).abs() });
            worst.2 = worst.2.max((f64::from(sigmoid(x)) * (1.0 + (-wide).exp()) - 1.0).abs());
        }
        assert!(worst.0 < 3e-7 && worst.1 < 4e-7 && worst.2 < 4e-7, "{worst:?}");
        assert_eq!(tanh(0.0), 0.0);
        assert_eq!((exp(-200.0), tanh(100.0), tanh(-100.0)), (0.0, 1.0, -1.0));
        assert!(tanh(f32::NAN).is_nan() && relu(f32::NAN).is_nan() && sigmoid(f32::NAN).is_nan());
        assert!((f64::from(tanh(1e-6)) / 1e-6f64 - 1.0).abs() < 1e-6);
    }
}
