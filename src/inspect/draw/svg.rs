//! A scene as SVG. Nothing is drawn behind it and text outside boxes is grey, so that it can be read on light and dark.

use super::layout::{HEADER, MARGIN, Placed, ROW, Rect, Route, SMALL, TEXT, TITLE, wide};
use super::scene::{Kind, Scene};
use std::fmt::Write;

const FONT: &str = "'DejaVu Sans Mono', ui-monospace, Menlo, Consolas, monospace";

/// Fill and border.
pub fn colors(kind: Kind) -> (&'static str, &'static str) {
    match kind {
        Kind::Input => ("#e2e8f0", "#64748b"),
        Kind::Conv => ("#bfdbfe", "#3b82f6"),
        Kind::Linear => ("#ddd6fe", "#8b5cf6"),
        Kind::Norm => ("#fef3c7", "#d9a406"),
        Kind::Activation => ("#fecaca", "#ef7272"),
        Kind::Pool => ("#bbf7d0", "#22a559"),
        Kind::Join => ("#fed7aa", "#ea8a2e"),
        Kind::Other => ("#e5e7eb", "#8b95a5"),
        Kind::Block => ("#f1f5f9", "#64748b"),
    }
}

/// Text that may hold anything.
pub fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            c => safe.push(c),
        }
    }
    safe
}

/// Writes the picture.
pub fn write(scene: &Scene, placed: &Placed) -> String {
    let mut svg = String::new();
    let (width, height) = (placed.width.ceil(), placed.height.ceil());
    let _ = writeln!(
        svg,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" font-family=\"{FONT}\" font-size=\"{TEXT}\">"
    );
    let title = escaped(&scene.title);
    let _ = writeln!(svg, "<title>{title}: {}</title>", escaped(&scene.facts));
    let _ = writeln!(
        svg,
        "<defs><marker id=\"arrow\" viewBox=\"0 0 8 8\" refX=\"7.5\" refY=\"4\" markerWidth=\"7\" markerHeight=\"7\" orient=\"auto\"><path d=\"M0 0.5 L8 4 L0 7.5 z\" fill=\"#7c8798\"/></marker></defs>"
    );
    let _ = writeln!(
        svg,
        "<text x=\"{MARGIN}\" y=\"{:.1}\" font-weight=\"bold\" fill=\"#6b7a90\">{title}</text>",
        HEADER * 0.85
    );
    let _ = writeln!(
        svg,
        "<text x=\"{MARGIN}\" y=\"{:.1}\" font-size=\"{SMALL}\" fill=\"#6b7a90\">{}</text>",
        HEADER * 1.55,
        escaped(&scene.facts)
    );
    for (group, rect) in scene.groups.iter().zip(&placed.groups) {
        frame(&mut svg, &group.title, &group.scope, *rect);
    }
    for route in &placed.routes {
        edge(&mut svg, route);
    }
    for (drawn, rect) in scene.boxes.iter().zip(&placed.boxes) {
        boxed(&mut svg, drawn, *rect);
    }
    svg.push_str("</svg>\n");
    svg
}

fn frame(svg: &mut String, title: &str, scope: &str, rect: Rect) {
    let Rect { x, y, width, height } = rect;
    let _ = writeln!(
        svg,
        "<rect class=\"frame\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" rx=\"7\" fill=\"#94a3b8\" fill-opacity=\"0.09\" stroke=\"#94a3b8\" stroke-opacity=\"0.7\"/>"
    );
    let right = x + width;
    let _ = writeln!(
        svg,
        "<path d=\"M{x:.1} {bottom:.1} V{corner:.1} a7 7 0 0 1 7 -7 H{end:.1} a7 7 0 0 1 7 7 V{bottom:.1} z\" fill=\"#94a3b8\" fill-opacity=\"0.22\"/>",
        bottom = y + HEADER,
        corner = y + 7.0,
        end = right - 7.0,
    );
    let middle = y + HEADER / 2.0 + 0.35 * TITLE;
    let _ = writeln!(
        svg,
        "<text x=\"{:.1}\" y=\"{middle:.1}\" font-size=\"{TITLE}\" font-weight=\"bold\" fill=\"#6b7a90\">{}</text>",
        x + 12.0,
        escaped(title)
    );
    if !scope.is_empty() {
        let _ = writeln!(
            svg,
            "<text x=\"{:.1}\" y=\"{middle:.1}\" font-size=\"{SMALL}\" fill=\"#6b7a90\">{}</text>",
            x + 12.0 + wide(title, TITLE) + 18.0,
            escaped(scope)
        );
    }
}

fn edge(svg: &mut String, route: &Route) {
    let mut path = String::new();
    let mut points = route.points.iter();
    let Some(&(mut x, mut y)) = points.next() else { return };
    let _ = write!(path, "M{x:.1} {y:.1}");
    for &(to_x, to_y) in points {
        if (to_x - x).abs() < 0.5 {
            let _ = write!(path, " L{to_x:.1} {to_y:.1}");
        } else {
            // Straight down at both ends.
            let bend = (to_y - y) / 2.0;
            let _ = write!(path, " C{x:.1} {:.1} {to_x:.1} {:.1} {to_x:.1} {to_y:.1}", y + bend, to_y - bend);
        }
        (x, y) = (to_x, to_y);
    }
    let arrow = if route.arrow { " marker-end=\"url(#arrow)\"" } else { "" };
    let _ = writeln!(svg, "<path d=\"{path}\" fill=\"none\" stroke=\"#7c8798\" stroke-width=\"1.3\"{arrow}/>");
    if let Some((x, y, text)) = &route.label {
        let _ = writeln!(
            svg,
            "<text x=\"{x:.1}\" y=\"{:.1}\" font-size=\"{SMALL}\" fill=\"#6b7a90\">{}</text>",
            y + 0.35 * SMALL,
            escaped(text)
        );
    }
}

fn boxed(svg: &mut String, drawn: &super::scene::Drawn, rect: Rect) {
    let Rect { x, y, width, height } = rect;
    let count = drawn.rows.len();
    let middle = x + width / 2.0;
    let border = drawn.rows.first().map_or("#64748b", |row| colors(row.kind).1);
    for (place, row) in drawn.rows.iter().enumerate() {
        let top = y + place as f64 * ROW;
        let fill = colors(row.kind).0;
        // Only the outer corners are round.
        let r = 5.0;
        let (upper, lower) = (if place == 0 { r } else { 0.0 }, if place + 1 == count { r } else { 0.0 });
        let _ = writeln!(
            svg,
            "<g><title>{}</title><path d=\"M{left:.1} {:.1} a{upper} {upper} 0 0 1 {upper} -{upper} H{:.1} a{upper} {upper} 0 0 1 {upper} {upper} V{:.1} a{lower} {lower} 0 0 1 -{lower} {lower} H{:.1} a{lower} {lower} 0 0 1 -{lower} -{lower} z\" fill=\"{fill}\"/>",
            escaped(&row.tip),
            top + upper,
            x + width - upper,
            top + ROW - lower,
            x + lower,
            left = x,
        );
        let weight = if row.kind == Kind::Block && place == 0 { " font-weight=\"bold\"" } else { "" };
        let _ = writeln!(
            svg,
            "<text x=\"{middle:.1}\" y=\"{:.1}\" text-anchor=\"middle\" fill=\"#1e293b\"{weight}>{}</text></g>",
            top + ROW / 2.0 + 0.35 * TEXT,
            escaped(&row.text)
        );
    }
    let _ = writeln!(
        svg,
        "<rect class=\"box\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" rx=\"5\" fill=\"none\" stroke=\"{border}\"/>"
    );
}
