//! `netc rerun`: makes a run again from its record, and holds the weights against those it came to.

use super::interrupt::stop_on_signal;
use super::output::Output;
use super::terminal::Terminal;
use super::train::RUNS;
use crate::diagnostic::Diagnostic;
use crate::series::reproduce::{Reproduction, Verdict};
use crate::source::SourceMap;
use clap::Args;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Arguments of `netc rerun`.
#[derive(Debug, Args)]
pub struct RerunArgs {
    /// The folder of the run, with its `run.yaml`
    run: PathBuf,
    /// Folder for the results; `runs/<net>-<n>` if not given
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Where the data is now, if not where it was
    #[arg(long, value_name = "NAME|DIR")]
    data: Option<String>,
    /// Threads of the native engine; the result is the same for any number
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
}

/// Runs it.
pub fn run(args: &RerunArgs, output: &Output) -> ExitCode {
    let mut sources = SourceMap::new();
    match rerun(args, &mut sources) {
        Ok(line) => {
            output.result(&line);
            ExitCode::SUCCESS
        }
        Err(diagnostics) => {
            output.diagnostics(&diagnostics, &sources);
            ExitCode::FAILURE
        }
    }
}

fn rerun(args: &RerunArgs, sources: &mut SourceMap) -> Result<String, Vec<Diagnostic>> {
    let reproduction = Reproduction {
        run: &args.run,
        out: args.out.as_deref(),
        folders: Path::new(RUNS),
        data: args.data.as_deref(),
        threads: args.threads,
        command: std::env::args().collect(),
    };
    let mut terminal = Terminal::new();
    let reproduced = reproduction.run(sources, stop_on_signal, &mut terminal)?;
    terminal.finish(&reproduced.finished);
    let shown = args.run.display();
    match reproduced.verdict {
        Ok(Verdict::Interrupted) => Ok(format!("interrupted: not compared with {shown}")),
        Ok(Verdict::NothingToCompare) => Ok(format!("{shown} has no weights to compare with")),
        Ok(Verdict::Same { sha256 }) => Ok(format!("the same weights as in {shown}, byte for byte (sha256 {sha256})")),
        Err(error) => Err(vec![error]),
    }
}
