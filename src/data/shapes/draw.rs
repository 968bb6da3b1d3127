//! Draws one image: a signed distance (negative inside) tells each pixel how much of it the shape covers, which is
//! what anti-aliases its edge.
//!
//! All lengths are in units of 1/32 of the shorter side, so that an image of any size looks alike.

use crate::graph::dims::Shape;
use crate::random;
use std::f32::consts::{PI, TAU};

/// The draws of one image, in order.
struct Draws {
    key: u64,
    next: u64,
}

impl Draws {
    fn bits(&mut self) -> u64 {
        self.next += 1;
        random::bits(self.key, self.next)
    }

    fn uniform(&mut self, low: f32, high: f32) -> f32 {
        self.next += 1;
        low + (high - low) * random::uniform(self.key, self.next)
    }

    fn coin(&mut self) -> bool {
        self.bits() >> 63 == 1
    }

    /// Cosine and sine of an angle between the two.
    fn direction(&mut self, low: f32, high: f32) -> (f32, f32) {
        let angle = f64::from(self.uniform(low, high));
        (angle.cos() as f32, angle.sin() as f32)
    }

    /// A colour of this lightness (Rec. 601 luma).
    fn colour(&mut self, luma: f32) -> [f32; 3] {
        let strength = self.uniform(0.0, 0.5);
        let chroma = [(); 3].map(|()| self.uniform(-1.0, 1.0));
        let grey = luma_of(chroma);
        chroma.map(|c| (luma + strength * (c - grey)).clamp(0.0, 1.0))
    }
}

fn luma_of([red, green, blue]: [f32; 3]) -> f32 {
    0.299 * red + 0.587 * green + 0.114 * blue
}

/// Where a shape lies, how large it is and how it is turned.
struct Pose {
    x: f32,
    y: f32,
    cos: f32,
    sin: f32,
}

impl Pose {
    /// Image coordinates (from the centre) to the shape's own.
    #[inline]
    fn local(&self, x: f32, y: f32) -> (f32, f32) {
        let (x, y) = (x - self.x, y - self.y);
        (self.cos * x + self.sin * y, self.cos * y - self.sin * x)
    }
}

/// A speck of dirt: a small disc in front of everything.
struct Speck {
    x: f32,
    y: f32,
    radius: f32,
    colour: [f32; 3],
}

