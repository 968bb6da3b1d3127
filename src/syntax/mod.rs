//! The language: text to syntax tree.

pub mod ast;
mod brackets;
pub mod format;
pub mod load;
pub mod parse;
pub mod span;
pub mod walk;
