//! Every kernel against the definition in `f64`.

use super::*;
use crate::engine::native::kernels::buffer::Buffer;
use crate::engine::native::kernels::testing::{assert_close, numbers};
use proptest::prelude::*;

fn check(inputs: usize, outputs: usize, blocks: usize, isa: Isa) {
    let layer = Linear::new(inputs, outputs, isa);
    let what = |part: &str| format!("{part} of {inputs} to {outputs}, {blocks} blocks, on {isa}");
    let weights = numbers(1, inputs * outputs);
    let bias = numbers(2, outputs);
    let x = numbers(3, blocks * inputs * LANES);
    let dy = numbers(4, blocks * outputs * LANES);
    let mut y = vec![0.0f64; dy.len()];
    let mut dx = vec![0.0f64; x.len()];
    let mut dw = vec![0.0f64; weights.len()];
    for (block, lane) in (0..blocks).flat_map(|block| (0..LANES).map(move |lane| (block, lane))) {
        for o in 0..outputs {
            let at = (block * outputs + o) * LANES + lane;
            y[at] = f64::from(bias[o]);
            for i in 0..inputs {
                let (from, k) = ((block * inputs + i) * LANES + lane, o * inputs + i);
                y[at] += f64::from(weights[k]) * f64::from(x[from]);
                dx[from] += f64::from(weights[k]) * f64::from(dy[at]);
                dw[k] += f64::from(dy[at]) * f64::from(x[from]);
            }
        }
    }
    let mut found = Buffer::zeroed(y.len());
    found.fill(f32::NAN);
    layer.forward(&weights, Some(&bias), &x, &mut found, false);
    assert_close(&what("forward"), &found, &y, 1e-5);
    layer.forward(&weights, Some(&bias), &x, &mut found, true);
    let clipped: Vec<f64> = y.iter().map(|y| y.max(0.0)).collect();
    assert_close(&what("forward with relu"), &found, &clipped, 1e-5);
    layer.forward(&weights, None, &x, &mut found, false);
    let plain: Vec<f64> = y.iter().enumerate().map(|(at, y)| y - f64::from(bias[at / LANES % outputs])).collect();
    assert_close(&what("forward without bias"), &found, &plain, 1e-5);

    let mut found = Buffer::zeroed(dx.len());
    found.fill(f32::NAN);
    layer.data_gradient(&weights, &dy, &mut found, false);
    assert_close(&what("data gradient"), &found, &dx, 1e-5);
    layer.data_gradient(&weights, &dy, &mut found, true);
    let twice: Vec<f64> = dx.iter().map(|x| 2.0 * x).collect();
    assert_close(&what("accumulated data gradient"), &found, &twice, 1e-5);

    let mut scratch = Buffer::zeroed(layer.scratch_len(blocks));
    scratch.fill(f32::NAN);
    let mut found = Buffer::zeroed(dw.len());
    found.fill(f32::NAN);
    let split = outputs / 2;
    let (low, high) = found.split_at_mut(split * inputs);
    layer.weight_gradient(&x, &dy, 0..split, low, false, &mut scratch);
    layer.weight_gradient(&x, &dy, split..outputs, high, false, &mut scratch);
    assert_close(&what("weight gradient"), &found, &dw, 1e-5);
    layer.weight_gradient(&x, &dy, 0..outputs, &mut found, true, &mut scratch);
    let twice: Vec<f64> = dw.iter().map(|x| 2.0 * x).collect();
    assert_close(&what("accumulated weight gradient"), &found, &twice, 1e-5);
}

#[test]
fn small_layers() {
    for isa in Isa::available() {
        check(1, 1, 1, isa);
        check(18, 7, 2, isa);
    }
}

#[test]
#[cfg_attr(miri, ignore)]
fn sizes_of_the_nets() {
    for isa in Isa::available() {
        check(1, 1, 1, isa);
        check(64, 10, 8, isa);
        check(400, 120, 3, isa);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    #[cfg_attr(miri, ignore)]
    fn agrees_with_the_definition(inputs in 1..70usize, outputs in 1..40usize, blocks in 1..10usize) {
        for isa in Isa::available() {
            check(inputs, outputs, blocks, isa);
        }
    }
}
