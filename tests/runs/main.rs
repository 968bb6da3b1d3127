//! The command line and runs: what is printed, what is left in folders, what comes of a run that was killed.

// Clippy's leave for tests ends at the functions they share.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod cmd;
mod resume;
mod sweep;
mod tensorboard;

#[path = "../support/command.rs"]
mod command;
#[path = "../support/skip.rs"]
mod skip;
