//! netc: a compiler and trainer for neural networks described in text.
//!
//! ```text
//! text --parse--> Ast --expand--> LayerGraph --infer--> Shaped --check--> Checked --lower--> Program --engine--> Runner
//! ```
//!
//! Each arrow is a folder: [`syntax`], [`graph`], [`check`], [`lower`], [`engine`], [`train`]. A later stage never looks
//! back at text; `docs/architecture.md` walks through them.

pub mod check;
pub mod cli;
pub mod compile;
pub mod data;
pub mod diagnostic;
pub mod engine;
pub mod graph;
pub mod look;
pub mod lower;
pub mod random;
pub mod syntax;
pub mod train;
