//! The native CPU engine: compiles a program ahead, then runs it without allocating.
//!
//! ```text
//! Program --fuse--> groups --compile--> steps on slots --plan--> steps on memory --exec--> threads, blocks of 16 images
//! ```
//!
//! Images are worked on in blocks of 16, which are the lanes of a vector ([`kernels`] tells why). Every block has its own
//! memory; one step after another is run for a block until batch statistics or weight gradients have to be summed over
//! all blocks. So a thread's work stays in its cache, there is one wait a batch norm, and nothing that is computed
//! depends on which thread did it: results are the same bits for any number of threads.

pub mod bench;
mod compile;
mod exec;
mod fold;
mod fuse;
pub mod kernels;
mod layers;
mod memory;
mod plan;
mod step;

pub use fuse::Purpose;
pub use plan::Plan;

use crate::data::batch::Batch;
use crate::engine::{Arithmetic, Engine, EngineError, Metrics, Mode, Rule, State, Update, batch};
use crate::lower::program::Program;
use exec::{Context, Outputs, Profile, ThreadPool};
use kernels::isa::Isa;
use kernels::loss::BlockLoss;
use kernels::{LANES, blocks, layout, update};
use layers::Layers;
use memory::Arena;
use rayon::prelude::*;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

/// How convolutions are computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Convolution {
    /// By whichever algorithm is faster, Winograd's among them
    #[default]
    Fastest,
    /// By plain sums of products: slower, and nearer to what other frameworks compute
    Direct,
}

/// How far a pass in training mode goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TrainingPass {
    /// To the logits; running statistics stay as they are.
    Forward,
    /// To the gradients; running statistics stay as they are.
    Gradients,
    /// To the gradients, and running statistics move.
    Step,
}

impl Convolution {
    /// Both ways.
    pub const ALL: [Convolution; 2] = [Convolution::Fastest, Convolution::Direct];

    /// The word for it on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Convolution::Fastest => "fastest",
            Convolution::Direct => "direct",
        }
    }
}

/// What a user may choose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Options {
    /// Threads; all that the machine offers if none is given.
    pub threads: Option<usize>,
    /// Instruction set; the best there is, or what `NETC_ISA` says, if none is given.
    pub isa: Option<Isa>,
    /// How convolutions are computed.
    pub convolution: Convolution,
}

/// Runs one program on the CPU.
#[derive(Debug)]
pub struct NativeEngine {
    program: Program,
    isa: Isa,
    convolution: Convolution,
    threads: Arc<ThreadPool>,
    layers: Layers,
    parameters: Vec<Vec<f32>>,
    velocities: Vec<Vec<f32>>,
    /// Empty until a step of Adam.
    squares: Vec<Vec<f32>>,
    /// Empty until a step that keeps an average.
    averages: Vec<Vec<f32>>,
    gradients: Vec<Vec<f32>>,
    statistics: Vec<Vec<f32>>,
    train: Plan,
    evaluate: Plan,
    /// A run of numbers a block in training, a thread in evaluation; never both at once, so it is shared.
    arena: Arena,
    losses: Vec<BlockLoss>,
    shared_losses: Vec<Mutex<BlockLoss>>,
    metrics: Metrics,
    /// Whether the packed weights are those of `parameters`: for training, for evaluation.
    packed: Packed,
    profile: Option<(Profile, Profile)>,
}

/// Which packed weights are up to date.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Packed {
    forward: bool,
    backward: bool,
    folded: bool,
}

/// An error for a program or plan that this crate's own checks should have refused.
fn broken(what: &str, message: &str) -> EngineError {
    EngineError::Program(format!("`{what}`: {message}"))
}

/// Time of one step, summed over threads and calls.
#[derive(Debug, Clone, PartialEq)]
pub struct StepTime {
    /// Name of the program's op.
    pub op: String,
    /// What the step does.
    pub step: &'static str,
    /// Whether it belongs to the backward pass.
    pub backward: bool,
    /// Seconds, over all threads.
    pub seconds: f64,
    /// Counted operations an image.
    pub flops: u64,
}

