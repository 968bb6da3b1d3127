//! How activations lie in memory, and the way in and out.
//!
//! Every activation is one matrix of rank 2, elements × batch: row `e` holds element `e` (C×H×W order) of every
//! image, image `n` in column `n`. One layout for maps and vectors means that
//! - flattening is nothing at all, and a linear layer is one product;
//! - a map is also (C, H·W·N) without moving a number, so a convolution is one product for the whole batch, batch norm
//!   sees a channel as one row, and groups of channels are blocks of rows;
//! - every window op is a choice of rows, the same for every image: index tables do not depend on the batch;
//! - every tensor is contiguous, always. dfdx's non-contiguous reshape, `concat`, `stack` and `to_dtype`, which on
//!   CUDA are compiled at run time against headers that may not be there, are never needed.
//!
//! dfdx's `slice` is not used either: in 0.13.0 its way back overwrites the gradient instead of adding to it. Its
//! convolution and pools (`conv2d`, `pool2d`) exist only for nightly Rust.

use super::device::{OnDevice, TensorDevice};
use crate::engine::EngineError;
use dfdx::prelude::{NoneTape, Shape, Tensor};

/// A matrix of run-time size.
pub(super) type Matrix<D, T = NoneTape> = Tensor<(usize, usize), f32, D, T>;

/// A number an image.
pub(super) type Line<D, T = NoneTape> = Tensor<(usize,), f32, D, T>;

/// A choice of rows.
pub(super) type Rows<D> = Tensor<(usize,), usize, D>;

/// Swaps images × elements for elements × images or, with the numbers exchanged, back.
pub(super) fn transposed(data: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    let mut out = vec![0.0; data.len()];
    if rows == 0 || columns == 0 {
        return out;
    }
    // In blocks of rows, so that the writes of a block stay in the cache.
    for (block, chunk) in data.chunks(columns * 16).enumerate() {
        for column in 0..columns {
            for (row, line) in chunk.chunks_exact(columns).enumerate() {
                out[column * rows + block * 16 + row] = line[column];
            }
        }
    }
    out
}

/// Puts numbers on the device.
pub(super) fn upload<D: TensorDevice>(
    device: &D,
    data: Vec<f32>,
    rows: usize,
    columns: usize,
) -> Result<Matrix<D>, D::Err> {
    device.try_tensor_from_vec(data, (rows, columns))
}

/// Puts row numbers on the device.
pub(super) fn upload_rows<D: TensorDevice>(device: &D, rows: Vec<usize>) -> Result<Rows<D>, D::Err> {
    let length = rows.len();
    device.try_tensor_from_vec(rows, (length,))
}

/// Brings numbers to the host. What failed on the device since the last time is an error here; dfdx's own way would
/// panic.
pub(super) fn fetch<D: TensorDevice, S: Shape>(tensor: &Tensor<S, f32, D>) -> Result<Vec<f32>, EngineError> {
    tensor.device().try_synchronize().on::<D>()?;
    Ok(tensor.as_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transposing_twice_changes_nothing() {
        let data: Vec<f32> = (0..35 * 18).map(|i| i as f32).collect();
        let turned = transposed(&data, 35, 18);
        assert_eq!(turned[0..3], [0.0, 18.0, 36.0]);
        assert_eq!(turned[35], 1.0);
        assert_eq!(transposed(&turned, 18, 35), data);
        assert!(transposed(&[], 0, 4).is_empty());
    }
}
