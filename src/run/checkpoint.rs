//! Everything that a run needs to go on, in one file: weights, what the optimizer keeps, batch-norm statistics, where
//! the run stands, and which run it is.
//!
//! Nothing random is in it: every draw is a function of (seed, epoch, index). The weights are under their own names, so
//! that a checkpoint is a weights file too; what is only for going on has names that begin with `netc.`.

use super::identity::Identity;
use super::numerics;
use super::tensor_file::{self, Tensor, numbers, write_atomically};
use super::weights::{self, About, OURS};
use crate::data::normalize::Normalization;
use crate::diagnostic::{Code, Diagnostic};
use crate::engine::State;
use crate::lower::program::Program;
use crate::train::report::Position;
use safetensors::tensor::SafeTensors;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// A run, ready to go on.
#[derive(Debug, Clone, PartialEq)]
pub struct Checkpoint {
    /// Which run.
    pub identity: Identity,
    /// Where it stands.
    pub position: Position,
    /// What the engine holds there.
    pub state: State,
}

/// Grows when a reader of the old format would misread the new one.
const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
struct Metadata {
    #[serde(flatten)]
    about: About,
    normalize: String,
    checkpoint: Option<CheckpointBody>,
}

#[derive(Serialize, Deserialize)]
struct CheckpointBody {
    version: u32,
    identity: Identity,
    position: Position,
}

/// What the optimizer keeps of each parameter, by the word for it in a file.
const KEPT: [&str; 3] = ["velocity", "square", "average"];

fn kept(state: &State) -> [&Vec<Vec<f32>>; KEPT.len()] {
    [&state.velocities, &state.squares, &state.averages]
}

impl Checkpoint {
    /// The bytes of its file.
    ///
    /// # Errors
    /// Half a sentence, when the state does not fit the program.
    pub fn serialize(
        &self,
        program: &Program,
        normalization: &Normalization,
        about: &About,
    ) -> Result<Vec<u8>, String> {
        self.state.validate(program).map_err(|error| error.to_string())?;
        let mut tensors = weights::of_network(program, &self.state);
        for (word, values) in KEPT.iter().zip(kept(&self.state)) {
            for (parameter, values) in program.parameters.iter().zip(values) {
                let name = format!("{OURS}{word}.{}", parameter.name);
                tensors.push(Tensor { name, dims: parameter.dims.clone(), values });
            }
        }
        let normalize = weights::of_input(normalization, &mut tensors).to_string();
        let body =
            CheckpointBody { version: VERSION, identity: self.identity.clone(), position: self.position.clone() };
        tensor_file::serialize(&tensors, &Metadata { about: about.clone(), normalize, checkpoint: Some(body) })
    }

    /// Reads a file and holds it against the program and the run that wants to go on with it.
    ///
    /// # Errors
    /// [`Code::WeightsUnreadable`] when it is missing, damaged or no checkpoint; [`Code::CheckpointMismatch`] when it is
    /// of another run. The file is left as it is.
    pub fn read(path: &Path, program: &Program, now: &Identity) -> Result<Checkpoint, Diagnostic> {
        let shown = path.display();
        let bytes = std::fs::read(path).map_err(|error| {
            Diagnostic::new(Code::WeightsUnreadable, format!("cannot read the checkpoint `{shown}`"))
                .note(error.to_string())
        })?;
        let damaged = |why: String| {
            let message = format!("`{shown}` is no whole checkpoint ({} bytes)", bytes.len());
            Diagnostic::new(Code::WeightsUnreadable, message)
                .note(why)
                .help("remove it to go on from the one before it, if there is one, or from the beginning")
        };
        let metadata: Option<Metadata> = tensor_file::about(&bytes).map_err(damaged)?;
        let Some(body) = metadata.and_then(|metadata| metadata.checkpoint) else {
            return Err(damaged("it holds weights, but nothing of a run that could go on".into()));
        };
        if body.version != VERSION {
            return Err(damaged(format!("its format is {}, this netc reads {VERSION}", body.version)));
        }
        let differences = body.identity.differences(now);
        if !differences.is_empty() {
            return Err(mismatch(path, &body.identity, differences));
        }
        let file = SafeTensors::deserialize(&bytes).map_err(|error| damaged(error.to_string()))?;
        let of = |name: &dyn Fn(&str) -> String| -> Vec<Vec<f32>> {
            program.parameters.iter().map(|parameter| numbers(&file, &name(&parameter.name))).collect()
        };
        let [velocities, squares, averages] = KEPT.map(|word| {
            let values = of(&|name| format!("{OURS}{word}.{name}"));
            // Not every optimizer keeps everything.
            if values.iter().all(Vec::is_empty) { Vec::new() } else { values }
        });
        let state = State {
            parameters: of(&|name| name.into()),
            velocities,
            squares,
            averages,
            statistics: program.statistics.iter().map(|statistic| numbers(&file, &statistic.name)).collect(),
        };
        // The program is the one that wrote it: only a netc with a fault could have left something out.
        state.validate(program).map_err(|error| damaged(error.to_string()))?;
        Ok(Checkpoint { identity: body.identity, position: body.position, state })
    }
}

