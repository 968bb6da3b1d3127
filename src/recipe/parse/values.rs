//! The kinds of values a recipe is made of: numbers with bounds, words from a list.

use super::foreign;
use super::section::Problem;
use crate::diagnostic::{Code, suggest};
use crate::engine::precision::{self, Precision};
use serde_yaml::Value;

/// A finite number. `1_000` and `1e-4` are numbers too.
///
/// # Errors
/// When it is something else.
pub fn number(value: &Value) -> Result<f64, Problem> {
    let number = match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => without_underscores(text).parse().ok(),
        _ => None,
    };
    match number {
        Some(number) if number.is_finite() => Ok(number),
        Some(_) => Err(Problem::senseless("must be finite")),
        None => Err(Problem::expected("a number", value)),
    }
}

/// A whole number of at least `least`.
///
/// # Errors
/// When it is something else, or smaller.
pub fn whole(value: &Value, least: u64) -> Result<u64, Problem> {
    let whole = match value {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => without_underscores(text).parse().ok(),
        _ => None,
    };
    match whole {
        Some(whole) if whole >= least => Ok(whole),
        Some(_) => Err(Problem::senseless(format!("must be at least {least}"))),
        None => match number(value) {
            // 64e3 is a float to YAML, but a whole number to its writer.
            Ok(number) if number >= least as f64 && number.fract() == 0.0 && number < 2f64.powi(53) => {
                Ok(number as u64)
            }
            Ok(number) if number < 0.0 => Err(Problem::senseless("must not be negative")),
            _ => Err(with_unit(value, Problem::expected("a whole number", value))),
        },
    }
}

/// A number that was written with a unit, which its key has already, or with a `k`.
fn with_unit(value: &Value, problem: Problem) -> Problem {
    let meant = value.as_str().and_then(foreign::milestone);
    match meant.as_deref().map(|meant| meant.split_once(' ').unwrap_or((meant, ""))) {
        Some((number, "")) => problem.help(format!("write `{number}`")),
        Some((number, _)) => problem.help(format!("write `{number}`: the key says the unit")),
        None => problem,
    }
}

/// A number of at least 0.
///
/// # Errors
/// When it is something else, or negative.
pub fn not_negative(value: &Value) -> Result<f64, Problem> {
    let number = number(value)?;
    if number < 0.0 { Err(Problem::senseless("must not be negative")) } else { Ok(number) }
}

/// A number above 0.
///
/// # Errors
/// When it is something else, or not above 0.
pub fn positive(value: &Value) -> Result<f64, Problem> {
    let number = number(value)?;
    if number <= 0.0 { Err(Problem::senseless("must be above 0")) } else { Ok(number) }
}

/// A number in 0 ≤ x < 1.
///
/// # Errors
/// When it is something else.
pub fn fraction(value: &Value) -> Result<f64, Problem> {
    let number = number(value)?;
    if (0.0..1.0).contains(&number) { Ok(number) } else { Err(Problem::senseless("must be at least 0 and below 1")) }
}

/// `true` or `false`.
///
/// # Errors
/// When it is something else.
pub fn truth(value: &Value) -> Result<bool, Problem> {
    value.as_bool().ok_or_else(|| Problem::expected("`true` or `false`", value))
}

