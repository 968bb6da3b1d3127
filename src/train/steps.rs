//! The steps of a run, one after another: which batch, and which update. From any step on they are the same as if the
//! run had come there by itself.

use super::failure::RunError;
use super::input::Input;
use super::recipe::Recipe;
use super::schedule::Clock;
use crate::data::loader::{LoadedBatch, Loader, LoaderOptions};
use crate::engine::{Rule, Update};
use crate::lower::program::Program;
use std::time::Duration;

/// Where the steps are, and what the next one is made of.
pub struct Steps<'a> {
    recipe: &'a Recipe,
    loader: Loader,
    clock: Clock,
    decay: Vec<f32>,
    done: u64,
}

impl<'a> Steps<'a> {
    /// The steps that come after the first `done`.
    ///
    /// # Errors
    /// When the data cannot be loaded as the recipe says.
    pub fn new(recipe: &'a Recipe, input: &Input, program: &Program, done: u64) -> Result<Self, RunError> {
        let options = LoaderOptions::training(recipe.batch, input.normalization.clone(), input.augment, recipe.seed);
        let steps_per_epoch = options.steps_per_epoch(input.train.len()).max(1);
        let options = options.starting_at(done / steps_per_epoch, done % steps_per_epoch);
        let loader = Loader::new(&input.train, options)?;
        let clock = Clock { steps_per_epoch, total_steps: recipe.length.steps(steps_per_epoch) };
        let decay = program.parameters.iter().map(|p| recipe.optimizer.decay(p.role)).collect();
        Ok(Steps { recipe, loader, clock, decay, done })
    }

    /// How long things are.
    pub fn clock(&self) -> Clock {
        self.clock
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
        self.recipe.schedule.rate(self.recipe.optimizer.learning_rate, self.done, self.clock)
    }

    /// Learning rate of the last step; of the first one before that.
    pub fn last_rate(&self) -> f64 {
        self.recipe.schedule.rate(self.recipe.optimizer.learning_rate, self.done.saturating_sub(1), self.clock)
    }

    /// What the next step does with the gradient.
    pub fn update(&self) -> Update<'_> {
        let optimizer = &self.recipe.optimizer;
        let rate = self.rate();
        Update {
            rate: rate as f32,
            step: self.done + 1,
            rule: Rule::Sgd {
                momentum: optimizer.momentum_at(self.last_rate(), rate) as f32,
                nesterov: optimizer.nesterov,
            },
            decay_form: optimizer.decay_form,
            decay: &self.decay,
            rates: &[],
            clip: None,
            average: None,
        }
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
