//! Every value in force, and who said it: what `netc defaults` prints.

use super::View;
use super::facts::{self, Decided, Fact};
use crate::lower::program::Role;
use crate::recipe::origin::line;
use crate::recipe::parse::yaml;
use crate::text::shortest;
use serde::Serialize;
use serde_yaml::Value;
use std::collections::BTreeMap;

/// One value in force.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// `layers`, or the part of the recipe.
    pub section: String,
    /// What has the value: `bn epsilon`, `optimizer.momentum`.
    pub what: String,
    /// The value.
    pub value: String,
    /// What it means, where its word does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub meaning: Option<String>,
    /// The layers that have it; empty for what is not a layer's.
    pub layers: Vec<String>,
    /// How many layers there are of this kind.
    #[serde(skip)]
    pub of: usize,
    /// Who said it, and for how many layers.
    pub from: Vec<Source>,
}

/// Who said a value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Source {
    /// `spec`, `recipe`, `set`, `profile`, `built-in`.
    pub kind: &'static str,
    /// Place or name.
    pub at: String,
    /// For how many layers; 1 where it is not a layer's.
    pub layers: usize,
}

/// All values. Keys of the recipe that nothing in this network asks for are left out unless `all`.
pub fn rows(view: &View, all: bool) -> Vec<Row> {
    let mut rows = of_layers(view);
    rows.extend(decays(view));
    for (path, value) in flatten(&view.tree()) {
        let key: Vec<&str> = path.iter().map(String::as_str).collect();
        if key.first() == Some(&"profile") || !(all || matters(view, &key)) || (!all && is_reported(&key)) {
            continue;
        }
        let origin = view.origins.of(&key);
        rows.push(Row {
            section: "recipe".into(),
            what: path.join("."),
            meaning: meaning(&key, &value).map(str::to_string),
            value,
            layers: Vec::new(),
            of: 0,
            from: vec![Source { kind: origin.kind(), at: origin.describe(&view.sources), layers: 1 }],
        });
    }
    rows
}

/// One row for each value that an attribute has somewhere, with the layers that have it.
fn of_layers(view: &View) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    let mut place: BTreeMap<(&str, &str, String), usize> = BTreeMap::new();
    let graph = &view.shaped.graph.graph;
    for index in graph.node_indices() {
        let Some(node) = graph.node_weight(index) else { continue };
        let word = node.layer.word();
        for fact in facts::of(view, index).into_iter().filter(|fact| !fact.required) {
            let (kind, at) = match fact.by {
                Decided::Spec(span) => ("spec", line(span, &view.sources)),
                Decided::Recipe(key) => {
                    let origin = view.origins.of(key);
                    (origin.kind(), origin.describe(&view.sources))
                }
                Decided::Language => ("built-in", "built-in".to_string()),
            };
            let row = *place.entry((word, fact.name, fact.value.clone())).or_insert_with(|| {
                rows.push(Row {
                    section: "layers".into(),
                    what: format!("{word} {}", fact.name),
                    meaning: attribute_meaning(&fact),
                    value: fact.value.clone(),
                    layers: Vec::new(),
                    of: view.count(word),
                    from: Vec::new(),
                });
                rows.len() - 1
            });
            let Some(row) = rows.get_mut(row) else { continue };
            row.layers.push(node.name.clone());
            match row.from.iter_mut().find(|source| source.at == at) {
                Some(source) => source.layers += 1,
                None => row.from.push(Source { kind, at, layers: 1 }),
            }
        }
    }
    // Attribute by attribute, in the order in which the layers come.
    let mut order: Vec<String> = Vec::new();
    for row in &rows {
        if !order.contains(&row.what) {
            order.push(row.what.clone());
        }
    }
    let kind = |what: &str| what.split(' ').next().unwrap_or_default().to_string();
    let mut kinds: Vec<String> = Vec::new();
    for what in &order {
        if !kinds.contains(&kind(what)) {
            kinds.push(kind(what));
        }
    }
    let rank = |what: &str| {
        let position = |list: &[String], text: &str| list.iter().position(|entry| entry == text);
        (position(&kinds, &kind(what)), position(&order, what))
    };
    rows.sort_by_key(|row| rank(&row.what));
    rows
}

