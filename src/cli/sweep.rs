//! `netc sweep`: trains every combination of some values, with several seeds, and holds the results side by side.
//! `netc train --runs N` is a sweep of one setting.

use super::interrupt::stop_on_signal;
use super::output::{self, Output};
use super::spec_arguments::SpecArguments;
use super::terminal::Terminal;
use super::train::{RUNS, TrainArguments};
use crate::run::results::Results;
use crate::series::sweep::grid::Grid;
use crate::series::sweep::{Event, RunPlace, Sweep, SweepObserver, goes_on};
use crate::source::SourceMap;
use crate::text::{duration, percent};
use crate::train::observer::Observer;
use std::num::NonZeroU64;
use std::path::Path;
use std::process::ExitCode;

/// `netc sweep`, beside what every command takes that reads a spec.
#[derive(Debug, Clone, clap::Args)]
pub struct SweepArguments {
    #[command(flatten)]
    /// As for a single run.
    pub train: TrainArguments,
    /// So many runs of each setting, with the seeds that follow one another from the recipe's on
    #[arg(long, value_name = "N", default_value = "1")]
    pub runs: NonZeroU64,
    /// Prints the table as Markdown
    #[arg(long, conflicts_with = "json")]
    pub markdown: bool,
    /// Prints everything as JSON
    #[arg(long)]
    pub json: bool,
}

/// How results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Text,
    Markdown,
    Json,
}

/// Runs a sweep.
pub fn sweep(options: &SpecArguments, args: &SweepArguments, output: &Output) -> ExitCode {
    let form = match (args.json, args.markdown) {
        (true, _) => Form::Json,
        (_, true) => Form::Markdown,
        _ => Form::Text,
    };
    let mut own = args.train.sets();
    own.extend(options.data.iter().map(|data| format!("data={data}")));
    match Grid::new(&options.sets, &options.parameters, &own) {
        Ok(grid) => run(grid, options, &args.train, args.runs, form, output),
        Err(diagnostics) => {
            output.diagnostics(&diagnostics, &SourceMap::new());
            ExitCode::FAILURE
        }
    }
}

/// Runs one setting several times.
pub fn repeat(options: &SpecArguments, args: &TrainArguments, runs: NonZeroU64, output: &Output) -> ExitCode {
    run(Grid::single(&options.sets, &options.parameters), options, args, runs, Form::Text, output)
}

fn run(
    grid: Grid,
    options: &SpecArguments,
    args: &TrainArguments,
    runs: NonZeroU64,
    form: Form,
    output: &Output,
) -> ExitCode {
    let command: Vec<String> = std::env::args().collect();
    let sweep = Sweep {
        spec: &args.spec,
        recipe: options.recipe.as_deref(),
        grid,
        sets: options.own(args.sets()),
        runs,
        limit: args.limit,
        selection: args.selection.into(),
        out: args.out.as_deref(),
        folders: Path::new(RUNS),
        resume: args.resume,
        command: &command,
    };
    let mut report = |diagnostic: &_, sources: &_| output.diagnostics(std::slice::from_ref(diagnostic), sources);
    let Some(plans) = sweep.compile(&mut report) else { return ExitCode::FAILURE };
    let ended = match sweep.run(plans, stop_on_signal, &mut Shown(output)) {
        Ok(ended) => ended,
        Err(error) => {
            output.diagnostics(&[error], &SourceMap::new());
            return ExitCode::FAILURE;
        }
    };
    match form {
        Form::Text => output.result(&ended.table.text()),
        Form::Markdown => output.result(&ended.table.markdown()),
        Form::Json => output.json(&ended.table.json()),
    }
    if ended.interrupted {
        output::message(&format!("interrupted: not all runs have ended; {}", goes_on(&ended.folder)));
    }
    if ended.table.diverged() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// Tells on stderr what happens.
struct Shown<'a>(&'a Output);

impl SweepObserver for Shown<'_> {
    fn event(&mut self, event: &Event<'_>) {
        let line = match event {
            Event::Begin { net, runs, settings, folder } => {
                let each = match settings {
                    2.. => format!(" ({settings} settings, {} each)", runs / settings),
                    _ => String::new(),
                };
                let plural = if *runs == 1 { "" } else { "s" };
                format!("{net}: {runs} run{plural}{each}; results in {}", folder.display())
            }
            Event::RunBegins(place) => format!("{} {}", shown(place), place.folder),
            Event::EndedBefore(place, results) => {
                format!("{} {}: {} (ended before)", shown(place), place.folder, summary(results))
            }
            Event::RunEnded(place, results) => {
                format!("{} {}, {} of training", shown(place), summary(results), duration(results.seconds))
            }
            Event::Diverged(error) => return self.0.diagnostics(std::slice::from_ref(error), &SourceMap::new()),
        };
        output::message(&line);
    }

    fn run(&mut self) -> Box<dyn Observer> {
        Box::new(Terminal::quiet())
    }
}

fn shown(place: &RunPlace<'_>) -> String {
    format!("[{}/{}]", place.number, place.runs)
}

fn summary(results: &Results) -> String {
    format!("final test accuracy {}", percent(results.last.test.accuracy))
}
