//! A trained network as a safetensors file.
//!
//! One tensor a parameter and running statistic, under the program's own names, so that other tools can read them.
//! What the pixels were normalised with goes along (`input.mean`, `input.std`): weights are only right together with
//! it. One metadata entry, `netc`, says in JSON where the file comes from. (One entry, because safetensors writes
//! several in a random order, and the same run shall give the same bytes.)

use crate::data::normalize::Normalization;
use crate::diagnostic::{Code, Diagnostic, suggest};
use crate::engine::State;
use crate::lower::program::Program;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

/// Name of the file in a run's folder.
pub const FILE_NAME: &str = "weights.safetensors";

/// Where weights come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// Name of the net.
    pub net: String,
    /// Version of netc that wrote them.
    pub netc: String,
    /// Hash of the spec's text, 16 hexadecimal digits.
    pub spec: String,
    /// The data set they were trained on.
    pub data: String,
    /// Updates that led to them.
    pub steps: u64,
}

/// What a file holds, in the order of the program's tables.
#[derive(Debug, Clone, PartialEq)]
pub struct Weights {
    /// One a parameter.
    pub parameters: Vec<Vec<f32>>,
    /// One a statistic.
    pub statistics: Vec<Vec<f32>>,
    /// What pixels have to go through; `None` in a file of another tool.
    pub normalization: Option<Normalization>,
    /// Where they come from; `None` in a file of another tool.
    pub about: Option<About>,
}

impl Weights {
    /// As an engine takes them, with velocities of 0.
    pub fn into_state(self) -> State {
        let velocities = self.parameters.iter().map(|parameter| vec![0.0; parameter.len()]).collect();
        State { parameters: self.parameters, velocities, statistics: self.statistics }
    }
}

const MEAN: &str = "input.mean";
const STD: &str = "input.std";

#[derive(Serialize, Deserialize)]
struct Metadata {
    #[serde(flatten)]
    about: About,
    normalize: String,
}

/// Writes a file, whole or not at all: into a temporary file beside it, to the disk, then renamed over it.
///
/// # Errors
/// [`Code::OutputFailed`].
pub fn write(
    path: &Path,
    program: &Program,
    state: &State,
    normalization: &Normalization,
    about: &About,
) -> Result<(), Diagnostic> {
    let failed = |why: String| {
        Diagnostic::new(Code::OutputFailed, format!("cannot write the weights to `{}`", path.display())).note(why)
    };
    let bytes = serialize(program, state, normalization, about).map_err(failed)?;
    write_atomically(path, &bytes).map_err(|error| failed(error.to_string()))
}

fn serialize(
    program: &Program,
    state: &State,
    normalization: &Normalization,
    about: &About,
) -> Result<Vec<u8>, String> {
    state.validate(program).map_err(|error| error.to_string())?;
    let mut tensors: Vec<(String, Vec<usize>, &[f32])> = Vec::new();
    for (parameter, values) in program.parameters.iter().zip(&state.parameters) {
        tensors.push((parameter.name.clone(), parameter.dims.clone(), values));
    }
    for (statistic, values) in program.statistics.iter().zip(&state.statistics) {
        tensors.push((statistic.name.clone(), vec![statistic.channels], values));
    }
    let normalize = match normalization {
        Normalization::None => "none",
        Normalization::PerImage => "per-image",
        Normalization::PerChannel { mean, std } => {
            tensors.push((MEAN.into(), vec![mean.len()], mean));
            tensors.push((STD.into(), vec![std.len()], std));
            "per-channel"
        }
        Normalization::PerPixelMean { mean } => {
            tensors.push((MEAN.into(), vec![mean.len()], mean));
            "per-pixel-mean"
        }
    };
    let metadata = Metadata { about: about.clone(), normalize: normalize.into() };
    let metadata = serde_json::to_string(&metadata).map_err(|error| error.to_string())?;
    let bytes: Vec<Vec<u8>> =
        tensors.iter().map(|(_, _, values)| values.iter().flat_map(|x| x.to_le_bytes()).collect()).collect();
    let views = tensors
        .iter()
        .zip(&bytes)
        .map(|((name, dims, _), bytes)| Ok((name, TensorView::new(Dtype::F32, dims.clone(), bytes)?)))
        .collect::<Result<Vec<_>, safetensors::SafeTensorError>>()
        .map_err(|error| error.to_string())?;
    let metadata = HashMap::from([("netc".to_string(), metadata)]);
    safetensors::serialize(views, Some(metadata)).map_err(|error| error.to_string())
}

/// After a crash the path holds the old bytes or the new ones, never half of them.
pub(super) fn write_atomically(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temporary = folder.join(format!(".{name}.{}.tmp", std::process::id()));
    let written = (|| {
        let mut file = File::create(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&temporary, path)
    })();
    if written.is_err() {
        // What is left of the attempt is of no use; that it may not be there at all is no further error.
        let _ = std::fs::remove_file(&temporary);
        return written;
    }
    // The rename itself is on the disk once the folder is. Not every system lets a folder be opened for that.
    if let Ok(folder) = File::open(folder) {
        let _ = folder.sync_all();
    }
    Ok(())
}

