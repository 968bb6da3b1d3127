//! What is to be seen: boxes, frames round them, edges between them.

use super::fold::fold;
use super::tree::{Group, Tree, tree};
use crate::graph::flat::words;
use crate::graph::layer::Layer;
use crate::graph::layer_graph::Node;
use crate::graph::shape::Shaped;
use crate::graph::summary::{parameters, summarize};
use crate::text::spaced;
use petgraph::graph::NodeIndex;
use std::collections::{HashMap, HashSet};

/// How much of a network is shown.
#[derive(Debug, Clone, Copy)]
pub struct Seen {
    /// Blocks below this many others are drawn as one box; all are open when none.
    pub depth: Option<usize>,
    /// Whether passes that are the same are drawn once.
    pub fold: bool,
}

impl Default for Seen {
    fn default() -> Self {
        Seen { depth: None, fold: true }
    }
}

/// Which colour a layer has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The images.
    Input,
    /// Convolution.
    Conv,
    /// Fully connected.
    Linear,
    /// Batch norm, local response norm.
    Norm,
    /// relu, tanh, sigmoid.
    Activation,
    /// Pools and what takes pixels away.
    Pool,
    /// Where paths meet.
    Join,
    /// What only moves or drops numbers.
    Other,
    /// A closed block.
    Block,
}

impl Kind {
    fn of(layer: &Layer) -> Self {
        match layer {
            Layer::Input { .. } => Kind::Input,
            Layer::Conv { .. } => Kind::Conv,
            Layer::Linear { .. } => Kind::Linear,
            Layer::BatchNorm { .. } | Layer::Lrn { .. } => Kind::Norm,
            Layer::Relu | Layer::Tanh | Layer::Sigmoid => Kind::Activation,
            Layer::MaxPool { .. } | Layer::AvgPool { .. } | Layer::GlobalAvgPool | Layer::Subsample { .. } => {
                Kind::Pool
            }
            Layer::Add | Layer::Concat => Kind::Join,
            Layer::Dropout { .. } | Layer::Flatten | Layer::PadChannels { .. } => Kind::Other,
        }
    }
}

/// One layer in a box.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Its colour.
    pub kind: Kind,
    /// As it is written.
    pub text: String,
    /// Its name, and what it gives.
    pub tip: String,
}

/// A box: a layer, with those that work on each number of it alone stacked below.
#[derive(Debug, Clone, PartialEq)]
pub struct Drawn {
    /// The frame it stands in.
    pub group: Option<usize>,
    /// From top to bottom.
    pub rows: Vec<Row>,
}

/// A frame: a block call.
#[derive(Debug, Clone, PartialEq)]
pub struct Cluster {
    /// The frame round it.
    pub parent: Option<usize>,
    /// The call, and how often it comes.
    pub title: String,
    /// The scope its layers are named under; may be empty.
    pub scope: String,
}

/// An edge between boxes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Edge {
    /// Index of a box.
    pub from: usize,
    /// Index of a box.
    pub to: usize,
    /// What goes along it.
    pub shape: String,
}

/// All that is to be drawn.
#[derive(Debug, Clone, Default)]
pub struct Scene {
    /// Name of the net.
    pub title: String,
    /// Its costs in words.
    pub facts: String,
    /// In the order of the layers.
    pub boxes: Vec<Drawn>,
    /// Outer ones before inner ones.
    pub groups: Vec<Cluster>,
    /// In the order of the layers they lead to.
    pub edges: Vec<Edge>,
}

/// What stands in a frame: boxes and frames, by their indices.
#[derive(Debug, Clone, Default)]
pub struct Members {
    /// Boxes.
    pub boxes: Vec<usize>,
    /// Frames.
    pub groups: Vec<usize>,
}

