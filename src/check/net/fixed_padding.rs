//! E0401: padding at a stride above 1 must be explicit and symmetric.
//!
//! ## What it does
//! Refuses `pad same`, and four-number padding that differs from side to side, on a convolution or pool whose stride
//! is above 1.
//!
//! ## Why is this bad?
//! SAME means ⌈n / stride⌉ outputs and puts an odd pixel of padding below and to the right. A 3x3 window at stride 2 on
//! 32 pixels gets padding (0, 1): its windows are centred on pixels 1, 3, 5, …. With padding 1 on every side they are
//! centred on 0, 2, 4, …, where a 1x1 or subsampling shortcut samples too. Both give 16x16, so nothing crashes; the
//! residual branch and its shortcut are one pixel apart, and weights trained with one do not fit the other. At stride 1
//! and an odd window the two are the same.
//!
//! ## Example
//! ```layers
//! conv 32 3x3 stride 2 pad same
//! ```
//!
//! ## Use instead
//! ```layers
//! conv 32 3x3 stride 2 pad 1
//! ```
//!
//! ## Reference
//! TensorFlow `kernel_shape_util.cc` (the SAME rule); `conv2d_fixed_padding` in TensorFlow's official ResNet;
//! pytorch/pytorch#67551 (PyTorch refuses `padding='same'` with a stride for the same reason).

use super::Run;
use crate::check::{Check, Context};
use crate::diagnostic::{Code, Diagnostic, Fix};
use crate::graph::dims::Padding;
use crate::graph::layer::{Pad, Window};
use crate::graph::layer_graph::Node;
use crate::source::SourceMap;

/// This check.
pub const CHECK: Check<Run> =
    Check { code: Code::FixedPadding, file: include_str!("fixed_padding.rs"), run: Run::Layers(check) };

fn check(context: &Context<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let graph = &context.shaped.graph;
    for index in graph.graph.node_indices() {
        let Some(node) = graph.graph.node_weight(index) else { continue };
        let Some(window) = node.layer.window() else { continue };
        let padding = context.shaped.known_padding(index);
        if window.stride.longest() == 1 || (window.pad != Pad::Same && padding.is_some_and(Padding::is_symmetric)) {
            continue;
        }
        let diagnostic = message(node, window, padding).fix(fix(node, window, context.sources));
        diagnostics.push(graph.with_chain(diagnostic, node.origin, context.sources));
    }
}

fn message(node: &Node, window: &Window, padding: Option<Padding>) -> Diagnostic {
    let word = node.layer.word();
    let message = match window.pad {
        Pad::Same => format!("`pad same` at stride {} is not fixed padding", stride(window)),
        Pad::Explicit(_) => format!("this padding is not symmetric, at stride {}", stride(window)),
    };
    let mut diagnostic = Diagnostic::new(Code::FixedPadding, message).at(node.attribute("pad"), said(window, padding));
    if let Some(span) = node.given("stride") {
        diagnostic = diagnostic.context(span, "more than one pixel at a step");
    }
    let Some(symmetric) = symmetric(window) else {
        return diagnostic.help("write the padding as a number, the same on opposite sides");
    };
    let shift = padding.map_or((0, 0), |padding| {
        (symmetric.top as isize - padding.top as isize, symmetric.left as isize - padding.left as isize)
    });
    if shift != (0, 0) {
        diagnostic = diagnostic.note(format!(
            "with `pad {symmetric}` the windows begin {} earlier; a shortcut that samples pixels 0, {}, {}, … lines up \
             with those, not with these",
            pixels(shift),
            window.stride.longest(),
            2 * window.stride.longest(),
        ));
    }
    diagnostic.help(format!("write `{word} … stride {} pad {symmetric}`", stride(window)))
}

/// The same number of outputs, one pixel on. For a window that a parameter decides on there is no number to write, and
/// numbers that somebody wrote are not ours to correct unasked.
fn fix(node: &Node, window: &Window, sources: &SourceMap) -> Option<Fix> {
    let symmetric = symmetric(window)?;
    let literal = |name: &str| node.given(name).is_none_or(|span| !names_something(sources.snippet(span), name));
    if !literal("kernel") || !literal("dilation") {
        return None;
    }
    let span = node.given("pad").filter(|span| sources.snippet(*span).starts_with("pad"))?;
    let key = if sources.snippet(span).contains(':') { "pad:" } else { "pad" };
    let fix = Fix::replace(format!("write `{key} {symmetric}`"), span, format!("{key} {symmetric}"));
    Some(if window.pad == Pad::Same { fix } else { fix.unsafely() })
}

