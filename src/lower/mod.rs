//! From a checked graph to a [`program::Program`], the contract with the engines.

pub mod defaults;
pub mod init;
pub mod program;
