//! `docs/profiles.md` has the profiles as they are. `scripts/bless.sh` writes them anew.

use netc::internals::recipe::profile::{COVERED, SHIPPED};
use serde_yaml::Value;

const PAGE: &str = "docs/profiles.md";

/// The text of a value as the YAML has it: `1e-3` is not to become `0.001`.
fn written(text: &str, path: &[&str]) -> String {
    let root: Value = serde_yaml::from_str(text).unwrap();
    let value = path.iter().fold(&root, |value, key| value.get(key).unwrap());
    let key = path.last().unwrap();
    let line = text.lines().find_map(|line| line.trim_start().strip_prefix(&format!("{key}:"))).unwrap();
    // Keys are unique in a profile but for `conv` and `linear` of `init`, which stand in one section only.
    let word = line.split('#').next().unwrap().trim();
    assert_eq!(&serde_yaml::from_str::<Value>(word).unwrap(), value, "{path:?}");
    word.to_string()
}

fn table() -> String {
    let names: Vec<String> = SHIPPED.iter().map(|(name, _)| format!("`{name}`")).collect();
    let mut table = format!("| | {} |\n| --- |{}\n", names.join(" | "), " --- |".repeat(names.len()));
    for path in COVERED {
        let values: Vec<String> = SHIPPED.iter().map(|(_, text)| written(text, path)).collect();
        table += &format!("| `{}` | {} |\n", path.join("."), values.join(" | "));
    }
    table
}

fn sources() -> String {
    SHIPPED.iter().map(|(name, text)| format!("### `{name}`\n\n```yaml\n{text}```\n\n")).collect()
}

#[test]
fn the_page_has_the_profiles_as_they_are() {
    let page = std::fs::read_to_string(PAGE).unwrap();
    let mut made = page.clone();
    for (name, text) in [("table", table()), ("sources", sources())] {
        let start = made.find(&format!("<!-- {name}:")).unwrap();
        let start = start + made[start..].find('\n').unwrap() + 1;
        let end = made.find(&format!("<!-- end of {name} -->")).unwrap();
        made.replace_range(start..end, &format!("\n{}\n\n", text.trim_end()));
    }
    if std::env::var_os("NETC_BLESS").is_some() {
        std::fs::write(PAGE, &made).unwrap();
    } else {
        assert!(made == page, "{PAGE} does not have the profiles as they are: run scripts/bless.sh");
    }
}
