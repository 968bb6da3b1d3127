//! The reference engine: dfdx tensors, with dfdx's own autograd.
