//! `lints: {allow: {no-schedule: "the rate is searched for"}}`: what a recipe says of lints. It is no part of the recipe
//! in force: it changes no run.

use super::section::{Problem, Section, shown};
use crate::diagnostic::{Code, LintLevel};
use serde_yaml::Value;

/// Reads the key; mistakes go to the source.
pub(super) fn read(root: &mut Section<'_>) -> Vec<(Code, LintLevel)> {
    let mut section = root.section("lints");
    let mut all = Vec::new();
    for (key, level) in [("warn", LintLevel::Warn), ("deny", LintLevel::Deny)] {
        let codes = section.each(key, lint).unwrap_or_default();
        all.extend(codes.into_iter().map(|code| (code, level)));
    }
    let allowed = section.read("allow", with_reasons).unwrap_or_default();
    all.extend(allowed.into_iter().map(|code| (code, LintLevel::Allow)));
    section.finish();
    all
}

fn lint(value: &Value) -> Result<Code, Problem> {
    let Some(text) = value.as_str() else { return Err(Problem::expected("a lint such as `no-schedule`", value)) };
    Code::lint(text).map_err(|(message, meant)| {
        let problem = Problem { code: Code::RecipeSyntax, message, help: None };
        match meant {
            Some(meant) => problem.help(format!("did you mean `{meant}`?")),
            None => problem.help("`netc explain` lists the lints"),
        }
    })
}

fn with_reasons(value: &Value) -> Result<Vec<Code>, Problem> {
    let help = "write such as `allow: {no-schedule: \"the rate is searched for\"}`";
    let Value::Mapping(map) = value else {
        return Err(Problem::expected("lints with a reason for each", value).help(help));
    };
    map.iter()
        .map(|(name, reason)| match reason.as_str() {
            Some(why) if !why.trim().is_empty() => lint(name),
            _ => Err(Problem::senseless(format!("{} is allowed without a reason", shown(name))).help(help)),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use crate::check::testing;
    use crate::recipe::{self, RecipeSource};
    use crate::source::SourceMap;
    use std::path::Path;

    #[test]
    fn a_recipe_decides_on_lints() {
        assert!(testing::recipe("epochs: 90").contains(&"N030"));
        assert!(!testing::recipe("epochs: 90\nlints: {allow: {no-schedule: why not}}").contains(&"N030"));
        let denied = testing::compile("net x { input 3x8x8; flatten; linear 10 }", Some("lints: {deny: [N030]}"));
        assert!(denied.program.is_none());
        let net = "deny N030\nnet x { input 3x8x8; flatten; linear 10 }";
        let nearer = testing::compile(net, Some("lints: {allow: {N030: why not}}"));
        assert!(nearer.program.is_none());
    }

    #[test]
    fn mistakes_are_told() {
        for (text, message) in [
            ("lints: {allow: [N030]}", "`lints.allow`: expected lints with a reason for each, found a list"),
            ("lints: {allow: {N030: ''}}", "`lints.allow`: the text `N030` is allowed without a reason"),
            ("lints: {deny: [E0401]}", "`lints.deny`: E0401 is an error, and errors cannot be allowed"),
            ("lints: {warn: [no-schedul]}", "`lints.warn`: there is no lint `no-schedul`"),
            ("lints: {forbid: [N030]}", "`lints` has no key `forbid`"),
        ] {
            let source = RecipeSource::text(Path::new("r.yaml"), text);
            let errors = recipe::read(source, &mut SourceMap::new()).unwrap_err();
            assert_eq!(errors[0].message, message);
        }
    }
}
