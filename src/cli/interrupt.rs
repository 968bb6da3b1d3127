//! Ctrl-C: the first one asks the run to end, the second one ends it.

use super::output;
use crate::diagnostic::{Code, Diagnostic};
use crate::train::stop::Stop;

/// A flag that Ctrl-C (or a request to terminate) sets; a second one exits with code 130 at once.
///
/// # Errors
/// [`Code::RunFailed`] when the system refuses a handler, or one is there already.
pub fn stop_on_signal() -> Result<Stop, Diagnostic> {
    let stop = Stop::new();
    let asked = stop.clone();
    ctrlc::set_handler(move || {
        if asked.request() {
            std::process::exit(130);
        }
        output::message("\nstopping after this step to save what was learnt; again to stop at once");
    })
    .map_err(|error| Diagnostic::new(Code::RunFailed, "cannot listen for Ctrl-C").note(error.to_string()))?;
    Ok(stop)
}
