//! The copy of the tree with all mistakes in it, and its one build.

use crate::plant::{Mutant, plant};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Where everything of this program lies.
pub const FOLDER: &str = "target/mutants";
/// Where mistakes are planted: a path, and what below it is left out.
const ROOMS: [(&str, &[&str]); 9] = [
    ("src/graph", &["problem.rs", "shape_problem.rs"]),
    ("src/lower", &[]),
    ("src/data", &["error.rs"]),
    ("src/recipe", &[]),
    ("src/train", &["error.rs"]),
    ("src/engine/update.rs", &[]),
    ("src/engine/state.rs", &[]),
    ("src/engine/native", &["kernels/", "exec/", "bench.rs", "memory.rs"]),
    ("src/engine/tensor/update.rs", &[]),
];
/// Files that only tests have.
const OF_TESTS: [&str; 3] = ["tests.rs", "testing.rs", "mock.rs"];
/// Builds without what does not compile, before it is given up.
const ROUNDS: usize = 20;
/// The switch. It is read once; 0 is none.
const SWITCH: &str = r#"
pub(crate) mod mutant {
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
    static CHOSEN: AtomicUsize = AtomicUsize::new(usize::MAX);
    #[inline]
    pub(crate) fn on(number: usize) -> bool {
        let chosen = CHOSEN.load(Relaxed);
        (if chosen == usize::MAX { read() } else { chosen }) == number
    }
    #[cold]
    fn read() -> usize {
        let chosen = std::env::var("NETC_MUTANT").ok().and_then(|number| number.parse().ok()).unwrap_or(0);
        CHOSEN.store(chosen, Relaxed);
        chosen
    }
}
"#;

/// What went wrong, in words.
pub type Problem = Box<dyn std::error::Error + Send + Sync>;

/// The planted tree, built.
pub struct Built {
    /// Its root.
    pub root: PathBuf,
    /// All mistakes that compile, by number.
    pub mutants: Vec<Mutant>,
    /// Name and path of the test binaries, in the order in which they are run.
    pub tests: Vec<(String, PathBuf)>,
    /// Of the list of mistakes.
    pub list: String,
    /// Of all files.
    pub sources: String,
}

/// The room of a file, if mistakes are planted in it.
pub fn room(file: &str) -> Option<&'static str> {
    let in_room = |(room, without): &&(&'static str, &[&str])| {
        let Some(rest) = file.strip_prefix(room) else { return false };
        let rest = rest.trim_start_matches('/');
        !without.iter().any(|part| rest == *part || part.ends_with('/') && rest.starts_with(part))
    };
    let of_tests = OF_TESTS.iter().any(|name| Path::new(file).ends_with(name));
    ROOMS.iter().find(in_room).map(|(room, _)| *room).filter(|_| file.ends_with(".rs") && !of_tests)
}

fn hash(value: impl Hash) -> String {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

/// Writes what differs alone, so that nothing is built again for nothing.
fn write(path: &Path, bytes: &[u8]) -> Result<(), Problem> {
    if std::fs::read(path).is_ok_and(|old| old == bytes) {
        return Ok(());
    }
    std::fs::create_dir_all(path.parent().ok_or("no folder")?)?;
    Ok(std::fs::write(path, bytes)?)
}

/// The files that git knows, with what is in them now.
fn files() -> Result<Vec<(String, Vec<u8>)>, Problem> {
    let output = Command::new("git").args(["ls-files", "-z"]).output()?;
    let names = String::from_utf8(output.stdout)?;
    let mut files = Vec::new();
    for name in names.split('\0').filter(|name| !name.is_empty() && !name.starts_with("scripts/mutants/")) {
        // One that was deleted and not yet committed is not there.
        if let Ok(bytes) = std::fs::read(name) {
            files.push((name.to_string(), bytes));
        }
    }
    Ok(files)
}

/// Takes what an earlier copy had and this one has not away.
fn sweep(folder: &Path, keep: &BTreeSet<PathBuf>) -> Result<(), Problem> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            if !path.ends_with("tree/target") {
                sweep(&path, keep)?;
            }
        } else if !keep.contains(&path) {
            std::fs::remove_file(path)?;
        }
    }
    Ok(())
}

