//! Convolution as register-tiled sums over channels and taps; also the transposed convolution of the data gradient,
//! which is one plain correlation for each remainder of the output position by the stride.
#![allow(unsafe_code)]

use super::ConvShape;
use super::target::Target;
use crate::engine::native::kernels::LANES;
use crate::engine::native::kernels::isa::Isa;
use crate::engine::native::kernels::simd::{self, Simd, Task};
use crate::engine::native::kernels::tile::{accumulate, columns, even_runs, with_tile};
use crate::graph::dims::Pair;
use std::ops::Range;

/// Numbers that a band of source rows may take: it is read once for every tile of output channels, so it should stay in
/// the L2 cache.
const BAND: usize = 100_000;

/// One axis of a phase: how target positions map to source positions.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Axis {
    /// First target position, and how many there are, `target_step` apart.
    start: usize,
    count: usize,
    /// (tap, offset): target number j reads source j·`source_step` + offset.
    taps: Vec<(usize, isize)>,
}

/// All positions of the targets along one axis.
struct Positions {
    /// One for each remainder by `target_step`.
    axes: Vec<Axis>,
    /// How far what one target reads is from what the next one reads.
    source_step: usize,
    /// How far one target is from the next one of the same remainder.
    target_step: usize,
}

/// One group's planes on one side of the correlation.
struct Side {
    channels: usize,
    plane: Pair,
}

/// Target positions that share their taps: all of them going forward, those with one remainder by the stride going back.
#[derive(Debug, Clone)]
struct Phase {
    start: Pair,
    count: Pair,
    /// (index in the filter, vertical offset, horizontal offset)
    taps: Vec<(usize, isize, isize)>,
    /// Where each tap is in the band (or the source, in place), from the first one that any phase reads.
    offsets: Vec<usize>,
    /// Taps of the phases before.
    taps_before: usize,
}

/// A correlation of `source` planes into `target` planes, a group at a time.
#[derive(Debug, Clone)]
pub(super) struct Direct {
    isa: Isa,
    groups: usize,
    /// Source and target channels of one group.
    sources: usize,
    targets: usize,
    source: Pair,
    target: Pair,
    source_step: Pair,
    target_step: Pair,
    phases: Vec<Phase>,
    /// (start, length) of the register tiles of a group's target channels.
    tiles: Vec<(usize, usize)>,
    /// Top left corner of what is read, relative to the source.
    origin: (isize, isize),
    /// Last offset less the first, vertically and horizontally.
    reach: Pair,
    /// Largest count of any phase.
    count: Pair,
    /// Target rows, in units of the step, that are worked on at once.
    band: usize,
    /// Nothing outside the source is ever read, so it need not be copied into a border of zeros.
    in_place: bool,
}

fn forward_axis(output: usize, kernel: usize, stride: usize, dilation: usize, before: usize) -> Positions {
    let taps = (0..kernel).map(|k| (k, (k * dilation) as isize - before as isize)).collect();
    Positions { axes: vec![Axis { start: 0, count: output, taps }], source_step: stride, target_step: 1 }
}

/// dx at position i sums dy at (i + before − k·dilation) / stride over the taps k that make that whole.
fn backward_axis(input: usize, kernel: usize, stride: usize, dilation: usize, before: usize) -> Positions {
    let phase = |start: usize| {
        let position = |k: usize| (start + before) as isize - (k * dilation) as isize;
        let taps = (0..kernel).filter(|&k| position(k).rem_euclid(stride as isize) == 0);
        let taps = taps.map(|k| (k, position(k).div_euclid(stride as isize))).collect();
        Axis { start, count: (input - start).div_ceil(stride), taps }
    };
    Positions { axes: (0..stride.min(input)).map(phase).collect(), source_step: 1, target_step: stride }
}

impl Direct {
    /// y = conv(x, w).
    pub fn forward(s: &ConvShape, isa: Isa) -> Self {
        let (output, padding) = (s.output(), s.padding);
        let rows = forward_axis(output.height, s.kernel.height, s.stride.height, s.dilation.height, padding.top);
        let columns = forward_axis(output.width, s.kernel.width, s.stride.width, s.dilation.width, padding.left);
        let source = Side { channels: s.group_inputs(), plane: s.input };
        let target = Side { channels: s.group_outputs(), plane: output };
        Direct::new(isa, s, source, target, rows, columns)
    }

