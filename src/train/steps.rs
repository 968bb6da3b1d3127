//! The steps of a run, one after another: which batch, and which update. From any step on they are the same as if the
//! run had come there by itself.

use super::failure::RunError;
use super::input::Input;
use super::recipe::Recipe;
use super::schedule::Clock;
use super::updates::Updates;
use crate::data::loader::{LoadedBatch, Loader, LoaderOptions};
use crate::engine::Update;
use crate::lower::program::Program;
use std::time::Duration;

/// Where the steps are, and what the next one is made of.
pub struct Steps {
    loader: Loader,
    updates: Updates,
    done: u64,
}

impl Steps {
    /// The steps that come after the first `done`.
    ///
    /// # Errors
    /// When the data cannot be loaded as the recipe says.
    pub fn new(recipe: &Recipe, input: &Input, program: &Program, done: u64) -> Result<Self, RunError> {
        let options = LoaderOptions::training(recipe.batch, input.normalization.clone(), input.augment, recipe.seed);
        let steps_per_epoch = options.steps_per_epoch(input.train.len()).max(1);
        let options = options.starting_at(done / steps_per_epoch, done % steps_per_epoch);
        let loader = Loader::new(&input.train, options)?;
        let clock = Clock { steps_per_epoch, total_steps: recipe.length.steps(steps_per_epoch) };
        Ok(Steps { loader, updates: Updates::new(recipe, program, clock), done })
    }

    /// How long things are.
    pub fn clock(&self) -> Clock {
        self.updates.clock()
    }

    /// Steps done.
    pub fn done(&self) -> u64 {
        self.done
    }

    /// Images of the next step; a loader has no end.
    pub fn next_batch(&mut self) -> Option<LoadedBatch> {
        self.loader.next()
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
        self.loader.waited()
    }
}
