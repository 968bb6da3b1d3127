//! A built-in data set, drawn when it is needed: ten classes of shapes and textures.
//!
//! It lets every command run on a machine with no data. Each image is a pure function of the seed, its split and its
//! index: position, size, angle, colours, light and noise vary, light on dark is as likely as dark on light, so that no
//! single pixel says anything about the class and a linear classifier fails; a small convolutional net does not.
//!
//! The order of the images is that of their indices, whatever [`ImageOrder`](super::ImageOrder) is asked for: no file
//! decides on it, classes take turns, and the first n can be drawn without the others.

mod draw;

use super::{DataError, DataSet, Description, LoadOptions, Split};
use crate::graph::dims::Shape;
use crate::random::{self, Purpose};
use rayon::prelude::*;
use std::ops::RangeInclusive;
use std::sync::Arc;

/// What is drawn where nothing asks for another shape.
pub const SHAPE: Shape = Shape::Map { channels: 3, height: 32, width: 32 };
/// Training images by default.
pub const TRAIN: usize = 10_000;
/// Test images by default.
pub const TEST: usize = 2_000;
/// The seed of the published drawing; a run's own seed does not change the data.
pub const SEED: u64 = 0;
/// Heights and widths that can be drawn: on fewer pixels a star is a disc.
pub const SIDES: RangeInclusive<usize> = 12..=512;

/// The classes, in the order of their labels.
pub const CLASSES: [&str; 10] = [
    "disc",
    "square",
    "triangle",
    "star",
    "cross",
    "ring",
    "horizontal stripes",
    "vertical stripes",
    "checkerboard",
    "dots",
];

/// What the data set looks like at this shape.
pub fn description(shape: Shape) -> Description {
    // Measured on the default drawing at 1x28x28 and 3x32x32; other sizes differ in the third digit.
    let (mean, std) = match shape.channels() {
        1 => (vec![0.500_76], vec![0.241_27]),
        _ => (vec![0.501_00, 0.500_60, 0.501_06], vec![0.271_72, 0.257_41, 0.277_23]),
    };
    Description {
        name: "shapes".into(),
        shape,
        classes: CLASSES.map(String::from).to_vec(),
        train: TRAIN,
        test: TEST,
        mean,
        std,
    }
}

/// Whether images of this shape can be drawn: maps of 1 or 3 channels, [`SIDES`] pixels a side.
pub fn can_draw(shape: Shape) -> bool {
    match shape {
        Shape::Map { channels, height, width } => {
            (channels == 1 || channels == 3) && SIDES.contains(&height) && SIDES.contains(&width)
        }
        Shape::Vector { .. } => false,
    }
}

/// The default drawing, at the input of the net.
///
/// # Errors
/// [`DataError::CannotDraw`] when the net's input cannot be drawn.
pub fn load(options: &LoadOptions) -> Result<DataSet, DataError> {
    let shape = options.input.unwrap_or(SHAPE);
    let data = generate(shape, options.train.count(TRAIN)?, options.test.count(TEST)?, SEED)?;
    Ok(DataSet { description: description(shape), ..data })
}

/// Draws `train` and `test` images of `shape`. The first n images are the same however many follow.
///
/// # Errors
/// [`DataError::CannotDraw`] for a shape that [`can_draw`] does not allow.
pub fn generate(shape: Shape, train: usize, test: usize, seed: u64) -> Result<DataSet, DataError> {
    if !can_draw(shape) {
        return Err(DataError::CannotDraw(shape));
    }
    let description = Description { train, test, ..description(shape) };
    let train = draw_split(shape, train, seed, 0)?;
    let test = draw_split(shape, test, seed, 1)?;
    Ok(DataSet { description, train: Arc::new(train), test: Arc::new(test) })
}