    /// dx = convᵀ(dy, w).
    pub fn backward(s: &ConvShape, isa: Isa) -> Self {
        let padding = s.padding;
        let rows = backward_axis(s.input.height, s.kernel.height, s.stride.height, s.dilation.height, padding.top);
        let columns = backward_axis(s.input.width, s.kernel.width, s.stride.width, s.dilation.width, padding.left);
        let source = Side { channels: s.group_outputs(), plane: s.output() };
        let target = Side { channels: s.group_inputs(), plane: s.input };
        Direct::new(isa, s, source, target, rows, columns)
    }

    fn new(isa: Isa, shape: &ConvShape, source: Side, target: Side, rows: Positions, columns: Positions) -> Self {
        let (row_step, column_step) = (rows.source_step, columns.source_step);
        let mut phases: Vec<Phase> = Vec::new();
        for (row, column) in rows.axes.iter().flat_map(|row| columns.axes.iter().map(move |column| (row, column))) {
            let taps = row
                .taps
                .iter()
                .flat_map(|&(ky, dy)| column.taps.iter().map(move |&(kx, dx)| (ky * shape.kernel.width + kx, dy, dx)));
            phases.push(Phase {
                start: Pair::new(row.start, column.start),
                count: Pair::new(row.count, column.count),
                taps: taps.collect(),
                offsets: Vec::new(),
                taps_before: phases.last().map_or(0, |last| last.taps_before + last.taps.len()),
            });
        }
        let extent = |axes: &[Axis]| {
            let offsets = || axes.iter().flat_map(|axis| axis.taps.iter().map(|tap| tap.1));
            let (first, last) = (offsets().min().unwrap_or(0), offsets().max().unwrap_or(0));
            (first, (last - first) as usize, axes.iter().map(|axis| axis.count).max().unwrap_or(0))
        };
        let (top, height, row_count) = extent(&rows.axes);
        let (left, reach_width, column_count) = extent(&columns.axes);
        let end =
            Pair::new((row_count - 1) * row_step + height + 1, (column_count - 1) * column_step + reach_width + 1);
        let in_place = top >= 0
            && left >= 0
            && top as usize + end.height <= source.plane.height
            && left as usize + end.width <= source.plane.width;
        let row = source.channels * end.width * LANES;
        let band = ((BAND / row).saturating_sub(height + 1) / row_step + 1).min(row_count);
        let width = if in_place { source.plane.width } else { end.width };
        for phase in &mut phases {
            let offset =
                |&(_, dy, dx): &(usize, isize, isize)| ((dy - top) as usize * width + (dx - left) as usize) * LANES;
            phase.offsets = phase.taps.iter().map(offset).collect();
        }
        Direct {
            isa,
            groups: shape.groups,
            sources: source.channels,
            targets: target.channels,
            source: source.plane,
            target: target.plane,
            source_step: Pair::new(row_step, column_step),
            target_step: Pair::new(rows.target_step, columns.target_step),
            phases,
            tiles: even_runs(target.channels, simd::rows(isa)),
            origin: (top, left),
            reach: Pair::new(height, reach_width),
            count: Pair::new(row_count, column_count),
            // Even bands, so that the last is not a sliver.
            band: row_count.div_ceil(row_count.div_ceil(band)),
            in_place,
        }
    }

    fn band_rows(&self, band: usize) -> usize {
        (band - 1) * self.source_step.height + self.reach.height + 1
    }

    fn band_columns(&self) -> usize {
        (self.count.width - 1) * self.source_step.width + self.reach.width + 1
    }

    /// Vectors from one channel of the band to the next: odd, so that channels do not fall into the same cache sets.
    fn band_channel(&self) -> usize {
        (self.band_rows(self.band) * self.band_columns()) | 1
    }

    /// Estimated cycles of a block, in multiply-adds of a vector.
    pub fn cost(&self) -> usize {
        let phase = |phase: &Phase| phase.count.area() * phase.taps.len();
        self.groups * self.sources * self.targets * self.phases.iter().map(phase).sum::<usize>()
    }

    /// Numbers of scratch.
    pub fn scratch_len(&self) -> usize {
        if self.in_place { 0 } else { self.sources * self.band_channel() * LANES }
    }

