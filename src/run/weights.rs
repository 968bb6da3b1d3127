//! A trained network as a safetensors file.
//!
//! One tensor a parameter and running statistic, under the program's own names, so that other tools can read them.
//! What the pixels were normalised with goes along (`input.mean`, `input.std`): weights are only right together with
//! it; where batch norm is evaluated with true averages, the moving ones under `netc.moving.…`; and, where the weights are
//! averages over the steps, those of the last step under `netc.last.…`. The metadata entry `netc` says where the file
//! comes from.

use super::results::Selected;
use super::tensor_file::{self, Tensor, numbers, write_atomically};
use crate::data::normalize::Normalization;
use crate::diagnostic::{Code, Diagnostic, suggest};
use crate::engine::State;
use crate::lower::program::Program;
use crate::recipe::Statistics;
use crate::train::report::Evaluated;
use safetensors::tensor::{Dtype, SafeTensors};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Name of the file in a run's folder.
pub const FILE_NAME: &str = "weights.safetensors";

/// Where weights come from.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
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
    /// What the batch-norm statistics are; moving averages where an older file does not say.
    #[serde(default)]
    pub statistics: Statistics,
    /// What chose them and what they reached; nothing where they were not evaluated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub results: Option<Selected>,
}

/// What a file holds, in the order of the program's tables.
#[derive(Debug, Clone, PartialEq)]
pub struct Weights {
    /// One a parameter.
    pub parameters: Vec<Vec<f32>>,
    /// One a statistic: those to evaluate with.
    pub statistics: Vec<Vec<f32>>,
    /// The moving averages, where `statistics` are not these.
    pub moving: Option<Vec<Vec<f32>>>,
    /// The parameters of the last step, where `parameters` are averages.
    pub last: Option<Vec<Vec<f32>>>,
    /// What pixels have to go through; `None` in a file of another tool.
    pub normalization: Option<Normalization>,
    /// Where they come from; `None` in a file of another tool.
    pub about: Option<About>,
}

impl Weights {
    /// As an engine takes them, with velocities of 0.
    pub fn into_state(self) -> State {
        let velocities = self.parameters.iter().map(|parameter| vec![0.0; parameter.len()]).collect();
        State { parameters: self.parameters, velocities, statistics: self.statistics, ..State::default() }
    }
}

const MEAN: &str = "input.mean";
const STD: &str = "input.std";
/// Before the name of a moving average that is not what a network is evaluated with.
const MOVING: &str = "netc.moving.";
/// Before the name of a parameter of the last step, where that is not what a network is evaluated with.
const LAST: &str = "netc.last.";
/// Tensors of ours that are no part of the network, a checkpoint's among them.
pub(super) const OURS: &str = "netc.";

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
    evaluated: &Evaluated,
    normalization: &Normalization,
    about: &About,
) -> Result<(), Diagnostic> {
    let failed = |why: String| {
        Diagnostic::new(Code::OutputFailed, format!("cannot write the weights to `{}`", path.display())).note(why)
    };
    let bytes = serialize(program, evaluated, normalization, about).map_err(failed)?;
    write_atomically(path, &bytes).map_err(|error| failed(error.to_string()))
}

fn serialize(
    program: &Program,
    evaluated: &Evaluated,
    normalization: &Normalization,
    about: &About,
) -> Result<Vec<u8>, String> {
    evaluated.state.validate(program).map_err(|error| error.to_string())?;
    let mut tensors = of_network(program, &evaluated.state);
    for (statistic, values) in program.statistics.iter().zip(evaluated.moving.iter().flatten()) {
        let (name, dims) = (format!("{MOVING}{}", statistic.name), vec![statistic.channels]);
        tensors.push(Tensor { name, dims, values });
    }
    for (parameter, values) in program.parameters.iter().zip(evaluated.last.iter().flatten()) {
        tensors.push(Tensor { name: format!("{LAST}{}", parameter.name), dims: parameter.dims.clone(), values });
    }
    let normalize = of_input(normalization, &mut tensors);
    tensor_file::serialize(&tensors, &Metadata { about: about.clone(), normalize: normalize.into() })
}

