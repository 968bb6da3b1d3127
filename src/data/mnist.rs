//! MNIST's IDX files, plain or compressed with gzip. LeCun, Cortes, Burges, "The MNIST database of handwritten digits".
//!
//! An IDX file is big-endian: two zero bytes, the element type (8: unsigned byte), the number of dimensions, each
//! dimension as 32 bits, then the elements. Fashion-MNIST and others come in the same files.

use super::{DataError, DataSet, Description, Split, Take};
use crate::graph::dims::Shape;
use flate2::bufread::MultiGzDecoder;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The four files: (images, labels) of the training split and of the test split, as the archive names them without
/// `.gz`.
pub const FILES: [[&str; 2]; 2] =
    [["train-images-idx3-ubyte", "train-labels-idx1-ubyte"], ["t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"]];

const CLASSES: usize = 10;
/// No image is that large; a header that says so is broken.
const LONGEST_SIDE: usize = 4096;

/// What the published data set looks like. Mean and deviation were measured on its 60 000 training images.
pub fn description() -> Description {
    Description {
        name: "mnist".into(),
        shape: Shape::map(1, 28, 28),
        classes: (0..CLASSES).map(|digit| digit.to_string()).collect(),
        train: 60_000,
        test: 10_000,
        mean: vec![0.130_66],
        std: vec![0.308_11],
    }
}

/// Where one of the four files is in a folder: under its own name, with a dot before `idx` (as some tools unpack it),
/// either with `.gz`.
pub fn find_file(folder: &Path, name: &str) -> Option<PathBuf> {
    let dotted = name.replace("-idx", ".idx");
    [name.to_string(), format!("{name}.gz"), dotted.clone(), format!("{dotted}.gz")]
        .iter()
        .map(|name| folder.join(name))
        .find(|path| path.is_file())
}

/// Reads the four files in `folder`.
///
/// # Errors
/// When a file is missing, cannot be read or is malformed, or when the files do not belong together.
pub fn load(folder: &Path, train: Take, test: Take) -> Result<DataSet, DataError> {
    let [train_files, test_files] = FILES;
    let (train, train_count) = read_split(folder, train_files, train)?;
    let (test, test_count) = read_split(folder, test_files, test)?;
    if train.shape() != test.shape() {
        let problem = format!("images of {}, but those for training are {}", test.shape(), train.shape());
        let [images, _] = test_files;
        return Err(DataError::malformed(&find_file(folder, images).unwrap_or_default(), 8, problem));
    }
    let description = Description { shape: train.shape(), train: train_count, test: test_count, ..description() };
    Ok(DataSet { description, train: Arc::new(train), test: Arc::new(test) })
}

/// One split, and how many images there were before the limit.
fn read_split(folder: &Path, [images, labels]: [&str; 2], take: Take) -> Result<(Split, usize), DataError> {
    let find = |name: &str| {
        let missing = || DataError::Incomplete { name: "mnist", folder: folder.into(), missing: vec![name.into()] };
        find_file(folder, name).ok_or_else(missing)
    };
    let (image_file, label_file) = (find(images)?, find(labels)?);
    let (image_sizes, mut images) = read_idx::<3>(&image_file)?;
    let ([label_count], labels) = read_idx::<1>(&label_file)?;
    let [image_count, height, width] = image_sizes;
    if image_count != label_count {
        return Err(DataError::CountsDiffer { images: image_file, image_count, labels: label_file, label_count });
    }
    if let Some((index, label)) = labels.iter().enumerate().find(|&(_, &label)| usize::from(label) >= CLASSES) {
        let problem = format!("label {label}, but the classes are 0 to {}", CLASSES - 1);
        return Err(DataError::malformed(&label_file, header_length(1) + index as u64, problem));
    }
    let shape = Shape::map(1, height, width);
    let count = take.count(image_count)?;
    images.truncate(count * shape.elements());
    let labels = labels.into_iter().take(count).map(u32::from).collect();
    Ok((Split::new(shape, CLASSES, images, labels)?, image_count))
}

fn header_length(dimensions: usize) -> u64 {
    4 + 4 * dimensions as u64
}

/// Opens a file and reads it as IDX with `D` dimensions.
fn read_idx<const D: usize>(file: &Path) -> Result<([usize; D], Vec<u8>), DataError> {
    let unreadable = |error| DataError::unreadable(file, error);
    let mut reader = BufReader::with_capacity(1 << 18, File::open(file).map_err(unreadable)?);
    // The first bytes tell, not the name: some programs unpack a `.gz` while they fetch it.
    if reader.fill_buf().map_err(unreadable)?.starts_with(&[0x1f, 0x8b]) {
        parse_idx(file, MultiGzDecoder::new(reader), true)
    } else {
        parse_idx(file, reader, false)
    }
}

