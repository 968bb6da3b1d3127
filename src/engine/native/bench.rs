//! How fast the native engine runs a program: what `netc bench` reports.

use super::kernels::peak;
use super::{NativeEngine, Options, Purpose, StepTime};
use crate::data::batch::Batch;
use crate::engine::{Engine, EngineError, State, Update};
use crate::lower::program::Program;
use crate::random;
use serde::Serialize;
use std::fmt;
use std::time::{Duration, Instant};

/// What was measured.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// Name of the net.
    pub net: String,
    /// Images a batch.
    pub batch: usize,
    /// Threads.
    pub threads: usize,
    /// Instruction set.
    pub isa: String,
    /// Images a second in training: forward, backward, update.
    pub train_images_per_second: f64,
    /// Images a second in evaluation.
    pub eval_images_per_second: f64,
    /// Median time of a training step.
    pub train_milliseconds: f64,
    /// Median time of an evaluation.
    pub eval_milliseconds: f64,
    /// Multiply-adds (as two) of convolutions and linear layers a second, in training, as the layers define them:
    /// Winograd's algorithm does fewer, so that this can exceed the peak.
    pub gflops: f64,
    /// The same in evaluation.
    pub eval_gflops: f64,
    /// What these threads can do at most, in fused multiply-adds.
    pub peak_gflops: f64,
    /// gflops / peak_gflops.
    pub peak_share: f64,
    /// eval_gflops / peak_gflops.
    pub eval_peak_share: f64,
    /// Share of the threads' time in training that is spent in steps; the rest is waiting for each other.
    pub train_busy_share: f64,
    /// Bytes that the engine holds in training.
    pub peak_bytes: usize,
    /// The most memory that the whole process has had, where the system tells.
    pub process_peak_bytes: Option<usize>,
    /// Time of each op.
    pub ops: Vec<OpTime>,
}

/// Time that one op takes in one step.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OpTime {
    /// Name of the program's op.
    pub op: String,
    /// `train` or `eval`.
    pub pass: &'static str,
    /// `forward` or `backward`.
    pub direction: &'static str,
    /// What is done.
    pub step: &'static str,
    /// Milliseconds a batch, of all threads together, divided by their number.
    pub milliseconds: f64,
    /// GFLOP/s of all threads, where operations are counted.
    pub gflops: Option<f64>,
}

/// How long to measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Effort {
    /// Time for training and time for evaluation; at least five steps of each are run.
    pub time: Duration,
}

impl Default for Effort {
    fn default() -> Self {
        Effort { time: Duration::from_secs(4) }
    }
}

/// Trains and evaluates a program on random images and reports its speed.
///
/// # Errors
/// As for the engine.
pub fn measure(program: &Program, batch: usize, options: Options, effort: Effort) -> Result<Report, EngineError> {
    let mut engine = NativeEngine::new(program.clone(), options)?;
    engine.load(&State::initial(program, 1))?;
    let key = random::mix(1);
    let images: Vec<f32> = (0..(batch * program.input().elements()) as u64).map(|i| random::normal(key, i)).collect();
    let labels: Vec<u32> = (0..batch as u64).map(|i| random::below(key, i, program.classes() as u64) as u32).collect();
    let keys: Vec<u64> = (0..batch as u64).collect();
    let data = Batch::of_pixels(&images, &labels, &keys);
    let decay = vec![1e-4; program.parameters.len()];
    let update = Update::sgd(0.01, 0.9, &decay);

    let train = median(effort, || engine.train_step(&data, &update))?;
    let eval = median(effort, || engine.evaluate(&data))?;
    // Apart from the timing above: reading the clock at each step costs a little in nets of small ops.
    engine.set_profiling(true);
    const PROFILED: usize = 5;
    let mut profiled = 0.0;
    for _ in 0..PROFILED {
        let start = Instant::now();
        engine.train_step(&data, &update)?;
        profiled += 1e3 * start.elapsed().as_secs_f64() / PROFILED as f64;
        engine.evaluate(&data)?;
    }
    let threads = engine.threads();
    let mut ops = Vec::new();
    let mut flops = [0u64; 2];
    for (index, (purpose, pass)) in [(Purpose::Train, "train"), (Purpose::Evaluate, "eval")].into_iter().enumerate() {
        for StepTime { op, step, backward, seconds, flops: own } in engine.step_times(purpose) {
            flops[index] += own;
            let milliseconds = 1e3 * seconds / (PROFILED * threads) as f64;
            let gflops = (own > 0).then(|| 1e-6 * own as f64 * batch as f64 / milliseconds);
            let direction = if backward { "backward" } else { "forward" };
            ops.push(OpTime { op, pass, direction, step, milliseconds, gflops });
        }
    }
    let peak_gflops = peak::measure(engine.isa(), threads);
    let busy: f64 = ops.iter().filter(|op| op.pass == "train").map(|op| op.milliseconds).sum();
    let rate = |flops: u64, seconds: f64| 1e-9 * flops as f64 * batch as f64 / seconds;
    let (gflops, eval_gflops) = (rate(flops[0], train), rate(flops[1], eval));
    Ok(Report {
        net: program.net.clone(),
        batch,
        threads,
        isa: engine.isa().to_string(),
        train_images_per_second: batch as f64 / train,
        eval_images_per_second: batch as f64 / eval,
        train_milliseconds: 1e3 * train,
        eval_milliseconds: 1e3 * eval,
        gflops,
        eval_gflops,
        peak_gflops,
        peak_share: gflops / peak_gflops,
        eval_peak_share: eval_gflops / peak_gflops,
        train_busy_share: (busy / profiled).min(1.0),
        peak_bytes: engine.peak_bytes(),
        process_peak_bytes: process_peak_bytes(),
        ops,
    })
}