impl NativeEngine {
    /// Compiles a program. Weights are as [`Engine::load`] gives them; zero (and running statistics as they start)
    /// before that.
    ///
    /// # Errors
    /// [`EngineError::Device`] when the instruction set or the threads cannot be had, [`EngineError::Program`] when the
    /// program contradicts itself.
    pub fn new(program: Program, options: Options) -> Result<Self, EngineError> {
        let failed = |message: String| EngineError::Device { device: "cpu", message };
        let isa = match options.isa {
            Some(isa) if isa.is_available() => isa,
            Some(isa) => return Err(failed(format!("this machine has no {isa}"))),
            None => Isa::detect().map_err(|error| failed(error.to_string()))?,
        };
        let available = || std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let threads = options.threads.unwrap_or_else(available).max(1);
        crate::engine::verify::verify(&program)?;
        let mut layers = Layers::new(&program, isa, options.convolution)?;
        fold::mark(&program, &mut layers);
        let train = Plan::new(compile::compile(&program, &layers, Purpose::Train)?);
        let evaluate = Plan::new(compile::compile(&program, &layers, Purpose::Evaluate)?);
        let threads = Arc::new(ThreadPool::new(threads, layers.scratch_len(&program))?);
        let zeros = || program.parameters.iter().map(|p| vec![0.0; p.elements()]).collect::<Vec<_>>();
        Ok(NativeEngine {
            parameters: zeros(),
            velocities: zeros(),
            squares: Vec::new(),
            averages: Vec::new(),
            gradients: zeros(),
            statistics: program.statistics.iter().map(|s| vec![s.initial; s.channels]).collect(),
            arena: Arena::new(0)?,
            losses: Vec::new(),
            shared_losses: Vec::new(),
            metrics: Metrics::default(),
            packed: Packed::default(),
            profile: None,
            program,
            isa,
            convolution: options.convolution,
            threads,
            layers,
            train,
            evaluate,
        })
    }

    /// The instruction set in use.
    pub fn isa(&self) -> Isa {
        self.isa
    }

    /// The number of threads in use.
    pub fn threads(&self) -> usize {
        self.threads.count()
    }

    /// The steps and memory of a pass; its `Display` prints them.
    pub fn plan(&self, purpose: Purpose) -> &Plan {
        match purpose {
            Purpose::Train => &self.train,
            Purpose::Evaluate => &self.evaluate,
        }
    }

    /// The plan of a pass as text, with the bytes that a batch of `images` takes: what `netc dump --stage plan` prints.
    pub fn describe(&self, purpose: Purpose, images: usize) -> String {
        let (activations, fixed) = (self.activation_bytes(purpose, images), self.fixed_bytes());
        let (held, what) = match purpose {
            Purpose::Train => (blocks(images), "blocks"),
            Purpose::Evaluate => (self.threads.count().min(blocks(images)), "threads, each with the memory of a block"),
        };
        format!(
            "{}\n{images} images, {held} {what}: {activations} bytes\nweights, velocities, gradients, packed weights, \
             statistics, scratch: {fixed} bytes\npeak: {} bytes\n",
            self.plan(purpose),
            activations + fixed
        )
    }

    /// Bytes of activations, gradients of activations and partial sums that a batch of `images` takes.
    pub fn activation_bytes(&self, purpose: Purpose, images: usize) -> usize {
        4 * match purpose {
            Purpose::Train => self.train.block_len * blocks(images),
            Purpose::Evaluate => self.evaluate.block_len * self.threads.count().min(blocks(images)),
        }
    }

    /// Bytes of everything else: weights, velocities, gradients, packed weights, statistics, scratch.
    pub fn fixed_bytes(&self) -> usize {
        let kept = [&self.velocities, &self.squares, &self.averages];
        let tensors = [&self.parameters, &self.gradients, &self.statistics].into_iter().chain(kept);
        let numbers: usize = tensors.flatten().map(Vec::len).sum();
        4 * numbers + self.layers.bytes() + self.threads.bytes()
    }

    /// Bytes of numbers held now. After a step with a batch of n images this is
    /// `fixed_bytes() + activation_bytes(purpose, n)`, with the largest such batch so far.
    pub fn peak_bytes(&self) -> usize {
        self.fixed_bytes() + 4 * self.arena.len()
    }

