//! Did-you-mean.

/// The candidate that was most likely meant, by gleam's rule: equal but for case wins; otherwise the nearest by
/// Damerau–Levenshtein distance, if that is at most a third of the word (and at least 1 is always allowed).
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let allowed = (word.chars().count() / 3).max(1);
    let mut best: Option<(usize, &str)> = None;
    for candidate in candidates {
        if candidate.eq_ignore_ascii_case(word) {
            return Some(candidate);
        }
        let distance = strsim::damerau_levenshtein(word, candidate);
        // A one-letter word is near to every other one-letter word.
        let near = distance <= allowed && distance < word.chars().count();
        if near && best.is_none_or(|(shortest, _)| distance < shortest) {
            best = Some((distance, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

/// "`a`, `b` and `c`".
pub fn list<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let names: Vec<String> = names.into_iter().map(|name| format!("`{name}`")).collect();
    match names.as_slice() {
        [] => String::new(),
        [one] => one.clone(),
        [most @ .., last] => format!("{} and {last}", most.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_words_are_found_and_far_ones_are_not() {
        let layers = ["conv", "linear", "relu", "bn", "max_pool"];
        assert_eq!(nearest("cnov", layers), Some("conv"));
        assert_eq!(nearest("ReLU", layers), Some("relu"));
        assert_eq!(nearest("maxpool", layers), Some("max_pool"));
        assert_eq!(nearest("attention", layers), None);
        assert_eq!(nearest("x", ["n", "y"]), None);
    }

    #[test]
    fn lists_read_as_prose() {
        assert_eq!(list(["a", "b", "c"]), "`a`, `b` and `c`");
        assert_eq!(list(["a"]), "`a`");
    }
}
