//! Which argument is which: the same rules for layers and blocks, words and lists.

use super::catalog::Kind;
use super::dims::{Padding, Pair, Shape};
use super::foreign;
use super::layer::Pad;
use super::problem::Problem;
use super::value::{Environment, Value, evaluate};
use crate::source::Span;
use crate::syntax::ast::{Arguments, Call, Expr, ExprKind};

/// One place that an argument can go to.
#[derive(Debug, Clone)]
pub struct Slot {
    /// Its name.
    pub name: String,
    /// What it may be.
    pub kind: Kind,
    /// Whether it can be given without its name.
    pub positional: bool,
    /// Whether it must be given.
    pub required: bool,
}

/// The arguments of one call, one place for each slot.
#[derive(Debug)]
pub struct Bound {
    values: Vec<Option<(Value, Span)>>,
}

impl Bound {
    /// The value of slot `index`.
    pub fn get(&self, index: usize) -> Option<&(Value, Span)> {
        self.values.get(index).and_then(Option::as_ref)
    }
}

/// Puts the arguments of a call into their slots. Every mistake is reported; `None` when there was one.
pub fn bind(call: &Call, slots: &[Slot], environment: &Environment, problems: &mut Vec<Problem>) -> Option<Bound> {
    let before = problems.len();
    let mut binder = Binder {
        call,
        slots,
        environment,
        problems,
        values: vec![None; slots.len()],
        broken: vec![false; slots.len()],
        extra: false,
    };
    match &call.arguments {
        Arguments::Words(words) => binder.words(words),
        Arguments::List(list) => {
            for argument in list {
                match &argument.key {
                    Some(key) => match binder.slot(&key.text) {
                        Some(index) => binder.set(index, key.span, &argument.value),
                        None => binder.unknown(&key.text, key.span),
                    },
                    None => binder.positional(&argument.value),
                }
            }
        }
    }
    if binder.problems.len() == before {
        for (slot, value) in slots.iter().zip(&binder.values) {
            if slot.required && value.is_none() {
                binder.problems.push(Problem::MissingArgument {
                    callee: call.callee.text.clone(),
                    span: call.callee.span,
                    attribute: slot.name.clone(),
                    form: slot.kind.form(),
                });
            }
        }
    }
    let values = binder.values;
    (problems.len() == before).then_some(Bound { values })
}

struct Binder<'a> {
    call: &'a Call,
    slots: &'a [Slot],
    environment: &'a Environment,
    problems: &'a mut Vec<Problem>,
    values: Vec<Option<(Value, Span)>>,
    /// Slots whose argument was given, but is wrong: what follows does not move into their place.
    broken: Vec<bool>,
    /// Whether too many arguments were reported already.
    extra: bool,
}