/// Median seconds of a step, after three to warm up.
fn median(effort: Effort, mut step: impl FnMut() -> Result<(), EngineError>) -> Result<f64, EngineError> {
    for _ in 0..3 {
        step()?;
    }
    let start = Instant::now();
    let mut times = Vec::new();
    while times.len() < 5 || start.elapsed() < effort.time {
        let before = Instant::now();
        step()?;
        times.push(before.elapsed().as_secs_f64());
    }
    times.sort_by(f64::total_cmp);
    Ok(times.get(times.len() / 2).copied().unwrap_or(f64::NAN))
}

/// The high-water mark of resident memory, from Linux's `/proc`.
fn process_peak_bytes() -> Option<usize> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(1024 * line.trim().strip_suffix("kB")?.trim().parse::<usize>().ok()?)
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}, batch {}, {} threads, {}", self.net, self.batch, self.threads, self.isa)?;
        writeln!(f, "{:<10} {:>10} {:>10} {:>10} {:>8}", "", "images/s", "ms/batch", "GFLOP/s", "of peak")?;
        let mut line = |what: &str, images: f64, milliseconds: f64, gflops: f64, share: f64| {
            writeln!(f, "{what:<10} {images:>10.0} {milliseconds:>10.2} {gflops:>10.0} {:>7.0}%", 100.0 * share)
        };
        line("training", self.train_images_per_second, self.train_milliseconds, self.gflops, self.peak_share)?;
        line(
            "evaluation",
            self.eval_images_per_second,
            self.eval_milliseconds,
            self.eval_gflops,
            self.eval_peak_share,
        )?;
        writeln!(f, "peak of fused multiply-adds {:.0} GFLOP/s", self.peak_gflops)?;
        writeln!(f, "threads busy in training {:.0}%", 100.0 * self.train_busy_share)?;
        write!(f, "memory: engine {:.1} MB", self.peak_bytes as f64 * 1e-6)?;
        match self.process_peak_bytes {
            Some(bytes) => writeln!(f, ", process at most {:.1} MB", bytes as f64 * 1e-6)?,
            None => writeln!(f)?,
        }
        for (pass, title) in [("train", "training"), ("eval", "evaluation")] {
            let ops: Vec<&OpTime> = self.ops.iter().filter(|op| op.pass == pass).collect();
            let total: f64 = ops.iter().map(|op| op.milliseconds).sum();
            writeln!(f, "\n{title}, by kind: {total:.2} ms")?;
            let mut kinds: Vec<(&str, f64)> = Vec::new();
            for op in &ops {
                match kinds.iter_mut().find(|(step, _)| *step == op.step) {
                    Some((_, time)) => *time += op.milliseconds,
                    None => kinds.push((op.step, op.milliseconds)),
                }
            }
            kinds.sort_by(|a, b| b.1.total_cmp(&a.1));
            for (step, time) in kinds {
                writeln!(f, "  {step:<32} {time:>9.3} ms {:>5.1}%", 100.0 * time / total)?;
            }
            writeln!(f, "\n{title}, by op")?;
            for op in ops {
                let gflops = op.gflops.map_or(String::new(), |gflops| format!("{gflops:8.0} GFLOP/s"));
                let OpTime { op, direction, step, milliseconds, .. } = op;
                writeln!(f, "  {op:<24} {direction:<8} {step:<32} {milliseconds:>9.3} ms {gflops}")?;
            }
        }
        Ok(())
    }
}
