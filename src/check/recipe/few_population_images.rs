//! N045: the population is taken over too few images.
//!
//! ## What it does
//! Warns of `statistics: population` with `population_images` that are fewer than eight batches.
//!
//! ## Why is this bad?
//! The true average is meant to be free of the noise of single batches. Over a few of them it is noisier than the running
//! average of training that it replaces.
//!
//! ## Example
//! ```yaml
//! batch: 128
//! batch_norm: {statistics: population, population_images: 256}
//! ```
//!
//! ## Use instead
//! ```yaml
//! batch: 128
//! batch_norm: {statistics: population, population_images: 10_000}
//! ```
//!
//! ## Reference
//! KaimingHe/deep-residual-networks, README: "computed using average (not moving average) on a sufficiently large training
//! batch after the training procedure". Wu & Johnson 2021, "Rethinking \"Batch\" in BatchNorm", section 3.

use super::{Run, Training};
use crate::check::Check;
use crate::diagnostic::{Code, Diagnostic};
use crate::graph::layer::Layer;
use crate::recipe::Statistics;

/// This check.
pub const CHECK: Check<Run> =
    Check { code: Code::FewPopulationImages, file: include_str!("few_population_images.rs"), run: check };

/// A running average with a decay of 0.9 remembers ten batches or so.
const FEWEST_BATCHES: usize = 8;

fn check(training: &Training<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let recipe = training.recipe;
    let Some(images) = recipe.batch_norm.population_images else { return };
    let nodes = &training.context.shaped.graph.graph;
    let norms = nodes.node_weights().any(|node| matches!(node.layer, Layer::BatchNorm { .. }));
    let all = training.images().is_some_and(|all| images >= all);
    let enough = images >= recipe.batch.saturating_mul(FEWEST_BATCHES);
    if recipe.batch_norm.statistics != Statistics::Population || !norms || all || enough {
        return;
    }
    let batches = images as f64 / recipe.batch as f64;
    let message =
        format!("the population's statistics come from {images} images, which is less than the moving ones see");
    diagnostics.push(
        training
            .point(
                Diagnostic::new(Code::FewPopulationImages, message),
                &["batch_norm", "population_images"],
                &format!("{batches:.1} batches of {}", recipe.batch),
            )
            .help("leave it out to take all training images: it costs one pass forward over them"),
    );
}

#[cfg(test)]
mod tests {
    use crate::check::testing::recipe;

    #[test]
    fn a_population_of_a_few_batches() {
        let fires = |norm: &str| recipe(&format!("batch: 128\nbatch_norm: {{{norm}}}")).contains(&"N045");
        assert!(fires("statistics: population, population_images: 1023"));
        assert!(!fires("statistics: population, population_images: 1024"));
        assert!(!fires("statistics: population"));
        assert!(!fires("statistics: moving, population_images: 100"));
    }
}