/// Draws class `label` into `image`, C·H·W bytes of `shape` (C is 1 or 3).
pub(super) fn draw(label: u32, shape: Shape, key: u64, image: &mut [u8]) {
    let plane = shape.plane();
    let unit = plane.height.min(plane.width) as f32 / 32.0;
    let (half_width, half_height) = (plane.width as f32 / unit / 2.0, plane.height as f32 / unit / 2.0);
    let mut draws = Draws { key, next: 0 };

    // Light on dark or dark on light, with a contrast that can be seen.
    let ground_luma = draws.uniform(0.1, 0.9);
    let contrast = draws.uniform(0.25, 0.6);
    let brighter = if draws.coin() { ground_luma + contrast <= 1.0 } else { ground_luma - contrast < 0.0 };
    let figure_luma = if brighter { ground_luma + contrast } else { ground_luma - contrast };
    let ground = draws.colour(ground_luma);
    let figure = draws.colour(figure_luma.clamp(0.0, 1.0));

    // Light falls from one side: a ramp across the image, on figure and ground alike.
    let (ramp_x, ramp_y) = draws.direction(0.0, TAU);
    let ramp = draws.uniform(0.0, 0.12) / half_width.min(half_height);
    let noise = draws.uniform(0.01, 0.08);
    let count = draws.bits() % 4;
    let specks: Vec<Speck> = (0..count)
        .map(|_| {
            let luma = draws.uniform(0.0, 1.0);
            Speck {
                x: draws.uniform(-half_width, half_width),
                y: draws.uniform(-half_height, half_height),
                radius: draws.uniform(0.8, 1.8),
                colour: draws.colour(luma),
            }
        })
        .collect();

    let mut grains = Grains { key: draws.bits(), next: 0, left: 0, bits: 0 };
    let area = plane.area();
    let mut paint = |coverage: &dyn Fn(f32, f32) -> f32| {
        for row in 0..plane.height {
            let y = (row as f32 + 0.5) / unit - half_height;
            for column in 0..plane.width {
                let x = (column as f32 + 0.5) / unit - half_width;
                let figure_share = coverage(x, y);
                let light = ramp * (ramp_x * x + ramp_y * y);
                let mut colour = [0, 1, 2].map(|c| ground[c] + figure_share * (figure[c] - ground[c]) + light);
                for speck in &specks {
                    let (dx, dy) = (x - speck.x, y - speck.y);
                    let square = dx * dx + dy * dy;
                    let reach = speck.radius + 1.0 / unit;
                    if square < reach * reach {
                        let fraction = edge(square.sqrt() - speck.radius, unit);
                        colour = [0, 1, 2].map(|c| colour[c] + fraction * (speck.colour[c] - colour[c]));
                    }
                }
                let pixel = row * plane.width + column;
                match shape.channels() {
                    1 => image[pixel] = byte(luma_of(colour) + noise * grains.next()),
                    _ => {
                        for (channel, value) in colour.into_iter().enumerate() {
                            image[channel * area + pixel] = byte(value + noise * grains.next());
                        }
                    }
                }
            }
        }
    };

    let figure = |draws: &mut Draws, radius: f32| {
        let (reach_x, reach_y) = (half_width - 0.95 * radius, half_height - 0.95 * radius);
        let (x, y) = (draws.uniform(-reach_x, reach_x), draws.uniform(-reach_y, reach_y));
        let (cos, sin) = draws.direction(0.0, TAU);
        Pose { x, y, cos, sin }
    };
    // Textures fill the image: their origin is their phase.
    let texture = |draws: &mut Draws, low: f32, high: f32| {
        let (x, y) = (draws.uniform(-16.0, 16.0), draws.uniform(-16.0, 16.0));
        let (cos, sin) = draws.direction(low, high);
        Pose { x, y, cos, sin }
    };
    let radius = draws.uniform(7.0, 12.5);
    match label {
        0 => {
            let pose = figure(&mut draws, radius);
            paint(&|x, y| edge(length(pose.local(x, y)) - 0.9 * radius, unit));
        }
        1 => {
            let pose = figure(&mut draws, radius);
            paint(&|x, y| {
                let (u, v) = pose.local(x, y);
                edge(u.abs().max(v.abs()) - 0.78 * radius, unit)
            });
        }
        2 => {
            let pose = figure(&mut draws, radius);
            paint(&|x, y| edge(triangle(pose.local(x, y), 1.15 * radius), unit));
        }
        3 => {
            let pose = figure(&mut draws, radius);
            let inner = draws.uniform(0.38, 0.46);
            let star = Star::new(1.2 * radius, inner);
            paint(&|x, y| edge(star.distance(pose.local(x, y)), unit));
        }
        4 => {
            let pose = figure(&mut draws, radius);
            let arm = draws.uniform(0.22, 0.34) * radius;
            paint(&|x, y| {
                let (u, v) = pose.local(x, y);
                let (u, v) = (u.abs(), v.abs());
                edge(u.max(v).max(u.min(v) + radius - arm) - radius, unit)
            });
        }
        5 => {
            let pose = figure(&mut draws, radius);
            let thickness = draws.uniform(0.32, 0.5) * radius;
            paint(&|x, y| edge((length(pose.local(x, y)) - radius + thickness / 2.0).abs() - thickness / 2.0, unit));
        }
        6 | 7 => {
            let pose = texture(&mut draws, -PI / 12.0, PI / 12.0);
            let period = draws.uniform(5.0, 12.0);
            let width = draws.uniform(0.35, 0.65);
            paint(&|x, y| {
                let (u, v) = pose.local(x, y);
                edge(stripe(if label == 6 { v } else { u }, period, width), unit)
            });
        }
        8 => {
            let pose = texture(&mut draws, 0.0, TAU);
            let cell = draws.uniform(4.0, 8.0);
            paint(&|x, y| {
                let (u, v) = pose.local(x, y);
                let (a, b) = (edge(stripe(u, 2.0 * cell, 0.5), unit), edge(stripe(v, 2.0 * cell, 0.5), unit));
                a + b - 2.0 * a * b
            });
        }
        _ => {
            let pose = texture(&mut draws, 0.0, TAU);
            let period = draws.uniform(6.5, 11.0);
            let radius = period * draws.uniform(0.24, 0.36);
            let shift = if draws.coin() { 0.5 } else { 0.0 };
            paint(&|x, y| {
                let (u, v) = pose.local(x, y);
                let row = (v / period).floor();
                let (u, v) = (u / period + shift * row, v / period - row);
                edge(length((u - u.floor() - 0.5, v - 0.5)) * period - radius, unit)
            });
        }
    }
}

/// Share of a pixel that lies inside, from the signed distance of its centre to the edge.
#[inline]
fn edge(distance: f32, unit: f32) -> f32 {
    (0.5 - distance * unit).clamp(0.0, 1.0)
}