impl Scene {
    /// What stands directly in each frame, and outside of all.
    pub fn members(&self) -> HashMap<Option<usize>, Members> {
        let mut members: HashMap<Option<usize>, Members> = HashMap::new();
        for (index, drawn) in self.boxes.iter().enumerate() {
            members.entry(drawn.group).or_default().boxes.push(index);
        }
        for (index, group) in self.groups.iter().enumerate() {
            members.entry(group.parent).or_default().groups.push(index);
        }
        members
    }
}

/// Decides what is seen of a network.
pub fn scene(shaped: &Shaped, seen: Seen) -> Scene {
    let summary = summarize(shaped);
    let layers = summary.layers.len().saturating_sub(1);
    let trees = tree(&shaped.graph);
    let (trees, instead) = if seen.fold { fold(shaped, trees) } else { (trees, HashMap::new()) };
    let facts =
        format!("{layers} layers, {} parameters, {} multiply-adds", spaced(summary.params), spaced(summary.macs));
    let scene = Scene { title: summary.net, facts, ..Scene::default() };
    let mut painter = Painter { shaped, seen, instead, scene, box_of: HashMap::new(), closed: HashSet::new() };
    let edges = painter.edges_of_layers();
    let single: HashSet<usize> = {
        let mut readers: HashMap<usize, usize> = HashMap::new();
        edges.iter().for_each(|&(from, _)| *readers.entry(from).or_default() += 1);
        readers.into_iter().filter(|&(_, count)| count == 1).map(|(layer, _)| layer).collect()
    };
    painter.level(&trees, None, 0, &single);
    painter.connect(&edges);
    painter.scene
}

struct Painter<'a> {
    shaped: &'a Shaped,
    seen: Seen,
    /// The layer that stands for one that is left out.
    instead: HashMap<usize, usize>,
    scene: Scene,
    box_of: HashMap<usize, usize>,
    /// Boxes that are closed blocks.
    closed: HashSet<usize>,
}

