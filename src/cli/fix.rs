//! `netc check --fix`: shows what the fixes of messages change, and writes it.

use super::fmt::replace;
use super::line_diff::line_diff;
use super::output::Output;
use crate::diagnostic::fix::apply;
use crate::diagnostic::{Diagnostic, Fix};
use crate::experiment::{Request, stages};
use crate::run::folder::not_written;
use crate::source::{FileId, SourceMap};
use crate::syntax::load;
use std::path::Path;

/// Fixes may uncover others; each round makes at least one.
const MOST_ROUNDS: usize = 20;

/// Which fixes are made, and whether they are.
#[derive(Debug, Clone, Copy)]
pub struct How {
    /// Also those that only their writer can judge.
    pub unsafely: bool,
    /// Shows them and writes nothing.
    pub dry_run: bool,
}

/// Makes the fixes of a spec and of all that it reads, round after round.
///
/// # Errors
/// When a file cannot be written.
pub fn fix(spec: &Path, request: &Request<'_>, how: How, output: &Output) -> Result<(), Box<Diagnostic>> {
    for _ in 0..MOST_ROUNDS {
        let (compilation, ..) = stages(spec, request);
        let (diagnostics, sources) = (&compilation.diagnostics, &compilation.sources);
        let changed = texts(diagnostics, sources, |fix| fix.safe || how.unsafely);
        for (file, text) in &changed {
            show(*file, text, if how.dry_run { "would be fixed" } else { "fixed" }, sources, output);
        }
        if !how.dry_run {
            for (file, text) in &changed {
                write(*file, text, sources)?;
            }
            if !changed.is_empty() {
                continue;
            }
        }
        if !how.unsafely {
            for (file, text) in texts(diagnostics, sources, |fix| !fix.safe) {
                show(file, &text, "only with `--unsafe-fixes`", sources, output);
            }
        }
        break;
    }
    Ok(())
}

/// The files that change, with their new texts. Of a message that has several fixes the first counts.
fn texts(diagnostics: &[Diagnostic], sources: &SourceMap, wanted: impl Fn(&Fix) -> bool) -> Vec<(FileId, String)> {
    let on_disk = |fix: &Fix| fix.edits.iter().all(|edit| is_on_disk(edit.span.file, sources));
    let fixes = diagnostics.iter().filter_map(|diagnostic| diagnostic.fixes.iter().find(|fix| wanted(fix)));
    apply(fixes.filter(|fix| on_disk(fix)), sources).texts.into_iter().collect()
}

/// Whether a text is a file's: a `--set` and the profiles that come along are not.
fn is_on_disk(file: FileId, sources: &SourceMap) -> bool {
    sources.file(file).is_some_and(|source| load::read(&source.path).is_ok_and(|text| text == source.text))
}

fn show(file: FileId, text: &str, what: &str, sources: &SourceMap, output: &Output) {
    if let Some(source) = sources.file(file) {
        output.result(format!("{}: {what}\n{}", source.path.display(), line_diff(&source.text, text)).trim_end());
    }
}

fn write(file: FileId, text: &str, sources: &SourceMap) -> Result<(), Box<Diagnostic>> {
    let Some(source) = sources.file(file) else { return Ok(()) };
    replace(&source.path, text).map_err(|error| Box::new(not_written(&source.path, &error)))
}
