//! Many runs: a sweep over settings and seeds, and a run made again from its record.

pub mod reproduce;
pub mod sweep;