/// Reads an IDX stream of bytes with `D` dimensions: the sizes and the elements. `file` is only for messages.
fn parse_idx<const D: usize>(
    file: &Path,
    mut reader: impl Read,
    compressed: bool,
) -> Result<([usize; D], Vec<u8>), DataError> {
    // A gzip stream that breaks is a malformed file, not a failing disk.
    let failed = |offset: usize, error: std::io::Error| match compressed {
        true => DataError::malformed(file, offset as u64, format!("the gzip stream is broken here: {error}")),
        false => DataError::unreadable(file, error),
    };
    let wrong = |offset: usize, problem: String| DataError::malformed(file, offset as u64, problem);

    let mut header = Vec::new();
    let header_length = header_length(D) as usize;
    let result = reader.by_ref().take(header_length as u64).read_to_end(&mut header);
    result.map_err(|error| failed(header.len(), error))?;
    let word = |index: usize| -> Option<u32> {
        let bytes = header.get(4 * index..4 * index + 4)?;
        Some(u32::from_be_bytes(bytes.try_into().ok()?))
    };
    let expected = 0x0800 + D as u32;
    match word(0) {
        Some(magic) if magic == expected => {}
        Some(0x0801) => return Err(wrong(0, "this is a file of labels where images are expected".into())),
        Some(0x0803) => return Err(wrong(0, "this is a file of images where labels are expected".into())),
        Some(magic) => {
            return Err(wrong(0, format!("not an IDX file: it begins with {magic:#010x} instead of {expected:#010x}")));
        }
        None => return Err(wrong(header.len(), "the file ends within its header".into())),
    }

    let mut sizes = [0; D];
    let mut length = Some(1usize);
    for (dimension, size) in sizes.iter_mut().enumerate() {
        let offset = 4 + 4 * dimension;
        let Some(number) = word(1 + dimension) else {
            return Err(wrong(header.len(), "the file ends within its header".into()));
        };
        *size = usize::try_from(number).unwrap_or(usize::MAX);
        if *size == 0 || (dimension > 0 && *size > LONGEST_SIDE) {
            return Err(wrong(offset, format!("dimension {dimension} is {number}")));
        }
        length = length.and_then(|length| length.checked_mul(*size));
    }
    let too_large = || wrong(4, "the dimensions are too large".into());
    let length = length.filter(|&length| length < isize::MAX as usize).ok_or_else(too_large)?;

    // Memory grows with what is there, not with what a broken header promises.
    let mut elements = Vec::new();
    let result = reader.by_ref().take(length as u64 + 1).read_to_end(&mut elements);
    result.map_err(|error| failed(header_length + elements.len(), error))?;
    if elements.len() != length {
        let (offset, found) = (header_length + length.min(elements.len()), elements.len());
        return Err(match found < length {
            true => {
                wrong(offset, format!("the file ends after {found} of the {length} bytes that its header promises"))
            }
            false => wrong(offset, format!("the file goes on after the {length} bytes that its header promises")),
        });
    }
    elements.shrink_to_fit();
    Ok((sizes, elements))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::Write;

    fn idx(sizes: &[u32], elements: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0, 0, 8, sizes.len() as u8];
        sizes.iter().for_each(|size| bytes.extend(size.to_be_bytes()));
        bytes.extend(elements);
        bytes
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn parse<const D: usize>(bytes: &[u8]) -> Result<([usize; D], Vec<u8>), DataError> {
        parse_idx::<D>(Path::new("x"), bytes, false)
    }

    fn problem<const D: usize>(bytes: &[u8]) -> (u64, String) {
        match parse::<D>(bytes) {
            Err(DataError::Malformed { offset, problem, .. }) => (offset, problem),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_idx_file_is_read() {
        let (sizes, elements) = parse::<3>(&idx(&[2, 2, 1], &[1, 2, 3, 4])).unwrap();
        assert_eq!((sizes, elements.as_slice()), ([2, 2, 1], &[1, 2, 3, 4][..]));
    }

    #[test]
    fn what_is_wrong_is_said_with_its_offset() {
        assert_eq!(problem::<3>(&idx(&[2, 2, 1], &[1, 2, 3])).0, 19);
        assert_eq!(problem::<3>(&idx(&[2, 2, 1], &[1, 2, 3, 4, 5])).0, 20);
        assert_eq!(problem::<3>(&idx(&[2, 0, 1], &[])).0, 8);
        assert_eq!(problem::<3>(&idx(&[0, 2, 1], &[])).0, 4);
        assert_eq!(problem::<3>(&idx(&[u32::MAX, 4096, 4096], &[1])).0, 17);
        assert_eq!(problem::<3>(&idx(&[1, u32::MAX, u32::MAX], &[1])).0, 8);
        assert_eq!(problem::<3>(&idx(&[2, 2, 1], &[])[..10]).0, 10);
        assert_eq!(problem::<1>(&[0, 0, 8]).0, 3);
        assert!(problem::<3>(&idx(&[2], &[1, 2])).1.contains("labels where images"));
        assert!(problem::<1>(&idx(&[1, 1, 1], &[1])).1.contains("images where labels"));
        assert!(problem::<1>(b"<!DOCTYPE html>").1.contains("not an IDX file"));
    }

    /// A folder under the system's temporary one that goes away with it.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Folder {
            let path = std::env::temp_dir().join(format!("netc-mnist-{name}-{}", std::process::id()));
            std::fs::create_dir_all(&path).unwrap();
            Folder(path)
        }

        fn write(&self, name: &str, bytes: &[u8]) {
            std::fs::write(self.0.join(name), bytes).unwrap();
        }

        /// A data set of two 2x2 training images and one test image, in every way that files come.
        fn filled(name: &str) -> Folder {
            let folder = Folder::new(name);
            folder.write("train-images-idx3-ubyte.gz", &gzip(&idx(&[2, 2, 2], &[1, 2, 3, 4, 5, 6, 7, 8])));
            folder.write("train-labels.idx1-ubyte", &idx(&[2], &[9, 0]));
            folder.write("t10k-images-idx3-ubyte", &idx(&[1, 2, 2], &[4, 3, 2, 1]));
            // Named .gz but unpacked on the way.
            folder.write("t10k-labels-idx1-ubyte.gz", &idx(&[1], &[5]));
            folder
        }

        fn load(&self) -> Result<DataSet, DataError> {
            load(&self.0, Take::All, Take::All)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn plain_and_compressed_files_are_read_under_both_names() {
        let folder = Folder::filled("read");
        let data = folder.load().unwrap();
        assert_eq!(data.description.shape, Shape::map(1, 2, 2));
        assert_eq!((data.description.train, data.description.test), (2, 1));
        assert_eq!((data.train.image(1), data.train.labels()), (&[5, 6, 7, 8][..], &[9, 0][..]));
        assert_eq!((data.test.image(0), data.test.labels()), (&[4, 3, 2, 1][..], &[5][..]));
        let one = load(&folder.0, Take::First(1), Take::Nothing).unwrap();
        assert_eq!((one.train.len(), one.test.len(), one.description.train), (1, 0, 2));
    }

    #[test]
    fn files_that_do_not_fit_each_other_are_errors() {
        let folder = Folder::filled("counts");
        folder.write("train-labels.idx1-ubyte", &idx(&[3], &[9, 0, 0]));
        assert!(matches!(folder.load(), Err(DataError::CountsDiffer { image_count: 2, label_count: 3, .. })));
        folder.write("train-labels.idx1-ubyte", &idx(&[2], &[9, 10]));
        assert!(matches!(folder.load(), Err(DataError::Malformed { offset: 9, .. })));
        folder.write("train-labels.idx1-ubyte", &idx(&[2], &[9, 1]));
        folder.write("t10k-images-idx3-ubyte", &idx(&[1, 1, 2], &[4, 3]));
        assert!(matches!(folder.load(), Err(DataError::Malformed { offset: 8, .. })));
        std::fs::remove_file(folder.0.join("t10k-images-idx3-ubyte")).unwrap();
        assert!(matches!(folder.load(), Err(DataError::Incomplete { .. })));
    }

    #[test]
    fn a_broken_gzip_stream_is_malformed() {
        let folder = Folder::filled("gzip");
        let whole = gzip(&idx(&[2, 2, 2], &[1, 2, 3, 4, 5, 6, 7, 8]));
        for length in [2, 11, whole.len() - 9, whole.len() - 1] {
            folder.write("train-images-idx3-ubyte.gz", &whole[..length]);
            assert!(matches!(folder.load(), Err(DataError::Malformed { .. })), "{length}");
        }
        let mut flipped = whole.clone();
        *flipped.last_mut().unwrap() ^= 1;
        folder.write("train-images-idx3-ubyte.gz", &flipped);
        assert!(matches!(folder.load(), Err(DataError::Malformed { .. })));
    }

    proptest! {
        #[test]
        fn random_bytes_never_panic(
            magic in any::<bool>(),
            bytes in proptest::collection::vec(any::<u8>(), 0..200),
            small in proptest::collection::vec(0u8..4, 16),
        ) {
            let mut file = if magic { vec![0, 0, 8, 3] } else { Vec::new() };
            let mut likely = vec![0, 0, 8, 1, 0, 0, 0];
            likely.extend(&small);
            file.extend(&bytes);
            for (sizes, elements) in [parse::<3>(&file).ok()].into_iter().flatten() {
                prop_assert_eq!(sizes.iter().product::<usize>(), elements.len());
            }
            let _ = parse::<1>(&file);
            let _ = parse::<1>(&likely);
            let _ = parse_idx::<3>(Path::new("x"), MultiGzDecoder::new(&gzip(&file)[..]), true);
            let _ = parse_idx::<3>(Path::new("x"), MultiGzDecoder::new(&bytes[..]), true);
        }
    }
}
