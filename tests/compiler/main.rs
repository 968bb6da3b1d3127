//! The compiler as a whole: specs, messages, pages that are made from the source, texts of any kind.

// Clippy's leave for tests ends at the functions they share.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod check_fix;
mod data;
mod expand;
mod fmt;
mod fuzz;
mod language_doc;
mod lints_doc;
mod messages;
mod profiles_doc;
mod rooms;
mod specs;
mod surface;
mod ui;

#[path = "../support/command.rs"]
mod command;
#[path = "../support/skip.rs"]
mod skip;
