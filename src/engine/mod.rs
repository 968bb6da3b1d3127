//! What runs a [`Program`].
//!
//! The runner knows only the [`Engine`] trait. [`tensor`] is the reference: dfdx tensors and dfdx's
//! autograd, on the CPU or a CUDA device. [`native`] compiles for the CPU ahead and is the fast one.

mod batch;
#[cfg(test)]
pub mod mock;
pub mod native;
pub mod precision;
pub mod select;
mod state;
pub mod tensor;
mod update;
pub mod verify;

pub use state::State;
pub use update::{DecayForm, Rule, Update};

use crate::data::batch::{Batch, ImageSet, SetId};
use crate::lower::program::Program;
use serde::{Deserialize, Serialize};

/// Whether batch norm and dropout behave as in training or as in evaluation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Batch statistics; dropout drops.
    Train,
    /// Running statistics; dropout does nothing.
    Evaluate,
}

/// The loss of one image as [`Metrics`] sum it: rounded to a multiple of 2⁻²⁴ (6·10⁻⁸).
///
/// Sums of such numbers are exact in `f64` up to 2²⁹, so that it makes no difference how often metrics are read, how
/// images are grouped, or whether a run was interrupted in between.
#[inline(always)]
pub fn summable(loss: f64) -> f64 {
    // Adding 1.5·2²⁸ leaves 24 bits behind the point.
    const SHIFT: f64 = 1.5 * (1u64 << 28) as f64;
    (loss + SHIFT) - SHIFT
}

/// What was seen since the last reading.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Metrics {
    /// Sum over the images of the loss, each as `engine::summable` gives it.
    pub loss_sum: f64,
    /// Images whose largest logit is that of their label.
    pub correct: u64,
    /// Images seen.
    pub images: u64,
}

impl Metrics {
    /// Mean loss; NaN when nothing was seen.
    pub fn loss(&self) -> f64 {
        self.loss_sum / self.images as f64
    }

    /// Top-1 accuracy in 0..=1; NaN when nothing was seen.
    pub fn accuracy(&self) -> f64 {
        self.correct as f64 / self.images as f64
    }

    /// Adds another reading.
    pub fn add(&mut self, other: Metrics) {
        self.loss_sum += other.loss_sum;
        self.correct += other.correct;
        self.images += other.images;
    }
}

/// What batch norm normalises a group of images with, which is the whole batch where the program has no groups.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupMoments {
    /// How many images the group has.
    pub images: usize,
    /// The mean, or the biased variance, for each of [`Program::statistics`].
    pub values: Vec<Vec<f32>>,
}

/// What decides, beside the program and its inputs, on the last bits of a result. Threads do not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Arithmetic {
    /// `cpu` or `cuda`.
    pub device: String,
    /// `native` or `tensor`.
    pub engine: String,
    /// Vector instructions, where the engine chooses them.
    pub instructions: Option<String>,
    /// How convolutions are computed, where there is a choice.
    pub convolution: Option<String>,
}

impl std::fmt::Display for Arithmetic {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the {} engine on {}", self.engine, self.device)?;
        self.instructions.iter().try_for_each(|set| write!(f, " with {set}"))?;
        self.convolution.iter().try_for_each(|how| write!(f, ", {how} convolutions"))
    }
}

/// What can go wrong while a program runs.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    /// The program contradicts itself; no compiled program does.
    #[error("the program cannot run: {0}")]
    Program(String),
    /// The batch does not fit the program.
    #[error("the batch does not fit the network: {0}")]
    Batch(String),
    /// The state does not fit the program.
    #[error("the weights do not fit the network: {0}")]
    State(String),
    /// The engine computes in other numbers.
    #[error("{engine} does not compute in {precision}: {known}")]
    Precision {
        /// The engine, with its device.
        engine: String,
        /// The word for what it has not.
        precision: &'static str,
        /// What each engine has.
        known: String,
    },
    /// This netc was built without the device.
    #[error("this netc was built without {0}")]
    NotBuilt(&'static str),
    /// The device failed: out of memory, a driver error.
    #[error("the {device} device failed: {message}")]
    Device {
        /// `cpu` or `cuda`.
        device: &'static str,
        /// What it said.
        message: String,
    },
}

/// Runs one program.
///
/// Metrics are summed inside and read by [`Engine::read_metrics`], so that a device need not be waited for at each step.
pub trait Engine {
    /// The program it runs.
    fn program(&self) -> &Program;

    /// What decides on the last bits of its results.
    fn arithmetic(&self) -> Arithmetic;

    /// Replaces weights, velocities and statistics.
    ///
    /// # Errors
    /// [`EngineError::State`] when they do not fit; nothing is changed then.
    fn load(&mut self, state: &State) -> Result<(), EngineError>;

    /// Reads weights, velocities and statistics back.
    ///
    /// # Errors
    /// [`EngineError::Device`].
    fn state(&self) -> Result<State, EngineError>;

    /// Takes a set of images to the engine's own device, unless it is there already, so that batches can be
    /// [`Images::Resident`](crate::data::batch::Images::Resident). `None` where there is no such device, or no room on
    /// it: batches then have to come as pixels.
    ///
    /// # Errors
    /// [`EngineError::Device`], and [`EngineError::Batch`] when the images are not of the network's input.
    fn keep(&mut self, _set: &ImageSet) -> Result<Option<SetId>, EngineError> {
        Ok(None)
    }

    /// One step of training: forward in [`Mode::Train`], backward, update, running statistics.
    ///
    /// # Errors
    /// A batch that does not fit, or a device that fails.
    fn train_step(&mut self, batch: &Batch<'_>, update: &Update<'_>) -> Result<(), EngineError>;

    /// Forward in [`Mode::Evaluate`], into the metrics.
    ///
    /// # Errors
    /// As for [`Engine::train_step`].
    fn evaluate(&mut self, batch: &Batch<'_>) -> Result<(), EngineError>;

    /// The metrics of all steps and evaluations since the last reading.
    ///
    /// # Errors
    /// [`EngineError::Device`].
    fn read_metrics(&mut self) -> Result<Metrics, EngineError>;

    /// The logits of a batch, N×classes; running statistics stay as they are.
    ///
    /// # Errors
    /// As for [`Engine::train_step`].
    fn logits(&mut self, batch: &Batch<'_>, mode: Mode) -> Result<Vec<f32>, EngineError>;

    /// What each batch norm normalises a batch with in [`Mode::Train`], one entry for each of its
    /// [groups](Program::norm_groups), in order; weights, statistics and metrics stay as they are.
    ///
    /// # Errors
    /// As for [`Engine::train_step`].
    fn moments(&mut self, batch: &Batch<'_>) -> Result<Vec<GroupMoments>, EngineError>;

    /// The gradient of the mean loss of a batch (in [`Mode::Train`], without decay) for each parameter, in the
    /// program's order; weights, statistics and metrics stay as they are. For tests and for looking at a net.
    ///
    /// # Errors
    /// As for [`Engine::train_step`].
    fn gradients(&mut self, batch: &Batch<'_>) -> Result<Vec<Vec<f32>>, EngineError>;
}
