//! The settings of a sweep: `--set a=1,2 --set b=3,4` are four.

use crate::diagnostic::{Code, Diagnostic};
use crate::random::text_key;

/// So many settings are no sweep but a mistake.
const MOST: usize = 10_000;
/// Characters of a folder's name that say what is in it.
const NAME: usize = 100;

/// What one value of a setting is said with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum GivenBy {
    /// `--set`
    Set,
    /// `-p`
    Parameter,
}

/// Something that takes several values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SweepAxis {
    kind: GivenBy,
    /// Such as `optimizer.weight_decay`.
    pub key: String,
    /// In the order they were given in.
    pub values: Vec<String>,
}

/// One way to train.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// Every `--set` of it.
    pub sets: Vec<String>,
    /// Every `-p` of it.
    pub parameters: Vec<String>,
    /// Its value on each axis.
    pub values: Vec<String>,
}

/// All of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grid {
    /// What takes several values.
    pub axes: Vec<SweepAxis>,
    /// Every combination of their values, the last axis changing first.
    pub settings: Vec<Setting>,
}

impl Grid {
    /// A single setting, in which commas mean what they always do.
    pub fn single(sets: &[String], parameters: &[String]) -> Self {
        let setting = Setting { sets: sets.to_vec(), parameters: parameters.to_vec(), values: Vec::new() };
        Grid { axes: Vec::new(), settings: vec![setting] }
    }

