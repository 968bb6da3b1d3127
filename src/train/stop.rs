//! Ctrl-C: the first one asks the run to end, the second one ends it.

use crate::diagnostic::{Code, Diagnostic};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A wish to stop, looked at between steps.
#[derive(Debug, Clone, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// No wish yet, and no signal that could make it one.
    pub fn new() -> Self {
        Stop::default()
    }

    /// A wish that Ctrl-C (or a request to terminate) makes; a second one exits with code 130 at once.
    ///
    /// # Errors
    /// [`Code::RunFailed`] when the system refuses a handler, or one is there already.
    pub fn on_signal() -> Result<Self, Diagnostic> {
        let stop = Stop::new();
        let asked = stop.clone();
        ctrlc::set_handler(move || {
            if asked.0.swap(true, Ordering::Relaxed) {
                std::process::exit(130);
            }
            eprintln!("\nstopping after this step to save what was learnt; again to stop at once");
        })
        .map_err(|error| Diagnostic::new(Code::RunFailed, "cannot listen for Ctrl-C").note(error.to_string()))?;
        Ok(stop)
    }

    /// Asks to stop.
    pub fn request(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether it was asked for.
    pub fn requested(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
