//! The layer graph.

pub mod dims;
