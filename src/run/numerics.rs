//! The number that says which bits netc computes.
//!
//! It grows with every change of netc by which the same spec, recipe, data and seed would end in other weights on the
//! same engine and instruction set: an order of summation, a draw, the order of the images, a schedule's formula. It is
//! part of a run's identity, and the version of netc is not: a new release that computes the same goes on with old runs.
//! `tests/engines/numerics.rs` holds the weights of the shipped specs, so that such a change cannot happen unseen.

/// What this netc computes.
pub const NUMERICS: u32 = 2;

/// That of a record from before there was such a number.
pub const fn unnumbered() -> u32 {
    1
}

/// What changed with each number after the first, as CHANGELOG.md has it; half sentences.
const CHANGES: &[(u32, &str)] = &[(
    2,
    "sums over a batch go by a binary tree, images are drawn in the order of their content, `one-cycle` peaks between steps, `average.decay` has 64 bits",
)];

/// Why what was computed with the numerics `was` cannot be gone on with or made again; half sentences.
pub fn reasons(was: u32) -> Vec<String> {
    if was == NUMERICS {
        return Vec::new();
    }
    let mut found = vec![format!("it was computed with numerics {was}, this netc has numerics {NUMERICS}")];
    let since = CHANGES.iter().filter(|(number, _)| *number > was);
    found.extend(since.map(|(number, what)| format!("since numerics {number}, {what}")));
    found
}

/// What can be done with a run of the numerics `was`; `usual` where they are these.
pub fn help(was: u32, usual: &str) -> &str {
    if was == NUMERICS { usual } else { "the netc that began it can go on with it" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_change_is_told_and_stands_in_the_changelog() {
        let changelog = include_str!("../../CHANGELOG.md");
        for number in unnumbered() + 1..=NUMERICS {
            assert!(CHANGES.iter().any(|(of, _)| *of == number), "{number}");
            assert!(changelog.contains(&format!("## Numerics {number}\n")), "{number}");
        }
        assert_eq!(reasons(NUMERICS), [""; 0]);
        let reasons = reasons(1);
        assert!(reasons[0].contains("numerics 1") && reasons[1].starts_with("since numerics 2, "), "{reasons:?}");
    }
}
