//! The language: text to syntax tree.

pub mod span;
