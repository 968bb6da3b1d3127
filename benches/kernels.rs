//! GFLOP/s of the native engine's kernels beside the machine's peak: `taskset -c 2,3 cargo bench --bench kernels
//! [-- FILTER [PART]]`, where
//! PART is forward, data, weight or pack: only that is run (for a profiler).
//!
//! A convolution's GFLOP/s count the multiply-adds of its definition, so Winograd's can exceed the peak.

use netc::bench::dims::{Padding, Pair};
use netc::bench::kernels::conv::{Conv, ConvShape, Epilogue};
use netc::bench::kernels::isa::Isa;
use netc::bench::kernels::linear::Linear;
use netc::bench::kernels::{LANES, buffer::Buffer, peak};
use std::sync::Barrier;
use std::time::Instant;

const THREADS: usize = 2;
const BLOCKS: usize = 8;

/// Runs `work` on all threads at once, each with its own state, for a while; the mean over the threads of the seconds
/// that each one's best round took.
fn best_seconds<T: Send>(part: &str, states: &mut [T], work: impl Fn(&mut T) + Sync) -> f64 {
    if std::env::args().filter(|argument| !argument.starts_with('-')).nth(2).is_some_and(|wanted| wanted != part) {
        return f64::INFINITY;
    }
    let threads = states.len();
    let barrier = Barrier::new(threads);
    let worker = |state: &mut T| {
        barrier.wait();
        let (begin, mut best) = (Instant::now(), f64::INFINITY);
        while begin.elapsed().as_secs_f64() < 0.25 {
            let start = Instant::now();
            work(state);
            best = best.min(start.elapsed().as_secs_f64());
        }
        best
    };
    let worker = &worker;
    let best = std::thread::scope(|scope| {
        let workers: Vec<_> = states.iter_mut().map(|state| scope.spawn(move || worker(state))).collect();
        workers.into_iter().filter_map(|worker| worker.join().ok()).sum::<f64>()
    });
    best / threads as f64
}

fn numbers(len: usize) -> Buffer {
    let mut buffer = Buffer::zeroed(len);
    buffer.iter_mut().enumerate().for_each(|(i, x)| *x = ((i * 7919) % 2048) as f32 / 1024.0 - 1.0);
    buffer
}

struct State {
    x: Buffer,
    y: Buffer,
    weights: Buffer,
    packed: Buffer,
    packed_backward: Buffer,
    dw: Buffer,
    scratch: Buffer,
}

fn conv(name: &str, isa: Isa, shape: ConvShape, peak: f64) {
    let Ok(conv) = Conv::new(shape, isa) else { return };
    let blocks = BLOCKS / THREADS;
    let mut states: Vec<State> = (0..THREADS)
        .map(|_| {
            let weights = numbers(shape.weight_len());
            let mut packed = Buffer::zeroed(conv.packed_forward_len());
            conv.pack_forward(&weights, &mut packed);
            let mut packed_backward = Buffer::zeroed(conv.packed_backward_len());
            conv.pack_backward(&weights, &mut packed_backward);
            State {
                x: numbers(blocks * shape.input_len()),
                y: numbers(blocks * shape.output_len()),
                dw: numbers(shape.weight_len()),
                scratch: Buffer::zeroed(conv.scratch_len()),
                weights,
                packed,
                packed_backward,
            }
        })
        .collect();
    let flops = (2 * shape.multiply_adds() * LANES * BLOCKS) as f64;
    let forward = best_seconds("forward", &mut states, |s| {
        for (x, y) in s.x.chunks(shape.input_len()).zip(s.y.chunks_mut(shape.output_len())) {
            conv.forward(&s.packed, x, 0..shape.out_channels, y, Epilogue::default(), &mut s.scratch);
        }
    });
    let data = best_seconds("data", &mut states, |s| {
        for (x, y) in s.x.chunks_mut(shape.input_len()).zip(s.y.chunks(shape.output_len())) {
            conv.data_gradient(&s.packed_backward, y, 0..shape.in_channels, x, false, &mut s.scratch);
        }
    });
    let weight = best_seconds("weight", &mut states, |s| {
        conv.weight_gradient(&s.x, &s.y, 0..shape.out_channels, &mut s.dw, false, &mut s.scratch);
    });
    let pack = best_seconds("pack", &mut states, |s| {
        conv.pack_forward(&s.weights, &mut s.packed);
        conv.pack_backward(&s.weights, &mut s.packed_backward);
    });
    let report = |part: &str, seconds: f64| {
        let rate = flops / seconds / 1e9;
        format!("{part} {rate:6.1} ({:3.0}%, {:6.0} us)", 100.0 * rate / peak, seconds * 1e6)
    };
    println!(
        "{isa:<8} {name:<28} {}  {}  {}  pack {:4.0} us",
        report("forward", forward),
        report("data", data),
        report("weight", weight),
        pack * 1e6
    );
}

