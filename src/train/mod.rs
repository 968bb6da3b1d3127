//! Training and evaluation of any program on any engine.
