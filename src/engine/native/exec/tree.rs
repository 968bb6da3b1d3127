//! Sums over the blocks of a batch, in the order of one fixed binary tree: a run of n blocks is split at the largest
//! power of two below n, its halves are summed alike, and then added.
//!
//! The order depends on the number of blocks alone. So the sum is the same bits for any number of threads, and whoever
//! holds an aligned power of two of neighbouring blocks can sum those alone and add what others have summed: the same
//! bits again, with log₂ of the parts as additions on the way. Its rounding error grows with log₂ n and not with n
//! (Higham, "The accuracy of floating point summation", SIAM J. Sci. Comput. 14, 1993).

use std::ops::Range;

/// Numbers that [`add_up`] sums at a time: what is under way for them stays in the L1 cache.
const TILE: usize = 128;

/// Where a run of `len` > 1 blocks is split: the largest power of two below `len`.
fn split(len: usize) -> usize {
    1 << (len - 1).ilog2()
}

/// Joins what `leaf` gives for each index of a range; `None` of an empty one.
pub fn fold<T>(range: Range<usize>, leaf: &mut impl FnMut(usize) -> T, join: &impl Fn(T, T) -> T) -> Option<T> {
    match range.len() {
        0 => None,
        1 => Some(leaf(range.start)),
        len => {
            let middle = range.start + split(len);
            let (left, right) = (fold(range.start..middle, leaf, join)?, fold(middle..range.end, leaf, join)?);
            Some(join(left, right))
        }
    }
}

/// `to` ← Σ `part(i)` over `parts`, added to what is there if `add`. Each part has the length of `to`; with no part the
/// sum is 0.
pub fn add_up<'a>(parts: usize, part: &impl Fn(usize) -> &'a [f32], to: &mut [f32], add: bool) {
    let mut tile = [0.0; TILE];
    for (index, to) in to.chunks_mut(TILE).enumerate() {
        let tile_of = index * TILE..index * TILE + to.len();
        let piece = |index: usize| part(index).get(tile_of.clone()).unwrap_or(&[]);
        if add {
            let tile = &mut tile[..to.len()];
            add_pieces(0..parts, &piece, tile);
            accumulate_into(to, tile);
        } else {
            add_pieces(0..parts, &piece, to);
        }
    }
}

/// `to` ← Σ `piece(i)`, where `to` is at most a tile.
fn add_pieces<'a>(parts: Range<usize>, piece: &impl Fn(usize) -> &'a [f32], to: &mut [f32]) {
    match parts.len() {
        0 => to.fill(0.0),
        1 => to.iter_mut().zip(piece(parts.start)).for_each(|(to, &number)| *to = number),
        2 => {
            let pair = piece(parts.start).iter().zip(piece(parts.start + 1));
            to.iter_mut().zip(pair).for_each(|(to, (left, right))| *to = left + right);
        }
        len => {
            let middle = parts.start + split(len);
            add_pieces(parts.start..middle, piece, to);
            if middle + 1 == parts.end {
                return accumulate_into(to, piece(middle));
            }
            let mut right = [0.0; TILE];
            let right = &mut right[..to.len()];
            add_pieces(middle..parts.end, piece, right);
            accumulate_into(to, right);
        }
    }
}

fn accumulate_into(to: &mut [f32], other: &[f32]) {
    to.iter_mut().zip(other).for_each(|(to, other)| *to += other);
}

/// Sums that are under way at once while [`accumulate`] sums so many parts, beside that in `to`; one more where it adds.
pub fn levels(parts: usize) -> usize {
    if parts < 4 { 0 } else { parts.ilog2() as usize - 1 }
}

