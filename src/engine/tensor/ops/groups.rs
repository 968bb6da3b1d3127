//! The images of a batch in groups, each with a mean of its own, for any size of a group and a smaller last one. As with
//! one number a channel (`channels`), adding up and spreading are products with matrices of zeros and ones.

use crate::engine::tensor::device::{Recording, TensorDevice};
use crate::engine::tensor::value::{Matrix, upload};
use dfdx::prelude::*;

/// What takes means over the groups of a batch, for maps of one size. Copies share their memory.
#[derive(Debug, Clone)]
pub(in crate::engine::tensor) struct Groups<D: TensorDevice> {
    /// Images of each group, in order.
    pub images: Vec<usize>,
    /// batch × groups, 1 where an image is in a group.
    members: Matrix<D>,
    /// (plane·groups) × groups: adds up a group's pixels, and divides by how many numbers a channel they are.
    over_plane: Matrix<D>,
    /// groups × (plane·batch), 1 where a number is in a group.
    spread: Matrix<D>,
}

impl<D: TensorDevice> Groups<D> {
    /// Of groups of so many images, on maps of `plane` pixels.
    pub fn new(device: &D, images: &[usize], plane: usize) -> Result<Self, D::Err> {
        let groups = images.len();
        let group_of: Vec<usize> =
            images.iter().enumerate().flat_map(|(group, &images)| std::iter::repeat_n(group, images)).collect();
        let batch = group_of.len();
        let mut members = vec![0.0; batch * groups];
        let mut spread = vec![0.0; groups * plane * batch];
        for (image, &group) in group_of.iter().enumerate() {
            members[image * groups + group] = 1.0;
            (0..plane).for_each(|pixel| spread[(group * plane + pixel) * batch + image] = 1.0);
        }
        let mut over_plane = vec![0.0; plane * groups * groups];
        for pixel in 0..plane {
            for (group, &images) in images.iter().enumerate() {
                over_plane[(pixel * groups + group) * groups + group] = 1.0 / (images * plane) as f32;
            }
        }
        Ok(Self {
            images: images.to_vec(),
            members: upload(device, members, batch, groups)?,
            over_plane: upload(device, over_plane, plane * groups, groups)?,
            spread: upload(device, spread, groups, plane * batch)?,
        })
    }

    /// The mean of each channel of (C·plane) × batch in each group, as C × groups.
    pub fn means<T: Recording<D>>(&self, x: Matrix<D, T>, channels: usize) -> Result<Matrix<D, T>, D::Err> {
        let (_, by_group) = *self.over_plane.shape();
        let (rows, _) = *x.shape();
        let over_images = x.try_matmul(self.members.clone())?;
        let by_pixel = (channels, rows / channels.max(1) * by_group);
        over_images.try_reshape_like(&by_pixel)?.try_matmul(self.over_plane.clone())
    }

    /// C × groups to C × (plane·batch): to each number of a channel that of its group.
    pub fn spread<T: Recording<D>>(&self, x: Matrix<D, T>) -> Result<Matrix<D, T>, D::Err> {
        x.try_matmul(self.spread.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_group_has_its_mean_and_each_number_that_of_its_group() {
        let device = Cpu::default();
        let groups = Groups::new(&device, &[2, 1], 2).unwrap();
        // Two channels of two pixels, three images.
        let x = vec![1.0, 2.0, 10.0, 3.0, 6.0, 30.0, -1.0, -2.0, -10.0, -3.0, -6.0, -30.0];
        let means = groups.means(upload(&device, x, 4, 3).unwrap(), 2).unwrap();
        assert_eq!(means.as_vec(), [3.0, 20.0, -3.0, -20.0]);
        let spread = groups.spread(means).unwrap();
        assert_eq!(*spread.shape(), (2, 6));
        let of_channel = [3.0, 3.0, 20.0, 3.0, 3.0, 20.0];
        assert_eq!(spread.as_vec(), [of_channel, of_channel.map(|x: f32| -x)].concat());
    }
}
