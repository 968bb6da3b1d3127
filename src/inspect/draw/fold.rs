//! Passes that say the same, one after another, are drawn once.

use super::tree::{Group, Tree};
use crate::graph::layer_graph::LayerGraph;
use crate::graph::shape::Shaped;
use petgraph::graph::NodeIndex;
use std::collections::{HashMap, HashSet};

/// Leaves out each group that is the one before it over again; gives the layer that stands for each one left out.
pub fn fold(shaped: &Shaped, trees: Vec<Tree>) -> (Vec<Tree>, HashMap<usize, usize>) {
    let mut instead = HashMap::new();
    let trees = level(shaped, trees, &mut instead);
    (trees, instead)
}

fn level(shaped: &Shaped, trees: Vec<Tree>, instead: &mut HashMap<usize, usize>) -> Vec<Tree> {
    let mut kept: Vec<Tree> = Vec::new();
    // The pass before, of those that the last kept group stands for.
    let mut before: Option<Vec<usize>> = None;
    for tree in trees {
        let Tree::Group(mut group) = tree else {
            before = None;
            kept.push(tree);
            continue;
        };
        if let (Some(Tree::Group(first)), Some(last)) = (kept.last_mut(), &before)
            && again(shaped, first, last, &group)
        {
            instead.extend(group.layers.iter().copied().zip(first.layers.iter().copied()));
            first.times += 1;
            first.stands_for.extend(&group.layers);
            before = Some(group.layers);
            continue;
        }
        before = Some(group.layers.clone());
        group.children = level(shaped, std::mem::take(&mut group.children), instead);
        kept.push(Tree::Group(group));
    }
    kept
}

/// Whether `group` does what `first` does to what `last`, the pass before it, gives; and nothing else reads `last`.
fn again(shaped: &Shaped, first: &Group, last: &[usize], group: &Group) -> bool {
    if first.call != group.call
        || first.pass.is_some() != group.pass.is_some()
        || first.layers.len() != group.layers.len()
    {
        return false;
    }
    let graph = &shaped.graph;
    let alike = first.layers.iter().zip(&group.layers).all(|(&a, &b)| {
        let (a, b) = (NodeIndex::new(a), NodeIndex::new(b));
        let layer = |index| graph.graph.node_weight(index).map(|node| &node.layer);
        layer(a) == layer(b)
            && shaped.shape(a) == shaped.shape(b)
            // With another input its weights are others.
            && shaped.input_shape(a) == shaped.input_shape(b)
            && shaped.padding(a) == shaped.padding(b)
            && reads(graph, a, &first.layers) == reads(graph, b, &group.layers)
    });
    let (Some(entry), Some(first_entry)) = (entry(graph, &group.layers), entry(graph, &first.layers)) else {
        return false;
    };
    let exit = last.iter().position(|&layer| layer == entry);
    let exits = |layers: &[usize]| -> HashSet<usize> {
        let inside: HashSet<usize> = layers.iter().copied().collect();
        let read_outside = |layer: usize| {
            let index = NodeIndex::new(layer);
            index == graph.output || graph.readers(index).any(|reader| !inside.contains(&reader.index()))
        };
        layers.iter().enumerate().filter(|&(_, &layer)| read_outside(layer)).map(|(place, _)| place).collect()
    };
    // Everything leaves through one layer, the same in each pass, and the pass before is read by this one alone.
    let only = exit.map(|exit| HashSet::from([exit]));
    let chained = only.is_some_and(|only| exits(last) == only && exits(&group.layers) == only);
    let mine: HashSet<usize> = group.layers.iter().copied().collect();
    let inside: HashSet<usize> = last.iter().copied().collect();
    let private = graph
        .readers(NodeIndex::new(entry))
        .all(|reader| mine.contains(&reader.index()) || inside.contains(&reader.index()));
    alike && chained && private && !first.layers.contains(&first_entry)
}

/// What a layer reads, by place inside the group; none for what comes from outside.
fn reads(graph: &LayerGraph, layer: NodeIndex, group: &[usize]) -> Vec<Option<usize>> {
    graph.inputs(layer).iter().map(|input| group.binary_search(&input.index()).ok()).collect()
}

/// The one layer outside that a group reads, if it is one.
fn entry(graph: &LayerGraph, group: &[usize]) -> Option<usize> {
    let mut outside = HashSet::new();
    for &layer in group {
        let inputs = graph.inputs(NodeIndex::new(layer));
        outside.extend(inputs.iter().map(|input| input.index()).filter(|input| group.binary_search(input).is_err()));
    }
    match outside.len() {
        1 => outside.into_iter().next(),
        _ => None,
    }
}
