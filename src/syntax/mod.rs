//! The language: text to syntax tree.

pub mod ast;
mod brackets;
pub mod parse;
pub mod span;