    fn filter(&self) -> usize {
        self.phases.iter().map(|phase| phase.taps.len()).sum()
    }

    /// Numbers in the packed weights.
    pub fn packed_len(&self) -> usize {
        self.groups * self.targets * self.sources * self.filter()
    }

    fn packed_start(&self, group: usize, phase: &Phase, tile: usize) -> usize {
        let (taps, targets) = (self.filter(), self.targets);
        ((group * targets * taps) + phase.taps_before * targets + tile * phase.taps.len()) * self.sources
    }

    /// Packs `weight(group, target channel, source channel, index in the filter)`.
    pub fn pack(&self, packed: &mut [f32], weight: impl Fn(usize, usize, usize, usize) -> f32) {
        for group in 0..self.groups {
            for phase in &self.phases {
                for &(tile, rows) in &self.tiles {
                    let mut packed = packed[self.packed_start(group, phase, tile)..].iter_mut();
                    for source in 0..self.sources {
                        for tap in &phase.taps {
                            for (row, packed) in (tile..tile + rows).zip(&mut packed) {
                                *packed = weight(group, row, source, tap.0);
                            }
                        }
                    }
                }
            }
        }
    }

    /// Adds to dw what one block contributes, for the filters of target channels `channels`; `self` is the forward
    /// correlation. `gradient` is the target's, all channels; its unused lanes are zero.
    pub fn weight_gradient(
        &self,
        source: &[f32],
        gradient: &[f32],
        channels: Range<usize>,
        weight_gradient: &mut [f32],
        scratch: &mut [f32],
    ) {
        assert_eq!(source.len(), self.groups * self.sources * self.source.area() * LANES);
        assert_eq!(gradient.len(), self.groups * self.targets * self.target.area() * LANES);
        assert_eq!(weight_gradient.len(), channels.len() * self.sources * self.filter());
        assert!(channels.end <= self.groups * self.targets && scratch.len() >= self.scratch_len());
        simd::run(self.isa, WeightGradient { direct: self, source, gradient, channels, weight_gradient, scratch });
    }

    /// Computes the target's channels from all source planes of a block.
    pub fn run(&self, packed: &[f32], source: &[f32], target: &Target<'_>, scratch: &mut [f32]) {
        assert_eq!(packed.len(), self.packed_len());
        assert_eq!(source.len(), self.groups * self.sources * self.source.area() * LANES);
        assert!(scratch.len() >= self.scratch_len());
        simd::run(self.isa, Run { direct: self, packed, source, target, scratch });
    }

    /// What target rows `rows` (in units of the step) read of a group's source planes: in place, or copied to scratch.
    fn band<'a>(&self, planes: &'a [f32], rows: Range<usize>, scratch: &'a mut [f32]) -> Band<'a> {
        let top = (rows.start * self.source_step.height) as isize + self.origin.0;
        if self.in_place {
            let corner = top as usize * self.source.width + self.origin.1 as usize;
            let channel_step = self.source.area() * LANES;
            return Band { x: &planes[corner * LANES..], row_step: self.source.width, channel_step };
        }
        self.copy_band(planes, top, self.band_rows(rows.len()), scratch);
        Band { x: scratch, row_step: self.band_columns(), channel_step: self.band_channel() * LANES }
    }

    /// Copies a band of a group's source planes into a border of zeros: `rows` rows from `top`, relative to the source.
    fn copy_band(&self, planes: &[f32], top: isize, rows: usize, band: &mut [f32]) {
        let (width, left) = (self.band_columns(), self.origin.1);
        let before = (-left).clamp(0, width as isize) as usize;
        let skipped = left.max(0) as usize;
        let copied = self.source.width.saturating_sub(skipped).min(width - before);
        let channels = planes.chunks_exact(self.source.area() * LANES);
        for (plane, channel) in channels.zip(band.chunks_mut(self.band_channel() * LANES)) {
            for (row, to) in channel.chunks_exact_mut(width * LANES).take(rows).enumerate() {
                let y = top + row as isize;
                if y < 0 || y as usize >= self.source.height {
                    to.fill(0.0);
                    continue;
                }
                let from = &plane[(y as usize * self.source.width + skipped) * LANES..][..copied * LANES];
                to[..before * LANES].fill(0.0);
                to[before * LANES..][..from.len()].copy_from_slice(from);
                to[(before + copied) * LANES..].fill(0.0);
            }
        }
    }
}