/// `stream` tells training (0) and test (1) apart: no image is in both.
fn draw_split(shape: Shape, count: usize, seed: u64, stream: u64) -> Result<Split, DataError> {
    let elements = shape.elements();
    let bytes = elements.checked_mul(count).filter(|&bytes| bytes <= 1 << 34);
    let bytes = bytes.ok_or_else(|| DataError::Option(format!("{count} images of {shape} are too many")))?;
    let mut images = vec![0; bytes];
    // Each image depends on its index alone, so threads cannot change a bit.
    images.par_chunks_mut(elements).enumerate().for_each(|(index, image)| {
        let key = random::key(Purpose::Shapes, &[seed, stream, index as u64]);
        draw::draw(label(index), shape, key, image);
    });
    Split::new(shape, CLASSES.len(), images, (0..count).map(label).collect())
}

/// Classes take turns: any first n images are balanced.
fn label(index: usize) -> u32 {
    (index % CLASSES.len()) as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn images_are_a_function_of_seed_and_index() {
        let a = generate(SHAPE, 50, 20, 3).unwrap();
        let b = generate(SHAPE, 20, 10, 3).unwrap();
        assert_eq!(a.train.images()[..20 * 3072], *b.train.images());
        assert_eq!(a.test.images()[..10 * 3072], *b.test.images());
        assert_ne!(a.train.images(), generate(SHAPE, 50, 20, 4).unwrap().train.images());
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        assert_eq!(a.train, pool.install(|| generate(SHAPE, 50, 20, 3).unwrap()).train);
    }

    #[test]
    fn labels_are_balanced_and_no_image_occurs_twice() {
        let data = generate(SHAPE, 500, 200, 0).unwrap();
        for class in 0..10 {
            assert_eq!(data.train.labels().iter().filter(|&&label| label == class).count(), 50);
        }
        let images: HashSet<&[u8]> = data.train.images().chunks(3072).chain(data.test.images().chunks(3072)).collect();
        assert_eq!(images.len(), 700);
    }

    #[test]
    fn other_sizes_are_drawn_and_impossible_ones_refused() {
        for shape in [Shape::map(1, 28, 28), Shape::map(3, 64, 48), Shape::map(1, 12, 40)] {
            let data = generate(shape, 20, 10, 0).unwrap();
            assert_eq!(data.train.images().len(), 20 * shape.elements());
            // Every image has contrast.
            for image in data.train.images().chunks(shape.elements()) {
                let (low, high) = (image.iter().min().unwrap(), image.iter().max().unwrap());
                assert!(high - low > 40, "{low} {high}");
            }
        }
        for shape in [Shape::map(2, 32, 32), Shape::map(3, 8, 32), Shape::map(3, 32, 0), Shape::vector(3072)] {
            assert!(matches!(generate(shape, 1, 1, 0), Err(DataError::CannotDraw(_))));
        }
        assert!(generate(SHAPE, 0, 0, 0).unwrap().train.is_empty());
        assert!(matches!(generate(SHAPE, usize::MAX, 1, 0), Err(DataError::Option(_))));
    }

    /// The nearest class mean is a linear classifier: if it were good, so would every linear one be.
    #[test]
    fn single_pixels_say_little() {
        let data = generate(SHAPE, 3000, 500, 0).unwrap();
        let mut means = vec![vec![0.0f64; 3072]; 10];
        for (index, &label) in data.train.labels().iter().enumerate() {
            let image = data.train.image(index);
            means[label as usize].iter_mut().zip(image).for_each(|(mean, &x)| *mean += f64::from(x) / 300.0);
        }
        let distance = |image: &[u8], mean: &[f64]| -> f64 {
            image.iter().zip(mean).map(|(&x, mean)| (f64::from(x) - mean).powi(2)).sum()
        };
        let nearest = |image: &[u8]| {
            (0..10).min_by(|&a, &b| distance(image, &means[a]).total_cmp(&distance(image, &means[b]))).unwrap()
        };
        let correct = (0..500).filter(|&i| nearest(data.test.image(i)) == data.test.labels()[i] as usize).count();
        assert!(correct < 150, "{correct} of 500");
    }
}
