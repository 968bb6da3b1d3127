use super::*;
use crate::data::Split;
use crate::graph::dims::Shape;
use crate::random::{self, Purpose};
use std::sync::Arc;

/// `count` images of 2x4x4; every byte of image i is i.
fn images(count: usize) -> Subset {
    let bytes = (0..count).flat_map(|i| [i as u8; 32]).collect();
    let labels = (0..count).map(|i| (i % 10) as u32).collect();
    Subset::all(&Arc::new(Split::new(Shape::map(2, 4, 4), 10, bytes, labels).unwrap()))
}

fn training(batch: usize) -> LoaderOptions {
    let augment = Augment { pad: 1, pad_value: PadValue::Zero, flip: true };
    LoaderOptions { end: Some(3), ..LoaderOptions::training(batch, Normalization::None, Some(augment), 5) }
}

/// Epoch, step, images, labels and keys.
type Bits = (u64, u64, Vec<u32>, Vec<u32>, Vec<u64>);

/// Everything that a batch holds, as bits.
fn bits(batch: &LoadedBatch) -> Bits {
    let Batch { labels, keys, .. } = batch.batch();
    let images = batch.batch().pixels().unwrap();
    let images = images.iter().map(|x| x.to_bits()).collect();
    (batch.epoch(), batch.step(), images, labels.to_vec(), keys.to_vec())
}

fn all(images: &Subset, options: LoaderOptions) -> Vec<Bits> {
    Loader::new(images, options).unwrap().map(|batch| bits(&batch)).collect()
}

#[test]
fn evaluation_sees_every_image_once_in_order() {
    let images = images(10);
    let mut loader = Loader::new(&images, LoaderOptions::evaluation(4, Normalization::None)).unwrap();
    assert_eq!(LoaderOptions::evaluation(4, Normalization::None).steps_per_epoch(10), 3);
    let mut seen = Vec::new();
    let mut sizes = Vec::new();
    for batch in &mut loader {
        sizes.push(batch.len());
        seen.extend_from_slice(batch.indices());
        for (&index, (image, &label)) in
            batch.indices().iter().zip(batch.batch().pixels().unwrap().chunks(32).zip(batch.batch().labels))
        {
            assert_eq!(image, [index as f32 * (1.0 / 255.0); 32]);
            assert_eq!(label, index % 10);
        }
    }
    assert_eq!((seen, sizes), ((0..10).collect(), vec![4, 4, 2]));
    assert!(loader.next().is_none() && loader.next().is_none());
}

#[test]
fn training_sees_every_image_once_an_epoch_in_a_new_order() {
    let images = images(23);
    let mut epochs = vec![Vec::new(); 3];
    for batch in Loader::new(&images, training(5)).unwrap() {
        epochs[batch.epoch() as usize].extend_from_slice(batch.indices());
    }
    assert_ne!(epochs[0], epochs[1]);
    let expected = random::permutation(random::key(Purpose::Shuffle, &[5, 1]), 23);
    assert_eq!(epochs[1], expected);
    for mut epoch in epochs {
        epoch.sort_unstable();
        assert_eq!(epoch, (0..23).collect::<Vec<u32>>());
    }
}

#[test]
fn a_resumed_run_gets_the_same_bits() {
    let images = images(23);
    let whole = all(&images, training(5));
    assert_eq!(whole.len(), 15);
    for from in 0..whole.len() {
        let (epoch, step) = (whole[from].0, whole[from].1);
        assert_eq!(all(&images, training(5).starting_at(epoch, step)), whole[from..]);
    }
    // The end of an epoch is the beginning of the next.
    assert_eq!(all(&images, training(5).starting_at(0, 5)), whole[5..]);
    assert_ne!(all(&images, LoaderOptions { seed: 6, ..training(5) }), whole);
}

