//! What a run is and what it leaves in its folder: weights, checkpoints, results, and the record that makes it again.

pub mod checkpoint;
pub mod folder;
pub mod identity;
pub mod log;
pub mod manifest;
pub mod numerics;
pub mod record;
pub mod results;
pub mod session;
pub mod tensor_file;
pub mod weights;
