//! The compute kernels of the native engine.
//!
//! # Layout: batch innermost
//! Images are worked on in blocks of [`LANES`]. One block of a map is `[C][H][W][LANES]`, of a vector `[F][LANES]`; a
//! batch is `[blocks][C][H][W][LANES]`. Every vector instruction then does the same thing to 16 images: any channel
//! count, stride, dilation, padding and group is plain addressing, and nothing is ever shuffled between lanes except
//! where a weight gradient sums over the batch. The last block of a batch that is not a multiple of 16 has unused lanes;
//! they hold finite numbers in activations (zero in the images) and must be **zero in gradients** that reach a weight
//! or bias gradient.
//!
//! # Threads
//! Kernels are pure functions over slices; the caller owns the threads. What a kernel computes for one element never
//! depends on how the work is split, except that weight gradients sum over the blocks they are given: a caller that
//! wants the same bits for any number of threads gives them the same runs of blocks and sums the partial results in a
//! fixed order.
//!
//! # Alignment
//! All kernels take any `&[f32]`, and are fast when the slice starts at a multiple of 64 bytes: see [`buffer::Buffer`].

pub mod buffer;
pub mod conv;
pub mod huge_pages;
pub mod isa;
pub mod layout;
pub mod linear;
pub mod loss;
pub mod lrn;
mod multiversion;
pub mod norm;
pub mod peak;
pub mod pointwise;
pub mod pool;
pub mod shape;
pub mod simd;
#[cfg(test)]
mod testing;
mod tile;
pub mod update;

/// Images in a block: the lanes of one AVX-512 register of `f32`.
pub const LANES: usize = 16;

/// Blocks that hold `images`.
pub const fn blocks(images: usize) -> usize {
    images.div_ceil(LANES)
}
