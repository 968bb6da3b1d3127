//! Shape inference: one rule a layer, and explicit padding for every window.

use super::dims::{Padding, Pair, Shape};
use super::layer::{Layer, Pad, Rounding, Window};
use super::layer_graph::LayerGraph;
use super::shape_problem::ShapeProblem;
use crate::diagnostic::Diagnostic;
use crate::source::SourceMap;
use petgraph::graph::NodeIndex;

/// The most numbers one tensor of one image, or one weight, may have.
pub const LARGEST: usize = 1 << 31;

/// A graph with its shapes; only one that [is complete](Shaped::is_complete) has all of them.
#[derive(Debug, Clone)]
pub struct Shaped {
    /// The layers.
    pub graph: LayerGraph,
    /// Output shape of each node, by index; none where it could not be worked out.
    shapes: Vec<Option<Shape>>,
    /// Pixels of padding of each node with a window.
    paddings: Vec<Option<Padding>>,
}

impl Shaped {
    /// Whether every layer's shape is known.
    pub fn is_complete(&self) -> bool {
        self.shapes.iter().all(Option::is_some)
    }

    /// What a layer gives; an empty vector where that is not known.
    pub fn shape(&self, node: NodeIndex) -> Shape {
        self.shapes.get(node.index()).copied().flatten().unwrap_or(Shape::vector(0))
    }

    /// What a layer's first input gives; the images' shape for the input itself.
    pub fn input_shape(&self, node: NodeIndex) -> Shape {
        self.graph.inputs(node).first().map_or_else(|| self.shape(node), |&input| self.shape(input))
    }

    /// The padding of a layer with a window, in pixels; zero for others.
    pub fn padding(&self, node: NodeIndex) -> Padding {
        self.known_padding(node).unwrap_or_default()
    }

    /// The same; none where it depends on a shape that is not known.
    pub fn known_padding(&self, node: NodeIndex) -> Option<Padding> {
        self.paddings.get(node.index()).copied().flatten()
    }
}

/// Infers every shape. Each mistake is reported once, and what reads a layer without a shape is not looked at.
pub fn infer(graph: LayerGraph, sources: &SourceMap, diagnostics: &mut Vec<Diagnostic>) -> Shaped {
    let mut shapes: Vec<Option<Shape>> = Vec::with_capacity(graph.graph.node_count());
    let mut paddings = Vec::with_capacity(graph.graph.node_count());
    for index in graph.graph.node_indices() {
        let Some(node) = graph.graph.node_weight(index) else { continue };
        let sources_of: Vec<NodeIndex> = graph.inputs(index);
        let inputs: Option<Vec<Shape>> =
            sources_of.iter().map(|input| shapes.get(input.index()).copied().flatten()).collect();
        // Padding in pixels is known before any shape is.
        let mut padding = match node.layer.window() {
            Some(Window { pad: Pad::Explicit(padding), .. }) => Some(*padding),
            _ => None,
        };
        let shape = inputs.and_then(|inputs| match rule(&node.layer, &inputs, &mut padding) {
            Ok(shape) => Some(shape),
            Err(problem) => {
                let diagnostic = problem.diagnose(node, &sources_of, &inputs, &graph);
                diagnostics.push(graph.with_chain(diagnostic, node.origin, sources));
                None
            }
        });
        shapes.push(shape);
        paddings.push(padding);
    }
    Shaped { graph, shapes, paddings }
}

