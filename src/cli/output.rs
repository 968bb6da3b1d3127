//! Where text goes: results to stdout, messages and progress to stderr.

use crate::diagnostic::{Diagnostic, render};
use crate::source::SourceMap;
use clap::ValueEnum;
use std::io::{self, IsTerminal, Write};

/// When messages are coloured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Color {
    /// On a terminal, unless `NO_COLOR` is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl Color {
    /// What is said on the command line wins over `NO_COLOR` (<https://no-color.org>).
    fn decide(self, no_color: bool, terminal: bool) -> bool {
        match self {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => !no_color && terminal,
        }
    }
}

/// Prints a line to stdout. A reader that went away (`| head`) is no reason to fail, or to lose a run.
pub fn line(text: &str) {
    let _ = writeln!(io::stdout().lock(), "{text}");
}

/// Prints a line to stderr, as [`line()`].
pub fn message(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// The two streams.
#[derive(Debug, Clone, Copy)]
pub struct Output {
    color: bool,
}

impl Output {
    /// Decides on colour.
    pub fn new(color: Color) -> Self {
        let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Output { color: color.decide(no_color, io::stderr().is_terminal()) }
    }

    /// Prints messages.
    pub fn diagnostics(&self, diagnostics: &[Diagnostic], sources: &SourceMap) {
        // A reader that went away is no reason to fail.
        let _ = io::stderr().lock().write_all(render::render_all(diagnostics, sources, self.color).as_bytes());
    }

    /// Tells of wrong usage that only shows once the arguments are read, as clap tells it.
    pub fn usage(&self, message: &str) {
        self::message(&format!("error: {message}\n\nFor more information, try '--help'."));
    }

    /// Prints a result, with a newline.
    pub fn result(&self, text: &str) {
        line(text);
    }

    /// Prints a result as JSON.
    pub fn json(&self, value: &impl serde::Serialize) {
        match serde_json::to_string_pretty(value) {
            Ok(text) => self.result(&text),
            Err(error) => message(&format!("cannot write JSON: {error}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colour_is_for_terminals_and_for_those_who_ask() {
        for (color, no_color, terminal, expected) in [
            (Color::Auto, false, true, true),
            (Color::Auto, true, true, false),
            (Color::Auto, false, false, false),
            (Color::Always, true, false, true),
            (Color::Never, false, true, false),
        ] {
            assert_eq!(color.decide(no_color, terminal), expected, "{color:?} {no_color} {terminal}");
        }
    }
}
