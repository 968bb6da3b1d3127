//! What can be wrong with data.

use crate::diagnostic::{Code, Diagnostic};
use crate::graph::dims::Shape;
use std::path::{Path, PathBuf};

/// What can be wrong with data: it is not there, it cannot be read, it is malformed, or what is asked of it makes no
/// sense.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// Nothing of that name was found in any place.
    #[error("{wanted} was not found")]
    NotFound {
        /// "the data set `cifar10`", "a data set in `…`".
        wanted: String,
        /// Every place that was looked at, as it is to be shown.
        tried: Vec<String>,
        /// What was noticed on the way: an archive that is not unpacked, a near name.
        noticed: Vec<String>,
        /// Every way on, in the imperative.
        ways: Vec<String>,
    },
    /// Some of the files are there, others are not.
    #[error("the data set `{name}` in `{}` is not whole: {}", .folder.display(), missing_files(.missing))]
    Incomplete {
        /// The data set.
        name: &'static str,
        /// Where.
        folder: PathBuf,
        /// Names of the files that are not there.
        missing: Vec<String>,
    },
    /// A folder holds several data sets and nothing says which is meant.
    #[error("`{}` holds several data sets: {}", .folder.display(), .names.join(", "))]
    Ambiguous {
        /// Where.
        folder: PathBuf,
        /// What it holds.
        names: Vec<&'static str>,
    },
    /// The system would not read a file.
    #[error("cannot read `{}`", .file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A file holds what it must not.
    #[error("`{}`, byte {offset}: {problem}", .file.display())]
    Malformed {
        /// The file.
        file: PathBuf,
        /// Where in it (of a gzip file: in the unpacked bytes).
        offset: u64,
        /// What is wrong there.
        problem: String,
    },
    /// The two files of an IDX split do not belong together.
    #[error("`{}` holds {image_count} images but `{}` holds {label_count} labels", .images.display(), .labels.display())]
    CountsDiffer {
        /// The file of images.
        images: PathBuf,
        /// Number of images.
        image_count: usize,
        /// The file of labels.
        labels: PathBuf,
        /// Number of labels.
        label_count: usize,
    },
    /// The built-in shapes cannot be drawn like that.
    #[error("`shapes` cannot be drawn at {0}")]
    CannotDraw(Shape),
    /// A limit, a batch size, a hold-out or a normalisation that makes no sense for this data.
    #[error("{0}")]
    Option(String),
    /// The background thread could not be started.
    #[error("cannot start the thread that prepares batches")]
    Thread(#[source] std::io::Error),
}

fn missing_files(missing: &[String]) -> String {
    match missing {
        [one] => format!("`{one}` is missing"),
        many => format!("{} files are missing", many.len()),
    }
}

impl DataError {
    /// A malformed file.
    pub(super) fn malformed(file: &Path, offset: u64, problem: impl Into<String>) -> Self {
        DataError::Malformed { file: file.to_path_buf(), offset, problem: problem.into() }
    }

    /// A file that the system would not read.
    pub(super) fn unreadable(file: &Path, source: std::io::Error) -> Self {
        DataError::Unreadable { file: file.to_path_buf(), source }
    }

    /// The code of its diagnostic.
    pub fn code(&self) -> Code {
        match self {
            DataError::NotFound { .. }
            | DataError::Incomplete { .. }
            | DataError::Ambiguous { .. }
            | DataError::Unreadable { .. } => Code::DataNotFound,
            DataError::Malformed { .. } | DataError::CountsDiffer { .. } => Code::DataMalformed,
            DataError::CannotDraw(_) => Code::InputAgainstData,
            DataError::Option(_) => Code::RecipeValue,
            DataError::Thread(_) => Code::RunFailed,
        }
    }
}

impl From<&DataError> for Diagnostic {
    fn from(error: &DataError) -> Diagnostic {
        let mut diagnostic = Diagnostic::new(error.code(), error.to_string());
        match error {
            DataError::NotFound { tried, noticed, ways, .. } => {
                if !tried.is_empty() {
                    diagnostic = diagnostic.note(format!("looked in:\n{}", tried.join("\n")));
                }
                diagnostic.notes.extend(noticed.iter().cloned());
                diagnostic.help.extend(ways.iter().cloned());
            }
            DataError::Incomplete { missing, .. } => {
                diagnostic = diagnostic
                    .note(format!("not there: {}", missing.join(", ")))
                    .help("unpack the whole archive again");
            }
            DataError::Ambiguous { names, .. } => {
                diagnostic = diagnostic.help(format!(
                    "name one: set NETC_DATA to this folder and write {}, or give its sub-folder",
                    names.iter().map(|name| format!("`--data {name}`")).collect::<Vec<_>>().join(" or ")
                ));
            }
            DataError::Unreadable { source, .. } | DataError::Thread(source) => {
                diagnostic = diagnostic.note(source.to_string());
            }
            DataError::Malformed { .. } => {
                diagnostic = diagnostic.help("fetch or unpack the file again");
            }
            DataError::CountsDiffer { .. } => {
                diagnostic = diagnostic.help("put the two files of one split side by side");
            }
            DataError::CannotDraw(_) => {
                diagnostic = diagnostic.help(format!(
                    "give the net an input of 1 or 3 channels and {} to {} pixels a side",
                    super::shapes::SIDES.start(),
                    super::shapes::SIDES.end()
                ));
            }
            DataError::Option(_) => {}
        }
        diagnostic
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_diagnostic_names_file_offset_and_cause() {
        let broken = Diagnostic::from(&DataError::malformed(Path::new("a/b.bin"), 3073, "label 12"));
        assert_eq!((broken.code, broken.message.as_str()), (Code::DataMalformed, "`a/b.bin`, byte 3073: label 12"));
        let denied = std::io::Error::new(std::io::ErrorKind::PermissionDenied, "no entry");
        let unread = Diagnostic::from(&DataError::unreadable(Path::new("a/b.bin"), denied));
        assert_eq!(unread.code, Code::DataNotFound);
        assert!(unread.message.contains("a/b.bin") && unread.notes == ["no entry"]);
        let differ = DataError::CountsDiffer { images: "i".into(), image_count: 2, labels: "l".into(), label_count: 3 };
        assert_eq!(Diagnostic::from(&differ).message, "`i` holds 2 images but `l` holds 3 labels");
        let incomplete = DataError::Incomplete { name: "cifar10", folder: "f".into(), missing: vec!["x.bin".into()] };
        assert_eq!(
            Diagnostic::from(&incomplete).message,
            "the data set `cifar10` in `f` is not whole: `x.bin` is missing"
        );
        let draw = Diagnostic::from(&DataError::CannotDraw(Shape::map(2, 32, 32)));
        assert_eq!(draw.code, Code::InputAgainstData);
        assert!(draw.message.contains("2x32x32") && draw.help[0].contains("12 to 512"));
    }
}