/// Weight decay as it reaches each kind of tensor: factor and exceptions worked in.
fn decays(view: &View) -> Vec<Row> {
    let optimizer = &view.recipe.optimizer;
    roles(view)
        .into_iter()
        .map(|(role, tensors)| {
            let mut from: Vec<Source> = Vec::new();
            // What has no part in the number is not named for it.
            let excepted = optimizer.decay(role) == 0.0 && optimizer.coefficient() != 0.0;
            for (path, counts) in [
                (["optimizer", "weight_decay"], !excepted),
                (["optimizer", "decay_factor"], !excepted && optimizer.decay_factor != 1.0),
                (["optimizer", "decay_except"], excepted),
            ] {
                if !counts {
                    continue;
                }
                let origin = view.origins.of(&path);
                let at = origin.describe(&view.sources);
                if !from.iter().any(|source| source.at == at) {
                    from.push(Source { kind: origin.kind(), at, layers: 1 });
                }
            }
            Row {
                section: "decay".into(),
                what: format!("decay of {} {}", tensors.len(), role_name(role, tensors.len())),
                value: shortest(view.recipe.optimizer.decay(role)),
                meaning: None,
                layers: tensors,
                of: 0,
                from,
            }
        })
        .collect()
}

/// The tensors of each role that the network has.
pub fn roles(view: &View) -> Vec<(Role, Vec<String>)> {
    let all = [Role::ConvWeight, Role::LinearWeight, Role::Bias, Role::NormScale, Role::NormShift];
    let of = |role| {
        view.program.parameters.iter().filter(|parameter| parameter.role == role).map(|p| p.name.clone()).collect()
    };
    all.into_iter()
        .map(|role| (role, of(role)))
        .filter(|(_, tensors): &(Role, Vec<String>)| !tensors.is_empty())
        .collect()
}

/// What the tensors of a role are called.
pub fn role_name(role: Role, count: usize) -> &'static str {
    match (role, count) {
        (Role::ConvWeight, 1) => "conv weight",
        (Role::ConvWeight, _) => "conv weights",
        (Role::LinearWeight, 1) => "linear weight",
        (Role::LinearWeight, _) => "linear weights",
        (Role::Bias, 1) => "bias",
        (Role::Bias, _) => "biases",
        (Role::NormScale, 1) => "bn scale",
        (Role::NormScale, _) => "bn scales",
        (Role::NormShift, 1) => "bn shift",
        (Role::NormShift, _) => "bn shifts",
    }
}

/// Every value of a tree with its path; a list is one value.
pub fn flatten(tree: &Value) -> Vec<(Vec<String>, String)> {
    yaml::leaves(tree).into_iter().map(|(path, value)| (path, inline(value))).collect()
}

/// A value on one line.
fn inline(value: &Value) -> String {
    match value {
        Value::Null => "none".into(),
        Value::String(text) => text.clone(),
        Value::Sequence(items) => format!("[{}]", items.iter().map(inline).collect::<Vec<_>>().join(", ")),
        // A small number reads better with its power of ten.
        Value::Number(number) => match number.as_f64() {
            Some(value) if value != 0.0 && value.abs() < 1e-2 => format!("{value:e}"),
            _ => number.to_string(),
        },
        other => serde_yaml::to_string(other).unwrap_or_default().trim_end().to_string(),
    }
}

/// Keys that the rows of the layers and of the decay report already.
pub fn is_reported(key: &[&str]) -> bool {
    if key == ["init", "bias"] {
        return false;
    }
    matches!(
        key,
        ["init", ..]
            | ["batch_norm", "epsilon" | "decay" | "running_variance"]
            | ["pooling", ..]
            | ["lrn", ..]
            | ["optimizer", "weight_decay" | "decay_factor" | "decay_except"]
    )
}