/// Whether a value, behind the name of its attribute, has a word in it.
fn names_something(text: &str, attribute: &str) -> bool {
    let value = text.strip_prefix(attribute).unwrap_or(text);
    value.bytes().any(|byte| byte.is_ascii_alphabetic() && byte != b'x')
}

fn said(window: &Window, padding: Option<Padding>) -> String {
    let Some(padding) = padding else { return "an odd pixel goes below and to the right".to_string() };
    let Padding { top, bottom, left, right } = padding;
    match window.pad {
        Pad::Same => format!("here this pads {top} above and {bottom} below, {left} left and {right} right"),
        Pad::Explicit(_) => format!("{top} above but {bottom} below, {left} left but {right} right"),
    }
}

fn stride(window: &Window) -> String {
    let stride = window.stride;
    if stride.height == stride.width { stride.height.to_string() } else { stride.to_string() }
}

fn pixels((rows, columns): (isize, isize)) -> String {
    match (rows, columns) {
        (rows, columns) if rows == columns => format!("{rows} pixel{} up and left", if rows == 1 { "" } else { "s" }),
        (rows, columns) => format!("{rows} rows and {columns} columns"),
    }
}

/// The padding that centres an odd window on the pixels that a stride samples.
fn symmetric(window: &Window) -> Option<Padding> {
    let half = |kernel: usize, dilation: usize| (kernel % 2 == 1).then_some((kernel - 1) * dilation / 2);
    let rows = half(window.kernel.height, window.dilation.height)?;
    let columns = half(window.kernel.width, window.dilation.width)?;
    Some(Padding { top: rows, bottom: rows, left: columns, right: columns })
}

#[cfg(test)]
mod tests {
    use crate::check::testing::{codes, fixed};

    fn fires(layer: &str) -> bool {
        codes(&format!("input 3x32x32\n{layer}\nglobal_avg_pool\nlinear 10")).contains(&"E0401")
    }

    #[test]
    fn same_and_lopsided_padding_at_a_stride() {
        assert!(fires("conv 8 3x3 stride 2 pad same"));
        assert!(fires("conv 8 1x1 stride 2 pad same"));
        // On both axes, on the rows alone, on the columns alone.
        assert!(fires("conv 8 3x3 stride 2 pad (0, 1, 0, 1)"));
        assert!(fires("conv 8 3x3 stride 2 pad (0, 1, 1, 1)"));
        assert!(fires("conv 8 3x3 stride 2 pad (1, 1, 0, 1)"));
        assert!(fires("conv 8 3x3 stride 1x2 pad same"));
        assert!(fires("conv 8 3x3 pad 1; max_pool 3x3 stride 2 pad same"));
    }

    #[test]
    fn same_becomes_a_number() {
        for (before, after) in [
            ("conv 8 3x3 stride 2 pad same bias", "conv 8 3x3 stride 2 pad 1 bias"),
            ("conv(8, 5x5, pad: same, stride: 2)", "conv(8, 5x5, pad: 2, stride: 2)"),
            ("conv 8 3x3 pad same dilation 2 stride 2", "conv 8 3x3 pad 2 dilation 2 stride 2"),
            ("conv 8 3x1 stride 2 pad same", "conv 8 3x1 stride 2 pad (1, 1, 0, 0)"),
        ] {
            let net = |layer: &str| format!("net x {{ input 3x9x9; {layer}; flatten; linear 10 }}");
            assert_eq!(fixed(&net(before)), (net(after), vec![]), "{before}");
        }
        // An even window has no middle, and a parameter no one number.
        for layers in ["conv 8 2x2 stride 2 pad same", "a(3x3); a(5x5)", "conv 8 3x3 stride 2 pad (0, 1, 0, 1)"] {
            let block = "block a(k: size) { conv 8 k stride 2 pad same }";
            let net = format!("net x {{ input 3x9x9; {layers}; flatten; linear 10 }}\n{block}");
            assert_eq!(fixed(&net).0, net);
        }
    }

    #[test]
    fn it_is_reported_beside_a_shape_that_does_not_fit() {
        let both =
            codes("input 3x32x32; residual { conv 8 3x3 stride 2 pad same }; conv 8 3x3 stride 2 pad same; linear 10");
        assert_eq!(both, ["E0203", "E0401", "E0401"]);
    }

    #[test]
    fn fixed_padding_passes() {
        assert!(!fires("conv 8 3x3 stride 2 pad 1"));
        assert!(!fires("conv 8 3x5 stride 2 pad (1, 1, 2, 2)"));
        assert!(!fires("conv 8 3x3 pad same"));
        assert!(!fires("conv 8 2x2 pad same"));
        assert!(!fires("conv 8 3x3 pad (0, 1, 0, 1)"));
    }
}
