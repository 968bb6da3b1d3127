//! From a data set and a recipe to what a run reads.

use crate::data::augment::Augment;
use crate::data::normalize::Normalization;
use crate::data::{DataError, DataSet, Description, Subset};
use crate::diagnostic::{Code, Diagnostic};
use crate::lower::program::Program;
use crate::recipe::{Normalize, Recipe};

/// The images of a run and what is done to them.
#[derive(Debug, Clone)]
pub struct Input {
    /// Training images, the held-out ones taken out.
    pub train: Subset,
    /// Training images kept aside.
    pub held_out: Option<Subset>,
    /// Test images.
    pub test: Subset,
    /// From bytes to numbers; measured on `train` alone where it is measured.
    pub normalization: Normalization,
    /// Crops and flips of the training images.
    pub augment: Option<Augment>,
}

impl Input {
    /// Splits, measures and checks.
    ///
    /// # Errors
    /// [`DataError::Option`] when the recipe asks for what the data does not have.
    pub fn new(data: &DataSet, recipe: &Recipe) -> Result<Self, DataError> {
        let all = Subset::all(&data.train);
        let (train, held_out) = match recipe.hold_out {
            0 => (all, None),
            count => all.hold_out(count, recipe.seed).map(|(train, held_out)| (train, Some(held_out)))?,
        };
        let normalization = normalization(&recipe.normalize, &train)?;
        normalization.validate(data.description.shape)?;
        let augment = Some(recipe.augment).filter(|augment| augment.pad > 0 || augment.flip);
        if let Some(augment) = augment {
            let plane = data.description.shape.plane();
            augment.validate(plane.height, plane.width)?;
        }
        Ok(Input { train, held_out, test: Subset::all(&data.test), normalization, augment })
    }
}

/// What a recipe's word means for these training images.
///
/// # Errors
/// [`DataError::Option`] when it cannot be measured.
pub fn normalization(normalize: &Normalize, train: &Subset) -> Result<Normalization, DataError> {
    let to_f32 = |values: &[f64]| values.iter().map(|&x| x as f32).collect();
    match normalize {
        Normalize::None => Ok(Normalization::None),
        Normalize::PerImage => Ok(Normalization::PerImage),
        Normalize::PerChannel => Normalization::measure_per_channel(train),
        Normalize::PerPixelMean => Normalization::measure_per_pixel(train),
        Normalize::Fixed { mean, std } => Ok(Normalization::PerChannel { mean: to_f32(mean), std: to_f32(std) }),
    }
}

/// Whether a program can take these images, so that no step has to find out.
///
/// # Errors
/// [`Code::InputAgainstData`] or [`Code::ClassCount`].
pub fn fits(program: &Program, data: &Description) -> Result<(), Diagnostic> {
    let (net, name) = (&program.net, &data.name);
    if program.input() != data.shape {
        let message = format!("`{net}` takes images of {}, `{name}` has {}", program.input(), data.shape);
        return Err(Diagnostic::new(Code::InputAgainstData, message)
            .help(format!("write `input {}` in the spec, or choose other data with `--data`", data.shape)));
    }
    let (outputs, classes) = (program.classes(), data.classes.len());
    if outputs != classes {
        let message = format!("`{net}` ends in {outputs} numbers, `{name}` has {classes} classes");
        return Err(
            Diagnostic::new(Code::ClassCount, message).help(format!("let the last layer have {classes} outputs"))
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{DataKind, shapes};
    use crate::engine::mock;
    use crate::graph::dims::Shape;

    #[test]
    fn a_net_has_to_fit_the_images() {
        let data = DataKind::Mnist.description(None);
        let code = |input, classes| fits(&mock::program(input, classes), &data).err().map(|error| error.code);
        assert_eq!(code(Shape::map(1, 28, 28), 10), None);
        assert_eq!(code(Shape::map(3, 32, 32), 10), Some(Code::InputAgainstData));
        assert_eq!(code(Shape::map(1, 28, 28), 100), Some(Code::ClassCount));
    }

    #[test]
    fn held_out_images_are_not_measured() {
        let data = shapes::generate(Shape::map(1, 28, 28), 60, 10, 3).unwrap();
        let all = Subset::all(&data.train);
        type Measure = fn(&Subset) -> Result<Normalization, DataError>;
        let measures: [(Normalize, Measure); 2] = [
            (Normalize::PerChannel, Normalization::measure_per_channel),
            (Normalize::PerPixelMean, Normalization::measure_per_pixel),
        ];
        for (normalize, measure) in measures {
            let recipe = Recipe { normalize, hold_out: 20, ..Recipe::default() };
            let input = Input::new(&data, &recipe).unwrap();
            let (train, held_out) = all.hold_out(20, recipe.seed).unwrap();
            assert_eq!((input.train.len(), input.held_out.as_ref().map(Subset::len)), (40, Some(20)));
            assert_eq!(input.normalization, measure(&train).unwrap());
            for others in [&all, &held_out] {
                assert_ne!(input.normalization, measure(others).unwrap());
            }
            let whole = Input::new(&data, &Recipe { hold_out: 0, ..recipe }).unwrap();
            assert_eq!(whole.normalization, measure(&all).unwrap());
        }
    }
}
