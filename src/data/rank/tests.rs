use super::*;
use crate::data::Subset;
use crate::data::augment::{Augment, PadValue};
use crate::data::loader::{Loader, LoaderOptions};
use crate::data::normalize::Normalization;
use crate::random;
use proptest::prelude::*;
use std::collections::HashSet;

const TINY: Shape = Shape::Map { channels: 1, height: 2, width: 2 };
const CLASSES: usize = 70_001;

/// One image twice with two labels, of which the larger one has the smaller first byte, one row twice, and a label of more
/// than 16 bits.
fn tiny(shape: Shape) -> Split {
    let images = [[1, 2, 3, 4], [5, 6, 7, 8], [1, 2, 3, 4], [5, 6, 7, 8], [0, 0, 0, 0]].concat();
    Split::new(shape, CLASSES, images, vec![256, 0, 3, 0, 70_000]).unwrap()
}

fn hex(digest: &[u8]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Made by Python:
///
/// ```python
/// from hashlib import sha256
/// from struct import pack
/// def rows(c, h, w, images):
///     return [(sha256(pack("<3I", c, h, w) + bytes(image)).digest()[:16], label) for image, label in images]
/// def sha(rows):
///     return sha256(b"".join(image + pack("<I", label) for image, label in rows)).hexdigest()
/// images = [([1, 2, 3, 4], 256), ([5, 6, 7, 8], 0), ([1, 2, 3, 4], 3), ([5, 6, 7, 8], 0), ([0, 0, 0, 0], 70000)]
/// for c, h, w in (1, 2, 2), (4, 1, 1):
///     print(sha(sorted(rows(c, h, w, images))), sha(rows(c, h, w, images)))
/// ```
#[test]
fn hashes_are_those_of_another_program() {
    let cases = [
        (
            TINY,
            "085f509e2939da59e1a0a6c2197b07a4fe60221707cc636a8b4eb21ccb084c42",
            "5034af3bfd0f5ce860718fc7b105e0bf68bae2b8e988a045ba5f70e0030aa4fd",
        ),
        (
            Shape::vector(4),
            "1b37e9eaf640f6297e684c1fc5d5ae0b41f7213f2cf7ca509a04f0932e58e3d6",
            "e555dc0bc6368bf1b4a76b1b7eb15d51417f10386042f2bcb2cf82dc5debddb0",
        ),
    ];
    for (shape, content, sequence) in cases {
        let split = tiny(shape);
        let found = split.fingerprint();
        assert_eq!((hex(&found.content).as_str(), hex(&found.sequence).as_str()), (content, sequence), "{shape}");
        let ranked = first(split, usize::MAX);
        assert_eq!(ranked.fingerprint().sequence, ranked.fingerprint().content);
        assert_eq!(hex(&ranked.fingerprint().content), content);
        // And what is remembered is what is there.
        assert_eq!(*ranked.fingerprint(), Fingerprint::of(&ranked));
    }
    let ranked = first(tiny(TINY), usize::MAX);
    assert_eq!(ranked.labels(), [0, 0, 3, 256, 70_000]);
    assert_eq!(
        (ranked.image(1), ranked.image(3), ranked.image(4)),
        (&[5, 6, 7, 8][..], &[1, 2, 3, 4][..], &[0; 4][..])
    );
}

#[test]
fn an_empty_split_has_no_rows() {
    let empty = Split::new(TINY, 10, Vec::new(), Vec::new()).unwrap();
    assert_eq!(hex(&empty.fingerprint().content), hex(&Sha256::digest([])));
    assert_eq!(first(empty.clone(), 3), empty);
}

#[test]
fn pixels_size_and_label_are_told_apart() {
    let of = |shape: Shape, pixels: [u8; 4], label: u32| {
        Split::new(shape, CLASSES, pixels.to_vec(), vec![label]).unwrap().fingerprint().content
    };
    let all = [
        of(TINY, [1, 2, 3, 4], 0),
        of(TINY, [1, 2, 4, 3], 0),
        of(TINY, [1, 2, 3, 4], 1),
        of(TINY, [1, 2, 3, 4], 256),
        of(TINY, [1, 2, 3, 4], 65_536),
        of(Shape::map(1, 1, 4), [1, 2, 3, 4], 0),
        of(Shape::map(1, 4, 1), [1, 2, 3, 4], 0),
        of(Shape::map(2, 1, 2), [1, 2, 3, 4], 0),
        of(Shape::vector(4), [1, 2, 3, 4], 0),
    ];
    assert_eq!(all.iter().collect::<HashSet<_>>().len(), all.len());
}

/// A split of images of four pixels, of which many are equal, in the order that a key draws.
fn shuffled(rows: &[(u8, u32)], key: u64) -> Split {
    let order = random::permutation(key, rows.len());
    let rows: Vec<(u8, u32)> = order.into_iter().map(|index| rows[index as usize]).collect();
    let images = rows.iter().flat_map(|&(pixel, _)| [pixel, 1, pixel, pixel / 2]).collect();
    Split::new(TINY, CLASSES, images, rows.iter().map(|&(_, label)| label).collect()).unwrap()
}

/// All that a run sees of a split: pixels with crops and flips, labels and keys.
fn batches(split: Split) -> Vec<(Vec<u32>, Vec<u32>, Vec<u64>)> {
    let augment = Augment { pad: 1, pad_value: PadValue::Black, flip: true };
    let options = LoaderOptions { end: Some(2), ..LoaderOptions::training(3, Normalization::None, Some(augment), 7) };
    let (rest, _) = Subset::all(&Arc::new(split)).hold_out(2, 5).unwrap();
    let bits = |batch: &[f32]| batch.iter().map(|x| x.to_bits()).collect();
    let loader = Loader::new(&rest, options).unwrap();
    loader
        .map(|loaded| {
            let batch = loaded.batch();
            (bits(batch.pixels().unwrap()), batch.labels.to_vec(), batch.keys.to_vec())
        })
        .collect()
}

proptest! {
    #[test]
    fn no_order_of_the_files_changes_anything(
        rows in proptest::collection::vec((0u8..8, 0u32..3), 4..40),
        keys in any::<[u64; 2]>(),
        limit in 1usize..50,
    ) {
        let [a, b] = keys.map(|key| shuffled(&rows, key));
        prop_assert_eq!(a.fingerprint().content, b.fingerprint().content);
        prop_assert_eq!(a.fingerprint().sequence == b.fingerprint().sequence, a == b);
        let [some_a, some_b] = [&a, &b].map(|split| first(split.clone(), limit));
        prop_assert_eq!(some_a.len(), limit.min(rows.len()));
        prop_assert_eq!(some_a.fingerprint(), some_b.fingerprint());
        prop_assert_eq!(&some_a, &some_b);
        let [all_a, all_b] = [&a, &b].map(|split| first(split.clone(), usize::MAX));
        prop_assert_eq!(&all_a.images()[..some_a.images().len()], some_a.images());
        // Nothing is lost: sorted, both have the rows that went in.
        let sorted = |split: &Split| {
            let mut rows: Vec<(Vec<u8>, u32)> =
                (0..split.len()).map(|index| (split.image(index).to_vec(), split.labels()[index])).collect();
            rows.sort();
            rows
        };
        prop_assert_eq!(sorted(&all_a), sorted(&a));
        prop_assert_eq!(batches(all_a), batches(all_b));
    }

    /// Changing places comes to the same as copying.
    #[test]
    fn images_are_kept_in_the_order_asked_for(count in 1usize..60, key in any::<u64>(), kept in 0usize..60) {
        let images = (0..4 * count).map(|byte| byte as u8).collect();
        let split = Split::new(TINY, 60, images, (0..count as u32).collect()).unwrap();
        let mut order = random::permutation(key, count);
        order.truncate(kept);
        let expected: Vec<u8> = order.iter().flat_map(|&index| split.image(index as usize).to_vec()).collect();
        let fingerprint = *split.fingerprint();
        let mut some = split.clone();
        some.keep(&order, fingerprint);
        prop_assert_eq!((some.images(), some.labels()), (&expected[..], &order[..]));
        // What is not there, or is there already, is passed over.
        let mut twice = split;
        let doubled: Vec<u32> = order.iter().flat_map(|&index| [index, count as u32 + 3, index]).collect();
        twice.keep(&doubled, fingerprint);
        prop_assert_eq!(twice, some);
    }
}

#[test]
fn threads_change_nothing() {
    let rows: Vec<(u8, u32)> = (0..500).map(|i| ((i * 7 % 256) as u8, i % 10)).collect();
    let ranked = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| first(shuffled(&rows, 3), 400))
    };
    let (one, three) = (ranked(1), ranked(3));
    assert_eq!((&one, one.fingerprint()), (&three, three.fingerprint()));
}

#[test]
fn only_ranks_need_all_images() {
    for take in [Take::All, Take::First(3), Take::Nothing] {
        assert_eq!(ImageOrder::File.to_read(take), take);
    }
    assert_eq!(ImageOrder::Content.to_read(Take::First(3)), Take::All);
    assert_eq!(ImageOrder::Content.to_read(Take::Nothing), Take::Nothing);
}
