//! What a network reaches on images that it was not trained on.

use super::failure::RunError;
use super::feed::Feed;
use super::input::Input;
use super::population::{self, Method};
use super::recipe::{Recipe, Statistics};
use super::report::{Evaluated, Observer, Score, Which};
use super::stop::Stop;
use crate::data::Subset;
use crate::data::loader::LoaderOptions;
use crate::data::normalize::Normalization;
use crate::engine::{Engine, State};

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
    for fed in Feed::new(engine, images, LoaderOptions::evaluation(batch, normalization.clone()))? {
        if stop.requested() {
            // Half a result is none, and must not become one with what comes after.
            engine.read_metrics()?;
            return Ok(None);
        }
        fed.evaluate(engine)?;
        done += fed.len() as u64;
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
}

impl Scores {
    /// Itself, or the first loss that is no number.
    pub fn finite(self) -> Result<Self, (Which, f64)> {
        let held_out = self.held_out.map(|score| (Which::HeldOut, score.loss));
        match held_out.into_iter().chain([(Which::Test, self.test.loss)]).find(|(_, loss)| !loss.is_finite()) {
            Some(lost) => Err(lost),
            None => Ok(self),
        }
    }
}

impl Evaluation<'_> {
    /// Evaluates the engine, which holds `training`, and leaves it so; `None` when asked to stop on the way.
    pub fn run(mut self, training: State) -> Result<Option<(Scores, Evaluated)>, RunError> {
        let of_population = self.recipe.batch_norm.statistics == Statistics::Population;
        if !of_population || training.statistics.is_empty() {
            let scores = self.scores(None)?;
            let evaluated = Evaluated { state: training, ..Evaluated::default() };
            return Ok(scores.map(|scores| (scores, evaluated)));
        }
        let found = self.with_population(&training);
        // Training goes on with the moving averages, however this ended.
        self.engine.load(&training)?;
        found
    }

    fn with_population(&mut self, training: &State) -> Result<Option<(Scores, Evaluated)>, RunError> {
        let Some(test_moving) = self.score(&self.input.test, Which::Test)? else { return Ok(None) };
        let norm = self.recipe.batch_norm;
        let images = match norm.population_images {
            Some(count) => self.input.train.limit(count)?,
            None => self.input.train.clone(),
        };
        let method = Method { variance: norm.population_variance, batch: self.recipe.batch, seed: self.recipe.seed };
        let observer = &mut *self.observer;
        let mut progress = |done, total| observer.evaluating(Which::Population, done, total);
        let normalization = &self.input.normalization;
        let statistics = population::statistics(self.engine, &images, normalization, method, self.stop, &mut progress)?;
        let Some(statistics) = statistics else { return Ok(None) };
        let state = State { statistics, ..training.clone() };
        self.engine.load(&state)?;
        let moving = Some(training.statistics.clone());
        let evaluated = Evaluated { state, statistics: Statistics::Population, moving };
        Ok(self.scores(Some(test_moving))?.map(|scores| (scores, evaluated)))
    }

    fn scores(&mut self, test_moving: Option<Score>) -> Result<Option<Scores>, RunError> {
        let held_out = match &self.input.held_out {
            None => None,
            Some(images) => match self.score(images, Which::HeldOut)? {
                None => return Ok(None),
                score => score,
            },
        };
        let test = self.score(&self.input.test, Which::Test)?;
        Ok(test.map(|test| Scores { held_out, test, test_moving }))
    }

    fn score(&mut self, images: &Subset, which: Which) -> Result<Option<Score>, RunError> {
        let observer = &mut *self.observer;
        let mut progress = |done, total| observer.evaluating(which, done, total);
        evaluate(self.engine, images, &self.input.normalization, self.recipe.batch, self.stop, &mut progress)
    }
}
