//! Places for boxes, frames and edges.
//!
//! Every frame is laid out for itself, inner ones first, by dagre's algorithm (Gansner et al. 1993, "A Technique for Drawing
//! Directed Graphs"; Brandes & Köpf 2001 for the columns); to the frame round it, it is a box. Edges enter a frame at the
//! bottom of its title and leave at its lower edge, so that frames can neither overlap nor be crossed.

use super::scene::{Edge, Scene};
use dagre_dgl_rs::{EdgeLabel, Graph, GraphLabel, NodeLabel, Point};
use std::collections::{HashMap, HashSet};

/// The most boxes of one frame: above it a picture is no help, and takes long to lay out.
pub const MOST: usize = 600;

/// Advance of a character of a fixed-width font, in sizes of the font: 0.60 for most, and some are rounded up to pixels.
pub const ADVANCE: f64 = 0.64;
/// Size of the text in boxes.
pub const TEXT: f64 = 13.0;
/// Size of the text on edges.
pub const SMALL: f64 = 11.0;
/// Size of titles.
pub const TITLE: f64 = 12.0;
/// Height of a layer in a box.
pub const ROW: f64 = 24.0;
/// Height of a frame's title.
pub const HEADER: f64 = 26.0;
/// What is left free inside frames, and round the picture.
pub const MARGIN: f64 = 16.0;
/// Between the text of a box and its side.
const SIDE: f64 = 12.0;
/// Between boxes one below the other.
const RANKS: f64 = 36.0;
/// Between boxes side by side.
const COLUMNS: f64 = 28.0;
/// Between the ends of edges that lead to one box.
const ENDS: f64 = 22.0;

/// The most boxes that the edges of one frame may pass, all together: each is a bend to be laid out.
pub const MOST_PASSED: usize = 5000;

/// Why a scene has no places.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TooLarge {
    /// Too many boxes in one frame.
    #[error("{0} boxes are too many for one picture")]
    Boxes(usize),
    /// Too many long edges in one frame.
    #[error("edges that pass {0} boxes are too many for one picture")]
    Passed(usize),
}

/// A box's place.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Rect {
    /// Left edge.
    pub x: f64,
    /// Upper edge.
    pub y: f64,
    /// Width.
    pub width: f64,
    /// Height.
    pub height: f64,
}

impl Rect {
    fn moved(self, x: f64, y: f64) -> Rect {
        Rect { x: self.x + x, y: self.y + y, ..self }
    }
}

/// An edge's way.
#[derive(Debug, Clone, PartialEq)]
pub struct Route {
    /// From its start to its end.
    pub points: Vec<(f64, f64)>,
    /// Whether it ends at a box; else at the lower edge of a frame.
    pub arrow: bool,
    /// The left end of its text, at half its height, and the text.
    pub label: Option<(f64, f64, String)>,
}

/// All places.
#[derive(Debug, Clone, Default)]
pub struct Placed {
    /// Of the whole picture.
    pub width: f64,
    /// Of the whole picture.
    pub height: f64,
    /// Of the boxes, by index.
    pub boxes: Vec<Rect>,
    /// Of the frames, by index.
    pub groups: Vec<Rect>,
    /// Of the edges and their parts.
    pub routes: Vec<Route>,
}

/// A box or a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Item {
    Box(usize),
    Group(usize),
}

/// A frame, laid out for itself.
#[derive(Debug, Default)]
struct Inner {
    width: f64,
    height: f64,
    boxes: Vec<(usize, Rect)>,
    groups: Vec<(usize, Rect)>,
    routes: Vec<Route>,
    /// Where the output of a box leaves it, from its left edge.
    exits: HashMap<usize, f64>,
}

/// Width of a text.
pub fn wide(text: &str, size: f64) -> f64 {
    text.chars().count() as f64 * size * ADVANCE
}

