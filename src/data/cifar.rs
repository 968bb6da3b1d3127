//! CIFAR-10's binary version: records of 3073 bytes, a label and then 1024 red, 1024 green and 1024 blue bytes, row by
//! row. Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009.

use super::{DataError, DataSet, Description, Split, Take};
use crate::graph::dims::Shape;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;
use std::sync::Arc;

/// The files of the training split, in order.
pub const TRAIN_FILES: [&str; 5] =
    ["data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin"];
/// The file of the test split.
pub const TEST_FILE: &str = "test_batch.bin";
/// The archive that holds them all.
pub const ARCHIVE: &str = "cifar-10-binary.tar.gz";

const CLASSES: [&str; 10] = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];
const SHAPE: [usize; 3] = [3, 32, 32];
/// Bytes of one image.
const IMAGE: usize = SHAPE[0] * SHAPE[1] * SHAPE[2];
/// Bytes of one record: the label, then the image.
const RECORD: usize = 1 + IMAGE;

/// What the published data set looks like. Mean and deviation were measured on its 50 000 training images.
pub fn description() -> Description {
    Description {
        name: "cifar10".into(),
        shape: Shape::map(SHAPE[0], SHAPE[1], SHAPE[2]),
        classes: CLASSES.map(String::from).to_vec(),
        train: 50_000,
        test: 10_000,
        mean: vec![0.491_40, 0.482_16, 0.446_53],
        std: vec![0.247_03, 0.243_49, 0.261_59],
    }
}

/// Reads the six files in `folder`.
///
/// # Errors
/// When a file cannot be read, is not made of whole records, or holds a label above 9.
pub fn load(folder: &Path, train: Take, test: Take) -> Result<DataSet, DataError> {
    let mut description = description();
    (description.train, description.test) = (0, 0);
    for file in TRAIN_FILES {
        description.train += records(&folder.join(file))?;
    }
    description.test = records(&folder.join(TEST_FILE))?;
    let train = read_files(folder, &TRAIN_FILES, train.count(description.train)?)?;
    let test = read_files(folder, &[TEST_FILE], test.count(description.test)?)?;
    Ok(DataSet { description, train: Arc::new(train), test: Arc::new(test) })
}

/// Number of records in a file, from its length.
fn records(file: &Path) -> Result<usize, DataError> {
    let length = std::fs::metadata(file).map_err(|error| DataError::unreadable(file, error))?.len();
    check_length(file, length)
}

fn check_length(file: &Path, length: u64) -> Result<usize, DataError> {
    let (whole, rest) = (length / RECORD as u64, length % RECORD as u64);
    if length == 0 {
        return Err(DataError::malformed(file, 0, "the file is empty"));
    }
    if rest != 0 {
        let problem = format!(
            "a record of {RECORD} bytes begins here but the file ends after {rest} of them ({length} bytes in all)"
        );
        return Err(DataError::malformed(file, whole * RECORD as u64, problem));
    }
    usize::try_from(whole).map_err(|_| DataError::malformed(file, 0, "the file is too large"))
}

/// The first `count` records of the files, taken as one sequence.
fn read_files(folder: &Path, files: &[&str], count: usize) -> Result<Split, DataError> {
    let (mut images, mut labels) = (Vec::with_capacity(count * IMAGE), Vec::with_capacity(count));
    for file in files {
        if labels.len() == count {
            break;
        }
        let path = folder.join(file);
        let reader = File::open(&path).map_err(|error| DataError::unreadable(&path, error))?;
        let reader = BufReader::with_capacity(1 << 18, reader);
        read_records(&path, reader, count - labels.len(), &mut images, &mut labels)?;
    }
    Split::new(description().shape, CLASSES.len(), images, labels)
}