fn linear(name: &str, isa: Isa, inputs: usize, outputs: usize, peak: f64) {
    let layer = Linear::new(inputs, outputs, isa);
    let blocks = BLOCKS / THREADS;
    let state = || {
        let scratch = Buffer::zeroed(layer.scratch_len(BLOCKS));
        let (x, y) = (numbers(BLOCKS * inputs * LANES), numbers(BLOCKS * outputs * LANES));
        (numbers(inputs * outputs), x, y, numbers(inputs * outputs), scratch)
    };
    let mut states: Vec<_> = (0..THREADS).map(|_| state()).collect();
    let flops = (2 * inputs * outputs * LANES * BLOCKS) as f64;
    let (xs, ys) = (blocks * inputs * LANES, blocks * outputs * LANES);
    let forward =
        best_seconds("forward", &mut states, |(w, x, y, ..)| layer.forward(w, None, &x[..xs], &mut y[..ys], false));
    let data = best_seconds("data", &mut states, |(w, x, y, ..)| layer.data_gradient(w, &y[..ys], &mut x[..xs], false));
    let half = outputs / 2;
    let weight = best_seconds("weight", &mut states, |(_, x, y, dw, scratch)| {
        layer.weight_gradient(x, y, 0..half, &mut dw[..half * inputs], false, scratch);
    });
    let rate = |seconds: f64| format!("{:6.1} ({:3.0}%)", flops / seconds / 1e9, 100.0 * flops / seconds / 1e9 / peak);
    println!("{isa:<8} {name:<28} forward {}  data {}  weight {}", rate(forward), rate(data), rate(weight));
}

fn square(channels: (usize, usize), side: usize, kernel: usize, stride: usize, padding: usize) -> ConvShape {
    ConvShape {
        in_channels: channels.0,
        out_channels: channels.1,
        input: Pair::square(side),
        kernel: Pair::square(kernel),
        stride: Pair::square(stride),
        padding: Padding::all(padding),
        dilation: Pair::square(1),
        groups: 1,
    }
}

fn main() {
    let filter = std::env::args().skip(1).find(|argument| !argument.starts_with('-')).unwrap_or_default();
    let wanted = std::env::var("NETC_ISA").ok().and_then(|name| Isa::forced(&name).ok());
    let shapes = [
        ("resnet stem 3>16 32x32", square((3, 16), 32, 3, 1, 1)),
        ("resnet 16>16 32x32", square((16, 16), 32, 3, 1, 1)),
        ("resnet 16>32 32x32 /2", square((16, 32), 32, 3, 2, 1)),
        ("resnet 1x1 16>32 32x32 /2", square((16, 32), 32, 1, 2, 0)),
        ("resnet 32>32 16x16", square((32, 32), 16, 3, 1, 1)),
        ("resnet 32>64 16x16 /2", square((32, 64), 16, 3, 2, 1)),
        ("resnet 64>64 8x8", square((64, 64), 8, 3, 1, 1)),
        ("lenet 5x5 1>6 28x28", square((1, 6), 28, 5, 1, 2)),
        ("lenet 5x5 6>16 14x14", square((6, 16), 14, 5, 1, 0)),
        ("cifarnet 5x5 3>64 32x32", square((3, 64), 32, 5, 1, 2)),
        ("cifarnet 5x5 64>64 16x16", square((64, 64), 16, 5, 1, 2)),
        ("1x1 64>64 8x8", square((64, 64), 8, 1, 1, 0)),
    ];
    for isa in Isa::available().filter(|isa| wanted.is_none_or(|wanted| wanted == *isa)) {
        let peak = peak::measure(isa, THREADS);
        println!("{isa:<8} peak of {THREADS} threads: {peak:.1} GFLOP/s");
        for (name, shape) in shapes.into_iter().filter(|(name, _)| name.contains(&filter)) {
            conv(name, isa, shape, peak);
        }
        for (name, inputs, outputs) in
            [("linear 64>10", 64, 10), ("linear 400>120", 400, 120), ("linear 4096>384", 4096, 384)]
        {
            if name.contains(&filter) {
                linear(name, isa, inputs, outputs, peak);
            }
        }
    }
}
