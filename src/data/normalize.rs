//! From bytes to numbers round zero.
//!
//! Statistics are summed in integers, exactly, and divided in `f64`: they depend neither on order nor on threads.

use super::{DataError, Description, Subset};
use crate::graph::dims::Shape;
use serde::{Deserialize, Serialize};

/// How a byte x becomes a number. Means and deviations are in 0..=1, as everyone quotes them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Normalization {
    /// x/255.
    None,
    /// (x/255 − mean)/std, one of each a channel.
    PerChannel {
        /// Mean of each channel.
        mean: Vec<f32>,
        /// Standard deviation of each channel.
        std: Vec<f32>,
    },
    /// x/255 − mean, with a mean for every pixel (He et al. 2015: "per-pixel mean subtracted").
    PerPixelMean {
        /// C·H·W means.
        mean: Vec<f32>,
    },
    /// (x − m)/max(s, 1/√N), with m and s the mean and deviation of the image's own N = C·H·W numbers, in 0..=255
    /// (`tf.image.per_image_standardization`).
    PerImage,
}

impl Normalization {
    /// Per channel, with the published constants of the data set.
    pub fn published(description: &Description) -> Normalization {
        let to_f32 = |values: &[f64]| values.iter().map(|&x| x as f32).collect();
        Normalization::PerChannel { mean: to_f32(&description.mean), std: to_f32(&description.std) }
    }

    /// Per channel, with mean and deviation measured on `images`: over all pixels of all images, divided by their
    /// number.
    ///
    /// # Errors
    /// [`DataError::Option`] when there is no image, or a channel has but one value.
    pub fn measure_per_channel(images: &Subset) -> Result<Normalization, DataError> {
        let (means, stds) = channel_statistics(images)?;
        if let Some(channel) = stds.iter().position(|&std| std == 0.0) {
            return Err(DataError::Option(format!(
                "channel {channel} is the same everywhere in {} images: there is no deviation to divide by",
                images.len()
            )));
        }
        let to_f32 = |values: Vec<f64>| values.into_iter().map(|x| x as f32).collect();
        Ok(Normalization::PerChannel { mean: to_f32(means), std: to_f32(stds) })
    }

    /// The mean image of `images`.
    ///
    /// # Errors
    /// [`DataError::Option`] when there is no image.
    pub fn measure_per_pixel(images: &Subset) -> Result<Normalization, DataError> {
        require_images(images)?;
        let mut sums = vec![0u64; images.split().shape().elements()];
        for image in images.images() {
            for (sum, &x) in sums.iter_mut().zip(image) {
                *sum += u64::from(x);
            }
        }
        let count = 255.0 * images.len() as f64;
        Ok(Normalization::PerPixelMean { mean: sums.into_iter().map(|sum| (sum as f64 / count) as f32).collect() })
    }

    /// Checks it against the images' shape.
    ///
    /// # Errors
    /// [`DataError::Option`] when a length does not fit, or a value is not finite or a deviation not above 0.
    pub fn validate(&self, shape: Shape) -> Result<(), DataError> {
        let (expected, lists): (usize, &[&[f32]]) = match self {
            Normalization::None | Normalization::PerImage => (0, &[]),
            Normalization::PerChannel { mean, std } => (shape.channels(), &[mean, std]),
            Normalization::PerPixelMean { mean } => (shape.elements(), &[mean]),
        };
        for list in lists {
            if list.len() != expected {
                let found = list.len();
                return Err(DataError::Option(format!(
                    "normalisation has {found} values where {shape} needs {expected}"
                )));
            }
            if list.iter().any(|x| !x.is_finite()) {
                return Err(DataError::Option("normalisation has a value that is not a finite number".into()));
            }
        }
        if let Normalization::PerChannel { std, .. } = self
            && std.iter().any(|&std| std <= 0.0)
        {
            return Err(DataError::Option("normalisation has a standard deviation that is not above 0".into()));
        }
        Ok(())
    }

