//! The recipe's side of N033, whose page is that of [`norm_decay_convention`].

use super::{Run, Training};
use crate::check::Check;
use crate::check::net::norm_decay_convention::{self, DOUBTFUL, about, label, title, turned};
use crate::diagnostic::{Diagnostic, Fix};
use crate::graph::layer::Layer;

/// This check.
pub const CHECK: Check<Run> =
    Check { code: norm_decay_convention::CHECK.code, file: norm_decay_convention::CHECK.file, run: check };

fn check(training: &Training<'_>, diagnostics: &mut Vec<Diagnostic>) {
    // The recipe keeps it in 32 bits: 0.1 has to be 0.1 again.
    let decay: f64 = training.recipe.batch_norm.defaults.decay.to_string().parse().unwrap_or(1.0);
    let nodes = &training.context.shaped.graph.graph;
    let counts = nodes.node_weights().any(|node| matches!(node.layer, Layer::BatchNorm { decay: None, .. }));
    if decay > DOUBTFUL || !counts {
        return;
    }
    let path = ["batch_norm", "decay"];
    let fix = training.rewrite(&title(decay), &path, &turned(decay).to_string()).map(Fix::unsafely);
    diagnostics.push(training.point(about(decay), &path, &label(decay)).fix(fix));
}

#[cfg(test)]
mod tests {
    use crate::check::testing::recipe;

    #[test]
    fn the_recipe_decides_only_for_norms_that_say_nothing() {
        assert!(recipe("batch_norm: {decay: 0.1}").contains(&"N033"));
        assert!(!recipe("batch_norm: {decay: 0.997}").contains(&"N033"));
        let said = "net x { input 3x8x8; conv 4 3x3; bn decay 0.9; flatten; linear 10 }";
        assert!(!crate::check::testing::codes_of(said, Some("batch_norm: {decay: 0.1}")).contains(&"N033"));
    }
}
