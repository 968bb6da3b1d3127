//! The native CPU engine: compiles a program ahead, then runs it without allocating.

pub mod kernels;
