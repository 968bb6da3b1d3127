//! N011: paths that meet look at different pixels.
//!
//! ## What it does
//! Follows the centres of all windows through the net, and warns of an `add` or `concat` of maps whose outputs are centred
//! half a step or more apart, a step being the distance in the image between neighbouring outputs. Less than that is not
//! told: an average of 2x2 pixels as the shortcut of a 3x3 convolution at stride 2 is a quarter of a step off, and cannot
//! be nearer. A window that E0401 or N012 tells of is told there alone.
//!
//! ## Why is this bad?
//! The sizes agree, so nothing crashes, but a number is added to that of a neighbouring pixel: a residual block then has
//! to learn the shift before it can learn anything else, and an identity it can never be. It comes of pools that are
//! rounded up instead of padded, and of padding that has more on one side.
//!
//! ## Example
//! ```layers
//! residual { max_pool 3x3 stride 2 ceil; conv 3 3x3 pad 1; bn } shortcut { subsample 2 }
//! ```
//!
//! ## Use instead
//! ```layers
//! residual { max_pool 3x3 stride 2 pad 1 floor; conv 3 3x3 pad 1; bn } shortcut { subsample 2 }
//! ```
//!
//! ## Reference
//! Araujo, Norris, Sim 2019, "Computing Receptive Fields of Convolutional Neural Networks", on alignment where paths meet;
//! `conv2d_fixed_padding` in TensorFlow's official ResNet, which pads so that the two paths of a block agree.

use super::Run;
use crate::check::{Check, Context};
use crate::diagnostic::{Code, Diagnostic};
use crate::graph::dims::Shape;
use crate::graph::layer::{Layer, Pad};
use petgraph::graph::NodeIndex;
use std::collections::HashSet;

/// This check.
pub const CHECK: Check<Run> =
    Check { code: Code::MisalignedPaths, file: include_str!("misaligned_paths.rs"), run: Run::Shapes(check) };

/// Where the outputs of a layer are centred along one direction of the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Axis {
    /// Twice the pixel of the first one, so that a centre between two pixels is a number too.
    doubled: i64,
    /// Pixels from one to the next.
    step: i64,
}

impl Axis {
    fn slide(self, taps: usize, dilation: usize, stride: usize, before: usize) -> Self {
        let number = |value: usize| i64::try_from(value).unwrap_or(i64::MAX);
        let reach = number(taps.saturating_sub(1)).saturating_mul(number(dilation));
        let shift = reach.saturating_sub(number(before).saturating_mul(2)).saturating_mul(self.step);
        Axis { doubled: self.doubled.saturating_add(shift), step: self.step.saturating_mul(number(stride)) }
    }

    /// Half a step or more from another; where the steps differ there is no telling.
    fn is_beside(self, other: Axis) -> bool {
        self.step == other.step && self.doubled.abs_diff(other.doubled) >= self.step.unsigned_abs()
    }

    /// The pixels of the first outputs, such as `1, 3, 5, …`.
    fn pixels(self) -> String {
        let pixel = |output: i64| {
            let doubled = self.doubled.saturating_add(self.step.saturating_mul(2).saturating_mul(output));
            format!("{}", doubled as f64 / 2.0)
        };
        format!("{}, {}, {}, …", pixel(0), pixel(1), pixel(2))
    }
}

type Centres = Option<[Axis; 2]>;

fn check(context: &Context<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let graph = &context.shaped.graph;
    let mut centres: Vec<Centres> = Vec::with_capacity(graph.graph.node_count());
    let mut reported = HashSet::new();
    for index in graph.graph.node_indices() {
        let inputs = graph.inputs(index);
        let of = |node: NodeIndex| centres.get(node.index()).copied().flatten();
        let read: Vec<Centres> = inputs.iter().map(|&input| of(input)).collect();
        let node = graph.graph.node_weight(index);
        let joins = node.filter(|node| matches!(node.layer, Layer::Add | Layer::Concat));
        let all: Option<Vec<[Axis; 2]>> = read.iter().copied().collect();
        if let (Some(node), Some(all)) = (joins, &all) {
            let pairs = all.iter().skip(1).zip(inputs.iter().skip(1));
            let apart = pairs.filter_map(|(axes, &input)| Some((beside(*all.first()?, *axes)?, input))).next();
            if let Some(((one, other), input)) = apart
                && reported.insert(node.origin.span)
            {
                let mut diagnostic = Diagnostic::new(Code::MisalignedPaths, "paths that meet look at different pixels")
                    .at(node.origin.span, "the paths meet here");
                let ends = [(inputs.first().copied(), one), (Some(input), other)];
                for (end, axis) in ends {
                    let end = end.and_then(|end| graph.graph.node_weight(end));
                    if let Some(end) = end {
                        let label = format!("centred on pixels {} of the image", axis.pixels());
                        diagnostic = diagnostic.context(end.origin.span, label);
                    }
                }
                let diagnostic = diagnostic.help(
                    "an odd window of k pixels is centred on the pixel it stands for with `pad` (k - 1) / 2, at any stride",
                );
                diagnostics.push(graph.with_chain(diagnostic, node.origin, context.sources));
            }
        }
        centres.push(centre(context, index, read.first().copied().flatten(), all.is_some()));
    }
}

