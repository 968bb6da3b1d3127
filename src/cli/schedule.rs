//! `netc schedule`: the learning rate over a run, before it is made.

use super::output::Output;
use super::spec_arguments::SpecArguments;
use crate::diagnostic::{Code, Diagnostic};
use crate::experiment::{Experiment, description};
use crate::recipe::Recipe;
use crate::recipe::schedule::Curve;
use crate::text::{rounded, spaced};
use clap::Args;
use serde::Serialize;
use std::fmt::Write;
use std::num::NonZeroU64;
use std::path::PathBuf;
use std::process::ExitCode;

/// Arguments of `netc schedule`.
#[derive(Debug, Args)]
pub struct ScheduleArgs {
    /// The network, a `.net` file
    spec: PathBuf,
    #[command(flatten)]
    options: SpecArguments,
    /// As if there were only so many training images
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// For a run of so many passes over the training images
    #[arg(long, value_name = "N", conflicts_with = "steps")]
    epochs: Option<NonZeroU64>,
    /// For a run of so many updates of the weights
    #[arg(long, value_name = "N")]
    steps: Option<NonZeroU64>,
    /// Images a step
    #[arg(long, value_name = "N")]
    batch: Option<NonZeroU64>,
    /// Prints the rates as JSON, at most 1000 of them, evenly spaced, and those of the table
    #[arg(long)]
    json: bool,
}

/// Runs it.
pub fn run(args: &ScheduleArgs, output: &Output) -> ExitCode {
    let mut sets = Vec::new();
    sets.extend(args.batch.map(|batch| format!("batch={batch}")));
    sets.extend(args.epochs.map(|epochs| format!("epochs={epochs}")));
    sets.extend(args.steps.map(|steps| format!("steps={steps}")));
    let (sources, diagnostics) = match Experiment::compile(&args.spec, &args.options.request(sets)) {
        Ok(experiment) => {
            output.diagnostics(&experiment.warnings, &experiment.sources);
            match View::new(&experiment, args.limit) {
                Ok(view) if args.json => {
                    output.json(&view);
                    return ExitCode::SUCCESS;
                }
                Ok(view) => {
                    output.result(view.text(&experiment.recipe).trim_end());
                    return ExitCode::SUCCESS;
                }
                Err(error) => (experiment.sources, vec![error]),
            }
        }
        Err(failure) => (failure.sources, failure.diagnostics),
    };
    output.diagnostics(&diagnostics, &sources);
    ExitCode::FAILURE
}

/// A schedule with the lengths that its units need.
#[derive(Serialize)]
struct View {
    net: String,
    data: String,
    /// Training images, without those that are held out.
    images: usize,
    batch: usize,
    steps_per_epoch: u64,
    total_steps: u64,
    /// Where the rate changes, or is worth a look.
    table: Vec<Point>,
    /// Evenly spaced.
    rates: Vec<Point>,
}

/// The rate of a step.
#[derive(Debug, Clone, Copy, Serialize)]
struct Point {
    step: u64,
    epoch: f64,
    rate: f64,
}

/// Points of a curve, at most.
const POINTS: u64 = 1000;

impl View {
    fn new(experiment: &Experiment, limit: Option<usize>) -> Result<Self, Diagnostic> {
        let recipe = &experiment.recipe;
        let Some(known) = description(&recipe.data, Some(experiment.program.input())) else {
            let message = format!("there is no data in `{}` to say how long an epoch is", recipe.data);
            let help = "give `--data cifar10`, `mnist` or `shapes`: the sizes of those are known";
            return Err(Diagnostic::new(Code::DataNotFound, message).help(help));
        };
        let all = limit.unwrap_or(known.train).min(known.train);
        let images = all.saturating_sub(recipe.hold_out);
        if images == 0 {
            let message = format!("{} images are held out of {all}: none is left to train on", recipe.hold_out);
            return Err(Diagnostic::new(Code::RecipeValue, message));
        }
        let run_length = recipe.run_length(images);
        let steps_per_epoch = run_length.steps_per_epoch;
        let point = |step: u64| Point {
            step,
            epoch: step as f64 / steps_per_epoch as f64,
            rate: recipe.schedule.rate(recipe.optimizer.learning_rate, step, run_length),
        };
        let spaced = run_length.total_steps.min(POINTS);
        let place = |index: u64| (index as u128 * run_length.total_steps as u128 / spaced.max(1) as u128) as u64;
        Ok(View {
            net: experiment.program.net.clone(),
            data: known.name,
            images,
            batch: recipe.batch,
            steps_per_epoch,
            total_steps: run_length.total_steps,
            table: recipe.schedule.marks(run_length).into_iter().map(point).collect(),
            rates: (0..spaced).map(|index| point(place(index))).collect(),
        })
    }