    /// Normalises one image, C planes of `area` bytes.
    ///
    /// # Panics
    /// If lengths do not fit; [`Normalization::validate`] tells.
    pub fn apply(&self, image: &[u8], target: &mut [f32], area: usize) {
        assert_eq!(image.len(), target.len());
        match self {
            Normalization::None => scale(image, target, 0.0, 1.0 / 255.0),
            Normalization::PerChannel { mean, std } => {
                let planes = image.chunks_exact(area).zip(target.chunks_exact_mut(area));
                for ((plane, target), (&mean, &std)) in planes.zip(mean.iter().zip(std)) {
                    let (mean, std) = (f64::from(mean), f64::from(std));
                    scale(plane, target, (255.0 * mean) as f32, (1.0 / (255.0 * std)) as f32);
                }
            }
            Normalization::PerPixelMean { mean } => {
                assert_eq!(image.len(), mean.len());
                for ((target, &x), &mean) in target.iter_mut().zip(image).zip(mean) {
                    *target = f32::from(x) * (1.0 / 255.0) - mean;
                }
            }
            Normalization::PerImage => {
                let (mean, factor) = image_statistics(image);
                scale(image, target, mean, factor);
            }
        }
    }
}

/// What [`Normalization::PerImage`] does to the bytes x of an image: (x − .0)·.1.
pub fn image_statistics(image: &[u8]) -> (f32, f32) {
    let (sum, squares) = sums(image);
    let count = image.len() as f64;
    let mean = sum as f64 / count;
    let std = variance(sum, squares, image.len()).sqrt().max(1.0 / count.sqrt());
    (mean as f32, (1.0 / std) as f32)
}

/// (x − mean)·factor: in this order the mean itself becomes 0 exactly.
fn scale(image: &[u8], target: &mut [f32], mean: f32, factor: f32) {
    for (target, &x) in target.iter_mut().zip(image) {
        *target = (f32::from(x) - mean) * factor;
    }
}

/// Mean and standard deviation of each channel, in 0..=1, over all pixels of all images.
///
/// # Errors
/// [`DataError::Option`] when there is no image.
pub fn channel_statistics(images: &Subset) -> Result<(Vec<f64>, Vec<f64>), DataError> {
    require_images(images)?;
    let shape = images.split().shape();
    let area = shape.plane().area();
    let mut totals = vec![(0u64, 0u64); shape.channels()];
    for image in images.images() {
        for (total, plane) in totals.iter_mut().zip(image.chunks_exact(area)) {
            let (sum, squares) = sums(plane);
            *total = (total.0 + sum, total.1 + squares);
        }
    }
    let count = images.len() * area;
    let mean = totals.iter().map(|&(sum, _)| sum as f64 / count as f64 / 255.0).collect();
    let std = totals.iter().map(|&(sum, squares)| variance(sum, squares, count).sqrt() / 255.0).collect();
    Ok((mean, std))
}

fn require_images(images: &Subset) -> Result<(), DataError> {
    match images.is_empty() {
        true => Err(DataError::Option("normalisation cannot be measured without an image".into())),
        false => Ok(()),
    }
}

/// Sum and sum of squares.
fn sums(bytes: &[u8]) -> (u64, u64) {
    // 2¹⁶ squares of bytes fit 32 bits, which is what makes this fast.
    bytes.chunks(1 << 16).fold((0, 0), |(sum, squares), bytes| {
        let (s, q) = bytes.iter().fold((0u32, 0u32), |(s, q), &x| (s + u32::from(x), q + u32::from(x) * u32::from(x)));
        (sum + u64::from(s), squares + u64::from(q))
    })
}

