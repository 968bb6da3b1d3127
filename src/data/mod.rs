//! Data sets: one file a format.