/// The direction in which two paths are apart.
fn beside(one: [Axis; 2], other: [Axis; 2]) -> Option<(Axis, Axis)> {
    one.into_iter().zip(other).find(|(one, other)| one.is_beside(*other))
}

/// Where the outputs of a layer are centred: none for vectors, and behind a window that another check tells of.
fn centre(context: &Context<'_>, index: NodeIndex, read: Centres, complete: bool) -> Centres {
    let node = context.shaped.graph.graph.node_weight(index)?;
    if let Layer::Input { shape: Shape::Map { .. } } = node.layer {
        return Some([Axis { doubled: 0, step: 1 }; 2]);
    }
    if !complete || !matches!(context.shaped.shape(index), Shape::Map { .. }) {
        return None;
    }
    let [rows, columns] = read?;
    let (kernel, dilation, stride, padding) = match (&node.layer, node.layer.window()) {
        (Layer::Subsample { stride }, _) => {
            return Some([rows.slide(1, 1, stride.height, 0), columns.slide(1, 1, stride.width, 0)]);
        }
        (_, Some(window)) => {
            let padding = context.shaped.padding(index);
            if !padding.is_symmetric() && (window.pad == Pad::Same || window.stride.longest() > 1) {
                return None;
            }
            (window.kernel, window.dilation, window.stride, padding)
        }
        _ => return read,
    };
    Some([
        rows.slide(kernel.height, dilation.height, stride.height, padding.top),
        columns.slide(kernel.width, dilation.width, stride.width, padding.left),
    ])
}

#[cfg(test)]
mod tests {
    use crate::check::testing::codes;

    fn fires(layers: &str) -> bool {
        codes(&format!("input 8x32x32\n{layers}\nglobal_avg_pool; linear 10")).contains(&"N011")
    }

    #[test]
    fn half_a_step_or_more() {
        assert!(fires("residual { max_pool 3x3 stride 2 ceil; conv 8 3x3 pad 1 } shortcut { subsample 2 }"));
        assert!(fires("residual { conv 8 2x2 pad (0, 1, 0, 1) }"));
        assert!(fires("residual { conv 8 1x3 pad (0, 0, 0, 2) }"));
        assert!(fires("residual { conv 8 3x3 pad (2, 0, 2, 0) }"));
        assert!(fires("x = relu; a = conv 8 3x3 stride 2 pad 1; from x; b = max_pool 3x3 stride 2 ceil; concat(a, b)"));
        // Deeper down, where a step is four pixels.
        assert!(fires("conv 8 3x3 stride 2 pad 1; max_pool 2x2; residual { conv 8 2x2 pad (0, 1, 0, 1) }"));
    }

    #[test]
    fn less_than_half_a_step() {
        for layers in [
            "residual { conv 8 3x3 stride 2 pad 1 } shortcut { subsample 2 }",
            "residual { conv 8 3x3 stride 2 pad 1; conv 8 3x3 pad 1 } shortcut { conv 8 1x1 stride 2; bn }",
            "residual { conv 8 3x3 stride 2 pad 1 } shortcut { avg_pool 2x2; conv 8 1x1 }",
            "residual { conv 8 5x5 stride 4 pad 1 } shortcut { avg_pool 4x4 }",
            "x = relu; a = max_pool 3x3 stride 2; from x; b = conv 8 3x3 stride 2; concat(a, b)",
            "residual { conv 8 2x2 pad (0, 1, 0, 1); conv 8 2x2 pad (1, 0, 1, 0) }",
            "residual { conv 8 3x3 pad 2 dilation 2 }",
        ] {
            assert!(!fires(layers), "{layers}");
        }
    }

    #[test]
    fn what_is_reported_elsewhere_is_reported_once() {
        assert!(!fires("residual { conv 8 3x3 stride 2 pad same } shortcut { subsample 2 }"));
        assert!(!fires("residual { conv 8 2x2 pad same }"));
        assert!(!fires("residual { flatten; linear 8 } shortcut { global_avg_pool }\nflatten"));
    }
}
