//! What is in force in each layer, attribute by attribute, with who decided it.

use super::View;
use crate::graph::catalog;
use crate::graph::dims::Padding;
use crate::graph::flat::{extent, number};
use crate::graph::layer::Divisor;
use crate::graph::layer::{Layer, Rounding, Squares, Window, ZeroChannels};
use crate::graph::layer_graph::Node;
use crate::lower::defaults::InitRule;
use crate::lower::program::{Op, OpKind, VarianceEstimate};
use crate::source::Span;
use crate::text::shortest;
use petgraph::graph::NodeIndex;

/// Who decided on a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decided {
    /// The spec, here.
    Spec(Span),
    /// The recipe, a `--set` or a profile under this key, or what stands in for them.
    Recipe(&'static [&'static str]),
    /// The language.
    Language,
}

/// One value of one layer.
#[derive(Debug, Clone, PartialEq)]
pub struct Fact {
    /// The attribute's name in the language.
    pub name: &'static str,
    /// What it is.
    pub value: String,
    /// Who decided it.
    pub by: Decided,
    /// The recipe's key for it, which decides where the spec is silent; none where the recipe has no say.
    pub key: Option<&'static [&'static str]>,
    /// Whether another value would compute something else here.
    pub effect: bool,
    /// Whether the spec has to give it.
    pub required: bool,
}

/// Every value of a layer.
pub fn of(view: &View, index: NodeIndex) -> Vec<Fact> {
    let Some(node) = view.shaped.graph.graph.node_weight(index) else { return Vec::new() };
    let required = |name| {
        catalog::find(node.layer.word())
            .and_then(|entry| entry.attributes.iter().find(|attribute| attribute.name == name))
            .is_some_and(|attribute| attribute.default.is_none())
    };
    values(view, index, node)
        .into_iter()
        .map(|Held { name, value, effect, key }| {
            let by = match (node.given(name), key) {
                (Some(span), _) => Decided::Spec(span),
                (None, Some(key)) => Decided::Recipe(key),
                (None, None) => Decided::Language,
            };
            Fact { name, value, by, key, effect, required: required(name) }
        })
        .collect()
}

/// A value that a layer has, whoever decided it.
struct Held {
    name: &'static str,
    value: String,
    effect: bool,
    key: Option<&'static [&'static str]>,
}

impl Held {
    /// One that always has an effect, and of which the recipe says nothing.
    fn new(name: &'static str, value: impl ToString) -> Held {
        Held { name, value: value.to_string(), effect: true, key: None }
    }

    /// One that the recipe decides under this key where the spec is silent.
    fn or_recipe(self, key: &'static [&'static str]) -> Held {
        Held { key: Some(key), ..self }
    }

    /// One that may have no effect.
    fn effective(self, effect: bool) -> Held {
        Held { effect, ..self }
    }
}