/// One of a list of words.
///
/// # Errors
/// When it is another word, with the nearest one suggested.
pub fn word<T: Copy>(value: &Value, words: &[(&'static str, T)]) -> Result<T, Problem> {
    let names = || words.iter().map(|(name, _)| *name);
    let text = value.as_str().unwrap_or_default();
    if let Some((_, meaning)) = words.iter().find(|(name, _)| *name == text) {
        return Ok(*meaning);
    }
    let expected = match words {
        [(only, _)] => format!("`{only}`"),
        _ => format!("one of {}", suggest::list(names())),
    };
    let problem = Problem::expected(&expected, value);
    let known: Vec<&'static str> = names().collect();
    Err(match (foreign::value(text, &known), suggest::nearest(text, names())) {
        (Some(ours), _) => problem.help(format!("here this is `{ours}`")),
        (None, Some(meant)) => problem.help(format!("did you mean `{meant}`?")),
        (None, None) => problem,
    })
}

/// What an engine computes in. Other tools write bits as a number, and mixtures of several kinds.
///
/// # Errors
/// When it is no such word, or one of what no engine has.
pub fn precision(value: &Value) -> Result<Precision, Problem> {
    let text = value.as_u64().map(|bits| bits.to_string());
    let text = text.as_deref().or_else(|| value.as_str()).unwrap_or_default();
    let known = |text: &str| Precision::ALL.into_iter().find(|precision| precision.name() == text);
    let words = Precision::ALL.map(Precision::name);
    match known(text).or_else(|| foreign::value(text, &words).and_then(known)) {
        Some(precision) if !precision::exists(precision) => {
            let message = match precision.name() {
                name if name == text => format!("no engine computes in `{name}` yet"),
                name => format!("`{text}` is `{name}` here, in which no engine computes yet"),
            };
            Err(Problem { code: Code::RecipeValue, message, help: Some(precision::list()) })
        }
        Some(precision) if precision.name() == text => Ok(precision),
        Some(precision) => Err(Problem::expected("`fp32`", value).help(format!("here this is `{}`", precision.name()))),
        None => {
            let problem = Problem::expected("what an engine computes in", value);
            Err(match suggest::nearest(text, words) {
                Some(meant) => problem.help(format!("did you mean `{meant}`?")),
                None => problem.help(precision::list()),
            })
        }
    }
}

/// As in `.net` texts, an underscore between digits only helps the eye.
fn without_underscores(text: &str) -> String {
    let digits = text.starts_with(|c: char| c.is_ascii_digit()) && !text.ends_with('_') && !text.contains("__");
    if digits { text.replace('_', "") } else { "x".into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn yaml(text: &str) -> Value {
        serde_yaml::from_str(text).unwrap()
    }

    #[test]
    fn numbers_are_read_as_they_are_written() {
        assert_eq!(number(&yaml("1e-4")).unwrap(), 1e-4);
        assert_eq!(number(&yaml("64_000")).unwrap(), 64_000.0);
        assert_eq!(whole(&yaml("64_000"), 1).unwrap(), 64_000);
        assert_eq!(whole(&yaml("64e3"), 1).unwrap(), 64_000);
        assert!(whole(&yaml("0"), 1).unwrap_err().message.contains("at least 1"));
        assert!(whole(&yaml("-3"), 1).unwrap_err().message.contains("negative"));
        for text in ["1.5", "many", "[1]", "_", "1_", "1__0", "true"] {
            assert!(whole(&yaml(text), 1).unwrap_err().message.contains("whole number"), "{text}");
        }
        for text in [".inf", ".nan", "-.inf"] {
            assert!(number(&yaml(text)).is_err(), "{text}");
        }
    }

    #[test]
    fn bounds_hold() {
        assert!(positive(&yaml("0")).is_err() && not_negative(&yaml("0")).is_ok());
        assert!(not_negative(&yaml("-1e-9")).is_err());
        assert!(fraction(&yaml("1.0")).is_err() && fraction(&yaml("0.9")).is_ok());
        assert!(truth(&yaml("yes")).is_err() && truth(&yaml("true")).unwrap());
    }

    #[test]
    fn a_precision_is_one_that_an_engine_has() {
        assert_eq!(precision(&yaml("fp32")), Ok(Precision::Fp32));
        let known = "the native engine on cpu has `fp32`; the tensor engine on cpu has `fp32`; \
                     the tensor engine on cuda has `fp32`";
        for (text, message, help) in [
            ("bf16", "no engine computes in `bf16` yet", known),
            ("amp", "`amp` is `fp16` here, in which no engine computes yet", known),
            ("16", "`16` is `fp16` here, in which no engine computes yet", known),
            ("bf16-mixed", "`bf16-mixed` is `bf16` here, in which no engine computes yet", known),
            ("32", "expected `fp32`, found `32`", "here this is `fp32`"),
            ("Float32", "expected `fp32`, found the text `Float32`", "here this is `fp32`"),
            ("fp23", "expected what an engine computes in, found the text `fp23`", "did you mean `fp32`?"),
            ("int8", "expected what an engine computes in, found the text `int8`", known),
            ("[fp32]", "expected what an engine computes in, found a list", known),
        ] {
            let problem = precision(&yaml(text)).unwrap_err();
            assert_eq!((problem.message.as_str(), problem.help.as_deref()), (message, Some(help)), "{text}");
        }
    }

    #[test]
    fn a_word_is_one_of_the_list() {
        let words = [("sgd", 1), ("adam", 2)];
        assert_eq!(word(&yaml("sgd"), &words).unwrap(), 1);
        assert_eq!(word(&yaml("SGD"), &words).unwrap_err().help.unwrap(), "did you mean `sgd`?");
        assert!(word(&yaml("3"), &words).unwrap_err().message.contains("one of `sgd` and `adam`"));
    }
}
