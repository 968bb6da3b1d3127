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
        .map(|(name, value, effect)| {
            let by = match (node.given(name), recipe_key(node.layer.word(), name)) {
                (Some(span), _) => Decided::Spec(span),
                (None, Some(key)) => Decided::Recipe(key),
                (None, None) => Decided::Language,
            };
            Fact { name, value, by, effect, required: required(name) }
        })
        .collect()
}

/// The recipe's key for an attribute that the spec may leave open.
fn recipe_key(layer: &str, attribute: &str) -> Option<&'static [&'static str]> {
    Some(match (layer, attribute) {
        ("conv", "init") => &["init", "conv"],
        ("linear", "init") => &["init", "linear"],
        ("bn", "epsilon") => &["batch_norm", "epsilon"],
        ("bn", "decay") => &["batch_norm", "decay"],
        ("bn", "running_variance") => &["batch_norm", "running_variance"],
        ("max_pool" | "avg_pool", "round") => &["pooling", "rounding"],
        ("avg_pool", "divisor") => &["pooling", "divisor"],
        ("lrn", "squares") => &["lrn", "squares"],
        _ => return None,
    })
}

/// Name, value, and whether it has an effect.
fn values(view: &View, index: NodeIndex, node: &Node) -> Vec<(&'static str, String, bool)> {
    let padding = view.shaped.padding(index);
    let init = |rule: InitRule| {
        let text = match rule.number() {
            Some((kind, key, value)) => format!("{kind}, {key} {}", number(value)),
            None => rule.name().to_string(),
        };
        ("init", text, true)
    };
    match &node.layer {
        Layer::Input { shape } => vec![("shape", shape.to_string(), true)],
        Layer::Conv { out, window, groups, bias } => vec![
            ("width", out.to_string(), true),
            ("kernel", window.kernel.to_string(), true),
            ("stride", extent(window.stride), true),
            ("pad", padding.to_string(), true),
            ("dilation", extent(window.dilation), window.kernel.longest() > 1),
            ("groups", groups.to_string(), true),
            ("bias", bias.to_string(), true),
            init(view.recipe.init.conv),
        ],
        Layer::Linear { out, bias } => {
            vec![("width", out.to_string(), true), ("bias", bias.to_string(), true), init(view.recipe.init.linear)]
        }
        Layer::BatchNorm { .. } => norm(view, index, &node.name),
        Layer::MaxPool { window } => pool(view, index, window, padding),
        Layer::AvgPool { window, divisor } => {
            let mut values = pool(view, index, window, padding);
            let divisor = if *divisor == Divisor::ImageOnly { "image" } else { "window" };
            // Without padding, and without a window that hangs over, both divide by the same.
            let differs =
                !padding.is_zero() || (window.rounding == Rounding::Ceil && over(view, index, window, padding));
            values.push(("divisor", divisor.to_string(), differs));
            values
        }
        Layer::Lrn { size, alpha, beta, k, squares } => vec![
            ("size", size.to_string(), true),
            ("alpha", number(*alpha), true),
            ("beta", number(*beta), true),
            ("k", number(*k), true),
            ("squares", if *squares == Squares::Sum { "sum" } else { "mean" }.to_string(), *size > 1),
        ],
        Layer::Dropout { rate } => vec![("rate", number(*rate), true)],
        Layer::Subsample { stride } => vec![("stride", extent(*stride), true)],
        Layer::PadChannels { to, place } => vec![
            ("width", to.to_string(), true),
            ("place", if *place == ZeroChannels::Split { "split" } else { "end" }.to_string(), true),
        ],
        Layer::Relu
        | Layer::Tanh
        | Layer::Sigmoid
        | Layer::GlobalAvgPool
        | Layer::Flatten
        | Layer::Add
        | Layer::Concat => Vec::new(),
    }
}

/// As it was lowered: the program is what runs.
fn norm(view: &View, index: NodeIndex, name: &str) -> Vec<(&'static str, String, bool)> {
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
        ("epsilon", shortest(*epsilon), true),
        ("decay", shortest(*decay), true),
        ("running_variance", estimate.to_string(), true),
    ]
}

fn pool(view: &View, index: NodeIndex, window: &Window, padding: Padding) -> Vec<(&'static str, String, bool)> {
    let rounding = if window.rounding == Rounding::Ceil { "ceil" } else { "floor" };
    vec![
        ("kernel", window.kernel.to_string(), true),
        ("stride", extent(window.stride), true),
        ("pad", padding.to_string(), true),
        ("round", rounding.to_string(), over(view, index, window, padding)),
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
