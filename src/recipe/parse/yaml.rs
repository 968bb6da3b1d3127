//! YAML with places: the values of a recipe, and where each key and value stands in the text.
//!
//! serde gives values without places. What it does give a place is an error, so `Document::find` walks the text
//! again with a deserialiser that fails on purpose at the key or value looked for: the YAML parser itself then says
//! where that is, in block and flow style, with quotes and anchors.

use crate::diagnostic::{Code, Diagnostic};
use crate::source::{FileId, Span};
use serde::de::{self, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_yaml::Value;
use std::fmt;

/// The key itself, or what stands after its colon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The key.
    Key,
    /// The value.
    Value,
}

/// Parses a whole YAML text; an empty text is null.
///
/// # Errors
/// [`Code::RecipeSyntax`] where the text is not YAML.
pub fn parse(text: &str, file: FileId) -> Result<Value, Diagnostic> {
    serde_yaml::from_str(text).map_err(|error| {
        let place = error.location();
        let start = place.as_ref().map_or(0, |at| byte_offset(text, at.line(), at.column()));
        let message = error.to_string();
        // The place is shown by the caret; the parser's own " at line 3 column 5" would only repeat it.
        let message = message.split(" at line ").next().unwrap_or_default();
        let end = start + text.get(start..).and_then(|rest| rest.chars().next()).map_or(0, char::len_utf8);
        Diagnostic::new(Code::RecipeSyntax, "this is not valid YAML").at(Span::new(file, start..end), message)
    })
}

/// Where the key or value at `path` stands in `text`, if the text has it.
pub fn find(text: &str, file: FileId, path: &[&str], part: Part) -> Option<Span> {
    let seed = Seek { path, part };
    let error = seed.deserialize(serde_yaml::Deserializer::from_str(text)).err()?;
    if !error.to_string().contains(FOUND) {
        return None;
    }
    let at = error.location()?;
    let start = byte_offset(text, at.line(), at.column());
    let length = token_length(text.get(start..)?, part);
    Some(Span::new(file, start..start + length))
}

/// Every value of a tree with the keys that lead to it, in the order of the text; a list is one value.
pub fn leaves(tree: &Value) -> Vec<(Vec<String>, &Value)> {
    let mut leaves = Vec::new();
    descend(tree, &mut Vec::new(), &mut leaves);
    leaves
}

fn descend<'v>(tree: &'v Value, path: &mut Vec<String>, leaves: &mut Vec<(Vec<String>, &'v Value)>) {
    let Value::Mapping(map) = tree else { return leaves.push((path.clone(), tree)) };
    for (key, value) in map {
        // The keys of a recipe are words, whatever its values are.
        path.push(key.as_str().unwrap_or_default().to_string());
        descend(value, path, leaves);
        path.pop();
    }
}

const FOUND: &str = "\u{1}found\u{1}";

/// Byte offset of a line and column, both from 1, the column in characters.
fn byte_offset(text: &str, line: usize, column: usize) -> usize {
    let mut offset = 0;
    for _ in 1..line {
        match text.get(offset..).and_then(|rest| rest.find('\n')) {
            Some(end) => offset += end + 1,
            None => return text.len(),
        }
    }
    let rest = text.get(offset..).unwrap_or_default();
    offset + rest.char_indices().nth(column.saturating_sub(1)).map_or(rest.len(), |(index, _)| index)
}

/// How many bytes to underline: a quoted text or bracketed collection to its end if that is on the same line, else a
/// plain scalar (or the first line of what is there).
fn token_length(text: &str, part: Part) -> usize {
    let line = text.lines().next().unwrap_or_default();
    let mut depth = 0usize;
    let mut quote = None;
    for (index, character) in line.char_indices() {
        let here = index + character.len_utf8();
        match (quote, character) {
            (Some(open), _) if character == open => {
                quote = None;
                if depth == 0 {
                    return here;
                }
            }
            (Some(_), _) => {}
            (None, '"' | '\'') if index == 0 || depth > 0 => quote = Some(character),
            (None, '{' | '[') => depth += 1,
            (None, '}' | ']') if depth == 1 => return here,
            (None, '}' | ']' | ',') if depth == 0 => return line[..index].trim_end().len(),
            (None, '}' | ']') => depth -= 1,
            (None, ':') if depth == 0 && part == Part::Key => return line[..index].trim_end().len(),
            (None, '#') if line[..index].ends_with(' ') => return line[..index].trim_end().len(),
            _ => {}
        }
    }
    line.trim_end().len()
}

/// Goes down `path` and fails with [`FOUND`] at its end.
struct Seek<'p> {
    path: &'p [&'p str],
    part: Part,
}

impl<'de> DeserializeSeed<'de> for Seek<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

macro_rules! stop_at_scalars {
    ($($method:ident: $kind:ty),*) => {
        $(fn $method<E: de::Error>(self, _: $kind) -> Result<(), E> {
            self.stop_here()
        })*
    };
}

impl Seek<'_> {
    fn stop_here<E: de::Error>(&self) -> Result<(), E> {
        if self.path.is_empty() { Err(E::custom(FOUND)) } else { Ok(()) }
    }
}

