//! Which input pixel each tap of each window reads. Padding, stride, dilation and windows over the edge end here:
//! to the rest of the engine they are data.

use crate::graph::dims::{Padding, Pair, Shape};

/// The windows of a convolution or pool.
#[derive(Debug, Clone, Copy)]
pub(super) struct Windows {
    /// Input shape.
    pub input: Shape,
    /// Output height × width.
    pub output: Pair,
    /// Size of the window.
    pub kernel: Pair,
    /// Step between windows.
    pub stride: Pair,
    /// Border.
    pub padding: Padding,
    /// Step between taps.
    pub dilation: Pair,
}

impl Windows {
    /// Number of taps in a window.
    pub fn taps(&self) -> usize {
        self.kernel.area()
    }

    /// Number of windows on a channel.
    pub fn windows(&self) -> usize {
        self.output.area()
    }

    /// The input row that a row of taps of a row of windows reads, or `None` in the padding and beyond.
    pub fn row(&self, window: usize, tap: usize) -> Option<usize> {
        let at = window * self.stride.height + tap * self.dilation.height;
        at.checked_sub(self.padding.top).filter(|&row| row < self.input.plane().height)
    }

    /// The same for columns.
    pub fn column(&self, window: usize, tap: usize) -> Option<usize> {
        let at = window * self.stride.width + tap * self.dilation.width;
        at.checked_sub(self.padding.left).filter(|&column| column < self.input.plane().width)
    }

    /// The pixel (row · width + column) that a tap of a window reads, or `None` in the padding and beyond.
    pub fn pixel(&self, window: usize, tap: usize) -> Option<usize> {
        let row = self.row(window / self.output.width, tap / self.kernel.width)?;
        let column = self.column(window % self.output.width, tap % self.kernel.width)?;
        Some(row * self.input.plane().width + column)
    }

    /// Whether some tap reads nothing.
    pub fn touches_padding(&self) -> bool {
        (0..self.windows()).any(|window| (0..self.taps()).any(|tap| self.pixel(window, tap).is_none()))
    }

    /// Whether every window is its own pixel: a 1×1 convolution with stride 1.
    pub fn is_identity(&self) -> bool {
        self.taps() == 1
            && self.windows() == self.input.plane().area()
            && (0..self.windows()).all(|window| self.pixel(window, 0) == Some(window))
    }

    /// Rows for a convolution, in the order channel, tap, window; what reads nothing gets `nothing`.
    pub fn patches(&self, nothing: usize) -> Vec<usize> {
        let area = self.input.plane().area();
        let mut rows = Vec::with_capacity(self.input.channels() * self.taps() * self.windows());
        for channel in 0..self.input.channels() {
            for tap in 0..self.taps() {
                rows.extend((0..self.windows()).map(|w| self.pixel(w, tap).map_or(nothing, |p| channel * area + p)));
            }
        }
        rows
    }

    /// Rows for a sum over taps, in the order tap, channel, window; what reads nothing gets `nothing`.
    pub fn taps_first(&self, nothing: usize) -> Vec<usize> {
        (0..self.taps()).flat_map(|tap| self.tap(tap, |_| Some(nothing)).unwrap_or_default()).collect()
    }

    /// Rows for a maximum, one list a tap, in the order channel, window. A tap that reads nothing repeats the first
    /// pixel its window does read, which changes neither the maximum nor which pixel has it first. `None` when a
    /// window reads nothing at all.
    pub fn maxima(&self) -> Option<Vec<Vec<usize>>> {
        let first: Vec<Option<usize>> =
            (0..self.windows()).map(|w| (0..self.taps()).find_map(|tap| self.pixel(w, tap))).collect();
        let area = self.input.plane().area();
        let repeat = |at: usize| {
            let (channel, window) = (at / self.windows(), at % self.windows());
            first.get(window).copied().flatten().map(|pixel| channel * area + pixel)
        };
        (0..self.taps()).map(|tap| self.tap(tap, repeat)).collect()
    }

