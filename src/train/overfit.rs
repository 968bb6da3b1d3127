//! A few batches, learnt by heart: a network whose gradients are right can do it, one whose gradients are wrong cannot.

use super::error::{NonFinite, NotFinite, RunError};
use super::input::Input;
use super::nan_search::Snapshot;
use super::report::StepReport;
use super::steps::Steps;
use super::stop::Stop;
use crate::engine::{Engine, Metrics};
use crate::lower::program::{Loss, OpKind, Program};
use crate::recipe::schedule::Schedule;
use crate::recipe::{Augment, Length, Recipe};
use std::time::Instant;

/// A mean loss that is as good as zero: nineteen images in twenty at 99.9 %, the twentieth at 80 %.
pub const NEAR_ZERO: f64 = 0.01;

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OverfitResult {
    /// Mean loss of the first pass over the batches.
    pub first: f64,
    /// Mean loss of the last one.
    pub loss: f64,
    /// Accuracy in the last one.
    pub accuracy: f64,
    /// Updates made.
    pub steps: u64,
    /// Whether it was asked to stop.
    pub interrupted: bool,
}

impl OverfitResult {
    /// Whether the images are known by heart.
    pub fn by_heart(&self) -> bool {
        self.loss <= NEAR_ZERO
    }
}

/// The recipe without all that is there to keep a network from learning images by heart, for at most `steps` steps.
pub fn recipe(recipe: &Recipe, steps: u64) -> Recipe {
    let mut bare = Recipe {
        augment: Augment::default(),
        length: Length::Steps(steps),
        hold_out: 0,
        schedule: Schedule::default(),
        average: None,
        ..recipe.clone()
    };
    bare.optimizer.weight_decay = 0.0;
    bare
}

/// The program without dropout and label smoothing.
pub fn program(mut program: Program) -> Program {
    for op in &mut program.ops {
        if let OpKind::Dropout { rate, .. } = &mut op.kind {
            *rate = 0.0;
        }
    }
    let Loss::SoftmaxCrossEntropy { smoothing } = &mut program.loss;
    *smoothing = 0.0;
    program
}

/// Trains on all training images of `input` until they are known by heart, or the recipe's length is over.
///
/// # Errors
/// When engine or data fail, or the loss is no longer finite.
pub fn overfit(
    engine: &mut dyn Engine,
    recipe: &Recipe,
    input: &Input,
    stop: &Stop,
    progress: &mut dyn FnMut(&StepReport),
) -> Result<OverfitResult, RunError> {
    let mut steps = Steps::new(recipe, input, engine, 0)?;
    let run_length = steps.run_length();
    let begin = Instant::now();
    let mut copy = Snapshot::new(0, engine)?;
    let mut first = None;
    loop {
        let mut metrics = Metrics::default();
        for _ in 0..run_length.steps_per_epoch {
            // There is no end of them.
            let Some(batch) = steps.next_batch() else { break };
            let rate = steps.rate();
            engine.train_step(&batch.batch(), &steps.update())?;
            drop(batch);
            let step = steps.count();
            let read = engine.read_metrics()?;
            if !read.loss_sum.is_finite() {
                let finite_at = step - 1;
                let origin = copy.find(engine, recipe, input, step);
                let lost = NonFinite::Loss(read.loss_sum);
                let at = NotFinite { lost, finite_at, step, rate, evaluating: None, last_epoch: 0, origin };
                return Err(RunError::NotFinite(Box::new(at)));
            }
            metrics.add(read);
            copy.refresh(step, engine)?;
        }
        let step = steps.done();
        let first = *first.get_or_insert(metrics.loss());
        let (loss, accuracy) = (metrics.loss(), metrics.accuracy());
        let result = OverfitResult { first, loss, accuracy, steps: step, interrupted: stop.requested() };
        let epoch = step / run_length.steps_per_epoch;
        let seconds = begin.elapsed().as_secs_f64() / epoch.max(1) as f64;
        let (total_steps, rate) = (run_length.total_steps, steps.last_rate());
        progress(&StepReport { epoch, step, total_steps, rate, train: metrics.into(), seconds });
        if result.by_heart() || result.interrupted || step >= run_length.total_steps {
            return Ok(result);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{DataSet, LoadOptions, Take};
    use crate::engine::State;
    use crate::engine::mock;
    use crate::engine::native::{NativeEngine, Options};
    use crate::graph::dims::Shape;

    const INPUT: Shape = Shape::Map { channels: 1, height: 12, width: 12 };

    fn run(rate: f64, steps: u64) -> Result<OverfitResult, RunError> {
        let options =
            LoadOptions { input: Some(INPUT), train: Take::First(32), test: Take::First(1), ..LoadOptions::default() };
        let data = DataSet::load("shapes", &options).unwrap();
        let mut whole = Recipe { data: "shapes".into(), batch: 16, hold_out: 5, ..Recipe::default() };
        whole.optimizer.learning_rate = rate;
        let bare = recipe(&whole, steps);
        let input = Input::new(&data, &bare).unwrap();
        let mut engine = NativeEngine::new(program(mock::program(INPUT, 10)), Options::default()).unwrap();
        engine.load(&State::initial(engine.program(), 1)).unwrap();
        overfit(&mut engine, &bare, &input, &Stop::new(), &mut |_| {})
    }

    #[test]
    fn images_are_learnt_by_heart_or_not() {
        let result = run(0.05, 2000).unwrap();
        assert!(result.by_heart() && result.accuracy == 1.0 && result.steps < 2000, "{result:?}");
        assert!(result.first > 1.0);
        let result = run(1e-6, 20).unwrap();
        assert!(!result.by_heart() && result.steps == 20, "{result:?}");
    }

    #[test]
    fn lost_numbers_are_told() {
        let Err(RunError::NotFinite(at)) = run(3e38, 50) else { panic!("it should diverge") };
        assert!(at.origin.is_some(), "{at:?}");
    }
}