    /// Starts counting the time of each step (from zero), or stops.
    pub fn set_profiling(&mut self, on: bool) {
        let new = |plan: &Plan| Profile::new(plan.steps.len());
        self.profile = on.then(|| (new(&self.train), new(&self.evaluate)));
    }

    /// The time of each step of a pass since profiling began; empty without profiling.
    pub fn step_times(&self, purpose: Purpose) -> Vec<StepTime> {
        let Some((train, evaluate)) = &self.profile else { return Vec::new() };
        let profile = if purpose == Purpose::Train { train } else { evaluate };
        let steps = self.plan(purpose).steps.iter().zip(&profile.nanoseconds);
        steps
            .map(|(step, time)| StepTime {
                op: step.name.clone(),
                step: step.label(),
                backward: step.backward,
                seconds: time.load(Ordering::Relaxed) as f64 * 1e-9,
                flops: step.flops,
            })
            .collect()
    }

    /// Makes room for a batch: allocates only when there has not been one so large.
    fn reserve(&mut self, purpose: Purpose, images: usize) -> Result<(), EngineError> {
        let len = self.activation_bytes(purpose, images) / 4;
        if self.arena.len() < len {
            self.arena = Arena::new(0)?;
            self.arena = Arena::new(len)?;
        }
        let blocks = blocks(images);
        if self.losses.len() < blocks {
            self.losses.resize(blocks, BlockLoss::default());
            self.shared_losses.resize_with(blocks, Mutex::default);
        }
        Ok(())
    }

    /// A pass in training mode. The losses lie in `self.losses`.
    fn run_train(&mut self, batch: &Batch<'_>, pass: TrainingPass) -> Result<(), EngineError> {
        let pixels = batch::pixels(batch, &self.program)?;
        let forward_only = pass == TrainingPass::Forward;
        self.reserve(Purpose::Train, batch.len())?;
        self.pack(Purpose::Train, forward_only);
        let blocks = blocks(batch.len());
        let context = Context {
            plan: &self.train,
            purpose: Purpose::Train,
            isa: self.isa,
            threads: &self.threads,
            parameters: &self.parameters,
            batch,
            pixels,
            input_len: self.program.input().elements(),
            move_statistics: pass == TrainingPass::Step,
            threads_per_block: self.threads.count() / blocks,
            profile: self.profile.as_ref().map(|(train, _)| train),
        };
        let mut outputs = Outputs {
            layers: &mut self.layers,
            gradients: &mut self.gradients,
            statistics: &mut self.statistics,
            losses: &mut self.losses[..blocks],
        };
        let memory = &mut self.arena.numbers_mut()[..blocks * self.train.block_len];
        let steps = if forward_only { self.train.forward } else { self.train.steps.len() };
        self.threads.install(|| context.run(steps, memory, &mut outputs))
    }

    /// Forward in evaluation mode. The losses lie in `self.shared_losses`.
    fn run_evaluate(
        &mut self,
        batch: &Batch<'_>,
        take: impl Fn(usize, &[f32]) + Sync + Send,
    ) -> Result<(), EngineError> {
        let pixels = batch::pixels(batch, &self.program)?;
        self.reserve(Purpose::Evaluate, batch.len())?;
        self.pack(Purpose::Evaluate, true);
        let context = Context {
            plan: &self.evaluate,
            purpose: Purpose::Evaluate,
            isa: self.isa,
            threads: &self.threads,
            parameters: &self.parameters,
            batch,
            pixels,
            input_len: self.program.input().elements(),
            move_statistics: false,
            threads_per_block: self.threads.count() / blocks(batch.len()),
            profile: self.profile.as_ref().map(|(_, evaluate)| evaluate),
        };
        let blocks = blocks(batch.len());
        let workers = self.threads.count().min(blocks);
        let memory = &mut self.arena.numbers_mut()[..workers * self.evaluate.block_len];
        let (layers, losses) = (&self.layers, &self.shared_losses[..blocks]);
        self.threads.install(|| context.run_apart(memory, layers, losses, take))
    }

