//! The steps of a run, one after another: which batch, and which update. From any step on they are the same as if the
//! run had come there by itself.

use super::batches::{BatchSource, NextBatch};
use super::error::RunError;
use super::input::Input;
use super::updates::Updates;
use crate::data::loader::LoaderOptions;
use crate::engine::{Engine, Update};
use crate::recipe::Recipe;
use crate::recipe::milestone::RunLength;
use std::time::Duration;

/// Where the steps are, and what the next one is made of.
pub struct Steps {
    source: BatchSource,
    updates: Updates,
    done: u64,
}

impl Steps {
    /// The steps that come after the first `done`, for this engine.
    ///
    /// # Errors
    /// When the data cannot be loaded as the recipe says.
    pub fn new(recipe: &Recipe, input: &Input, engine: &mut dyn Engine, done: u64) -> Result<Self, RunError> {
        let source = BatchSource::new(engine, &input.train, Self::options(recipe, input, done))?;
        Ok(Self::with(recipe, input, engine, source, done))
    }

    /// The same with all batches as pixels, for an engine that is to be looked into.
    ///
    /// # Errors
    /// When the data cannot be loaded as the recipe says.
    pub fn as_pixels(recipe: &Recipe, input: &Input, engine: &dyn Engine, done: u64) -> Result<Self, RunError> {
        let source = BatchSource::pixels(&input.train, Self::options(recipe, input, done))?;
        Ok(Self::with(recipe, input, engine, source, done))
    }

    fn options(recipe: &Recipe, input: &Input, done: u64) -> LoaderOptions {
        let options = LoaderOptions::training(recipe.batch, input.normalization.clone(), input.augment, recipe.seed);
        let RunLength { steps_per_epoch, .. } = recipe.run_length(input.train.len());
        options.starting_at(done / steps_per_epoch, done % steps_per_epoch)
    }

    fn with(recipe: &Recipe, input: &Input, engine: &dyn Engine, source: BatchSource, done: u64) -> Self {
        let run_length = recipe.run_length(input.train.len());
        Steps { source, updates: Updates::new(recipe, engine.program(), run_length), done }
    }

    /// How long things are.
    pub fn run_length(&self) -> RunLength {
        self.updates.run_length()
    }

    /// Steps done.
    pub fn done(&self) -> u64 {
        self.done
    }

    /// Images of the next step; there is no end.
    pub fn next_batch(&mut self) -> Option<NextBatch> {
        self.source.next()
    }

    /// Learning rate of the next step.
    pub fn rate(&self) -> f64 {
        self.updates.rate(self.done)
    }

    /// Learning rate of the last step; of the first one before that.
    pub fn last_rate(&self) -> f64 {
        self.updates.rate(self.done.saturating_sub(1))
    }

    /// What the next step does with the gradient.
    pub fn update(&self) -> Update<'_> {
        self.updates.update(self.done)
    }

    /// The step was made; says which it was, from 1.
    pub fn count(&mut self) -> u64 {
        self.done += 1;
        self.done
    }

    /// Time spent waiting for input so far.
    pub fn waited(&self) -> Duration {
        self.source.waited()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::sampler::{BatchIndices, BatchSampler};
    use crate::data::{DataSet, LoadOptions, Take};
    use crate::engine::mock::{self, MockEngine};
    use crate::graph::dims::Shape;
    use crate::recipe::Length;
    use crate::recipe::milestone::Milestone;
    use crate::recipe::schedule::Curve;

    const INPUT: Shape = Shape::Map { channels: 1, height: 12, width: 12 };

    /// 40 images in batches of 16 are 3 steps an epoch; the rate falls after 4.
    fn recipe() -> Recipe {
        let curve = Curve::Multistep { at: vec![Milestone::Steps(4)], factor: 0.5 };
        let data = "shapes".into();
        Recipe { data, batch: 16, seed: 7, length: Length::Steps(8), schedule: curve.into(), ..Recipe::default() }
    }

    fn input(recipe: &Recipe) -> Input {
        let options =
            LoadOptions { input: Some(INPUT), train: Take::First(40), test: Take::First(1), ..LoadOptions::default() };
        Input::new(&DataSet::load("shapes", &options).unwrap(), recipe).unwrap()
    }

    /// Labels and keys of the next steps.
    fn batches(steps: &mut Steps, count: usize) -> Vec<(Vec<u32>, Vec<u64>)> {
        let mut next = || {
            let batch = steps.next_batch().unwrap();
            let batch = batch.batch();
            (batch.labels.to_vec(), batch.keys.to_vec())
        };
        (0..count).map(|_| next()).collect()
    }

    #[test]
    fn step_n_has_the_batch_that_the_sampler_draws_for_it() {
        let recipe = recipe();
        let input = input(&recipe);
        let mut engine = MockEngine::new(mock::program(INPUT, 10), 1);
        let all = batches(&mut Steps::new(&recipe, &input, &mut engine, 0).unwrap(), 8);
        assert_eq!(all.iter().map(|(labels, _)| labels.len()).collect::<Vec<_>>(), [16, 16, 8, 16, 16, 8, 16, 16]);
        for (step, found) in all.iter().enumerate() {
            let options = LoaderOptions::training(16, input.normalization.clone(), input.augment, 7);
            let options = options.starting_at(step as u64 / 3, step as u64 % 3);
            let mut drawn = BatchIndices::default();
            assert!(BatchSampler::new(&input.train, options).unwrap().next_into(&mut drawn));
            assert_eq!(found, &(drawn.labels, drawn.keys), "step {step}");
        }
        // From any step on they are the same, at the end of an epoch too.
        for done in [2, 3, 4] {
            let mut later = Steps::new(&recipe, &input, &mut engine, done).unwrap();
            assert_eq!(batches(&mut later, 4), all[done as usize..][..4], "after {done}");
            let mut pixels = Steps::as_pixels(&recipe, &input, &engine, done).unwrap();
            assert_eq!(batches(&mut pixels, 1), all[done as usize..][..1], "after {done}");
        }
    }

    #[test]
    fn rates_are_those_of_the_next_step_and_of_the_last() {
        let recipe = recipe();
        let base = recipe.optimizer.learning_rate;
        let input = input(&recipe);
        let mut engine = MockEngine::new(mock::program(INPUT, 10), 1);
        let mut steps = Steps::new(&recipe, &input, &mut engine, 3).unwrap();
        assert_eq!(steps.run_length(), RunLength { steps_per_epoch: 3, total_steps: 8 });
        assert_eq!((steps.done(), steps.rate(), steps.last_rate(), steps.update().step), (3, base, base, 4));
        assert_eq!(steps.count(), 4);
        assert_eq!((steps.done(), steps.rate(), steps.last_rate(), steps.update().step), (4, base / 2.0, base, 5));
        let first = Steps::new(&recipe, &input, &mut engine, 0).unwrap();
        assert_eq!((first.done(), first.last_rate()), (0, base));
    }
}