impl Binder<'_> {
    fn slot(&self, name: &str) -> Option<usize> {
        self.slots.iter().position(|slot| slot.name == name)
    }

    /// The slot that a word names. `conv width 3x3 stride stride` in a block with parameters `width` and `stride`: what
    /// must be given has its place and needs no name, so there the parameter is meant; `stride` is an attribute first.
    fn named_slot(&self, word: &str) -> Option<usize> {
        let index = self.slot(word)?;
        let has_place = self.slots.get(index).is_some_and(|slot| slot.required);
        (!has_place || !self.environment.contains_key(word)).then_some(index)
    }

    /// The slot that takes this bare word, such as `ceil`.
    fn word_slot(&self, word: &str) -> Option<usize> {
        self.slots.iter().position(|slot| matches!(slot.kind, Kind::Word(words) if words.contains(&word)))
    }

    fn words(&mut self, words: &[Expr]) {
        let mut words = words.iter().peekable();
        while let Some(word) = words.next() {
            let ExprKind::Name(name) = &word.kind else {
                self.positional(word);
                continue;
            };
            if let Some(index) = self.named_slot(name) {
                let flag = self.slots.get(index).is_some_and(|slot| slot.kind == Kind::Flag);
                // After a flag only a truth value is its value; anything else is the next argument.
                let value = words.next_if(|next| {
                    !flag
                        || match &next.kind {
                            ExprKind::Bool(_) | ExprKind::Group(_) => true,
                            ExprKind::Name(next) => {
                                self.named_slot(next).is_none()
                                    && matches!(self.environment.get(next), Some(Value::Bool(_)))
                            }
                            _ => false,
                        }
                });
                match value {
                    Some(value) => self.set(index, word.span, value),
                    None if flag => self.store(index, word.span, Value::Bool(true)),
                    None => self.missing_value(index, word.span),
                }
            } else if self.environment.contains_key(name) {
                self.positional(word);
            } else if let Some(index) = self.word_slot(name) {
                self.store(index, word.span, Value::Word(name.clone()));
            } else if let Some(answer) = foreign::attribute(&self.call.callee.text, name) {
                self.problems.push(Problem::Foreign { word: name.clone(), span: word.span, answer });
                words.next_if(|next| !matches!(&next.kind, ExprKind::Name(next) if self.named_slot(next).is_some()));
            } else {
                self.problems.push(Problem::UnknownWord {
                    name: name.clone(),
                    span: word.span,
                    callee: self.call.callee.text.clone(),
                    attributes: self.slots.iter().map(|slot| slot.name.clone()).collect(),
                    parameters: self.environment.keys().cloned().collect(),
                });
                // What follows was most likely the value of the misspelt attribute.
                words.next_if(|next| !matches!(next.kind, ExprKind::Name(_)));
            }
        }
    }

    fn positional(&mut self, value: &Expr) {
        let places = self.slots.iter().zip(&self.values).zip(&self.broken);
        let free = places.into_iter().position(|((slot, given), broken)| slot.positional && given.is_none() && !broken);
        match free {
            Some(index) => self.set(index, value.span, value),
            None if self.extra => {}
            None => {
                self.extra = true;
                let places = self.slots.iter().filter(|slot| slot.positional).map(|slot| slot.name.clone()).collect();
                let callee = self.call.callee.text.clone();
                let attributes = !self.slots.is_empty();
                self.problems.push(Problem::TooManyArguments { callee, span: value.span, places, attributes });
            }
        }
    }

    fn set(&mut self, index: usize, key: Span, value: &Expr) {
        let Some(slot) = self.slots.get(index) else { return };
        let words: &[&str] = match slot.kind {
            Kind::Word(words) => words,
            Kind::Padding => &["same"],
            _ => &[],
        };
        let result = match &value.kind {
            ExprKind::Name(word) if words.contains(&word.as_str()) && !self.environment.contains_key(word) => {
                Ok(Value::Word(word.clone()))
            }
            _ => evaluate(value, self.environment),
        };
        match result.and_then(|found| check(slot, found, value.span)) {
            Ok(found) => self.store(index, if key == value.span { key } else { key.to(value.span) }, found),
            Err(problem) => {
                self.problems.push(problem);
                if let Some(broken) = self.broken.get_mut(index) {
                    *broken = true;
                }
            }
        }
    }

    fn store(&mut self, index: usize, span: Span, value: Value) {
        let Some((slot, place)) = self.slots.get(index).zip(self.values.get_mut(index)) else { return };
        match place {
            Some((_, first)) => {
                let attribute = slot.name.clone();
                self.problems.push(Problem::GivenTwice { attribute, first: *first, second: span });
            }
            None => *place = Some((value, span)),
        }
    }

    fn missing_value(&mut self, index: usize, span: Span) {
        if let Some(slot) = self.slots.get(index) {
            let (attribute, form) = (slot.name.clone(), slot.kind.form());
            self.problems.push(Problem::MissingValue { attribute, span, form });
        }
    }

    fn unknown(&mut self, name: &str, span: Span) {
        let callee = self.call.callee.text.clone();
        self.problems.push(match foreign::attribute(&callee, name) {
            Some(answer) => Problem::Foreign { word: name.to_string(), span, answer },
            None => Problem::UnknownAttribute {
                name: name.to_string(),
                span,
                callee,
                known: self.slots.iter().map(|slot| slot.name.clone()).collect(),
            },
        });
    }
}

