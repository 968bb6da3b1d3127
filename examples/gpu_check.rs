//! Holds the CUDA device against the CPU: every operation, one training step of each net, then the time of a step of
//! resnet20. One program with all that it needs inside; it runs from any folder.
//!
//! usage: `gpu_check [--cpu] [--json] [--quick] [--device N]`; `--cpu` checks the form for CUDA on the CPU instead, with
//! the smaller nets and without times; `--quick` checks all nets on a few images, without times.
//! Exit codes: 0 all is well, 1 something differs or there is no device, 2 wrong usage.

use netc::internals::compile::{Compilation, Options};
use netc::internals::data::augment::Augment;
use netc::internals::data::batch::{Batch, ImageSet};
use netc::internals::data::loader::LoaderOptions;
use netc::internals::data::normalize::Normalization;
use netc::internals::data::sampler::{BatchIndices, BatchSampler};
use netc::internals::data::{Subset, shapes};
use netc::internals::engine::tensor::{self, KernelStyle, ReferenceEngine};
use netc::internals::engine::{Engine, EngineError, Mode, Rule, State, Update};
use netc::internals::graph::dims::Shape;
use netc::internals::lower::program::{OpKind, Program};
use netc::internals::random;
use std::collections::HashMap;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

type Failure = Box<dyn Error>;

/// The shipped nets.
const NETS: [(&str, &str); 7] = [
    ("lenet5", include_str!("../specs/lenet5.net")),
    ("lenet5-mnist", include_str!("../specs/lenet5-mnist.net")),
    ("cifarnet", include_str!("../specs/cifarnet.net")),
    ("resnet20", include_str!("../specs/resnet20.net")),
    ("resnet20-b", include_str!("../specs/resnet20-b.net")),
    ("resnet32", include_str!("../specs/resnet32.net")),
    ("resnet56", include_str!("../specs/resnet56.net")),
];
const LIBRARY: &str = include_str!("../specs/lib/resnet.net");

/// What stands between a convolution and a linear layer, so that gradients have to come through.
const OPERATIONS: [(&str, &str); 20] = [
    ("conv", "conv 5 3x3; flatten"),
    ("conv, padded, bias", "conv 5 3x3 pad 1 bias; flatten"),
    ("conv, stride 2", "conv 5 3x3 stride 2 pad 1; flatten"),
    ("conv, dilated", "conv 5 3x3 pad 2 dilation 2; flatten"),
    ("conv, groups", "conv 6 3x3 pad 1 groups 2; flatten"),
    ("conv 1x1", "conv 5 1x1; flatten"),
    ("bn", "bn; flatten"),
    ("relu", "relu; flatten"),
    ("tanh", "tanh; flatten"),
    ("sigmoid", "sigmoid; flatten"),
    ("max_pool", "max_pool 2x2; flatten"),
    ("max_pool, over each other", "max_pool 3x3 stride 2 pad 1; flatten"),
    ("avg_pool", "avg_pool 2x2; flatten"),
    ("avg_pool, padded", "avg_pool 3x3 stride 2 pad 1; flatten"),
    ("global_avg_pool", "global_avg_pool"),
    ("lrn", "lrn 3 alpha 0.1 beta 0.75 k 1; flatten"),
    ("dropout", "dropout 0.3; flatten"),
    ("subsample, pad_channels", "subsample 2; pad_channels 7; flatten"),
    ("add", "residual { conv 4 3x3 pad 1 }; flatten"),
    ("concat", "a = relu\n  b = tanh\n  concat(a, b)\n  flatten"),
];

/// Largest difference, of the largest number it could be found in.
const OPERATION_TOLERANCE: f64 = 1e-4;
/// Of a net with tanh for relu: nothing in it jumps but a maximum.
const SMOOTH_TOLERANCE: f64 = 2e-3;
/// Of a net as it is. A relu's gradient jumps at 0, and where rounding puts an activation on the other side, gradients of
/// small batches differ in the third digit, rightly.
const NET_TOLERANCE: f64 = 3e-2;

