//! `netc explain`: the page of a code.

use super::output::Output;
use crate::check::registry;
use crate::diagnostic::page::markdown;
use crate::diagnostic::{Code, Level};
use clap::Args;
use std::process::ExitCode;

/// Arguments of `netc explain`.
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// Codes such as `E0401`, or their names such as `bias-before-norm`; all are listed when none is given.
    #[arg(value_name = "CODE", value_parser = code)]
    codes: Vec<Code>,
    /// Print every page as one Markdown text: that is `docs/lints.md`.
    #[arg(long, conflicts_with = "codes")]
    markdown: bool,
}

/// Runs it.
pub fn run(args: &ExplainArgs, output: &Output) -> ExitCode {
    if args.markdown {
        output.result(registry::markdown().trim_end());
    } else if args.codes.is_empty() {
        output.result(&list());
    } else {
        let pages: Vec<String> =
            args.codes.iter().map(|&code| markdown(code, registry::page(code).as_ref(), 1)).collect();
        output.result(pages.join("\n").trim_end());
    }
    ExitCode::SUCCESS
}

/// The code that a word on the command line names.
///
/// # Errors
/// What to say of a word that names none.
fn code(text: &str) -> Result<Code, String> {
    Code::find(text).ok_or_else(|| match Code::nearest(text, Code::ALL.iter().copied()) {
        Some(meant) => format!("there is no such code; did you mean `{meant}`?"),
        None => "there is no such code; `netc explain` lists them all".to_string(),
    })
}

/// Every code on a line of its own.
fn list() -> String {
    let width = Code::ALL.iter().map(|code| code.slug().len()).max().unwrap_or(0);
    let line = |code: &Code| {
        let level = if code.level() == Level::Error { "error" } else { "lint" };
        format!("{:<5}  {level:<5}  {:<width$}  {}", code.name(), code.slug(), code.summary())
    };
    Code::ALL.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_name_no_code_are_answered() {
        assert_eq!(code("e0401"), Ok(Code::FixedPadding));
        assert_eq!(code("fixed-paddin").unwrap_err(), "there is no such code; did you mean `fixed-padding`?");
        assert!(code("something").unwrap_err().contains("lists them all"));
    }

    #[test]
    fn every_code_is_listed() {
        assert_eq!(list().lines().count(), Code::ALL.len());
    }
}
