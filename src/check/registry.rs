//! All checks, and the pages of their codes.

use super::levels::Subject;
use super::{Check, net, recipe, unfulfilled_allow};
use crate::diagnostic::Code;
use crate::diagnostic::page::Page;

/// Every check, in the order of the codes; what is looked for in spec and recipe comes once, as a check of layers.
pub fn checks() -> Vec<Check<Option<Subject>>> {
    let of = |check: &Check<net::Run>| {
        let run = match check.run {
            net::Run::Tree(_) => Some(Subject::Tree),
            net::Run::Layers(_) | net::Run::Shapes(_) => Some(Subject::Layers),
        };
        Check { code: check.code, file: check.file, run }
    };
    let mut all: Vec<Check<Option<Subject>>> = net::CHECKS.iter().map(of).collect();
    all.extend(recipe::CHECKS.iter().map(|check| Check {
        code: check.code,
        file: check.file,
        run: Some(Subject::Recipe),
    }));
    all.push(Check { code: Code::UnfulfilledAllow, file: unfulfilled_allow::FILE, run: None });
    // Stable: the check of layers stays before that of the recipe.
    all.sort_by_key(|check| check.code);
    all.dedup_by_key(|check| check.code);
    all
}

/// What the check of a code looks at, if there is one.
pub fn subject(code: Code) -> Option<Subject> {
    checks().into_iter().find(|check| check.code == code).and_then(|check| check.run)
}

/// The page of a code, if it has one.
pub fn page(code: Code) -> Option<Page> {
    checks().into_iter().find(|check| check.code == code).map(|check| Page::of(check.file))
}

/// Every lint as one Markdown text: what `docs/lints.md` holds.
pub fn markdown() -> String {
    let mut text = INTRODUCTION.to_string();
    text += "| code | name | about |\n| --- | --- | --- |\n";
    for check in checks() {
        let (code, slug) = (check.code, check.code.slug());
        // The anchor that Markdown readers make of the heading below.
        let anchor = format!("{}-{slug}", code.name().to_lowercase());
        text += &format!("| [{code}](#{anchor}) | `{slug}` | {} |\n", code.summary());
    }
    for check in checks() {
        text += "\n";
        text += &crate::diagnostic::page::markdown(check.code, Some(&Page::of(check.file)), 2);
    }
    text
}

const INTRODUCTION: &str = "\
# Checks and lints

Made by `netc explain --markdown` from the source of the checks; a test keeps the two equal, and compiles every example.
`netc explain CODE` prints one of these pages.

Codes that begin with `E` are errors: nothing runs before they are mended. Codes that begin with `N` are lints: what they
tell of can be meant, and [`allow`, `warn` and `deny`](language.md#lints) say so.

In the examples, `net` is a whole file, `layers` stands between `input 3x32x32` and `global_avg_pool; linear 10`, and `yaml`
is the recipe of the net above it, or of a small one.

";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::testing::Example;
    use crate::diagnostic::page::SECTIONS;

    #[test]
    fn every_lint_has_a_page_and_every_page_its_sections() {
        for code in Code::ALL.iter().filter(|code| code.is_lint()) {
            assert!(page(*code).is_some(), "{code} has no page");
        }
        for check in checks() {
            let (code, page) = (check.code, Page::of(check.file));
            assert_eq!(page.title, format!("{code}: {}.", code.summary()), "the head of its file");
            let headings: Vec<&str> = page.sections.iter().map(|(heading, _)| heading.as_str()).collect();
            let wanted = if code.is_lint() || headings.len() == 5 { &SECTIONS[..] } else { &SECTIONS[..4] };
            assert_eq!(headings, wanted, "{code}");
            assert!(page.sections.iter().all(|(_, text)| !text.is_empty()), "{code}");
            let codes: Vec<Check<Option<Subject>>> = checks().into_iter().filter(|other| other.code == code).collect();
            assert_eq!(codes.len(), 1, "{code}");
        }
    }

    /// An example gives its code, and what to write instead does not; neither has a mistake that it is not about.
    #[test]
    fn examples_are_what_they_say() {
        for check in checks() {
            let page = Page::of(check.file);
            for (heading, wanted) in [("Example", true), ("Use instead", false)] {
                let example = Example::of_page(&page.examples(heading));
                let found = example.codes();
                let code = check.code.name();
                let other = |found: &&&str| found.starts_with('E') && **found != code;
                let text = format!(
                    "{heading} of {code} gives {found:?}:\n{}\n{}",
                    example.net,
                    example.recipe.unwrap_or_default()
                );
                assert_eq!(found.contains(&code), wanted, "{text}");
                assert_eq!(found.iter().find(other), None, "{text}");
            }
        }
    }
}
