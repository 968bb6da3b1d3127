//! Data sets: one file a format, then what happens to an image on its way into a batch.
//!
//! ```text
//! --data --locate--> folder --cifar/mnist/shapes--> images --rank--> DataSet --Subset--> Loader --(augment, normalize)--> batches
//! ```
//!
//! What a data set looks like (its image shape, its classes) is known without touching a disk: see [`DataKind::description`].

pub mod augment;
pub mod batch;
pub mod cifar;
mod error;
pub mod loader;
pub mod locate;
pub mod mnist;
pub mod normalize;
mod rank;
pub mod sampler;
pub mod shapes;
mod split;

pub use error::DataError;
pub use rank::{Fingerprint, ImageOrder};
pub use split::{Split, Subset};

use crate::check::Target;
use crate::graph::dims::Shape;
use locate::{Located, Request, SearchPlaces};
use serde::Serialize;
use std::fmt;
use std::sync::Arc;

/// The data sets that have a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum DataKind {
    /// CIFAR-10 (Krizhevsky 2009), in its binary version.
    Cifar10,
    /// MNIST (LeCun, Cortes, Burges), and whatever else comes as IDX files under MNIST's names.
    Mnist,
    /// The built-in drawings of [`shapes`].
    Shapes,
}

impl DataKind {
    /// All of them.
    pub const ALL: [DataKind; 3] = [DataKind::Cifar10, DataKind::Mnist, DataKind::Shapes];

    /// The name that `--data` takes.
    pub fn name(self) -> &'static str {
        match self {
            DataKind::Cifar10 => "cifar10",
            DataKind::Mnist => "mnist",
            DataKind::Shapes => "shapes",
        }
    }

    /// The kind with this name.
    pub fn from_name(name: &str) -> Option<DataKind> {
        DataKind::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// What the published data set looks like. `shapes` are drawn to fit the net: with an `input` that can be drawn
    /// the description has that shape.
    pub fn description(self, input: Option<Shape>) -> Description {
        match self {
            DataKind::Cifar10 => cifar::description(),
            DataKind::Mnist => mnist::description(),
            DataKind::Shapes => {
                shapes::description(input.filter(|&shape| shapes::can_draw(shape)).unwrap_or(shapes::SHAPE))
            }
        }
    }
}

impl DataKind {
    /// What the checks of a network may know of it.
    pub fn target(self) -> Target {
        let Description { name, shape, classes, train, .. } = self.description(None);
        // Its images are drawn in the shape that the network asks for.
        let image = (self != DataKind::Shapes).then_some(shape);
        Target { name, image, classes: classes.len(), train }
    }
}

impl fmt::Display for DataKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What is known about a data set before it is read.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Description {
    /// `cifar10`, `mnist` or `shapes`.
    pub name: String,
    /// Shape of one image.
    pub shape: Shape,
    /// Names of the classes, in the order of the labels.
    pub classes: Vec<String>,
    /// Number of training images.
    pub train: usize,
    /// Number of test images.
    pub test: usize,
    /// Mean of each channel over the training images, in 0..=1.
    pub mean: Vec<f64>,
    /// Standard deviation of each channel over the training images (over all pixels, not a mean of each image's own),
    /// in 0..=1.
    pub std: Vec<f64>,
}

/// How much of a split to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Take {
    /// All of it.
    #[default]
    All,
    /// At most the first this many images; never 0. Which they are is for [`LoadOptions::order`] to say.
    First(usize),
    /// Nothing: the split is empty. (An evaluation need not hold the training images in memory.)
    Nothing,
}

impl Take {
    /// How many of `available` images that is.
    ///
    /// # Errors
    /// [`DataError::Option`] when it asks for the first 0.
    pub fn count(self, available: usize) -> Result<usize, DataError> {
        match self {
            Take::All => Ok(available),
            Take::First(0) => Err(DataError::Option("a limit of 0 images leaves nothing to work on".into())),
            Take::First(limit) => Ok(limit.min(available)),
            Take::Nothing => Ok(0),
        }
    }
}