    /// Brings the packed weights that a pass needs up to date, and the coefficients of evaluation.
    fn pack(&mut self, purpose: Purpose, forward_only: bool) {
        let parameters = &self.parameters;
        let (forward, backward) = match purpose {
            Purpose::Train => (!self.packed.forward, !self.packed.backward && !forward_only),
            Purpose::Evaluate => (!self.packed.forward, false),
        };
        // The coefficients are those of the last batch after a training pass.
        let folded = purpose == Purpose::Evaluate && !self.packed.folded;
        if purpose == Purpose::Train {
            self.packed.folded = false;
        }
        if folded {
            fold::evaluation_coefficients(&mut self.layers.norms, parameters, &self.statistics);
        }
        if !(forward || backward || folded) {
            return;
        }
        let Layers { convs, norms, .. } = &mut self.layers;
        self.threads.install(|| {
            convs.par_iter_mut().for_each(|conv| {
                let weights = &parameters[conv.weight];
                if forward {
                    conv.kernel.pack_forward(weights, &mut conv.forward);
                }
                if backward {
                    conv.kernel.pack_backward(weights, &mut conv.backward);
                }
                if folded {
                    fold::fold(conv, norms, parameters);
                }
            });
        });
        self.packed.forward |= forward;
        self.packed.backward |= backward;
        self.packed.folded |= folded;
    }

    fn update(&mut self, update: &Update<'_>) {
        /// Below this a handover to another thread costs more than the work.
        const RUN: usize = 1 << 15;
        let isa = self.isa;
        let scale = match update.clip {
            None => 1.0,
            Some(_) => {
                let squares = self.gradients.iter().map(|gradient| update::sum_of_squares(isa, gradient));
                update.clipping(squares.sum::<f64>().sqrt())
            }
        };
        let averages = update.average.map(|decay| (decay, self.averages.iter_mut()));
        let (mut averages, follow) = averages.map_or((None, 0.0), |(decay, averages)| (Some(averages), decay));
        let mut squares = self.squares.iter_mut();
        let tensors = self.parameters.iter_mut().zip(&mut self.velocities).zip(&self.gradients);
        self.threads.install(|| {
            for (index, ((weights, velocity), gradient)) in tensors.enumerate() {
                let step = update::Step::new(update, index, scale);
                // Kept for Adam alone.
                let squares = squares.next().map_or(&mut [][..], Vec::as_mut_slice);
                let average = averages.as_mut().and_then(Iterator::next).map_or(&mut [][..], Vec::as_mut_slice);
                let one = |weights: &mut [f32], velocity: &mut [f32], gradient: &[f32], squares: &mut [f32]| match step
                {
                    update::Step::Sgd(step) => update::sgd(isa, step, gradient, velocity, weights),
                    update::Step::Adam(step) => update::adam(isa, step, gradient, velocity, squares, weights),
                };
                if weights.len() <= 2 * RUN {
                    one(weights, velocity, gradient, squares);
                } else if squares.is_empty() {
                    let runs = weights.par_chunks_mut(RUN).zip(velocity.par_chunks_mut(RUN));
                    runs.zip(gradient.par_chunks(RUN)).for_each(|((w, v), g)| one(w, v, g, &mut []));
                } else {
                    let runs = weights.par_chunks_mut(RUN).zip(velocity.par_chunks_mut(RUN));
                    let runs = runs.zip(gradient.par_chunks(RUN)).zip(squares.par_chunks_mut(RUN));
                    runs.for_each(|(((w, v), g), s)| one(w, v, g, s));
                }
                update::follow(isa, follow, weights, average);
            }
        });
        self.packed = Packed::default();
    }

    /// Room for what an update keeps beside the velocities. Only a first one allocates.
    fn keep_for(&mut self, update: &Update<'_>) {
        if matches!(update.rule, Rule::Adam { .. }) && self.squares.is_empty() {
            self.squares = self.parameters.iter().map(|values| vec![0.0; values.len()]).collect();
        }
        if update.average.is_some() && self.averages.is_empty() {
            self.averages.clone_from(&self.parameters);
        }
    }
}

impl Engine for NativeEngine {
    fn program(&self) -> &Program {
        &self.program
    }

