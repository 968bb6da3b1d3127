//! The language: text to syntax tree.

pub mod ast;
mod brackets;
mod error;
pub mod foreign;
pub mod format;
mod grammar;
pub mod load;
pub mod parse;
pub mod walk;