#[derive(Default)]
struct Arguments {
    cpu: bool,
    json: bool,
    quick: bool,
    device: usize,
}

/// One line of the table.
struct Check {
    what: String,
    absolute: f64,
    relative: f64,
    tolerance: f64,
}

impl Check {
    fn passed(&self) -> bool {
        // A NaN is no pass.
        self.relative <= self.tolerance
    }
}

struct Timing {
    net: &'static str,
    batch: usize,
    milliseconds: f64,
}

fn main() -> ExitCode {
    let Some(arguments) = arguments() else {
        eprintln!("usage: gpu_check [--cpu] [--json] [--quick] [--device N]");
        return ExitCode::from(2);
    };
    match run(&arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn arguments() -> Option<Arguments> {
    let mut arguments = Arguments::default();
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        match word.as_str() {
            "--cpu" => arguments.cpu = true,
            "--json" => arguments.json = true,
            "--quick" => arguments.quick = true,
            "--device" => arguments.device = words.next()?.parse().ok()?,
            _ => return None,
        }
    }
    Some(arguments)
}

fn run(arguments: &Arguments) -> Result<bool, Failure> {
    if arguments.cpu {
        let make = |program: Program| tensor::cpu_as(program, KernelStyle::FewLaunches);
        return all("cpu, in the form for CUDA", arguments, &make);
    }
    on_cuda(arguments)
}

#[cfg(feature = "cuda")]
fn on_cuda(arguments: &Arguments) -> Result<bool, Failure> {
    let make = tensor::on_cuda(arguments.device)?;
    all(&format!("cuda:{}", arguments.device), arguments, &make)
}

#[cfg(not(feature = "cuda"))]
fn on_cuda(_: &Arguments) -> Result<bool, Failure> {
    Err("built without CUDA: `cargo run --features cuda --example gpu_check` (docs/cuda.md), or `--cpu`".into())
}

type Make<'a> = dyn Fn(Program) -> Result<Box<dyn ReferenceEngine>, EngineError> + 'a;

fn all(device: &str, arguments: &Arguments, make: &Make<'_>) -> Result<bool, Failure> {
    let mut checks = Vec::new();
    for (name, body) in OPERATIONS {
        let text = format!("net op {{\n  input 3x8x8\n  conv 4 3x3 pad 1\n  {body}\n  linear 10\n}}\n");
        checks.push(compare(name, compile(name, &text)?, 6, OPERATION_TOLERANCE, make)?);
        show(arguments, checks.last());
    }
    let nets = if arguments.cpu { &NETS[..2] } else { &NETS[..] };
    for (name, text) in nets {
        let batch = if arguments.cpu || arguments.quick { 4 } else { 32 };
        let program = compile(name, text)?;
        let smooth = smooth(program.clone());
        if smooth != program {
            let what = format!("{name}, tanh for relu");
            checks.push(compare(&what, smooth, batch, SMOOTH_TOLERANCE, make)?);
            show(arguments, checks.last());
        }
        checks.push(compare(name, program, batch, NET_TOLERANCE, make)?);
        show(arguments, checks.last());
    }
    checks.push(batches(make)?);
    show(arguments, checks.last());
    let mut timings = Vec::new();
    if !arguments.cpu && !arguments.quick {
        for batch in [128, 1024] {
            let timing = Timing { net: "resnet20", batch, milliseconds: time("resnet20", batch, make)? };
            if !arguments.json {
                println!("{:<28} batch {:>5}  {:>9.3} ms a step", timing.net, batch, timing.milliseconds);
            }
            timings.push(timing);
        }
    }
    let passed = checks.iter().all(Check::passed);
    if arguments.json {
        println!("{:#}", json(device, &checks, &timings, passed));
    } else {
        println!("{device}: {}", if passed { "all agrees with the CPU" } else { "NOT all agrees with the CPU" });
    }
    Ok(passed)
}

fn show(arguments: &Arguments, check: Option<&Check>) {
    if let (false, Some(check)) = (arguments.json, check) {
        let verdict = if check.passed() { "ok" } else { "FAILED" };
        println!(
            "{:<28} off by {:>9.2e}, {:>9.2e} of the largest (at most {:.0e})  {verdict}",
            check.what, check.absolute, check.relative, check.tolerance
        );
    }
}

fn json(device: &str, checks: &[Check], timings: &[Timing], passed: bool) -> serde_json::Value {
    let check = |check: &Check| {
        serde_json::json!({
            "what": check.what, "absolute": check.absolute, "relative": check.relative,
            "tolerance": check.tolerance, "passed": check.passed(),
        })
    };
    let timing = |timing: &Timing| serde_json::json!({ "net": timing.net, "batch": timing.batch, "ms_per_step": timing.milliseconds });
    serde_json::json!({
        "device": device,
        "tf32_override": std::env::var("NVIDIA_TF32_OVERRIDE").ok(),
        "checks": checks.iter().map(check).collect::<Vec<_>>(),
        "timings": timings.iter().map(timing).collect::<Vec<_>>(),
        "passed": passed,
    })
}

fn compile(name: &str, text: &str) -> Result<Program, Failure> {
    let path = PathBuf::from(format!("{name}.net"));
    let texts = HashMap::from([(path.clone(), text.into()), (PathBuf::from("lib/resnet.net"), LIBRARY.into())]);
    let mut compilation = Compilation::read_texts(Path::new(&path), &texts);
    compilation.analyse(&Options::default());
    let said = compilation.diagnostics.iter().map(|diagnostic| diagnostic.message.clone()).collect::<Vec<_>>();
    compilation.program.ok_or_else(|| format!("{name}: {}", said.join("; ")).into())
}

/// The same net with tanh for relu.
fn smooth(mut program: Program) -> Program {
    for op in &mut program.ops {
        if op.kind == OpKind::Relu {
            op.kind = OpKind::Tanh;
        }
    }
    program
}

/// Logits, gradients, and all that a step leaves, on the device and on the CPU.
fn compare(what: &str, program: Program, count: usize, tolerance: f64, make: &Make<'_>) -> Result<Check, Failure> {
    let (classes, elements) = (program.classes() as u64, program.input().elements() * count);
    let images: Vec<f32> = (0..elements as u64).map(|i| random::normal(1, i)).collect();
    let labels: Vec<u32> = (0..count as u64).map(|i| random::below(2, i, classes) as u32).collect();
    let keys: Vec<u64> = (0..count as u64).map(|i| random::bits(3, i)).collect();
    let batch = Batch::of_pixels(&images, &labels, &keys);
    let decay = vec![1e-3; program.parameters.len()];
    let sgd = Update::sgd(0.01, 0.9, &decay);
    let adam = Update {
        rule: Rule::Adam { beta1: 0.9, beta2: 0.999, epsilon: 1e-3 },
        clip: Some(1.0),
        average: Some(0.9),
        ..Update::sgd(0.001, 0.0, &decay)
    };
    let state = State::initial(&program, 1);
    let mut check = Check { what: what.into(), absolute: 0.0, relative: 0.0, tolerance };
    for update in [sgd, adam] {
        let expected = seen(tensor::cpu(program.clone())?.as_mut(), &state, &batch, &update)?;
        let found = seen(make(program.clone())?.as_mut(), &state, &batch, &update)?;
        for (found, expected) in found.iter().zip(&expected) {
            add(&mut check, found, expected);
        }
    }
    Ok(check)
}

/// Groups of numbers, each held against its own largest.
fn seen(
    engine: &mut dyn Engine,
    state: &State,
    batch: &Batch<'_>,
    update: &Update<'_>,
) -> Result<Vec<Vec<f32>>, EngineError> {
    engine.load(state)?;
    let mut seen = vec![engine.logits(batch, Mode::Train)?, engine.logits(batch, Mode::Evaluate)?];
    // Together: a bias before a batch norm has no gradient of its own but rounding.
    seen.push(engine.gradients(batch)?.concat());
    seen.push(engine.moments(batch)?.iter().flat_map(|group| group.values.concat()).collect());
    engine.train_step(batch, update)?;
    let metrics = engine.read_metrics()?;
    seen.push(vec![metrics.loss() as f32]);
    seen.push(vec![metrics.correct as f32]);
    let State { parameters, velocities, squares, averages, statistics } = engine.state()?;
    seen.extend([parameters, velocities, squares, averages, statistics].map(|all| all.concat()));
    Ok(seen)
}

fn add(check: &mut Check, found: &[f32], expected: &[f32]) {
    let largest = expected.iter().fold(0f64, |most, x| most.max(f64::from(x.abs())));
    let mut off =
        found.iter().zip(expected).fold(0f64, |most, (f, e)| maximum(most, (f64::from(*f) - f64::from(*e)).abs()));
    if found.len() != expected.len() {
        off = f64::NAN;
    }
    check.absolute = maximum(check.absolute, off);
    let relative = if off == 0.0 { 0.0 } else { off / largest };
    check.relative = maximum(check.relative, relative);
}

/// The larger one, or NaN if there is one.
fn maximum(a: f64, b: f64) -> f64 {
    if a.is_nan() || b.is_nan() { f64::NAN } else { a.max(b) }
}

/// Crops and flips made on the device against those made on the host: they are the same numbers.
fn batches(make: &Make<'_>) -> Result<Check, Failure> {
    let (images, normalization) = drawn(64)?;
    let mut engine = make(compile("lenet5", NETS[0].1)?)?;
    let mut check = Check { what: "batches made there".into(), absolute: 0.0, relative: 0.0, tolerance: 0.0 };
    let augment = Some(Augment::HE_2015);
    let options = LoaderOptions { end: Some(2), ..LoaderOptions::training(24, normalization.clone(), augment, 1) };
    let set = engine.keep(&ImageSet::new(images.split(), &normalization, augment))?.ok_or("no room for the images")?;
    let mut sampler = BatchSampler::new(&images, options.clone())?;
    let mut drawn = BatchIndices::default();
    for loaded in netc::internals::data::loader::Loader::new(&images, options)? {
        sampler.next_into(&mut drawn);
        let found = engine.pixels(&drawn.batch(set))?;
        add(&mut check, &found, loaded.batch().pixels().unwrap_or_default());
    }
    Ok(check)
}

fn drawn(count: usize) -> Result<(Subset, Normalization), Failure> {
    let data = shapes::generate(Shape::map(3, 32, 32), count, 0, shapes::SEED)?;
    let images = Subset::all(&data.train);
    let normalization = Normalization::measure_per_channel(&images)?;
    Ok((images, normalization))
}

/// Median of the milliseconds of a step, over blocks of steps at whose end the metrics are read: as training does it.
fn time(net: &str, batch: usize, make: &Make<'_>) -> Result<f64, Failure> {
    const BLOCK: usize = 10;
    const WARM_UP: usize = 2;
    const BLOCKS: usize = 11;
    let text = NETS.iter().find(|(name, _)| *name == net).ok_or("no such net")?.1;
    let program = compile(net, text)?;
    let (images, normalization) = drawn(4 * 1024)?;
    let augment = Some(Augment::HE_2015);
    let mut engine = make(program.clone())?;
    engine.load(&State::initial(&program, 1))?;
    let set = engine.keep(&ImageSet::new(images.split(), &normalization, augment))?.ok_or("no room for the images")?;
    let mut sampler = BatchSampler::new(&images, LoaderOptions::training(batch, normalization, augment, 1))?;
    let decay = vec![1e-4; program.parameters.len()];
    let mut drawn = BatchIndices::default();
    let mut times = Vec::new();
    for block in 0..WARM_UP + BLOCKS {
        let begin = Instant::now();
        for _ in 0..BLOCK {
            sampler.next_into(&mut drawn);
            engine.train_step(&drawn.batch(set), &Update::sgd(0.01, 0.9, &decay))?;
        }
        engine.read_metrics()?;
        if block >= WARM_UP {
            times.push(1e3 * begin.elapsed().as_secs_f64() / BLOCK as f64);
        }
    }
    times.sort_by(f64::total_cmp);
    Ok(times[times.len() / 2])
}
