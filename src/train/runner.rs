//! Training of any program on any engine, from its beginning or from where it was left.

use super::error::{NonFinite, NotFinite, RunError};
use super::evaluation::Evaluation;
use super::input::Input;
use super::nan_search::Snapshot;
use super::observer::Observer;
use super::report::{Best, EpochReport, Position, StepReport};
use super::steps::Steps;
use super::stop::Stop;
use crate::engine::{Engine, Metrics, State};
use crate::recipe::Recipe;
use crate::recipe::milestone::RunLength;
use std::time::{Duration, Instant};

pub use super::evaluation::evaluate;

/// Steps between readings of the metrics: a device need not be waited for at each step. A slow one is read more often.
const READ_EVERY: u64 = 10;
/// As long as this a run may be silent.
const READ_AFTER: Duration = Duration::from_millis(200);

/// How a run ended.
#[derive(Debug, Clone)]
pub struct TrainOutcome {
    /// Where it stands.
    pub position: Position,
    /// Whether it was asked to stop before its end.
    pub interrupted: bool,
    /// What the engine held after the last step: what training would go on with.
    pub state: State,
}

/// Trains `engine` from the state that it is in, which must be that of the position `from`. Evaluates the held-out and
/// the test images after each epoch, and at the end.
///
/// # Errors
/// When engine, data or observer fail, or loss or weights are no longer finite.
pub fn train(
    engine: &mut dyn Engine,
    recipe: &Recipe,
    input: &Input,
    from: Position,
    stop: &Stop,
    observer: &mut dyn Observer,
) -> Result<TrainOutcome, RunError> {
    let mut steps = Steps::new(recipe, input, engine, from.step)?;
    let run_length = steps.run_length();
    let copy = Snapshot::new(from.step, engine)?;
    let mut epoch = Epoch::resume(&from, run_length);
    let mut run =
        TrainingRun { engine, recipe, input, stop, observer, run_length, copy, last: from.last, best: from.best };
    let mut interrupted = false;
    loop {
        let step = steps.done();
        if run.ends(step) && epoch.metrics.images > 0 {
            let waited = steps.waited().saturating_sub(epoch.waited_before);
            if !run.finish(&epoch, waited, step, steps.last_rate())? {
                interrupted = true;
                break;
            }
            epoch = Epoch::begin(step / run_length.steps_per_epoch + 1, steps.waited());
            if step >= run_length.total_steps || run.observer.is_due(step, run_length.steps_per_epoch) {
                run.checkpoint(step, &epoch, &steps)?;
            }
        }
        if step >= run_length.total_steps {
            break;
        }
        interrupted = stop.requested();
        if interrupted {
            break;
        }
        // There is no end of them.
        let Some(batch) = steps.next_batch() else { break };
        let rate = steps.rate();
        run.engine.train_step(&batch.batch(), &steps.update())?;
        drop(batch);
        let step = steps.count();
        let due = !run.ends(step) && run.observer.is_due(step, run_length.steps_per_epoch);
        let silent = epoch.read.elapsed() >= READ_AFTER;
        if due || silent || run.ends(step) || step.is_multiple_of(READ_EVERY) {
            run.read(&mut epoch, step, rate)?;
            run.observer.step(&epoch.report(step, run_length, rate));
        }
        if due {
            run.checkpoint(step, &epoch, &steps)?;
        }
    }
    run.read(&mut epoch, steps.done(), steps.last_rate())?;
    let position = run.position(steps.done(), &epoch, &steps);
    Ok(TrainOutcome { position, interrupted, state: run.engine.state()? })
}

/// What a run is made of.
struct TrainingRun<'a> {
    engine: &'a mut dyn Engine,
    recipe: &'a Recipe,
    input: &'a Input,
    stop: &'a Stop,
    observer: &'a mut dyn Observer,
    run_length: RunLength,
    /// For the day that a number is lost.
    copy: Snapshot,
    last: Option<EpochReport>,
    best: Option<Best>,
}

