//! How long the compiler takes, and that it grows linearly: `cargo bench --bench check`.

#![allow(missing_docs, clippy::unwrap_used)]

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use netc::internals::compile::{Options, compile, compile_text};
use std::fmt::Write;
use std::path::Path;

/// `layers` layers written out line by line, every tenth a named one that an `add` reads again.
fn written_out(layers: usize) -> String {
    let mut text = "net deep {\n  input 16x32x32\n".to_string();
    for layer in 0..layers / 10 {
        let _ = writeln!(text, "  x{layer} = relu\n  conv 16 3x3 pad 1; bn; relu; conv 16 3x3 pad 1; bn");
        let _ = writeln!(text, "  add(x{layer}); tanh; sigmoid; dropout 0.1");
    }
    text + "  global_avg_pool\n  linear 10\n}\n"
}

/// The same number of layers by `repeat` and a block.
fn repeated(layers: usize) -> String {
    format!(
        "net deep {{ input 16x32x32\n stage = repeat {} {{ basic(16) }}\n global_avg_pool; linear 10 }}\n\
         block basic(width: int) {{ residual {{ conv width 3x3 pad 1; bn; relu; conv width 3x3 pad 1; bn }}\n relu; tanh; sigmoid; dropout 0.1 }}",
        layers / 10
    )
}

fn text(name: &str, text: &str) -> usize {
    let compiled = compile_text(Path::new(name), text.to_string(), &Options::default());
    compiled.program.unwrap().ops.len()
}

fn benches(criterion: &mut Criterion) {
    criterion.bench_function("specs/resnet56.net", |bencher| {
        bencher.iter(|| compile(Path::new("specs/resnet56.net"), &Options::default()).program.unwrap().ops.len());
    });
    for (name, make) in [("written out", written_out as fn(usize) -> String), ("repeated", repeated)] {
        let mut group = criterion.benchmark_group(name);
        group.sample_size(10);
        for layers in [1_000, 10_000, 50_000] {
            let source = make(layers);
            assert!(text("deep.net", &source) >= layers / 10 * 9);
            group.throughput(Throughput::Elements(layers as u64));
            group.bench_function(BenchmarkId::from_parameter(layers), |b| b.iter(|| text("deep.net", &source)));
        }
    }
}

criterion_group!(all, benches);
criterion_main!(all);
