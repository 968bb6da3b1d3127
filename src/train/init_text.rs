//! The `init` of a recipe.

use super::section::{Problem, Section};
use super::values::{number, positive, word};
use crate::diagnostic::suggest;
use crate::lower::defaults::{FanOf, InitRule, InitRules};
use serde_yaml::Value;

/// Rules that have a number, with the key of it.
const WITH_NUMBER: [(&str, &str); 4] =
    [("normal", "std"), ("truncated-normal", "std"), ("uniform", "bound"), ("constant", "value")];

/// Reads it: one rule, or one each for convolutions and linear layers.
pub(super) fn init(root: &mut Section<'_>, default: InitRules) -> InitRules {
    match root.value("init") {
        None => default,
        Some(Value::Mapping(map)) if !map.contains_key("kind") => {
            let mut section = root.section("init");
            let conv = rule(&mut section, "conv").unwrap_or(default.conv);
            let linear = rule(&mut section, "linear").unwrap_or(default.linear);
            section.finish();
            InitRules { conv, linear }
        }
        Some(_) => rule(root, "init").map_or(default, InitRules::from),
    }
}

fn rule(section: &mut Section<'_>, key: &'static str) -> Option<InitRule> {
    if !matches!(section.value(key)?, Value::Mapping(_)) {
        return section.read(key, named);
    }
    let mut rule = section.section(key);
    if rule.value("kind").is_none() {
        rule.missing("kind", "which rule it is", "write such as `{kind: truncated-normal, std: 0.05}`");
    }
    let kind = rule.value("kind").and_then(Value::as_str).unwrap_or_default();
    let found = match WITH_NUMBER.iter().find(|(name, _)| *name == kind) {
        Some((name, of)) => {
            if rule.value(of).is_none() {
                rule.missing(of, &format!("`{name}` has a number"), &format!("write such as `{of}: 0.05`"));
            }
            let number = rule.read(of, if *name == "constant" { number } else { positive });
            number.map(|number| match *name {
                "normal" => InitRule::Normal { std: number },
                "truncated-normal" => InitRule::TruncatedNormal { std: number },
                "uniform" => InitRule::Uniform { bound: number },
                _ => InitRule::Constant { value: number },
            })
        }
        None => rule.read("kind", named).map(|found| match found {
            InitRule::HeNormal(_) => InitRule::HeNormal(fan(&mut rule)),
            InitRule::HeUniform(_) => InitRule::HeUniform(fan(&mut rule)),
            other => other,
        }),
    };
    rule.finish();
    found
}

fn fan(rule: &mut Section<'_>) -> FanOf {
    rule.read("fan", |value| word(value, &[("in", FanOf::In), ("out", FanOf::Out)])).unwrap_or_default()
}

/// A rule that one word names.
fn named(value: &Value) -> Result<InitRule, Problem> {
    let text = value.as_str().unwrap_or_default();
    if let Some((_, rule)) = InitRule::NAMES.iter().find(|(name, _)| *name == text) {
        return Ok(*rule);
    }
    if let Some((name, number)) = WITH_NUMBER.iter().find(|(name, _)| *name == text) {
        let problem = Problem::senseless(format!("`{name}` needs a number"));
        return Err(problem.help(format!("write such as `{{kind: {name}, {number}: 0.05}}`")));
    }
    let names = || InitRule::NAMES.iter().map(|(name, _)| *name).chain(WITH_NUMBER.iter().map(|(name, _)| *name));
    let problem = Problem::expected(&format!("one of {}", suggest::list(names())), value);
    Err(match suggest::nearest(text, names()) {
        Some(meant) => problem.help(format!("did you mean `{meant}`?")),
        None => problem,
    })
}