fn rule(layer: &Layer, inputs: &[Shape], padding: &mut Option<Padding>) -> Result<Shape, ShapeProblem> {
    let first = inputs.first().copied().unwrap_or(Shape::vector(0));
    let shape = match layer {
        Layer::Input { shape } => *shape,
        Layer::Conv { out, window, groups, .. } => {
            let (channels, plane) = map(first)?;
            if channels % groups != 0 || out % groups != 0 {
                return Err(ShapeProblem::Groups { channels, out: *out, groups: *groups });
            }
            size(&[*out, channels / groups, window.kernel.height, window.kernel.width])?;
            let plane = slide(window, plane, padding)?;
            size(&[*out, plane.height, plane.width])?;
            Shape::map(*out, plane.height, plane.width)
        }
        Layer::MaxPool { window } | Layer::AvgPool { window, .. } => {
            let (channels, plane) = map(first)?;
            let plane = slide(window, plane, padding)?;
            let pad = padding.unwrap_or_default();
            if pad.top.max(pad.bottom) >= window.kernel.height || pad.left.max(pad.right) >= window.kernel.width {
                return Err(ShapeProblem::PadTooLarge { pad, kernel: window.kernel });
            }
            Shape::map(channels, plane.height, plane.width)
        }
        Layer::Linear { out, .. } => match first {
            Shape::Vector { features } => {
                size(&[*out, features])?;
                Shape::vector(*out)
            }
            Shape::Map { .. } => return Err(ShapeProblem::NeedsVector),
        },
        Layer::GlobalAvgPool => Shape::vector(map(first)?.0),
        Layer::Flatten => {
            map(first)?;
            Shape::vector(first.elements())
        }
        Layer::Lrn { .. } => {
            map(first)?;
            first
        }
        Layer::BatchNorm { .. } | Layer::Relu | Layer::Tanh | Layer::Sigmoid | Layer::Dropout { .. } => first,
        Layer::Add => {
            if inputs.iter().any(|&input| input != first) {
                return Err(ShapeProblem::AddDiffers);
            }
            first
        }
        Layer::Concat => concat(inputs)?,
        Layer::Subsample { stride } => {
            let (channels, plane) = map(first)?;
            Shape::map(channels, plane.height.div_ceil(stride.height), plane.width.div_ceil(stride.width))
        }
        Layer::PadChannels { to, .. } => {
            let (channels, plane) = map(first)?;
            if *to < channels {
                return Err(ShapeProblem::ChannelsTakenAway { channels, to: *to });
            }
            size(&[*to, plane.height, plane.width])?;
            Shape::map(*to, plane.height, plane.width)
        }
    };
    Ok(shape)
}

fn map(shape: Shape) -> Result<(usize, Pair), ShapeProblem> {
    match shape {
        Shape::Map { channels, .. } => Ok((channels, shape.plane())),
        Shape::Vector { .. } => Err(ShapeProblem::NeedsMap),
    }
}

fn size(dims: &[usize]) -> Result<(), ShapeProblem> {
    let elements = dims.iter().try_fold(1usize, |product, &dim| product.checked_mul(dim));
    match elements {
        Some(elements) if elements <= LARGEST => Ok(()),
        _ => Err(ShapeProblem::TooLarge { dims: dims.to_vec() }),
    }
}

fn concat(inputs: &[Shape]) -> Result<Shape, ShapeProblem> {
    let mut total = 0usize;
    for input in inputs {
        let same = match (inputs.first(), input) {
            (Some(Shape::Vector { .. }), Shape::Vector { .. }) => true,
            (Some(first @ Shape::Map { .. }), Shape::Map { .. }) => first.plane() == input.plane(),
            _ => false,
        };
        if !same {
            return Err(ShapeProblem::ConcatDiffers);
        }
        total = total.saturating_add(input.channels());
    }
    match inputs.first() {
        Some(Shape::Map { height, width, .. }) => {
            size(&[total, *height, *width])?;
            Ok(Shape::map(total, *height, *width))
        }
        _ => {
            size(&[total])?;
            Ok(Shape::vector(total))
        }
    }
}

