//! The net's own parameters as the command line gives them: `-p n=9`.

use super::arguments::{self, Slot};
use super::problem::Problem;
use super::value::Value;
use crate::syntax::ast::Definition;

/// A value for each parameter of a net that was given one, in the order of its slots; the others have defaults.
///
/// # Errors
/// Everything that is wrong with what was given, and each parameter that is missing.
pub fn bind(net: &Definition, slots: &[Slot], given: &[String]) -> Result<Vec<Option<Value>>, Vec<Problem>> {
    let mut values: Vec<Option<Value>> = vec![None; slots.len()];
    let mut problems = Vec::new();
    for given in given {
        match one(net, slots, given) {
            Ok((index, value)) => {
                if let Some(place) = values.get_mut(index) {
                    *place = Some(value);
                }
            }
            Err(problem) => problems.push(problem),
        }
    }
    for ((slot, parameter), value) in slots.iter().zip(&net.parameters).zip(&values) {
        if parameter.default.is_none() && value.is_none() {
            problems.push(Problem::MissingArgument {
                callee: net.name.text.clone(),
                span: parameter.name.span,
                attribute: slot.name.clone(),
                form: format!("{}: give it a default, or `-p {}=…` on the command line", slot.kind.form(), slot.name),
            });
        }
    }
    if problems.is_empty() { Ok(values) } else { Err(problems) }
}

/// Which parameter one `-p` means, and the value it gives.
fn one(net: &Definition, slots: &[Slot], given: &str) -> Result<(usize, Value), Problem> {
    let wrong = |reason: String| Problem::CommandLineParameter { text: given.to_string(), reason };
    let Some((name, text)) = given.split_once('=').map(|(name, text)| (name.trim(), text.trim())) else {
        return Err(wrong("it is written `-p name=value`".to_string()));
    };
    let Some((index, slot)) = slots.iter().enumerate().find(|(_, slot)| slot.name == name) else {
        let known = slots.iter().map(|slot| slot.name.clone()).collect();
        return Err(Problem::UnknownNetParameter { name: name.to_string(), net: net.name.text.clone(), known });
    };
    let value = from_text(text).and_then(|value| arguments::check(slot, value, net.name.span).ok());
    value.map(|value| (index, value)).ok_or_else(|| wrong(format!("`{name}` is {}", slot.kind.form())))
}

/// A value from the command line.
fn from_text(text: &str) -> Option<Value> {
    if let Ok(number) = text.replace('_', "").parse::<i64>() {
        return Some(Value::Int(number));
    }
    match text {
        "true" => return Some(Value::Bool(true)),
        "false" => return Some(Value::Bool(false)),
        _ => {}
    }
    if let Some(parts) = text.split('x').map(|part| part.parse().ok()).collect::<Option<Vec<usize>>>() {
        return Some(Value::Size(parts));
    }
    text.parse::<f64>().ok().filter(|number| number.is_finite()).map(Value::Real)
}