    fn arithmetic(&self) -> Arithmetic {
        Arithmetic {
            device: "cpu".into(),
            engine: "native".into(),
            instructions: Some(self.isa.to_string()),
            convolution: Some(self.convolution.name().into()),
        }
    }

    fn load(&mut self, state: &State) -> Result<(), EngineError> {
        state.validate(&self.program)?;
        let copies = [
            (&mut self.parameters, &state.parameters),
            (&mut self.velocities, &state.velocities),
            (&mut self.statistics, &state.statistics),
        ];
        for (to, from) in copies {
            to.iter_mut().zip(from).for_each(|(to, from)| to.copy_from_slice(from));
        }
        self.squares.clone_from(&state.squares);
        self.averages.clone_from(&state.averages);
        self.packed = Packed::default();
        Ok(())
    }

    fn state(&self) -> Result<State, EngineError> {
        Ok(State {
            parameters: self.parameters.clone(),
            velocities: self.velocities.clone(),
            squares: self.squares.clone(),
            averages: self.averages.clone(),
            statistics: self.statistics.clone(),
        })
    }

    fn train_step(&mut self, batch: &Batch<'_>, update: &Update<'_>) -> Result<(), EngineError> {
        update.validate(&self.program)?;
        self.keep_for(update);
        // One handover to the threads for all that a step does.
        let threads = Arc::clone(&self.threads);
        threads.install(|| {
            self.run_train(batch, TrainingPass::Step)?;
            self.update(update);
            Ok(())
        })?;
        for block in &self.losses[..blocks(batch.len())] {
            self.metrics.loss_sum += block.loss;
            self.metrics.correct += block.correct;
        }
        self.metrics.images += batch.len() as u64;
        Ok(())
    }

    fn evaluate(&mut self, batch: &Batch<'_>) -> Result<(), EngineError> {
        let threads = Arc::clone(&self.threads);
        threads.install(|| self.run_evaluate(batch, |_, _| ()))?;
        for block in &self.shared_losses[..blocks(batch.len())] {
            let block = block.lock().unwrap_or_else(PoisonError::into_inner);
            self.metrics.loss_sum += block.loss;
            self.metrics.correct += block.correct;
        }
        self.metrics.images += batch.len() as u64;
        Ok(())
    }

    fn read_metrics(&mut self) -> Result<Metrics, EngineError> {
        Ok(std::mem::take(&mut self.metrics))
    }

    fn logits(&mut self, batch: &Batch<'_>, mode: Mode) -> Result<Vec<f32>, EngineError> {
        let classes = self.program.classes();
        let mut logits = vec![0.0; batch.len() * classes];
        match mode {
            Mode::Train => {
                self.run_train(batch, TrainingPass::Forward)?;
                let place = self.train.slots[self.train.logits.0].range();
                let memory = self.arena.numbers().chunks_exact(self.train.block_len);
                for (block, logits) in memory.zip(logits.chunks_mut(LANES * classes)) {
                    layout::unpack(&block[place.clone()], classes, logits);
                }
            }
            Mode::Evaluate => {
                let rows: Vec<Mutex<&mut [f32]>> = logits.chunks_mut(LANES * classes).map(Mutex::new).collect();
                self.run_evaluate(batch, |block, found| {
                    if let Some(rows) = rows.get(block) {
                        layout::unpack(found, classes, &mut rows.lock().unwrap_or_else(PoisonError::into_inner));
                    }
                })?;
            }
        }
        Ok(logits)
    }

    fn moments(&mut self, batch: &Batch<'_>) -> Result<Vec<Vec<f32>>, EngineError> {
        self.run_train(batch, TrainingPass::Forward)?;
        let mut moments = vec![Vec::new(); self.statistics.len()];
        for norm in &self.layers.norms {
            moments[norm.mean].clone_from(&norm.coefficients.mean);
            moments[norm.variance].clone_from(&norm.coefficients.variance);
        }
        Ok(moments)
    }

    fn gradients(&mut self, batch: &Batch<'_>) -> Result<Vec<Vec<f32>>, EngineError> {
        self.run_train(batch, TrainingPass::Gradients)?;
        Ok(self.gradients.clone())
    }
}
