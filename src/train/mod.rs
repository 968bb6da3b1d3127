//! Training and evaluation of any program on any engine.

pub mod recipe;
mod recipe_text;
pub mod schedule;
mod section;
mod set;
mod values;
mod yaml;
