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
mod passes;
mod plan;
mod update;
mod value;
mod window;

pub use device::KernelStyle;
use device::TensorDevice;

use super::{Arithmetic, Engine, EngineError, GroupMoments, Metrics, Mode, State, Update};
use crate::data::batch::{Batch, ImageSet, SetId};
use crate::lower::program::{OpKind, Program};
use device::OnDevice;
use dfdx::prelude::*;
use images::ResidentSet;
use loss::{Pending, log_probabilities};
use ops::channels::Ones;
use plan::Ready;
use update::{Kept, Velocities};
use value::{Matrix, fetch, transposed, upload};

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

    fn moments(&mut self, batch: &Batch<'_>) -> Result<Vec<GroupMoments>, EngineError> {
        let outcome = self.run(batch, Mode::Train, NoneTape)?;
        let nothing = |images| GroupMoments { images, values: vec![Vec::new(); self.statistics.len()] };
        let mut groups: Vec<GroupMoments> = self.program.norm_groups(batch.len()).into_iter().map(nothing).collect();
        for (op, of_batch) in outcome.moments {
            if let Some(OpKind::BatchNorm { mean, variance, .. }) = self.program.ops.get(op).map(|op| &op.kind) {
                for (statistic, values) in [(mean, of_batch.mean), (variance, of_batch.variance)] {
                    // One row a channel, one column a group.
                    let (columns, values) = (values.shape().1.max(1), fetch(&values)?);
                    for (at, group) in groups.iter_mut().enumerate() {
                        if let Some(found) = group.values.get_mut(statistic.0) {
                            *found = values.iter().skip(at).step_by(columns).copied().collect();
                        }
                    }
                }
            }
        }
        Ok(groups)
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
