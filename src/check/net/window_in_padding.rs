//! N020: windows lie wholly in the padding.
//!
//! ## What it does
//! Warns of a `conv` with as much padding on a side as its window is wide, so that whole windows see nothing but zeros.
//! Pools that do this are refused: E0206.
//!
//! ## Why is this bad?
//! Outputs at the edge are the bias, whatever the image is, and the map grows with each such layer. It comes of a 3x3
//! convolution that was made a 1x1 and kept its `pad 1`. Behind it, batch norm takes the zeros into its mean.
//!
//! ## Example
//! ```layers
//! conv 16 1x1 pad 1; bn; relu
//! ```
//!
//! ## Use instead
//! ```layers
//! conv 16 1x1; bn; relu
//! ```
//!
//! ## Reference
//! Dumoulin & Visin 2016, "A guide to convolution arithmetic for deep learning", section 2: half padding keeps the size,
//! full padding, one less than the window, is the most with which every window sees the image.

use super::Run;
use crate::check::{Check, Context};
use crate::diagnostic::{Code, Diagnostic};
use crate::graph::dims::Padding;
use crate::graph::layer::{Layer, Window};
use crate::graph::shape::reach;

/// This check.
pub const CHECK: Check<Run> =
    Check { code: Code::WindowInPadding, file: include_str!("window_in_padding.rs"), run: Run::Layers(check) };

fn check(context: &Context<'_>, diagnostics: &mut Vec<Diagnostic>) {
    context.report_layers(diagnostics, |index, node| {
        let Layer::Conv { window, .. } = &node.layer else { return None };
        let outside = context.shaped.known_padding(index).is_some_and(|padding| sees_only_zeros(window, padding));
        if !outside {
            return None;
        }
        let odd = window.kernel.height % 2 == 1 && window.kernel.width % 2 == 1;
        let help = match window.kernel.area() {
            1 => "leave `pad` out: a 1x1 window keeps the size without it",
            _ if odd => "write `pad same`, which keeps the size at stride 1",
            _ => "pad by less than the window",
        };
        let diagnostic = Diagnostic::new(Code::WindowInPadding, "windows of this `conv` lie wholly in the padding")
            .at(node.attribute("pad"), "as much as the window, or more")
            .context(node.attribute("kernel"), "at the edge these see only zeros")
            .help(help);
        Some(diagnostic)
    });
}

/// The first window of a direction begins in the padding before; the last one ends in that behind if none is left over.
fn sees_only_zeros(window: &Window, padding: Padding) -> bool {
    let rows = reach(window.kernel.height, window.dilation.height);
    let columns = reach(window.kernel.width, window.dilation.width);
    padding.top >= rows
        || padding.left >= columns
        || padding.bottom >= rows && window.stride.height == 1
        || padding.right >= columns && window.stride.width == 1
}

#[cfg(test)]
mod tests {
    use crate::check::testing::codes;

    fn fires(layer: &str) -> bool {
        codes(&format!("input 3x32x32; {layer}; flatten; linear 10")).contains(&"N020")
    }

    #[test]
    fn as_much_padding_as_window() {
        assert!(fires("conv 8 1x1 pad 1"));
        assert!(fires("conv 8 3x3 pad 3"));
        assert!(fires("conv 8 3x3 pad (0, 3, 0, 0)"));
        assert!(fires("conv 8 1x3 pad 1"));
    }

    #[test]
    fn less_padding_than_window() {
        assert!(!fires("conv 8 3x3 pad 2"));
        assert!(!fires("conv 8 1x1"));
        assert!(!fires("conv 8 3x3 pad 4 dilation 2"));
        assert!(!fires("conv 8 1x3 pad (0, 0, 1, 1)"));
    }
}