fn slide(window: &Window, plane: Pair, padding: &mut Option<Padding>) -> Result<Pair, ShapeProblem> {
    let rows = Axis {
        input: plane.height,
        kernel: window.kernel.height,
        stride: window.stride.height,
        dilation: window.dilation.height,
        pad: if let Pad::Explicit(pad) = window.pad { Some((pad.top, pad.bottom)) } else { None },
        ceil: window.rounding == Rounding::Ceil,
    };
    let columns = Axis {
        input: plane.width,
        kernel: window.kernel.width,
        stride: window.stride.width,
        dilation: window.dilation.width,
        pad: if let Pad::Explicit(pad) = window.pad { Some((pad.left, pad.right)) } else { None },
        ..rows
    };
    let (top, bottom) = rows.padding();
    let (left, right) = columns.padding();
    *padding = Some(Padding { top, bottom, left, right });
    match (rows.outputs(), columns.outputs()) {
        (Some(height), Some(width)) => Ok(Pair::new(height, width)),
        _ => Err(ShapeProblem::WindowTooLarge {
            window: Pair::new(rows.reach(), columns.reach()),
            padded: Pair::new(plane.height + top + bottom, plane.width + left + right),
        }),
    }
}

/// The plane that a window gives on a plane of this size, were it rounded in this way; none where it does not fit.
pub fn rounded(window: &Window, plane: Pair, rounding: Rounding) -> Option<Pair> {
    slide(&Window { rounding, ..*window }, plane, &mut None).ok()
}

/// Pixels from the first tap of a window to its last, in one direction.
pub fn reach(taps: usize, dilation: usize) -> usize {
    taps.saturating_sub(1).saturating_mul(dilation).saturating_add(1)
}

/// A window sliding along one direction.
#[derive(Clone, Copy)]
struct Axis {
    input: usize,
    kernel: usize,
    stride: usize,
    dilation: usize,
    /// Before and after; `None` is SAME.
    pad: Option<(usize, usize)>,
    ceil: bool,
}

impl Axis {
    /// Pixels from the first tap to the last.
    fn reach(self) -> usize {
        reach(self.kernel, self.dilation)
    }

    fn padding(self) -> (usize, usize) {
        // TensorFlow's rule (tensorflow/core/framework/kernel_shape_util.cc): the odd pixel goes after.
        self.pad.unwrap_or_else(|| {
            let outputs = self.input.div_ceil(self.stride);
            let total = ((outputs.saturating_sub(1)) * self.stride + self.reach()).saturating_sub(self.input);
            (total / 2, total - total / 2)
        })
    }

    fn outputs(self) -> Option<usize> {
        let (before, after) = self.padding();
        let room = (self.input + before + after).checked_sub(self.reach())?;
        if !self.ceil {
            return Some(room / self.stride + 1);
        }
        let outputs = room.div_ceil(self.stride) + 1;
        // As Caffe and PyTorch: the last window must begin inside the image or the padding before it.
        Some(if (outputs - 1) * self.stride >= self.input + before { outputs - 1 } else { outputs })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outputs(input: usize, kernel: usize, stride: usize, pad: Option<(usize, usize)>, ceil: bool) -> Option<usize> {
        Axis { input, kernel, stride, dilation: 1, pad, ceil }.outputs()
    }

    #[test]
    fn sizes_of_known_layers() {
        assert_eq!(outputs(32, 3, 1, Some((1, 1)), false), Some(32));
        assert_eq!(outputs(32, 3, 2, Some((1, 1)), false), Some(16));
        assert_eq!(outputs(32, 3, 2, None, false), Some(16));
        assert_eq!(outputs(32, 5, 1, Some((0, 0)), false), Some(28));
        // Caffe's cifar10_quick pools 32 to 16 where PyTorch gives 15.
        assert_eq!(outputs(32, 3, 2, Some((0, 0)), true), Some(16));
        assert_eq!(outputs(32, 3, 2, Some((0, 0)), false), Some(15));
        assert_eq!(outputs(2, 3, 1, Some((0, 0)), false), None);
        // A last window that would begin in the padding after the image is dropped.
        assert_eq!(outputs(3, 2, 2, Some((1, 1)), true), Some(2));
    }

    #[test]
    fn same_puts_the_odd_pixel_after() {
        let axis = Axis { input: 32, kernel: 3, stride: 2, dilation: 1, pad: None, ceil: false };
        assert_eq!(axis.padding(), (0, 1));
        assert_eq!(Axis { stride: 1, ..axis }.padding(), (1, 1));
        assert_eq!(Axis { stride: 1, kernel: 5, dilation: 2, ..axis }.padding(), (4, 4));
    }
}