    fn text(&self, recipe: &Recipe) -> String {
        let mut text = format!(
            "{}: {} steps of {} images, {} an epoch of {} ({}), {} epochs\n\n",
            self.net,
            spaced(self.total_steps),
            self.batch,
            spaced(self.steps_per_epoch),
            spaced(self.images as u64),
            self.data,
            rounded(self.total_steps as f64 / self.steps_per_epoch.max(1) as f64, 5)
        );
        let _ = writeln!(text, "{:>10}  {:>8}  learning rate", "step", "epoch");
        for point in &self.table {
            let _ = writeln!(text, "{:>10}  {:>8.2}  {}", spaced(point.step), point.epoch, rounded(point.rate, 5));
        }
        let drops = matches!(recipe.schedule.curve, Curve::Step { .. } | Curve::Multistep { .. });
        text + "\n" + &plot(&self.rates, drops, self.total_steps)
    }
}

const WIDTH: usize = 64;
const HEIGHT: usize = 10;

/// The rates as bars, on a logarithmic scale if `drops` and they span more than a decade.
fn plot(rates: &[Point], drops: bool, total: u64) -> String {
    let most = rates.iter().fold(0.0f64, |most, point| most.max(point.rate));
    let least = rates.iter().fold(most, |least, point| least.min(point.rate));
    let logarithmic = drops && least > 0.0 && most / least > 10.0;
    // A decade below the lowest rate is the ground, so that it still has a bar.
    let (ground, top) = if logarithmic { (least.log10() - 0.5, most.log10()) } else { (0.0, most) };
    let height = |rate: f64| {
        let at = if logarithmic { rate.log10() } else { rate };
        ((at - ground) / (top - ground).max(f64::MIN_POSITIVE) * (8 * HEIGHT) as f64).round().max(0.0) as usize
    };
    let columns = rates.len().min(WIDTH);
    let bars: Vec<usize> = (0..columns)
        .filter_map(|column| rates.get(column * rates.len() / columns.max(1)))
        .map(|point| height(point.rate))
        .collect();
    let mut text = String::new();
    for row in (0..HEIGHT).rev() {
        let label = if row == HEIGHT - 1 || row == 0 || row == HEIGHT / 2 {
            // The value at the middle of the row's upper edge.
            let at = ground + (top - ground) * (row + 1) as f64 / HEIGHT as f64;
            let value = if logarithmic { 10f64.powf(at) } else { at };
            format!("{value:.2e}")
        } else {
            String::new()
        };
        let line: String = bars.iter().map(|&bar| eighths(bar.saturating_sub(8 * row))).collect();
        let _ = writeln!(text, "{label:>9} ┤{}", line.trim_end());
    }
    let scale = if logarithmic { ", logarithmic" } else { "" };
    let end = format!("{} steps{scale}", spaced(total));
    let _ = writeln!(text, "{:>9} └{}\n{:>9}  0{end:>width$}", "", "─".repeat(columns), "", width = columns.max(1) - 1);
    text
}

/// The block that is so many eighths of a line high.
fn eighths(count: usize) -> char {
    match count {
        0 => ' ',
        1..8 => char::from_u32(0x2580 + count as u32).unwrap_or(' '),
        _ => '█',
    }
}
