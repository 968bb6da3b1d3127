//! The updates of a run: a pure function of the recipe, the program and the step.

use crate::engine::Update;
use crate::lower::program::Program;
use crate::recipe::Recipe;
use crate::recipe::optimizer::Optimizer;
use crate::recipe::schedule::{Clock, Schedule};

/// What every step of a run does with the gradient.
#[derive(Debug, Clone)]
pub struct Updates {
    optimizer: Optimizer,
    schedule: Schedule,
    clock: Clock,
    decay: Vec<f32>,
    /// Empty where all are 1.
    rates: Vec<f32>,
    average: Option<f32>,
}

impl Updates {
    /// Those of a run.
    pub fn new(recipe: &Recipe, program: &Program, clock: Clock) -> Self {
        let optimizer = recipe.optimizer.clone();
        let decay = program.parameters.iter().map(|p| optimizer.decay_of(&p.name, p.role)).collect();
        let rates = match optimizer.groups.as_slice() {
            [] => Vec::new(),
            _ => program.parameters.iter().map(|p| optimizer.rate_factor(&p.name)).collect(),
        };
        let average = recipe.average.map(|average| average.decay as f32);
        Updates { optimizer, schedule: recipe.schedule.clone(), clock, decay, rates, average }
    }

    /// How long things are.
    pub fn clock(&self) -> Clock {
        self.clock
    }

    /// Learning rate of the step after the first `done`.
    pub fn rate(&self, done: u64) -> f64 {
        self.schedule.rate(self.optimizer.learning_rate, done, self.clock)
    }

    /// The step after the first `done`.
    pub fn update(&self, done: u64) -> Update<'_> {
        let rate = self.rate(done);
        Update {
            rate: rate as f32,
            step: done + 1,
            rule: self.optimizer.rule(self.rate(done.saturating_sub(1)), rate),
            decay_form: self.optimizer.decay_form,
            decay: &self.decay,
            rates: &self.rates,
            clip: self.optimizer.clip_norm.map(|norm| norm as f32),
            average: self.average,
        }
    }
}