fn mismatch(path: &Path, was: &Identity, differences: Vec<String>) -> Diagnostic {
    let message = format!("the checkpoint `{}` is of another run", path.display());
    let mut diagnostic = Diagnostic::new(Code::CheckpointMismatch, message);
    for difference in differences {
        diagnostic = diagnostic.note(difference);
    }
    diagnostic
        .help(numerics::help(was.numerics, "give the spec, recipe and data of that run to go on with it"))
        .help("or begin a run of its own in another folder (`--out`)")
}

/// The checkpoints of a run, in a folder of their own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoints(PathBuf);

impl Checkpoints {
    /// Those in this folder, which need not exist yet.
    pub fn new(folder: PathBuf) -> Self {
        Checkpoints(folder)
    }

    /// Where the checkpoint after `step` steps lies.
    pub fn path(&self, step: u64) -> PathBuf {
        self.0.join(format!("step-{step:010}.safetensors"))
    }

    /// The steps of those that there are, the latest last.
    pub fn steps(&self) -> Vec<u64> {
        let Ok(entries) = std::fs::read_dir(&self.0) else { return Vec::new() };
        let step = |entry: std::fs::DirEntry| {
            let name = entry.file_name();
            name.to_str()?.strip_prefix("step-")?.strip_suffix(".safetensors")?.parse().ok()
        };
        let mut steps: Vec<u64> = entries.flatten().filter_map(step).collect();
        steps.sort_unstable();
        steps
    }

    /// The latest.
    pub fn latest(&self) -> Option<PathBuf> {
        self.steps().last().map(|&step| self.path(step))
    }

    /// Writes one, whole or not at all, then takes away all but the last `keep`.
    ///
    /// # Errors
    /// [`Code::OutputFailed`]; those that there are stay.
    pub fn write(&self, step: u64, bytes: &[u8], keep: usize) -> Result<(), Diagnostic> {
        let path = self.path(step);
        let written = std::fs::create_dir_all(&self.0).and_then(|()| write_atomically(&path, bytes));
        written.map_err(|error| {
            let message = format!("cannot write the checkpoint `{}`", path.display());
            let diagnostic = Diagnostic::new(Code::OutputFailed, message).note(error.to_string());
            match self.steps().last() {
                Some(step) => diagnostic.note(format!("the checkpoint after step {step} is as it was")),
                None => diagnostic,
            }
        })?;
        self.prune(keep);
        Ok(())
    }

    /// Takes away all but the last `keep`: also what a run that was killed between writing one and this left.
    pub fn prune(&self, keep: usize) {
        let steps = self.steps();
        for &old in steps.iter().take(steps.len().saturating_sub(keep.max(1))) {
            // One too many is no reason to stop.
            let _ = std::fs::remove_file(self.path(old));
        }
    }