    /// Rows of one tap, in the order channel, window; `otherwise` answers for output row `channel · windows + window`.
    fn tap(&self, tap: usize, otherwise: impl Fn(usize) -> Option<usize>) -> Option<Vec<usize>> {
        let (area, windows) = (self.input.plane().area(), self.windows());
        (0..self.input.channels() * windows)
            .map(|at| match self.pixel(at % windows, tap) {
                Some(pixel) => Some(at / windows * area + pixel),
                None => otherwise(at),
            })
            .collect()
    }

    /// For each window, how many of its taps lie in the image.
    pub fn inside(&self) -> Vec<usize> {
        let inside = |window| (0..self.taps()).filter(|&tap| self.pixel(window, tap).is_some()).count();
        (0..self.windows()).map(inside).collect()
    }

    /// For each window, how many of its taps lie in the image or its padding.
    pub fn inside_padded(&self) -> Vec<usize> {
        let plane = self.input.plane();
        let along = |out: usize, step: usize, kernel: usize, dilation: usize, padded: usize| {
            (0..kernel).filter(|tap| out * step + tap * dilation < padded).count()
        };
        let rows = |y| {
            let padded = self.padding.top + plane.height + self.padding.bottom;
            along(y, self.stride.height, self.kernel.height, self.dilation.height, padded)
        };
        let columns = |x| {
            let padded = self.padding.left + plane.width + self.padding.right;
            along(x, self.stride.width, self.kernel.width, self.dilation.width, padded)
        };
        (0..self.windows()).map(|w| rows(w / self.output.width) * columns(w % self.output.width)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A 1×5 image, windows of 3 at stride 2, one column of padding on the left, two on the right.
    fn windows(padding: Padding, outputs: usize) -> Windows {
        Windows {
            input: Shape::map(2, 1, 5),
            output: Pair::new(1, outputs),
            kernel: Pair::new(1, 3),
            stride: Pair::new(1, 2),
            padding,
            dilation: Pair::square(1),
        }
    }

    #[test]
    fn padding_reads_nothing() {
        let windows = windows(Padding { left: 1, right: 2, ..Padding::default() }, 3);
        let first_channel = [99, 1, 3, 0, 2, 4, 1, 3, 99];
        assert_eq!(windows.patches(99)[..9], first_channel);
        assert_eq!(windows.patches(99)[9..], first_channel.map(|row| if row == 99 { 99 } else { row + 5 }));
        assert_eq!(windows.inside(), [2, 3, 2]);
        assert_eq!(windows.inside_padded(), [3, 3, 3]);
        assert!(windows.touches_padding());
    }

    #[test]
    fn a_window_over_the_edge_counts_what_is_there() {
        let windows = windows(Padding { left: 1, right: 1, ..Padding::default() }, 4);
        assert_eq!(windows.inside(), [2, 3, 2, 0]);
        assert_eq!(windows.inside_padded(), [3, 3, 3, 1]);
        assert_eq!(windows.maxima(), None);
    }

    #[test]
    fn a_maximum_repeats_the_first_pixel_it_reads() {
        let windows = windows(Padding { left: 1, right: 1, ..Padding::default() }, 3);
        let maxima = windows.maxima().unwrap();
        assert_eq!(maxima[0], [0, 1, 3, 5, 6, 8]);
        assert_eq!(maxima[1], [0, 2, 4, 5, 7, 9]);
        assert_eq!(maxima[2], [1, 3, 3, 6, 8, 8]);
    }

    #[test]
    fn one_by_one_is_the_identity() {
        let one = Windows {
            input: Shape::map(3, 4, 5),
            output: Pair::new(4, 5),
            kernel: Pair::square(1),
            stride: Pair::square(1),
            padding: Padding::default(),
            dilation: Pair::square(1),
        };
        assert!(one.is_identity() && !one.touches_padding());
        assert!(!Windows { stride: Pair::square(2), output: Pair::new(2, 3), ..one }.is_identity());
    }
}
