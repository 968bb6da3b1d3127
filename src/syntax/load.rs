//! Reading a spec with everything it `use`s.

use super::ast::{File, Item, PathItem};
use super::parse::parse;
use crate::diagnostic::{Code, Diagnostic};
use crate::source::{FileId, SourceMap, Span};
use std::collections::HashMap;
use std::path::{Component, Path, PathBuf};

/// A longer text is not a spec that a person wrote, and offsets have to fit 32 bits.
const LONGEST_FILE: u64 = 64 << 20;

/// A spec: the file that was asked for first, then every file it uses, each once.
#[derive(Debug, Clone)]
pub struct Spec {
    /// Parsed files; the first is the root.
    pub files: Vec<File>,
}

impl Spec {
    /// The file that was asked for.
    pub fn root(&self) -> Option<&File> {
        self.files.first()
    }
}

/// Reads a spec from disk.
///
/// # Errors
/// Every file that cannot be read or parsed, and every circle of `use`.
pub fn load(path: &Path, sources: &mut SourceMap) -> Result<Spec, Vec<Diagnostic>> {
    match read(path) {
        Ok(text) => load_text(path, text, sources),
        Err(reason) => {
            let message = format!("cannot read {}: {reason}", path.display());
            Err(vec![Diagnostic::new(Code::FileNotRead, message)])
        }
    }
}

/// Takes the root's text from memory; what it uses is read relative to `path`.
///
/// # Errors
/// As [`load`].
pub fn load_text(path: &Path, text: String, sources: &mut SourceMap) -> Result<Spec, Vec<Diagnostic>> {
    load_with(path, text, Texts::Disk, sources)
}

/// Takes every text from memory, by its path: what a run's record holds.
///
/// # Errors
/// As [`load`], for what is not among them.
pub fn load_texts(
    path: &Path,
    texts: &HashMap<PathBuf, String>,
    sources: &mut SourceMap,
) -> Result<Spec, Vec<Diagnostic>> {
    let texts = Texts::Memory(texts);
    match texts.read(path) {
        Ok(text) => load_with(path, text, texts, sources),
        Err(reason) => {
            let message = format!("cannot read {}: {reason}", path.display());
            Err(vec![Diagnostic::new(Code::FileNotRead, message)])
        }
    }
}

/// Where texts are.
#[derive(Debug, Clone, Copy)]
enum Texts<'a> {
    Disk,
    Memory(&'a HashMap<PathBuf, String>),
}

impl Texts<'_> {
    fn read(self, path: &Path) -> Result<String, String> {
        match self {
            Texts::Disk => read(path),
            Texts::Memory(texts) => {
                let found = texts.iter().find(|(known, _)| plain(known) == plain(path));
                found.map(|(_, text)| text.clone()).ok_or_else(|| "it is not in the record".into())
            }
        }
    }

    /// The same for two paths to one file.
    fn identity(self, path: &Path) -> PathBuf {
        match self {
            Texts::Disk => std::fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf()),
            Texts::Memory(_) => plain(path),
        }
    }
}

/// A path without `.` and `..`, as far as it says itself.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if matches!(plain.components().next_back(), Some(Component::Normal(_))) => {
                plain.pop();
            }
            part => plain.push(part),
        }
    }
    plain
}

fn load_with(path: &Path, text: String, texts: Texts<'_>, sources: &mut SourceMap) -> Result<Spec, Vec<Diagnostic>> {
    let (files, known, open, problems) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut loader = Loader { texts, sources, files, known, open, problems };
    loader.add(path, text);
    if loader.problems.is_empty() { Ok(Spec { files: loader.files }) } else { Err(loader.problems) }
}

struct Loader<'a> {
    texts: Texts<'a>,
    sources: &'a mut SourceMap,
    files: Vec<File>,
    /// Identity of each file that was begun.
    known: Vec<PathBuf>,
    /// Identities of the files whose `use` led here.
    open: Vec<PathBuf>,
    problems: Vec<Diagnostic>,
}

impl Loader<'_> {
    fn add(&mut self, path: &Path, text: String) {
        let identity = self.texts.identity(path);
        self.known.push(identity.clone());
        let id = self.sources.add(path, text);
        let file = match parse(id, self.sources.text(id)) {
            Ok(file) => file,
            Err(diagnostic) => {
                self.problems.push(*diagnostic);
                return;
            }
        };
        let used: Vec<PathItem> = file
            .items
            .iter()
            .filter_map(|item| if let Item::Use(path) = item { Some(path.clone()) } else { None })
            .collect();
        self.files.push(file);
        self.open.push(identity);
        for item in used {
            self.used(path, &item);
        }
        self.open.pop();
    }

    fn used(&mut self, from: &Path, item: &PathItem) {
        let path = relative(from, &item.path);
        let identity = self.texts.identity(&path);
        if let Some(start) = self.open.iter().position(|open| *open == identity) {
            let names = self.open.iter().skip(start).chain([&identity]);
            let chain: Vec<String> = names
                .map(|path| path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned()))
                .collect();
            self.problems.push(
                Diagnostic::new(Code::UseCycle, "files use each other in a circle")
                    .at(item.span, "leads back here")
                    .note(chain.join(" uses "))
                    .help("move what both need into a third file"),
            );
        } else if !self.known.contains(&identity) {
            match self.texts.read(&path) {
                Ok(text) => self.add(&path, text),
                Err(reason) => {
                    self.problems.push(
                        Diagnostic::new(Code::FileNotRead, format!("cannot read {}: {reason}", path.display()))
                            .at(item.span, "used here")
                            .note("paths are relative to the file they stand in"),
                    );
                }
            }
        }
    }
}

/// A path written in a file, as seen from where netc runs.
pub fn relative(from: &Path, written: &str) -> PathBuf {
    from.parent().unwrap_or(Path::new("")).join(written)
}

/// Reads a text file; the error is half a sentence.
///
/// # Errors
/// Why it could not be read.
pub fn read(path: &Path) -> Result<String, String> {
    let length = std::fs::metadata(path).map_err(|error| reason(&error))?.len();
    if length > LONGEST_FILE {
        return Err(format!("it is longer than {} MiB", LONGEST_FILE >> 20));
    }
    let bytes = std::fs::read(path).map_err(|error| reason(&error))?;
    String::from_utf8(bytes).map_err(|error| format!("byte {} is not UTF-8", error.utf8_error().valid_up_to()))
}

fn reason(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "there is no such file".to_string(),
        std::io::ErrorKind::PermissionDenied => "permission denied".to_string(),
        std::io::ErrorKind::IsADirectory => "it is a directory".to_string(),
        _ => error.to_string(),
    }
}

/// The recipe that the root names: where it is, and where that is said.
pub fn recipe(spec: &Spec, sources: &SourceMap) -> Option<(PathBuf, Span)> {
    let root = spec.root()?;
    let item = root.items.iter().find_map(|item| if let Item::Recipe(path) = item { Some(path) } else { None })?;
    let from: FileId = root.id;
    Some((relative(&sources.file(from)?.path, &item.path), item.span))
}
