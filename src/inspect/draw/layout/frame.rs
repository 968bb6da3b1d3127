//! One frame as a graph for dagre: entries, boxes, inner frames as boxes, exits, and the lines between them.

use super::{COLUMNS, Inner, Item, MOST_PASSED, Members, RANKS, ROW, Rect, SIDE, SMALL, TEXT, TooLarge, wide};
use crate::inspect::draw::scene::{Edge, Scene};
use dagre_dgl_rs::{EdgeLabel, Graph, GraphLabel, NodeLabel};
use std::collections::{HashMap, HashSet};

/// One line to be routed in a frame: what it leaves and what it leads to, `None` for the frame's own edges.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Line {
    pub(super) from: Option<Item>,
    pub(super) to: Option<Item>,
    /// The box whose output it is.
    pub(super) source: usize,
}

impl Line {
    /// The names of its ends in dagre's graph; the frame's own edges are points there.
    pub(super) fn ends(&self) -> (String, String) {
        (
            self.from.map_or_else(|| entry(self.source), Item::name),
            self.to.map_or_else(|| exit(self.source), Item::name),
        )
    }
}

fn entry(source: usize) -> String {
    format!("entry {source}")
}

/// The point at which the output of a box leaves a frame.
pub(super) fn exit(source: usize) -> String {
    format!("exit {source}")
}

/// One frame, as dagre laid it out.
pub(super) struct Picture<'a> {
    pub(super) members: &'a [(usize, Item)],
    /// The frames among the members, each laid out for itself.
    pub(super) inner: HashMap<usize, Inner>,
    /// The lines, with the text of those that have one.
    pub(super) lines: Vec<(Line, Option<String>)>,
    pub(super) graph: Graph,
}

impl Picture<'_> {
    /// Where a node of dagre's is: dagre has its centre.
    pub(super) fn rect(&self, name: &str) -> Rect {
        let node = self.graph.node_opt(name);
        let (width, height) = node.map_or((0.0, 0.0), |node| (node.width, node.height));
        let (x, y) = node.map_or((0.0, 0.0), |node| (node.x.unwrap_or(0.0), node.y.unwrap_or(0.0)));
        Rect { x: x - width / 2.0, y: y - height / 2.0, width, height }
    }

    /// What dagre has of a line.
    pub(super) fn edge(&self, index: usize, line: &Line) -> Option<&EdgeLabel> {
        let (from, to) = line.ends();
        self.graph.edge_label_named(&from, &to, &index.to_string())
    }
}

/// A scene, whose frames are laid out one by one.
pub(super) struct Layout<'a> {
    pub(super) scene: &'a Scene,
    /// What stands in each frame, in the order of the layers.
    pub(super) members: Members,
}

