//! Training and evaluation of any program on any engine.
//!
//! ```text
//! YAML --yaml, set, profile--> Source --section, values, recipe_text--> Recipe --schedule, input--> runner --report--> record, progress
//! ```

pub mod checkpoint;
mod evaluation;
pub mod events;
pub mod failure;
pub mod folder;
pub mod foreign;
pub mod groups;
pub mod identity;
pub mod input;
pub mod interval;
mod lints;
pub mod log;
pub mod manifest;
#[cfg(test)]
pub mod mock;
mod not_finite;
pub mod optimizer;
mod optimizer_text;
pub mod origin;
pub mod overfit;
pub mod population;
pub mod profile;
pub mod progress;
pub mod recipe;
mod recipe_text;
pub mod record;
pub mod report;
pub mod results;
pub mod runner;
pub mod schedule;
mod schedule_text;
mod section;
pub mod session;
mod set;
mod steps;
pub mod stop;
pub mod tensor_file;
mod tfrecord;
pub mod updates;
mod values;
pub mod weights;
mod yaml;
