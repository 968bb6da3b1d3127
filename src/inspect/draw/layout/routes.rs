//! The ways of the edges: from where a box or frame is left, by dagre's bends, to where they arrive.

use super::frame::{Line, Picture};
use super::{ENDS, Item, Rect, Route, SMALL, wide};
use dagre_dgl_rs::Point;
use std::collections::HashMap;

/// The ways of all lines of a frame.
pub(super) fn routes(picture: &Picture<'_>, places: &HashMap<Item, Rect>) -> Vec<Route> {
    let arrivals = arrivals(picture);
    let mut routes = Vec::new();
    for (index, (line, text)) in picture.lines.iter().enumerate() {
        let among = arrivals.get(&line.ends().1).map(Vec::as_slice).unwrap_or_default();
        let start = start(picture, line);
        let edge = picture.edge(index, line);
        let mut points = vec![start];
        points.extend(bends(edge.and_then(|edge| edge.points.as_deref()).unwrap_or_default(), places));
        points.push(end(picture, line, among.iter().position(|&other| other == index), among.len()));
        let label = text.clone().zip(edge).map(|(text, edge)| {
            let y = edge.y.unwrap_or(start.1);
            (edge.x.unwrap_or(start.0) - wide(&text, SMALL) / 2.0, y + away_from_bend(&points, y), text)
        });
        routes.push(Route { points, arrow: line.to.is_some(), label });
    }
    routes
}

fn middle(rect: Rect) -> f64 {
    rect.x + rect.width / 2.0
}

/// The lines that lead to each node, in the order in which they come, from left to right.
fn arrivals(picture: &Picture<'_>) -> HashMap<String, Vec<usize>> {
    let mut arrivals: HashMap<String, Vec<(f64, usize)>> = HashMap::new();
    for (index, (line, _)) in picture.lines.iter().enumerate() {
        let points = picture.edge(index, line).and_then(|edge| edge.points.as_ref());
        let before = points.and_then(|points| points.len().checked_sub(2).and_then(|place| points.get(place)));
        arrivals.entry(line.ends().1).or_default().push((before.map_or(0.0, |point| point.x), index));
    }
    let ordered = |mut list: Vec<(f64, usize)>| {
        list.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        list.into_iter().map(|(_, index)| index).collect()
    };
    arrivals.into_iter().map(|(to, list)| (to, ordered(list))).collect()
}

/// Where a line begins: below a box, at a frame's exit, or at the top.
fn start(picture: &Picture<'_>, line: &Line) -> (f64, f64) {
    let above = picture.rect(&line.ends().0);
    match line.from {
        Some(Item::Group(id)) => {
            let exit = picture.inner.get(&id).and_then(|inner| inner.exits.get(&line.source)).copied();
            (above.x + exit.unwrap_or(above.width / 2.0), above.y + above.height)
        }
        Some(Item::Box(_)) => (middle(above), above.y + above.height),
        None => (middle(above), 0.0),
    }
}

/// Where a line ends that is the `place`-th of all that arrive there.
fn end(picture: &Picture<'_>, line: &Line, place: Option<usize>, all: usize) -> (f64, f64) {
    let below = picture.rect(&line.ends().1);
    if line.to.is_none() {
        return (middle(below), below.y + below.height);
    }
    // Ends stay clear of the corners.
    let apart = if all > 1 { ENDS.min((below.width - 24.0).max(0.0) / (all - 1) as f64) } else { 0.0 };
    (middle(below) + (place.unwrap_or(0) as f64 - (all as f64 - 1.0) / 2.0) * apart, below.y)
}

/// Dagre's points between the ends of a line. Beside boxes of a row the line goes straight down; it moves sideways between
/// rows.
fn bends(points: &[Point], places: &HashMap<Item, Rect>) -> Vec<(f64, f64)> {
    let between = points.get(1..points.len().saturating_sub(1)).unwrap_or_default();
    let mut bends = Vec::new();
    for &Point { x, y } in between {
        let half = places
            .values()
            .filter(|rect| (rect.y + rect.height / 2.0 - y).abs() < 0.5)
            .map(|rect| rect.height / 2.0)
            .fold(0.0, f64::max);
        bends.push((x, y - half));
        if half > 0.0 {
            bends.push((x, y + half));
        }
    }
    bends
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