/// Gives everything its place.
///
/// # Errors
/// [`TooLarge`] when a frame has more than [`MOST`] boxes, or its edges pass more than [`MOST_PASSED`].
pub fn place(scene: &Scene) -> Result<Placed, TooLarge> {
    let mut members: HashMap<Option<usize>, Vec<(usize, Item)>> = HashMap::new();
    let mut first = vec![usize::MAX; scene.groups.len()];
    for (index, drawn) in scene.boxes.iter().enumerate() {
        members.entry(drawn.group).or_default().push((index, Item::Box(index)));
        let mut group = drawn.group;
        while let Some(id) = group {
            if let Some(first) = first.get_mut(id) {
                *first = index.min(*first);
            }
            group = scene.groups.get(id).and_then(|group| group.parent);
        }
    }
    for (index, group) in scene.groups.iter().enumerate() {
        let place = first.get(index).copied().unwrap_or_default();
        members.entry(group.parent).or_default().push((place, Item::Group(index)));
    }
    members.values_mut().for_each(|members| members.sort_by_key(|&(place, _)| place));
    if let Some(boxes) = members.values().map(Vec::len).find(|&count| count > MOST) {
        return Err(TooLarge::Boxes(boxes));
    }
    let layout = Layout { scene, members };
    let whole = layout.group(None)?;
    let mut placed = Placed {
        width: whole.width,
        height: whole.height,
        boxes: vec![Rect::default(); scene.boxes.len()],
        groups: vec![Rect::default(); scene.groups.len()],
        routes: whole.routes,
    };
    for (index, rect) in whole.boxes {
        placed.boxes.get_mut(index).into_iter().for_each(|place| *place = rect);
    }
    for (index, rect) in whole.groups {
        placed.groups.get_mut(index).into_iter().for_each(|place| *place = rect);
    }
    Ok(placed)
}

/// One line to be routed in a frame: what it leaves and what it leads to, `None` for the frame's own edges.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Line {
    from: Option<Item>,
    to: Option<Item>,
    /// The box whose output it is.
    source: usize,
}

