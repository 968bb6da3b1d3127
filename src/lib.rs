//! netc: a compiler and trainer for neural networks described in text.
//!
//! ```text
//! text --parse--> Ast --expand--> LayerGraph --infer--> Shaped --check--> Checked --lower--> Program --engine--> steps
//! ```
//!
//! An [`Experiment`] is a spec under its recipe, compiled and checked; it loads its data, opens an [`Engine`] and trains,
//! and an [`Observer`] hears what happens. Mistakes are data: a [`Diagnostic`] has a [`Code`], a place and a way out.
//!
//! ```
//! use netc::{Code, Experiment, Request};
//! use std::path::Path;
//!
//! let text = "net tiny { input 3x32x32; conv 4 3x3 pad 1; relu; global_avg_pool; linear 10 }";
//! let tiny = Experiment::compile_text(Path::new("tiny.net"), text, &Request::default()).unwrap();
//! assert_eq!(tiny.summary().params, 4 * 3 * 3 * 3 + 4 * 10 + 10);
//!
//! let wrong = text.replace("relu", "rleu");
//! let failure = Experiment::compile_text(Path::new("tiny.net"), &wrong, &Request::default()).unwrap_err();
//! assert_eq!(failure.diagnostics[0].code, Code::UnknownLayer);
//! assert_eq!(failure.diagnostics[0].help[0], "did you mean `relu`?");
//! ```
//!
//! `examples/train.rs` trains. `docs/architecture.md` walks through the rooms of the house, which are private.

#![deny(clippy::print_stdout, clippy::print_stderr)]

mod check;
mod cli;
mod compile;
mod data;
mod diagnostic;
mod engine;
mod experiment;
mod graph;
mod inspect;
mod lower;
mod random;
mod recipe;
mod run;
mod series;
mod source;
mod syntax;
mod text;
mod train;

pub use data::DataSet;
pub use data::batch::{Batch, Images};
pub use diagnostic::{Code, Diagnostic};
pub use engine::select::{Device, Selection};
pub use engine::{Engine, EngineError, GroupMoments, Metrics, Mode, State};
pub use experiment::{Experiment, Failure, Request, RunRequest};
pub use lower::program::Program;
pub use recipe::Recipe;
pub use run::folder::RunFolder;
pub use run::session::Finished;
pub use source::SourceMap;
pub use train::observer::Observer;
pub use train::report::{Best, EpochReport, Evaluated, Score, StepReport};
pub use train::stop::Stop;

/// The `netc` program.
#[doc(hidden)]
pub fn main() -> std::process::ExitCode {
    cli::run()
}

/// The kernels of the native engine, for benchmarks. Nothing here is stable.
#[cfg(feature = "bench")]
#[doc(hidden)]
pub mod bench {
    pub use crate::engine::native::kernels;
    pub use crate::graph::dims;
}

/// Everything, for the tests of this package. Nothing here is stable.
#[cfg(feature = "internals")]
#[doc(hidden)]
pub mod internals {
    macro_rules! rooms {
        ($($room:ident)*) => { $(pub mod $room { pub use crate::$room::*; })* };
    }
    rooms!(check cli compile data diagnostic engine experiment graph inspect lower random recipe run series source syntax);
    rooms!(text train);
}
