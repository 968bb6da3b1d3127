//! Training and evaluation of any program on any engine.

use super::input::Input;
use super::recipe::Recipe;
use super::report::{Best, EpochReport, Observer, Score, StepReport, Which};
use super::schedule::Clock;
use super::stop::Stop;
use crate::data::loader::{Loader, LoaderOptions};
use crate::data::normalize::Normalization;
use crate::data::{DataError, Subset};
use crate::diagnostic::{Code, Diagnostic};
use crate::engine::{Engine, EngineError, Metrics, State, Update};
use std::time::{Duration, Instant};

/// Steps between readings of the metrics: a device need not be waited for at each step. A slow one is read more often.
const READ_EVERY: u64 = 10;
/// As long as this a run may be silent.
const READ_AFTER: Duration = Duration::from_millis(200);

/// How a run ended.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// Steps done.
    pub steps: u64,
    /// Whether it was asked to stop before its end.
    pub interrupted: bool,
    /// The weights of the last step.
    pub state: State,
    /// The last epoch that was evaluated.
    pub last: Option<EpochReport>,
    /// The best epoch, and by which images that was judged.
    pub best: Option<Best>,
}

/// Why a run did not end well.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The engine failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The data failed.
    #[error(transparent)]
    Data(#[from] DataError),
    /// What an observer had to keep could not be kept.
    #[error("{}", .0.message)]
    Observer(Box<Diagnostic>),
    /// The loss left the numbers.
    #[error("{0}")]
    NotFinite(NotFinite),
}

/// Where the loss left the numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct NotFinite {
    /// The loss that was read.
    pub loss: f64,
    /// Steps after which it still was finite.
    pub finite_at: u64,
    /// Steps after which it no longer was.
    pub step: u64,
    /// Learning rate there.
    pub rate: f64,
    /// Over which images: `None` for those of training.
    pub evaluating: Option<Which>,
    /// The last epoch that was finite to its end; 0 for none.
    pub last_epoch: u64,
}

impl std::fmt::Display for NotFinite {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let NotFinite { loss, step, rate, .. } = self;
        match self.evaluating {
            None => write!(f, "the training loss is {loss} at step {step} (learning rate {rate})"),
            Some(which) => {
                write!(
                    f,
                    "the loss over the {} images is {loss} after step {step} (learning rate {rate})",
                    which.name()
                )
            }
        }
    }
}

impl From<RunError> for Diagnostic {
    fn from(error: RunError) -> Diagnostic {
        match error {
            RunError::Engine(error) => Diagnostic::new(Code::RunFailed, error.to_string()),
            RunError::Data(error) => Diagnostic::from(&error),
            RunError::Observer(diagnostic) => *diagnostic,
            RunError::NotFinite(at) => {
                let kept = match at.last_epoch {
                    0 => "no weights were saved: no epoch had ended yet".to_string(),
                    epoch => format!("the weights saved are those of the end of epoch {epoch}"),
                };
                let mut diagnostic = Diagnostic::new(Code::LossNotFinite, at.to_string());
                if at.evaluating.is_none() {
                    diagnostic = diagnostic.note(format!("it was finite up to step {}", at.finite_at));
                }
                let rate = short(at.rate / 10.0);
                diagnostic
                    .note(kept)
                    .help(format!("try a smaller learning rate, such as `--set optimizer.learning_rate={rate}`"))
                    .help("or normalised input (`normalize: per-channel`), or starting weights that fit the activations (`init`)")
            }
        }
    }
}

/// Without the digits that only floats have.
fn short(number: f64) -> f64 {
    format!("{number:.2e}").parse().unwrap_or(number)
}

/// Trains `engine` from the state it is in. Evaluates the held-out and the test images after each epoch, and at the end.
///
/// # Errors
/// When engine, data or observer fail, or the loss is no longer finite.
pub fn train(
    engine: &mut dyn Engine,
    recipe: &Recipe,
    input: &Input,
    stop: &Stop,
    observer: &mut dyn Observer,
) -> Result<Outcome, RunError> {
    let options = LoaderOptions::training(recipe.batch, input.normalization.clone(), input.augment, recipe.seed);
    let mut loader = Loader::new(&input.train, options)?;
    let steps_per_epoch = loader.steps_per_epoch();
    let clock = Clock { steps_per_epoch, total_steps: recipe.length.steps(steps_per_epoch) };
    let optimizer = &recipe.optimizer;
    let decay: Vec<f32> = engine.program().parameters.iter().map(|p| optimizer.decay(p.role)).collect();

    let mut run = Run { engine, recipe, input, stop, observer, clock };
    let (mut last, mut best) = (None, None);
    let mut epoch = Epoch::begin(1, 0, &loader);
    let mut step = 0;
    let mut interrupted = false;
    while step < clock.total_steps {
        interrupted = stop.requested();
        if interrupted {
            break;
        }
        // The loader has no end.
        let Some(loaded) = loader.next() else { break };
        let rate = recipe.schedule.rate(optimizer.learning_rate, step, clock);
        let before = recipe.schedule.rate(optimizer.learning_rate, step.saturating_sub(1), clock);
        let update = Update {
            rate: rate as f32,
            momentum: optimizer.momentum_at(before, rate) as f32,
            nesterov: optimizer.nesterov,
            decay_form: optimizer.decay_form,
            decay: &decay,
        };
        run.engine.train_step(&loaded.batch(), &update)?;
        drop(loaded);
        step += 1;
        let ends = step % steps_per_epoch == 0 || step == clock.total_steps;
        if ends || step.is_multiple_of(READ_EVERY) || epoch.read.elapsed() >= READ_AFTER {
            epoch.read(run.engine, step, rate)?;
            run.observer.step(&epoch.report(step, clock, rate));
        }
        if !ends {
            continue;
        }
        let Some(report) = run.finish(&epoch, loader.waited(), step, rate)? else {
            interrupted = true;
            break;
        };
        let state = run.engine.state()?;
        run.observer.epoch(&report, &state).map_err(|diagnostic| RunError::Observer(Box::new(diagnostic)))?;
        last = Some(report);
        best = Some(Best::update(best, report));
        epoch = Epoch::begin(epoch.number + 1, step, &loader);
    }
    Ok(Outcome { steps: step, interrupted, state: run.engine.state()?, last, best })
}

