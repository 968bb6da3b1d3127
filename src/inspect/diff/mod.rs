//! What differs between two networks under their recipes: by meaning, not by text.
//!
//! Layers are laid beside each other (`align.rs`), then value by value; equal changes of many layers become one. Only what
//! changes something here is told: a divisor without padding, or the form of a momentum whose rate never changes, is not.

mod align;

use super::View;
use super::facts::{self, Fact};
use super::values::{flatten, is_reported, matters, meaning, role_name, roles};
use crate::graph::flat::words;
use crate::graph::summary::summarize;
use crate::lower::program::Init;
use crate::recipe::schedule::Schedule;
use crate::text::shortest;
use align::{Pairs, align};
use petgraph::graph::NodeIndex;
use serde::Serialize;

/// One change, of one layer or of many.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Change {
    /// What it belongs to: `layers`, `shapes`, `starting weights`, `batch norm`, `pooling`, `lrn`, `decay`, `recipe`.
    pub section: &'static str,
    /// What changes, without the layers: `epsilon`, `optimizer.momentum`.
    pub what: String,
    /// The kind of the layers or tensors; empty for what is not a layer's.
    pub kind: String,
    /// Before.
    pub from: String,
    /// After.
    pub to: String,
    /// What the words stand for, in numbers where there are some.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub meaning: Option<String>,
    /// The layers or tensors it is true for.
    pub layers: Vec<String>,
    /// Whether that is all there are of the kind.
    pub all: bool,
}

/// A layer that only one of the two has.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Part {
    /// Its name.
    pub name: String,
    /// As it is written.
    pub text: String,
    /// What it gives.
    pub output: String,
}

/// A network as a whole.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Side {
    /// Its name.
    pub net: String,
    /// Trained numbers.
    pub params: u64,
    /// Multiply-adds of an image.
    pub macs: u64,
    /// Layers, the input not counted.
    pub layers: usize,
}

/// All that differs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Difference {
    /// The first.
    pub a: Side,
    /// The second.
    pub b: Side,
    /// Layers that only the first has.
    pub removed: Vec<Part>,
    /// Layers that only the second has.
    pub added: Vec<Part>,
    /// What changes in layers that both have, and in the recipe.
    pub changes: Vec<Change>,
}

impl Difference {
    /// Whether both are the same. Names of nets do not count.
    pub fn is_none(&self) -> bool {
        self.removed.is_empty() && self.added.is_empty() && self.changes.is_empty()
    }
}

/// Compares two networks.
pub fn compare(a: &View, b: &View) -> Difference {
    let pairs = align(a, b);
    let part = |view: &View, index: usize| {
        let index = NodeIndex::new(index);
        let node = view.shaped.graph.graph.node_weight(index)?;
        Some(Part {
            name: node.name.clone(),
            text: words(&view.shaped, index, node),
            output: view.shaped.shape(index).to_string(),
        })
    };
    let mut changes = Changes { a, b, list: Vec::new() };
    for &(old, new) in &pairs.both {
        changes.layer(NodeIndex::new(old), NodeIndex::new(new), &pairs);
    }
    changes.finish();
    Difference {
        a: side(a),
        b: side(b),
        removed: pairs.only_a.iter().filter_map(|&index| part(a, index)).collect(),
        added: pairs.only_b.iter().filter_map(|&index| part(b, index)).collect(),
        changes: changes.list,
    }
}

fn side(view: &View) -> Side {
    let summary = summarize(&view.shaped);
    let layers = summary.layers.len().saturating_sub(1);
    Side { net: summary.net, params: summary.params, macs: summary.macs, layers }
}

struct Changes<'a> {
    a: &'a View,
    b: &'a View,
    list: Vec<Change>,
}

