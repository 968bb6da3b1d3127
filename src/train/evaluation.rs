//! What a network reaches on images that it was not trained on.

use super::batches::BatchSource;
use super::error::RunError;
use super::input::Input;
use super::observer::Observer;
use super::population::{self, Method};
use super::report::{EvalSet, Evaluated, Score};
use super::stop::Stop;
use crate::data::Subset;
use crate::data::loader::LoaderOptions;
use crate::data::normalize::Normalization;
use crate::engine::{Engine, State};
use crate::recipe::{Recipe, Statistics};

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
    for next in BatchSource::new(engine, images, LoaderOptions::evaluation(batch, normalization.clone()))? {
        if stop.requested() {
            // Half a result is none, and must not become one with what comes after.
            engine.read_metrics()?;
            return Ok(None);
        }
        let batch = next.batch();
        engine.evaluate(&batch)?;
        done += batch.len() as u64;
        progress(done, total);
    }
    Ok(Some(engine.read_metrics()?.into()))
}

/// What an evaluation within a run is made of.
pub(super) struct Evaluation<'a> {
    pub engine: &'a mut dyn Engine,
    pub recipe: &'a Recipe,
    pub input: &'a Input,
    pub stop: &'a Stop,
    pub observer: &'a mut dyn Observer,
}

/// What it found.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scores {
    pub held_out: Option<Score>,
    pub test: Score,
    pub test_moving: Option<Score>,
    pub test_last: Option<Score>,
}

impl Scores {
    /// Itself, or the first loss that is no number.
    pub fn finite(self) -> Result<Self, (EvalSet, f64)> {
        let held_out = self.held_out.map(|score| (EvalSet::HeldOut, score.loss));
        match held_out.into_iter().chain([(EvalSet::Test, self.test.loss)]).find(|(_, loss)| !loss.is_finite()) {
            Some(lost) => Err(lost),
            None => Ok(self),
        }
    }
}

impl Evaluation<'_> {
    /// Evaluates the engine, which holds `training`, and leaves it so; `None` when asked to stop on the way.
    pub fn run(mut self, training: State) -> Result<Option<(Scores, Evaluated)>, RunError> {
        let of_population = self.recipe.batch_norm.statistics == Statistics::Population;
        let of_population = of_population && !training.statistics.is_empty();
        let averaged = !training.averages.is_empty();
        if !of_population && !averaged {
            let scores = self.scores()?;
            return Ok(scores.map(|scores| (scores, Evaluated::of_training(training))));
        }
        let found = self.with_others(&training, of_population);
        // Training goes on with its own, however this ended.
        self.engine.load(&training)?;
        found
    }

    /// With averaged weights, true averages in batch norm or both, and without them for comparison.
    fn with_others(&mut self, training: &State, of_population: bool) -> Result<Option<(Scores, Evaluated)>, RunError> {
        let mut evaluated = Evaluated::of_training(training.clone());
        let (mut test_last, mut test_moving) = (None, None);
        if evaluated.last.is_some() {
            test_last = self.score(&self.input.test, EvalSet::Test)?;
            if test_last.is_none() {
                return Ok(None);
            }
            self.engine.load(&evaluated.state)?;
        }
        if of_population {
            test_moving = self.score(&self.input.test, EvalSet::Test)?;
            let statistics = if test_moving.is_some() { self.population()? } else { None };
            let Some(statistics) = statistics else { return Ok(None) };
            evaluated.moving = Some(std::mem::replace(&mut evaluated.state.statistics, statistics));
            evaluated.statistics = Statistics::Population;
            self.engine.load(&evaluated.state)?;
        }
        let scores = self.scores()?.map(|scores| Scores { test_moving, test_last, ..scores });
        Ok(scores.map(|scores| (scores, evaluated)))
    }

    /// True averages with the weights that the engine holds.
    fn population(&mut self) -> Result<Option<Vec<Vec<f32>>>, RunError> {
        let norm = self.recipe.batch_norm;
        let images = match norm.population_images {
            Some(count) => self.input.train.limit(count)?,
            None => self.input.train.clone(),
        };
        let method = Method { variance: norm.population_variance, batch: self.recipe.batch, seed: self.recipe.seed };
        let observer = &mut *self.observer;
        let mut progress = |done, total| observer.evaluating(EvalSet::Population, done, total);
        let normalization = &self.input.normalization;
        population::statistics(self.engine, &images, normalization, method, self.stop, &mut progress)
    }

    fn scores(&mut self) -> Result<Option<Scores>, RunError> {
        let held_out = match &self.input.held_out {
            None => None,
            Some(images) => match self.score(images, EvalSet::HeldOut)? {
                None => return Ok(None),
                score => score,
            },
        };
        let test = self.score(&self.input.test, EvalSet::Test)?;
        Ok(test.map(|test| Scores { held_out, test, test_moving: None, test_last: None }))
    }

    fn score(&mut self, images: &Subset, which: EvalSet) -> Result<Option<Score>, RunError> {
        let observer = &mut *self.observer;
        let mut progress = |done, total| observer.evaluating(which, done, total);
        evaluate(self.engine, images, &self.input.normalization, self.recipe.batch, self.stop, &mut progress)
    }
}
