//! The language: text to syntax tree.

pub mod ast;
mod brackets;
pub mod foreign;
pub mod format;
pub mod load;
pub mod parse;
pub mod walk;