/// Every value that a layer has.
fn values(view: &View, index: NodeIndex, node: &Node) -> Vec<Held> {
    let padding = view.shaped.padding(index);
    match &node.layer {
        Layer::Input { shape } => vec![Held::new("shape", shape)],
        Layer::Conv { out, window, groups, bias } => vec![
            Held::new("width", out),
            Held::new("kernel", window.kernel),
            Held::new("stride", extent(window.stride)),
            Held::new("pad", padding),
            Held::new("dilation", extent(window.dilation)).effective(window.kernel.longest() > 1),
            Held::new("groups", groups),
            Held::new("bias", bias),
            init(view.recipe.init.conv).or_recipe(&["init", "conv"]),
        ],
        Layer::Linear { out, bias } => vec![
            Held::new("width", out),
            Held::new("bias", bias),
            init(view.recipe.init.linear).or_recipe(&["init", "linear"]),
        ],
        Layer::BatchNorm { .. } => norm(view, index, &node.name),
        Layer::MaxPool { window } => pool(view, index, window, padding),
        Layer::AvgPool { window, divisor } => {
            let mut values = pool(view, index, window, padding);
            let divisor = match divisor {
                Divisor::ImageOnly => "image",
                Divisor::PaddedWindow => "window",
            };
            // Without padding, and without a window that hangs over, both divide by the same.
            let differs =
                !padding.is_zero() || (window.rounding == Rounding::Ceil && over(view, index, window, padding));
            values.push(Held::new("divisor", divisor).or_recipe(&["pooling", "divisor"]).effective(differs));
            values
        }
        Layer::Lrn { size, alpha, beta, k, squares } => {
            let squares = match squares {
                Squares::Sum => "sum",
                Squares::Mean => "mean",
            };
            vec![
                Held::new("size", size),
                Held::new("alpha", number(*alpha)),
                Held::new("beta", number(*beta)),
                Held::new("k", number(*k)),
                Held::new("squares", squares).or_recipe(&["lrn", "squares"]).effective(*size > 1),
            ]
        }
        Layer::Dropout { rate } => vec![Held::new("rate", number(*rate))],
        Layer::Subsample { stride } => vec![Held::new("stride", extent(*stride))],
        Layer::PadChannels { to, place } => {
            let place = match place {
                ZeroChannels::Split => "split",
                ZeroChannels::End => "end",
            };
            vec![Held::new("width", to), Held::new("place", place)]
        }
        Layer::Relu
        | Layer::Tanh
        | Layer::Sigmoid
        | Layer::GlobalAvgPool
        | Layer::Flatten
        | Layer::Add
        | Layer::Concat => Vec::new(),
    }
}

fn init(rule: InitRule) -> Held {
    let text = match rule.number() {
        Some((kind, key, value)) => format!("{kind}, {key} {}", number(value)),
        None => rule.name().to_string(),
    };
    Held::new("init", text)
}

/// As it was lowered: the program is what runs.
fn norm(view: &View, index: NodeIndex, name: &str) -> Vec<Held> {
    // Operations are in the order of the layers, less the input.
    let near = index.index().checked_sub(1).and_then(|index| view.program.ops.get(index));
    let op = near.filter(|op| op.name == name).or_else(|| view.program.ops.iter().find(|op| op.name == name));
    let Some(Op { kind: OpKind::BatchNorm { epsilon, decay, running_variance, .. }, .. }) = op else {
        return Vec::new();
    };
    let estimate = match running_variance {
        VarianceEstimate::Unbiased => "unbiased",
        VarianceEstimate::Biased => "biased",
    };
    vec![
        Held::new("epsilon", shortest(*epsilon)).or_recipe(&["batch_norm", "epsilon"]),
        Held::new("decay", shortest(*decay)).or_recipe(&["batch_norm", "decay"]),
        Held::new("running_variance", estimate).or_recipe(&["batch_norm", "running_variance"]),
    ]
}

fn pool(view: &View, index: NodeIndex, window: &Window, padding: Padding) -> Vec<Held> {
    let rounding = match window.rounding {
        Rounding::Ceil => "ceil",
        Rounding::Floor => "floor",
    };
    let differs = over(view, index, window, padding);
    vec![
        Held::new("kernel", window.kernel),
        Held::new("stride", extent(window.stride)),
        Held::new("pad", padding),
        Held::new("round", rounding).or_recipe(&["pooling", "rounding"]).effective(differs),
    ]
}

/// Whether windows at this stride do not end at the edge: where floor and ceil part.
fn over(view: &View, index: NodeIndex, window: &Window, padding: Padding) -> bool {
    let plane = view.shaped.input_shape(index).plane();
    let rest = |size: usize, pads: usize, kernel: usize, stride: usize| {
        (size + pads).saturating_sub(kernel).checked_rem(stride).is_some_and(|rest| rest != 0)
    };
    rest(plane.height, padding.top + padding.bottom, window.kernel.height, window.stride.height)
        || rest(plane.width, padding.left + padding.right, window.kernel.width, window.stride.width)
}
