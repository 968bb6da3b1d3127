//! The engines: each operation and whole nets against PyTorch, against finite differences and against each other.

// Clippy's leave for tests ends at the functions they share.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod golden;
mod native_nets;
mod native_ops;
mod norm_groups;
mod numerics;
mod optimizers;
mod population;
mod resident;
mod tensor_engine;
mod tensor_ops;

#[path = "../support/skip.rs"]
mod skip;
#[path = "../support/mod.rs"]
mod support;
