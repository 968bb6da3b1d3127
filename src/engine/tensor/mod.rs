//! The reference engine: a [`Program`] as dfdx tensor operations of run-time size, differentiated by dfdx's own tape.
//!
//! Nothing here derives a gradient. What this engine says is what the chain rule says of the forward pass in `ops`:
//! that makes it the measure of engines that derive theirs by hand. It is also the way to CUDA, being generic over the
//! dfdx device. `value` explains how activations lie in memory, and which dfdx operations are not used and why.

#[cfg(feature = "cuda")]
mod cuda;
mod device;
mod forward;
mod images;
mod loss;
mod ops;
mod plan;
mod update;
mod value;
mod window;

pub use device::KernelStyle;
use device::TensorDevice;

use super::{Arithmetic, Engine, EngineError, Metrics, Mode, Rule, State, Update, batch};
use crate::data::batch::{Batch, ImageSet, Images, SetId};
use crate::lower::program::{OpKind, Program, VarianceEstimate};
use device::{OnDevice, Recording};
use dfdx::prelude::*;
use forward::{Outcome, Pass};
use images::ResidentSet;
use loss::{Pending, cross_entropy, log_probabilities, loss_there};
use ops::channels::Ones;
use ops::norm::Moments;
use plan::Ready;
use update::{Kept, Velocities};
use value::{Matrix, Rows, fetch, transposed, upload, upload_rows};

/// Runs a [`Program`] on a dfdx device.
///
/// A fresh engine holds zeros; [`Engine::load`] gives it a state.
#[derive(Debug)]
struct TensorEngine<D: TensorDevice> {
    device: D,
    program: Program,
    ready: Vec<Ready<D>>,
    last_reader: Vec<usize>,
    parameters: Vec<Matrix<D>>,
    velocities: Velocities<D>,
    /// Empty until a step of Adam.
    squares: Vec<Matrix<D>>,
    /// Empty until a step that keeps an average.
    averages: Vec<Matrix<D>>,
    statistics: Vec<Matrix<D>>,
    ones: Ones<D>,
    pending: Pending<D>,
    /// Image sets that lie on the device.
    sets: Vec<ResidentSet<D>>,
    batch_size: usize,
}

/// The engine on the CPU. It is not generic, so that dfdx is compiled once, here.
///
/// # Errors
/// [`EngineError::Program`] when the program contradicts itself.
pub fn cpu(program: Program) -> Result<Box<dyn ReferenceEngine>, EngineError> {
    cpu_as(program, Cpu::STYLE)
}

/// The same with the kernels that suit another device, for tests.
///
/// # Errors
/// As for [`cpu`].
pub fn cpu_as(program: Program, style: KernelStyle) -> Result<Box<dyn ReferenceEngine>, EngineError> {
    Ok(Box::new(TensorEngine::with_style(program, Cpu::default(), style)?))
}

/// Makes engines that share a device.
#[cfg(feature = "cuda")]
pub type Maker = Box<dyn Fn(Program) -> Result<Box<dyn ReferenceEngine>, EngineError>>;

/// Engines on the CUDA device with this number, counted from 0.
///
/// # Errors
/// [`EngineError::Device`] when there is no driver or no such device; those made fail as with [`cpu`].
#[cfg(feature = "cuda")]
pub fn on_cuda(ordinal: usize) -> Result<Maker, EngineError> {
    let device = cuda::open_cuda(ordinal)?;
    Ok(Box::new(move |program| Ok(Box::new(TensorEngine::with_style(program, device.clone(), Cuda::STYLE)?))))
}