/// Source rows with whatever border they need; `x` starts at the first number that any tap reads.
struct Band<'a> {
    x: &'a [f32],
    /// Vectors from one row to the next.
    row_step: usize,
    /// Numbers from one channel to the next.
    channel_step: usize,
}

struct Run<'a> {
    direct: &'a Direct,
    packed: &'a [f32],
    source: &'a [f32],
    target: &'a Target<'a>,
    scratch: &'a mut [f32],
}

/// A row of register tiles: what stays the same along it.
struct Row<'a> {
    weights: *const f32,
    sources: usize,
    channel_step: usize,
    taps: &'a [usize],
    column_step: usize,
    target: &'a Target<'a>,
    target_step: usize,
    /// First target channel of the register tile.
    channel: usize,
}

impl Task for Run<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let d = self.direct;
        let plane = d.source.area() * LANES;
        for group in 0..d.groups {
            let wanted = self.target.channels();
            let (first, end) = (group * d.targets, (group + 1) * d.targets);
            if end <= wanted.start || wanted.end <= first {
                continue;
            }
            let planes = &self.source[group * d.sources * plane..][..d.sources * plane];
            for band in (0..d.count.height).step_by(d.band) {
                let band_end = (band + d.band).min(d.count.height);
                let Band { x, row_step, channel_step } = d.band(planes, band..band_end, self.scratch);
                for phase in &d.phases {
                    for &(tile, rows) in &d.tiles {
                        let channel = first + tile;
                        if channel + rows <= wanted.start || wanted.end <= channel {
                            continue;
                        }
                        let row = Row {
                            weights: self.packed[d.packed_start(group, phase, tile)..].as_ptr(),
                            sources: d.sources,
                            channel_step,
                            taps: &phase.offsets,
                            column_step: d.source_step.width * LANES,
                            target: self.target,
                            target_step: d.target_step.width,
                            channel,
                        };
                        for j in band..band_end.min(phase.count.height) {
                            let y = phase.start.height + j * d.target_step.height;
                            let position = y * d.target.width + phase.start.width;
                            let from = (j - band) * d.source_step.height * row_step * LANES;
                            let mut column = 0;
                            while column < phase.count.width {
                                let width = columns::<S>(phase.count.width - column);
                                let x = x[from + column * row.column_step..].as_ptr();
                                let position = position + column * row.target_step;
                                // SAFETY: by construction the band (or the source, in place) holds every tap of target
                                // positions column..column + width in row j, and these are inside the target plane.
                                unsafe { with_tile!(S, rows, width, tile_row(simd, &row, x, position)) };
                                column += width;
                            }
                        }
                    }
                }
            }
        }
    }
}

/// # Safety
/// What `row` describes is readable for C columns from `x`, and C target positions are inside the plane.
#[inline(always)]
unsafe fn tile_row<S: Simd, const R: usize, const C: usize>(simd: S, row: &Row<'_>, x: *const f32, position: usize) {
    // SAFETY: the caller's.
    unsafe {
        let sums =
            accumulate::<S, R, C>(simd, row.weights, x, row.sources, row.channel_step, row.taps, row.column_step);
        for (r, sums) in sums.into_iter().enumerate() {
            if row.target.wants(row.channel + r) {
                row.target.store(simd, row.channel + r, position, row.target_step, sums);
            }
        }
    }
}

/// Positions over which a tile of weight gradients is summed at a time: their output gradients, for one tile of output
/// channels, should stay in the L1 cache while all taps pass.
const POSITIONS: usize = 64;

struct WeightGradient<'a> {
    direct: &'a Direct,
    source: &'a [f32],
    gradient: &'a [f32],
    channels: Range<usize>,
    weight_gradient: &'a mut [f32],
    scratch: &'a mut [f32],
}

