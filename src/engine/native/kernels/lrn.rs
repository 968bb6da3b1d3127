//! Local response normalisation across channels (Krizhevsky, Sutskever & Hinton 2012) on one block of 16 images.

use super::LANES;
use super::multiversion::multiversion;
use super::pointwise::Lanes;

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

    /// s of channel `c` at one pixel.
    #[inline(always)]
    fn scale(&self, x: &[Lanes], pixel: usize, c: usize) -> Lanes {
        let mut sum = [0.0f32; LANES];
        for neighbour in c.saturating_sub(self.half)..(c + self.half + 1).min(self.channels) {
            let x = &x[neighbour * self.plane + pixel];
            for lane in 0..LANES {
                sum[lane] += x[lane] * x[lane];
            }
        }
        sum.map(|sum| self.k + self.alpha * sum)
    }
}

/// s^−beta.
#[inline(always)]
fn power(s: &Lanes, beta: f32) -> Lanes {
    // The exponent of every published net: two square roots instead of a logarithm and an exponential.
    if beta == 0.75 {
        s.map(|s| {
            let root = s.sqrt();
            1.0 / (root * root.sqrt())
        })
    } else if beta == 0.5 {
        s.map(|s| 1.0 / s.sqrt())
    } else if beta == 1.0 {
        s.map(|s| 1.0 / s)
    } else {
        s.map(|s| s.powf(-beta))
    }
}

multiversion! {
    /// y ← lrn(x).
    pub fn response(of: &Response, x: &[f32], y: &mut [f32]) {
        let (x, y) = (x.as_chunks::<LANES>().0, y.as_chunks_mut::<LANES>().0);
        for start in (0..of.plane).step_by(RUN) {
            for c in 0..of.channels {
                for pixel in start..(start + RUN).min(of.plane) {
                    let factor = power(&of.scale(x, pixel, c), of.beta);
                    let at = c * of.plane + pixel;
                    for lane in 0..LANES {
                        y[at][lane] = x[at][lane] * factor[lane];
                    }
                }
            }
        }
    }

    /// dx ← (or +=, with `add`) dy_c·s_c^−beta − 2·alpha·beta·x_c·Σ dy_j·x_j·s_j^−(beta+1), the sum over the channels
    /// that see c.
    pub fn response_backward(of: &Response, x: &[f32], dy: &[f32], add: bool, dx: &mut [f32], scratch: &mut [f32]) {
        let (x, dy) = (x.as_chunks::<LANES>().0, dy.as_chunks::<LANES>().0);
        let dx = dx.as_chunks_mut::<LANES>().0;
        let (direct, through) = scratch.as_chunks_mut::<LANES>().0.split_at_mut(of.channels * RUN);
        for start in (0..of.plane).step_by(RUN) {
            let run = RUN.min(of.plane - start);
            for c in 0..of.channels {
                for pixel in 0..run {
                    let s = of.scale(x, start + pixel, c);
                    let factor = power(&s, of.beta);
                    let at = c * of.plane + start + pixel;
                    for lane in 0..LANES {
                        let gradient = dy[at][lane] * factor[lane];
                        direct[c * RUN + pixel][lane] = gradient;
                        through[c * RUN + pixel][lane] = gradient * x[at][lane] / s[lane];
                    }
                }
            }
            for c in 0..of.channels {
                for pixel in 0..run {
                    let mut sum = [0.0f32; LANES];
                    for seer in c.saturating_sub(of.half)..(c + of.half + 1).min(of.channels) {
                        for lane in 0..LANES {
                            sum[lane] += through[seer * RUN + pixel][lane];
                        }
                    }
                    let at = c * of.plane + start + pixel;
                    let slope = 2.0 * of.alpha * of.beta;
                    for lane in 0..LANES {
                        let gradient = direct[c * RUN + pixel][lane] - slope * x[at][lane] * sum[lane];
                        dx[at][lane] = if add { dx[at][lane] + gradient } else { gradient };
                    }
                }
            }
        }
    }
}