impl TrainingRun<'_> {
    /// Whether an epoch, or the run, is over after `step` steps.
    fn ends(&self, step: u64) -> bool {
        step > 0 && (step.is_multiple_of(self.run_length.steps_per_epoch) || step == self.run_length.total_steps)
    }

    /// Reads what was seen since the last reading.
    fn read(&mut self, epoch: &mut Epoch, step: u64, rate: f64) -> Result<(), RunError> {
        let metrics = self.engine.read_metrics()?;
        if !metrics.loss_sum.is_finite() {
            return Err(self.lost(NonFinite::Loss(metrics.loss_sum), epoch, step, rate));
        }
        epoch.metrics.add(metrics);
        (epoch.read, epoch.read_at) = (Instant::now(), step);
        Ok(self.copy.refresh(step, self.engine)?)
    }

    /// A number was lost since the last reading: looks for where.
    fn lost(&mut self, lost: NonFinite, epoch: &Epoch, step: u64, rate: f64) -> RunError {
        let copy = std::mem::take(&mut self.copy);
        let origin = copy.find(self.engine, self.recipe, self.input, step);
        RunError::NotFinite(Box::new(NotFinite {
            lost,
            finite_at: epoch.read_at,
            step,
            rate,
            evaluating: None,
            last_epoch: epoch.number - 1,
            origin,
        }))
    }

    /// Evaluates what there is to evaluate; `false` when asked to stop on the way.
    fn finish(&mut self, epoch: &Epoch, waited: Duration, step: u64, rate: f64) -> Result<bool, RunError> {
        let seconds = epoch.seconds();
        let state = self.finite_state(epoch, step, rate)?;
        let evaluation = Evaluation {
            engine: self.engine,
            recipe: self.recipe,
            input: self.input,
            stop: self.stop,
            observer: self.observer,
        };
        let not_finite = |(which, loss)| {
            RunError::NotFinite(Box::new(NotFinite {
                lost: NonFinite::Loss(loss),
                finite_at: step,
                step,
                rate,
                evaluating: Some(which),
                last_epoch: epoch.number - 1,
                origin: None,
            }))
        };
        let Some((scores, evaluated)) = evaluation.run(state)? else { return Ok(false) };
        let scores = scores.finite().map_err(not_finite)?;
        let report = EpochReport {
            epoch: epoch.number,
            step,
            total_steps: self.run_length.total_steps,
            rate,
            train: epoch.metrics.into(),
            held_out: scores.held_out,
            test: scores.test,
            test_moving: scores.test_moving,
            test_last: scores.test_last,
            images_per_second: epoch.metrics.images as f64 / seconds.max(1e-9),
            seconds,
            waited: epoch.waited + waited.as_secs_f64(),
        };
        let best = Best::update(self.best, report);
        self.observer.epoch(&report, &best, &evaluated)?;
        (self.last, self.best) = (Some(report), Some(best));
        Ok(true)
    }

    fn finite_state(&mut self, epoch: &Epoch, step: u64, rate: f64) -> Result<State, RunError> {
        let state = self.engine.state()?;
        match state.not_finite(self.engine.program()) {
            None => Ok(state),
            Some(_) => Err(self.lost(NonFinite::Weights, epoch, step, rate)),
        }
    }

    fn position(&self, step: u64, epoch: &Epoch, steps: &Steps) -> Position {
        let waited = steps.waited().saturating_sub(epoch.waited_before).as_secs_f64();
        Position {
            step,
            epoch: epoch.metrics,
            seconds: epoch.seconds(),
            waited: epoch.waited + waited,
            last: self.last,
            best: self.best,
        }
    }

    fn checkpoint(&mut self, step: u64, epoch: &Epoch, steps: &Steps) -> Result<(), RunError> {
        let state = self.finite_state(epoch, step, steps.last_rate())?;
        Ok(self.observer.checkpoint(&self.position(step, epoch, steps), &state)?)
    }
}

/// The epoch that is running.
struct Epoch {
    /// From 1.
    number: u64,
    begin: Instant,
    /// Seconds of it before it was interrupted, and of those spent waiting for input.
    seconds: f64,
    waited: f64,
    /// What had been waited for input when it began.
    waited_before: Duration,
    metrics: Metrics,
    /// When metrics were read last, and after which step.
    read: Instant,
    read_at: u64,
}

impl Epoch {
    fn begin(number: u64, waited_before: Duration) -> Self {
        let now = Instant::now();
        let metrics = Metrics::default();
        Epoch { number, begin: now, seconds: 0.0, waited: 0.0, waited_before, metrics, read: now, read_at: 0 }
    }

    /// The epoch of a position: the one that its last step belongs to as long as that is not evaluated.
    fn resume(from: &Position, run_length: RunLength) -> Self {
        let step = if from.epoch.images > 0 { from.step.saturating_sub(1) } else { from.step };
        Epoch {
            seconds: from.seconds,
            waited: from.waited,
            metrics: from.epoch,
            read_at: from.step,
            ..Epoch::begin(step / run_length.steps_per_epoch + 1, Duration::ZERO)
        }
    }

    fn seconds(&self) -> f64 {
        self.seconds + self.begin.elapsed().as_secs_f64()
    }

    fn report(&self, step: u64, run_length: RunLength, rate: f64) -> StepReport {
        StepReport {
            epoch: self.number,
            step,
            total_steps: run_length.total_steps,
            rate,
            train: self.metrics.into(),
            seconds: self.seconds(),
        }
    }
}

#[cfg(test)]
mod tests;