impl Task for WeightGradient<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let d = self.direct;
        let (plane, target_plane) = (d.source.area() * LANES, d.target.area() * LANES);
        let (Some(phase), filter) = (d.phases.first(), d.filter()) else { return };
        let row_chunk = (POSITIONS / d.target.width).max(1);
        for group in 0..d.groups {
            let first = group * d.targets;
            let wanted = self.channels.start.max(first)..self.channels.end.min(first + d.targets);
            if wanted.is_empty() {
                continue;
            }
            let planes = &self.source[group * d.sources * plane..][..d.sources * plane];
            for band in (0..d.count.height).step_by(d.band) {
                let band_end = (band + d.band).min(d.count.height);
                let Band { x, row_step, channel_step } = d.band(planes, band..band_end, self.scratch);
                for row in (band..band_end).step_by(row_chunk) {
                    let x = &x[(row - band) * d.source_step.height * row_step * LANES..];
                    let sums = Sums {
                        rows: row_chunk.min(band_end - row),
                        columns: d.target.width,
                        gradient_step: target_plane,
                        row_step: d.source_step.height * row_step * LANES,
                        column_step: d.source_step.width * LANES,
                    };
                    let mut channel = wanted.start;
                    while channel < wanted.end {
                        let height = S::ROWS.min(wanted.end - channel);
                        let dy = self.gradient[channel * target_plane + row * d.target.width * LANES..].as_ptr();
                        let dw = &mut self.weight_gradient[(channel - self.channels.start) * d.sources * filter..];
                        let mut weight = 0;
                        while weight < d.sources * filter {
                            let width = columns::<S>(d.sources * filter - weight);
                            let place = |i: usize| {
                                let weight = (weight + i).min(d.sources * filter - 1);
                                weight / filter * channel_step + phase.offsets[weight % filter]
                            };
                            let taps = [place(0), place(1), place(2), place(3)];
                            let dw = &mut dw[weight..];
                            // SAFETY: dy has `rows` rows of `height` channels, x every tap of them by construction of
                            // the band, and dw `height` filters of sources·filter weights.
                            unsafe {
                                let (x, dw, filter) = (x.as_ptr(), dw.as_mut_ptr(), d.sources * filter);
                                with_tile!(S, height, width, tile_weights(simd, &sums, dy, x, taps, dw, filter));
                            }
                            weight += width;
                        }
                        channel += height;
                    }
                }
            }
        }
    }
}

/// Positions to sum over, and how to step through them.
struct Sums {
    rows: usize,
    columns: usize,
    /// Numbers from one channel of dy to the next.
    gradient_step: usize,
    /// Numbers of x from one row to the next.
    row_step: usize,
    /// Numbers of x from one column to the next.
    column_step: usize,
}

/// `dw[r·filter + c]` += Σ over positions and lanes of `dy[r]`·x at tap c.
///
/// # Safety
/// What `sums` describes is readable for R channels from `dy` and at the first C `taps` from `x`; `dw` is writable.
#[inline(always)]
unsafe fn tile_weights<S: Simd, const R: usize, const C: usize>(
    simd: S,
    s: &Sums,
    dy: *const f32,
    x: *const f32,
    taps: [usize; 4],
    dw: *mut f32,
    filter: usize,
) {
    let mut sums = [[simd.zero(); C]; R];
    // SAFETY: the caller's.
    unsafe {
        for row in 0..s.rows {
            let mut at = dy.add(row * s.columns * LANES);
            let mut from: [*const f32; C] = std::array::from_fn(|c| x.add(row * s.row_step + taps[c]));
            for _ in 0..s.columns {
                let mut taps = [simd.zero(); C];
                for (tap, from) in taps.iter_mut().zip(&mut from) {
                    *tap = simd.load(*from);
                    *from = from.wrapping_add(s.column_step);
                }
                for (r, sums) in sums.iter_mut().enumerate() {
                    let gradient = simd.load(at.add(r * s.gradient_step));
                    for (sum, &tap) in sums.iter_mut().zip(&taps) {
                        *sum = simd.mul_add(gradient, tap, *sum);
                    }
                }
                at = at.wrapping_add(LANES);
            }
        }
        // A copy: an array that is indexed by a variable lives in memory, and would be stored at every step.
        let sums = std::hint::black_box(sums);
        let sums = sums.as_flattened();
        for first in (0..R * C).step_by(4) {
            let mut four = [simd.zero(); 4];
            for (four, &sum) in four.iter_mut().zip(&sums[first..]) {
                *four = sum;
            }
            for (i, sum) in (first..R * C).zip(simd.sums(four)) {
                *dw.add(i / C * filter + i % C) += sum;
            }
        }
    }
}
