//! `init`: a word, a mapping of `kind` and a number, or one of either for convolutions and for linear layers.

use crate::diagnostic::suggest;
use crate::lower::defaults::{InitRule, InitRules};
use crate::recipe::parse::section::{Problem, Section};
use crate::recipe::parse::values::{number, positive, word};
use serde_yaml::Value;

/// Makes a rule from its number.
type Make = fn(f64) -> InitRule;

/// The rules with a number: `kind`, its key, how it is read.
const NUMBERED: [(&str, (&str, Make)); 4] = [
    ("normal", ("std", |std| InitRule::Normal { std })),
    ("truncated-normal", ("std", |std| InitRule::TruncatedNormal { std })),
    ("uniform", ("bound", |bound| InitRule::Uniform { bound })),
    ("constant", ("value", |value| InitRule::Constant { value })),
];

pub(super) fn init(root: &mut Section<'_>, default: InitRules) -> InitRules {
    match root.value("init") {
        Some(Value::Mapping(map)) if !map.contains_key("kind") => {}
        _ => return rule(root, "init").map_or(default, InitRules::from),
    }
    let mut section = root.section("init");
    let rules = InitRules {
        conv: rule(&mut section, "conv").unwrap_or(default.conv),
        linear: rule(&mut section, "linear").unwrap_or(default.linear),
        bias: section.read("bias", number).or(default.bias),
    };
    section.finish();
    rules
}

/// The rule at `key`; `None` when it is absent or was reported.
fn rule(section: &mut Section<'_>, key: &'static str) -> Option<InitRule> {
    if !matches!(section.value(key), Some(Value::Mapping(_))) {
        return section.read(key, named);
    }
    let mut rule = section.section(key);
    let kinds = NUMBERED.map(|(kind, rest)| (kind, rest));
    let found = match (rule.value("kind"), rule.read("kind", |value| word(value, &kinds))) {
        (Some(_), Some((number_key, make))) => {
            let read = if number_key == "value" { number } else { positive };
            match (rule.value(number_key), rule.read(number_key, read)) {
                (Some(_), value) => value.map(make),
                (None, _) => {
                    rule.missing(number_key, "the rule is nothing without it", "such as `{kind: normal, std: 0.01}`");
                    None
                }
            }
        }
        (Some(_), None) => return None,
        (None, _) => {
            rule.missing("kind", "a rule with a number has a name", "such as `{kind: normal, std: 0.01}`");
            None
        }
    };
    rule.finish();
    found
}

/// A rule that is a word; one that wants a number says so.
fn named(value: &Value) -> Result<InitRule, Problem> {
    let name = value.as_str().unwrap_or_default();
    if let Some((kind, (key, _))) = NUMBERED.iter().find(|(kind, _)| *kind == name) {
        return Err(Problem::senseless(format!("`{kind}` needs a number"))
            .help(format!("write such as `{{kind: {kind}, {key}: 0.05}}`")));
    }
    word(value, &InitRule::NAMES).map_err(|problem| {
        match suggest::nearest(name, NUMBERED.iter().map(|(kind, _)| *kind)) {
            Some(meant) if problem.help.is_none() => problem.help(format!("did you mean `{meant}`?")),
            _ => problem,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::{self, RecipeSource};
    use crate::source::SourceMap;

    fn read(text: &str) -> Result<InitRules, String> {
        let mut sources = SourceMap::new();
        let mut read = |text: &str| recipe::read(RecipeSource::text("r.yaml".as_ref(), text), &mut sources);
        let recipe = read(text).map_err(|errors| {
            let reported = errors.iter().map(|error| format!("{} {}", error.message, error.help.join(" ")));
            reported.collect::<Vec<_>>().join("; ")
        })?;
        let recipe = recipe.recipe;
        assert_eq!(read(&recipe.to_yaml()).unwrap().recipe, recipe);
        Ok(recipe.init)
    }

    #[test]
    fn a_rule_is_a_word_or_has_a_number() {
        assert_eq!(read("init: he-normal-fan-out").unwrap(), InitRule::HeNormalFanOut.into());
        assert_eq!(read("init: {kind: normal, std: 0.01}").unwrap(), InitRule::Normal { std: 0.01 }.into());
        let rules =
            read("init: {conv: {kind: truncated-normal, std: 0.05}, linear: glorot-normal, bias: 0.1}").unwrap();
        let conv = InitRule::TruncatedNormal { std: 0.05 };
        assert_eq!(rules, InitRules { conv, linear: InitRule::GlorotNormal, bias: Some(0.1) });
        let rules = read("profile: keras\ninit: {conv: {kind: uniform, bound: 0.1}}").unwrap();
        assert_eq!((rules.conv, rules.linear), (InitRule::Uniform { bound: 0.1 }, InitRule::GlorotUniform));
        let all = InitRule::Constant { value: 0.0 };
        assert_eq!(read("profile: caffe\ninit: {kind: constant, value: 0}").unwrap(), all.into());
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, part) in [
            ("init: normal", "`normal` needs a number write such as `{kind: normal, std: 0.05}`"),
            ("init: {kind: normal}", "`init.std` is missing"),
            ("init: {kind: normal, std: 0}", "must be above 0"),
            ("init: {kind: normal, bound: 0.1}", "`init.std` is missing"),
            ("init: {kind: normal, std: 1, bound: 0.1}", "`init` has no key `bound`"),
            ("init: {conv: {std: 0.1}}", "`init.conv.kind` is missing"),
            ("init: {kind: nromal, std: 1}", "did you mean `normal`?"),
            ("init: he_normal", "did you mean `he-normal`?"),
            ("init: {convs: torch}", "did you mean `conv`?"),
        ] {
            let reported = read(text).unwrap_err();
            assert!(reported.contains(part), "{text}: {reported}");
        }
    }
}
