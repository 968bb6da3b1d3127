//! Each room of `src/` imports only rooms that stand before it in the order that `docs/architecture.md` shows.
//!
//! Code of tests is left out: a test may look at a small thing through everything that is built on it.

use std::path::{Path, PathBuf};

/// Files that are compiled for tests alone.
const OF_TESTS: [&str; 3] = ["tests.rs", "testing.rs", "mock.rs"];

/// The rooms, from the ground up; what stands between two `<` is one floor.
fn floors(page: &str) -> Vec<Vec<&str>> {
    let line = page.lines().find(|line| line.starts_with("source, text, random <")).expect("the order of the rooms");
    line.split('<').map(|floor| floor.split(',').map(str::trim).collect()).collect()
}

/// The floor and the room that a path such as `check/net/trainable` belongs to: the longest name that fits.
fn room<'a>(floors: &[Vec<&'a str>], path: &str) -> Option<(usize, &'a str)> {
    let fits = |room: &&str| path == *room || path.strip_prefix(room).is_some_and(|rest| rest.starts_with('/'));
    let all = floors.iter().enumerate().flat_map(|(floor, rooms)| rooms.iter().map(move |room| (floor, *room)));
    all.filter(|(_, room)| fits(room)).max_by_key(|(_, room)| room.len())
}

/// The modules that a text names, as paths from the root: `crate::a::b` and, in the file's own module `own`, `super::b`.
fn named(text: &str, own: &Path) -> Vec<String> {
    let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let mut found = Vec::new();
    for line in code.lines().filter(|line| !line.trim_start().starts_with("//!")) {
        for (at, start) in line.match_indices("crate::").chain(line.match_indices("super::")) {
            let boundary = !line[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':');
            let end = |c: char| !(c.is_alphanumeric() || c == '_' || c == ':');
            let path = line[at..].split(end).next().unwrap_or_default().trim_end_matches(':');
            let base = if start == "crate::" { PathBuf::new() } else { own.parent().unwrap_or(own).to_path_buf() };
            let full = path.split("::").skip(1).fold(base, |base, part| match part {
                "super" => base.parent().unwrap_or(&base).to_path_buf(),
                _ => base.join(part),
            });
            found.extend(boundary.then(|| full.to_string_lossy().into_owned()));
        }
    }
    found
}

fn sources(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, into);
        } else if !OF_TESTS.iter().any(|name| path.ends_with(name)) {
            into.push(path);
        }
    }
}

#[test]
fn rooms_import_only_what_is_below_them() {
    let page = std::fs::read_to_string("docs/architecture.md").unwrap();
    let (floors, mut files, mut arrows) = (floors(&page), Vec::new(), 0);
    sources(Path::new("src"), &mut files);
    for file in &files {
        let own = file.strip_prefix("src").unwrap().with_extension("");
        let own = if own.ends_with("mod") { own.parent().unwrap() } else { &own };
        let name = own.to_string_lossy();
        if name == "lib" || name == "main" {
            continue;
        }
        // A room's root may name its parts.
        let (floor, mine) = room(&floors, &name).unwrap_or_else(|| panic!("{name} is in no room"));
        for named in named(&std::fs::read_to_string(file).unwrap(), own) {
            let Some((other_floor, other)) = room(&floors, &named) else { continue };
            arrows += usize::from(other != mine);
            assert!(other_floor <= floor, "src/{name}.rs, in `{mine}`, names `{other}`, which is above it ({named})");
        }
    }
    assert!(files.len() > 200 && arrows > 500, "{} files, {arrows} arrows", files.len());
}

#[test]
fn an_arrow_the_other_way_is_seen() {
    let floors = floors("source, text, random < check, check/net < train");
    assert_eq!(room(&floors, "check/net/trainable"), Some((1, "check/net")));
    assert_eq!(room(&floors, "checker"), None);
    let text = "use crate::train::{a, b};\nuse super::super::super::random;\n//! crate::cli\n#[cfg(test)]\nmod tests {\ncrate::run";
    assert_eq!(named(text, Path::new("check/net/x")), ["train", "random"]);
    assert_eq!(named("use super::x::Y;", Path::new("check/net/x")), ["check/net/x/Y"]);
}
