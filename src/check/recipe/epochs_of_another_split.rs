//! N032: epochs that belong to another number of training images.
//!
//! ## What it does
//! Knows the schedule of He et al.'s CIFAR-10 nets, falls at 32 000 and 48 000 steps of 128 images, in its two
//! translations into epochs: 91 and 136 for the paper's 45 000 training images, 82 and 123 for all 50 000. Warns when a
//! recipe has one of them with the images of the other.
//!
//! ## Why is this bad?
//! The run is then 11 % longer or 10 % shorter than the paper's, and so is each of its parts. A comparison with the
//! paper's table means little, though every number was copied from somewhere.
//!
//! ## Example
//! ```yaml
//! data: cifar10
//! epochs: 182
//! optimizer: {learning_rate: 0.1}
//! schedule: {kind: multistep, at: [91 epochs, 136 epochs], factor: 0.1}
//! ```
//!
//! ## Use instead
//! ```yaml
//! data: cifar10
//! steps: 64_000
//! optimizer: {learning_rate: 0.1}
//! schedule: {kind: multistep, at: [32_000 steps, 48_000 steps], factor: 0.1}
//! ```
//!
//! ## Reference
//! He et al. 2015, section 4.2: "divide it by 10 at 32k and 48k iterations, and terminate training at 64k iterations,
//! which is determined on a 45k/5k train/val split". TensorFlow's official models: 91, 136 and 182 epochs.
//! fb.resnet.torch: 81, 122 and 164.

use super::{Run, Training};
use crate::check::Check;
use crate::data::DataKind;
use crate::diagnostic::{Code, Diagnostic};
use crate::recipe::milestone::Milestone;
use crate::recipe::schedule::Curve;
use crate::text::grouped;

/// This check.
pub const CHECK: Check<Run> =
    Check { code: Code::EpochsOfAnotherSplit, file: include_str!("epochs_of_another_split.rs"), run: check };

/// The paper's batch, and the steps at which its rate falls.
const BATCH: usize = 128;
const FALLS: [u64; 2] = [32_000, 48_000];
/// Training images with and without the paper's validation images.
const SPLITS: [usize; 2] = [45_000, 50_000];

fn check(training: &Training<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let recipe = training.recipe;
    let Curve::Multistep { at, .. } = &recipe.schedule.curve else { return };
    let (Some(images), Some(run_length)) = (training.images(), training.run_length()) else { return };
    if recipe.batch != BATCH || recipe.data != DataKind::Cifar10.name() || !SPLITS.contains(&images) {
        return;
    }
    let meant = SPLITS.into_iter().filter(|split| *split != images).find(|split| is_of(at, *split));
    let Some(meant) = meant.filter(|_| !is_of(at, images)) else { return };
    let message = format!(
        "these epochs are the paper's for {} training images, and here are {}",
        grouped(meant as u64),
        grouped(images as u64)
    );
    let steps: Vec<String> = at.iter().map(|milestone| grouped(milestone.steps(run_length))).collect();
    let label = format!("{} steps, not 32_000 and 48_000", steps.join(" and "));
    let mut diagnostic =
        training.point(Diagnostic::new(Code::EpochsOfAnotherSplit, message), &["schedule", "at"], &label);
    diagnostic = training.beside(diagnostic, &["hold_out"], "of 50_000");
    diagnostics.push(
        diagnostic
            .note(format!(
                "an epoch has {} steps here, and {} with {} images",
                run_length.steps_per_epoch,
                meant.div_ceil(BATCH),
                grouped(meant as u64)
            ))
            .help("write the paper's own numbers, `at: [32_000 steps, 48_000 steps]` and `steps: 64_000`")
            .help(match meant {
                45_000 => "or train on the paper's split, with `hold_out: 5_000`",
                _ => "or train on all images, with `hold_out: 0`",
            }),
    );
}

/// Whether moments are the paper's in epochs of so many images, give or take the one that is lost in counting from 1.
fn is_of(at: &[Milestone], images: usize) -> bool {
    let steps = images.div_ceil(BATCH) as f64;
    at.len() == FALLS.len()
        && at.iter().zip(FALLS).all(|(milestone, fall)| match milestone {
            Milestone::Epochs(epochs) => (epochs - fall as f64 / steps).abs() <= 1.2,
            Milestone::Steps(_) | Milestone::Percent(_) => false,
        })
}

#[cfg(test)]
mod tests {
    use crate::check::testing::recipe;

    fn fires(first: u32, second: u32, hold_out: u32) -> bool {
        let schedule = format!("{{kind: multistep, at: [{first} epochs, {second} epochs], factor: 0.1}}");
        recipe(&format!("data: cifar10\nepochs: 182\nhold_out: {hold_out}\nschedule: {schedule}")).contains(&"N032")
    }

    #[test]
    fn the_papers_epochs_with_other_images() {
        assert!(fires(91, 136, 0));
        assert!(fires(82, 123, 5_000));
        assert!(fires(81, 122, 5_000));
    }

    #[test]
    fn the_papers_epochs_with_its_images_and_others() {
        assert!(!fires(91, 136, 5_000));
        assert!(!fires(82, 123, 0));
        assert!(!fires(81, 122, 0));
        assert!(!fires(100, 150, 0));
        assert!(!fires(91, 136, 10_000));
    }
}
