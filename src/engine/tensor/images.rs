//! Batches made on the device from images that lie there.
//!
//! A crop and a flip choose a row of the image for each row of the batch, and a column for each column. So a set lies on
//! the device as lines, one a row of an image with the channels side by side: the first gather chooses lines, the second
//! columns, and a third turns the result to elements × batch. A batch costs height + width + 1 indices an image, which
//! are made on the host from (seed, epoch, index) alone.
//!
//! What lies outside of an image is one more number at the end of each channel's part of a line, and one more line.

use super::device::{OnDevice, TensorDevice};
use super::ops::place::spread_rows;
use super::value::{Matrix, Rows, upload, upload_rows};
use crate::data::augment::{PadValue, Variation};
use crate::data::batch::ImageSet;
use crate::data::normalize::{Normalization, image_statistics};
use crate::engine::EngineError;

use crate::graph::dims::Shape;
use dfdx::prelude::*;

/// A set of images on the device.
#[derive(Debug)]
pub(super) struct ResidentSet<D: TensorDevice> {
    set: ImageSet,
    shape: Shape,
    /// (images · height + 1) × (channels · (width + 1)).
    lines: Matrix<D>,
    /// 0, 1, … channels − 1.
    channels: Rows<D>,
    after: After<D>,
}

/// What is left to do after a crop, because black pixels are normalised as well.
#[derive(Debug)]
enum After<D: TensorDevice> {
    /// The lines are normalised already.
    Nothing,
    /// The mean of each pixel, elements × 1, is to be taken off.
    Subtract(Matrix<D>),
    /// The lines are bytes: each image has a mean and a factor of its own, which depend on its crop.
    EachImage,
}

impl<D: TensorDevice> ResidentSet<D> {
    /// Puts a set on the device; `None` where it is too large.
    pub fn new(device: &D, set: &ImageSet) -> Result<Option<Self>, EngineError> {
        let shape = set.split.shape();
        let (plane, channels) = (shape.plane(), shape.channels());
        let width = plane.width + 1;
        let rows = set.split.len() * plane.height + 1;
        // dfdx counts in 32 bits on CUDA.
        if u32::try_from(rows * channels * width).is_err() {
            return Ok(None);
        }
        let (stored, outside, after) = Self::prepared(device, set, shape).on::<D>()?;
        let mut numbers = vec![0.0f32; shape.elements()];
        let mut lines = Vec::with_capacity(rows * channels * width);
        let image_rows = |numbers: &[f32], lines: &mut Vec<f32>| {
            for row in 0..plane.height {
                for (channel, &outside) in numbers.chunks_exact(plane.area()).zip(&outside) {
                    lines.extend_from_slice(&channel[row * plane.width..][..plane.width]);
                    lines.push(outside);
                }
            }
        };
        for index in 0..set.split.len() {
            match &stored {
                Some(normalization) => normalization.apply(set.split.image(index), &mut numbers, plane.area()),
                None => {
                    numbers.iter_mut().zip(set.split.image(index)).for_each(|(number, &x)| *number = f32::from(x));
                }
            }
            image_rows(&numbers, &mut lines);
        }
        outside.iter().for_each(|&outside| lines.extend(std::iter::repeat_n(outside, width)));
        // The copy that does not keep the host's memory for as long as the device's lives.
        let mut on_device: Matrix<D> = match device.try_zeros_like(&(rows, channels * width)) {
            Ok(tensor) => tensor,
            Err(error) if error.to_string().contains("OUT_OF_MEMORY") => return Ok(None),
            Err(error) => return Err(error).on::<D>(),
        };
        on_device.copy_from(&lines);
        let channels = upload_rows(device, (0..channels).collect()).on::<D>()?;
        Ok(Some(Self { set: set.clone(), shape, lines: on_device, channels, after }))
    }