impl Layout<'_> {
    /// The member of a frame that a box stands in, if it does.
    fn member(&self, index: usize, frame: Option<usize>) -> Option<Item> {
        let mut item = Item::Box(index);
        let mut round = self.scene.boxes.get(index)?.group;
        while round != frame {
            let id = round?;
            item = Item::Group(id);
            round = self.scene.groups.get(id)?.parent;
        }
        Some(item)
    }

    fn size(&self, index: usize) -> (f64, f64) {
        let rows = self.scene.boxes.get(index).map(|drawn| drawn.rows.as_slice()).unwrap_or_default();
        let text = rows.iter().map(|row| wide(&row.text, TEXT)).fold(0.0, f64::max);
        ((text + 2.0 * SIDE).max(72.0), rows.len() as f64 * ROW)
    }

    /// The lines of a frame, with the text of those that have one.
    fn lines(&self, frame: Option<usize>) -> Vec<(Line, Option<String>)> {
        let mut seen = HashSet::new();
        let mut lines = Vec::new();
        for Edge { from, to, shape } in &self.scene.edges {
            let (a, b) = (self.member(*from, frame), self.member(*to, frame));
            if a == b {
                continue;
            }
            let line = Line { from: a, to: b, source: *from };
            // Many in a frame may read what enters it once.
            let once = !matches!(b, Some(Item::Box(_)));
            if once && !seen.insert(line.clone()) {
                continue;
            }
            // Where it enters or leaves a frame, the part outside has the text.
            let label = (a.is_some() && b.is_some()).then(|| shape.clone());
            lines.push((line, label));
        }
        lines
    }

    /// Lays a frame out, the frames in it first.
    pub(super) fn group(&self, frame: Option<usize>) -> Result<Inner, TooLarge> {
        let members = self.members.get(&frame).map(Vec::as_slice).unwrap_or_default();
        let inner: HashMap<usize, Inner> = members
            .iter()
            .filter_map(|&(_, item)| {
                if let Item::Group(id) = item { Some(self.group(Some(id)).map(|inner| (id, inner))) } else { None }
            })
            .collect::<Result<_, _>>()?;
        let mut picture = Picture { members, inner, lines: self.lines(frame), graph: empty() };
        let order: HashMap<Item, usize> = members.iter().enumerate().map(|(place, &(_, item))| (item, place)).collect();
        let passed = passed(&picture, &order);
        if passed > MOST_PASSED {
            return Err(TooLarge::Passed(passed));
        }
        self.set_nodes(&mut picture);
        set_edges(&mut picture, &order);
        dagre_dgl_rs::layout(&mut picture.graph);
        Ok(self.collect(&picture, frame))
    }

    /// Entries, members, exits: dagre keeps to the order in which it gets them.
    fn set_nodes(&self, picture: &mut Picture<'_>) {
        let Picture { members, inner, lines, graph } = picture;
        let mut add = |name: &str, (width, height): (f64, f64)| {
            graph.set_node(name, NodeLabel { width, height, ..NodeLabel::default() });
        };
        for (line, _) in lines.iter() {
            if line.from.is_none() {
                add(&entry(line.source), (1.0, 1.0));
            }
        }
        for &(_, item) in members.iter() {
            let size = match item {
                Item::Box(index) => self.size(index),
                Item::Group(id) => inner.get(&id).map_or((0.0, 0.0), |inner| (inner.width, inner.height)),
            };
            add(&item.name(), size);
        }
        for (line, _) in lines.iter() {
            if line.to.is_none() {
                add(&exit(line.source), (1.0, 1.0));
            }
        }
    }
}

fn empty() -> Graph {
    let mut graph = Graph::with_options(true, true, false);
    graph.set_graph(GraphLabel {
        rankdir: Some("TB".into()),
        nodesep: Some(COLUMNS),
        edgesep: Some(16.0),
        ranksep: Some(RANKS),
        ..GraphLabel::default()
    });
    graph
}

/// How many members the lines of a frame pass, all together.
fn passed(picture: &Picture<'_>, order: &HashMap<Item, usize>) -> usize {
    let place = |item: Option<Item>, other: usize| item.and_then(|item| order.get(&item)).copied().unwrap_or(other);
    let last = picture.members.len();
    picture.lines.iter().map(|(line, _)| place(line.to, last).saturating_sub(place(line.from, 0))).sum()
}

fn set_edges(picture: &mut Picture<'_>, order: &HashMap<Item, usize>) {
    for (index, (line, label)) in picture.lines.iter().enumerate() {
        let (from, to) = line.ends();
        // What follows in the text stands straight below.
        let next = match (line.from, line.to) {
            (Some(a), Some(b)) => order.get(&a).map(|place| place + 1) == order.get(&b).copied(),
            (None, Some(b)) => order.get(&b) == Some(&0),
            _ => true,
        };
        let label = label.as_ref().map(|text| (wide(text, SMALL), SMALL + 3.0));
        picture.graph.set_edge(
            &from,
            &to,
            EdgeLabel {
                weight: Some(if next { 20.0 } else { 1.0 }),
                minlen: Some(1),
                width: Some(label.map_or(0.0, |(width, _)| width)),
                height: Some(label.map_or(0.0, |(_, height)| height)),
                labelpos: Some("r".into()),
                labeloffset: Some(6.0),
                ..EdgeLabel::default()
            },
            Some(&index.to_string()),
        );
    }
}
