//! Reading a YAML mapping key by key, with every mistake reported and none hiding the next.
//!
//! A [`Source`] is the YAML of a recipe with the `--set`s applied; it knows where each value came from. A [`Section`]
//! is one mapping in it: what was never asked for when it is finished is an unknown key.

use super::foreign;
use super::yaml::{Part, find};
use crate::diagnostic::{Code, Diagnostic, Fix, suggest};
use crate::source::{FileId, Span};
use serde_yaml::{Mapping, Value};
use std::cell::RefCell;

/// What is wrong with a value.
#[derive(Debug, Clone, PartialEq)]
pub struct Problem {
    /// [`Code::RecipeSyntax`] for the wrong type or an unknown word, [`Code::RecipeValue`] for a senseless one.
    pub code: Code,
    /// What was found, and what belongs there.
    pub message: String,
    /// What to write.
    pub help: Option<String>,
}

impl Problem {
    /// A value of the wrong type: `expected` is such as "a number".
    pub fn expected(expected: &str, found: &Value) -> Self {
        Problem {
            code: Code::RecipeSyntax,
            message: format!("expected {expected}, found {}", shown(found)),
            help: None,
        }
    }

    /// A value of the right type that makes no sense.
    pub fn senseless(message: impl Into<String>) -> Self {
        Problem { code: Code::RecipeValue, message: message.into(), help: None }
    }

    /// With a way out.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// A short text for a value in a message.
pub fn shown(value: &Value) -> String {
    match value {
        Value::Null => "nothing".into(),
        Value::Bool(b) => format!("`{b}`"),
        Value::Number(n) => format!("`{n}`"),
        Value::String(s) => format!("the text `{s}`"),
        Value::Sequence(_) => "a list".into(),
        Value::Mapping(_) => "a mapping".into(),
        Value::Tagged(tagged) => format!("a value with the tag `{}`", tagged.tag),
    }
}

/// One `--set`, applied.
#[derive(Debug, Clone)]
pub struct Assignment {
    /// The dotted path, split.
    pub path: Vec<String>,
    /// Where the path stands in the argument.
    pub key: Span,
    /// Where the value stands in the argument.
    pub value: Span,
}

/// A recipe's YAML, and where each part of it came from.
#[derive(Debug)]
pub struct Source {
    /// The text and its file; none when there is no recipe, only `--set`s.
    pub file: Option<(FileId, String)>,
    /// The `--set`s, later ones winning.
    pub sets: Vec<Assignment>,
    /// The values in force.
    pub root: Value,
    errors: RefCell<Vec<Diagnostic>>,
}

impl Source {
    /// A source without mistakes so far.
    pub fn new(file: Option<(FileId, String)>, sets: Vec<Assignment>, root: Value) -> Self {
        Source { file, sets, root, errors: RefCell::default() }
    }

    /// The mistakes found.
    pub fn into_errors(self) -> Vec<Diagnostic> {
        self.errors.into_inner()
    }

    /// The top of the recipe. An empty text is an empty mapping.
    pub fn root(&self) -> Section<'_> {
        self.section(
            Vec::new(),
            match &self.root {
                Value::Null => None,
                other => Some(other),
            },
        )
    }

    /// Reports a mistake at the key or value of `path`; in a `--set` it is a [`Code::RecipeSet`], since the YAML is not to blame.
    pub fn report(&self, path: &[&str], part: Part, code: Code, message: String, label: &str, help: Option<String>) {
        self.errors.borrow_mut().push(self.diagnose(path, part, code, message, label, help));
    }

    fn diagnose(
        &self,
        path: &[&str],
        part: Part,
        code: Code,
        message: String,
        label: &str,
        help: Option<String>,
    ) -> Diagnostic {
        let set = self
            .sets
            .iter()
            .rev()
            .find(|set| path.len() >= set.path.len() && set.path.iter().zip(path).all(|(set, step)| set == step));
        let (code, place) = match set {
            Some(set) if part == Part::Key && set.path.len() == path.len() => (Code::RecipeSet, Some(set.key)),
            Some(set) => (Code::RecipeSet, Some(set.value)),
            None => (code, self.file.as_ref().and_then(|(file, text)| find(text, *file, path, part))),
        };
        // What is missing is pointed at by the nearest thing that is there.
        let place = place.or_else(|| {
            let (file, text) = self.file.as_ref()?;
            (1..path.len()).rev().find_map(|length| find(text, *file, &path[..length], Part::Key))
        });
        let mut diagnostic = Diagnostic::new(code, message);
        if let Some(span) = place {
            diagnostic = diagnostic.at(span, label);
        }
        if let Some(help) = help {
            diagnostic = diagnostic.help(help);
        }
        diagnostic
    }

    fn section<'a>(&'a self, path: Vec<String>, value: Option<&'a Value>) -> Section<'a> {
        let map = match value {
            Some(Value::Mapping(map)) => Some(map),
            None => None,
            Some(other) => {
                let name = if path.is_empty() { "a recipe".to_string() } else { format!("`{}`", path.join(".")) };
                let problem = Problem::expected("a mapping of keys to values", other);
                let message = format!("{name}: {}", problem.message);
                self.report(&borrowed(&path), Part::Value, problem.code, message, "", None);
                None
            }
        };
        Section { source: self, path, map, asked: Vec::new(), refused: Vec::new() }
    }
}

fn borrowed(path: &[String]) -> Vec<&str> {
    path.iter().map(String::as_str).collect()
}

/// One mapping of a recipe.
pub struct Section<'a> {
    source: &'a Source,
    path: Vec<String>,
    map: Option<&'a Mapping>,
    asked: Vec<&'static str>,
    refused: Vec<&'static str>,
}

