//! The record of a run, `run.yaml`: every choice that was made, who made it, and all that is needed to make the run
//! again to the same bits.

use super::identity::Identity;
use crate::diagnostic::{Code, Diagnostic};
use crate::recipe::Recipe;
use crate::recipe::origin::Origins;
use crate::recipe::parse::yaml::leaves;
use crate::source::{SourceFile, SourceMap};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Name of the file in a run's folder.
pub const FILE_NAME: &str = "run.yaml";

/// The record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// When the run began, in UTC.
    pub started: String,
    /// Version of netc.
    #[serde(default)]
    pub netc: String,
    /// The command line.
    pub command: Vec<String>,
    /// Where it ran.
    pub machine: Machine,
    /// Threads that were asked for; they make no difference to the result.
    pub threads: Option<u16>,
    /// What decides on the result.
    pub identity: Identity,
    /// Where the data was looked for, and how much of it was taken.
    pub data: DataRequest,
    /// Who said each value of the recipe in force.
    pub origins: Vec<OriginOf>,
    /// The network.
    pub spec: SpecRecord,
}

/// A machine, as far as a reader of results cares.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// Operating system.
    pub os: String,
    /// Processor architecture.
    pub architecture: String,
    /// The processor's own name, where the system tells.
    pub processor: Option<String>,
    /// Threads it runs at once.
    pub cores: usize,
}

/// What `--data` and `--limit` said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataRequest {
    /// A name or a folder.
    pub from: String,
    /// Only the first so many training and test images.
    pub limit: Option<usize>,
}

/// A value of the recipe and where it was said.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OriginOf {
    /// Such as `optimizer.weight_decay`.
    pub key: String,
    /// The value in force; records of older versions do not have it here.
    #[serde(default)]
    pub value: serde_yaml::Value,
    /// Such as `specs/recipes/he2015.yaml:12`, `--set batch=64`, `profile keras`, `built-in`.
    pub from: String,
}

/// A network's texts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpecRecord {
    /// The file that was asked for.
    pub path: PathBuf,
    /// `-p name=value`.
    pub parameters: Vec<String>,
    /// That file and all that it uses, as they were.
    pub files: Vec<TextFile>,
    /// The network with every block, repeat and condition unrolled.
    pub expanded: String,
}

/// A text and its path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TextFile {
    /// As it was read.
    pub path: PathBuf,
    /// All of it.
    pub text: String,
}

impl Machine {
    /// This one.
    pub fn this() -> Self {
        Machine {
            os: std::env::consts::OS.into(),
            architecture: std::env::consts::ARCH.into(),
            processor: processor(),
            cores: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        }
    }
}

/// Linux tells; elsewhere there is the architecture.
fn processor() -> Option<String> {
    let text = std::fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("model name"))?;
    line.split_once(':').map(|(_, name)| name.trim().to_string())
}

impl SpecRecord {
    /// Of the texts that a compilation read.
    pub fn new(path: &Path, parameters: &[String], sources: &SourceMap, expanded: String) -> Self {
        let file = |file: &SourceFile| TextFile { path: file.path.clone(), text: file.text.clone() };
        let files = sources.specs().map(file).collect();
        SpecRecord { path: path.to_path_buf(), parameters: parameters.to_vec(), files, expanded }
    }
}

/// Who said each value of a recipe in force.
pub fn origins(recipe: &Recipe, origins: &Origins, sources: &SourceMap) -> Vec<OriginOf> {
    let Ok(tree) = serde_yaml::from_str::<serde_yaml::Value>(&recipe.to_yaml()) else { return Vec::new() };
    let origin = |(path, value): (Vec<String>, &serde_yaml::Value)| {
        let steps: Vec<&str> = path.iter().map(String::as_str).collect();
        OriginOf { key: path.join("."), value: value.clone(), from: origins.of(&steps).describe(sources) }
    };
    leaves(&tree).into_iter().map(origin).collect()
}

impl Manifest {
    /// The moment now, as [`Manifest::started`] has it.
    pub fn now() -> String {
        humantime::format_rfc3339_seconds(SystemTime::now()).to_string()
    }

    /// As YAML, with a word on what it is.
    pub fn to_yaml(&self) -> String {
        let about = "\
# Everything that decided on this run. `netc rerun` with this folder makes it again, to the same bytes.
# identity: what decides on the result; data: where the images were; origins: who said each value of the recipe;
# spec: the texts of the network, and the network unrolled. Threads make no difference to the result.
";
        // Words and numbers: there is nothing in it that YAML cannot say.
        about.to_string() + &serde_yaml::to_string(self).unwrap_or_default()
    }

    /// Reads the record in a run's folder.
    ///
    /// # Errors
    /// [`Code::FileNotRead`] when there is none, [`Code::RecordUnreadable`] when it is not what a run writes.
    pub fn read(folder: &Path) -> Result<Manifest, Diagnostic> {
        let path = folder.join(FILE_NAME);
        let text = std::fs::read_to_string(&path).map_err(|error| {
            Diagnostic::new(Code::FileNotRead, format!("cannot read the record `{}`", path.display()))
                .note(error.to_string())
                .help("give the folder of a run, such as `runs/resnet20-1`")
        })?;
        serde_yaml::from_str(&text).map_err(|error| {
            Diagnostic::new(Code::RecordUnreadable, format!("`{}` is no record of a run", path.display()))
                .note(error.to_string())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::{self, RecipeSource};

    #[test]
    fn every_value_has_an_origin() {
        let mut sources = SourceMap::new();
        let sets = ["seed=3".to_string()];
        let source = RecipeSource::text(Path::new("r.yaml"), "batch: 64\nprofile: keras\n").with(&sets);
        let resolved = recipe::read(source, &mut sources).unwrap();
        let found = origins(&resolved.recipe, &resolved.origins, &sources);
        let of = |key: &str| found.iter().find(|origin| origin.key == key).map(|origin| origin.from.as_str());
        assert_eq!(of("batch"), Some("r.yaml:1"));
        assert_eq!(of("seed"), Some("--set seed=3"));
        assert!(found.iter().any(|origin| origin.key == "seed" && origin.value.as_u64() == Some(3)));
        assert_eq!(of("batch_norm.epsilon"), Some("profile keras"));
        assert_eq!(of("optimizer.learning_rate"), Some("built-in"));
    }

    #[test]
    fn the_moment_is_readable() {
        let now = Manifest::now();
        assert!(now.len() == 20 && now.ends_with('Z') && now.starts_with("20"), "{now}");
    }
}
