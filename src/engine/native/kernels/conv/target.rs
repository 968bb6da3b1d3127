//! Where a kernel's results go, and what happens to them on the way.
#![allow(unsafe_code)]

use super::Epilogue;
use crate::engine::native::kernels::LANES;
use crate::engine::native::kernels::simd::{Simd, prefetch};
use std::ops::Range;

/// Output planes of some channels with the epilogue, as the kernels see them. Positions are in vectors within a plane.
#[derive(Clone, Copy)]
pub(super) struct Target<'a> {
    output: *mut f32,
    plane: usize,
    first: usize,
    end: usize,
    bias: Option<&'a [f32]>,
    /// A map like the output; the output itself when results are added to it.
    residual: Option<*const f32>,
    relu: bool,
    statistics: Option<*mut f32>,
}

impl<'a> Target<'a> {
    /// Planes of `plane` vectors for `channels`; lengths have been checked by [`super::Conv`], and are again.
    pub fn new(output: &'a mut [f32], plane: usize, channels: Range<usize>, epilogue: Epilogue<'a>) -> Self {
        assert_eq!(output.len(), channels.len() * plane * LANES);
        assert!(epilogue.bias.is_none_or(|bias| bias.len() >= channels.end));
        assert!(epilogue.residual.is_none_or(|residual| residual.len() == output.len()));
        let statistics = epilogue.statistics.map(|statistics| {
            assert_eq!(statistics.len(), channels.len() * 2 * LANES);
            statistics.fill(0.0);
            statistics.as_mut_ptr()
        });
        Target {
            output: output.as_mut_ptr(),
            plane,
            first: channels.start,
            end: channels.end,
            bias: epilogue.bias,
            residual: epilogue.residual.map(<[f32]>::as_ptr),
            relu: epilogue.relu,
            statistics,
        }
    }

    /// Planes that results are added to.
    pub fn accumulating(output: &'a mut [f32], plane: usize, channels: Range<usize>) -> Self {
        let mut target = Target::new(output, plane, channels, Epilogue::default());
        target.residual = Some(target.output);
        target
    }

    /// The channels wanted.
    pub fn channels(&self) -> Range<usize> {
        self.first..self.end
    }

    /// Whether a channel is wanted: register tiles may stick out of a range.
    #[inline(always)]
    pub fn wants(&self, channel: usize) -> bool {
        (self.first..self.end).contains(&channel)
    }

    /// Stores results of a wanted channel at `position`, `position + step`, …
    ///
    /// # Safety
    /// The channel is wanted, and all positions are inside the plane.
    #[inline(always)]
    pub unsafe fn store<S: Simd, const C: usize>(
        &self,
        simd: S,
        channel: usize,
        position: usize,
        step: usize,
        vectors: [S::Vector; C],
    ) {
        let bias = simd.splat(self.bias.map_or(0.0, |bias| bias[channel]));
        let at = ((channel - self.first) * self.plane + position) * LANES;
        let (mut sums, mut squares) = (simd.zero(), simd.zero());
        for (c, vector) in vectors.into_iter().enumerate() {
            let at = at + c * step * LANES;
            let mut y = simd.add(vector, bias);
            // SAFETY: the position is inside the plane of a wanted channel, and `residual` is as long as `output`.
            unsafe {
                if let Some(residual) = self.residual {
                    y = simd.add(y, simd.load(residual.add(at)));
                }
                if self.relu {
                    // In this order NaN stays NaN: a run that diverges has to show it.
                    y = simd.max(simd.zero(), y);
                }
                simd.store(self.output.add(at), y);
            }
            if self.statistics.is_some() {
                sums = simd.add(sums, y);
                squares = simd.mul_add(y, y, squares);
            }
        }
        if let Some(statistics) = self.statistics {
            // SAFETY: `statistics` holds two vectors for each wanted channel.
            unsafe {
                let at = statistics.add((channel - self.first) * 2 * LANES);
                simd.store(at, simd.add(simd.load(at), sums));
                let at = at.add(LANES);
                simd.store(at, simd.add(simd.load(at), squares));
            }
        }
    }

    /// Stores an M×M tile of results of a wanted channel, its corner at `position`, rows `width` positions apart.
    ///
    /// # Safety
    /// The channel is wanted, and the tile is inside the plane.
    #[inline(always)]
    pub unsafe fn store_tile<S: Simd, const M: usize>(
        &self,
        simd: S,
        channel: usize,
        position: usize,
        width: usize,
        mut tile: [[S::Vector; M]; M],
    ) {
        let at = ((channel - self.first) * self.plane + position) * LANES;
        if let Some(bias) = self.bias {
            let bias = simd.splat(bias[channel]);
            for row in &mut tile {
                for y in row {
                    *y = simd.add(*y, bias);
                }
            }
        }
        // SAFETY: the tile is inside the plane of a wanted channel, `residual` is as long as `output`, and `statistics`
        // holds two vectors for each wanted channel.
        unsafe {
            if let Some(residual) = self.residual {
                for (i, row) in tile.iter_mut().enumerate() {
                    for (j, y) in row.iter_mut().enumerate() {
                        *y = simd.add(*y, simd.load(residual.add(at + (i * width + j) * LANES)));
                    }
                }
            }
            if self.relu {
                for row in &mut tile {
                    for y in row {
                        *y = simd.max(*y, simd.zero());
                    }
                }
            }
            for (i, row) in tile.iter().enumerate() {
                for (j, &y) in row.iter().enumerate() {
                    simd.store(self.output.add(at + (i * width + j) * LANES), y);
                }
            }
            if let Some(statistics) = self.statistics {
                let at = statistics.add((channel - self.first) * 2 * LANES);
                let (mut sums, mut squares) = (simd.load(at), simd.load(at.add(LANES)));
                for row in tile {
                    for y in row {
                        sums = simd.add(sums, y);
                        squares = simd.mul_add(y, y, squares);
                    }
                }
                simd.store(at, sums);
                simd.store(at.add(LANES), squares);
            }
        }
    }

    /// Asks for the M×M tile of a wanted channel that [`Target::store_tile`] will read, if it will read any.
    #[inline(always)]
    pub fn prefetch_tile<const M: usize>(&self, channel: usize, position: usize, width: usize) {
        if let Some(residual) = self.residual {
            let at = ((channel - self.first) * self.plane + position) * LANES;
            for i in 0..M {
                for j in 0..M {
                    prefetch(residual.wrapping_add(at + (i * width + j) * LANES));
                }
            }
        }
    }
}
