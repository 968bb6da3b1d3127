//! The command line: one file a sub-command.
//!
//! Exit codes: 0 clean, 1 the spec, data or run has errors, 2 wrong usage.

pub mod bench;
pub mod check;
pub mod defaults;
pub mod diff;
pub mod doctor;
pub mod draw;
pub mod dump;
pub mod eval;
pub mod expand;
pub mod explain;
pub mod fix;
pub mod fmt;
pub mod interrupt;
pub mod layers;
pub mod line_diff;
pub mod output;
pub mod recalibrate;
pub mod rerun;
pub mod schedule;
pub mod selection;
pub mod smoke;
pub mod spec_arguments;
pub mod summary;
pub mod sweep;
pub mod terminal;
pub mod train;

use crate::diagnostic::Diagnostic;
use crate::experiment::{Experiment, Request};
use crate::train::error::RunError;
use clap::{Parser, Subcommand};
use output::{Color, Output};
use spec_arguments::SpecArguments;
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// A compiler and trainer for neural networks described in text.
#[derive(Debug, Parser)]
#[command(name = "netc", version, max_term_width = 100)]
pub struct Cli {
    /// When messages are coloured.
    #[arg(long, value_enum, global = true, default_value_t)]
    color: Color,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Tell everything that is wrong or doubtful about a network
    Check(check::CheckArgs),
    /// Show what a network costs, layer by layer
    Summary(summary::SummaryArgs),
    /// Train a network
    Train {
        #[command(flatten)]
        options: SpecArguments,
        #[command(flatten)]
        args: train::TrainArguments,
        #[command(flatten)]
        smoke: smoke::SmokeArguments,
        /// Makes so many runs, with the seeds that follow one another, and tells mean and deviation
        #[arg(long, value_name = "N", conflicts_with_all = ["fast", "overfit"])]
        runs: Option<NonZeroU64>,
    },
    /// Train every combination of some values, and hold the results side by side: `--set batch=64,128`
    #[command(mut_arg("sets", |arg| arg.help("Changes one value of the recipe, or tries several: `batch=64,128`")))]
    #[command(mut_arg("parameters", |arg| arg.help("Sets a parameter of the net, or tries several: `n=3,5,9`")))]
    #[command(mut_arg("out", |arg| arg.help("Folder for the results; `runs/<net>-sweep-<n>` if not given")))]
    #[command(mut_arg("resume", |arg| {
        arg.help("Goes on with the sweep in that folder (the newest of this net if none is given): runs that have ended stay")
    }))]
    Sweep {
        #[command(flatten)]
        options: SpecArguments,
        #[command(flatten)]
        args: sweep::SweepArguments,
    },
    /// Make a run again from its record, and compare the weights
    Rerun(rerun::RerunArgs),
    /// Tell what trained weights reach on the test images
    Eval {
        #[command(flatten)]
        options: SpecArguments,
        #[command(flatten)]
        args: eval::EvalArguments,
    },
    /// Give trained weights the true averages of batch norm over the training images
    Recalibrate {
        #[command(flatten)]
        options: SpecArguments,
        #[command(flatten)]
        args: recalibrate::RecalibrateArguments,
    },
    /// Measure how fast a network trains and evaluates on this machine
    Bench {
        /// The network, a `.net` file
        spec: PathBuf,
        #[command(flatten)]
        options: SpecArguments,
        #[command(flatten)]
        args: bench::BenchArgs,
    },
    /// Print every value in force, and who said it
    Defaults(defaults::DefaultsArgs),
    /// Compare two networks, or one under several profiles, by what they mean
    Diff(diff::DiffArgs),
    /// Draw a network as SVG, Graphviz or Mermaid
    Draw(draw::DrawArgs),
    /// Show the learning rate over a run
    Schedule(schedule::ScheduleArgs),
    /// Tell whether this machine has what netc needs, and whether netc computes rightly on it
    Doctor(doctor::DoctorArgs),
    /// Print what a stage of the compiler made
    Dump(dump::DumpArgs),
    /// Print a spec with its blocks, repeats and conditions unrolled
    Expand(expand::ExpandArgs),
    /// Tell what a code means, why it matters and what to write instead
    Explain(explain::ExplainArgs),
    /// Tell what layers there are, with all their attributes
    Layers(layers::LayersArgs),
    /// Write specs the one way they are written
    Fmt(fmt::FmtArgs),
}

/// Parses the arguments and runs the command.
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    let output = Output::new(cli.color);
    match &cli.command {
        Command::Check(args) => check::run(args, &output),
        Command::Summary(args) => summary::run(args, &output),
        Command::Train { options, args, runs: Some(runs), .. } => sweep::repeat(options, args, *runs, &output),
        Command::Sweep { options, args } => sweep::sweep(options, args, &output),
        Command::Train { options, args, smoke, runs: None } => {
            with_program(&args.spec, &options.request(args.sets()), &output, |experiment| {
                train::train(experiment, args, *smoke)
            })
        }
        Command::Rerun(args) => rerun::run(args, &output),
        Command::Eval { options, args } => {
            with_program(&args.spec, &options.request(Vec::new()), &output, |experiment| {
                eval::eval(experiment.program, &experiment.recipe, &experiment.sources, args)
            })
        }
        Command::Recalibrate { options, args } => {
            with_program(&args.spec, &options.request(Vec::new()), &output, |experiment| {
                let Experiment { program, recipe, sources, .. } = experiment;
                recalibrate::recalibrate(program, &recipe, &sources, args).map_err(|error| vec![error])
            })
        }
        Command::Bench { spec, options, args } => {
            with_program(spec, &options.request(Vec::new()), &output, |experiment| {
                let text = bench::run(&experiment.program, args).map_err(|error| vec![RunError::from(error).into()])?;
                output.result(text.trim_end());
                Ok(())
            })
        }
        Command::Defaults(args) => defaults::run(args, &output),
        Command::Diff(args) => diff::run(args, &output),
        Command::Draw(args) => draw::run(args, &output),
        Command::Schedule(args) => schedule::run(args, &output),
        Command::Doctor(args) => doctor::run(args, &output),
        Command::Dump(args) => dump::run(args, &output),
        Command::Expand(args) => expand::run(args, &output),
        Command::Explain(args) => explain::run(args, &output),
        Command::Layers(args) => layers::run(args, &output),
        Command::Fmt(args) => fmt::run(args, &output),
    }
}

/// Compiles a spec and goes on with it; what fails is told, and the exit code says so.
fn with_program(
    spec: &Path,
    request: &Request<'_>,
    output: &Output,
    then: impl FnOnce(Experiment) -> Result<(), Vec<Diagnostic>>,
) -> ExitCode {
    let experiment = match Experiment::compile(spec, request) {
        Ok(experiment) => experiment,
        Err(failure) => {
            output.diagnostics(&failure.diagnostics, &failure.sources);
            return ExitCode::FAILURE;
        }
    };
    output.diagnostics(&experiment.warnings, &experiment.sources);
    let sources = experiment.sources.clone();
    match then(experiment) {
        Ok(()) => ExitCode::SUCCESS,
        Err(diagnostics) => {
            output.diagnostics(&diagnostics, &sources);
            ExitCode::FAILURE
        }
    }
}
