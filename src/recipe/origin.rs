//! Where each value of a recipe comes from.

use super::parse::section::Assignment;
use super::parse::yaml::{Part, find};
use crate::source::{FileId, SourceMap, Span};
use serde_yaml::Value;

/// Where a value in force was said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// In the spec.
    Spec(Span),
    /// In a `--set`, or an option that stands for one: the text after it.
    Set(String),
    /// In the recipe.
    Recipe(Span),
    /// In the profile of this name.
    Profile(String),
    /// Nowhere: netc's own default.
    BuiltIn,
}

impl Origin {
    /// `specs/recipes/he2015.yaml:12`, `--set batch=64`, `profile keras`, `built-in`.
    pub fn describe(&self, sources: &SourceMap) -> String {
        match self {
            Origin::Spec(span) | Origin::Recipe(span) => line(*span, sources),
            Origin::Set(text) => format!("--set {text}"),
            Origin::Profile(name) => format!("profile {name}"),
            Origin::BuiltIn => "built-in".into(),
        }
    }

    /// `spec`, `recipe`, `set`, `profile` or `built-in`.
    pub fn kind(&self) -> &'static str {
        match self {
            Origin::Spec(_) => "spec",
            Origin::Set(_) => "set",
            Origin::Recipe(_) => "recipe",
            Origin::Profile(_) => "profile",
            Origin::BuiltIn => "built-in",
        }
    }
}

/// `path:line` of the start of a span.
pub fn line(span: Span, sources: &SourceMap) -> String {
    match sources.file(span.file) {
        Some(file) => format!("{}:{}", file.path.display(), file.line_column(span.start).line),
        None => "<unknown>".into(),
    }
}

/// A YAML text with its values.
#[derive(Debug, Clone)]
pub struct Written {
    /// The text's place among the sources.
    pub file: FileId,
    /// The text.
    pub text: String,
    /// What it says.
    pub root: Value,
}

impl Written {
    /// Where the text decides on `path`: the key itself, or one above it whose value is a single word (`augment: none`).
    fn decides(&self, path: &[&str]) -> Option<Span> {
        find(&self.text, self.file, self.key(path)?, Part::Key)
    }

    /// The same with the value, as far as it begins on the key's line.
    fn place(&self, path: &[&str]) -> Option<Span> {
        let path = self.key(path)?;
        let key = find(&self.text, self.file, path, Part::Key)?;
        let value = find(&self.text, self.file, path, Part::Value).unwrap_or(key);
        let between = self.text.get(key.range().end..value.range().start).unwrap_or("\n");
        Some(if between.contains('\n') { key } else { key.to(value) })
    }

    /// As much of `path` as the text has.
    fn key<'p>(&self, path: &'p [&'p str]) -> Option<&'p [&'p str]> {
        let mut here = &self.root;
        let mut depth = 0;
        while let (Value::Mapping(map), Some(step)) = (here, path.get(depth)) {
            here = match map.get(*step) {
                Some(value) => value,
                // `init: {kind: normal, std: 0.01}` decides on `init.conv` too.
                None if path.first() == Some(&"init") && map.contains_key("kind") => break,
                None => return None,
            };
            depth += 1;
        }
        path.get(..depth).filter(|key| !key.is_empty())
    }
}

/// Where the values of one recipe come from.
#[derive(Debug, Clone, Default)]
pub struct Origins {
    /// The recipe's text.
    pub recipe: Option<Written>,
    /// The `--set`s with their whole texts; later ones win.
    pub sets: Vec<(Assignment, String)>,
    /// The profile's name and text.
    pub profile: Option<(String, Written)>,
}

impl Origins {
    /// What decided on the value at `path`.
    pub fn of(&self, path: &[&str]) -> Origin {
        if let Some((_, text)) = self.set(path) {
            return Origin::Set(text.clone());
        }
        if let Some(span) = self.recipe.as_ref().and_then(|recipe| recipe.decides(path)) {
            return Origin::Recipe(span);
        }
        match &self.profile {
            Some((name, profile)) if profile.decides(path).is_some() => Origin::Profile(name.clone()),
            _ => Origin::BuiltIn,
        }
    }
    /// Where the value at `path` was said, key and value: in a `--set` or in the recipe's text.
    pub fn place(&self, path: &[&str]) -> Option<Span> {
        match self.set(path) {
            Some((set, _)) => Some(set.key.to(set.value)),
            None => self.recipe.as_ref()?.place(path),
        }
    }

    fn set(&self, path: &[&str]) -> Option<&(Assignment, String)> {
        let decides = |set: &[String]| path.len() >= set.len() && set.iter().zip(path).all(|(set, step)| set == step);
        self.sets.iter().rev().find(|(set, _)| decides(&set.path))
    }
}