/// Parameters and statistics under their names.
pub(super) fn of_network<'a>(program: &Program, state: &'a State) -> Vec<Tensor<'a>> {
    let parameters = program.parameters.iter().map(|parameter| (&parameter.name, parameter.dims.clone()));
    let statistics = program.statistics.iter().map(|statistic| (&statistic.name, vec![statistic.channels]));
    let tensors = parameters.chain(statistics).zip(state.parameters.iter().chain(&state.statistics));
    tensors.map(|((name, dims), values)| Tensor { name: name.clone(), dims, values }).collect()
}

/// What pixels have to go through: its numbers, and the word for it.
pub(super) fn of_input<'a>(normalization: &'a Normalization, tensors: &mut Vec<Tensor<'a>>) -> &'static str {
    let mut push = |name: &str, values: &'a [f32]| {
        tensors.push(Tensor { name: name.into(), dims: vec![values.len()], values });
    };
    match normalization {
        Normalization::None => "none",
        Normalization::PerImage => "per-image",
        Normalization::PerChannel { mean, std } => {
            push(MEAN, mean);
            push(STD, std);
            "per-channel"
        }
        Normalization::PerPixelMean { mean } => {
            push(MEAN, mean);
            "per-pixel-mean"
        }
    }
}

/// A file of weights as it is.
///
/// # Errors
/// [`Code::WeightsUnreadable`] when it cannot be read.
pub fn read_bytes(path: &Path) -> Result<Vec<u8>, Diagnostic> {
    std::fs::read(path).map_err(|error| {
        Diagnostic::new(Code::WeightsUnreadable, format!("cannot read the weights `{}`", path.display()))
            .note(error.to_string())
    })
}

/// Reads a file and holds it against a program.
///
/// # Errors
/// [`Code::WeightsUnreadable`] when it is missing, truncated or no safetensors file; [`Code::WeightsMismatch`] when names
/// or shapes are not those of the program.
pub fn read(path: &Path, program: &Program) -> Result<Weights, Diagnostic> {
    let shown = path.display();
    let bytes = read_bytes(path)?;
    let damaged = |why: String| {
        let message = format!("`{shown}` is no whole safetensors file ({} bytes)", bytes.len());
        Diagnostic::new(Code::WeightsUnreadable, message).note(why)
    };
    let metadata: Option<Metadata> = tensor_file::about(&bytes).map_err(damaged)?;
    let file = SafeTensors::deserialize(&bytes).map_err(|error| damaged(error.to_string()))?;
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
    let normalization = metadata.as_ref().map(|metadata| normalization(&file, &metadata.normalize, program));
    let normalization = normalization.transpose().map_err(damaged)?;
    let moving = program.statistics.iter().map(|statistic| {
        let values = numbers(&file, &format!("{MOVING}{}", statistic.name));
        (values.len() == statistic.channels).then_some(values)
    });
    let moving = moving.collect::<Option<Vec<_>>>().filter(|moving| !moving.is_empty());
    let last = program.parameters.iter().map(|parameter| {
        let values = numbers(&file, &format!("{LAST}{}", parameter.name));
        (values.len() == parameter.elements()).then_some(values)
    });
    let last = last.collect::<Option<Vec<_>>>();
    let about = metadata.map(|metadata| metadata.about);
    Ok(Weights { parameters: tensors, statistics, moving, last, normalization, about })
}

/// The normalisation of this name, with the numbers that are in the file.
pub(super) fn normalization(file: &SafeTensors<'_>, name: &str, program: &Program) -> Result<Normalization, String> {
    let (mean, std) = (numbers(file, MEAN), numbers(file, STD));
    let normalization = match name {
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
    extra.retain(|name| {
        ![MEAN, STD].contains(name) && !name.starts_with(OURS) && !name.ends_with(".num_batches_tracked")
    });
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
pub(crate) mod tests;
