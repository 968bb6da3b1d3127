//! The operations as dfdx tensor expressions; dfdx's tape differentiates them.
//!
//! Each takes its first input with the tape on it and gives its output with the tape, so that one tape passes through
//! the whole program whatever its graph looks like.

pub(super) mod channels;
pub(super) mod conv;
pub(super) mod groups;
pub(super) mod norm;
pub(super) mod place;
pub(super) mod pointwise;
pub(super) mod pool;
