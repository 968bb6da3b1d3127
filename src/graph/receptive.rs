//! Receptive fields: which pixels of the image a number of a layer's output can depend on.
//!
//! Going forward, a window of k taps at stride s and dilation d makes a field of f pixels f + (k − 1)·d·j pixels wide,
//! where j is the jump, the distance in pixels between neighbouring outputs, and the jump j·s (Araujo, Norris, Sim 2019,
//! "Computing Receptive Fields of Convolutional Neural Networks"). Where paths meet, the field covers all of them. The
//! border of the image is not looked at: a field may be larger than the image.

use super::dims::{Padding, Pair, Shape};
use super::layer::Layer;
use super::shape::Shaped;
use petgraph::graph::NodeIndex;
use serde::Serialize;

/// The receptive field of a layer's output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct ReceptiveField {
    /// Pixels, height and width.
    pub size: [u64; 2],
    /// Pixels from one output to the next below and to the right; none for a vector, which has no neighbours.
    pub jump: Option<[u64; 2]>,
}

/// The field along one direction.
#[derive(Debug, Clone, Copy)]
struct Axis {
    /// The first pixel that output 0 sees; negative in the padding.
    start: i64,
    /// The last one.
    end: i64,
    jump: i64,
}

impl Axis {
    fn slide(self, taps: usize, dilation: usize, stride: usize, before: usize) -> Self {
        let number = |value: usize| i64::try_from(value).unwrap_or(i64::MAX);
        let reach = number(taps.saturating_sub(1)).saturating_mul(number(dilation));
        let start = self.start.saturating_sub(number(before).saturating_mul(self.jump));
        let reach = reach.saturating_sub(number(before)).saturating_mul(self.jump);
        Axis { start, end: self.end.saturating_add(reach), jump: self.jump.saturating_mul(number(stride)) }
    }

    fn join(self, other: Axis) -> Self {
        Axis { start: self.start.min(other.start), end: self.end.max(other.end), jump: self.jump.max(other.jump) }
    }

    fn size(self) -> u64 {
        self.end.saturating_sub(self.start).saturating_add(1).unsigned_abs()
    }
}

/// The field of every layer, by the index of its node.
pub fn receptive_fields(shaped: &Shaped) -> Vec<ReceptiveField> {
    const PIXEL: Axis = Axis { start: 0, end: 0, jump: 1 };
    let graph = &shaped.graph;
    let mut axes: Vec<[Axis; 2]> = Vec::with_capacity(graph.graph.node_count());
    for index in graph.graph.node_indices() {
        let inputs = graph.inputs(index);
        let of = |node: &NodeIndex| axes.get(node.index()).copied();
        let read = inputs.iter().filter_map(of).reduce(|[a, b], [c, d]| [a.join(c), b.join(d)]);
        let [rows, columns] = read.unwrap_or([PIXEL, PIXEL]);
        let plane = shaped.input_shape(index).plane();
        let slide = |kernel: Pair, dilation: Pair, stride: Pair, padding: Padding| {
            [
                rows.slide(kernel.height, dilation.height, stride.height, padding.top),
                columns.slide(kernel.width, dilation.width, stride.width, padding.left),
            ]
        };
        let one = Pair::square(1);
        let layer = graph.graph.node_weight(index).map(|node| &node.layer);
        axes.push(match layer {
            // What has a whole plane in view sees what all its pixels see.
            Some(Layer::GlobalAvgPool | Layer::Flatten) => slide(plane, one, one, Padding::default()),
            Some(Layer::Subsample { stride }) => slide(one, one, *stride, Padding::default()),
            Some(layer) => match layer.window() {
                Some(window) => slide(window.kernel, window.dilation, window.stride, shaped.padding(index)),
                None => [rows, columns],
            },
            None => [rows, columns],
        });
    }
    let field = |([rows, columns], index): ([Axis; 2], NodeIndex)| ReceptiveField {
        size: [rows.size(), columns.size()],
        jump: matches!(shaped.shape(index), Shape::Map { .. })
            .then(|| [rows.jump.unsigned_abs(), columns.jump.unsigned_abs()]),
    };
    axes.into_iter().zip(graph.graph.node_indices()).map(field).collect()
}

