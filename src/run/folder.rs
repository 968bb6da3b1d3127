//! The folder of a run: `run.yaml`, `recipe.yaml`, `weights.safetensors`, `metrics.jsonl` and `.csv`, `checkpoints/`.

use super::checkpoint::Checkpoints;
use super::{manifest, tensor_file, weights};
use crate::diagnostic::{Code, Diagnostic};
use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

/// Name of the file of metrics, one JSON object a line and epoch.
pub const METRICS: &str = "metrics.jsonl";
/// Name of the file of metrics as comma-separated values.
pub const CSV: &str = "metrics.csv";
/// Name of the weights of the epoch that was best on held-out images.
pub const BEST: &str = "best.safetensors";
/// Name of the folder of checkpoints.
pub const CHECKPOINTS: &str = "checkpoints";
/// Name of the file that a running netc holds.
const LOCK: &str = ".lock";
/// Name of the recipe in force, with every default written out.
pub const RECIPE: &str = "recipe.yaml";

/// A run's folder; it exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunFolder(PathBuf);

impl RunFolder {
    /// Uses `out`, made if need be, which must not hold a run yet.
    ///
    /// # Errors
    /// [`Code::OutputFailed`] when it does, or cannot be made.
    pub fn at(out: &Path) -> Result<Self, Diagnostic> {
        std::fs::create_dir_all(out).map_err(|error| not_written(out, &error))?;
        match [weights::FILE_NAME, METRICS, manifest::FILE_NAME, CHECKPOINTS]
            .into_iter()
            .find(|name| out.join(name).exists())
        {
            None => Ok(RunFolder(out.to_path_buf())),
            Some(name) => Err(occupied(out, "run").note(format!("there is a `{name}` in it"))),
        }
    }

    /// The folder of a run to go on with, made if need be; what a run that was killed left half-written is removed.
    ///
    /// # Errors
    /// [`Code::OutputFailed`] when it cannot be made.
    pub fn resumed(out: &Path) -> Result<Self, Diagnostic> {
        let folder = RunFolder(out.to_path_buf());
        std::fs::create_dir_all(out).map_err(|error| not_written(out, &error))?;
        tensor_file::remove_temporaries(out);
        folder.checkpoints().tidy();
        Ok(folder)
    }

    /// The newest `<net>-<n>` in `runs` that there is; the first where there is none.
    pub fn newest(runs: &Path, net: &str) -> PathBuf {
        let folder = |number: u64| runs.join(format!("{net}-{number}"));
        let entries = std::fs::read_dir(runs).into_iter().flatten().flatten();
        let number = |entry: std::fs::DirEntry| {
            entry.file_name().to_str()?.strip_prefix(net)?.strip_prefix('-')?.parse::<u64>().ok()
        };
        folder(entries.filter_map(number).max().unwrap_or(1))
    }

    /// Makes `<net>-<n>` in `runs`, with the first n from 1 that is free.
    ///
    /// # Errors
    /// [`Code::OutputFailed`] when no folder can be made there.
    pub fn numbered(runs: &Path, net: &str) -> Result<Self, Diagnostic> {
        std::fs::create_dir_all(runs).map_err(|error| not_written(runs, &error))?;
        let mut number = 1u64;
        loop {
            let folder = runs.join(format!("{net}-{number}"));
            // Making it is what takes it: two runs that start together do not get the same one.
            match std::fs::create_dir(&folder) {
                Ok(()) => return Ok(RunFolder(folder)),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
                Err(error) => return Err(not_written(&folder, &error)),
            }
        }
    }

    /// Takes the folder for this process, until the lock is dropped or the process is gone.
    ///
    /// # Errors
    /// [`Code::OutputFailed`] when another one has it.
    pub fn lock(&self) -> Result<File, Diagnostic> {
        let path = self.0.join(LOCK);
        let file = File::create(&path).map_err(|error| not_written(&path, &error))?;
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(TryLockError::WouldBlock) => {
                let message = format!("another netc is training in `{}`", self.0.display());
                Err(Diagnostic::new(Code::OutputFailed, message).help("wait for it, or choose another folder"))
            }
            // A file system without locks is no reason not to train.
            Err(TryLockError::Error(_)) => Ok(file),
        }
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Where the weights go.
    pub fn weights(&self) -> PathBuf {
        self.0.join(weights::FILE_NAME)
    }

    /// Where the metrics go.
    pub fn metrics(&self) -> PathBuf {
        self.0.join(METRICS)
    }

    /// Where the metrics go as CSV.
    pub fn csv(&self) -> PathBuf {
        self.0.join(CSV)
    }

    /// Where the weights go that were best on held-out images.
    pub fn best(&self) -> PathBuf {
        self.0.join(BEST)
    }

    /// Its checkpoints.
    pub fn checkpoints(&self) -> Checkpoints {
        Checkpoints::new(self.0.join(CHECKPOINTS))
    }

    /// Writes a file of text into it.
    ///
    /// # Errors
    /// [`Code::OutputFailed`].
    pub fn write(&self, name: &str, text: &str) -> Result<(), Diagnostic> {
        let path = self.0.join(name);
        tensor_file::write_atomically(&path, text.as_bytes()).map_err(|error| not_written(&path, &error))
    }
}

/// That a folder for new results has those of another `run` or `sweep`.
pub fn occupied(folder: &Path, what: &str) -> Diagnostic {
    Diagnostic::new(Code::OutputFailed, format!("`{}` holds a {what} already", folder.display()))
        .help("go on with it with `--resume`, choose another folder with `--out`, or remove this one")
}

/// That a file or folder could not be written.
pub fn not_written(path: &Path, error: &io::Error) -> Diagnostic {
    Diagnostic::new(Code::OutputFailed, format!("cannot write to `{}`", path.display())).note(error.to_string())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A folder of its own for a test, gone when dropped.
    pub struct Scratch(pub PathBuf);

    impl Scratch {
        /// An empty one.
        pub fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("netc-{name}-{}", std::process::id()));
            let _ = std::fs::remove_dir_all(&path);
            std::fs::create_dir_all(&path).unwrap();
            Scratch(path)
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn runs_are_numbered_and_never_shared() {
        let scratch = Scratch::new("folder-numbered");
        let runs = scratch.0.join("runs");
        for expected in ["tiny-1", "tiny-2", "tiny-3"] {
            let folder = RunFolder::numbered(&runs, "tiny").unwrap();
            assert_eq!(folder.path(), runs.join(expected));
        }
        std::fs::remove_dir(runs.join("tiny-2")).unwrap();
        assert_eq!(RunFolder::numbered(&runs, "tiny").unwrap().path(), runs.join("tiny-2"));
    }

    #[test]
    fn a_run_is_not_overwritten() {
        let scratch = Scratch::new("folder-taken");
        let folder = RunFolder::at(&scratch.0.join("a/b")).unwrap();
        // An empty folder, or one with something else in it, is free.
        assert!(RunFolder::at(folder.path()).is_ok());
        folder.write(weights::FILE_NAME, "x").unwrap();
        let error = RunFolder::at(folder.path()).unwrap_err();
        assert_eq!(error.code, Code::OutputFailed);
        assert!(RunFolder::at(&folder.weights()).is_err());
    }
}
