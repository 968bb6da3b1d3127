//! From bound arguments to a [`Layer`].

use super::arguments::{Bound, Slot, count, padding, pair, real, shape};
use super::catalog::{Entry, Join, Kind};
use super::conventions::Conventions;
use super::dims::{Padding, Pair};
use super::layer::{Divisor, Layer, Pad, Rounding, Squares, Window, ZeroChannels};
use super::problem::Problem;
use super::value::Value;
use crate::source::Span;
use crate::syntax::ast::{Definition, Parameter};

/// The slots of a layer.
pub fn slots(entry: &Entry) -> Vec<Slot> {
    let slot = |attribute: &super::catalog::Attribute| Slot {
        name: attribute.name.to_string(),
        kind: attribute.kind,
        positional: attribute.positional,
        required: attribute.default.is_none(),
    };
    entry.attributes.iter().map(slot).collect()
}

/// The arguments of one layer, by attribute name.
struct Given<'a> {
    entry: &'a Entry,
    bound: &'a Bound,
    conventions: &'a Conventions,
}

impl Given<'_> {
    fn value(&self, name: &str) -> Option<&(Value, Span)> {
        let index = self.entry.attributes.iter().position(|attribute| attribute.name == name)?;
        self.bound.get(index)
    }

    fn count(&self, name: &str) -> Option<usize> {
        self.value(name).and_then(|(value, _)| count(value))
    }

    fn real(&self, name: &str) -> Option<f64> {
        self.value(name).and_then(|(value, _)| real(value))
    }

    fn pair(&self, name: &str) -> Option<Pair> {
        self.value(name).and_then(|(value, _)| pair(value))
    }

    fn flag(&self, name: &str) -> Option<bool> {
        match self.value(name) {
            Some((Value::Bool(flag), _)) => Some(*flag),
            _ => None,
        }
    }

    fn word(&self, name: &str) -> Option<&str> {
        match self.value(name) {
            Some((Value::Word(word), _)) => Some(word),
            _ => None,
        }
    }

    fn window(&self) -> Option<Window> {
        let kernel = self.pair("kernel")?;
        // A pool's windows do not overlap unless a stride is given; a convolution's advance by one pixel.
        let stride = if self.entry.name == "conv" { Pair::square(1) } else { kernel };
        Some(Window {
            kernel,
            stride: self.pair("stride").unwrap_or(stride),
            pad: self.value("pad").and_then(|(value, _)| padding(value)).unwrap_or(Pad::Explicit(Padding::default())),
            dilation: self.pair("dilation").unwrap_or(Pair::square(1)),
            rounding: match self.word("round") {
                Some("ceil") => Rounding::Ceil,
                // Every framework leaves out what does not fit a convolution.
                None if self.entry.name != "conv" => self.conventions.rounding,
                _ => Rounding::Floor,
            },
        })
    }
}

/// Builds the layer of an entry of the catalog; `conventions` fill what is left open. `None` only if catalog and builder disagree, which a test excludes.
///
/// # Errors
/// What the kinds of the catalog cannot say: an even LRN size.
pub fn layer(entry: &Entry, bound: &Bound, conventions: &Conventions) -> Result<Option<Layer>, Problem> {
    let given = Given { entry, bound, conventions };
    if entry.name == "lrn"
        && let Some((value, span)) = given.value("size")
        && count(value).is_some_and(|size| size % 2 == 0)
    {
        return Err(Problem::OutOfRange {
            attribute: "size".into(),
            span: *span,
            allowed: "odd, so that as many channels lie before as after".into(),
            found: value.to_string(),
        });
    }
    Ok(known(&given))
}

fn known(given: &Given<'_>) -> Option<Layer> {
    if let Some(join) = given.entry.joins {
        return Some(self::join(join));
    }
    Some(match given.entry.name {
        "input" => Layer::Input { shape: given.value("shape").and_then(|(value, _)| shape(value))? },
        "conv" => Layer::Conv {
            out: given.count("width")?,
            window: given.window()?,
            groups: given.count("groups").unwrap_or(1),
            bias: given.flag("bias").unwrap_or(false),
        },
        "linear" => Layer::Linear { out: given.count("width")?, bias: given.flag("bias").unwrap_or(true) },
        "bn" => Layer::BatchNorm { epsilon: given.real("epsilon"), decay: given.real("decay") },
        "relu" => Layer::Relu,
        "tanh" => Layer::Tanh,
        "sigmoid" => Layer::Sigmoid,
        "max_pool" => Layer::MaxPool { window: given.window()? },
        "avg_pool" => {
            let divisor = match given.word("divisor") {
                Some("image") => Divisor::ImageOnly,
                Some(_) => Divisor::PaddedWindow,
                None => given.conventions.divisor,
            };
            Layer::AvgPool { window: given.window()?, divisor }
        }
        "global_avg_pool" => Layer::GlobalAvgPool,
        "lrn" => Layer::Lrn {
            size: given.count("size")?,
            alpha: given.real("alpha").unwrap_or(1e-4),
            beta: given.real("beta").unwrap_or(0.75),
            k: given.real("k").unwrap_or(1.0),
            squares: match given.word("squares") {
                Some("sum") => Squares::Sum,
                Some(_) => Squares::Mean,
                None => given.conventions.squares,
            },
        },
        "dropout" => Layer::Dropout { rate: given.real("rate")? },
        "flatten" => Layer::Flatten,
        "subsample" => Layer::Subsample { stride: given.pair("stride")? },
        "pad_channels" => {
            let split = given.word("place") == Some("split");
            let place = if split { ZeroChannels::Split } else { ZeroChannels::End };
            Layer::PadChannels { to: given.count("width")?, place }
        }
        _ => return None,
    })
}

/// The layer that joins others.
pub fn join(join: Join) -> Layer {
    match join {
        Join::Add => Layer::Add,
        Join::Concat => Layer::Concat,
    }
}

/// Where each given attribute stands.
pub fn spans(entry: &Entry, bound: &Bound) -> Vec<(&'static str, Span)> {
    let attributes = entry.attributes.iter().enumerate();
    attributes.filter_map(|(index, a)| bound.get(index).map(|(_, span)| (a.name, *span))).collect()
}

/// The kind of a block parameter's type.
pub fn kind_of_type(name: &str) -> Option<Kind> {
    Some(match name {
        "int" => Kind::Int,
        "float" => Kind::Real(f64::NEG_INFINITY, f64::INFINITY),
        "bool" => Kind::Flag,
        "size" => Kind::Size,
        _ => return None,
    })
}

/// The slots of a definition's parameters; `None` when a type is unknown, which `resolve` reported.
pub fn parameter_slots(definition: &Definition) -> Option<Vec<Slot>> {
    let slot = |parameter: &Parameter| {
        Some(Slot {
            name: parameter.name.text.clone(),
            kind: kind_of_type(&parameter.kind.text)?,
            positional: true,
            required: parameter.default.is_none(),
        })
    };
    definition.parameters.iter().map(slot).collect()
}