#[test]
fn keys_and_variations_belong_to_the_image_not_to_its_place() {
    let images = images(20);
    let mut by_image = std::collections::HashMap::new();
    for batch in Loader::new(&images, LoaderOptions { end: Some(1), ..training(7) }).unwrap() {
        for (n, &index) in batch.indices().iter().enumerate() {
            let pixels: Vec<u32> =
                batch.batch().pixels().unwrap()[n * 32..][..32].iter().map(|x| x.to_bits()).collect();
            assert_eq!(batch.batch().keys[n], random::key(Purpose::Dropout, &[5, 0, u64::from(index)]));
            by_image.insert(index, pixels);
        }
    }
    let sequential = LoaderOptions { order: Order::Sequential, end: Some(1), ..training(3) };
    for batch in Loader::new(&images.hold_out(8, 1).unwrap().0, sequential).unwrap() {
        for (n, index) in batch.indices().iter().enumerate() {
            let pixels: Vec<u32> =
                batch.batch().pixels().unwrap()[n * 32..][..32].iter().map(|x| x.to_bits()).collect();
            assert_eq!(pixels, by_image[index]);
        }
    }
}

#[test]
fn padding_is_the_mean_colour_or_black() {
    let images = images(200);
    let normalization = Normalization::PerChannel { mean: vec![0.5, 0.5], std: vec![0.25, 0.25] };
    let corner = |pad_value| {
        let augment = Augment { pad: 3, pad_value, flip: false };
        let options = LoaderOptions::training(200, normalization.clone(), Some(augment), 1);
        let batch = Loader::new(&images, options).unwrap().next().unwrap();
        // Images of 100 and more are not black; look for padded pixels among them.
        let padded = |n: usize, expected: f32| batch.batch().pixels().unwrap()[n * 32..][..32].contains(&expected);
        let large = (0..200).filter(|&n| batch.indices()[n] > 100).collect::<Vec<_>>();
        (large.iter().filter(|&&n| padded(n, 0.0)).count(), large.iter().filter(|&&n| padded(n, -2.0)).count())
    };
    let (zero, black) = (corner(PadValue::Zero), corner(PadValue::Black));
    assert!(zero.0 > 80 && zero.1 == 0, "{zero:?}");
    assert!(black.1 > 80 && black.0 == 0, "{black:?}");
}

#[test]
fn an_incomplete_batch_is_kept() {
    let images = images(23);
    // A batch may hold more images than there are.
    let batches = all(&images, training(100));
    assert_eq!(batches.iter().map(|batch| batch.3.len()).collect::<Vec<_>>(), [23, 23, 23]);
    let vast = LoaderOptions { end: Some(1), ..training(usize::MAX) };
    assert_eq!(all(&images, vast).len(), 1);
}

#[test]
fn options_that_make_no_sense_are_errors() {
    let refused = |images: &Subset, options| match Loader::new(images, options) {
        Err(DataError::Option(text)) => text,
        other => panic!("{other:?}"),
    };
    let some = images(10);
    refused(&images(0), training(5));
    refused(&some, training(0));
    refused(&some, training(5).starting_at(0, 3));
    refused(&some, LoaderOptions { normalization: Normalization::PerPixelMean { mean: vec![] }, ..training(5) });
    let augment = Some(Augment { pad: 4, pad_value: PadValue::Zero, flip: false });
    refused(&some, LoaderOptions { augment, ..training(5) });
}

#[test]
fn a_loader_can_be_left_at_any_time() {
    let images = images(50);
    for taken in 0..6 {
        let mut loader = Loader::new(&images, LoaderOptions { end: None, ..training(5) }).unwrap();
        let kept: Vec<_> = (&mut loader).take(taken).collect();
        assert_eq!(kept.len(), taken);
        // Dropping joins the thread: this returns only if it ended.
        drop(loader);
        assert!(kept.iter().all(|batch| batch.len() == 5));
    }
}

#[test]
fn memory_is_used_again() {
    let images = images(50);
    let loader = Loader::new(&images, LoaderOptions { end: Some(40), ..training(5) }).unwrap();
    let places: std::collections::HashSet<_> = loader.map(|batch| batch.batch().pixels().unwrap().as_ptr()).collect();
    // One in use, AHEAD waiting, one being filled, and one that may be on its way back.
    assert!(places.len() <= AHEAD + 3, "{}", places.len());
}

#[test]
fn waiting_is_measured() {
    let images = images(250);
    let waited = |head_start: Duration| {
        let mut loader = Loader::new(&images, training(250)).unwrap();
        std::thread::sleep(head_start);
        assert!(loader.next().is_some());
        loader.waited()
    };
    // A busy machine may run either thread first: it must come out right once.
    assert!((0..50).any(|_| waited(Duration::ZERO) > Duration::ZERO));
    assert!((0..50).any(|n| waited(Duration::from_millis(10 * n)) == Duration::ZERO));
}
