//! Between N×(C·H·W) and blocks of `[C·H·W][LANES]`.

use super::LANES;

/// Writes `images` (N×`elements`) as blocks `[blocks][elements][LANES]`; unused lanes of the last block become zero.
///
/// # Panics
/// When `images` is no whole number of images, or `packed` is not `blocks(N)·elements·LANES` long.
pub fn pack(images: &[f32], elements: usize, packed: &mut [f32]) {
    let count = images.len() / elements;
    assert_eq!(images.len(), count * elements);
    assert_eq!(packed.len(), super::blocks(count) * elements * LANES);
    for (block, images) in packed.chunks_exact_mut(elements * LANES).zip(images.chunks(elements * LANES)) {
        let present = images.len() / elements;
        if present < LANES {
            block.fill(0.0);
        }
        // Runs of 16 elements keep both the lines read and the lines written in the L1 cache.
        for (run, lanes) in block.chunks_mut(16 * LANES).enumerate() {
            for lane in 0..present {
                let source = &images[lane * elements + run * 16..][..lanes.len() / LANES];
                for (element, &value) in source.iter().enumerate() {
                    lanes[element * LANES + lane] = value;
                }
            }
        }
    }
}

/// The inverse of [`pack`]: reads `images.len() / elements` images out of blocks.
///
/// # Panics
/// As [`pack`].
pub fn unpack(packed: &[f32], elements: usize, images: &mut [f32]) {
    let count = images.len() / elements;
    assert_eq!(images.len(), count * elements);
    assert_eq!(packed.len(), super::blocks(count) * elements * LANES);
    for (block, images) in packed.chunks_exact(elements * LANES).zip(images.chunks_mut(elements * LANES)) {
        for (lane, image) in images.chunks_exact_mut(elements).enumerate() {
            for (value, lanes) in image.iter_mut().zip(block.chunks_exact(LANES)) {
                *value = lanes[lane];
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unpack_undoes_pack_and_unused_lanes_are_zero() {
        for (count, elements) in [(1, 1), (5, 7), (16, 3), (17, 40), (33, 1)] {
            let images: Vec<f32> = (0..count * elements).map(|i| i as f32 + 1.0).collect();
            let mut packed = vec![f32::NAN; crate::engine::native::kernels::blocks(count) * elements * LANES];
            pack(&images, elements, &mut packed);
            assert_eq!(packed[LANES * (elements - 1)], images[elements - 1]);
            assert_eq!(packed.iter().filter(|x| **x == 0.0).count(), packed.len() - images.len());
            let mut back = vec![0.0; images.len()];
            unpack(&packed, elements, &mut back);
            assert_eq!(back, images);
        }
    }
}
