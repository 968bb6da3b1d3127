//! Pictures of a network: blocks as frames, shapes on the edges, layers coloured by kind.
//!
//! `scene.rs` decides what is to be seen (passes that repeat are folded, deep blocks closed, element-wise layers stacked
//! under what they follow); `layout.rs` gives it places; `svg.rs`, `dot.rs` and `mermaid.rs` write it.

mod dot;
mod fold;
pub mod layout;
mod mermaid;
pub mod scene;
mod svg;
mod tree;

pub use layout::TooLarge;
pub use scene::{Scene, Seen};

/// What a picture is written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A picture for browsers and documents.
    Svg,
    /// Graphviz.
    Dot,
    /// Mermaid, which code hosts draw in Markdown.
    Mmd,
}

impl Format {
    /// All of them.
    pub const ALL: [Format; 3] = [Format::Svg, Format::Dot, Format::Mmd];

    /// Every format with the extension of its files.
    pub const EXTENSIONS: [(&'static str, Format); 5] = [
        ("svg", Format::Svg),
        ("dot", Format::Dot),
        ("gv", Format::Dot),
        ("mmd", Format::Mmd),
        ("mermaid", Format::Mmd),
    ];
}

/// Writes a scene.
///
/// # Errors
/// When it has too many boxes to lay out; only SVG needs a layout.
pub fn write(scene: &Scene, format: Format) -> Result<String, TooLarge> {
    match format {
        Format::Svg => layout::place(scene).map(|placed| svg::write(scene, &placed)),
        Format::Dot => Ok(dot::write(scene)),
        Format::Mmd => Ok(mermaid::write(scene)),
    }
}

#[cfg(test)]
mod tests;
