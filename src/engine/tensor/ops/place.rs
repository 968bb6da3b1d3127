//! Rows chosen, repeated, or blanked: the one mechanism behind zero padding, `pad_channels`, `subsample` and `concat`.

use crate::engine::tensor::device::{Recording, TensorDevice};
use crate::engine::tensor::value::{Matrix, Rows, upload, upload_rows};
use dfdx::prelude::*;

/// Where each output row comes from.
#[derive(Debug)]
pub(in crate::engine::tensor) struct Placement<D: TensorDevice> {
    rows: Rows<D>,
    /// 1 for a row that is copied and 0 for one that is blank (and reads row 0); `None` when none is blank.
    keep: Option<Matrix<D>>,
}

impl<D: TensorDevice> Placement<D> {
    /// From the source row of each output row; `None` is a row of zeros.
    pub fn new(device: &D, sources: &[Option<usize>]) -> Result<Self, D::Err> {
        let rows = upload_rows(device, sources.iter().map(|source| source.unwrap_or(0)).collect())?;
        let keep = if sources.iter().all(Option::is_some) {
            None
        } else {
            let keep = sources.iter().map(|source| f32::from(u8::from(source.is_some()))).collect();
            Some(upload(device, keep, sources.len(), 1)?)
        };
        Ok(Self { rows, keep })
    }

    /// All `rows` rows as they are, and a row of zeros after them.
    pub fn with_zero_row(device: &D, rows: usize) -> Result<Self, D::Err> {
        let sources: Vec<Option<usize>> = (0..rows).map(Some).chain([None]).collect();
        Self::new(device, &sources)
    }

    /// The chosen rows.
    pub fn apply<T: Recording<D>>(&self, x: Matrix<D, T>) -> Result<Matrix<D, T>, D::Err> {
        let placed: Matrix<D, T> = x.try_gather(self.rows.clone())?;
        match &self.keep {
            None => Ok(placed),
            Some(keep) => {
                let keep = spread_rows(keep, placed.shape())?;
                placed.try_mul(keep)
            }
        }
    }
}

/// One number a row, rows × 1, as a view of a whole matrix.
pub(in crate::engine::tensor) fn spread_rows<D: TensorDevice>(
    x: &Matrix<D>,
    shape: &(usize, usize),
) -> Result<Matrix<D>, D::Err> {
    x.clone().try_reshape_like(&(shape.0,))?.try_broadcast_like::<_, Axis<1>>(shape)
}
