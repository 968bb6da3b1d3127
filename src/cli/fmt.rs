//! `netc fmt`: specs the one way they are written.

use super::line_diff::line_diff;
use super::output::Output;
use crate::diagnostic::{Code, Diagnostic};
use crate::run::folder::not_written;
use crate::source::SourceMap;
use crate::syntax::format::format;
use crate::syntax::load;
use clap::Args;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Arguments of `netc fmt`.
#[derive(Debug, Args)]
pub struct FmtArgs {
    /// Files to format in place; `-`, or none, reads standard input and prints.
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Change nothing; show what would change, and fail if anything would.
    #[arg(long)]
    check: bool,
}

/// Runs it: every file is looked at, whatever is wrong with the others.
pub fn run(args: &FmtArgs, output: &Output) -> ExitCode {
    let stdin = [PathBuf::from("-")];
    let files = if args.files.is_empty() { &stdin[..] } else { &args.files };
    let mut fine = true;
    for path in files {
        let mut sources = SourceMap::new();
        match one(path, args.check, &mut sources, output) {
            Ok(same) => fine &= same || !args.check,
            Err(diagnostic) => {
                output.diagnostics(&[*diagnostic], &sources);
                fine = false;
            }
        }
    }
    if fine { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Whether the text was formatted already.
fn one(path: &Path, check: bool, sources: &mut SourceMap, output: &Output) -> Result<bool, Box<Diagnostic>> {
    let stdin = path == Path::new("-");
    let name = if stdin { Path::new("<stdin>") } else { path };
    let text = if stdin { read_stdin() } else { load::read(path) };
    let text = text.map_err(|reason| {
        Box::new(Diagnostic::new(Code::FileNotRead, format!("cannot read {}: {reason}", name.display())))
    })?;
    let id = sources.add(name, text);
    let text = sources.text(id);
    let formatted = format(id, text)?;
    let same = formatted == text;
    if check && !same {
        let diff = line_diff(text, &formatted);
        // Line ends and a missing last newline leave no line that differs.
        let diff = if diff.is_empty() { "line ends differ\n".to_string() } else { diff };
        output.result(format!("{}: not formatted\n{diff}", name.display()).trim_end());
    } else if stdin && !check {
        // A reader that went away is no reason to fail.
        let _ = io::stdout().lock().write_all(formatted.as_bytes());
    } else if !same {
        replace(path, &formatted).map_err(|error| Box::new(not_written(path, &error)))?;
    }
    Ok(same)
}

fn read_stdin() -> Result<String, String> {
    let mut text = String::new();
    io::stdin().lock().read_to_string(&mut text).map_err(|error| error.to_string())?;
    Ok(text)
}

/// Replaces a file in one step: whoever reads it, or pulls the plug, finds the old text or the new one. Its permissions
/// stay, and a link is followed rather than replaced.
pub(super) fn replace(path: &Path, text: &str) -> io::Result<()> {
    let path = std::fs::canonicalize(path)?;
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(format!(".{}.tmp", std::process::id()));
    let temporary = path.with_file_name(name);
    let written = (|| {
        std::fs::write(&temporary, text)?;
        std::fs::set_permissions(&temporary, std::fs::metadata(&path)?.permissions())?;
        std::fs::rename(&temporary, &path)
    })();
    if written.is_err() {
        let _ = std::fs::remove_file(&temporary);
    }
    written
}