/// Fits a value to a slot's kind.
///
/// # Errors
/// [`Problem::WrongType`] or [`Problem::OutOfRange`].
pub fn check(slot: &Slot, value: Value, span: Span) -> Result<Value, Problem> {
    let wrong = |value: &Value| Problem::WrongType {
        attribute: slot.name.clone(),
        span,
        form: slot.kind.form(),
        found: value.describe(),
    };
    let range = |value: &Value, allowed: String| Problem::OutOfRange {
        attribute: slot.name.clone(),
        span,
        allowed,
        found: value.to_string(),
    };
    let fits = match (&slot.kind, &value) {
        (Kind::Count(least), Value::Int(number)) => {
            if *number < *least as i64 || *number > i64::from(i32::MAX) {
                return Err(range(&value, format!("from {least} to {}", i32::MAX)));
            }
            true
        }
        (Kind::Int, Value::Int(_)) | (Kind::Flag, Value::Bool(_)) | (Kind::Size, Value::Size(_)) => true,
        (Kind::Real(low, high), Value::Int(_) | Value::Real(_)) => {
            let number = real(&value);
            if number.is_none_or(|number| number < *low || number > *high) {
                return Err(range(&value, slot.kind.form()));
            }
            true
        }
        (Kind::Extent, Value::Int(_) | Value::Size(_)) => match pair(&value) {
            Some(pair) if pair.height >= 1 && pair.width >= 1 && pair.longest() <= 1 << 16 => true,
            Some(_) => return Err(range(&value, "from 1 to 65536 in both directions".into())),
            None => false,
        },
        (Kind::Padding, Value::Word(_)) => true,
        (Kind::Padding, Value::Int(_) | Value::Tuple(_)) => match padding(&value) {
            Some(Pad::Explicit(pad)) => {
                if pad.top.max(pad.bottom).max(pad.left).max(pad.right) > 1 << 16 {
                    return Err(range(&value, "at most 65536 on each side".into()));
                }
                true
            }
            _ => return Err(wrong(&value)),
        },
        (Kind::Shape, Value::Int(_) | Value::Size(_)) => match shape(&value) {
            Some(shape) if shape.elements() >= 1 => true,
            Some(_) => return Err(range(&value, "at least 1 in every direction".into())),
            None => return Err(wrong(&value)),
        },
        (Kind::Word(words), Value::Word(word)) => words.contains(&word.as_str()),
        _ => false,
    };
    if fits { Ok(value) } else { Err(wrong(&value)) }
}

/// A whole number that is not negative.
pub fn count(value: &Value) -> Option<usize> {
    if let Value::Int(number) = value { usize::try_from(*number).ok() } else { None }
}

/// Any number.
pub fn real(value: &Value) -> Option<f64> {
    match value {
        Value::Int(number) => Some(*number as f64),
        Value::Real(number) => Some(*number),
        _ => None,
    }
}

/// A number or `HxW`.
pub fn pair(value: &Value) -> Option<Pair> {
    match value {
        Value::Int(_) => count(value).map(Pair::square),
        Value::Size(parts) => match parts.as_slice() {
            [height, width] => Some(Pair::new(*height, *width)),
            _ => None,
        },
        _ => None,
    }
}

/// `CxHxW`, or a number of features. Sizes whose product overflows are no shape.
pub fn shape(value: &Value) -> Option<Shape> {
    const LARGEST: usize = 1 << 31;
    match value {
        Value::Int(_) => count(value).filter(|&features| features <= LARGEST).map(Shape::vector),
        Value::Size(parts) => match parts.as_slice() {
            [channels, height, width] => {
                let elements = channels.checked_mul(*height)?.checked_mul(*width)?;
                (elements <= LARGEST).then(|| Shape::map(*channels, *height, *width))
            }
            _ => None,
        },
        _ => None,
    }
}

/// A number, four numbers, or `same`.
pub fn padding(value: &Value) -> Option<Pad> {
    match value {
        Value::Word(_) => Some(Pad::Same),
        Value::Int(_) => count(value).map(|amount| Pad::Explicit(Padding::all(amount))),
        Value::Tuple(parts) => match parts.iter().map(count).collect::<Option<Vec<_>>>()?.as_slice() {
            [top, bottom, left, right] => {
                Some(Pad::Explicit(Padding { top: *top, bottom: *bottom, left: *left, right: *right }))
            }
            _ => None,
        },
        _ => None,
    }
}
