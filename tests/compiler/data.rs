//! The data path on whole data sets. What needs real files looks for them where `NETC_DATA` says, and is skipped where
//! there are none.

use crate::skip::skip;
use netc::internals::data::augment::{Augment, PadValue};
use netc::internals::data::loader::{Loader, LoaderOptions};
use netc::internals::data::normalize::{Normalization, channel_statistics};
use netc::internals::data::{
    DataError, DataKind, DataSet, Description, ImageOrder, LoadOptions, Split, Subset, Take, cifar, shapes,
};
use netc::internals::graph::dims::Shape;
use netc::internals::random;
use netc::internals::run::identity::DataIdentity;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

/// The data set, or nothing where `NETC_DATA` does not lead to it.
fn real(name: &str) -> Option<DataSet> {
    real_with(name, &LoadOptions::default())
}

/// The same set in the order of its files.
const IN_FILES: LoadOptions = LoadOptions { input: None, train: Take::All, test: Take::All, order: ImageOrder::File };

fn real_with(name: &str, options: &LoadOptions) -> Option<DataSet> {
    if std::env::var_os("NETC_DATA").is_none() {
        skip("DATA", "NETC_DATA is not set");
        return None;
    }
    match DataSet::load(name, options) {
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
    split.labels().iter().for_each(|&label| counts[label as usize] += 1);
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
    let Some(data) = real_with("mnist", &IN_FILES) else { return };
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
    for order in [ImageOrder::Content, ImageOrder::File] {
        let Some(all) = real_with("cifar10", &LoadOptions { order, ..LoadOptions::default() }) else { return };
        let options = LoadOptions { train: Take::First(10_003), test: Take::First(1), input: None, order };
        let some = DataSet::load("cifar10", &options).unwrap();
        assert_eq!((some.train.len(), some.test.len(), some.description.train), (10_003, 1, 50_000));
        assert_eq!(some.train.images(), &all.train.images()[..10_003 * 3072]);
        assert_eq!(some.train.labels(), &all.train.labels()[..10_003]);
    }
}

/// The published files, as Python sees them (`src/data/rank/tests.rs` has its lines): training and test images by rank,
/// and the first thousand training images.
#[test]
fn the_published_sets_have_the_hashes_of_another_program() {
    let published = [
        (
            "cifar10",
            "de3d9cb1977a30569dfa4df805a3b4bc81d39db0cb5fb8e83bef3ec01d666021",
            "40f35573cf56a97ba14cddef7a7d8f8da20ade87fe83fe2a3d4b1732e62b6f13",
            "acc540e64228170812a0d63bacd921e542bcc864a279a8eda453646f34c818c1",
        ),
        (
            "mnist",
            "8023ce47d95f1c8c468365505a621c9fcd27be3af1c138b835d0a1804a875bbc",
            "4d3c035123f3c853db03f0372d4b10e70be1ea715b1f690a9ebd242e25821c98",
            "3e3292adc6a6cb46962eaae36f33874e3c02cf1f5f1d0c923912ebc9ebe93c25",
        ),
    ];
    for (name, train, test, thousand) in published {
        let Some(data) = real(name) else { return };
        let identity = DataIdentity::of(&data);
        assert_eq!((identity.train.sha256.as_str(), identity.test.sha256.as_str()), (train, test), "{name}");
        assert_eq!((identity.train.sequence, identity.test.sequence), (None, None));
        let in_files = DataIdentity::of(&DataSet::load(name, &IN_FILES).unwrap());
        assert_eq!((in_files.train.sha256.as_str(), in_files.test.sha256.as_str()), (train, test), "{name}");
        assert!(in_files.train.sequence.is_some() && in_files.test.sequence.is_some());
        let first = LoadOptions { train: Take::First(1000), test: Take::Nothing, ..LoadOptions::default() };
        let some = DataIdentity::of(&DataSet::load(name, &first).unwrap());
        assert_eq!((some.train.images, some.train.sha256.as_str(), some.test.images), (1000, thousand, 0), "{name}");
    }
}

/// χ² over the ten classes has 9 degrees of freedom; a fair draw passes 27.9 once in a thousand times.
#[test]
fn a_limit_is_a_fair_sample_of_the_classes() {
    let Some(data) = real("cifar10") else { return };
    for count in [100, 1000, 10_000] {
        let mut counts = [0.0; 10];
        data.train.labels()[..count].iter().for_each(|&label| counts[label as usize] += 1.0);
        let expected = count as f64 / 10.0;
        let chi_squared: f64 = counts.iter().map(|found: &f64| (found - expected).powi(2) / expected).sum();
        assert!(chi_squared < 27.9, "{chi_squared}: {counts:?}");
    }
}

/// A folder under the system's temporary one that goes away with it.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A data set as CIFAR-10 files, with so many training images in each.
fn cifar_files(name: &str, data: &DataSet, counts: [usize; 5]) -> Folder {
    let folder = Folder(std::env::temp_dir().join(format!("netc-data-{name}-{}", std::process::id())));
    fs::create_dir_all(&folder.0).unwrap();
    let mut begin = 0;
    for (file, count) in cifar::TRAIN_FILES.iter().zip(counts) {
        fs::write(folder.0.join(file), cifar::to_bytes(&data.train, begin..begin + count).unwrap()).unwrap();
        begin += count;
    }
    fs::write(folder.0.join(cifar::TEST_FILE), cifar::to_bytes(&data.test, 0..data.test.len()).unwrap()).unwrap();
    folder
}

/// `shapes` as CIFAR-10 files, five training images a file.
fn cifar_folder(name: &str) -> (Folder, DataSet) {
    let data = shapes::generate(shapes::SHAPE, 25, 7, 1).unwrap();
    (cifar_files(name, &data, [5; 5]), data)
}

/// The images of a split in the order that a key draws.
fn shuffled(split: &Split, key: u64) -> Arc<Split> {
    let order = random::permutation(key, split.len());
    let images = order.iter().flat_map(|&index| split.image(index as usize).to_vec()).collect();
    let labels = order.iter().map(|&index| split.labels()[index as usize]).collect();
    Arc::new(Split::new(split.shape(), 10, images, labels).unwrap())
}

/// What a run sees: pixels with crops and flips, labels, dropout's keys, of training and of held-out images.
fn seen(data: &DataSet) -> Vec<(Vec<u32>, Vec<u32>, Vec<u64>)> {
    let (rest, held_out) = Subset::all(&data.train).hold_out(6, 2).unwrap();
    let normalization = Normalization::measure_per_pixel(&rest).unwrap();
    let augment = Some(Augment::HE_2015);
    let train = LoaderOptions { end: Some(2), ..LoaderOptions::training(8, normalization.clone(), augment, 4) };
    let evaluation = LoaderOptions::evaluation(8, normalization);
    let sets = [(&rest, train), (&held_out, evaluation.clone()), (&Subset::all(&data.test), evaluation)];
    let batches = sets.into_iter().flat_map(|(images, options)| Loader::new(images, options).unwrap());
    batches
        .map(|loaded| {
            let batch = loaded.batch();
            let pixels = batch.pixels().unwrap().iter().map(|x| x.to_bits()).collect();
            (pixels, batch.labels.to_vec(), batch.keys.to_vec())
        })
        .collect()
}

#[test]
fn the_same_images_in_other_files_are_the_same_data() {
    let drawn = shapes::generate(shapes::SHAPE, 25, 7, 1).unwrap();
    // The last five stand twice, and one of them with another label, too.
    let last = |bytes: usize, from: &[u8]| from[from.len() - bytes..].to_vec();
    let images =
        [drawn.train.images().to_vec(), last(5 * 3072, drawn.train.images()), last(3072, drawn.train.images())];
    let labels = [drawn.train.labels(), &drawn.train.labels()[20..], &[0]].concat();
    let train = Arc::new(Split::new(shapes::SHAPE, 10, images.concat(), labels).unwrap());
    let one = DataSet { train, ..drawn };
    let (train, test) = (shuffled(&one.train, 1), shuffled(&one.test, 2));
    let other = DataSet { train, test, description: one.description.clone() };
    let folders = [cifar_files("one", &one, [7, 6, 6, 6, 6]), cifar_files("other", &other, [1, 20, 3, 2, 5])];
    let load = |train: Take, order: ImageOrder| {
        let options = LoadOptions { input: None, train, test: Take::All, order };
        folders.each_ref().map(|folder| DataSet::load(folder.0.to_str().unwrap(), &options).unwrap())
    };
    for take in [Take::All, Take::First(13)] {
        let [one, other] = load(take, ImageOrder::Content);
        assert_eq!(DataIdentity::of(&one), DataIdentity::of(&other));
        assert_eq!((&one.train, &one.test), (&other.train, &other.test));
        assert!(seen(&one) == seen(&other));
        // In the order of the files they are other runs, and known to be, though of the same images.
        let [one, other] = load(take, ImageOrder::File);
        assert!(one.train != other.train && seen(&one) != seen(&other));
        let [one, other] = [one, other].map(|data| DataIdentity::of(&data));
        assert_eq!(one.train.sha256 == other.train.sha256, take == Take::All);
        assert_eq!(one.test.sha256, other.test.sha256);
        assert_ne!(one.test.sequence, other.test.sequence);
    }
    // The images that a limit leaves are the first of all, by rank and in the files.
    for order in [ImageOrder::Content, ImageOrder::File] {
        let ([all, _], [some, _]) = (load(Take::All, order), load(Take::First(13), order));
        assert_eq!(some.train.images(), &all.train.images()[..13 * 3072]);
        assert_eq!((some.train.labels(), some.description.train), (&all.train.labels()[..13], 31));
    }
}

/// Drawn or read, they are the same images; only their order is not.
#[test]
fn a_container_is_no_part_of_an_identity() {
    let (folder, drawn) = cifar_folder("container");
    let load = |order| {
        let options = LoadOptions { order, ..LoadOptions::default() };
        DataIdentity::of(&DataSet::load(folder.0.to_str().unwrap(), &options).unwrap())
    };
    let (was, by_rank, in_files) = (DataIdentity::of(&drawn), load(ImageOrder::Content), load(ImageOrder::File));
    assert_eq!((&was.train, &was.test), (&in_files.train, &in_files.test));
    assert_eq!((&was.train.sha256, &was.test.sha256), (&by_rank.train.sha256, &by_rank.test.sha256));
    assert!(was.train.sequence.is_some() && by_rank.train.sequence.is_none());
}

#[test]
fn a_folder_is_recognised_by_its_files() {
    let (folder, data) = cifar_folder("folder");
    let read = DataSet::load(folder.0.to_str().unwrap(), &IN_FILES).unwrap();
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
