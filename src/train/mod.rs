//! Training and evaluating any program on any engine: steps, and nothing on disk or on a terminal.

mod batches;
pub mod error;
mod evaluation;
pub mod input;
mod nan_search;
pub mod observer;
pub mod overfit;
pub mod population;
pub mod report;
pub mod runner;
mod steps;
pub mod stop;
pub mod updates;