struct Layout<'a> {
    scene: &'a Scene,
    /// What stands in each frame, in the order of the layers.
    members: HashMap<Option<usize>, Vec<(usize, Item)>>,
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

    fn group(&self, frame: Option<usize>) -> Result<Inner, TooLarge> {
        let members = self.members.get(&frame).map(Vec::as_slice).unwrap_or_default();
        let inner: HashMap<usize, Inner> = members
            .iter()
            .filter_map(|&(_, item)| {
                if let Item::Group(id) = item { Some(self.group(Some(id)).map(|inner| (id, inner))) } else { None }
            })
            .collect::<Result<_, _>>()?;
        let lines = self.lines(frame);
        let mut graph = Graph::with_options(true, true, false);
        graph.set_graph(GraphLabel {
            rankdir: Some("TB".into()),
            nodesep: Some(COLUMNS),
            edgesep: Some(16.0),
            ranksep: Some(RANKS),
            ..GraphLabel::default()
        });
        let mut add = |name: &str, (width, height): (f64, f64)| {
            graph.set_node(name, NodeLabel { width, height, ..NodeLabel::default() });
        };
        for (line, _) in &lines {
            if line.from.is_none() {
                add(&entry(line.source), (1.0, 1.0));
            }
        }
        for &(_, item) in members {
            let size = match item {
                Item::Box(index) => self.size(index),
                Item::Group(id) => inner.get(&id).map_or((0.0, 0.0), |inner| (inner.width, inner.height)),
            };
            add(&name(item), size);
        }
        for (line, _) in &lines {
            if line.to.is_none() {
                add(&exit(line.source), (1.0, 1.0));
            }
        }
        let order: HashMap<Item, usize> = members.iter().enumerate().map(|(place, &(_, item))| (item, place)).collect();
        let place = |item: Option<Item>, other: usize| item.and_then(|item| order.get(&item)).copied().unwrap_or(other);
        let passed: usize =
            lines.iter().map(|(line, _)| place(line.to, members.len()).saturating_sub(place(line.from, 0))).sum();
        if passed > MOST_PASSED {
            return Err(TooLarge::Passed(passed));
        }
        for (index, (line, label)) in lines.iter().enumerate() {
            let (from, to) = ends(line);
            // What follows in the text stands straight below.
            let next = match (line.from, line.to) {
                (Some(a), Some(b)) => order.get(&a).map(|place| place + 1) == order.get(&b).copied(),
                (None, Some(b)) => order.get(&b) == Some(&0),
                _ => true,
            };
            let label = label.as_ref().map(|text| (wide(text, SMALL), SMALL + 3.0));
            graph.set_edge(
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
        dagre_dgl_rs::layout(&mut graph);
        Ok(self.collect(frame, members, &inner, &lines, &graph))
    }

    /// From dagre's centres to places inside the frame.
    fn collect(
        &self,
        frame: Option<usize>,
        members: &[(usize, Item)],
        inner: &HashMap<usize, Inner>,
        lines: &[(Line, Option<String>)],
        graph: &Graph,
    ) -> Inner {
        let rect = |name: &str| {
            let node = graph.node_opt(name);
            let (width, height) = node.map_or((0.0, 0.0), |node| (node.width, node.height));
            let (x, y) = node.map_or((0.0, 0.0), |node| (node.x.unwrap_or(0.0), node.y.unwrap_or(0.0)));
            Rect { x: x - width / 2.0, y: y - height / 2.0, width, height }
        };
        let places: HashMap<Item, Rect> = members.iter().map(|&(_, item)| (item, rect(&name(item)))).collect();
        let mut routes = routes(lines, &places, inner, graph, &rect);
        // What the content covers, with the texts of edges.
        let mut left = places.values().map(|rect| rect.x).fold(f64::INFINITY, f64::min);
        let mut right = places.values().map(|rect| rect.x + rect.width).fold(f64::NEG_INFINITY, f64::max);
        for route in &routes {
            for &(x, _) in &route.points {
                (left, right) = (left.min(x), right.max(x));
            }
            if let Some((x, _, text)) = &route.label {
                right = right.max(x + wide(text, SMALL));
            }
        }
        let bottom = places.values().map(|rect| rect.y + rect.height).fold(0.0, f64::max);
        let outputs: Vec<usize> =
            lines.iter().filter(|(line, _)| line.to.is_none()).map(|(line, _)| line.source).collect();
        let mut exits: HashMap<usize, f64> =
            outputs.iter().map(|&source| (source, rect(&exit(source)).x + 0.5)).collect();
        // Where a frame has one output, that is its middle: what follows stands straight below.
        if let (Some(_), [only]) = (frame, outputs.as_slice())
            && let Some(&middle) = exits.get(only)
        {
            let half = (middle - left).max(right - middle);
            (left, right) = (middle - half, middle + half);
        }
        let (head, title) = match frame.and_then(|id| self.scene.groups.get(id)) {
            Some(group) => {
                let scope = if group.scope.is_empty() { 0.0 } else { wide(&group.scope, SMALL) + 18.0 };
                (HEADER, wide(&group.title, TITLE) + scope + 2.5 * SIDE)
            }
            None => {
                let title = wide(&self.scene.title, TEXT).max(wide(&self.scene.facts, SMALL));
                (2.0 * HEADER, title)
            }
        };
        let width = (right - left + 2.0 * MARGIN).max(title + if frame.is_none() { 2.0 * MARGIN } else { 0.0 });
        let shift = (width - (right - left)) / 2.0 - left;
        // Entries are at the top of dagre's picture; without any there is a margin.
        let enters = lines.iter().any(|(line, _)| line.from.is_none());
        let down = if enters { head } else { head + MARGIN / 2.0 };
        let leaves = !outputs.is_empty();
        let height = down + bottom + if leaves { RANKS * 0.6 } else { MARGIN };
        for route in &mut routes {
            for point in &mut route.points {
                *point = (point.0 + shift, point.1 + down);
            }
            // An output ends at the frame's lower edge, wherever dagre put its end.
            if !route.arrow
                && let Some(last) = route.points.last_mut()
            {
                last.1 = height;
            }
            if let Some((x, y, _)) = &mut route.label {
                (*x, *y) = (*x + shift, *y + down);
            }
        }
        exits.values_mut().for_each(|x| *x += shift);
        let mut all = Inner { width, height, routes, exits, ..Inner::default() };
        for &(_, item) in members {
            let rect = places.get(&item).copied().unwrap_or_default().moved(shift, down);
            match item {
                Item::Box(index) => all.boxes.push((index, rect)),
                Item::Group(id) => {
                    all.groups.push((id, rect));
                    let Some(inner) = inner.get(&id) else { continue };
                    all.boxes.extend(inner.boxes.iter().map(|&(index, place)| (index, place.moved(rect.x, rect.y))));
                    all.groups.extend(inner.groups.iter().map(|&(index, place)| (index, place.moved(rect.x, rect.y))));
                    all.routes.extend(inner.routes.iter().map(|route| Route {
                        points: route.points.iter().map(|&(x, y)| (x + rect.x, y + rect.y)).collect(),
                        arrow: route.arrow,
                        label: route.label.clone().map(|(x, y, text)| (x + rect.x, y + rect.y, text)),
                    }));
                }
            }
        }
        all
    }
}

fn name(item: Item) -> String {
    match item {
        Item::Box(index) => format!("box {index}"),
        Item::Group(id) => format!("group {id}"),
    }
}

fn entry(source: usize) -> String {
    format!("entry {source}")
}

fn exit(source: usize) -> String {
    format!("exit {source}")
}

fn ends(line: &Line) -> (String, String) {
    (line.from.map_or_else(|| entry(line.source), name), line.to.map_or_else(|| exit(line.source), name))
}

/// How far the text beside a line moves up or down so that it stands where the line is straight.
fn away_from_bend(points: &[(f64, f64)], y: f64) -> f64 {
    const MOST: f64 = 9.0;
    let Some(around) = points.windows(3).find(|around| around.get(1).is_some_and(|point| (point.1 - y).abs() < 0.5))
    else {
        return 0.0;
    };
    let &[before, here, after] = around else { return 0.0 };
    let bends = |other: (f64, f64)| (other.0 - here.0).abs() > 0.5;
    match (bends(before), bends(after)) {
        (true, false) => MOST.min((after.1 - here.1) / 2.0),
        (false, true) => -MOST.min((here.1 - before.1) / 2.0),
        _ => 0.0,
    }
}

/// The ways of all lines of a frame.
fn routes(
    lines: &[(Line, Option<String>)],
    places: &HashMap<Item, Rect>,
    inner: &HashMap<usize, Inner>,
    graph: &Graph,
    rect: &dyn Fn(&str) -> Rect,
) -> Vec<Route> {
    let way = |index: usize, line: &Line| {
        let (from, to) = ends(line);
        graph.edge_label_named(&from, &to, &index.to_string())
    };
    let middle = |rect: Rect| rect.x + rect.width / 2.0;
    // Where the lines that lead to one box come from, from left to right.
    let mut arrivals: HashMap<String, Vec<(f64, usize)>> = HashMap::new();
    for (index, (line, _)) in lines.iter().enumerate() {
        let points = way(index, line).and_then(|label| label.points.as_ref());
        let before = points.and_then(|points| points.len().checked_sub(2).and_then(|place| points.get(place)));
        arrivals.entry(ends(line).1).or_default().push((before.map_or(0.0, |point| point.x), index));
    }
    arrivals.values_mut().for_each(|list| list.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1))));
    let mut routes = Vec::new();
    for (index, (line, text)) in lines.iter().enumerate() {
        let (from, to) = ends(line);
        let (above, below) = (rect(&from), rect(&to));
        let start = match line.from {
            Some(Item::Group(id)) => {
                let exit = inner.get(&id).and_then(|inner| inner.exits.get(&line.source)).copied();
                (above.x + exit.unwrap_or(above.width / 2.0), above.y + above.height)
            }
            Some(Item::Box(_)) => (middle(above), above.y + above.height),
            None => (middle(above), 0.0),
        };
        let among = arrivals.get(&to).map(Vec::as_slice).unwrap_or_default();
        let place = among.iter().position(|&(_, other)| other == index).unwrap_or(0) as f64;
        // Ends stay clear of the corners.
        let apart =
            if among.len() > 1 { ENDS.min((below.width - 24.0).max(0.0) / (among.len() - 1) as f64) } else { 0.0 };
        let end = match line.to {
            Some(_) => (middle(below) + (place - (among.len() as f64 - 1.0) / 2.0) * apart, below.y),
            None => (middle(below), below.y + below.height),
        };
        let label = way(index, line);
        let mut points = vec![start];
        let between = label.and_then(|label| label.points.as_deref()).unwrap_or_default();
        let between = between.get(1..between.len().saturating_sub(1)).unwrap_or_default();
        for &Point { x, y } in between {
            // Beside boxes of a row the line goes straight down; it moves sideways between rows.
            let half = places
                .values()
                .filter(|rect| (rect.y + rect.height / 2.0 - y).abs() < 0.5)
                .map(|rect| rect.height / 2.0)
                .fold(0.0, f64::max);
            points.push((x, y - half));
            if half > 0.0 {
                points.push((x, y + half));
            }
        }
        points.push(end);
        let label = text.clone().zip(label).map(|(text, label)| {
            let y = label.y.unwrap_or(start.1);
            (label.x.unwrap_or(start.0) - wide(&text, SMALL) / 2.0, y + away_from_bend(&points, y), text)
        });
        routes.push(Route { points, arrow: line.to.is_some(), label });
    }
    routes
}
