//! Checks that gate lowering, and lints.
//!
//! One file a check: its page (what it does, why, an example and what to write instead) stands at its top, its tests at
//! its end, and `CHECK` says how it is run. [`net`] has those of networks, which come before lowering, [`recipe`] those of
//! how a network is trained, which may look at everything. [`registry`] has the pages of them all; [`levels`] decides
//! what a lint is worth.

pub mod context;
pub mod levels;
pub mod net;
pub mod recipe;
pub mod registry;
#[cfg(test)]
pub(crate) mod testing;
pub mod unfulfilled_allow;

pub use context::{Context, Target};

use crate::diagnostic::Code;

/// One check, as its file has it: `pub const CHECK`.
#[derive(Debug, Clone, Copy)]
pub struct Check<Run> {
    /// What it tells.
    pub code: Code,
    /// Its own file, whose head is the code's page: `include_str!("its_name.rs")`.
    pub file: &'static str,
    /// How it is run.
    pub run: Run,
}
