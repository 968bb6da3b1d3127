//! What a step does with the gradients: clips them, moves the weights, and lets the averages follow.

use super::NativeEngine;
use super::kernels::update;
use super::pass::Packed;
use crate::engine::{Rule, Update};
use rayon::prelude::*;

impl NativeEngine {
    /// Moves the weights by their gradients, and the averages after them.
    pub(super) fn update(&mut self, update: &Update<'_>) {
        /// Below this a handover to another thread costs more than the work.
        const CHUNK: usize = 1 << 15;
        let isa = self.isa;
        let scale = match update.clip {
            None => 1.0,
            Some(_) => {
                let squares = self.gradients.iter().map(|gradient| update::sum_of_squares(isa, gradient));
                update.clipping(squares.sum::<f64>().sqrt())
            }
        };
        // 1 − decay in f64, where it is exact.
        let share = update.average.map_or(0.0, |decay| (1.0 - decay) as f32);
        let mut averages = update.average.map(|_| self.averages.iter_mut());
        let mut squares = self.squares.iter_mut();
        let tensors = self.parameters.iter_mut().zip(&mut self.velocities).zip(&self.gradients);
        self.threads.install(|| {
            for (index, ((weights, velocity), gradient)) in tensors.enumerate() {
                let step = update::Step::new(update, index, scale);
                // Kept for Adam alone.
                let squares = squares.next().map_or(&mut [][..], Vec::as_mut_slice);
                let average = averages.as_mut().and_then(Iterator::next).map_or(&mut [][..], Vec::as_mut_slice);
                let one = |weights: &mut [f32], velocity: &mut [f32], gradient: &[f32], squares: &mut [f32]| match step
                {
                    update::Step::Sgd(step) => update::sgd(isa, step, gradient, velocity, weights),
                    update::Step::Adam(step) => update::adam(isa, step, gradient, velocity, squares, weights),
                };
                if weights.len() <= 2 * CHUNK {
                    one(weights, velocity, gradient, squares);
                } else if squares.is_empty() {
                    let chunks = weights.par_chunks_mut(CHUNK).zip(velocity.par_chunks_mut(CHUNK));
                    chunks.zip(gradient.par_chunks(CHUNK)).for_each(|((w, v), g)| one(w, v, g, &mut []));
                } else {
                    let chunks = weights.par_chunks_mut(CHUNK).zip(velocity.par_chunks_mut(CHUNK));
                    let chunks = chunks.zip(gradient.par_chunks(CHUNK)).zip(squares.par_chunks_mut(CHUNK));
                    chunks.for_each(|(((w, v), g), s)| one(w, v, g, s));
                }
                update::follow(isa, share, weights, average);
            }
        });
        self.packed = Packed::default();
    }

    /// Room for what an update keeps beside the velocities. Only a first one allocates.
    pub(super) fn keep_for(&mut self, update: &Update<'_>) {
        if matches!(update.rule, Rule::Adam { .. }) && self.squares.is_empty() {
            self.squares = self.parameters.iter().map(|values| vec![0.0; values.len()]).collect();
        }
        if update.average.is_some() && self.averages.is_empty() {
            self.averages.clone_from(&self.parameters);
        }
    }
}
