//! Training and evaluation of any program on any engine.
//!
//! ```text
//! YAML --yaml, set, profile--> Source --section, values, recipe_text--> Recipe --schedule, input--> runner --report--> record, progress
//! ```

pub mod folder;
pub mod input;
pub mod interval;
#[cfg(test)]
pub mod mock;
pub mod origin;
pub mod population;
pub mod profile;
pub mod progress;
pub mod recipe;
mod recipe_text;
pub mod record;
pub mod report;
pub mod runner;
pub mod schedule;
mod section;
mod set;
pub mod stop;
mod values;
pub mod weights;
mod yaml;
