//! N019: windows step over pixels that none of them reads.
//!
//! ## What it does
//! Warns of a `conv` or pool whose stride is larger than its window. A direction in which the window is one pixel wide is
//! not told: the 1x1 shortcut of a residual block takes every second pixel on purpose, as `subsample` does.
//!
//! ## Why is this bad?
//! Pixels between the windows reach nothing behind them: what the layers before made of them was worked out for nothing
//! and never gets a gradient. A window of 2x2 at stride 3 throws away 5 pixels of 9. Most often stride and window were
//! changed one without the other.
//!
//! ## Example
//! ```layers
//! conv 16 3x3 pad 1; relu; max_pool 2x2 stride 3
//! ```
//!
//! ## Use instead
//! ```layers
//! conv 16 3x3 pad 1; relu; max_pool 2x2 stride 2
//! ```
//!
//! ## Reference
//! He et al. 2019, "Bag of tricks for image classification with convolutional neural networks", section 4.1: a window
//! smaller than its stride ignores a part of the map it reads, and to mend it raises the accuracy of ResNet-50.

use super::Run;
use crate::check::{Check, Context};
use crate::diagnostic::{Code, Diagnostic};
use crate::graph::shape::reach;

/// This check.
pub const CHECK: Check<Run> =
    Check { code: Code::UnreadPixels, file: include_str!("unread_pixels.rs"), run: Run::Shapes(check) };

fn check(context: &Context<'_>, diagnostics: &mut Vec<Diagnostic>) {
    context.report_layers(diagnostics, |index, node| {
        let window = node.layer.window()?;
        let plane = context.shaped.shape(index).plane();
        // Of the pixels from one window to the next, those that it reads and all; one output has no next.
        let axis = |taps: usize, dilation: usize, stride: usize, outputs: usize| {
            if taps > 1 && outputs > 1 && stride > reach(taps, dilation) { (taps, stride) } else { (1, 1) }
        };
        let (kernel, dilation, stride) = (window.kernel, window.dilation, window.stride);
        let (read_rows, rows) = axis(kernel.height, dilation.height, stride.height, plane.height);
        let (read_columns, columns) = axis(kernel.width, dilation.width, stride.width, plane.width);
        let (read, all) = (read_rows.saturating_mul(read_columns), rows.saturating_mul(columns));
        if read == all {
            return None;
        }
        let message = format!("the windows of this `{}` step over pixels that none of them reads", node.layer.word());
        let label = format!("{} of every {all} pixels are not read", all - read);
        let mut diagnostic = Diagnostic::new(Code::UnreadPixels, message).at(node.attribute("stride"), label);
        if let Some(span) = node.given("kernel").filter(|_| node.given("stride").is_some()) {
            diagnostic = diagnostic.context(span, "smaller than the step");
        }
        let diagnostic = diagnostic.help("take a stride no larger than the window, or a larger window");
        Some(diagnostic)
    });
}

#[cfg(test)]
mod tests {
    use crate::check::testing::codes;

    fn fires(layers: &str) -> bool {
        codes(&format!("input 3x32x32; {layers}; flatten; linear 10")).contains(&"N019")
    }

    #[test]
    fn a_stride_beyond_the_window() {
        assert!(fires("conv 8 3x3 stride 4"));
        assert!(fires("max_pool 2x2 stride 3"));
        assert!(fires("conv 8 1x3 stride 4"));
        assert!(fires("avg_pool 2x2 stride 2x3"));
    }

    #[test]
    fn windows_that_touch_and_those_of_shortcuts() {
        assert!(!fires("conv 8 2x2 stride 2"));
        assert!(!fires("conv 8 1x1 stride 2"));
        assert!(!fires("max_pool 1x1 stride 2"));
        assert!(!fires("conv 8 1x3 stride 2 pad (0, 0, 1, 1)"));
        assert!(!fires("conv 8 2x2 stride 3 dilation 2"));
        assert!(!fires("conv 8 30x30 stride 31"), "one window");
    }
}
