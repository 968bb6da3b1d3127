//! Checks of how a network is trained, on the recipe that somebody wrote and the network whose shapes are all known.

pub mod batch_above_data;
pub mod batch_without_rate;
pub mod checkpoint_after_end;
pub mod decay_in_adam;
pub mod decay_on_norms;
pub mod decay_size;
pub mod epochs_of_another_split;
pub mod few_population_images;
pub mod foreign_statistics;
pub mod group_above_batch;
pub mod init_against_activation;
pub mod last_image_alone;
pub mod mirrored_digits;
pub mod no_schedule;
pub mod norm_decay;
pub mod optimizer_groups;
pub mod rate_too_large;
pub mod raw_pixels;
pub mod schedule_beyond_end;
pub mod small_batch_norm;
pub mod training;

pub use training::Training;

use super::Check;
use crate::diagnostic::Diagnostic;

/// How a check is run.
pub type Run = fn(&Training<'_>, &mut Vec<Diagnostic>);

/// Every check of recipes, in the order of the codes.
pub const CHECKS: &[Check<Run>] = &[
    no_schedule::CHECK,
    schedule_beyond_end::CHECK,
    epochs_of_another_split::CHECK,
    norm_decay::CHECK,
    decay_on_norms::CHECK,
    batch_without_rate::CHECK,
    foreign_statistics::CHECK,
    mirrored_digits::CHECK,
    init_against_activation::CHECK,
    raw_pixels::CHECK,
    rate_too_large::CHECK,
    decay_in_adam::CHECK,
    decay_size::CHECK,
    small_batch_norm::CHECK,
    last_image_alone::CHECK,
    few_population_images::CHECK,
    batch_above_data::CHECK,
    checkpoint_after_end::CHECK,
    group_above_batch::CHECK,
];

/// Runs them all.
pub fn check(training: &Training<'_>, diagnostics: &mut Vec<Diagnostic>) {
    for check in CHECKS {
        (check.run)(training, diagnostics);
    }
}