impl<'de> Visitor<'de> for Seek<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any YAML")
    }

    stop_at_scalars!(visit_bool: bool, visit_i64: i64, visit_u64: u64, visit_i128: i128, visit_u128: u128, visit_f64: f64, visit_str: &str);

    fn visit_unit<E: de::Error>(self) -> Result<(), E> {
        self.stop_here()
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        self.stop_here()?;
        let index = self.path.first().and_then(|step| step.parse::<usize>().ok());
        let mut position = 0;
        loop {
            let more = if Some(position) == index {
                items.next_element_seed(Seek { path: &self.path[1..], part: self.part })?.is_some()
            } else {
                items.next_element::<IgnoredAny>()?.is_some()
            };
            if !more {
                return Ok(());
            }
            position += 1;
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        self.stop_here()?;
        let (step, rest) = self.path.split_first().map_or(("", self.path), |(step, rest)| (*step, rest));
        let stop = rest.is_empty() && self.part == Part::Key;
        while let Some(is_it) = entries.next_key_seed(KeyIs { key: step, stop })? {
            if is_it {
                entries.next_value_seed(Seek { path: rest, part: self.part })?;
            } else {
                entries.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }
}

/// Whether a key is the one looked for; fails at it if `stop`.
struct KeyIs<'p> {
    key: &'p str,
    stop: bool,
}

impl KeyIs<'_> {
    fn compare<E: de::Error>(&self, key: &str) -> Result<bool, E> {
        if key == self.key && self.stop { Err(E::custom(FOUND)) } else { Ok(key == self.key) }
    }
}

impl<'de> DeserializeSeed<'de> for KeyIs<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for KeyIs<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: de::Error>(self, key: &str) -> Result<bool, E> {
        self.compare(key)
    }

    fn visit_bool<E: de::Error>(self, key: bool) -> Result<bool, E> {
        self.compare(&key.to_string())
    }

    fn visit_i64<E: de::Error>(self, key: i64) -> Result<bool, E> {
        self.compare(&key.to_string())
    }

    fn visit_u64<E: de::Error>(self, key: u64) -> Result<bool, E> {
        self.compare(&key.to_string())
    }

    fn visit_f64<E: de::Error>(self, key: f64) -> Result<bool, E> {
        self.compare(&key.to_string())
    }

    fn visit_unit<E: de::Error>(self) -> Result<bool, E> {
        self.compare("null")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<bool, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(false)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<bool, A::Error> {
        while entries.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
# é a comment
batch: 128   # of images
optimizer: {kind: sgd, \"momentum\": 0.9}
schedule:
  kind: multistep
  at: [1 epochs, '2, epochs']
  'quoted': x
other: {batch: 7}
";

    #[test]
    fn leaves_have_the_keys_that_lead_to_them() {
        let tree = parse(TEXT, FileId(0)).unwrap();
        let paths: Vec<String> = leaves(&tree).iter().map(|(path, _)| path.join(".")).collect();
        let expected =
            ["batch", "optimizer.kind", "optimizer.momentum", "schedule.kind", "schedule.at", "schedule.quoted"];
        assert_eq!(paths, [&expected[..], &["other.batch"]].concat());
        assert_eq!(leaves(&tree)[4].1.as_sequence().map(Vec::len), Some(2));
        assert_eq!(leaves(&tree)[6].1.as_u64(), Some(7));
        assert!(leaves(&parse("{}", FileId(0)).unwrap()).is_empty());
    }

    fn found(path: &[&str], part: Part) -> Option<&'static str> {
        find(TEXT, FileId(0), path, part).map(|span| &TEXT[span.range()])
    }

    #[test]
    fn keys_and_values_are_found_in_both_styles() {
        for (path, key, value) in [
            (&["batch"][..], "batch", "128"),
            (&["optimizer", "momentum"], "\"momentum\"", "0.9"),
            (&["optimizer"], "optimizer", "{kind: sgd, \"momentum\": 0.9}"),
            (&["schedule", "at"], "at", "[1 epochs, '2, epochs']"),
            (&["schedule"], "schedule", "kind: multistep"),
            (&["schedule", "quoted"], "'quoted'", "x"),
            (&["other", "batch"], "batch", "7"),
        ] {
            assert_eq!(found(path, Part::Key), Some(key), "{path:?}");
            assert_eq!(found(path, Part::Value), Some(value), "{path:?}");
        }
        assert_eq!(found(&["schedule", "at", "1"], Part::Value), Some("'2, epochs'"));
        assert_eq!(found(&["schedule", "at", "2"], Part::Value), None);
        assert_eq!(found(&["schedule", "factor"], Part::Key), None);
        assert_eq!(found(&["batch", "x"], Part::Value), None);
    }

    #[test]
    fn the_second_of_two_equal_keys_is_not_the_first() {
        let at = |path: &[&str]| find(TEXT, FileId(0), path, Part::Key).map(|span| span.start);
        assert!(at(&["other", "batch"]) > at(&["batch"]));
    }

    #[test]
    fn what_is_not_yaml_is_pointed_at() {
        let error = parse("batch: 1\noptimizer: {kind: sgd\n", FileId(0)).unwrap_err();
        assert_eq!(error.code, Code::RecipeSyntax);
        assert!(error.span().unwrap().start >= 9);
        assert!(parse("batch: 1\nbatch: 2\n", FileId(0)).is_err());
        assert_eq!(parse("", FileId(0)).unwrap(), Value::Null);
    }
}
