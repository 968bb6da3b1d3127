//! A scene as Graphviz.

use super::scene::{Cluster, Members, Scene};
use super::svg::{colors, escaped};
use std::collections::HashMap;
use std::fmt::Write;

/// Writes the graph.
pub fn write(scene: &Scene) -> String {
    let mut dot = String::new();
    let _ = writeln!(dot, "digraph {} {{", quoted(&scene.title));
    let _ = writeln!(dot, "  label={}", quoted(&format!("{}: {}", scene.title, scene.facts)));
    dot.push_str("  labelloc=t fontname=\"monospace\"\n");
    dot.push_str("  node [shape=plain fontname=\"monospace\" fontsize=12]\n");
    dot.push_str("  edge [fontname=\"monospace\" fontsize=10 color=\"#7c8798\" fontcolor=\"#64748b\"]\n");
    inside(scene, &scene.members(), None, 1, &mut dot);
    for edge in &scene.edges {
        let _ = writeln!(dot, "  n{} -> n{} [label={}]", edge.from, edge.to, quoted(&format!(" {}", edge.shape)));
    }
    dot.push_str("}\n");
    dot
}

fn inside(
    scene: &Scene,
    members: &HashMap<Option<usize>, Members>,
    frame: Option<usize>,
    depth: usize,
    dot: &mut String,
) {
    let indent = "  ".repeat(depth);
    let Some(here) = members.get(&frame) else { return };
    for (index, drawn) in here.boxes.iter().filter_map(|&index| Some((index, scene.boxes.get(index)?))) {
        // A table, since a box may have layers of several colours.
        let rows: Vec<String> = drawn
            .rows
            .iter()
            .map(|row| format!("<tr><td bgcolor=\"{}\">{}</td></tr>", colors(row.kind).0, escaped(&row.text)))
            .collect();
        let tip: Vec<&str> = drawn.rows.iter().map(|row| row.tip.as_str()).collect();
        let _ = writeln!(
            dot,
            "{indent}n{index} [tooltip={} label=<<table border=\"1\" cellborder=\"0\" cellspacing=\"0\" cellpadding=\"4\" color=\"#64748b\">{}</table>>]",
            quoted(&tip.join("; ")),
            rows.concat()
        );
    }
    for (index, group) in here.groups.iter().filter_map(|&index| Some((index, scene.groups.get(index)?))) {
        let Cluster { title, scope, .. } = group;
        let label = if scope.is_empty() { title.clone() } else { format!("{title}  {scope}") };
        let _ = writeln!(dot, "{indent}subgraph cluster{index} {{");
        let _ =
            writeln!(dot, "{indent}  label={} labeljust=l fontname=\"monospace\" color=\"#94a3b8\"", quoted(&label));
        inside(scene, members, Some(index), depth + 1, dot);
        let _ = writeln!(dot, "{indent}}}");
    }
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
