//! The command line: one file a sub-command.
//!
//! Exit codes: 0 clean, 1 the spec, data or run has errors, 2 wrong usage.

pub mod check;
pub mod compile;
pub mod dump;
pub mod output;
pub mod summary;

use clap::{Parser, Subcommand};
use output::{Color, Output};
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
    /// Print what a stage of the compiler made
    Dump(dump::DumpArgs),
}

/// Parses the arguments and runs the command.
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    let output = Output::new(cli.color);
    match &cli.command {
        Command::Check(args) => check::run(args, &output),
        Command::Summary(args) => summary::run(args, &output),
        Command::Dump(args) => dump::run(args, &output),
    }
}
