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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{DataSet, LoadOptions, Take};
    use crate::engine::mock::{self, MockEngine};
    use crate::graph::dims::Shape;

    const INPUT: Shape = Shape::Map { channels: 1, height: 12, width: 12 };

    fn input(recipe: &Recipe) -> Input {
        let options =
            LoadOptions { input: Some(INPUT), train: Take::First(40), test: Take::First(20), ..LoadOptions::default() };
        Input::new(&DataSet::load("shapes", &options).unwrap(), recipe).unwrap()
    }

    /// With averaged weights that differ from the last ones, and true averages in batch norm.
    fn with_everything() -> (Recipe, State) {
        let mut recipe = Recipe { data: "shapes".into(), batch: 16, hold_out: 10, ..Recipe::default() };
        recipe.batch_norm.statistics = Statistics::Population;
        let mut training = State::initial(&mock::program(INPUT, 10), 1);
        training.averages = training.parameters.iter().map(|p| p.iter().map(|x| 2.0 * x + 0.01).collect()).collect();
        (recipe, training)
    }

    fn run(recipe: &Recipe, training: &State, stop: &Stop) -> (MockEngine, Option<(Scores, Evaluated)>) {
        let mut engine = MockEngine::new(mock::program(INPUT, 10), 1);
        engine.load(training).unwrap();
        let input = input(recipe);
        let evaluation = Evaluation { engine: &mut engine, recipe, input: &input, stop, observer: &mut () };
        let found = evaluation.run(training.clone()).unwrap();
        (engine, found)
    }

    #[test]
    fn training_goes_on_with_what_it_had() {
        let (recipe, training) = with_everything();
        let (engine, found) = run(&recipe, &training, &Stop::new());
        assert_eq!(engine.state().unwrap(), training);
        let (scores, evaluated) = found.unwrap();
        assert_eq!(scores.held_out.map(|score| score.images), Some(10));
        let images = [Some(scores.test), scores.test_last, scores.test_moving].map(|score| score.unwrap().images);
        assert_eq!(images, [20; 3]);
        assert_ne!(scores.test_last.unwrap().loss, scores.test.loss);
        assert_eq!(evaluated.state.parameters, training.averages);
        assert_eq!((evaluated.last, evaluated.moving), (Some(training.parameters), Some(training.statistics)));
        assert_eq!(evaluated.statistics, Statistics::Population);
    }

    #[test]
    fn an_evaluation_that_is_stopped_changes_nothing() {
        let (recipe, training) = with_everything();
        let stop = Stop::new();
        stop.request();
        let (mut engine, found) = run(&recipe, &training, &stop);
        assert!(found.is_none());
        assert_eq!((engine.state().unwrap(), engine.read_metrics().unwrap().images), (training, 0));
    }

    #[test]
    fn what_is_evaluated_is_what_training_has_where_nothing_else_is_asked_for() {
        let (recipe, mut training) = with_everything();
        training.averages.clear();
        let recipe = Recipe { batch_norm: crate::recipe::BatchNorm::default(), hold_out: 0, ..recipe };
        let (engine, found) = run(&recipe, &training, &Stop::new());
        let (scores, evaluated) = found.unwrap();
        assert!(scores.held_out.is_none() && scores.test_last.is_none() && scores.test_moving.is_none());
        assert_eq!((engine.state().unwrap(), evaluated.state), (training.clone(), training));
    }

    #[test]
    fn what_training_left_in_the_metrics_does_not_count() {
        let recipe = Recipe { data: "shapes".into(), batch: 16, ..Recipe::default() };
        let input = input(&recipe);
        let mut engine = MockEngine::new(mock::program(INPUT, 10), 1);
        let mut score = |seen: &mut Vec<(u64, u64)>| {
            let (normalization, stop) = (&input.normalization, Stop::new());
            let batches = LoaderOptions::evaluation(16, normalization.clone());
            let mut left = BatchSource::new(&mut engine, &input.test, batches).unwrap();
            engine.evaluate(&left.next().unwrap().batch()).unwrap();
            let mut progress = |done, total| seen.push((done, total));
            evaluate(&mut engine, &input.test, normalization, 16, &stop, &mut progress).unwrap().unwrap()
        };
        let mut seen = Vec::new();
        let first = score(&mut seen);
        assert_eq!((first.images, seen), (20, vec![(16, 20), (20, 20)]));
        assert_eq!(score(&mut Vec::new()), first);
    }

    #[test]
    fn the_first_loss_that_is_no_number_is_named() {
        let score = |loss| Score { loss, accuracy: 0.5, images: 4 };
        let scores = |held_out: f64, test: f64| {
            let held_out = Some(score(held_out));
            Scores { held_out, test: score(test), test_moving: None, test_last: None }
        };
        assert!(scores(1.0, 2.0).finite().is_ok());
        assert!(matches!(scores(1.0, f64::INFINITY).finite(), Err((EvalSet::Test, _))));
        assert!(matches!(scores(f64::NAN, f64::NAN).finite(), Err((EvalSet::HeldOut, _))));
    }
}
