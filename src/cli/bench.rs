//! `netc bench`: how fast a net runs on this machine.

use crate::engine::EngineError;
use crate::engine::native::bench::{Effort, Report, measure};
use crate::engine::native::{Convolution, Options};
use crate::lower::program::Program;
use std::time::Duration;

/// What `netc bench` takes besides the spec.
#[derive(Debug, Clone, clap::Args)]
pub struct BenchArgs {
    /// Images a batch
    #[arg(long, default_value_t = 128, value_parser = positive)]
    pub batch: usize,
    /// Threads [default: all cores]
    #[arg(long, value_parser = positive)]
    pub threads: Option<usize>,
    /// Seconds for training and seconds for evaluation
    #[arg(long, default_value_t = 4.0)]
    pub seconds: f64,
    /// How convolutions are computed
    #[arg(long, value_enum, default_value_t)]
    pub convolution: Convolution,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

fn positive(text: &str) -> Result<usize, String> {
    match text.parse::<usize>() {
        Ok(0) | Err(_) => Err("it takes a whole number above 0".into()),
        Ok(number) => Ok(number),
    }
}

/// Measures a program; the text to print to standard output.
///
/// # Errors
/// What stops the engine.
pub fn run(program: &Program, args: &BenchArgs) -> Result<String, EngineError> {
    let options = Options { threads: args.threads, isa: None, convolution: args.convolution };
    let effort = Effort { time: Duration::try_from_secs_f64(args.seconds).unwrap_or_default() };
    let report = measure(program, args.batch, options, effort)?;
    Ok(if args.json { json(&report) } else { report.to_string() })
}

fn json(report: &Report) -> String {
    // A report holds nothing that JSON cannot say.
    serde_json::to_string_pretty(report).unwrap_or_default() + "\n"
}
