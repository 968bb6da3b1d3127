//! What every engine asks of a batch before it takes it.

use super::EngineError;
use crate::data::batch::{Batch, Images, SetId};
use crate::lower::program::Program;

/// Checks lengths, labels and indices against a program, so that no engine has to. `set` gives the number of images of a
/// set that the engine keeps, if it keeps that one.
///
/// # Errors
/// [`EngineError::Batch`] with what does not fit.
pub(super) fn validate(
    batch: &Batch<'_>,
    program: &Program,
    set: impl Fn(SetId) -> Option<usize>,
) -> Result<(), EngineError> {
    let (count, elements) = (batch.len(), program.input().elements());
    let of_images = match batch.images {
        Images::Pixels(pixels) => (pixels.len() != count * elements)
            .then(|| format!("{} numbers for {count} images of {}", pixels.len(), program.input())),
        Images::Resident { set: id, indices, variations } => match set(id) {
            None => Some("its images are not on the device".to_string()),
            Some(_) if indices.len() != count || variations.len() != count => {
                Some(format!("{} indices and {} crops for {count} images", indices.len(), variations.len()))
            }
            Some(images) => {
                let beyond = indices.iter().find(|&&index| index as usize >= images);
                beyond.map(|index| format!("image {index} of {images}"))
            }
        },
    };
    let problem = if batch.is_empty() {
        "the batch is empty".to_string()
    } else if let Some(problem) = of_images {
        problem
    } else if batch.keys.len() != count {
        format!("{} keys for {count} images", batch.keys.len())
    } else if let Some(label) = batch.labels.iter().find(|&&label| label as usize >= program.classes()) {
        format!("label {label} of {} classes", program.classes())
    } else {
        return Ok(());
    };
    Err(EngineError::Batch(problem))
}

/// The pixels of a batch for an engine that keeps no images.
///
/// # Errors
/// [`EngineError::Batch`] when it does not fit, or its images lie elsewhere.
pub(super) fn pixels<'a>(batch: &Batch<'a>, program: &Program) -> Result<&'a [f32], EngineError> {
    validate(batch, program, |_| None)?;
    // Refused above.
    batch.pixels().ok_or_else(|| EngineError::Batch("its images are not on the device".into()))
}
