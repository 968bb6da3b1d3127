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
mod blocking;
mod compile;
mod describe;
mod exec;
mod fold;
mod fuse;
pub mod kernels;
mod layers;
mod memory;
mod options;
mod pass;
mod plan;
mod step;
mod update;

pub use describe::StepTime;
pub use fuse::Purpose;
pub use options::{Convolution, Options};
pub use plan::Plan;

use crate::data::batch::Batch;
use crate::engine::{Arithmetic, Engine, EngineError, GroupMoments, Metrics, Mode, State, Update};
use crate::lower::program::Program;
use exec::{Profile, ThreadPool, tree};
use kernels::isa::Isa;
use kernels::loss::BlockLoss;
use kernels::{LANES, layout};
use layers::Layers;
use memory::Arena;
use pass::{Packed, TrainingPass};
use std::sync::{Arc, Mutex, PoisonError};

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

/// An error for a program or plan that this crate's own checks should have refused.
fn broken(what: &str, message: &str) -> EngineError {
    EngineError::Program(format!("`{what}`: {message}"))
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
        let threads = Arc::new(ThreadPool::new(threads, layers.scratch_len(&program, 1))?);
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

    /// Adds a batch to the metrics.
    fn count(&mut self, sum: BlockLoss, images: usize) {
        self.metrics.loss_sum += sum.loss;
        self.metrics.correct += sum.correct;
        self.metrics.images += images as u64;
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
        let blocks = self.blocking(Purpose::Train, batch.len()).blocks();
        let losses = &self.losses;
        let sum = tree::fold(0..blocks, &mut |block| losses[block], &BlockLoss::join);
        self.count(sum.unwrap_or_default(), batch.len());
        Ok(())
    }

    fn evaluate(&mut self, batch: &Batch<'_>) -> Result<(), EngineError> {
        let threads = Arc::clone(&self.threads);
        threads.install(|| self.run_evaluate(batch, |_, _| ()))?;
        let blocks = self.blocking(Purpose::Evaluate, batch.len()).blocks();
        let losses = &self.shared_losses;
        let mut of_block = |block: usize| *losses[block].lock().unwrap_or_else(PoisonError::into_inner);
        let sum = tree::fold(0..blocks, &mut of_block, &BlockLoss::join);
        self.count(sum.unwrap_or_default(), batch.len());
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
                let blocking = self.blocking(Purpose::Train, batch.len());
                for (index, block) in memory.take(blocking.blocks()).enumerate() {
                    let images = blocking.images(index);
                    let logits = &mut logits[images.start * classes..images.end * classes];
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

    fn moments(&mut self, batch: &Batch<'_>) -> Result<Vec<GroupMoments>, EngineError> {
        self.run_train(batch, TrainingPass::Forward)?;
        let blocking = self.blocking(Purpose::Train, batch.len());
        let of_group = |group: usize| {
            let mut values = vec![Vec::new(); self.statistics.len()];
            for norm in &self.layers.norms {
                values[norm.mean].clone_from(&norm.coefficients[group].mean);
                values[norm.variance].clone_from(&norm.coefficients[group].variance);
            }
            GroupMoments { images: blocking.images_of(group).len(), values }
        };
        Ok((0..blocking.groups()).map(of_group).collect())
    }

    fn gradients(&mut self, batch: &Batch<'_>) -> Result<Vec<Vec<f32>>, EngineError> {
        self.run_train(batch, TrainingPass::Gradients)?;
        Ok(self.gradients.clone())
    }
}
