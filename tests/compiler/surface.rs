//! What another program may use: every name at the root of the crate, with what it shows. The snapshot holds it, so that
//! nothing becomes public, or stops being so, by accident. `scripts/bless.sh surface` writes it anew.

use std::collections::BTreeMap;
use std::path::Path;

/// Every source file below a folder, or the file of that name, in order.
fn files(room: &Path, into: &mut BTreeMap<String, String>) {
    if let Ok(entries) = std::fs::read_dir(room) {
        entries.for_each(|entry| files(&entry.unwrap().path(), into));
    } else {
        let file = room.with_extension("rs");
        into.insert(file.display().to_string(), std::fs::read_to_string(&file).unwrap());
    }
}

/// The names of `pub use a::{b::C, D};` lines, with the room that they come from.
fn exported(root: &str) -> Vec<(String, String)> {
    let uses = root.lines().filter_map(|line| line.strip_prefix("pub use ")?.strip_suffix(';'));
    uses.flat_map(|path| {
        let room = path.split("::").next().unwrap().to_string();
        let names = path.rsplit("::").next().unwrap();
        let names = if path.contains('{') { path.split('{').nth(1).unwrap().trim_end_matches('}') } else { names };
        names.split(',').map(|name| (name.trim().to_string(), room.clone())).collect::<Vec<_>>()
    })
    .collect()
}

/// A declaration's own line, then what is public in it and in the blocks that implement it, as rustfmt lays them out.
fn shown(name: &str, text: &str) -> Option<String> {
    let heads = ["struct", "enum", "trait"].map(|kind| format!("pub {kind} {name}"));
    let is_end = |rest: &str| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_');
    let declares =
        |line: &&str| heads.iter().any(|head| line.trim_start().strip_prefix(head.as_str()).is_some_and(is_end));
    let declaration = text.lines().find(declares)?;
    let mut lines = vec![declaration.trim_start().trim_end_matches([' ', '{']).to_string()];
    let (mut declared, mut implemented) = (false, false);
    for line in text.lines() {
        let implements = line.starts_with("impl") && !line.contains(" for ");
        if line.starts_with('}') {
            (declared, implemented) = (false, false);
        } else if line == declaration || implements {
            declared = line == declaration && line.ends_with('{');
            implemented = implements && line.split([' ', '<', '>']).any(|word| word == name);
        } else if let Some(inside) = line.strip_prefix("    ") {
            // Fields, variants, methods; not what is deeper, or said about them.
            let itself = !inside.starts_with([' ', '/', '#', '}', ')']);
            let public = inside.starts_with("pub ") || declared && !declaration.contains("struct");
            if (declared || implemented) && itself && public {
                lines.push(format!("  {}", inside.trim_end_matches([' ', '{', ','])));
            }
        }
    }
    Some(lines.join("\n"))
}

#[test]
fn the_public_names_are_those_of_the_snapshot() {
    let root = std::fs::read_to_string("src/lib.rs").unwrap();
    let exported = exported(&root);
    let mut all = Vec::new();
    for (name, room) in &exported {
        let mut texts = BTreeMap::new();
        files(&Path::new("src").join(room), &mut texts);
        let found: Vec<String> = texts.values().filter_map(|text| shown(name, text)).collect();
        assert_eq!(found.len(), 1, "{name} of {room}");
        all.extend(found);
    }
    all.sort();
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(concat!(env!("CARGO_MANIFEST_DIR"), "/snapshots"));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!("public_surface", all.join("\n\n")));
}
