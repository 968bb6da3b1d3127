//! The rank of an image: its place in an order that its content alone decides, and what a split is, whatever it came in.
//!
//! An image and its label make a row of 20 bytes: the first 16 of the SHA-256 of the image, then the label, a 32-bit
//! number, lowest byte first. What is hashed is the size of the image, then its pixels as netc holds them:
//!
//! ```text
//! channels, height, width: 3 × 32 bits, lowest byte first   (a vector of n numbers: n, 1, 1)
//! C·H·W bytes, plane after plane, row by row
//! ```
//!
//! Rows are sorted by these 16 bytes, then by the label as a number. An image's place among them is its rank; equal rows
//! are equal images with equal labels, and have a rank each. Files that hold the same images in another order, or in
//! another format, have the same ranks. And as a hash knows nothing of classes, the first N ranks are a fair sample of all.

use super::{DataError, DataSet, LoadOptions, Split, Take};
use crate::graph::dims::Shape;
use rayon::prelude::*;
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// Which order the images of a data set come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ImageOrder {
    /// By rank: the same for whatever files hold these images.
    #[default]
    Content,
    /// As they stand in the files.
    File,
}

impl ImageOrder {
    /// How much of a split has to be read where `take` of it is wanted: which images come first by rank is known when
    /// all were seen.
    pub(super) fn to_read(self, take: Take) -> Take {
        match (self, take) {
            (ImageOrder::Content, Take::First(_)) => Take::All,
            _ => take,
        }
    }
}

/// What decides on the rank of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Row {
    image: [u8; 16],
    label: u32,
}

impl Row {
    fn new(shape: Shape, image: &[u8], label: u32) -> Row {
        let (channels, plane) = (shape.channels(), shape.plane());
        let mut hash = Sha256::new();
        for size in [channels, plane.height, plane.width] {
            // No image in memory has a side of 2³² pixels.
            hash.update((size as u32).to_le_bytes());
        }
        hash.update(image);
        let mut row = Row { image: [0; 16], label };
        row.image.iter_mut().zip(hash.finalize()).for_each(|(target, byte)| *target = byte);
        row
    }

    /// A row for each image, in the order of the split. Each depends on its image alone, so that threads change nothing.
    fn all(split: &Split) -> Vec<Row> {
        let shape = split.shape();
        let images = split.images().par_chunks_exact(shape.elements()).zip(split.labels());
        images.map(|(image, &label)| Row::new(shape, image, label)).collect()
    }
}

/// SHA-256 over rows.
fn digest<'a>(rows: impl IntoIterator<Item = &'a Row>) -> [u8; 32] {
    let mut hash = Sha256::new();
    for Row { image, label } in rows {
        hash.update(image);
        hash.update(label.to_le_bytes());
    }
    hash.finalize().into()
}

/// What a split is, in two hashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint {
    /// SHA-256 over its rows in the order of their ranks: the same for the same images in whatever order.
    pub content: [u8; 32],
    /// SHA-256 over its rows in the order that the split has them.
    pub sequence: [u8; 32],
}

impl Fingerprint {
    /// Of a split of which nothing is known yet.
    pub(super) fn of(split: &Split) -> Fingerprint {
        let mut rows = Row::all(split);
        let sequence = digest(&rows);
        rows.par_sort_unstable();
        Fingerprint { content: digest(&rows), sequence }
    }
}

/// A data set of which was read what [`ImageOrder::to_read`] says, in the order that is asked for, with as much of it as
/// is asked for.
///
/// # Errors
/// [`DataError::Option`] when a limit is 0.
pub(super) fn arrange(data: DataSet, options: &LoadOptions) -> Result<DataSet, DataError> {
    if options.order == ImageOrder::File {
        return Ok(data);
    }
    let DataSet { description, train, test } = data;
    let arranged = |split: Arc<Split>, take: Take| {
        let count = take.count(split.len())?;
        // Nobody else has it yet: nothing is copied.
        Ok(Arc::new(first(Arc::unwrap_or_clone(split), count)))
    };
    Ok(DataSet { description, train: arranged(train, options.train)?, test: arranged(test, options.test)? })
}

/// The first `count` images of a split by rank, in that order.
fn first(mut split: Split, count: usize) -> Split {
    let rows = Row::all(&split);
    // Which of two equal rows comes first makes no difference, but it should be no matter of chance.
    let mut ranked: Vec<(Row, u32)> = rows.into_iter().zip(0..).collect();
    ranked.par_sort_unstable();
    ranked.truncate(count);
    let content = digest(ranked.iter().map(|(row, _)| row));
    let order: Vec<u32> = ranked.into_iter().map(|(_, index)| index).collect();
    split.keep(&order, Fingerprint { content, sequence: content });
    split
}

#[cfg(test)]
mod tests;
