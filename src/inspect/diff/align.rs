//! Which layers of two networks are the same ones.

use crate::graph::dims::Shape;
use crate::inspect::View;
use petgraph::graph::NodeIndex;
use std::collections::HashMap;

/// Above this many pairs of layers only equal names are the same layer.
const MOST_PAIRS: usize = 4_000_000;

/// Layers by their indices, in order.
#[derive(Debug, Default)]
pub struct Pairs {
    /// In both.
    pub both: Vec<(usize, usize)>,
    /// Only in the first.
    pub only_a: Vec<usize>,
    /// Only in the second.
    pub only_b: Vec<usize>,
    after: HashMap<usize, usize>,
    before: HashMap<usize, usize>,
}

impl Pairs {
    /// The second's layer of a layer of the first.
    pub fn after(&self, old: usize) -> Option<usize> {
        self.after.get(&old).copied()
    }

    /// The first's layer of a layer of the second.
    pub fn before(&self, new: usize) -> Option<usize> {
        self.before.get(&new).copied()
    }
}

/// What a layer is known by.
#[derive(Debug, PartialEq)]
struct Card<'a> {
    name: &'a str,
    word: &'static str,
    shape: Shape,
}

impl Card<'_> {
    /// How much speaks for two layers being the same one; 0 when nothing does.
    fn likeness(&self, other: &Card<'_>) -> u32 {
        let (name, word) = (self.name == other.name, self.word == other.word);
        let shape = self.shape == other.shape;
        // A name that netc counted (`conv3`) says less than what the layer does; a label is the user's own word.
        if name || word { 3 * u32::from(name) + 2 * u32::from(word) + u32::from(shape) } else { 0 }
    }
}

/// Lays two networks beside each other: the longest common sequence, weighed by likeness.
pub fn align(a: &View, b: &View) -> Pairs {
    let (old, new) = (cards(a), cards(b));
    let equal = |(a, b): &(&Card<'_>, &Card<'_>)| a.name == b.name && a.word == b.word;
    let begin = old.iter().zip(&new).take_while(equal).count();
    let (rest_old, rest_new) = (old.get(begin..).unwrap_or(&[]), new.get(begin..).unwrap_or(&[]));
    let end = rest_old.iter().rev().zip(rest_new.iter().rev()).take_while(equal).count();
    let middle_old = rest_old.get(..rest_old.len() - end).unwrap_or(&[]);
    let middle_new = rest_new.get(..rest_new.len() - end).unwrap_or(&[]);
    let mut both: Vec<(usize, usize)> = (0..begin).map(|index| (index, index)).collect();
    let middle = if middle_old.len().saturating_mul(middle_new.len()) > MOST_PAIRS {
        by_name(middle_old, middle_new)
    } else {
        longest(middle_old, middle_new)
    };
    both.extend(middle.into_iter().map(|(a, b)| (a + begin, b + begin)));
    both.extend((0..end).map(|index| (old.len() - end + index, new.len() - end + index)));
    let after: HashMap<usize, usize> = both.iter().copied().collect();
    let before: HashMap<usize, usize> = both.iter().map(|&(a, b)| (b, a)).collect();
    Pairs {
        only_a: (0..old.len()).filter(|index| !after.contains_key(index)).collect(),
        only_b: (0..new.len()).filter(|index| !before.contains_key(index)).collect(),
        both,
        after,
        before,
    }
}

fn cards(view: &View) -> Vec<Card<'_>> {
    let nodes = view.shaped.graph.graph.node_weights().enumerate();
    nodes
        .map(|(index, node)| Card {
            name: &node.name,
            word: node.layer.word(),
            shape: view.shaped.shape(NodeIndex::new(index)),
        })
        .collect()
}

fn by_name(old: &[Card<'_>], new: &[Card<'_>]) -> Vec<(usize, usize)> {
    let place: HashMap<&str, usize> = new.iter().enumerate().map(|(index, card)| (card.name, index)).collect();
    let mut pairs: Vec<(usize, usize)> = Vec::new();
    for (index, card) in old.iter().enumerate() {
        if let Some(&other) = place.get(card.name)
            && pairs.last().is_none_or(|&(_, last)| other > last)
        {
            pairs.push((index, other));
        }
    }
    pairs
}

fn longest(old: &[Card<'_>], new: &[Card<'_>]) -> Vec<(usize, usize)> {
    let width = new.len() + 1;
    // best[i·width + j]: the most likeness between old[i..] and new[j..].
    let mut best = vec![0u32; (old.len() + 1) * width];
    let at = |best: &[u32], i: usize, j: usize| best.get(i * width + j).copied().unwrap_or(0);
    for (i, a) in old.iter().enumerate().rev() {
        for (j, b) in new.iter().enumerate().rev() {
            let likeness = a.likeness(b);
            let together = if likeness > 0 { likeness + at(&best, i + 1, j + 1) } else { 0 };
            let most = together.max(at(&best, i + 1, j)).max(at(&best, i, j + 1));
            if let Some(cell) = best.get_mut(i * width + j) {
                *cell = most;
            }
        }
    }
    let (mut i, mut j, mut pairs) = (0, 0, Vec::new());
    while let (Some(a), Some(b)) = (old.get(i), new.get(j)) {
        let likeness = a.likeness(b);
        if likeness > 0 && at(&best, i, j) == likeness + at(&best, i + 1, j + 1) {
            pairs.push((i, j));
            (i, j) = (i + 1, j + 1);
        } else if at(&best, i, j) == at(&best, i + 1, j) {
            i += 1;
        } else {
            j += 1;
        }
    }
    pairs
}
