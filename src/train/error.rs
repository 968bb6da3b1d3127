//! Why a run did not end well, and what a person is told about it.

use super::report::EvalSet;
use crate::data::DataError;
use crate::diagnostic::{Code, Diagnostic};
use crate::engine::EngineError;
use crate::text::rounded;
use std::fmt;

/// Why a run did not end well.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The engine failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The data failed.
    #[error(transparent)]
    Data(#[from] DataError),
    /// What an observer had to keep could not be kept.
    #[error("{}", .0.message)]
    Observer(Box<Diagnostic>),
    /// Loss or weights left the numbers.
    #[error("{0}")]
    NotFinite(Box<NotFinite>),
}

impl From<Diagnostic> for RunError {
    fn from(diagnostic: Diagnostic) -> RunError {
        RunError::Observer(Box::new(diagnostic))
    }
}

/// What is no longer a number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum NonFinite {
    /// The loss, which was read as this.
    Loss(f64),
    /// Weights, though the loss was still finite.
    Weights,
}

/// Where a run left the numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct NotFinite {
    /// What was seen of it.
    pub lost: NonFinite,
    /// Steps after which all still was finite.
    pub finite_at: u64,
    /// Steps after which it no longer was.
    pub step: u64,
    /// Learning rate there.
    pub rate: f64,
    /// Over which images: `None` for those of training.
    pub evaluating: Option<EvalSet>,
    /// The last epoch that was finite to its end; 0 for none.
    pub last_epoch: u64,
    /// Where it began, if that could be found.
    pub origin: Option<NonFiniteOrigin>,
}

/// The step, counted from 1, and the layer or weight in which the first number was lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NonFiniteOrigin {
    /// The step.
    pub step: u64,
    /// What of it.
    pub place: Location,
}

/// A part of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// The output of this layer, on the way forward.
    Output(String),
    /// The loss, from logits that were numbers.
    Loss,
    /// The gradient of this parameter.
    Gradient(String),
    /// This parameter, after the update.
    Update(String),
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Location::Output(layer) => write!(f, "the output of `{layer}`"),
            Location::Loss => f.write_str("the loss itself: the logits were still numbers"),
            Location::Gradient(parameter) => write!(f, "the gradient of `{parameter}`"),
            Location::Update(parameter) => write!(f, "the update of `{parameter}`"),
        }
    }
}

impl fmt::Display for NotFinite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let NotFinite { step, rate, .. } = self;
        match (self.lost, self.evaluating) {
            (NonFinite::Weights, _) => write!(f, "weights are no longer numbers at step {step} (learning rate {rate})"),
            (NonFinite::Loss(loss), None) => {
                write!(f, "the training loss is {loss} at step {step} (learning rate {rate})")
            }
            (NonFinite::Loss(loss), Some(which)) => {
                let which = which.name();
                write!(f, "the loss over the {which} images is {loss} after step {step} (learning rate {rate})")
            }
        }
    }
}

impl From<RunError> for Diagnostic {
    fn from(error: RunError) -> Diagnostic {
        match error {
            RunError::Engine(error) => Diagnostic::new(Code::RunFailed, error.to_string()),
            RunError::Data(error) => Diagnostic::from(&error),
            RunError::Observer(diagnostic) => *diagnostic,
            RunError::NotFinite(at) => not_finite(&at),
        }
    }
}

/// Why there is no engine to run a program on.
pub fn no_engine(error: &EngineError) -> Diagnostic {
    let code = match error {
        EngineError::Device { .. } | EngineError::NotBuilt(_) | EngineError::Precision { .. } => {
            Code::DeviceUnavailable
        }
        EngineError::Program(_) | EngineError::Batch(_) | EngineError::State(_) => Code::RunFailed,
    };
    let diagnostic = Diagnostic::new(code, error.to_string());
    match error {
        EngineError::NotBuilt(_) => diagnostic
            .help("build one with it, which needs the CUDA toolkit: `cargo build --release --features cuda` (docs/cuda.md)")
            .help("or leave out `--device cuda`"),
        _ => diagnostic,
    }
}

fn not_finite(at: &NotFinite) -> Diagnostic {
    let kept = match at.last_epoch {
        0 => "no weights were saved: no epoch had ended yet".to_string(),
        epoch => format!("the weights saved are those of the end of epoch {epoch}"),
    };
    let mut diagnostic = Diagnostic::new(Code::LossNotFinite, at.to_string());
    if at.evaluating.is_none() {
        diagnostic = diagnostic.note(match &at.origin {
            Some(NonFiniteOrigin { step, place }) => {
                format!("it began in step {step}: the first number lost is in {place}")
            }
            None => format!("it was finite up to step {}", at.finite_at),
        });
    }
    let rate = rounded(at.rate / 10.0, 3);
    diagnostic
        .note(kept)
        .help(format!("try a smaller learning rate, such as `--set optimizer.learning_rate={rate}`"))
        .help("or normalised input (`normalize: per-channel`), or starting weights that fit the activations (`init`)")
}
