//! The steps of a run, one after another: which batch, and which update. From any step on they are the same as if the
//! run had come there by itself.

use super::batches::{BatchSource, NextBatch};
use super::error::RunError;
use super::input::Input;
use super::updates::Updates;
use crate::data::loader::LoaderOptions;
use crate::engine::{Engine, Update};
use crate::recipe::Recipe;
use crate::recipe::schedule::Clock;
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
        let Clock { steps_per_epoch, .. } = recipe.clock(input.train.len());
        options.starting_at(done / steps_per_epoch, done % steps_per_epoch)
    }

    fn with(recipe: &Recipe, input: &Input, engine: &dyn Engine, source: BatchSource, done: u64) -> Self {
        let clock = recipe.clock(input.train.len());
        Steps { source, updates: Updates::new(recipe, engine.program(), clock), done }
    }

    /// How long things are.
    pub fn clock(&self) -> Clock {
        self.updates.clock()
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
