//! Which step and layer a run left the numbers in.
//!
//! The loss is read every few steps only, and says nothing of where it was lost. So a run keeps a copy of its state
//! every few seconds; when the loss is no longer finite, the steps since then are made again one by one, and the first
//! that loses a number is made once more by the reference engine, which looks at the output of every layer.

use super::batches::NextBatch;
use super::error::{Location, NonFiniteOrigin};
use super::input::Input;
use super::steps::Steps;
use crate::data::batch::Batch;
use crate::engine::tensor;
use crate::engine::{Engine, EngineError, State};
use crate::lower::program::Program;
use crate::recipe::Recipe;
use std::time::{Duration, Instant};

/// As often the state is copied: as long as this the search may take, too.
const SNAPSHOT_EVERY: Duration = Duration::from_secs(5);

/// The last copy of a state in which everything was finite.
#[derive(Debug, Default)]
pub struct Snapshot {
    step: u64,
    state: State,
    at: Option<Instant>,
}

impl Snapshot {
    /// Copies now.
    ///
    /// # Errors
    /// When the engine cannot be read.
    pub fn new(step: u64, engine: &dyn Engine) -> Result<Self, EngineError> {
        Ok(Snapshot { step, state: engine.state()?, at: Some(Instant::now()) })
    }

    /// Copies again if the copy is old, and the weights are finite.
    ///
    /// # Errors
    /// When the engine cannot be read.
    pub fn refresh(&mut self, step: u64, engine: &dyn Engine) -> Result<(), EngineError> {
        if self.at.is_some_and(|at| at.elapsed() >= SNAPSHOT_EVERY) {
            let copy = Snapshot::new(step, engine)?;
            if copy.state.not_finite(engine.program()).is_none() {
                *self = copy;
            }
        }
        Ok(())
    }

    /// Where the first number is lost on the way to `until`; `None` where it does not happen again, or cannot be told.
    /// The engine is left in any state.
    pub fn find(self, engine: &mut dyn Engine, recipe: &Recipe, input: &Input, until: u64) -> Option<NonFiniteOrigin> {
        engine.load(&self.state).ok()?;
        engine.read_metrics().ok()?;
        let mut steps = Steps::as_pixels(recipe, input, engine, self.step).ok()?;
        let mut before = self.state;
        while steps.done() < until {
            let NextBatch::Pixels(loaded) = steps.next_batch()? else { return None };
            engine.train_step(&loaded.batch(), &steps.update()).ok()?;
            let step = steps.count();
            let loss = engine.read_metrics().ok()?.loss_sum;
            let after = engine.state().ok()?;
            let lost = after.not_finite(engine.program());
            if !loss.is_finite() || lost.is_some() {
                let place = examine(engine.program(), &before, &loaded.batch(), lost);
                return place.map(|place| NonFiniteOrigin { step, place });
            }
            before = after;
        }
        None
    }
}

/// What the reference engine sees of a step that loses a number.
fn examine(program: &Program, before: &State, batch: &Batch<'_>, lost: Option<String>) -> Option<Location> {
    let mut reference = tensor::cpu(program.clone()).ok()?;
    reference.load(before).ok()?;
    if let Some(layer) = reference.first_not_finite(batch).ok()? {
        return Some(Location::Output(layer));
    }
    let gradients = reference.gradients(batch).ok()?;
    // The way back goes from the last layer to the first.
    let named = program.parameters.iter().zip(&gradients).rev();
    if let Some((parameter, _)) = { named }.find(|(_, gradient)| gradient.iter().any(|g| !g.is_finite())) {
        return Some(Location::Gradient(parameter.name.clone()));
    }
    lost.map(Location::Update)
}