impl Painter<'_> {
    /// Edges between the layers that are not left out.
    fn edges_of_layers(&self) -> Vec<(usize, usize)> {
        let graph = &self.shaped.graph;
        let mut edges = Vec::new();
        for index in graph.graph.node_indices().filter(|index| !self.instead.contains_key(&index.index())) {
            for input in graph.inputs(index) {
                edges.push((self.drawn(input.index()), index.index()));
            }
        }
        edges
    }

    /// The layer that is drawn for this one.
    fn drawn(&self, mut layer: usize) -> usize {
        // A pass that is left out may stand for one whose own passes are left out: each step leads to an earlier layer.
        while let Some(&other) = self.instead.get(&layer) {
            layer = other;
        }
        layer
    }

    fn node(&self, layer: usize) -> Option<&Node> {
        self.shaped.graph.graph.node_weight(NodeIndex::new(layer))
    }

    fn level(&mut self, trees: &[Tree], group: Option<usize>, depth: usize, single: &HashSet<usize>) {
        // The layer that the next one may be stacked under.
        let mut above: Option<usize> = None;
        for tree in trees {
            match tree {
                Tree::Layer(layer) => {
                    self.layer(*layer, group, above.filter(|above| single.contains(above)));
                    above = Some(*layer);
                }
                Tree::Group(inner) => {
                    above = None;
                    if self.seen.depth.is_some_and(|most| depth >= most) {
                        self.close(inner, group);
                    } else {
                        self.scene.groups.push(Cluster {
                            parent: group,
                            title: title(inner),
                            scope: self.scope(inner),
                        });
                        let id = self.scene.groups.len() - 1;
                        self.level(&inner.children, Some(id), depth + 1, single);
                    }
                }
            }
        }
    }

    fn layer(&mut self, layer: usize, group: Option<usize>, above: Option<usize>) {
        let Some(node) = self.node(layer) else { return };
        let index = NodeIndex::new(layer);
        let shape = self.shaped.shape(index);
        let row = Row {
            kind: Kind::of(&node.layer),
            text: labelled(&node.name, node.layer.word(), words(self.shaped, index, node)),
            tip: format!("{} -> {shape}", node.name),
        };
        let follows = matches!(row.kind, Kind::Norm | Kind::Activation) || matches!(node.layer, Layer::Dropout { .. });
        let inputs = self.shaped.graph.inputs(index);
        let on = above.filter(|&above| follows && inputs == [NodeIndex::new(above)]);
        let on = on.and_then(|above| self.box_of.get(&above).copied());
        // The images stand alone.
        match on.and_then(|on| self.scene.boxes.get_mut(on).map(|drawn| (on, drawn))) {
            Some((on, drawn)) if drawn.rows.first().is_some_and(|row| row.kind != Kind::Input) => {
                drawn.rows.push(row);
                self.box_of.insert(layer, on);
            }
            _ => {
                self.scene.boxes.push(Drawn { group, rows: vec![row] });
                self.box_of.insert(layer, self.scene.boxes.len() - 1);
            }
        }
    }

    /// A block as one box.
    fn close(&mut self, inner: &Group, group: Option<usize>) {
        let params: u64 = inner.stands_for.iter().map(|&layer| parameters(self.shaped, NodeIndex::new(layer))).sum();
        let costs = format!("{} layers, {} parameters", inner.stands_for.len(), spaced(params));
        let tip = self.scope(inner);
        let row = |text| Row { kind: Kind::Block, text, tip: tip.clone() };
        self.scene.boxes.push(Drawn { group, rows: vec![row(title(inner)), row(costs)] });
        let id = self.scene.boxes.len() - 1;
        self.closed.insert(id);
        self.box_of.extend(inner.layers.iter().map(|&layer| (layer, id)));
    }

    /// The scope that all layers of a group are named under, and that of the last pass.
    fn scope(&self, group: &Group) -> String {
        let scope = |layers: &[usize]| {
            let mut names = layers.iter().filter_map(|&layer| self.node(layer)).map(|node| node.name.split('.'));
            let mut common: Vec<&str> = names.next().map(Iterator::collect).unwrap_or_default();
            common.pop();
            for name in names {
                let same = common.iter().zip(name).take_while(|(a, b)| **a == *b).count();
                common.truncate(same);
            }
            common.join(".")
        };
        let length = group.layers.len();
        let last = group.stands_for.get(group.stands_for.len().saturating_sub(length)..).unwrap_or_default();
        let (first, last) = (scope(&group.layers), scope(last));
        if first == last { first } else { format!("{first} to {last}") }
    }

    fn connect(&mut self, edges: &[(usize, usize)]) {
        let mut seen = HashSet::new();
        for &(from, to) in edges {
            let (Some(&a), Some(&b)) = (self.box_of.get(&from), self.box_of.get(&to)) else { continue };
            // A closed block may read one layer in many places.
            if a == b || (self.closed.contains(&b) && !seen.insert((from, b))) {
                continue;
            }
            let shape = self.shaped.shape(NodeIndex::new(from)).to_string();
            self.scene.edges.push(Edge { from: a, to: b, shape });
        }
    }
}

/// A layer under the name that the spec gives it; one that netc counted (`conv3`) goes without.
fn labelled(name: &str, word: &str, text: String) -> String {
    let own = name.rsplit('.').next().unwrap_or(name);
    let counted = own.strip_prefix(word).is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_digit()));
    if counted || own == "images" { text } else { format!("{own} = {text}") }
}

fn title(group: &Group) -> String {
    match (group.pass, group.times) {
        (Some((_, of)), times) if times == of => format!("repeat ×{of}"),
        (Some((pass, of)), 1) => format!("pass {pass} of {of}"),
        (Some((pass, of)), times) => format!("passes {pass} to {} of {of}", pass + times - 1),
        (None, 1) => group.call.clone(),
        (None, times) => format!("{} ×{times}", group.call),
    }
}