    /// How the lines are normalised (`None` leaves bytes), what lies outside in each channel, and what is left to do.
    #[allow(clippy::type_complexity)]
    fn prepared(
        device: &D,
        set: &ImageSet,
        shape: Shape,
    ) -> Result<(Option<Normalization>, Vec<f32>, After<D>), D::Err> {
        let zeros = vec![0.0; shape.channels()];
        let normalization = set.normalization.clone();
        Ok(match (set.outside, &set.normalization) {
            (None | Some(PadValue::Zero), _) => (Some(normalization), zeros, After::Nothing),
            (Some(PadValue::Black), Normalization::None | Normalization::PerChannel { .. }) => {
                let mut black = vec![0.0; shape.elements()];
                normalization.apply(&vec![0; shape.elements()], &mut black, shape.plane().area());
                let outside = black.into_iter().step_by(shape.plane().area()).collect();
                (Some(normalization), outside, After::Nothing)
            }
            (Some(PadValue::Black), Normalization::PerPixelMean { mean }) => {
                let means = upload(device, mean.clone(), mean.len(), 1)?;
                (Some(Normalization::None), zeros, After::Subtract(means))
            }
            (Some(PadValue::Black), Normalization::PerImage) => (None, zeros, After::EachImage),
        })
    }

    /// What it holds.
    pub fn set(&self) -> &ImageSet {
        &self.set
    }

    /// The images of a batch, elements × batch. The batch is known to fit.
    pub fn batch(&self, device: &D, indices: &[u32], variations: &[Variation]) -> Result<Matrix<D>, D::Err> {
        let (plane, channels) = (self.shape.plane(), self.shape.channels());
        let (height, width, count) = (plane.height, plane.width, indices.len());
        let outside = self.set.split.len() * height;
        let picks = || indices.iter().zip(variations);
        let rows = picks().flat_map(|(&index, variation)| {
            (0..height)
                .map(move |row| variation.row(row, height).map_or(outside, |from| index as usize * height + from))
        });
        let columns = picks()
            .flat_map(|(_, variation)| (0..width).map(move |column| variation.column(column, width).unwrap_or(width)));
        let columns = device.try_tensor_from_vec(columns.collect::<Vec<usize>>(), (count, width))?;

        let rows: Matrix<D> = self.lines.clone().try_gather(upload_rows(device, rows.collect())?)?;
        let rows = rows.try_reshape_like(&(count, height * channels, width + 1))?;
        let rows = rows.try_permute::<(usize, usize, usize), Axes3<0, 2, 1>>()?;
        let cropped: Tensor<(usize, usize, usize), f32, D> = rows.try_gather(columns)?;
        let cropped = cropped.try_reshape_like(&(count, width, height, channels))?;
        let turned = cropped.try_permute::<(usize, usize, usize, usize), Axes4<3, 2, 1, 0>>()?;
        // Every channel where it is: that leaves the numbers in their new order.
        let turned: Tensor<(usize, usize, usize, usize), f32, D> = turned.try_gather(self.channels.clone())?;
        let shape = (self.shape.elements(), count);
        let images = turned.try_reshape_like(&shape)?;
        match &self.after {
            After::Nothing => Ok(images),
            After::Subtract(means) => images.try_sub(spread_rows(means, &shape)?),
            After::EachImage => {
                let (means, factors) = self.statistics(indices, variations);
                let along = |values: Vec<f32>| {
                    device.try_tensor_from_vec(values, (count,))?.try_broadcast_like::<_, Axis<0>>(&shape)
                };
                images.try_sub(along(means)?)?.try_mul(along(factors)?)
            }
        }
    }

    /// Mean and factor of each image, after its crop.
    fn statistics(&self, indices: &[u32], variations: &[Variation]) -> (Vec<f32>, Vec<f32>) {
        let plane = self.shape.plane();
        let mut bytes = vec![0; self.shape.elements()];
        let of_image = |(&index, variation): (&u32, &Variation)| {
            variation.apply(self.set.split.image(index as usize), &mut bytes, plane.height, plane.width);
            image_statistics(&bytes)
        };
        indices.iter().zip(variations).map(of_image).unzip()
    }
}
