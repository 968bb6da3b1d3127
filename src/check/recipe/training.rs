//! What a check of a recipe may look at.

use crate::check::Context;
use crate::diagnostic::{Diagnostic, Fix};
use crate::recipe::milestone::RunLength;
use crate::recipe::origin::{Origin, Origins};
use crate::recipe::{Length, Recipe};
use crate::source::Span;
use crate::syntax::load::recipe;

/// How the network is trained: a recipe that somebody wrote, with the places of its values.
#[derive(Clone, Copy)]
pub struct Training<'a> {
    /// The values in force.
    pub recipe: &'a Recipe,
    /// Where each was said.
    pub origins: &'a Origins,
    /// The spec with the texts and the data set.
    pub context: Context<'a>,
}

impl Training<'_> {
    /// Who said the value at a path, such as `["optimizer", "weight_decay"]`.
    pub fn origin(&self, path: &[&str]) -> Origin {
        self.origins.of(path)
    }

    /// Where the value at a path was said, key and value: in the recipe or in a `--set`. `None` for what a profile says
    /// and for netc's own defaults.
    pub fn place(&self, path: &[&str]) -> Option<Span> {
        self.origins.place(path)
    }

    /// Points a message at the value of a path. What nobody wrote has no place: then the message points at the line of
    /// the spec that names the recipe, and says whose value it is.
    #[must_use]
    pub fn point(&self, diagnostic: Diagnostic, path: &[&str], label: &str) -> Diagnostic {
        if let Some(span) = self.place(path) {
            return diagnostic.at(span, label);
        }
        let diagnostic = match self.origin(path) {
            Origin::BuiltIn => diagnostic.note(format!("the recipe does not say `{}`: {label}", path.join("."))),
            other => {
                diagnostic.note(format!("`{}` is {}'s: {label}", path.join("."), other.describe(self.context.sources)))
            }
        };
        match recipe(self.context.spec, self.context.sources) {
            Some((_, span)) if diagnostic.span().is_none() => diagnostic.at(span, "the recipe"),
            _ => diagnostic,
        }
    }

    /// Points also at the value of a path, where somebody wrote it.
    #[must_use]
    pub fn beside(&self, diagnostic: Diagnostic, path: &[&str], label: impl Into<String>) -> Diagnostic {
        match self.place(path) {
            Some(span) => diagnostic.context(span, label),
            None => diagnostic,
        }
    }

    /// Training images in one epoch, those kept aside not counted; none where the data set is not known.
    pub fn images(&self) -> Option<usize> {
        let target = self.context.target?;
        target.train.checked_sub(self.recipe.hold_out).filter(|&images| images > 0)
    }

    /// The steps of an epoch and of the whole run, as training counts them.
    pub fn run_length(&self) -> Option<RunLength> {
        Some(self.recipe.run_length(self.images()?))
    }

    /// The key that says how long the run is.
    pub fn length_key(&self) -> &'static str {
        match self.recipe.length {
            Length::Epochs(_) => "epochs",
            Length::Steps(_) => "steps",
        }
    }

    /// Passes over the training images in the whole run; none where their number decides and is not known.
    pub fn epochs(&self) -> Option<f64> {
        match (self.recipe.length, self.run_length()) {
            (Length::Epochs(epochs), _) => Some(epochs as f64),
            (Length::Steps(steps), Some(run_length)) => Some(steps as f64 / run_length.steps_per_epoch as f64),
            (Length::Steps(_), None) => None,
        }
    }

    /// Whether the command line made the run so short that it can only be a trial, whose result nobody reads.
    pub fn is_trial(&self) -> bool {
        let said = matches!(self.origin(&[self.length_key()]), Origin::Set(_));
        said && self.epochs().is_some_and(|epochs| epochs < Self::SHORTEST)
    }

    /// Epochs below which a run is a trial.
    pub const SHORTEST: f64 = 5.0;

    /// Writes another value at a path of the recipe's text; none where it does not stand there, alone on its line's part
    /// or in full.
    pub fn rewrite(&self, title: &str, path: &[&str], value: &str) -> Option<Fix> {
        let span = match self.origin(path) {
            Origin::Recipe(_) => self.place(path)?,
            _ => return None,
        };
        let text = self.context.sources.snippet(span);
        let key = path.last()?;
        let old = text.strip_prefix(key)?.trim_start().strip_prefix(':')?.trim_start();
        let whole = match old.chars().next()? {
            '[' => old.ends_with(']'),
            '{' => old.ends_with('}'),
            _ => !old.starts_with(['&', '*', '|', '>']),
        };
        whole.then(|| Fix::replace(title, span, format!("{key}: {value}")))
    }
}