/// Every mistake, those that are dropped too, and what becomes of each file.
fn planted(files: &[(String, Vec<u8>)], dropped: &BTreeSet<usize>) -> Result<(Vec<Mutant>, Vec<Vec<u8>>), Problem> {
    let (mut mutants, mut texts) = (Vec::new(), Vec::new());
    for (name, bytes) in files {
        let mut bytes = bytes.clone();
        if room(name).is_some() {
            let text = String::from_utf8(bytes)?;
            let plan = plant(name, &text, mutants.len() + 1, &|number| dropped.contains(&number));
            let (found, planted) = plan.map_err(|error| format!("{name}: {error}"))?;
            mutants.extend(found);
            bytes = planted.into_bytes();
        } else if name == "src/lib.rs" {
            bytes.extend_from_slice(SWITCH.as_bytes());
        }
        texts.push(bytes);
    }
    Ok((mutants, texts))
}

/// Copies, plants and builds.
pub fn build() -> Result<Built, Problem> {
    let root = std::env::current_dir()?.join(FOLDER).join("tree");
    std::fs::create_dir_all(&root)?;
    let files = files()?;
    sweep(&root, &files.iter().map(|(name, _)| root.join(name)).collect())?;
    for (room, _) in ROOMS {
        if !files.iter().any(|(name, _)| self::room(name) == Some(room)) {
            return Err(format!("{room} has no source: say in scripts/mutants/src/tree.rs where it is now").into());
        }
    }
    let sources = hash(&files);
    let every = planted(&files, &BTreeSet::new())?.0;
    let planted_in = hash(every.iter().map(|m| (&m.file, m.line, &m.change)).collect::<Vec<_>>());
    let path = Path::new(FOLDER).join("dropped.json");
    let mut dropped: BTreeSet<usize> = std::fs::read(&path)
        .ok()
        .and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok())
        .filter(|known| known["of"] == planted_in.as_str())
        .and_then(|known| {
            Some(known["dropped"].as_array()?.iter().filter_map(|n| Some(n.as_u64()? as usize)).collect())
        })
        .unwrap_or_default();
    for round in 1..=ROUNDS {
        let (mut mutants, texts) = planted(&files, &dropped)?;
        for ((name, _), bytes) in files.iter().zip(&texts) {
            write(&root.join(name), bytes)?;
        }
        let candidates = mutants.len();
        mutants.retain(|mutant| !dropped.contains(&mutant.number));
        eprintln!("build {round}: {} mistakes, {} left out of {candidates}", mutants.len(), dropped.len());
        match compile(&root, &mutants)? {
            Compiled::Without(more) => dropped.extend(more),
            Compiled::Tests(tests) => {
                let list: Vec<Value> = mutants
                    .iter()
                    .map(|m| json!({"number": m.number, "file": m.file, "line": m.line, "change": m.change}))
                    .collect();
                let list = serde_json::to_string_pretty(&list)?;
                std::fs::write(Path::new(FOLDER).join("list.json"), &list)?;
                return Ok(Built { root, mutants, tests, list: hash(list), sources });
            }
        }
        std::fs::write(&path, serde_json::to_vec(&json!({"of": planted_in, "dropped": dropped}))?)?;
    }
    Err("the tree with the mistakes does not compile".into())
}

enum Compiled {
    Tests(Vec<(String, PathBuf)>),
    /// These do not compile.
    Without(BTreeSet<usize>),
}

