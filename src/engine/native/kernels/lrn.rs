//! Local response normalisation across channels (Krizhevsky, Sutskever & Hinton 2012) on one block of 16 images.

use super::LANES;
use super::isa::Isa;
use super::pointwise::Lanes;
use super::simd::{self, Simd, Task};

/// y_c = x_c·s_c^−beta with s_c = k + alpha·Σ x², over the channels c − half ..= c + half that exist.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Response {
    /// (size − 1)/2
    pub half: usize,
    /// Factor of the sum.
    pub alpha: f32,
    /// Exponent.
    pub beta: f32,
    /// Added to the sum.
    pub k: f32,
    /// Number of channels.
    pub channels: usize,
    /// Pixels of a plane.
    pub plane: usize,
}

/// Pixels done at a time: with 64 channels, a run of all channels stays within the L1 cache.
pub const RUN: usize = 4;

impl Response {
    /// Numbers of scratch that the backward pass needs.
    pub fn scratch_len(&self) -> usize {
        Response::scratch_len_of(self.channels)
    }

    /// As [`Response::scratch_len`], for so many channels.
    pub fn scratch_len_of(channels: usize) -> usize {
        2 * channels * RUN * LANES
    }
}

/// y ← lrn(x).
pub fn response(isa: Isa, of: &Response, x: &[f32], y: &mut [f32]) {
    simd::run(isa, Forward { of, x, y });
}

/// dx ← (or +=, with `add`) dy_c·s_c^−beta − 2·alpha·beta·x_c·Σ dy_j·x_j·s_j^−(beta+1), the sum over the channels that
/// see c.
pub fn response_backward(
    isa: Isa,
    of: &Response,
    x: &[f32],
    dy: &[f32],
    add: bool,
    dx: &mut [f32],
    scratch: &mut [f32],
) {
    simd::run(isa, Backward { of, x, dy, add, dx, scratch });
}

impl Response {
    /// s of channel `c` at one pixel.
    #[inline(always)]
    fn scale<S: Simd>(&self, s: S, x: &[Lanes], pixel: usize, c: usize) -> S::Vector {
        let mut sum = s.zero();
        for neighbour in c.saturating_sub(self.half)..(c + self.half + 1).min(self.channels) {
            let x = s.read(&x[neighbour * self.plane + pixel]);
            sum = s.mul_add(x, x, sum);
        }
        s.mul_add(s.splat(self.alpha), sum, s.splat(self.k))
    }
}

/// scale^−beta.
#[inline(always)]
fn power<S: Simd>(s: S, scale: S::Vector, beta: f32) -> S::Vector {
    let one = s.splat(1.0);
    // The exponent of every published net: two square roots instead of a logarithm and an exponential.
    if beta == 0.75 {
        let root = s.sqrt(scale);
        s.div(one, s.mul(root, s.sqrt(root)))
    } else if beta == 0.5 {
        s.div(one, s.sqrt(scale))
    } else if beta == 1.0 {
        s.div(one, scale)
    } else {
        s.read(&s.lanes(scale).map(|scale| scale.powf(-beta)))
    }
}

struct Forward<'a> {
    of: &'a Response,
    x: &'a [f32],
    y: &'a mut [f32],
}

impl Task for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let of = self.of;
        let (x, y) = (self.x.as_chunks::<LANES>().0, self.y.as_chunks_mut::<LANES>().0);
        for start in (0..of.plane).step_by(RUN) {
            for c in 0..of.channels {
                for pixel in start..(start + RUN).min(of.plane) {
                    let factor = power(s, of.scale(s, x, pixel, c), of.beta);
                    let at = c * of.plane + pixel;
                    s.write(&mut y[at], s.mul(s.read(&x[at]), factor));
                }
            }
        }
    }
}

struct Backward<'a> {
    of: &'a Response,
    x: &'a [f32],
    dy: &'a [f32],
    add: bool,
    dx: &'a mut [f32],
    scratch: &'a mut [f32],
}

impl Task for Backward<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let of = self.of;
        let (x, dy) = (self.x.as_chunks::<LANES>().0, self.dy.as_chunks::<LANES>().0);
        let dx = self.dx.as_chunks_mut::<LANES>().0;
        let (direct, through) = self.scratch.as_chunks_mut::<LANES>().0.split_at_mut(of.channels * RUN);
        let slope = s.splat(2.0 * of.alpha * of.beta);
        for start in (0..of.plane).step_by(RUN) {
            let run = RUN.min(of.plane - start);
            for c in 0..of.channels {
                for pixel in 0..run {
                    let scale = of.scale(s, x, start + pixel, c);
                    let at = c * of.plane + start + pixel;
                    let gradient = s.mul(s.read(&dy[at]), power(s, scale, of.beta));
                    s.write(&mut direct[c * RUN + pixel], gradient);
                    s.write(&mut through[c * RUN + pixel], s.div(s.mul(gradient, s.read(&x[at])), scale));
                }
            }
            for c in 0..of.channels {
                for pixel in 0..run {
                    let mut sum = s.zero();
                    for seer in c.saturating_sub(of.half)..(c + of.half + 1).min(of.channels) {
                        sum = s.add(sum, s.read(&through[seer * RUN + pixel]));
                    }
                    let at = c * of.plane + start + pixel;
                    let indirect = s.mul(s.mul(slope, s.read(&x[at])), sum);
                    let gradient = s.sub(s.read(&direct[c * RUN + pixel]), indirect);
                    let sum = if self.add { s.add(s.read(&dx[at]), gradient) } else { gradient };
                    s.write(&mut dx[at], sum);
                }
            }
        }
    }
}
