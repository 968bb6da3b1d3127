//! What graph building takes where a layer's attribute is left open and frameworks differ: the recipe, or the profile it
//! names, says. An attribute in the spec always wins.

use super::layer::{Divisor, Rounding, Squares};

/// The conventions in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Conventions {
    /// `round` of a pool.
    pub rounding: Rounding,
    /// `divisor` of an average pool.
    pub divisor: Divisor,
    /// `squares` of a local response norm: what its alpha multiplies.
    pub squares: Squares,
}

impl Default for Conventions {
    /// PyTorch's: floor, the padded window, the mean.
    fn default() -> Self {
        Conventions { rounding: Rounding::Floor, divisor: Divisor::PaddedWindow, squares: Squares::Mean }
    }
}
