//! `--set optimizer.weight_decay=1e-3`: one value of a recipe, changed on the command line.
//!
//! Values are put into the YAML before it is interpreted, so that a `--set` is held to the same rules as the text.

use super::section::Assignment;
use super::yaml;
use crate::diagnostic::{Code, Diagnostic};
use crate::source::{SourceMap, Span};
use serde_yaml::{Mapping, Value};

/// Applies `sets` in order. Each is added to `sources` under the name `--set`.
///
/// # Errors
/// [`Code::RecipeSet`] for each that has no `=`, an empty name in its path, a value that is not YAML, or a path
/// through something that has no keys.
pub fn apply(sets: &[String], root: &mut Value, sources: &mut SourceMap) -> Result<Vec<Assignment>, Vec<Diagnostic>> {
    let (mut assignments, mut errors) = (Vec::new(), Vec::new());
    for text in sets {
        match apply_one(text, root, sources) {
            Ok(assignment) => assignments.push(assignment),
            Err(error) => errors.push(error),
        }
    }
    // A run has one length: setting it in one unit takes the recipe's other one away.
    let is_set = |key: &str| assignments.iter().any(|set: &Assignment| set.path == [key]);
    if let Value::Mapping(map) = root {
        for (key, other) in [("steps", "epochs"), ("epochs", "steps")] {
            if is_set(key) && !is_set(other) {
                map.remove(other);
            }
        }
    }
    if errors.is_empty() { Ok(assignments) } else { Err(errors) }
}

fn apply_one(text: &str, root: &mut Value, sources: &mut SourceMap) -> Result<Assignment, Diagnostic> {
    let file = sources.add("--set", text.to_string());
    let whole = Span::new(file, 0..text.len());
    let help = "write such as `--set optimizer.weight_decay=1e-3`";
    let Some((path, written)) = text.split_once('=') else {
        return Err(Diagnostic::new(Code::RecipeSet, "a `--set` needs a `=`").at(whole, "has none").help(help));
    };
    let key = Span::new(file, 0..path.len());
    let value = Span::new(file, path.len() + 1..text.len());
    let steps: Vec<String> = path.split('.').map(|step| step.trim().to_string()).collect();
    if steps.iter().any(String::is_empty) {
        let message = "a `--set` names a key of the recipe, its parts joined by dots";
        return Err(Diagnostic::new(Code::RecipeSet, message).at(key, "a part is empty").help(help));
    }
    let parsed = yaml::parse(written, file)
        .map_err(|error| Diagnostic { code: Code::RecipeSet, labels: Vec::new(), ..error }.at(value, "not YAML"))?;
    insert(root, &steps, parsed).map_err(|depth| {
        let name = steps[..depth].join(".");
        let message = format!("`{name}` is a single value here: nothing can be set inside it");
        let help = format!("set `{name}` as a whole, such as `--set '{name}={{…}}'`");
        Diagnostic::new(Code::RecipeSet, message).at(key, "").help(help)
    })?;
    Ok(Assignment { path: steps, key, value })
}

/// Puts `value` at `path`, making mappings on the way; else says how deep the value that is no mapping is.
fn insert(root: &mut Value, path: &[String], value: Value) -> Result<(), usize> {
    let mut here = root;
    for (depth, step) in path.iter().enumerate() {
        // `augment: none` says the same as nothing there.
        if matches!(here, Value::Null) || here.as_str() == Some("none") {
            *here = Value::Mapping(Mapping::new());
        }
        let Value::Mapping(map) = here else { return Err(depth) };
        here = map.entry(Value::String(step.clone())).or_insert(Value::Null);
    }
    *here = value;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn applied(yaml: &str, sets: &[&str]) -> Result<Value, Vec<Diagnostic>> {
        let mut root = serde_yaml::from_str(yaml).unwrap();
        let sets: Vec<String> = sets.iter().map(ToString::to_string).collect();
        apply(&sets, &mut root, &mut SourceMap::new()).map(|_| root)
    }

    #[test]
    fn values_go_where_their_path_says() {
        let value = applied("optimizer: {momentum: 0.9}\n", &["optimizer.weight_decay=1e-3", "batch=64", "batch=32"]);
        let expected: Value =
            serde_yaml::from_str("{optimizer: {momentum: 0.9, weight_decay: 1e-3}, batch: 32}").unwrap();
        assert_eq!(value.unwrap(), expected);
        let value = applied("augment: none\n", &["augment.flip=true"]).unwrap();
        assert_eq!(value, serde_yaml::from_str::<Value>("augment: {flip: true}").unwrap());
        assert_eq!(applied("", &["seed=3"]).unwrap(), serde_yaml::from_str::<Value>("seed: 3").unwrap());
    }

    #[test]
    fn one_length_replaces_the_other() {
        assert_eq!(applied("epochs: 3", &["steps=9"]).unwrap(), serde_yaml::from_str::<Value>("steps: 9").unwrap());
        let both = applied("epochs: 3", &["steps=9", "epochs=4"]).unwrap();
        assert_eq!(both, serde_yaml::from_str::<Value>("{epochs: 4, steps: 9}").unwrap());
    }

    #[test]
    fn what_cannot_be_applied_is_an_error() {
        for set in ["batch", "=3", "a..b=3", "schedule.factor=0.1", "batch={"] {
            let errors = applied("schedule: constant", &[set]).unwrap_err();
            assert_eq!(errors[0].code, Code::RecipeSet, "{set}");
        }
    }
}
