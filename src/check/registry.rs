//! All checks, and the pages of their codes.

use super::context::{Context, Training};
use super::*;
use crate::diagnostic::page::Page;
use crate::diagnostic::{Code, Diagnostic};
use crate::graph::resolve::Definitions;
use crate::syntax::load::Spec;
use crate::syntax::span::SourceMap;

/// One check, as its file has it: `pub const CHECK`.
#[derive(Debug, Clone, Copy)]
pub struct Check {
    /// What it tells.
    pub code: Code,
    /// Its own file, whose head is the code's page: `include_str!("its_name.rs")`.
    pub file: &'static str,
    /// How it is run.
    pub run: Run,
}

/// How a check is run, and on what.
#[derive(Debug, Clone, Copy)]
pub enum Run {
    /// On the syntax trees, so that what the net never reaches is seen too.
    Tree(fn(&Spec, &Definitions<'_>, &SourceMap, &mut Vec<Diagnostic>)),
    /// On the layers, even where a shape could not be worked out, so that one run tells all.
    Layers(fn(&Context<'_>, &mut Vec<Diagnostic>)),
    /// On the layers when every shape is known.
    Shapes(fn(&Context<'_>, &mut Vec<Diagnostic>)),
    /// On the recipe that somebody wrote, with the layers whose shapes are all known.
    Recipe(fn(&Training<'_>, &mut Vec<Diagnostic>)),
    /// On the layers, and then on the recipe: for what can be said in either.
    LayersAndRecipe(fn(&Context<'_>, &mut Vec<Diagnostic>), fn(&Training<'_>, &mut Vec<Diagnostic>)),
    /// Elsewhere: another stage tells it, and only its page is here.
    Elsewhere,
}

/// Every check, in the order of the codes.
pub const CHECKS: &[Check] = &[
    fixed_padding::CHECK,
    bias_before_norm::CHECK,
    class_count::CHECK,
    input_against_data::CHECK,
    expectations::CHECK,
    unused_value::CHECK,
    trainable::CHECK,
    unused_block::CHECK,
    unused_parameter::CHECK,
    unfulfilled_allow::CHECK,
    repeated_activation::CHECK,
    misaligned_paths::CHECK,
    lopsided_same::CHECK,
    pool_rounding::CHECK,
    missing_activation::CHECK,
    doubled_activation::CHECK,
    linear_in_a_row::CHECK,
    layer_on_logits::CHECK,
    dropout_before_norm::CHECK,
    unread_pixels::CHECK,
    window_in_padding::CHECK,
    no_schedule::CHECK,
    schedule_beyond_end::CHECK,
    epochs_of_another_split::CHECK,
    norm_decay_convention::CHECK,
    decay_on_norms::CHECK,
    batch_without_rate::CHECK,
    foreign_statistics::CHECK,
    mirrored_digits::CHECK,
    init_against_activation::CHECK,
    raw_pixels::CHECK,
    rate_too_large::CHECK,
    decay_in_adam::CHECK,
    decay_size::CHECK,
    small_batch_norm::CHECK,
    last_image_alone::CHECK,
    few_population_images::CHECK,
    batch_above_data::CHECK,
    checkpoint_after_end::CHECK,
];

/// The page of a code, if it has one.
pub fn page(code: Code) -> Option<Page> {
    CHECKS.iter().find(|check| check.code == code).map(|check| Page::of(check.file))
}

/// Every lint as one Markdown text: what `docs/lints.md` holds.
pub fn markdown() -> String {
    let mut text = INTRODUCTION.to_string();
    text += "| code | name | about |\n| --- | --- | --- |\n";
    for check in CHECKS {
        let (code, slug) = (check.code, check.code.slug());
        // The anchor that Markdown readers make of the heading below.
        let anchor = format!("{}-{slug}", code.name().to_lowercase());
        text += &format!("| [{code}](#{anchor}) | `{slug}` | {} |\n", code.summary());
    }
    for check in CHECKS {
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
    use crate::check::testing::{self, codes_of};
    use crate::diagnostic::page::SECTIONS;

    #[test]
    fn every_lint_has_a_page_and_every_page_its_sections() {
        for code in Code::ALL.iter().filter(|code| code.is_lint()) {
            assert!(page(*code).is_some(), "{code} has no page");
        }
        for check in CHECKS {
            let (code, page) = (check.code, Page::of(check.file));
            assert_eq!(page.title, format!("{code}: {}.", code.summary()), "the head of its file");
            let headings: Vec<&str> = page.sections.iter().map(|(heading, _)| heading.as_str()).collect();
            let wanted = if code.is_lint() || headings.len() == 5 { &SECTIONS[..] } else { &SECTIONS[..4] };
            assert_eq!(headings, wanted, "{code}");
            assert!(page.sections.iter().all(|(_, text)| !text.is_empty()), "{code}");
            let codes: Vec<&Check> = CHECKS.iter().filter(|other| other.code == code).collect();
            assert_eq!(codes.len(), 1, "{code}");
        }
    }

    /// An example gives its code, and what to write instead does not; neither has a mistake that it is not about.
    #[test]
    fn examples_are_what_they_say() {
        for check in CHECKS {
            let page = Page::of(check.file);
            for (heading, wanted) in [("Example", true), ("Use instead", false)] {
                let (net, recipe) = testing::example(&page.examples(heading));
                let found = codes_of(&net, recipe.as_deref());
                let code = check.code.name();
                let other = |found: &&&str| found.starts_with('E') && **found != code;
                let text = format!("{heading} of {code} gives {found:?}:\n{net}\n{}", recipe.unwrap_or_default());
                assert_eq!(found.contains(&code), wanted, "{text}");
                assert_eq!(found.iter().find(other), None, "{text}");
            }
        }
    }
}