    /// The combinations of what stands between the commas of `--set`s and `-p`s. `own` are changes to the recipe that
    /// options of their own make, such as `batch=64`; they come after all others.
    ///
    /// # Errors
    /// [`Code::RecipeSet`] for values that are empty or come twice, keys that come twice, and far too many settings.
    pub fn new(sets: &[String], parameters: &[String], own: &[String]) -> Result<Self, Vec<Diagnostic>> {
        let said =
            sets.iter().map(|text| (GivenBy::Set, text)).chain(parameters.iter().map(|p| (GivenBy::Parameter, p)));
        let (mut axes, mut errors) = (Vec::new(), Vec::new());
        for (kind, text) in said.clone() {
            let Some((key, value)) = text.split_once('=') else { continue };
            let values = split(value);
            if values.len() < 2 {
                continue;
            }
            let axis = SweepAxis { kind, key: key.trim().into(), values };
            let same = |of: GivenBy, other: &str| of == kind && key_of(other) == axis.key;
            let said = said.clone().filter(|(kind, other)| same(*kind, other)).count();
            errors.extend(axis.mistake(said, own.iter().any(|other| same(GivenBy::Set, other))));
            axes.push(axis);
        }
        let count = axes.iter().try_fold(1usize, |count, axis| count.checked_mul(axis.values.len()));
        if count.is_none_or(|count| count > MOST) {
            let message = format!("these are more than {MOST} settings");
            errors.push(Diagnostic::new(Code::RecipeSet, message).help("give fewer values, or make several sweeps"));
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        let mut rows: Vec<Vec<String>> = vec![Vec::new()];
        for axis in &axes {
            rows = rows
                .iter()
                .flat_map(|row| axis.values.iter().map(|value| [&row[..], std::slice::from_ref(value)].concat()))
                .collect();
        }
        let settings = rows.into_iter().map(|values| setting(&axes, values, sets, parameters)).collect();
        Ok(Grid { axes, settings })
    }

    /// Names of the axes, and the setting's value on each: `batch=64 n=3`.
    pub fn describe(&self, setting: &Setting) -> String {
        let pairs = self.axes.iter().zip(&setting.values).map(|(axis, value)| format!("{}={value}", axis.key));
        pairs.collect::<Vec<_>>().join(" ")
    }

    /// A folder's name for a setting, the same whatever other settings there are; empty where there is only one way.
    pub fn folder(&self, setting: &Setting) -> String {
        let plain = |c: char| c.is_ascii_alphanumeric() || "._+-".contains(c);
        let text = self.describe(setting);
        let pairs = self.axes.iter().zip(&setting.values).map(|(axis, value)| {
            let value: String = value.chars().map(|c| if plain(c) { c } else { '_' }).collect();
            format!("{}={value}", axis.key)
        });
        let name: String = pairs.collect::<Vec<_>>().join(",").chars().take(NAME).collect();
        // What was lost would make two settings one.
        let lost = !setting.values.iter().flat_map(|value| value.chars()).all(plain) || text.len() > NAME;
        if lost { format!("{name}-{:08x}", text_key(&text) as u32) } else { name }
    }
}

impl SweepAxis {
    /// `said` is how often its key is given, `own` whether an option of its own gives it too.
    fn mistake(&self, said: usize, own: bool) -> Option<Diagnostic> {
        let SweepAxis { kind, key, values } = self;
        let option = if *kind == GivenBy::Set { "--set " } else { "-p " };
        let whole = format!("`{option}{key}={}`", values.join(","));
        let wrong = |message: String| Some(Diagnostic::new(Code::RecipeSet, message));
        if values.iter().any(String::is_empty) {
            return wrong(format!("a value is empty in {whole}")).map(|error| error.help("take a comma away"));
        }
        if let Some((_, twice)) = values.iter().enumerate().find(|(i, value)| values[..*i].contains(value)) {
            let help = "give it once; `--runs N` makes several runs of each setting, with different seeds";
            return wrong(format!("`{twice}` comes twice in {whole}")).map(|error| error.help(help));
        }
        if said > 1 || own {
            return wrong(format!("`{key}` is given twice")).map(|error| error.help("give all its values at once"));
        }
        None
    }
}

fn key_of(text: &str) -> &str {
    text.split_once('=').map_or(text, |(key, _)| key).trim()
}

fn setting(axes: &[SweepAxis], values: Vec<String>, sets: &[String], parameters: &[String]) -> Setting {
    let one = |kind: GivenBy, texts: &[String]| {
        let chosen = |text: &String| {
            let axis = axes.iter().position(|axis| axis.kind == kind && axis.key == key_of(text));
            match axis.and_then(|axis| values.get(axis)) {
                Some(value) => format!("{}={value}", key_of(text)),
                None => text.clone(),
            }
        };
        texts.iter().map(chosen).collect()
    };
    Setting { sets: one(GivenBy::Set, sets), parameters: one(GivenBy::Parameter, parameters), values }
}

/// Splits at commas outside brackets and quotes. What is never closed is left to whoever reads the value.
fn split(text: &str) -> Vec<String> {
    let (mut parts, mut depth, mut quote) = (vec![String::new()], 0usize, None);
    for c in text.chars() {
        match (c, quote) {
            (c, Some(open)) if c == open => quote = None,
            ('"' | '\'', None) => quote = Some(c),
            ('[' | '{' | '(', None) => depth += 1,
            (']' | '}' | ')', None) => depth = depth.saturating_sub(1),
            (',', None) if depth == 0 => {
                parts.push(String::new());
                continue;
            }
            _ => {}
        }
        if let Some(part) = parts.last_mut() {
            part.push(c);
        }
    }
    parts.into_iter().map(|part| part.trim().to_string()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(texts: &[&str]) -> Vec<String> {
        texts.iter().map(ToString::to_string).collect()
    }

    fn grid(sets: &[&str], parameters: &[&str]) -> Result<Grid, Vec<Diagnostic>> {
        Grid::new(&strings(sets), &strings(parameters), &strings(&["epochs=3"]))
    }

    #[test]
    fn commas_inside_brackets_and_quotes_stay() {
        let of = |text: &str| split(text);
        assert_eq!(of("1,2"), ["1", "2"]);
        assert_eq!(of("[1, 2], [3]"), ["[1, 2]", "[3]"]);
        assert_eq!(of("{kind: step, every: 3 steps},constant"), ["{kind: step, every: 3 steps}", "constant"]);
        assert_eq!(of("'a,b',\"c]\",d"), ["'a,b'", "\"c]\"", "d"]);
        assert_eq!(of("[1, 2"), ["[1, 2"]);
        assert_eq!(of("1,"), ["1", ""]);
    }

    #[test]
    fn every_combination_is_a_setting() {
        let grid = grid(&["batch=64,128", "seed=4", "lr=1, 2"], &["n=3,5"]).unwrap();
        assert_eq!(grid.settings.len(), 8);
        let last = &grid.settings[5];
        assert_eq!(last.sets, ["batch=128", "seed=4", "lr=1"]);
        assert_eq!(last.parameters, ["n=5"]);
        assert_eq!(grid.describe(last), "batch=128 lr=1 n=5");
        assert_eq!(grid.folder(last), "batch=128,lr=1,n=5");
    }

    #[test]
    fn folders_have_names_of_their_own() {
        let grid = grid(&["schedule={kind: a, b: 1},{kind: a; b: 1},constant", "data=a/b,a_b"], &[]).unwrap();
        let names: Vec<String> = grid.settings.iter().map(|setting| grid.folder(setting)).collect();
        let unique: std::collections::HashSet<&String> = names.iter().collect();
        assert_eq!(unique.len(), 6, "{names:?}");
        assert_eq!(names[5], "schedule=constant,data=a_b");
        assert!(names.iter().all(|name| !name.contains(['/', ' ', '{', ':'])), "{names:?}");
        assert_eq!(Grid::single(&[], &[]).folder(&Grid::single(&[], &[]).settings[0]), "");
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for sets in [
            &["batch=1,1"][..],
            &["batch=1,,2"],
            &["batch=1,2", "batch=3"],
            &["batch=1,2", "batch=3,4"],
            &["epochs=1,2"],
            &[
                "a=1,2,3,4,5,6,7,8,9,10,11",
                "b=1,2,3,4,5,6,7,8,9,10",
                "c=1,2,3,4,5,6,7,8,9,10",
                "d=1,2,3,4,5,6,7,8,9,10",
            ],
        ] {
            let errors = grid(sets, &[]).unwrap_err();
            assert!(errors.iter().all(|error| error.code == Code::RecipeSet), "{errors:?}");
        }
        // A single value may come twice, as in `netc train`.
        assert!(grid(&["batch=1", "batch=2"], &[]).is_ok());
    }
}