    /// Takes away what a run that was killed while it wrote left behind.
    pub fn tidy(&self) {
        tensor_file::remove_temporaries(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{DataSet, LoadOptions, Take};
    use crate::engine::mock::{self, MockEngine};
    use crate::graph::dims::Shape;
    use crate::recipe::Recipe;
    use crate::run::folder::tests::Scratch;

    const INPUT: Shape = Shape::Map { channels: 1, height: 12, width: 12 };

    fn about() -> About {
        About { net: "tiny".into(), ..About::default() }
    }

    fn checkpoint(limit: usize) -> (Program, Checkpoint) {
        let program = mock::program(INPUT, 10);
        let engine = MockEngine::new(program.clone(), 3);
        let options = LoadOptions {
            input: Some(INPUT),
            train: Take::First(limit),
            test: Take::First(8),
            ..LoadOptions::default()
        };
        let data = DataSet::load("shapes", &options).unwrap();
        let recipe = Recipe { data: "shapes".into(), ..Recipe::default() };
        let mut state = State::initial(&program, 3);
        state.averages = state.parameters.clone();
        state.velocities[0].iter_mut().enumerate().for_each(|(i, v)| *v = i as f32 * 0.1);
        let mut position = Position { step: 12, seconds: 0.1, ..Position::default() };
        position.epoch.loss_sum = 1.0 / 3.0;
        (program, Checkpoint { identity: Identity::of(&engine, &recipe, &data), position, state })
    }

    #[test]
    fn what_is_written_reads_back_to_the_bit() {
        let scratch = Scratch::new("checkpoint-round");
        let (program, checkpoint) = checkpoint(16);
        let files = Checkpoints::new(scratch.0.join("deep/er"));
        let bytes = checkpoint.serialize(&program, &Normalization::PerImage, &about()).unwrap();
        files.write(12, &bytes, 2).unwrap();
        let path = files.latest().unwrap();
        assert_eq!(Checkpoint::read(&path, &program, &checkpoint.identity).unwrap(), checkpoint);
        // It is a weights file, too.
        assert_eq!(weights::read(&path, &program).unwrap().parameters, checkpoint.state.parameters);
    }

    #[test]
    fn the_last_ones_stay() {
        let scratch = Scratch::new("checkpoint-keep");
        let files = Checkpoints::new(scratch.0.clone());
        assert_eq!(files.latest(), None);
        for step in [9, 10, 100, 1_000_000] {
            files.write(step, b"x", 2).unwrap();
        }
        assert_eq!(files.steps(), [100, 1_000_000]);
        std::fs::write(scratch.0.join(".step-3.safetensors.77.tmp"), b"half").unwrap();
        std::fs::write(scratch.0.join("step-notes.txt"), b"mine").unwrap();
        files.tidy();
        assert_eq!(files.steps(), [100, 1_000_000]);
        assert_eq!(std::fs::read_dir(&scratch.0).unwrap().count(), 3);
        // A run that was killed before it took the third away takes it away when it goes on.
        files.prune(1);
        assert_eq!(files.steps(), [1_000_000]);
    }

    #[test]
    fn another_run_is_refused_and_left_as_it_is() {
        let scratch = Scratch::new("checkpoint-other");
        let (program, checkpoint) = checkpoint(16);
        let (_, other) = self::checkpoint(17);
        let path = scratch.0.join("step-1.safetensors");
        let bytes = checkpoint.serialize(&program, &Normalization::None, &about()).unwrap();
        std::fs::write(&path, &bytes).unwrap();
        let error = Checkpoint::read(&path, &program, &other.identity).unwrap_err();
        assert_eq!(error.code, Code::CheckpointMismatch);
        assert_eq!(error.notes, ["it saw 16 training images, now there are 17"]);
        assert_eq!(std::fs::read(&path).unwrap(), bytes);
    }

    /// As a checkpoint from before numerics had a number names a version of netc instead.
    #[test]
    fn one_of_other_numerics_is_refused_with_what_changed_since() {
        let scratch = Scratch::new("checkpoint-numerics");
        let (program, checkpoint) = checkpoint(16);
        let now = checkpoint.identity.clone();
        let identity = serde_json::to_string(&now).unwrap().replacen("\"numerics\":2", "\"netc\":\"0.1.0\"", 1);
        let old = Checkpoint { identity: serde_json::from_str(&identity).unwrap(), ..checkpoint };
        assert_eq!(old.identity.numerics, 1);
        let path = scratch.0.join("step-1.safetensors");
        std::fs::write(&path, old.serialize(&program, &Normalization::None, &about()).unwrap()).unwrap();
        let error = Checkpoint::read(&path, &program, &now).unwrap_err();
        assert_eq!(error.code, Code::CheckpointMismatch);
        assert_eq!(error.notes[0], "it was computed with numerics 1, this netc has numerics 2");
        assert_eq!(error.help[0], "the netc that began it can go on with it");
    }

    #[test]
    fn what_is_no_checkpoint_is_refused() {
        let scratch = Scratch::new("checkpoint-damaged");
        let (program, checkpoint) = checkpoint(16);
        let path = scratch.0.join("step-1.safetensors");
        let bytes = checkpoint.serialize(&program, &Normalization::None, &about()).unwrap();
        let mut changed = bytes.clone();
        *changed.last_mut().unwrap() ^= 1;
        let weights = weights::tests::bytes(&program, &about());
        for damaged in [&bytes[..bytes.len() - 1], &bytes[..9], b"", &changed, &weights] {
            std::fs::write(&path, damaged).unwrap();
            let error = Checkpoint::read(&path, &program, &checkpoint.identity).unwrap_err();
            assert_eq!(error.code, Code::WeightsUnreadable, "{error:?}");
        }
    }
}
