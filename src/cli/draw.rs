//! `netc draw`: a network as a picture.

use super::output::Output;
use super::spec_arguments::SpecArguments;
use crate::diagnostic::{Code, Diagnostic};
use crate::inspect;
use crate::inspect::draw::scene::scene;
use crate::inspect::draw::{Format, Seen, layout, write};
use clap::Args;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Arguments of `netc draw`.
#[derive(Debug, Args)]
pub struct DrawArgs {
    /// The spec.
    spec: PathBuf,
    /// Where to write it; standard output when not given. Its extension says the format: `.svg`, `.dot`, `.mmd`
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// The format, if not the extension's
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// Draw blocks inside N others as one box each; 0 closes all
    #[arg(long, value_name = "N")]
    depth: Option<usize>,
    /// Draw every pass of a repeat, also where they are the same
    #[arg(long)]
    unfold: bool,
    #[command(flatten)]
    options: SpecArguments,
}

/// Runs it.
pub fn run(args: &DrawArgs, output: &Output) -> ExitCode {
    let format = match args.format.map_or_else(|| by_extension(args.output.as_deref()), Ok) {
        Ok(format) => format,
        Err(usage) => {
            output.usage(&usage);
            return ExitCode::from(2);
        }
    };
    let (view, warnings) = match inspect::view(&args.spec, &args.options.request(Vec::new())) {
        Ok(view) => view,
        Err(failure) => {
            output.diagnostics(&failure.diagnostics, &failure.sources);
            return ExitCode::FAILURE;
        }
    };
    output.diagnostics(&warnings, &view.sources);
    let scene = scene(&view.shaped, Seen { depth: args.depth, fold: !args.unfold });
    let written = write(&scene, format).map_err(|error| {
        Diagnostic::new(Code::OutputFailed, error.to_string())
            .note(format!("one frame has at most {} boxes, and edges that pass {}", layout::MOST, layout::MOST_PASSED))
            .help("close blocks with `--depth 0`, or write `--format dot` and let Graphviz lay it out")
    });
    let result = written.and_then(|text| match &args.output {
        None => {
            output.result(text.trim_end());
            Ok(())
        }
        Some(path) => std::fs::write(path, text).map_err(|error| {
            Diagnostic::new(Code::OutputFailed, format!("cannot write `{}`", path.display())).note(error.to_string())
        }),
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output.diagnostics(&[error], &view.sources);
            ExitCode::FAILURE
        }
    }
}

/// SVG where nothing is said.
fn by_extension(path: Option<&Path>) -> Result<Format, String> {
    let Some(path) = path else { return Ok(Format::Svg) };
    let extension = path.extension().and_then(OsStr::to_str).unwrap_or_default().to_ascii_lowercase();
    Format::EXTENSIONS
        .iter()
        .find(|(known, _)| *known == extension)
        .map(|(_, format)| *format)
        .ok_or_else(|| format!("`{}` says no format: end it in .svg, .dot or .mmd, or give --format", path.display()))
}
