//! The data path on whole data sets. What needs real files looks for them where `NETC_DATA` says, and is skipped where
//! there are none.

use crate::skip::skip;
use netc::internals::data::augment::{Augment, PadValue};
use netc::internals::data::loader::{Loader, LoaderOptions};
use netc::internals::data::normalize::{Normalization, channel_statistics};
use netc::internals::data::{
    DataError, DataKind, DataSet, Description, LoadOptions, Split, Subset, Take, cifar, shapes,
};
use netc::internals::graph::dims::Shape;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

/// The data set, or nothing where `NETC_DATA` does not lead to it.
fn real(name: &str) -> Option<DataSet> {
    if std::env::var_os("NETC_DATA").is_none() {
        skip("DATA", "NETC_DATA is not set");
        return None;
    }
    match DataSet::load(name, &LoadOptions::default()) {
        Ok(data) => Some(data),
        Err(error @ DataError::NotFound { .. }) => {
            skip("DATA", &error.to_string());
            None
        }
        Err(error) => panic!("{error}"),
    }
}

fn assert_as_described(data: &DataSet, tolerance: f64) {
    let Description { mean, std, shape, train, test, .. } =
        DataKind::from_name(&data.description.name).unwrap().description(None);
    assert_eq!((data.train.shape(), data.train.len(), data.test.len()), (shape, train, test));
    let (measured_mean, measured_std) = channel_statistics(&Subset::all(&data.train)).unwrap();
    for (described, measured) in mean.iter().zip(&measured_mean).chain(std.iter().zip(&measured_std)) {
        assert!((described - measured).abs() < tolerance, "{described} is {measured}");
    }
}

fn counts(split: &Split) -> [usize; 10] {
    let mut counts = [0; 10];
    split.labels().iter().for_each(|&label| counts[usize::from(label)] += 1);
    counts
}

#[test]
fn cifar10_is_what_its_description_says() {
    let Some(data) = real("cifar10") else { return };
    assert_as_described(&data, 1e-5);
    assert_eq!((counts(&data.train), counts(&data.test)), ([5000; 10], [1000; 10]));
}

#[test]
fn mnist_is_what_its_description_says() {
    let Some(data) = real("mnist") else { return };
    assert_as_described(&data, 1e-5);
    // As published.
    assert_eq!(counts(&data.train), [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]);
    assert_eq!(data.train.labels()[..5], [5, 0, 4, 1, 9]);
}

#[test]
fn shapes_are_what_their_description_says() {
    let data = DataSet::load("shapes", &LoadOptions::default()).unwrap();
    assert_as_described(&data, 1e-4);
    assert_eq!((counts(&data.train), counts(&data.test)), ([1000; 10], [200; 10]));
    let input = Some(Shape::map(1, 28, 28));
    let grey = DataSet::load("shapes", &LoadOptions { input, ..LoadOptions::default() }).unwrap();
    let (mean, std) = channel_statistics(&Subset::all(&grey.train)).unwrap();
    assert!((grey.description.mean[0] - mean[0]).abs() < 1e-4, "{mean:?}");
    assert!((grey.description.std[0] - std[0]).abs() < 1e-4, "{std:?}");
}

/// FNV-1a.
fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// A run on `shapes` must be repeatable by the next release: whoever changes the drawing must know it.
#[test]
fn shapes_are_drawn_as_they_always_were() {
    let data = shapes::generate(shapes::SHAPE, 200, 100, shapes::SEED).unwrap();
    assert_eq!((hash(data.train.images()), hash(data.test.images())), (TRAIN_HASH, TEST_HASH));
}

const TRAIN_HASH: u64 = 16_083_804_068_340_843_481;
const TEST_HASH: u64 = 18_087_716_708_666_993_387;

#[test]
fn a_limit_reads_the_first_images_only() {
    let options = LoadOptions { train: Take::First(30), test: Take::Nothing, ..LoadOptions::default() };
    let some = DataSet::load("shapes", &options).unwrap();
    assert_eq!((some.train.len(), some.test.len(), some.description.train), (30, 0, shapes::TRAIN));
    let zero = LoadOptions { test: Take::First(0), ..LoadOptions::default() };
    assert!(matches!(DataSet::load("shapes", &zero), Err(DataError::Option(_))));
    if let Some(all) = real("cifar10") {
        let options = LoadOptions { train: Take::First(10_003), test: Take::First(1), ..LoadOptions::default() };
        let some = DataSet::load("cifar10", &options).unwrap();
        assert_eq!((some.train.len(), some.test.len()), (10_003, 1));
        assert_eq!(some.train.images(), &all.train.images()[..10_003 * 3072]);
        assert_eq!(some.train.labels(), &all.train.labels()[..10_003]);
    }
}

