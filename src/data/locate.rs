//! Where data is looked for.
//!
//! `--data` is a name or a folder. A name is looked for in `NETC_DATA`, then `./data`, then the user's cache folder; in
//! each, the place itself and the sub-folders that the archives and other programs make.

use super::{DataError, DataKind, cifar, mnist};
use crate::diagnostic::suggest;
use crate::graph::dims::Shape;
use std::path::{Path, PathBuf};

/// The environment variable that names a folder of data sets.
pub const VARIABLE: &str = "NETC_DATA";

/// What `--data` asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// A data set by its name.
    Named(DataKind),
    /// Whatever data set is in a folder.
    Folder(PathBuf),
}

impl Request {
    /// Reads the value of `--data`. A name wins over a folder of that name; `./mnist` is the folder.
    ///
    /// # Errors
    /// [`DataError::NotFound`] when it is neither a name nor something that exists.
    pub fn parse(text: &str) -> Result<Request, DataError> {
        if let Some(kind) = DataKind::from_name(text) {
            return Ok(Request::Named(kind));
        }
        if Path::new(text).exists() {
            return Ok(Request::Folder(text.into()));
        }
        let mut noticed = Vec::new();
        let names = DataKind::ALL.map(DataKind::name);
        let begun = || names.into_iter().find(|name| text.len() > 2 && name.starts_with(&text.to_ascii_lowercase()));
        if let Some(near) = suggest::nearest(text, names).or_else(begun) {
            noticed.push(format!("there is a data set called `{near}`"));
        }
        Err(DataError::NotFound {
            wanted: format!("the data set `{text}`"),
            tried: Vec::new(),
            noticed,
            ways: vec![format!("give a folder that exists, or one of the names {}", suggest::list(names))],
        })
    }
}

/// One place to look in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchPlace {
    /// Where it comes from, for messages: `NETC_DATA`, "the working folder", "the cache folder".
    pub origin: &'static str,
    /// The folder.
    pub folder: PathBuf,
}

/// The places to look in, first to last.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SearchPlaces(pub Vec<SearchPlace>);

impl SearchPlaces {
    /// `NETC_DATA` where it is set, `./data`, and `netc` in the user's cache folder.
    pub fn from_environment() -> SearchPlaces {
        SearchPlaces::from_variables(|name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from))
    }

    fn from_variables(variable: impl Fn(&str) -> Option<PathBuf>) -> SearchPlaces {
        let mut places = Vec::new();
        if let Some(folder) = variable(VARIABLE) {
            places.push(SearchPlace { origin: VARIABLE, folder });
        }
        places.push(SearchPlace { origin: "the working folder", folder: "./data".into() });
        // The XDG specification: a relative path there is invalid and to be ignored.
        let cache = variable("XDG_CACHE_HOME").filter(|path| path.is_absolute());
        let home = || variable("HOME").or_else(|| variable("USERPROFILE")).map(|home| home.join(".cache"));
        if let Some(cache) = cache.or_else(home) {
            places.push(SearchPlace { origin: "the cache folder", folder: cache.join("netc") });
        }
        SearchPlaces(places)
    }
}

/// A data set that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Located {
    /// The folder with the six CIFAR-10 files.
    Cifar10(PathBuf),
    /// The folder with the four IDX files.
    Mnist(PathBuf),
    /// Built in.
    Shapes,
}

/// Finds a data set. `input` is the net's: it decides when a folder holds several.
///
/// # Errors
/// [`DataError::NotFound`] with every place and every way on, [`DataError::Incomplete`] or [`DataError::Ambiguous`].
pub fn locate(request: &Request, places: &SearchPlaces, input: Option<Shape>) -> Result<Located, DataError> {
    match request {
        Request::Named(DataKind::Shapes) => Ok(Located::Shapes),
        Request::Named(kind) => {
            let format = FileFormat::of(*kind);
            let mut search = Search::default();
            for place in &places.0 {
                if let Some(folder) = search.look(format, &place.folder, Some(place.origin)) {
                    return Ok((format.located)(folder));
                }
            }
            Err(search.failure(&[format], format!("the data set `{kind}`"), &places.0))
        }
        Request::Folder(folder) => in_folder(folder, input),
    }
}

fn in_folder(folder: &Path, input: Option<Shape>) -> Result<Located, DataError> {
    let mut search = Search::default();
    let mut found = Vec::new();
    if folder.is_dir() {
        for &format in FORMATS {
            if let Some(folder) = search.look(format, folder, None) {
                found.push((format, folder));
            }
        }
    } else {
        search.look_at_file(folder);
    }
    if found.len() > 1
        && let Some(fits) = found.iter().position(|(format, _)| Some(format.kind.description(None).shape) == input)
    {
        found = vec![found.swap_remove(fits)];
    }
    match found.as_slice() {
        [(format, folder)] => Ok((format.located)(folder.clone())),
        [] => Err(search.failure(FORMATS, format!("a data set in `{}`", folder.display()), &[])),
        many => Err(DataError::Ambiguous {
            folder: folder.into(),
            names: many.iter().map(|(format, _)| format.kind.name()).collect(),
        }),
    }
}

/// How a data set that comes as files is recognised.
#[derive(Clone, Copy)]
struct FileFormat {
    kind: DataKind,
    located: fn(PathBuf) -> Located,
    /// Where its files are below a place.
    folders: &'static [&'static str],
    /// Names of its files that a folder does not have, and whether it has any.
    missing: fn(&Path) -> (Vec<&'static str>, bool),
    /// Archives or other forms that may lie about: name, and what to say.
    noticed: &'static [(&'static str, &'static str)],
    /// How to get it.
    fetch: &'static str,
}

