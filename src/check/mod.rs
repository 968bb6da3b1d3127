//! Checks that gate lowering.