impl Changes<'_> {
    /// Notes a change; one that another layer of the kind has too is added to that.
    fn note(&mut self, section: &'static str, what: &str, kind: &str, from: String, to: String, layer: &str) {
        let same =
            |change: &&mut Change| change.what == what && change.kind == kind && change.from == from && change.to == to;
        match self.list.iter_mut().find(same) {
            Some(change) => change.layers.push(layer.to_string()),
            None => self.list.push(Change {
                section,
                what: what.to_string(),
                kind: kind.to_string(),
                from,
                to,
                meaning: None,
                layers: if layer.is_empty() { Vec::new() } else { vec![layer.to_string()] },
                all: false,
            }),
        }
    }

    fn layer(&mut self, old: NodeIndex, new: NodeIndex, pairs: &Pairs) {
        let node = |view: &'_ View, index| view.shaped.graph.graph.node_weight(index).cloned();
        let (Some(before), Some(after)) = (node(self.a, old), node(self.b, new)) else { return };
        let name = if before.name == after.name { after.name } else { format!("{} / {}", before.name, after.name) };
        let word = after.layer.word();
        if before.layer.word() != word {
            let (from, to) = (words_of(self.a, old), words_of(self.b, new));
            self.note("layers", "layer", "", from, to, &name);
        } else {
            let (before, after) = (facts::of(self.a, old), facts::of(self.b, new));
            for Fact { name: attribute, value, effect, .. } in &after {
                if let Some(old) = before.iter().find(|fact| fact.name == *attribute)
                    && old.value != *value
                    && (*effect || old.effect)
                {
                    self.note(section(word, attribute), attribute, word, old.value.clone(), value.clone(), &name);
                }
            }
        }
        let (from, to) = (self.a.shaped.shape(old), self.b.shaped.shape(new));
        if from != to && word != "input" {
            self.note("shapes", "output", "layers", from.to_string(), to.to_string(), &name);
        }
        if let Some((from, to)) = reads(self.a, old, self.b, new, pairs) {
            self.note("layers", "inputs", word, from, to, &name);
        }
    }

    /// What is not a layer's, and what the words of the layers stand for.
    fn finish(&mut self) {
        let (a, b) = (self.a, self.b);
        for change in &mut self.list {
            let all = change.layers.len() == b.count(&change.kind) && change.layers.len() == a.count(&change.kind);
            change.all = all && change.layers.len() > 1;
            if change.what == "init" {
                let of = |view: &View, rule: &str| {
                    let words = meaning(&["init", ""], rule).unwrap_or(rule);
                    let (low, high) = deviations(view, &change.layers);
                    if low == high {
                        format!("{words}, std {low:.4}")
                    } else {
                        format!("{words}, std {low:.4} to {high:.4}")
                    }
                };
                change.meaning = Some(format!("{} -> {}", of(a, &change.from), of(b, &change.to)));
            }
        }
        for (role, tensors) in roles(b) {
            let (from, to) = (a.recipe.optimizer.decay(role), b.recipe.optimizer.decay(role));
            if from != to && roles(a).iter().any(|(other, _)| *other == role) {
                let word = |value: f32| if value == 0.0 { "none".to_string() } else { shortest(value) };
                let kind = role_name(role, 2);
                for tensor in &tensors {
                    self.note("decay", "weight decay", kind, word(from), word(to), tensor);
                }
                self.list.iter_mut().filter(|change| change.kind == kind).for_each(|change| change.all = true);
            }
        }
        self.recipe();
        const ORDER: [&str; 8] =
            ["layers", "shapes", "starting weights", "batch norm", "pooling", "lrn", "decay", "recipe"];
        self.list.sort_by_key(|change| ORDER.iter().position(|section| *section == change.section));
    }

    fn recipe(&mut self) {
        let (a, b) = (self.a, self.b);
        let (old, new) = (flatten(&a.tree()), flatten(&b.tree()));
        let mut paths: Vec<&Vec<String>> = new.iter().map(|(path, _)| path).collect();
        paths.extend(old.iter().map(|(path, _)| path).filter(|path| !new.iter().any(|(other, _)| other == *path)));
        // Both forms of momentum make the same steps while the rate stays.
        let steady = a.recipe.schedule == Schedule::default() && b.recipe.schedule == Schedule::default();
        for path in paths {
            let key: Vec<&str> = path.iter().map(String::as_str).collect();
            let idle = key == ["optimizer", "momentum_form"] && steady;
            if is_reported(&key) || key.first() == Some(&"profile") || idle || !(matters(a, &key) || matters(b, &key)) {
                continue;
            }
            let value = |leaves: &[(Vec<String>, String)]| {
                leaves.iter().find(|(other, _)| other == path).map_or_else(|| "not set".to_string(), |(_, v)| v.clone())
            };
            let (from, to) = (value(&old), value(&new));
            if from != to {
                let words = meaning(&key, &from).zip(meaning(&key, &to));
                self.note("recipe", &path.join("."), "", from, to, "");
                if let Some(change) = self.list.last_mut() {
                    change.meaning = words.map(|(from, to)| format!("{from} -> {to}"));
                }
            }
        }
    }
}

fn words_of(view: &View, index: NodeIndex) -> String {
    view.shaped.graph.graph.node_weight(index).map(|node| words(&view.shaped, index, node)).unwrap_or_default()
}

fn section(word: &str, attribute: &str) -> &'static str {
    match (word, attribute) {
        (_, "init") => "starting weights",
        ("bn", _) => "batch norm",
        ("max_pool" | "avg_pool", _) => "pooling",
        ("lrn", _) => "lrn",
        _ => "layers",
    }
}

/// What two layers read, if that is not the same; layers that only one side has are another matter.
fn reads(a: &View, old: NodeIndex, b: &View, new: NodeIndex, pairs: &Pairs) -> Option<(String, String)> {
    let (before, after) = (a.shaped.graph.inputs(old), b.shaped.graph.inputs(new));
    let mapped: Option<Vec<usize>> = before.iter().map(|index| pairs.after(index.index())).collect();
    let known = after.iter().all(|index| pairs.before(index.index()).is_some());
    let after_indices: Vec<usize> = after.iter().map(|index| index.index()).collect();
    if mapped? == after_indices || !known {
        return None;
    }
    let names = |view: &View, list: &[NodeIndex]| {
        let names: Vec<&str> = list
            .iter()
            .filter_map(|&index| view.shaped.graph.graph.node_weight(index).map(|node| node.name.as_str()))
            .collect();
        names.join(", ")
    };
    Some((names(a, &before), names(b, &after)))
}

/// The least and the greatest standard deviation with which the weights of some layers start.
fn deviations(view: &View, layers: &[String]) -> (f64, f64) {
    let names: std::collections::HashSet<String> =
        layers.iter().flat_map(|layer| layer.split(" / ")).map(|layer| format!("{layer}.weight")).collect();
    let inits = view.program.parameters.iter().filter(|parameter| names.contains(&parameter.name));
    let all: Vec<f64> = inits.map(|parameter| Init::std(parameter.init)).collect();
    (all.iter().copied().fold(f64::INFINITY, f64::min), all.iter().copied().fold(0.0, f64::max))
}

#[cfg(test)]
mod tests;