const FORMATS: &[FileFormat] = &[CIFAR10, MNIST];

const CIFAR10: FileFormat = FileFormat {
    kind: DataKind::Cifar10,
    located: Located::Cifar10,
    folders: &["", "cifar-10-batches-bin", "cifar10", "cifar10/cifar-10-batches-bin", "cifar-10", "CIFAR10"],
    missing: |folder| {
        let files = || cifar::TRAIN_FILES.into_iter().chain([cifar::TEST_FILE]);
        let missing: Vec<_> = files().filter(|name| !folder.join(name).is_file()).collect();
        let any = missing.len() < files().count();
        (missing, any)
    },
    noticed: &[
        (cifar::ARCHIVE, "it is still packed: unpack it there with `tar xzf cifar-10-binary.tar.gz`"),
        ("cifar-10-python.tar.gz", "that is the Python version (pickle files): netc reads the binary version"),
        ("cifar-10-batches-py", "that is the Python version (pickle files): netc reads the binary version"),
        ("cifar-100-binary.tar.gz", "that is CIFAR-100: netc reads CIFAR-10"),
    ],
    fetch: "fetch `cifar-10-binary.tar.gz` from CIFAR-10's home page and unpack it in one of these places",
};

const MNIST: FileFormat = FileFormat {
    kind: DataKind::Mnist,
    located: Located::Mnist,
    folders: &["", "mnist", "MNIST/raw", "MNIST", "mnist/raw", "raw", "mnist/MNIST/raw"],
    missing: |folder| {
        let files = || mnist::FILES.into_iter().flatten();
        let missing: Vec<_> = files().filter(|name| mnist::find_file(folder, name).is_none()).collect();
        let any = missing.len() < files().count();
        (missing, any)
    },
    noticed: &[
        ("mnist.npz", "that is a NumPy archive: netc reads the IDX files"),
        ("mnist.pkl.gz", "that is a pickle file: netc reads the IDX files"),
    ],
    fetch: "fetch `train-images-idx3-ubyte.gz`, `train-labels-idx1-ubyte.gz`, `t10k-images-idx3-ubyte.gz` and \
            `t10k-labels-idx1-ubyte.gz` and put them, packed or not, in a folder `mnist` in one of these places",
};

impl FileFormat {
    fn of(kind: DataKind) -> FileFormat {
        match kind {
            DataKind::Mnist => MNIST,
            _ => CIFAR10,
        }
    }
}

/// What was seen on the way.
#[derive(Default)]
struct Search {
    tried: Vec<String>,
    noticed: Vec<String>,
    /// The first folder with some of the files.
    incomplete: Option<DataError>,
}

impl Search {
    /// The folder at or below `place` that holds the whole data set.
    fn look(&mut self, format: FileFormat, place: &Path, origin: Option<&'static str>) -> Option<PathBuf> {
        for sub in format.folders {
            let folder = if sub.is_empty() { place.to_path_buf() } else { place.join(sub) };
            let (missing, any) = (format.missing)(&folder);
            if missing.is_empty() {
                return Some(folder);
            }
            if any && self.incomplete.is_none() {
                let missing = missing.into_iter().map(String::from).collect();
                self.incomplete =
                    Some(DataError::Incomplete { name: format.kind.name(), folder: folder.clone(), missing });
            }
            for (name, remark) in format.noticed {
                let path = folder.join(name);
                if path.exists() {
                    self.noticed.push(format!("`{}`: {remark}", path.display()));
                }
            }
        }
        let folder = place.display();
        let line = match (origin, place.is_dir()) {
            (Some(origin), true) => format!("`{folder}` ({origin})"),
            (Some(origin), false) => format!("`{folder}` ({origin}), which does not exist"),
            (None, _) => format!("`{folder}`"),
        };
        // One folder is searched for each format.
        if self.tried.last() != Some(&line) {
            self.tried.push(line);
        }
        None
    }

    /// `--data` names a file: say what it is.
    fn look_at_file(&mut self, file: &Path) {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        let known = FORMATS.iter().flat_map(|format| format.noticed).find(|(noticed, _)| *noticed == name);
        self.noticed.push(match known {
            Some((_, remark)) => format!("`{}`: {remark}", file.display()),
            None => format!("`{}` is a file: give the folder that holds it", file.display()),
        });
    }

    fn failure(mut self, formats: &[FileFormat], wanted: String, places: &[SearchPlace]) -> DataError {
        // Half a data set is nearer to what is wanted than none.
        if let Some(incomplete) = self.incomplete {
            return incomplete;
        }
        if !self.tried.is_empty() {
            let below = formats.iter().flat_map(|format| format.folders).copied().filter(|sub| !sub.is_empty());
            self.tried.push(format!("and in each of them in {}", suggest::list(below)));
        }
        let mut ways = vec!["give the folder that holds its files: `--data DIR`".to_string()];
        if places.iter().all(|place| place.origin != VARIABLE) {
            ways.push(format!("set {VARIABLE} to a folder of data sets"));
        }
        ways.extend(formats.iter().map(|format| format.fetch.to_string()));
        ways.push("train on the built-in drawings, which need no files: `--data shapes`".into());
        DataError::NotFound { wanted, tried: self.tried, noticed: self.noticed, ways }
    }
}

#[cfg(test)]
mod tests;