/// Reads a file and holds it against a program.
///
/// # Errors
/// [`Code::WeightsUnreadable`] when it is missing, truncated or no safetensors file; [`Code::WeightsMismatch`] when names
/// or shapes are not those of the program.
pub fn read(path: &Path, program: &Program) -> Result<Weights, Diagnostic> {
    let shown = path.display();
    let bytes = std::fs::read(path).map_err(|error| {
        Diagnostic::new(Code::WeightsUnreadable, format!("cannot read the weights `{shown}`")).note(error.to_string())
    })?;
    let damaged = |why: String| {
        let message = format!("`{shown}` is no whole safetensors file ({} bytes)", bytes.len());
        Diagnostic::new(Code::WeightsUnreadable, message).note(why)
    };
    let (_, header) = SafeTensors::read_metadata(&bytes).map_err(|error| damaged(error.to_string()))?;
    let file = SafeTensors::deserialize(&bytes).map_err(|error| damaged(error.to_string()))?;
    let metadata = match header.metadata().as_ref().and_then(|entries| entries.get("netc")) {
        None => None,
        Some(text) => {
            let read: Result<Metadata, _> = serde_json::from_str(text);
            Some(read.map_err(|error| damaged(format!("its `netc` entry: {error}")))?)
        }
    };
    let expected: Vec<(&str, Vec<usize>)> = program
        .parameters
        .iter()
        .map(|parameter| (parameter.name.as_str(), parameter.dims.clone()))
        .chain(program.statistics.iter().map(|statistic| (statistic.name.as_str(), vec![statistic.channels])))
        .collect();
    let problems = differences(&expected, &file);
    if !problems.is_empty() {
        return Err(mismatch(path, program, metadata.as_ref().map(|m| &m.about), problems));
    }
    let mut tensors = expected.iter().map(|(name, _)| numbers(&file, name)).collect::<Vec<_>>();
    let statistics = tensors.split_off(program.parameters.len());
    let normalization = metadata.as_ref().map(|metadata| normalization(&file, metadata, program));
    let normalization = normalization.transpose().map_err(damaged)?;
    Ok(Weights { parameters: tensors, statistics, normalization, about: metadata.map(|metadata| metadata.about) })
}

/// The numbers of a tensor that is known to be there and to be F32; empty otherwise.
fn numbers(file: &SafeTensors<'_>, name: &str) -> Vec<f32> {
    match file.tensor(name) {
        Ok(view) if view.dtype() == Dtype::F32 => {
            view.data().as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
        }
        _ => Vec::new(),
    }
}

fn normalization(file: &SafeTensors<'_>, metadata: &Metadata, program: &Program) -> Result<Normalization, String> {
    let (mean, std) = (numbers(file, MEAN), numbers(file, STD));
    let normalization = match metadata.normalize.as_str() {
        "none" => Normalization::None,
        "per-image" => Normalization::PerImage,
        "per-channel" => Normalization::PerChannel { mean, std },
        "per-pixel-mean" => Normalization::PerPixelMean { mean },
        other => return Err(format!("it was written for the normalisation `{other}`, which is not known here")),
    };
    normalization.validate(program.input()).map_err(|error| error.to_string())?;
    Ok(normalization)
}

/// What a file lacks, has otherwise, and has too much of.
fn differences(expected: &[(&str, Vec<usize>)], file: &SafeTensors<'_>) -> Vec<String> {
    let known: std::collections::HashSet<&str> = expected.iter().map(|(name, _)| *name).collect();
    let mut extra: Vec<&str> = file.iter().map(|(name, _)| name).filter(|name| !known.contains(name)).collect();
    // Ours, and a counter that PyTorch keeps in every batch norm and nothing needs.
    extra.retain(|name| ![MEAN, STD].contains(name) && !name.ends_with(".num_batches_tracked"));
    extra.sort_unstable();
    let mut problems = Vec::new();
    for (name, dims) in expected {
        problems.extend(match file.tensor(name) {
            Err(_) => Some(match suggest::nearest(name, extra.iter().copied()) {
                Some(near) => format!("`{name}` is missing; the file has `{near}`"),
                None => format!("`{name}` is missing"),
            }),
            Ok(view) if view.shape() != dims => {
                Some(format!("`{name}` is {} in the file, {} in the network", by(view.shape()), by(dims)))
            }
            Ok(view) if view.dtype() != Dtype::F32 => {
                Some(format!("`{name}` holds {} numbers; the network needs F32", view.dtype()))
            }
            Ok(_) => None,
        });
    }
    problems.extend(extra.iter().map(|name| format!("the file has `{name}`, which the network has not")));
    problems
}

fn by(dims: &[usize]) -> String {
    match dims {
        [] => "a single number".into(),
        dims => dims.iter().map(ToString::to_string).collect::<Vec<_>>().join("x"),
    }
}

/// As many differences as are of use to a reader.
const SHOWN: usize = 5;

fn mismatch(path: &Path, program: &Program, about: Option<&About>, problems: Vec<String>) -> Diagnostic {
    let message = format!("the weights in `{}` do not fit the net `{}`", path.display(), program.net);
    let more = problems.len().saturating_sub(SHOWN);
    let mut diagnostic = Diagnostic::new(Code::WeightsMismatch, message);
    for problem in problems.into_iter().take(SHOWN) {
        diagnostic = diagnostic.note(problem);
    }
    if more > 0 {
        diagnostic = diagnostic.note(format!("and {more} more"));
    }
    match about {
        Some(about) if about.net != program.net => diagnostic.help(format!("they were trained for `{}`", about.net)),
        _ => diagnostic.help("give the spec they were trained with, with the same parameters (`-p`)"),
    }
}

#[cfg(test)]
mod tests;
