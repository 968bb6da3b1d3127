//! N012: `pad same` on an even window moves the map by half a pixel.
//!
//! ## What it does
//! Warns of `pad same` at stride 1 where the window is even in a direction, so that the padding cannot be the same on both
//! sides. At a larger stride E0401 refuses it.
//!
//! ## Why is this bad?
//! The odd pixel goes below and to the right: every window lies half a pixel down and right of the pixel it stands for.
//! Each such layer moves the map by another half pixel the same way, information is lost at one edge and zeros come in at
//! the other, and a shortcut round it adds pixels that do not belong together. Frameworks put the odd pixel on different
//! sides, so that weights of one do not fit the other.
//!
//! ## Example
//! ```layers
//! conv 16 4x4 pad same; relu
//! ```
//!
//! ## Use instead
//! ```layers
//! conv 16 5x5 pad same; relu
//! ```
//!
//! ## Reference
//! Wu et al. 2019, "Convolution with even-sized kernels and symmetric padding" (the shift problem); ONNX `auto_pad`, which
//! has a SAME_UPPER and a SAME_LOWER.

use super::Run;
use crate::check::{Check, Context};
use crate::diagnostic::{Code, Diagnostic};
use crate::graph::dims::Padding;
use crate::graph::layer::Pad;

/// This check.
pub const CHECK: Check<Run> =
    Check { code: Code::LopsidedSame, file: include_str!("lopsided_same.rs"), run: Run::Layers(check) };

fn check(context: &Context<'_>, diagnostics: &mut Vec<Diagnostic>) {
    context.report_layers(diagnostics, |index, node| {
        let window = node.layer.window()?;
        let lopsided = context.shaped.known_padding(index).filter(|padding| !padding.is_symmetric());
        let padding = lopsided.filter(|_| window.pad == Pad::Same && window.stride.longest() == 1)?;
        let Padding { top, bottom, left, right } = padding;
        let message = format!("`pad same` on a {} window moves the map by half a pixel", window.kernel);
        let diagnostic = Diagnostic::new(Code::LopsidedSame, message)
            .at(
                node.attribute("pad"),
                format!("here this pads {top} above and {bottom} below, {left} left and {right} right"),
            )
            .help(format!("take an odd window; where the shift is meant, write it out: `pad {padding}`"));
        Some(diagnostic)
    });
}

#[cfg(test)]
mod tests {
    use crate::check::testing::codes;

    fn fires(layer: &str) -> bool {
        codes(&format!("input 3x32x32\n{layer}\nglobal_avg_pool\nlinear 10")).contains(&"N012")
    }

    #[test]
    fn same_on_an_even_window() {
        assert!(fires("conv 8 4x4 pad same"));
        assert!(fires("conv 8 3x2 pad same"));
        assert!(fires("max_pool 2x2 stride 1 pad same"));
        assert!(fires("conv 8 2x2 pad same dilation 3"));
    }

    #[test]
    fn odd_windows_and_padding_that_is_written_out() {
        assert!(!fires("conv 8 3x5 pad same"));
        assert!(!fires("conv 8 4x4 pad (1, 2, 1, 2)"));
        assert!(!fires("conv 8 2x2 pad same dilation 2"));
        assert!(!fires("conv 8 2x2 stride 2 pad same"), "E0401's, if it shifts at all");
        assert!(!fires("conv 8 3x3 stride 2 pad same"), "E0401's");
    }
}
