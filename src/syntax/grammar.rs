//! The parser that pest makes of `grammar/net.pest`, and the words that the grammar keeps for itself.
//!
//! This is the one place outside the grammar where keywords are written: the tree builder passes over their rules, the
//! messages know them by their words, the formatter sets them apart from names. A test holds the tables to the grammar.

/// The generated parser.
mod generated {
    #![allow(missing_docs)]

    #[derive(pest_derive::Parser)]
    #[grammar = "../grammar/net.pest"]
    pub struct NetParser;
}
pub(super) use generated::{NetParser, Rule};

/// The words that mark what follows: all `kw_` rules of the grammar. They carry no meaning of their own in the tree.
pub(super) const KEYWORDS: [(Rule, &str); 13] = [
    (Rule::kw_use, "use"),
    (Rule::kw_recipe, "recipe"),
    (Rule::kw_net, "net"),
    (Rule::kw_block, "block"),
    (Rule::kw_repeat, "repeat"),
    (Rule::kw_as, "as"),
    (Rule::kw_if, "if"),
    (Rule::kw_then, "then"),
    (Rule::kw_else, "else"),
    (Rule::kw_residual, "residual"),
    (Rule::kw_shortcut, "shortcut"),
    (Rule::kw_from, "from"),
    (Rule::kw_expect, "expect"),
];

/// The words of the rule `lint_level`.
const LINT_LEVELS: [&str; 3] = ["allow", "warn", "deny"];

/// The operators that are words.
const OPERATORS: [&str; 3] = ["and", "or", "not"];

/// The words of the rule `boolean`: no names, but values.
pub(super) const BOOLEANS: [&str; 2] = ["true", "false"];

/// Whether a word is the language's own, and neither a name nor a value.
pub(super) fn is_keyword(word: &str) -> bool {
    KEYWORDS.iter().any(|(_, keyword)| *keyword == word) || LINT_LEVELS.contains(&word) || OPERATORS.contains(&word)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    const GRAMMAR: &str = include_str!("../../grammar/net.pest");

    /// The words in double quotes of one rule.
    fn words(rule: &str) -> BTreeSet<&'static str> {
        let from = GRAMMAR.find(&format!("\n{rule} ")).unwrap() + 1;
        let body = &GRAMMAR[from..];
        body[..body.find('}').unwrap()].split('"').skip(1).step_by(2).collect()
    }

    #[test]
    fn the_table_is_the_grammar_s_keywords() {
        let rules: BTreeSet<String> = GRAMMAR
            .lines()
            .filter(|line| line.starts_with("kw_"))
            .map(|line| line.split([' ', '=']).next().unwrap().to_string())
            .collect();
        assert_eq!(KEYWORDS.iter().map(|(rule, _)| format!("{rule:?}")).collect::<BTreeSet<_>>(), rules);
        for (rule, word) in KEYWORDS {
            assert_eq!(words(&format!("{rule:?}")), BTreeSet::from([word]));
        }
    }

    #[test]
    fn a_name_can_be_none_of_the_words() {
        assert_eq!(words("lint_level"), LINT_LEVELS.into());
        assert_eq!(words("boolean"), BOOLEANS.into());
        for operator in OPERATORS {
            assert_eq!(words(operator), BTreeSet::from([operator]));
        }
        let keywords = KEYWORDS.map(|(_, word)| word);
        let all = keywords.into_iter().chain(LINT_LEVELS).chain(OPERATORS).chain(BOOLEANS).collect();
        assert_eq!(words("keyword"), all);
    }
}
