//! N003: an `allow` has nothing to allow.
//!
//! ## What it does
//! Warns of an `allow` in the spec itself where the lint that it names has nothing to tell. Where a lint could not be
//! run (a recipe's lint without a recipe, a branch that was not taken) nothing is said, and neither is of files that are
//! used: they may serve other specs.
//!
//! ## Why is this bad?
//! The reason that it gives was true once. Whoever reads it now believes that the network has something out of the
//! ordinary, and if that comes back, nobody is told.
//!
//! ## Example
//! ```layers
//! allow N010 "the second one is there for its name"
//! conv 16 3x3 pad 1; bn; relu
//! ```
//!
//! ## Use instead
//! ```layers
//! conv 16 3x3 pad 1; bn; relu
//! ```
//!
//! ## Reference
//! Rust's `#[expect]` and its lint `unfulfilled_lint_expectations`.

use super::levels::Setting;
use crate::diagnostic::{Code, Diagnostic, Fix};
use crate::source::SourceMap;

/// This file, whose head is the page; [`super::levels`] runs it.
pub const FILE: &str = include_str!("unfulfilled_allow.rs");

/// The message about a setting.
pub(super) fn tell(setting: &Setting, sources: &SourceMap) -> Diagnostic {
    let code = setting.code;
    Diagnostic::new(Code::UnfulfilledAllow, format!("{code} has nothing to tell here"))
        .at(setting.span, "allows nothing")
        .note(format!("{code}: {}", code.summary()))
        .help("take it out")
        // Under other parameters, or another recipe, it may have a use.
        .fix(Fix::remove_statement("take the `allow` out", setting.span, sources).map(Fix::unsafely))
}
