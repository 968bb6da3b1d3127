//! Where a layer came from: its statement, and the block calls and repeats round it.

use crate::source::{SourceMap, Span};

/// Index of a [`Frame`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FrameId(pub usize);

/// One block call or one pass of a `repeat`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// The call or repeat.
    pub kind: FrameKind,
    /// Where it stands.
    pub span: Span,
    /// What is round it.
    pub parent: Option<FrameId>,
}

/// What a frame is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FrameKind {
    /// A block with its arguments, such as `basic(width: 32, stride: 2)`.
    Block(String),
    /// The `pass`-th of `of` passes, from 1.
    Repeat {
        /// From 1.
        pass: usize,
        /// How many there are.
        of: usize,
    },
}

/// Where a layer came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin {
    /// The statement.
    pub span: Span,
    /// The innermost frame.
    pub frame: Option<FrameId>,
}

/// All frames of one expansion.
#[derive(Debug, Clone, Default)]
pub struct Frames(Vec<Frame>);

impl Frames {
    /// Adds a frame.
    pub fn push(&mut self, frame: Frame) -> FrameId {
        self.0.push(frame);
        FrameId(self.0.len() - 1)
    }

    /// The frame of an id.
    pub fn get(&self, id: FrameId) -> Option<&Frame> {
        self.0.get(id.0)
    }

    /// A frame and what is round it, outermost first.
    pub fn chain(&self, frame: Option<FrameId>) -> Vec<(FrameId, &Frame)> {
        let next = |(_, frame): &(FrameId, &Frame)| frame.parent.and_then(|id| Some((id, self.get(id)?)));
        let first = frame.and_then(|id| Some((id, self.get(id)?)));
        let mut chain: Vec<_> = std::iter::successors(first, next).collect();
        chain.reverse();
        chain
    }

    /// The chain in words, as a message shows it, innermost first; `None` at the top of a net.
    /// A repeat is named with the call it goes round.
    pub fn describe(&self, frame: Option<FrameId>, sources: &SourceMap) -> Option<String> {
        let mut lines: Vec<String> = Vec::new();
        let mut next = frame;
        while let Some(frame) = next.and_then(|id| self.0.get(id.0)) {
            match &frame.kind {
                FrameKind::Block(call) => {
                    lines.push(format!("in block `{call}`, called at {}", sources.location(frame.span)));
                }
                FrameKind::Repeat { pass, of } => match lines.last_mut() {
                    Some(line) => line.push_str(&format!(", repeat {pass} of {of}")),
                    None => lines.push(format!("in repeat {pass} of {of} at {}", sources.location(frame.span))),
                },
            }
            next = frame.parent;
        }
        // A long chain says most at its ends.
        if lines.len() > 8 {
            let left_out = lines.len() - 6;
            lines.splice(4..lines.len() - 2, [format!("… {left_out} more …")]);
        }
        (!lines.is_empty()).then(|| lines.join("\n"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_chain_is_shown_by_its_ends() {
        let mut frames = Frames::default();
        let mut parent = None;
        for call in 0..9 {
            parent =
                Some(frames.push(Frame { kind: FrameKind::Block(format!("b{call}")), span: Span::default(), parent }));
            let shown = frames.describe(parent, &SourceMap::default()).unwrap_or_default();
            let expected = if call < 8 { call + 1 } else { 7 };
            assert_eq!(shown.lines().count(), expected, "{shown}");
        }
        let shown = frames.describe(parent, &SourceMap::default()).unwrap_or_default();
        let blocks: Vec<&str> = shown.lines().filter_map(|line| line.split('`').nth(1)).collect();
        assert_eq!(blocks, ["b8", "b7", "b6", "b5", "b1", "b0"]);
        assert!(shown.contains("… 3 more …"), "{shown}");
    }
}
