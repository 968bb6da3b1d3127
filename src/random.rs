//! Randomness as a pure function.
//!
//! Every draw is a hash of what it is for (seed, epoch, index, …): there is no generator whose state could depend on
//! thread count, batch order or where a run was interrupted. The mixer is the finaliser of SplitMix64
//! (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014).

/// Mixes 64 bits so that every input bit moves every output bit.
#[inline]
pub const fn mix(x: u64) -> u64 {
    let x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// What a draw is for. Two draws for different purposes never share bits, whatever the other numbers are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u64)]
pub enum Purpose {
    /// Starting weights: (seed, hash of the parameter's name).
    Init = 1,
    /// The order of an epoch: (seed, epoch).
    Shuffle = 2,
    /// Crop and flip of one image: (seed, epoch, index).
    Augment = 3,
    /// Dropout: (seed, epoch, index), then (stream, element).
    Dropout = 4,
    /// Drawing of the built-in shapes: (seed, index).
    Shapes = 5,
    /// Held-out split: (seed).
    Split = 6,
}

/// A key from a purpose and the numbers that pin it down.
#[inline]
pub fn key(purpose: Purpose, parts: &[u64]) -> u64 {
    parts.iter().fold(mix(purpose as u64), |key, &part| mix(key ^ mix(part)))
}

/// A key from a text, for what is told apart by name (FNV-1a, then mixed).
pub fn text_key(text: &str) -> u64 {
    mix(text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)))
}

/// The `index`-th 64 random bits under a key.
#[inline]
pub const fn bits(key: u64, index: u64) -> u64 {
    mix(key ^ mix(index))
}

/// Uniform in [0, 1), with 24 bits: the same number in `f32` and `f64`.
#[inline]
pub fn uniform(key: u64, index: u64) -> f32 {
    (bits(key, index) >> 40) as f32 / (1u64 << 24) as f32
}

/// Uniform in 0..bound without modulo bias that could be seen (64-bit multiply-high; bias below bound/2⁶⁴).
#[inline]
pub fn below(key: u64, index: u64, bound: u64) -> u64 {
    ((u128::from(bits(key, index)) * u128::from(bound)) >> 64) as u64
}

/// Standard normal, by Box and Muller in `f64`.
pub fn normal(key: u64, index: u64) -> f32 {
    let unit = |bits: u64| ((bits >> 11) as f64 + 0.5) / (1u64 << 53) as f64;
    let radius = (-2.0 * unit(bits(key, 2 * index)).ln()).sqrt();
    (radius * (std::f64::consts::TAU * unit(bits(key, 2 * index + 1))).cos()) as f32
}

/// Whether dropout drops element `element` of the image with key `image_key` in the layer with this `stream`.
#[inline]
pub fn dropped(image_key: u64, stream: u64, element: u64, rate: f32) -> bool {
    uniform(mix(image_key ^ mix(stream)), element) < rate
}

/// The numbers 0..len in a random order (Fisher and Yates, from the top).
pub fn permutation(key: u64, len: usize) -> Vec<u32> {
    let mut order: Vec<u32> = (0..u32::try_from(len).unwrap_or(u32::MAX)).collect();
    for i in (1..order.len()).rev() {
        order.swap(i, below(key, i as u64, i as u64 + 1) as usize);
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_permutation_holds_every_index_once() {
        let mut order = permutation(key(Purpose::Shuffle, &[1, 2]), 1000);
        assert_ne!(order[..10], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
        order.sort_unstable();
        assert!(order.iter().enumerate().all(|(i, &x)| i as u32 == x));
        assert!(permutation(1, 0).is_empty());
    }

    #[test]
    fn draws_have_the_moments_they_should() {
        let n = 100_000;
        let (mut mean, mut square, mut even) = (0.0f64, 0.0f64, 0.0f64);
        for i in 0..n {
            let x = f64::from(normal(7, i));
            mean += x / n as f64;
            square += x * x / n as f64;
            even += f64::from(uniform(9, i)) / n as f64;
        }
        // Four standard errors of each estimate.
        assert!(mean.abs() < 0.013, "{mean}");
        assert!((square - 1.0).abs() < 0.018, "{square}");
        assert!((even - 0.5).abs() < 0.004, "{even}");
    }

    /// Two draws that share bits, such as the radius, are not seen in the correlation of what they give, whose signs are
    /// free; they are seen in that of the squares.
    #[test]
    fn neighbouring_draws_know_nothing_of_each_other() {
        let draws: Vec<f64> = (0..100_001).map(|i| f64::from(normal(7, i))).collect();
        let mean = |of: fn(f64, f64) -> f64| {
            draws.windows(2).map(|pair| of(pair[0], pair[1])).sum::<f64>() / (draws.len() - 1) as f64
        };
        // Four standard errors of each: the products have the deviations 1, √2, √2 and 2.
        let (plain, first, second) =
            (mean(|x, y| x * y), mean(|x, y| (x * x - 1.0) * y), mean(|x, y| x * (y * y - 1.0)));
        let squares = mean(|x, y| (x * x - 1.0) * (y * y - 1.0));
        assert!(plain.abs() < 0.013, "{plain}");
        assert!(first.abs() < 0.018, "{first}");
        assert!(second.abs() < 0.018, "{second}");
        assert!(squares.abs() < 0.026, "{squares}");
    }

    #[test]
    fn keys_of_different_purposes_differ() {
        assert_ne!(key(Purpose::Init, &[3]), key(Purpose::Shuffle, &[3]));
        assert_ne!(key(Purpose::Shuffle, &[1, 2]), key(Purpose::Shuffle, &[2, 1]));
        assert_ne!(text_key("conv1.weight"), text_key("conv2.weight"));
    }

    #[test]
    fn dropout_drops_its_share() {
        let share = (0..100_000).filter(|&i| dropped(5, 1, i, 0.3)).count();
        assert!((29_400..30_600).contains(&share), "{share}");
    }
}
