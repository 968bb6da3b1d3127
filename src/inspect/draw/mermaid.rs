//! A scene as Mermaid.

use super::scene::{Kind, Members, Scene};
use super::svg::colors;
use std::collections::HashMap;
use std::fmt::Write;

/// Every kind with the name of its class.
const CLASSES: [(Kind, &str); 9] = [
    (Kind::Input, "images"),
    (Kind::Conv, "conv"),
    (Kind::Linear, "linear"),
    (Kind::Norm, "norm"),
    (Kind::Activation, "activation"),
    (Kind::Pool, "pool"),
    (Kind::Join, "join"),
    (Kind::Other, "other"),
    (Kind::Block, "block"),
];

/// Writes the graph.
pub fn write(scene: &Scene) -> String {
    let mut text = String::new();
    let _ = writeln!(text, "%% {}: {}", scene.title, scene.facts);
    text.push_str("flowchart TB\n");
    inside(scene, &scene.members(), None, 1, &mut text);
    for edge in &scene.edges {
        let _ = writeln!(text, "  n{} -->|{}| n{}", edge.from, safe(&edge.shape), edge.to);
    }
    for (kind, class) in CLASSES {
        // A box has the colour of the layer that it begins with.
        let boxes: Vec<String> = scene
            .boxes
            .iter()
            .enumerate()
            .filter(|(_, drawn)| drawn.rows.first().is_some_and(|row| row.kind == kind))
            .map(|(index, _)| format!("n{index}"))
            .collect();
        if !boxes.is_empty() {
            let (fill, border) = colors(kind);
            let _ = writeln!(text, "  classDef {class} fill:{fill},stroke:{border},color:#1e293b");
            let _ = writeln!(text, "  class {} {class}", boxes.join(","));
        }
    }
    text
}

fn inside(
    scene: &Scene,
    members: &HashMap<Option<usize>, Members>,
    frame: Option<usize>,
    depth: usize,
    text: &mut String,
) {
    let indent = "  ".repeat(depth);
    let Some(here) = members.get(&frame) else { return };
    for (index, drawn) in here.boxes.iter().filter_map(|&index| Some((index, scene.boxes.get(index)?))) {
        let rows: Vec<String> = drawn.rows.iter().map(|row| safe(&row.text)).collect();
        let _ = writeln!(text, "{indent}n{index}[\"{}\"]", rows.join("<br/>"));
    }
    for (index, group) in here.groups.iter().filter_map(|&index| Some((index, scene.groups.get(index)?))) {
        let label =
            if group.scope.is_empty() { group.title.clone() } else { format!("{}  {}", group.title, group.scope) };
        let _ = writeln!(text, "{indent}subgraph g{index} [\"{}\"]", safe(&label));
        inside(scene, members, Some(index), depth + 1, text);
        let _ = writeln!(text, "{indent}end");
    }
}

/// Mermaid's own way to write what it would read as its signs.
fn safe(text: &str) -> String {
    text.replace('#', "#35;").replace('"', "#quot;").replace('<', "#lt;").replace('>', "#gt;")
}
