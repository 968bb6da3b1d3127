//! The layer graph: names resolved, blocks unrolled, shapes inferred.

pub mod arguments;
pub mod build;
pub mod catalog;
pub mod conventions;
pub mod dims;
pub mod expand;
pub mod flat;
pub mod foreign;
pub mod layer;
pub mod layer_graph;
pub mod naming;
pub mod net_parameters;
pub mod origin;
pub mod problem;
pub mod receptive;
pub mod resolve;
pub mod shape;
pub mod shape_problem;
pub mod summary;
pub mod value;