/// Reads at most `limit` records. `file` is only for messages.
fn read_records(
    file: &Path,
    mut reader: impl Read,
    limit: usize,
    images: &mut Vec<u8>,
    labels: &mut Vec<u32>,
) -> Result<(), DataError> {
    let unreadable = |error| DataError::unreadable(file, error);
    for index in 0..limit {
        let offset = (index * RECORD) as u64;
        let mut label = Vec::with_capacity(1);
        if reader.by_ref().take(1).read_to_end(&mut label).map_err(unreadable)? == 0 {
            return Ok(());
        }
        let label = label.first().copied().unwrap_or_default();
        if usize::from(label) >= CLASSES.len() {
            let problem = format!("label {label}, but the classes are 0 to {}", CLASSES.len() - 1);
            return Err(DataError::malformed(file, offset, problem));
        }
        let found = reader.by_ref().take(IMAGE as u64).read_to_end(images).map_err(unreadable)?;
        if found != IMAGE {
            let problem = format!("a record of {RECORD} bytes begins here but the file ends after {}", found + 1);
            return Err(DataError::malformed(file, offset, problem));
        }
        labels.push(u32::from(label));
    }
    Ok(())
}

/// The bytes of a file in this layout.
///
/// # Errors
/// [`DataError::Option`] when the images are not 3x32x32, or a label does not fit into a byte.
#[cfg(any(test, feature = "internals"))]
pub fn to_bytes(split: &Split, images: std::ops::Range<usize>) -> Result<Vec<u8>, DataError> {
    if split.shape() != description().shape || images.end > split.len() {
        return Err(DataError::Option(format!("{} images of {} are not CIFAR-10's", split.len(), split.shape())));
    }
    let mut bytes = Vec::with_capacity(images.len() * RECORD);
    for index in images {
        let label = split.labels()[index];
        let too_large = |_| DataError::Option(format!("label {label} does not fit into a byte"));
        bytes.push(u8::try_from(label).map_err(too_large)?);
        bytes.extend_from_slice(split.image(index));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(bytes: &[u8], limit: usize) -> Result<(Vec<u8>, Vec<u32>), DataError> {
        let (mut images, mut labels) = (Vec::new(), Vec::new());
        check_length(Path::new("x.bin"), bytes.len() as u64)?;
        read_records(Path::new("x.bin"), bytes, limit, &mut images, &mut labels)?;
        Ok((images, labels))
    }

    fn two_records() -> Vec<u8> {
        let mut bytes = vec![7; 2 * RECORD];
        bytes[0] = 4;
        bytes[RECORD] = 9;
        bytes[RECORD + 1] = 200;
        bytes
    }

    #[test]
    fn records_are_a_label_and_three_planes() {
        let (images, labels) = parse(&two_records(), 5).unwrap();
        assert_eq!(labels, [4, 9]);
        assert_eq!(images.len(), 2 * 3072);
        assert_eq!(images[3071..3074], [7, 200, 7]);
        assert_eq!(parse(&two_records(), 1).unwrap().1, [4]);
    }

    #[test]
    fn what_is_wrong_is_said_with_its_offset() {
        let offset = |bytes: &[u8]| match parse(bytes, usize::MAX) {
            Err(DataError::Malformed { offset, .. }) => offset,
            other => panic!("{other:?}"),
        };
        let mut bytes = two_records();
        assert_eq!(offset(&bytes[..RECORD + 5]), RECORD as u64);
        bytes[RECORD] = 10;
        assert_eq!(offset(&bytes), RECORD as u64);
        assert_eq!(offset(&[]), 0);
    }

    #[test]
    fn a_file_that_shrinks_while_it_is_read_is_an_error() {
        let (mut images, mut labels) = (Vec::new(), Vec::new());
        let error = read_records(Path::new("x"), &two_records()[..RECORD + 1], 2, &mut images, &mut labels);
        assert!(matches!(error, Err(DataError::Malformed { offset: 3073, .. })), "{error:?}");
    }

    #[test]
    fn writing_and_reading_agree() {
        let split = Split::new(description().shape, 10, vec![5; 2 * IMAGE], vec![1, 2]).unwrap();
        let (images, labels) = parse(&to_bytes(&split, 0..2).unwrap(), 2).unwrap();
        assert_eq!((images.as_slice(), labels.as_slice()), (split.images(), split.labels()));
        assert!(to_bytes(&split, 0..3).is_err());
    }

    proptest! {
        #[test]
        fn random_bytes_never_panic(head in proptest::collection::vec(any::<u8>(), 0..40), length in 0usize..10_000) {
            let mut bytes = head;
            bytes.resize(length, 3);
            if let Ok((images, labels)) = parse(&bytes, usize::MAX) {
                prop_assert_eq!(labels.len() * RECORD, length);
                prop_assert_eq!(images.len(), labels.len() * IMAGE);
            }
        }
    }
}