/// Whether a key of the recipe can change anything for this network.
pub fn matters(view: &View, key: &[&str]) -> bool {
    let optimizer = &view.recipe.optimizer;
    match key {
        ["init", "conv"] => view.count("conv") > 0,
        ["init", "linear"] => view.count("linear") > 0,
        ["batch_norm", ..] => view.count("bn") > 0,
        ["pooling", "rounding"] => view.count("max_pool") + view.count("avg_pool") > 0,
        ["pooling", "divisor"] => view.count("avg_pool") > 0,
        ["lrn", ..] => view.count("lrn") > 0,
        ["optimizer", "momentum_form" | "nesterov"] => optimizer.momentum() > 0.0,
        ["optimizer", "decay_form" | "decay_factor" | "decay_except"] => optimizer.weight_decay > 0.0,
        ["augment", "pad_value"] => view.recipe.augment.pad > 0,
        _ => true,
    }
}

/// What a word of the recipe stands for.
pub fn meaning(key: &[&str], value: &str) -> Option<&'static str> {
    Some(match (key, value) {
        (["init", ..], "he-normal") => "N(0, 2/fan_in), biases 0",
        (["init", ..], "he-uniform") => "U(±√(6/fan_in)), biases 0",
        (["init", ..], "he-normal-fan-out") => "N(0, 2/fan_out), biases 0",
        (["init", ..], "he-uniform-fan-out") => "U(±√(6/fan_out)), biases 0",
        (["init", ..], "glorot-normal") => "N(0, 2/(fan_in + fan_out)), biases 0",
        (["init", ..], "glorot-uniform") => "U(±√(6/(fan_in + fan_out))), biases 0",
        (["init", ..], "torch") => "U(±1/√fan_in), biases too",
        (["init", ..], "variance-scaling") => "normal of variance 1/fan_in cut off at two deviations, biases 0",
        (["init", ..], "zero") => "all 0",
        (["optimizer", "momentum_form"], "torch") => "v = μ·v + g; w -= rate·v",
        (["optimizer", "momentum_form"], "sutskever") => "v = μ·v - rate·g; w += v",
        (["optimizer", "decay_form"], "gradient") => "g += λ·w before momentum",
        (["optimizer", "decay_form"], "decoupled") => "w -= rate·λ·w beside the step",
        (["lrn", "squares"], "mean") => "alpha is divided by the size",
        (["lrn", "squares"], "sum") => "alpha multiplies the sum itself",
        (["pooling", "divisor"], "window") => "padding counts",
        (["pooling", "divisor"], "image") => "padding does not count",
        (["batch_norm", "running_variance"], "unbiased") => "the batch's times m/(m - 1)",
        (["batch_norm", "running_variance"], "biased") => "the batch's as it is",
        (["batch_norm", "statistics"], "moving") => "evaluation uses the running averages",
        (["batch_norm", "statistics"], "population") => "evaluation uses true averages over the training images",
        (["precision"], "fp32") => "32-bit floats throughout",
        (["batch_norm", "group"], images) if images.parse::<usize>().is_ok() => {
            "images with statistics of their own in training, by position in the batch"
        }
        (["augment", "pad_value"], "zero") => "0 after normalisation: the mean colour",
        (["augment", "pad_value"], "black") => "0 before normalisation",
        _ => return None,
    })
}

/// The same for an attribute of a layer: the recipe has the same words for it.
fn attribute_meaning(fact: &Fact) -> Option<String> {
    let meant = match fact.key {
        Some(["batch_norm", "decay"]) => {
            let new: f64 = fact.value.parse().map_or(0.0, |decay: f64| ((1.0 - decay) * 1e6).round() / 1e6);
            return Some(format!("weight of the old average; PyTorch's momentum {new}"));
        }
        Some(key) => meaning(key, &fact.value),
        None => None,
    };
    match (meant, fact.effect) {
        (Some(meant), true) => Some(meant.to_string()),
        (Some(meant), false) => Some(format!("{meant}; no effect here")),
        (None, true) => None,
        (None, false) => Some("no effect here".to_string()),
    }
}