/// Biased variance, from exact sums: (n·Σx² − (Σx)²)/n², without cancellation.
fn variance(sum: u64, squares: u64, count: usize) -> f64 {
    let numerator = u128::from(squares) * count as u128 - u128::from(sum) * u128::from(sum);
    numerator as f64 / (count as f64 * count as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Split;
    use std::sync::Arc;

    /// 5 images of 2x3x3 with bytes that look random.
    fn images() -> Subset {
        let bytes = (0..5 * 18u64).map(|i| crate::random::below(1, i, 256) as u8).collect();
        Subset::all(&Arc::new(Split::new(Shape::map(2, 3, 3), 10, bytes, vec![0; 5]).unwrap()))
    }

    fn normalize(normalization: &Normalization, image: &[u8]) -> Vec<f32> {
        let mut target = vec![0.0; image.len()];
        normalization.validate(Shape::map(2, 3, 3)).unwrap();
        normalization.apply(image, &mut target, 9);
        target
    }

    fn close(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-6 * b.abs().max(1.0)
    }

    #[test]
    fn measured_channels_become_zero_mean_and_unit_deviation() {
        let images = images();
        let normalization = Normalization::measure_per_channel(&images).unwrap();
        for channel in 0..2 {
            let values: Vec<f64> = images
                .images()
                .flat_map(|image| normalize(&normalization, image)[channel * 9..][..9].to_vec())
                .map(f64::from)
                .collect();
            let mean = values.iter().sum::<f64>() / values.len() as f64;
            let variance = values.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / values.len() as f64;
            assert!(close(mean, 0.0) && close(variance, 1.0), "{mean} {variance}");
        }
    }

    #[test]
    fn the_mean_image_is_subtracted() {
        let images = images();
        let normalization = Normalization::measure_per_pixel(&images).unwrap();
        let mut sums = vec![0.0; 18];
        for image in images.images() {
            normalize(&normalization, image).iter().zip(&mut sums).for_each(|(&x, sum)| *sum += f64::from(x));
        }
        assert!(sums.iter().all(|&sum| close(sum, 0.0)), "{sums:?}");
        let (a, b) = (images.split().image(0), images.split().image(1));
        let (na, nb) = (normalize(&normalization, a), normalize(&normalization, b));
        assert!(close(f64::from(na[4] - nb[4]), (f64::from(a[4]) - f64::from(b[4])) / 255.0));
    }

    #[test]
    fn an_image_is_standardised_by_itself_and_a_blank_one_does_not_explode() {
        let images = images();
        let image = images.split().image(2);
        let values: Vec<f64> = image.iter().map(|&x| f64::from(x)).collect();
        let mean = values.iter().sum::<f64>() / 18.0;
        let std = (values.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / 18.0).sqrt();
        for (x, &y) in values.iter().zip(&normalize(&Normalization::PerImage, image)) {
            assert!(close(f64::from(y), (x - mean) / std));
        }
        assert_eq!(normalize(&Normalization::PerImage, &[200; 18]), [0.0; 18]);
        // One grain: its deviation is below the floor of 1/√18.
        let mut nearly = [0; 18];
        nearly[0] = 1;
        let mean = 1.0 / 18.0;
        let floored = normalize(&Normalization::PerImage, &nearly)[0];
        assert!(close(f64::from(floored), (1.0 - mean) / (1.0f64 / 18.0).sqrt()), "{floored}");
    }

    #[test]
    fn published_constants_and_none_are_plain_arithmetic() {
        let normalization = Normalization::PerChannel { mean: vec![0.5, 0.25], std: vec![0.25, 0.5] };
        let image: Vec<u8> = (0..18).map(|x| x * 15).collect();
        let values = normalize(&normalization, &image);
        assert!(close(f64::from(values[3]), (45.0 / 255.0 - 0.5) / 0.25));
        assert!(close(f64::from(values[12]), (180.0 / 255.0 - 0.25) / 0.5));
        assert_eq!(normalize(&Normalization::None, &image)[17], 1.0);
    }

    #[test]
    fn what_does_not_fit_is_an_error() {
        let shape = Shape::map(2, 3, 3);
        let per_channel = |mean: &[f32], std: &[f32]| Normalization::PerChannel { mean: mean.into(), std: std.into() };
        assert!(per_channel(&[0.0], &[1.0, 1.0]).validate(shape).is_err());
        assert!(per_channel(&[0.0, 0.0], &[1.0, 0.0]).validate(shape).is_err());
        assert!(per_channel(&[0.0, f32::NAN], &[1.0, 1.0]).validate(shape).is_err());
        assert!(Normalization::PerPixelMean { mean: vec![0.0; 9] }.validate(shape).is_err());
        let blank = Subset::all(&Arc::new(Split::new(shape, 10, vec![7; 18], vec![0]).unwrap()));
        assert!(Normalization::measure_per_channel(&blank).is_err());
        let none = Subset::all(&Arc::new(Split::new(shape, 10, vec![], vec![]).unwrap()));
        assert!(Normalization::measure_per_channel(&none).is_err());
        assert!(Normalization::measure_per_pixel(&none).is_err());
    }

    #[test]
    fn sums_of_many_white_pixels_do_not_overflow() {
        let bytes = vec![255; 200_000];
        assert_eq!(sums(&bytes), (200_000 * 255, 200_000 * 255 * 255));
        assert_eq!(variance(200_000 * 255, 200_000 * 255 * 255, 200_000), 0.0);
    }
}