/// How to load a data set.
#[derive(Debug, Clone, Copy, Default)]
pub struct LoadOptions {
    /// Input of the net: what `shapes` are drawn at, and what decides when a folder holds several data sets.
    pub input: Option<Shape>,
    /// How much of the training split.
    pub train: Take,
    /// How much of the test split.
    pub test: Take,
    /// Which order the images come in, and so which are the first. Those of `shapes` come as they are drawn.
    pub order: ImageOrder,
}

/// A data set in memory.
#[derive(Debug, Clone)]
pub struct DataSet {
    /// What it is; `train` and `test` are what was there to read, before any limit.
    pub description: Description,
    /// Training images, in the order that was asked for.
    pub train: Arc<Split>,
    /// Test images, in the same order.
    pub test: Arc<Split>,
}

impl DataSet {
    /// Loads what `--data` names: `cifar10`, `mnist`, `shapes` or a folder, looking in the places of
    /// `SearchPlaces::from_environment`.
    ///
    /// # Errors
    /// When it is not found, cannot be read or is malformed, or when a limit is 0.
    pub fn load(data: &str, options: &LoadOptions) -> Result<DataSet, DataError> {
        DataSet::load_from(&Request::parse(data)?, &SearchPlaces::from_environment(), options)
    }

    /// As [`DataSet::load`], looking only in `places`.
    ///
    /// # Errors
    /// As [`DataSet::load`].
    pub fn load_from(request: &Request, places: &SearchPlaces, options: &LoadOptions) -> Result<DataSet, DataError> {
        // A wrong limit should not need the data to be seen.
        options.train.count(1)?;
        options.test.count(1)?;
        let (train, test) = (options.order.to_read(options.train), options.order.to_read(options.test));
        let read = match locate::locate(request, places, options.input)? {
            Located::Cifar10(folder) => cifar::load(&folder, train, test),
            Located::Mnist(folder) => mnist::load(&folder, train, test),
            Located::Shapes => return shapes::load(options),
        };
        rank::arrange(read?, options)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_named_set_is_described_without_a_disk() {
        for kind in DataKind::ALL {
            let description = kind.description(None);
            assert_eq!(description.name, kind.name());
            assert_eq!(description.classes.len(), 10);
            assert_eq!(description.mean.len(), description.shape.channels());
            assert_eq!(description.std.len(), description.shape.channels());
            assert_eq!(DataKind::from_name(kind.name()), Some(kind));
        }
        assert_eq!(DataKind::Cifar10.description(None).shape, Shape::map(3, 32, 32));
        assert_eq!(DataKind::Mnist.description(None).shape, Shape::map(1, 28, 28));
        let images = DataKind::ALL.map(|kind| (kind.description(None).train, kind.description(None).test));
        assert_eq!(images, [(50_000, 10_000), (60_000, 10_000), (10_000, 2_000)]);
        assert_eq!(DataKind::from_name("imagenet"), None);
    }

    #[test]
    fn shapes_fit_the_net_where_they_can() {
        let grey = Shape::map(1, 28, 28);
        assert_eq!(DataKind::Shapes.description(Some(grey)).shape, grey);
        assert_eq!(DataKind::Shapes.description(Some(Shape::vector(10))).shape, shapes::SHAPE);
        assert_eq!(DataKind::Mnist.description(Some(Shape::map(3, 32, 32))).shape, grey);
    }

    #[test]
    fn a_limit_is_at_most_what_is_there_and_never_nothing() {
        assert_eq!(Take::All.count(7).unwrap(), 7);
        assert_eq!(Take::First(3).count(7).unwrap(), 3);
        assert_eq!(Take::First(9).count(7).unwrap(), 7);
        assert_eq!(Take::Nothing.count(7).unwrap(), 0);
        assert!(matches!(Take::First(0).count(7), Err(DataError::Option(_))));
    }
}