impl std::fmt::Display for ReceptiveField {
    /// `15`, or `15x7` where the directions differ, with ` /2` for a jump of 2.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let pair = |[height, width]: [u64; 2]| {
            if height == width { height.to_string() } else { format!("{height}x{width}") }
        };
        match self.jump {
            Some(jump) if jump != [1, 1] => write!(f, "{} /{}", pair(self.size), pair(jump)),
            _ => f.write_str(&pair(self.size)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compile::{Options, compile, compile_text};
    use std::path::Path;

    fn fields(shaped: &Shaped) -> Vec<(String, String)> {
        let names = shaped.graph.graph.node_weights().map(|node| node.name.clone());
        names.zip(receptive_fields(shaped).iter().map(ToString::to_string)).collect()
    }

    fn of_spec(name: &str, expected: &[(&str, &str)]) {
        let path = Path::new("specs").join(name).with_extension("net");
        let compiled = compile(&path, &Options::default());
        let fields = fields(compiled.shaped.as_ref().unwrap());
        for (layer, field) in expected {
            let found = fields.iter().find(|(name, _)| name == layer).map(|(_, field)| field.as_str());
            assert_eq!(found, Some(*field), "{name} {layer}");
        }
    }

    #[test]
    fn lenet_by_hand() {
        // 1 + 4 = 5; a 2x2 pool adds 1; 4 taps at jump 2 add 8; the pool adds 2; 4 taps at jump 4 add 16.
        of_spec("lenet5", &[("images", "1"), ("c1", "5"), ("s2", "6 /2"), ("c3", "14 /2"), ("s4", "16 /4")]);
        of_spec("lenet5", &[("c5", "32 /4"), ("flatten1", "32"), ("output", "32")]);
    }

    #[test]
    fn resnets_by_hand() {
        // 3 after the stem; 6 convolutions at jump 1 add 2 each: 15. The first of stage 2 still reads at jump 1: 17, then 5
        // at jump 2 add 4 each: 37. The first of stage 3: 41, then 5 at jump 4 add 8 each: 81. The mean of 8x8: + 7 · 4.
        of_spec(
            "resnet20",
            &[
                ("conv1", "3"),
                ("stage1.2.relu2", "15"),
                ("stage2.0.conv1", "17 /2"),
                ("stage2.2.relu2", "37 /2"),
                ("stage3.0.shortcut.subsample1", "37 /4"),
                ("stage3.2.relu2", "81 /4"),
                ("global_avg_pool1", "109"),
                ("linear1", "109"),
            ],
        );
        // n = 9: 3 + 18 · 2 = 39; 39 + 2 + 17 · 4 = 109; 109 + 4 + 17 · 8 = 249; + 28.
        of_spec("resnet56", &[("stage1.8.relu2", "39"), ("stage2.8.relu2", "109 /2"), ("linear1", "277")]);
    }

    #[test]
    fn directions_and_paths_of_their_own() {
        let text = "net x { images = input 3x32x32; a = conv 8 3x5 stride 2x1 pad (1, 1, 2, 2); b = conv 8 3x3 pad 1 dilation 2x1; \
                    from a; c = conv 8 1x1; d = subsample 1x2; from images; flatten; linear 10 }";
        let compiled = compile_text(Path::new("x.net"), text.into(), &Options::default());
        let found: Vec<String> =
            fields(compiled.shaped.as_ref().unwrap()).into_iter().map(|(_, field)| field).collect();
        assert_eq!(found, ["1", "3x5 /2x1", "11x7 /2x1", "3x5 /2x1", "3x5 /2", "32", "32"]);
    }

    #[test]
    fn where_paths_meet_the_field_covers_both() {
        // The 4x4 window sees pixels -1 to 2, the 1x1 window pixel 0; shifted paths add up: -2 to 2 is five pixels.
        let text = "net x { images = input 3x32x32; a = conv 8 4x4 pad (1, 2, 1, 2); from images; \
                    b = conv 8 4x4 pad (2, 1, 2, 1); add(a, b); flatten; linear 10 }";
        let compiled = compile_text(Path::new("x.net"), text.into(), &Options::default());
        let fields = fields(compiled.shaped.as_ref().unwrap());
        assert_eq!((fields[1].1.as_str(), fields[3].1.as_str()), ("4", "5"));
    }
}
