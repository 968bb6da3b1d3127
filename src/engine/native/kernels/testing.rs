//! What the kernels' tests share: numbers that look random, and a comparison scaled to the largest expected number.

use super::buffer::Buffer;
use crate::random;

/// `len` numbers in [-1, 1), the same for the same seed.
pub fn numbers(seed: u64, len: usize) -> Buffer {
    let mut buffer = Buffer::zeroed(len);
    buffer.iter_mut().enumerate().for_each(|(i, x)| *x = 2.0 * random::uniform(random::mix(seed), i as u64) - 1.0);
    buffer
}

/// The largest difference, as a share of the largest expected number.
pub fn error(found: &[f32], expected: &[f64]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let largest = expected.iter().fold(1e-30, |m: f64, x| m.max(x.abs()));
    let worst = found.iter().zip(expected).fold(0.0, |m: f64, (f, e)| {
        let difference = (f64::from(*f) - e).abs();
        if difference.is_nan() { f64::INFINITY } else { m.max(difference) }
    });
    worst / largest
}

/// Fails when [`error`] is above `tolerance`.
#[track_caller]
pub fn assert_close(what: &str, found: &[f32], expected: &[f64], tolerance: f64) {
    let error = error(found, expected);
    assert!(error <= tolerance, "{what}: relative error {error:e} above {tolerance:e}");
}