#[inline]
fn length((x, y): (f32, f32)) -> f32 {
    (x * x + y * y).sqrt()
}

/// An equilateral triangle with its corners `radius` from its centre.
#[inline]
fn triangle((u, v): (f32, f32), radius: f32) -> f32 {
    const HALF_SQRT_3: f32 = 0.866_025_4;
    v.max(HALF_SQRT_3 * u - 0.5 * v).max(-HALF_SQRT_3 * u - 0.5 * v) - radius / 2.0
}

/// Bands of `width`·`period`, one every `period`.
#[inline]
fn stripe(t: f32, period: f32, width: f32) -> f32 {
    let phase = t / period;
    ((phase - phase.floor() - 0.5).abs() - width / 2.0) * period
}

/// A five-pointed star.
struct Star {
    tips: [(f32, f32); 5],
    /// Normal of the edge from a tip to the notch beside it, in the frame of that tip, and the edge's distance.
    normal: (f32, f32),
    offset: f32,
}

impl Star {
    /// Tips `radius` from the centre, notches `inner`·`radius`.
    fn new(radius: f32, inner: f32) -> Star {
        let tips = [0.0, 1.0, 2.0, 3.0, 4.0].map(|k: f64| {
            let angle = k * std::f64::consts::TAU / 5.0;
            (angle.cos() as f32, angle.sin() as f32)
        });
        let angle = std::f64::consts::PI / 5.0;
        let notch = (inner * radius * angle.cos() as f32, inner * radius * angle.sin() as f32);
        let (along_x, along_y) = (notch.0 - radius, notch.1);
        let norm = length((along_x, along_y));
        let normal = (along_y / norm, -along_x / norm);
        Star { tips, normal, offset: normal.0 * radius }
    }

    #[inline]
    fn distance(&self, (u, v): (f32, f32)) -> f32 {
        // The nearest tip is the one most in this direction; both sides of it are alike.
        let (mut along, mut across) = (f32::MIN, 0.0);
        for (cos, sin) in self.tips {
            let projection = u * cos + v * sin;
            if projection > along {
                (along, across) = (projection, (v * cos - u * sin).abs());
            }
        }
        self.normal.0 * along + self.normal.1 * across - self.offset
    }
}

/// Noise of zero mean and unit deviation, nearly normal: the sum of four uniform bytes (Irwin–Hall), eight bytes a draw.
struct Grains {
    key: u64,
    next: u64,
    left: u32,
    bits: u64,
}

impl Grains {
    #[inline]
    fn next(&mut self) -> f32 {
        if self.left == 0 {
            self.bits = random::bits(self.key, self.next);
            self.next += 1;
            self.left = 2;
        }
        let half = self.bits as u32;
        self.bits >>= 32;
        self.left -= 1;
        let pairs = (half & 0x00ff_00ff) + ((half >> 8) & 0x00ff_00ff);
        let sum = (pairs & 0xffff) + (pairs >> 16);
        // Mean 4·127.5, variance 4·(256² − 1)/12.
        (sum as f32 - 510.0) * (1.0 / 147.799_41)
    }
}

#[inline]
fn byte(value: f32) -> u8 {
    (value * 255.0 + 0.5) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_has_the_moments_it_should() {
        let mut grains = Grains { key: 5, next: 0, left: 0, bits: 0 };
        let n = 100_000;
        let values: Vec<f64> = (0..n).map(|_| f64::from(grains.next())).collect();
        let mean = values.iter().sum::<f64>() / f64::from(n);
        let variance = values.iter().map(|x| x * x).sum::<f64>() / f64::from(n);
        assert!(mean.abs() < 0.013 && (variance - 1.0).abs() < 0.018, "{mean} {variance}");
    }

    #[test]
    fn distances_are_negative_inside_and_zero_on_the_edge() {
        let star = Star::new(10.0, 0.4);
        assert!(star.distance((0.0, 0.0)) < -1.0);
        assert!(star.distance((10.0, 0.0)).abs() < 1e-4);
        assert!(star.distance((-4.0, 0.0)).abs() < 1e-4, "a notch lies opposite a tip");
        assert!(star.distance((-6.0, 0.0)) > 0.5);
        assert!(triangle((0.0, -10.0), 10.0).abs() < 1e-4 && triangle((0.0, 5.0), 10.0).abs() < 1e-4);
        assert!((stripe(0.0, 10.0, 0.5) - 2.5).abs() < 1e-5 && (stripe(5.0, 10.0, 0.5) + 2.5).abs() < 1e-5);
        assert_eq!((edge(-1.0, 1.0), edge(0.0, 1.0), edge(1.0, 1.0)), (1.0, 0.5, 0.0));
    }
}