/// What the reference engine shows beside what every engine does.
pub trait ReferenceEngine: Engine {
    /// The name of the first layer whose output over a batch, in [`Mode::Train`], has a number that is none.
    ///
    /// # Errors
    /// As for [`Engine::train_step`].
    fn first_not_finite(&mut self, batch: &Batch<'_>) -> Result<Option<String>, EngineError>;

    /// The pixels of a batch as the network sees them, N×C×H×W: for tests of images that lie on the device.
    ///
    /// # Errors
    /// As for [`Engine::train_step`].
    #[cfg(any(test, feature = "internals"))]
    fn pixels(&mut self, batch: &Batch<'_>) -> Result<Vec<f32>, EngineError>;
}

impl<D: TensorDevice> TensorEngine<D> {
    /// An engine on a device; CUDA refuses [`KernelStyle::Gemm`].
    fn with_style(program: Program, device: D, style: KernelStyle) -> Result<Self, EngineError> {
        // Without it every tensor is fresh memory from the system, which takes longer than filling it.
        device.try_enable_cache().on::<D>()?;
        let ready = plan::prepare(&device, style, &program)?;
        let mut last_reader = vec![usize::MAX; program.values.len()];
        for (at, op) in program.ops.iter().enumerate() {
            for input in &op.inputs {
                if let Some(last) = last_reader.get_mut(input.0) {
                    *last = at;
                }
            }
        }
        if let Some(last) = last_reader.get_mut(program.logits.0) {
            *last = usize::MAX;
        }
        let blank = |elements: usize| device.try_zeros_like(&(elements, 1)).on::<D>();
        let parameters = program.parameters.iter().map(|p| device.try_zeros_like(&layout(&p.dims)).on::<D>());
        let parameters: Vec<Matrix<D>> = parameters.collect::<Result<_, _>>()?;
        let mut velocities = Velocities::leaky();
        parameters.iter().try_for_each(|parameter| velocities.try_alloc_for(parameter)).on::<D>()?;
        Ok(Self {
            ready,
            last_reader,
            parameters,
            velocities,
            squares: Vec::new(),
            averages: Vec::new(),
            statistics: program.statistics.iter().map(|s| blank(s.channels)).collect::<Result<_, _>>()?,
            ones: Ones::new(device.clone(), style),
            pending: Pending::new(),
            sets: Vec::new(),
            batch_size: 0,
            device,
            program,
        })
    }

    /// One pass over a batch.
    fn run<T: Recording<D>>(&mut self, batch: &Batch<'_>, mode: Mode, tape: T) -> Result<Outcome<D, T>, EngineError> {
        self.pass(batch, mode, tape, false)
    }

    fn pass<T: Recording<D>>(
        &mut self,
        batch: &Batch<'_>,
        mode: Mode,
        tape: T,
        watch: bool,
    ) -> Result<Outcome<D, T>, EngineError> {
        let images = self.images(batch)?;
        let mut pass = Pass {
            device: &self.device,
            program: &self.program,
            ready: &self.ready,
            last_reader: &self.last_reader,
            parameters: &self.parameters,
            statistics: &self.statistics,
            ones: &mut self.ones,
            mode,
            keys: batch.keys,
            watch,
        };
        pass.run(images, tape)
    }

    /// The images of a batch, elements × batch.
    fn images(&mut self, batch: &Batch<'_>) -> Result<Matrix<D>, EngineError> {
        let of_set = |id: SetId| self.sets.get(id.0).map(|images| images.set().split.len());
        batch::validate(batch, &self.program, of_set)?;
        let count = batch.len();
        if self.batch_size != count {
            // Nothing cached fits another batch size, and the cache never forgets by itself.
            self.ones.clear();
            self.device.try_empty_cache().on::<D>()?;
            self.batch_size = count;
        }
        match batch.images {
            Images::Pixels(pixels) => {
                let elements = self.program.input().elements();
                upload(&self.device, transposed(pixels, count, elements), elements, count).on::<D>()
            }
            Images::Resident { set, indices, variations } => {
                self.set(set)?.batch(&self.device, indices, variations).on::<D>()
            }
        }
    }

    fn set(&self, id: SetId) -> Result<&ResidentSet<D>, EngineError> {
        self.sets.get(id.0).ok_or_else(|| EngineError::Batch("its images are not on the device".into()))
    }

    /// Class indices, on the device.
    fn labels(&self, labels: &[u32]) -> Result<Rows<D>, EngineError> {
        upload_rows(&self.device, labels.iter().map(|&label| label as usize).collect()).on::<D>()
    }

    /// The way there and back in [`Mode::Train`]; `measured` also adds the batch to the metrics.
    #[allow(clippy::type_complexity)]
    fn differentiate(
        &mut self,
        batch: &Batch<'_>,
        measured: bool,
    ) -> Result<(Gradients<f32, D>, Vec<(usize, Moments<D>)>), EngineError> {
        let outcome = self.run(batch, Mode::Train, OwnedTape::<f32, D>::default())?;
        let (logits, tape) = outcome.logits.split_tape();
        let smoothing = self.program.loss.smoothing();
        let taped = logits.clone().put_tape(tape);
        let loss = match self.ones.style {
            KernelStyle::Gemm => {
                if measured {
                    self.pending.push(logits, batch.labels)?;
                }
                cross_entropy(taped, batch.labels, smoothing).on::<D>()?
            }
            KernelStyle::FewLaunches => {
                let labels = self.labels(batch.labels)?;
                let (loss, own) = loss_there(taped, &labels, smoothing).on::<D>()?;
                if measured {
                    self.pending.add(logits, &labels, own)?;
                }
                loss
            }
        };
        Ok((loss.try_backward().on::<D>()?, outcome.moments))
    }

    /// Whether every parameter is a finite number. What goes wrong on the way there, in the activations too, comes to
    /// the parameters with the next step: a gradient is a product with what was bad.
    fn is_finite(&self) -> Result<bool, EngineError> {
        let mut sums = None;
        for parameter in &self.parameters {
            let sum = parameter.clone().try_sum::<(), Axes2<0, 1>>().on::<D>()?;
            sums = Some(match sums {
                None => sum,
                Some(sums) => sum.try_add(sums).on::<D>()?,
            });
        }
        let Some(sums) = sums else { return Ok(true) };
        Ok(fetch::<D, ()>(&sums)?.iter().all(|sum| sum.is_finite()))
    }

    /// Room for what an update keeps beside the velocities.
    fn keep_for(&mut self, update: &Update<'_>) -> Result<(), EngineError> {
        if matches!(update.rule, Rule::Adam { .. }) && self.squares.is_empty() {
            let zeros = |parameter: &Matrix<D>| self.device.try_zeros_like(parameter.shape()).on::<D>();
            self.squares = self.parameters.iter().map(zeros).collect::<Result<_, _>>()?;
        }
        if update.average.is_some() && self.averages.is_empty() {
            // Of their own: dfdx copies what is shared when it is written to.
            self.averages.clone_from(&self.parameters);
        }
        Ok(())
    }

    /// Moves the running statistics towards the moments of a batch.
    fn follow(&mut self, moments: Vec<(usize, Moments<D>)>) -> Result<(), EngineError> {
        for (op, moments) in moments {
            let Some(OpKind::BatchNorm { mean, variance, decay, running_variance, .. }) =
                self.program.ops.get(op).map(|op| &op.kind)
            else {
                continue;
            };
            let (decay, count) = (f64::from(*decay), moments.count as f64);
            let correction = match running_variance {
                VarianceEstimate::Unbiased if moments.count > 1 => count / (count - 1.0),
                VarianceEstimate::Unbiased | VarianceEstimate::Biased => 1.0,
            };
            if let Some(running) = self.statistics.get_mut(mean.0) {
                running.try_axpy(decay, &moments.mean, 1.0 - decay).on::<D>()?;
            }
            if let Some(running) = self.statistics.get_mut(variance.0) {
                running.try_axpy(decay, &moments.variance, (1.0 - decay) * correction).on::<D>()?;
            }
        }
        Ok(())
    }
}

impl<D: TensorDevice> Engine for TensorEngine<D> {
    fn program(&self) -> &Program {
        &self.program
    }

    fn arithmetic(&self) -> Arithmetic {
        Arithmetic { device: D::NAME.into(), engine: "tensor".into(), instructions: None, convolution: None }
    }

    fn load(&mut self, state: &State) -> Result<(), EngineError> {
        state.validate(&self.program)?;
        let device = &self.device;
        let put = |(data, like): (&Vec<f32>, &Matrix<D>)| {
            let (rows, columns) = *like.shape();
            upload(device, data.clone(), rows, columns).on::<D>()
        };
        let parameters = state.parameters.iter().zip(&self.parameters).map(put).collect::<Result<Vec<_>, _>>()?;
        let mut velocities = Velocities::leaky();
        for (velocity, parameter) in state.velocities.iter().zip(&parameters) {
            update::set_velocity(&mut velocities, parameter, velocity).on::<D>()?;
        }
        let statistics = state.statistics.iter().zip(&self.statistics).map(put).collect::<Result<_, _>>()?;
        self.squares = state.squares.iter().zip(&self.parameters).map(put).collect::<Result<_, _>>()?;
        self.averages = state.averages.iter().zip(&self.parameters).map(put).collect::<Result<_, _>>()?;
        (self.parameters, self.velocities, self.statistics) = (parameters, velocities, statistics);
        Ok(())
    }

    fn state(&self) -> Result<State, EngineError> {
        let host = |tensors: &[Matrix<D>]| tensors.iter().map(fetch).collect::<Result<Vec<_>, _>>();
        Ok(State {
            parameters: host(&self.parameters)?,
            velocities: self.parameters.iter().map(|p| fetch(&self.velocities.get(p))).collect::<Result<_, _>>()?,
            squares: host(&self.squares)?,
            averages: host(&self.averages)?,
            statistics: host(&self.statistics)?,
        })
    }

    fn keep(&mut self, set: &ImageSet) -> Result<Option<SetId>, EngineError> {
        // Where products are the form, the images are as near to the device as they can be.
        if self.ones.style == KernelStyle::Gemm {
            return Ok(None);
        }
        let (found, wanted) = (set.split.shape(), self.program.input());
        if found != wanted {
            return Err(EngineError::Batch(format!("images of {found} where the network takes {wanted}")));
        }
        if let Some(at) = self.sets.iter().position(|images| images.set().serves(set)) {
            return Ok(Some(SetId(at)));
        }
        let Some(images) = ResidentSet::new(&self.device, set)? else { return Ok(None) };
        self.sets.push(images);
        Ok(Some(SetId(self.sets.len() - 1)))
    }

    fn train_step(&mut self, batch: &Batch<'_>, update: &Update<'_>) -> Result<(), EngineError> {
        update.validate(&self.program)?;
        self.keep_for(update)?;
        let (mut gradients, moments) = self.differentiate(batch, true)?;
        if let Some(most) = update.clip {
            update::clip(&self.parameters, &mut gradients, most).on::<D>()?;
        }
        let (mut squares, mut averages) = (self.squares.iter_mut(), self.averages.iter_mut());
        for (place, parameter) in self.parameters.iter_mut().enumerate() {
            let kept = Kept { squares: squares.next(), average: averages.next() };
            update::step(place, parameter, &mut self.velocities, kept, &mut gradients, update).on::<D>()?;
        }
        self.follow(moments)
    }

    fn evaluate(&mut self, batch: &Batch<'_>) -> Result<(), EngineError> {
        let logits = self.run(batch, Mode::Evaluate, NoneTape)?.logits;
        match self.ones.style {
            KernelStyle::Gemm => self.pending.push(logits, batch.labels),
            KernelStyle::FewLaunches => {
                let labels = self.labels(batch.labels)?;
                let (_, own) = log_probabilities(logits.clone(), &labels).on::<D>()?;
                self.pending.add(logits, &labels, own)
            }
        }
    }

    fn read_metrics(&mut self) -> Result<Metrics, EngineError> {
        let metrics = self.pending.take()?;
        if metrics.images > 0 && self.ones.style == KernelStyle::FewLaunches && !self.is_finite()? {
            return Ok(Metrics { loss_sum: f64::NAN, correct: 0, ..metrics });
        }
        Ok(metrics)
    }

    fn logits(&mut self, batch: &Batch<'_>, mode: Mode) -> Result<Vec<f32>, EngineError> {
        let logits = self.run(batch, mode, NoneTape)?.logits;
        let (classes, images) = *logits.shape();
        Ok(transposed(&fetch(&logits)?, classes, images))
    }

    fn moments(&mut self, batch: &Batch<'_>) -> Result<Vec<Vec<f32>>, EngineError> {
        let outcome = self.run(batch, Mode::Train, NoneTape)?;
        let mut moments = vec![Vec::new(); self.statistics.len()];
        for (op, of_batch) in outcome.moments {
            if let Some(OpKind::BatchNorm { mean, variance, .. }) = self.program.ops.get(op).map(|op| &op.kind) {
                for (statistic, values) in [(mean, of_batch.mean), (variance, of_batch.variance)] {
                    if let Some(found) = moments.get_mut(statistic.0) {
                        *found = fetch(&values)?;
                    }
                }
            }
        }
        Ok(moments)
    }

    fn gradients(&mut self, batch: &Batch<'_>) -> Result<Vec<Vec<f32>>, EngineError> {
        let (mut gradients, _) = self.differentiate(batch, false)?;
        let host = |parameter: &Matrix<D>| {
            // A parameter that the loss does not reach has none yet: it is zero.
            gradients.try_alloc_for(parameter).on::<D>()?;
            fetch(&gradients.get(parameter))
        };
        self.parameters.iter().map(host).collect()
    }
}

impl<D: TensorDevice> ReferenceEngine for TensorEngine<D> {
    fn first_not_finite(&mut self, batch: &Batch<'_>) -> Result<Option<String>, EngineError> {
        let outcome = self.pass(batch, Mode::Train, NoneTape, true)?;
        Ok(outcome.not_finite.and_then(|at| self.program.ops.get(at)).map(|op| op.name.clone()))
    }

    #[cfg(any(test, feature = "internals"))]
    fn pixels(&mut self, batch: &Batch<'_>) -> Result<Vec<f32>, EngineError> {
        let images = self.images(batch)?;
        let (elements, count) = *images.shape();
        Ok(transposed(&fetch(&images)?, elements, count))
    }
}

/// Outputs × the rest for a weight, elements × 1 for what has one dimension.
fn layout(dims: &[usize]) -> (usize, usize) {
    (dims.first().copied().unwrap_or(1), dims.iter().skip(1).product())
}