/// A folder under the system's temporary one that goes away with it.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// `shapes` as CIFAR-10 files, five training images a file.
fn cifar_folder(name: &str) -> (Folder, DataSet) {
    let folder = Folder(std::env::temp_dir().join(format!("netc-data-{name}-{}", std::process::id())));
    fs::create_dir_all(&folder.0).unwrap();
    let data = shapes::generate(shapes::SHAPE, 25, 7, 1).unwrap();
    for (n, file) in cifar::TRAIN_FILES.iter().enumerate() {
        fs::write(folder.0.join(file), cifar::to_bytes(&data.train, 5 * n..5 * n + 5).unwrap()).unwrap();
    }
    fs::write(folder.0.join(cifar::TEST_FILE), cifar::to_bytes(&data.test, 0..7).unwrap()).unwrap();
    (folder, data)
}

#[test]
fn a_folder_is_recognised_by_its_files() {
    let (folder, data) = cifar_folder("folder");
    let read = DataSet::load(folder.0.to_str().unwrap(), &LoadOptions::default()).unwrap();
    assert_eq!((read.description.name.as_str(), read.description.train, read.description.test), ("cifar10", 25, 7));
    assert_eq!((read.train, read.test), (data.train, data.test));
    let options = LoadOptions { train: Take::First(7), ..LoadOptions::default() };
    assert_eq!(DataSet::load(folder.0.to_str().unwrap(), &options).unwrap().train.len(), 7);
}

#[test]
fn a_broken_file_is_named_with_the_offset() {
    let (folder, _) = cifar_folder("broken");
    let load = || DataSet::load(folder.0.to_str().unwrap(), &LoadOptions::default());
    let file = folder.0.join("data_batch_3.bin");
    let good = fs::read(&file).unwrap();
    let check = |bytes: &[u8], expected: u64| {
        fs::write(&file, bytes).unwrap();
        match load() {
            Err(DataError::Malformed { file, offset, .. }) => {
                assert!(file.ends_with("data_batch_3.bin"));
                assert_eq!(offset, expected);
            }
            other => panic!("{other:?}"),
        }
    };
    check(&good[..good.len() - 1], 4 * 3073);
    check(&[], 0);
    let mut bad = good.clone();
    bad[2 * 3073] = 10;
    check(&bad, 2 * 3073);
    fs::remove_file(&file).unwrap();
    assert!(matches!(load(), Err(DataError::Incomplete { missing, .. }) if missing == ["data_batch_3.bin"]));
    fs::create_dir(&file).unwrap();
    assert!(load().is_err());
}

/// The files that are read last: behind them there is no record that could be missed.
#[test]
fn a_last_file_that_is_cut_is_refused() {
    let (folder, _) = cifar_folder("cut");
    for (name, records) in [("data_batch_5.bin", 5), (cifar::TEST_FILE, 7)] {
        let path = folder.0.join(name);
        let good = fs::read(&path).unwrap();
        for missing in [1, 1000, 3072] {
            fs::write(&path, &good[..good.len() - missing]).unwrap();
            match DataSet::load(folder.0.to_str().unwrap(), &LoadOptions::default()) {
                Err(DataError::Malformed { file, offset, .. }) => {
                    assert!(file.ends_with(name));
                    assert_eq!(offset, (records - 1) * 3073, "{missing} bytes less");
                }
                other => panic!("{name} without {missing} bytes: {other:?}"),
            }
        }
        fs::write(&path, good).unwrap();
    }
}

/// Whatever pool surrounds it, the same bits come out.
#[test]
fn batches_do_not_depend_on_threads() {
    let batches = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let data = shapes::generate(shapes::SHAPE, 300, 0, 0).unwrap();
            let (rest, _) = Subset::all(&data.train).hold_out(50, 9).unwrap();
            let normalization = Normalization::measure_per_channel(&rest).unwrap();
            let augment = Some(Augment { pad_value: PadValue::Black, ..Augment::HE_2015 });
            let options = LoaderOptions { end: Some(2), ..LoaderOptions::training(64, normalization, augment, 4) };
            let loader = Loader::new(&rest, options).unwrap();
            loader
                .flat_map(|batch| batch.batch().pixels().unwrap().iter().map(|x| x.to_bits()).collect::<Vec<_>>())
                .collect::<Vec<u32>>()
        })
    };
    let one = batches(1);
    assert_eq!(one.len(), 2 * 250 * 3072);
    assert!(one == batches(3));
}

#[test]
fn every_kind_can_be_shared_between_threads() {
    fn shareable<T: Send + Sync + Clone>(_: &T) {}
    shareable(&DataKind::Shapes);
    shareable(&Subset::all(&Arc::new(Split::new(Shape::map(1, 1, 1), 10, vec![1], vec![1]).unwrap())));
}