/// What a run is made of.
struct Run<'a> {
    engine: &'a mut dyn Engine,
    recipe: &'a Recipe,
    input: &'a Input,
    stop: &'a Stop,
    observer: &'a mut dyn Observer,
    clock: Clock,
}

impl Run<'_> {
    /// Evaluates what there is to evaluate; `None` when asked to stop on the way.
    fn finish(
        &mut self,
        epoch: &Epoch,
        waited: Duration,
        step: u64,
        rate: f64,
    ) -> Result<Option<EpochReport>, RunError> {
        let seconds = epoch.begin.elapsed().as_secs_f64();
        let held_out = match &self.input.held_out {
            None => None,
            Some(images) => match self.score(images, Which::HeldOut, epoch, step, rate)? {
                None => return Ok(None),
                score => score,
            },
        };
        let test = self.score(&self.input.test, Which::Test, epoch, step, rate)?;
        Ok(test.map(|test| EpochReport {
            epoch: epoch.number,
            step,
            total_steps: self.clock.total_steps,
            rate,
            train: epoch.metrics.into(),
            held_out,
            test,
            images_per_second: epoch.metrics.images as f64 / seconds.max(1e-9),
            seconds,
            waited: waited.saturating_sub(epoch.waited_before).as_secs_f64(),
        }))
    }

    fn score(
        &mut self,
        images: &Subset,
        which: Which,
        epoch: &Epoch,
        step: u64,
        rate: f64,
    ) -> Result<Option<Score>, RunError> {
        let observer = &mut *self.observer;
        let mut progress = |done, total| observer.evaluating(which, done, total);
        let (normalization, batch) = (&self.input.normalization, self.recipe.batch);
        let score = evaluate(self.engine, images, normalization, batch, self.stop, &mut progress)?;
        match score {
            Some(score) if !score.loss.is_finite() => Err(RunError::NotFinite(NotFinite {
                loss: score.loss,
                finite_at: step,
                step,
                rate,
                evaluating: Some(which),
                last_epoch: epoch.number - 1,
            })),
            score => Ok(score),
        }
    }
}

/// The epoch that is running.
struct Epoch {
    /// From 1.
    number: u64,
    begin: Instant,
    /// What had been waited for input when it began.
    waited_before: Duration,
    metrics: Metrics,
    /// When metrics were read last, and after which step.
    read: Instant,
    read_at: u64,
}

impl Epoch {
    fn begin(number: u64, step: u64, loader: &Loader) -> Self {
        let now = Instant::now();
        let metrics = Metrics::default();
        Epoch { number, begin: now, waited_before: loader.waited(), metrics, read: now, read_at: step }
    }

    fn read(&mut self, engine: &mut dyn Engine, step: u64, rate: f64) -> Result<(), RunError> {
        let metrics = engine.read_metrics()?;
        if !metrics.loss_sum.is_finite() {
            return Err(RunError::NotFinite(NotFinite {
                loss: metrics.loss_sum,
                finite_at: self.read_at,
                step,
                rate,
                evaluating: None,
                last_epoch: self.number - 1,
            }));
        }
        self.metrics.add(metrics);
        (self.read, self.read_at) = (Instant::now(), step);
        Ok(())
    }

    fn report(&self, step: u64, clock: Clock, rate: f64) -> StepReport {
        StepReport {
            epoch: self.number,
            step,
            total_steps: clock.total_steps,
            rate,
            train: self.metrics.into(),
            seconds: self.begin.elapsed().as_secs_f64(),
        }
    }
}

/// Mean loss and accuracy of `engine` over `images`, each seen once; `None` when asked to stop before the end.
/// `progress` hears how many images are done, and of how many.
///
/// # Errors
/// When engine or data fail. A loss that is not finite is a result, not an error.
pub fn evaluate(
    engine: &mut dyn Engine,
    images: &Subset,
    normalization: &Normalization,
    batch: usize,
    stop: &Stop,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Option<Score>, RunError> {
    // What training left in the metrics is not of these images.
    engine.read_metrics()?;
    let total = images.len() as u64;
    let mut done = 0;
    for loaded in Loader::new(images, LoaderOptions::evaluation(batch, normalization.clone()))? {
        if stop.requested() {
            return Ok(None);
        }
        engine.evaluate(&loaded.batch())?;
        done += loaded.len() as u64;
        progress(done, total);
    }
    Ok(Some(engine.read_metrics()?.into()))
}

#[cfg(test)]
mod tests;
