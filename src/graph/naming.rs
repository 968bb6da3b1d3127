//! Stable names of layers and parameters.
//!
//! A layer is named by its label, or by its kind and a count (`conv1`, `conv2`). A label on a block call, `repeat`,
//! `if` or `residual` opens a scope: what stands inside is named under it (`stage2.0.conv1`). Without a label nothing
//! is added, so the names change only when the user renames something. A name that is taken gets a number.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::rc::Rc;

/// Gives names under one prefix. Clones share the counts.
#[derive(Debug, Clone)]
pub struct Names {
    prefix: Rc<str>,
    given: Rc<RefCell<Given>>,
}

#[derive(Debug, Default)]
struct Given {
    /// How many of each kind, and how often each label came again.
    counts: HashMap<String, usize>,
    taken: HashSet<String>,
}

impl Names {
    /// Names under a prefix, which ends in a dot or is empty.
    pub fn new(prefix: &str) -> Self {
        Names { prefix: prefix.into(), given: Rc::default() }
    }

    /// Names under a scope of these.
    pub fn scope(&self, name: &str) -> Names {
        let name = self.free(name.to_string());
        Names::new(&format!("{}{name}.", self.prefix))
    }

    /// The name of a layer: its label, or its kind counted.
    pub fn layer(&self, label: Option<&str>, kind: &'static str) -> String {
        let name = match label {
            Some(label) => self.free(label.to_string()),
            None if kind == "input" => self.free("images".to_string()),
            None => self.numbered(kind, "", 1),
        };
        format!("{}{name}", self.prefix)
    }

    fn free(&self, name: String) -> String {
        if self.given.borrow_mut().taken.insert(name.clone()) { name } else { self.numbered(&name, "_", 2) }
    }

    /// `base`, `separator` and the first number from `first` on that nobody has.
    fn numbered(&self, base: &str, separator: &str, first: usize) -> String {
        let mut given = self.given.borrow_mut();
        let counter = format!("{base}{separator}");
        let mut number = given.counts.get(&counter).map_or(first, |last| last + 1);
        let name = loop {
            let name = format!("{counter}{number}");
            if given.taken.insert(name.clone()) {
                break name;
            }
            number += 1;
        };
        given.counts.insert(counter, number);
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_in_any_order() {
        let names = Names::new("");
        assert_eq!(names.layer(Some("conv1"), "conv"), "conv1");
        assert_eq!(names.layer(None, "conv"), "conv2");
        assert_eq!(names.layer(Some("conv2"), "conv"), "conv2_2");
        let stage = names.scope("stage1");
        assert_eq!(stage.scope("0").layer(None, "bn"), "stage1.0.bn1");
        assert_eq!(names.scope("stage1").layer(None, "bn"), "stage1_2.bn1");
    }
}
