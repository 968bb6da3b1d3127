//! From dagre's picture of one frame to places inside that frame: its title above, its margins round it, its exits below.

use super::frame::{Layout, Picture, exit};
use super::routes::routes;
use super::{HEADER, Inner, Item, MARGIN, RANKS, Rect, Route, SIDE, SMALL, TEXT, TITLE, wide};
use std::collections::HashMap;

/// What the content covers from left to right, with the texts of edges.
#[derive(Clone, Copy)]
struct Content {
    left: f64,
    right: f64,
}

impl Content {
    fn of(places: &HashMap<Item, Rect>, routes: &[Route]) -> Content {
        let mut left = places.values().map(|rect| rect.x).fold(f64::INFINITY, f64::min);
        let mut right = places.values().map(|rect| rect.x + rect.width).fold(f64::NEG_INFINITY, f64::max);
        for route in routes {
            for &(x, _) in &route.points {
                (left, right) = (left.min(x), right.max(x));
            }
            if let Some((x, _, text)) = &route.label {
                right = right.max(x + wide(text, SMALL));
            }
        }
        Content { left, right }
    }

    /// With so much free on one side that this is the middle.
    fn centred_on(self, middle: f64) -> Content {
        let half = (middle - self.left).max(self.right - middle);
        Content { left: middle - half, right: middle + half }
    }

    fn width(self) -> f64 {
        self.right - self.left
    }
}

/// What stands above the content.
struct Heading {
    /// The least that the frame is wide for it.
    width: f64,
    height: f64,
}

impl Layout<'_> {
    /// From dagre's centres to places inside the frame.
    pub(super) fn collect(&self, picture: &Picture<'_>, frame: Option<usize>) -> Inner {
        let places: HashMap<Item, Rect> =
            picture.members.iter().map(|&(_, item)| (item, picture.rect(&item.name()))).collect();
        let mut routes = routes(picture, &places);
        let mut exits = exits(picture);
        let mut content = Content::of(&places, &routes);
        // Where a frame has one output, that is its middle: what follows stands straight below.
        if frame.is_some() && exits.len() == 1 {
            content = exits.values().fold(content, |content, &only| content.centred_on(only));
        }
        let heading = self.heading(frame);
        let width = (content.width() + 2.0 * MARGIN).max(heading.width);
        let shift = (width - content.width()) / 2.0 - content.left;
        // Entries are at the top of dagre's picture; without any there is a margin.
        let enters = picture.lines.iter().any(|(line, _)| line.from.is_none());
        let down = if enters { heading.height } else { heading.height + MARGIN / 2.0 };
        let bottom = places.values().map(|rect| rect.y + rect.height).fold(0.0, f64::max);
        let height = down + bottom + if exits.is_empty() { MARGIN } else { RANKS * 0.6 };
        for route in &mut routes {
            *route = route.moved(shift, down);
            // An output ends at the frame's lower edge, wherever dagre put its end.
            if !route.arrow
                && let Some(last) = route.points.last_mut()
            {
                last.1 = height;
            }
        }
        exits.values_mut().for_each(|x| *x += shift);
        let mut all = Inner { width, height, routes, exits, ..Inner::default() };
        for &(_, item) in picture.members {
            let rect = places.get(&item).copied().unwrap_or_default().moved(shift, down);
            match item {
                Item::Box(index) => all.boxes.push((index, rect)),
                Item::Group(id) => {
                    all.groups.push((id, rect));
                    if let Some(inner) = picture.inner.get(&id) {
                        all.take(inner, rect);
                    }
                }
            }
        }
        all
    }

    /// The title of a frame with its scope, or of the picture with its facts.
    fn heading(&self, frame: Option<usize>) -> Heading {
        match frame.and_then(|id| self.scene.groups.get(id)) {
            Some(group) => {
                let scope = if group.scope.is_empty() { 0.0 } else { wide(&group.scope, SMALL) + 18.0 };
                Heading { width: wide(&group.title, TITLE) + scope + 2.5 * SIDE, height: HEADER }
            }
            None => {
                let title = wide(&self.scene.title, TEXT).max(wide(&self.scene.facts, SMALL));
                Heading { width: title + 2.0 * MARGIN, height: 2.0 * HEADER }
            }
        }
    }
}

/// Where the output of each box that leaves the frame does so, in dagre's picture.
fn exits(picture: &Picture<'_>) -> HashMap<usize, f64> {
    let outputs = picture.lines.iter().filter(|(line, _)| line.to.is_none()).map(|(line, _)| line.source);
    outputs.map(|source| (source, picture.rect(&exit(source)).x + 0.5)).collect()
}

impl Inner {
    /// Takes over what is in a frame inside this one, which stands at `at`.
    fn take(&mut self, inner: &Inner, at: Rect) {
        self.boxes.extend(inner.boxes.iter().map(|&(index, place)| (index, place.moved(at.x, at.y))));
        self.groups.extend(inner.groups.iter().map(|&(index, place)| (index, place.moved(at.x, at.y))));
        self.routes.extend(inner.routes.iter().map(|route| route.moved(at.x, at.y)));
    }
}

impl Route {
    fn moved(&self, right: f64, down: f64) -> Route {
        Route {
            points: self.points.iter().map(|&(x, y)| (x + right, y + down)).collect(),
            arrow: self.arrow,
            label: self.label.as_ref().map(|(x, y, text)| (x + right, y + down, text.clone())),
        }
    }
}