/// As [`add_up`] where `write(i, to, add)` writes part i over `to`, or adds it as a whole to what is there. `scratch` has
/// as many numbers as `to` for each of the [`levels`].
pub fn accumulate(
    parts: Range<usize>,
    to: &mut [f32],
    add: bool,
    scratch: &mut [f32],
    write: &mut impl FnMut(usize, &mut [f32], bool),
) {
    match parts.len() {
        0 if !add => to.fill(0.0),
        0 => {}
        1 => write(parts.start, to, add),
        len if !add => {
            let middle = parts.start + split(len);
            accumulate(parts.start..middle, to, false, scratch, write);
            accumulate(middle..parts.end, to, true, scratch, write);
        }
        // What is there already stands outside the tree: the sum of these parts is made beside it.
        _ => {
            let (sum, scratch) = scratch.split_at_mut(to.len());
            accumulate(parts, sum, false, scratch, write);
            accumulate_into(to, sum);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(index: usize) -> f32 {
        crate::random::normal(5, index as u64)
    }

    fn written_out(range: Range<usize>) -> String {
        fold(range, &mut |index| index.to_string(), &|left, right| format!("({left} {right})")).unwrap_or_default()
    }

    #[test]
    fn a_run_is_split_at_the_largest_power_of_two_below_its_length() {
        assert_eq!(written_out(0..0), "");
        assert_eq!(written_out(0..1), "0");
        assert_eq!(written_out(0..3), "((0 1) 2)");
        assert_eq!(written_out(0..4), "((0 1) (2 3))");
        assert_eq!(written_out(0..7), "(((0 1) (2 3)) ((4 5) 6))");
        assert_eq!(written_out(3..8), "(((3 4) (5 6)) 7)");
        assert_eq!(written_out(0..9), format!("({} 8)", written_out(0..8)));
    }

    /// What several processes do that each hold as many neighbouring blocks: recursive doubling of their own sums.
    #[test]
    fn parts_that_are_summed_apart_and_doubled_give_the_same_bits() {
        let add = |a: f32, b: f32| a + b;
        for blocks in [8, 16, 64] {
            let whole = fold(0..blocks, &mut number, &add).unwrap();
            for processes in [2, 4, 8] {
                let own = blocks / processes;
                let mut sums: Vec<f32> =
                    (0..processes).map(|rank| fold(rank * own..(rank + 1) * own, &mut number, &add).unwrap()).collect();
                let mut distance = 1;
                while distance < processes {
                    sums = (0..processes).map(|rank| sums[rank] + sums[rank ^ distance]).collect();
                    distance *= 2;
                }
                assert!(sums.iter().all(|sum| sum.to_bits() == whole.to_bits()), "{blocks} {processes}");
            }
        }
    }

    #[test]
    fn slices_are_summed_number_by_number_whatever_their_length() {
        for (parts, len) in [(1, 5), (2, 128), (5, 129), (7, 300), (64, 1000), (0, 3)] {
            let rows: Vec<Vec<f32>> =
                (0..parts).map(|part| (0..len).map(|column| number(part * len + column)).collect()).collect();
            let expected: Vec<f32> = (0..len)
                .map(|column| fold(0..parts, &mut |part| rows[part][column], &|a, b| a + b).unwrap_or(0.0))
                .collect();
            let mut sum = vec![f32::NAN; len];
            add_up(parts, &|part| &rows[part], &mut sum, false);
            assert_eq!(sum, expected);
            add_up(parts, &|part| &rows[part], &mut sum, true);
            assert_eq!(sum, expected.iter().map(|number| number + number).collect::<Vec<_>>());

            let mut scratch = vec![f32::NAN; (levels(parts) + 1) * len];
            let mut write = |part: usize, to: &mut [f32], add: bool| {
                to.iter_mut().zip(&rows[part]).for_each(|(to, part)| *to = if add { *to + part } else { *part });
            };
            let mut sum = vec![f32::NAN; len];
            accumulate(0..parts, &mut sum, false, &mut scratch[..levels(parts) * len], &mut write);
            assert_eq!(sum, expected);
            accumulate(0..parts, &mut sum, true, &mut scratch, &mut write);
            assert_eq!(sum, expected.iter().map(|number| number + number).collect::<Vec<_>>());
        }
    }
}
