//! The updates of a run: a pure function of the recipe, the program and the step.

use crate::engine::Update;
use crate::lower::program::Program;
use crate::recipe::Recipe;
use crate::recipe::milestone::RunLength;
use crate::recipe::optimizer::Optimizer;
use crate::recipe::schedule::Schedule;

/// What every step of a run does with the gradient.
#[derive(Debug, Clone)]
pub struct Updates {
    optimizer: Optimizer,
    schedule: Schedule,
    run_length: RunLength,
    decay: Vec<f32>,
    /// Empty where all are 1.
    rates: Vec<f32>,
    average: Option<f64>,
}

impl Updates {
    /// Those of a run.
    pub fn new(recipe: &Recipe, program: &Program, run_length: RunLength) -> Self {
        let optimizer = recipe.optimizer.clone();
        let decay = program.parameters.iter().map(|p| optimizer.decay_of(&p.name, p.role)).collect();
        let rates = match optimizer.groups.as_slice() {
            [] => Vec::new(),
            _ => program.parameters.iter().map(|p| optimizer.rate_factor(&p.name)).collect(),
        };
        let average = recipe.average.map(|average| average.decay);
        Updates { optimizer, schedule: recipe.schedule.clone(), run_length, decay, rates, average }
    }

    /// How long things are.
    pub fn run_length(&self) -> RunLength {
        self.run_length
    }

    /// Learning rate of the step after the first `done`.
    pub fn rate(&self, done: u64) -> f64 {
        self.schedule.rate(self.optimizer.learning_rate, done, self.run_length)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{DecayForm, Rule, mock};
    use crate::graph::dims::Shape;
    use crate::recipe::Average;
    use crate::recipe::milestone::Milestone;
    use crate::recipe::optimizer::{Momentum, MomentumForm, NamedGroup, OptimizerKind, RoleGroup};
    use crate::recipe::schedule::Curve;

    /// Of a linear layer's weight and bias, in a run whose rate falls to a tenth after two steps.
    fn updates(change: impl FnOnce(&mut Recipe)) -> Updates {
        let curve = Curve::Multistep { at: vec![Milestone::Steps(2)], factor: 0.1 };
        let mut recipe = Recipe { schedule: curve.into(), ..Recipe::default() };
        recipe.optimizer.learning_rate = 0.5;
        recipe.optimizer.weight_decay = 0.25;
        change(&mut recipe);
        let program = mock::program(Shape::map(1, 2, 2), 3);
        Updates::new(&recipe, &program, RunLength { steps_per_epoch: 2, total_steps: 4 })
    }

    fn momentum(updates: &Updates, done: u64) -> f32 {
        let Rule::Sgd { momentum, .. } = updates.update(done).rule else { panic!("it is SGD") };
        momentum
    }

    #[test]
    fn the_rate_is_that_of_the_step() {
        let updates = updates(|_| {});
        for (done, rate) in [(0, 0.5), (1, 0.5), (2, 0.05), (3, 0.05)] {
            assert!((updates.rate(done) - rate).abs() < 1e-12, "{done}");
            let update = updates.update(done);
            assert_eq!((update.rate, update.step), (updates.rate(done) as f32, done + 1));
        }
    }

    #[test]
    fn groups_have_their_own_rate_and_decay() {
        let plain = updates(|_| {});
        assert_eq!((plain.update(0).decay, plain.update(0).rates), (&[0.25, 0.25][..], &[][..]));
        let grouped = updates(|recipe| {
            let group = NamedGroup { pattern: "*.bias".into(), rate_factor: 2.0, decay_factor: 0.5 };
            recipe.optimizer.groups = vec![group];
        });
        assert_eq!((grouped.update(0).decay, grouped.update(0).rates), (&[0.25, 0.125][..], &[1.0, 2.0][..]));
        let excepted = updates(|recipe| recipe.optimizer.decay_except = vec![RoleGroup::Bias]);
        assert_eq!(excepted.update(0).decay, [0.25, 0.0]);
    }

    /// Sutskever's velocity has the rate of the step before in it.
    #[test]
    fn momentum_knows_the_rate_of_the_step_before() {
        let with = |momentum_form| {
            updates(move |recipe| {
                recipe.optimizer.kind = OptimizerKind::Sgd(Momentum { momentum_form, ..Momentum::default() });
            })
        };
        let (torch, sutskever) = (with(MomentumForm::Torch), with(MomentumForm::Sutskever));
        assert_eq!([0, 1, 2, 3].map(|done| momentum(&torch, done)), [0.9; 4]);
        assert_eq!([0, 1, 3].map(|done| momentum(&sutskever, done)), [0.9; 3]);
        assert!((momentum(&sutskever, 2) - 9.0).abs() < 1e-5);
    }

    #[test]
    fn what_the_recipe_says_of_all_steps_is_handed_on() {
        let plain = updates(|_| {});
        assert_eq!((plain.update(0).clip, plain.update(0).average), (None, None));
        let updates = updates(|recipe| {
            recipe.optimizer.decay_form = DecayForm::Decoupled;
            recipe.optimizer.clip_norm = Some(1.5);
            recipe.average = Some(Average { decay: 0.75 });
        });
        let update = updates.update(3);
        assert_eq!((update.decay_form, update.clip, update.average), (DecayForm::Decoupled, Some(1.5), Some(0.75)));
        assert_eq!(updates.run_length(), RunLength { steps_per_epoch: 2, total_steps: 4 });
    }
}
