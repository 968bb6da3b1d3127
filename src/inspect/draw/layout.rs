//! Places for boxes, frames and edges.
//!
//! Every frame is laid out for itself, inner ones first, by dagre's algorithm (Gansner et al. 1993, "A Technique for Drawing
//! Directed Graphs"; Brandes & Köpf 2001 for the columns); to the frame round it, it is a box. Edges enter a frame at the
//! bottom of its title and leave at its lower edge, so that frames can neither overlap nor be crossed.
//!
//! `frame.rs` has dagre lay one frame out, `routes.rs` turns dagre's bends into the ways of the edges, and `collect.rs` puts
//! the title above, the margins round and the inner frames into all that.

use super::scene::Scene;
use frame::Layout;
use std::collections::HashMap;

mod collect;
mod frame;
mod routes;

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

impl Item {
    /// Its name in dagre's graph.
    fn name(self) -> String {
        match self {
            Item::Box(index) => format!("box {index}"),
            Item::Group(id) => format!("group {id}"),
        }
    }
}

/// What stands in each frame, none being the picture itself; with the index of its first box.
type Members = HashMap<Option<usize>, Vec<(usize, Item)>>;

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
    let members = members(scene);
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
        if let Some(place) = placed.boxes.get_mut(index) {
            *place = rect;
        }
    }
    for (index, rect) in whole.groups {
        if let Some(place) = placed.groups.get_mut(index) {
            *place = rect;
        }
    }
    Ok(placed)
}

/// What stands in each frame, in the order of the layers: a frame stands where its first box does.
fn members(scene: &Scene) -> Members {
    let mut members: Members = HashMap::new();
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
    members
}
