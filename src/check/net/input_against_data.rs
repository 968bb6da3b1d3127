//! E0404: the input does not fit the data set's images.
//!
//! ## What it does
//! Compares the net's `input` with the images of the data set that the recipe names.
//!
//! ## Why is this bad?
//! A net can only read images of the shape it was written for. The built-in `shapes` are drawn in whatever shape the
//! net asks for, as long as it has one or three channels.
//!
//! ## Example
//! ```net
//! net example { input 3x28x28; flatten; linear 10 }
//! ```
//! ```yaml
//! data: mnist        # its images are 1x28x28
//! ```
//!
//! ## Use instead
//! ```net
//! net example { input 1x28x28; flatten; linear 10 }
//! ```
//! ```yaml
//! data: mnist
//! ```

use super::Run;
use crate::check::{Check, Context};
use crate::diagnostic::{Code, Diagnostic};
use crate::graph::dims::Shape;

/// This check.
pub const CHECK: Check<Run> =
    Check { code: Code::InputAgainstData, file: include_str!("input_against_data.rs"), run: Run::Shapes(check) };

fn check(context: &Context<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let graph = &context.shaped.graph;
    let Some(node) = graph.graph.node_weight(graph.input) else { return };
    let input = context.shaped.shape(graph.input);
    let Some(target) = context.target else { return };
    let fits = match (target.image, input) {
        (Some(image), _) => image == input,
        (None, Shape::Map { channels: 1 | 3, .. }) => true,
        (None, _) => false,
    };
    if fits {
        return;
    }
    let images = match target.image {
        Some(image) => format!("images of {image}"),
        None => "images of one or three channels".to_string(),
    };
    let diagnostic =
        Diagnostic::new(Code::InputAgainstData, format!("the net reads {input}, but {} has {images}", target.name))
            .at(node.attribute("shape"), format!("{} has {images}", target.name));
    diagnostics.push(match target.image {
        Some(image) => diagnostic.help(format!("write `input {image}`, or choose another data set with `--data`")),
        None => diagnostic.help("write for example `input 3x32x32`"),
    });
}