impl<'a> Section<'a> {
    /// The value of a key, if it is there; from then on the key is a known one.
    pub fn value(&mut self, key: &'static str) -> Option<&'a Value> {
        if !self.asked.contains(&key) {
            self.asked.push(key);
        }
        self.map.and_then(|map| map.get(key))
    }

    /// The value of a key as `parse` makes it; `None` when the key is absent or its value was reported.
    pub fn read<T>(&mut self, key: &'static str, parse: impl FnOnce(&Value) -> Result<T, Problem>) -> Option<T> {
        match parse(self.value(key)?) {
            Ok(value) => Some(value),
            Err(problem) => {
                self.report(key, problem);
                None
            }
        }
    }

    /// A list, or a single value as a list of one, item by item. Each mistake is told at its item; `None` when there is
    /// one, or no such key.
    pub fn each<T>(&mut self, key: &'static str, parse: impl Fn(&Value) -> Result<T, Problem>) -> Option<Vec<T>> {
        let items = match self.value(key)? {
            Value::Sequence(items) => items,
            Value::Null => return Some(Vec::new()),
            single => std::slice::from_ref(single),
        };
        let list = matches!(self.value(key), Some(Value::Sequence(_)));
        let mut values = Vec::new();
        for (index, item) in items.iter().enumerate() {
            match parse(item) {
                Ok(value) => values.push(value),
                Err(problem) if list => {
                    let mut path = self.inside(key);
                    let message = format!("`{}`: {}", path.join("."), problem.message);
                    path.push(index.to_string());
                    self.source.report(&borrowed(&path), Part::Value, problem.code, message, "", problem.help);
                }
                Err(problem) => self.report(key, problem),
            }
        }
        (values.len() == items.len()).then_some(values)
    }

    /// A mapping inside this one, empty when absent.
    pub fn section(&mut self, key: &'static str) -> Section<'a> {
        let value = self.value(key);
        self.source.section(self.inside(key), value)
    }

    /// The mappings of a list inside this one; a single mapping is a list of one.
    pub fn sections(&mut self, key: &'static str) -> Vec<Section<'a>> {
        let path = self.inside(key);
        match self.value(key) {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::Sequence(items)) => {
                let at = |index: usize| path.iter().cloned().chain([index.to_string()]).collect();
                items.iter().enumerate().map(|(index, item)| self.source.section(at(index), Some(item))).collect()
            }
            single => vec![self.source.section(path, single)],
        }
    }

    fn inside(&self, key: &str) -> Vec<String> {
        self.path.iter().cloned().chain([key.to_string()]).collect()
    }

    /// Whether anything is written here.
    pub fn is_written(&self) -> bool {
        self.map.is_some()
    }

    /// Reports a mistake in the value of a key.
    pub fn report(&self, key: &str, problem: Problem) {
        let path = self.inside(key);
        let message = format!("`{}`: {}", path.join("."), problem.message);
        self.source.report(&borrowed(&path), Part::Value, problem.code, message, "", problem.help);
    }

    /// Reports a key that is known, but not beside what else is here, if it is written.
    pub fn refuse(&mut self, key: &'static str, why: &str, help: &str) {
        if self.map.is_none_or(|map| !map.contains_key(key)) {
            return;
        }
        self.refused.push(key);
        let path = self.inside(key);
        let message = format!("`{}`: {why}", path.join("."));
        let help = Some(help.to_string());
        self.source.report(&borrowed(&path), Part::Key, Code::RecipeSyntax, message, "not here", help);
    }

    /// Reports a key that must be there and is not.
    pub fn missing(&self, key: &str, why: &str, help: &str) {
        let path = self.inside(key);
        let message = format!("`{}` is missing: {why}", path.join("."));
        let help = Some(help.to_string());
        self.source.report(&borrowed(&path), Part::Key, Code::RecipeSyntax, message, "needs it", help);
    }

    /// Whether a dotted place is one of this section's keys.
    fn is_here(&self, place: &str) -> bool {
        let (section, key) = place.rsplit_once('.').unwrap_or(("", place));
        section == self.path.join(".") && self.asked.contains(&key)
    }

    /// Reports every key that nothing asked for, with the one that was probably meant.
    pub fn finish(self) {
        for key in self.map.into_iter().flat_map(Mapping::keys) {
            let Some(name) = key.as_str() else {
                let message = format!("a key of a recipe is a word, found {}", shown(key));
                self.source.report(&borrowed(&self.path), Part::Value, Code::RecipeSyntax, message, "", None);
                continue;
            };
            if self.asked.contains(&name) || self.refused.contains(&name) {
                continue;
            }
            let meant = suggest::nearest(name, self.asked.iter().copied());
            let help = match (foreign::key(&self.path.join("."), name), meant) {
                (Some(place), _) if self.is_here(place) => {
                    format!("did you mean `{}`?", place.rsplit('.').next().unwrap_or(place))
                }
                (Some(place), _) => format!("a recipe has this as `{place}`"),
                (None, Some(meant)) => format!("did you mean `{meant}`?"),
                (None, None) => format!("the keys here are {}", suggest::list(self.asked.iter().copied())),
            };
            let path = self.inside(name);
            let place =
                if self.path.is_empty() { "a recipe".to_string() } else { format!("`{}`", self.path.join(".")) };
            let message = format!("{place} has no key `{name}`");
            let source = self.source;
            let reported =
                source.diagnose(&borrowed(&path), Part::Key, Code::RecipeSyntax, message, "not known", Some(help));
            let written =
                reported.span().filter(|span| source.file.as_ref().is_some_and(|(file, _)| *file == span.file));
            let fix = meant.zip(written).map(|(meant, span)| Fix::replace(format!("write `{meant}`"), span, meant));
            source.errors.borrow_mut().push(reported.fix(fix.map(Fix::unsafely)));
        }
    }
}