fn compile(root: &Path, mutants: &[Mutant]) -> Result<Compiled, Problem> {
    let target = std::env::current_dir()?.join(FOLDER).join("target");
    // The order in which they are run: what is quick and sees much comes first.
    let order = ["netc", "compiler", "engines", "runs", "allocations"];
    let mut arguments = vec!["test", "--no-run", "--locked", "--message-format=json", "--lib"];
    order[1..].iter().for_each(|name| arguments.extend(["--test", name]));
    let output = Command::new("cargo")
        .args(arguments)
        .current_dir(root)
        .env("CARGO_TARGET_DIR", target)
        .stderr(Stdio::piped())
        .output()?;
    let (mut tests, mut errors, mut without) = (vec![None; order.len()], Vec::new(), BTreeSet::new());
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let Ok(message) = serde_json::from_str::<Value>(line) else { continue };
        if let (Some(path), true) = (message["executable"].as_str(), message["profile"]["test"] == true) {
            let name = message["target"]["name"].as_str().unwrap_or_default();
            let is_lib = message["target"]["kind"][0] == "lib";
            if let Some(place) = order.iter().position(|known| *known == name && (name != "netc" || is_lib)) {
                tests[place] = Some((if is_lib { "lib" } else { name }.to_string(), PathBuf::from(path)));
            }
        }
        if message["reason"] == "compiler-message" && message["message"]["level"] == "error" {
            errors.push(message["message"].clone());
        }
    }
    if output.status.success() {
        let tests: Vec<_> = tests.into_iter().flatten().collect();
        return if tests.len() == order.len() {
            Ok(Compiled::Tests(tests))
        } else {
            Err("a test binary is missing".into())
        };
    }
    for error in &errors {
        if error["spans"].as_array().is_none_or(|spans| spans.is_empty()) {
            continue;
        }
        let found = blamed(error, mutants);
        if found.is_empty() {
            return Err(format!("no mistake explains\n{}", error["rendered"].as_str().unwrap_or_default()).into());
        }
        without.extend(found);
    }
    if without.is_empty() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
    }
    Ok(Compiled::Without(without))
}

/// The mistakes that an error of the compiler is about: the innermost one round a place that it shows, else those
/// inside such a place, else those on its lines. What is assigned under a condition can make an error far from it.
fn blamed(error: &Value, mutants: &[Mutant]) -> Vec<usize> {
    let empty = Vec::new();
    let all = error["spans"].as_array().unwrap_or(&empty);
    let spans = |primary: bool| all.iter().filter(move |span| span["is_primary"] == primary);
    let places = |primary: bool| {
        spans(primary).filter_map(|span| {
            let at = |name: &str| Some(span[name].as_u64()? as usize);
            Some((span["file_name"].as_str()?, at("byte_start")?, at("byte_end")?))
        })
    };
    for primary in [true, false] {
        for (file, start, end) in places(primary) {
            let inside = |m: &&Mutant| m.file == file && m.planted.start <= start && end <= m.planted.end;
            if let Some(innermost) = mutants.iter().filter(inside).min_by_key(|m| m.planted.len()) {
                return vec![innermost.number];
            }
        }
        for (file, start, end) in places(primary) {
            let within = |m: &&Mutant| m.file == file && start <= m.planted.start && m.planted.end <= end;
            let found: Vec<usize> = mutants.iter().filter(within).map(|m| m.number).collect();
            if !found.is_empty() {
                return found;
            }
        }
    }
    for (around, only) in [(0, ""), (30, "without `"), (30, "")] {
        let near = |m: &&Mutant| {
            m.change.starts_with(only)
                && all.iter().any(|span| {
                    let line = |name: &str| span[name].as_u64().unwrap_or_default() as usize;
                    let lines = line("line_start").saturating_sub(around)..=line("line_end") + around;
                    m.file == span["file_name"] && lines.contains(&m.line)
                })
        };
        let found: Vec<usize> = mutants.iter().filter(near).map(|m| m.number).collect();
        if !found.is_empty() {
            return found;
        }
    }
    Vec::new()
}
