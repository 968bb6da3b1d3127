//! What can be wrong with names, arguments and expansion: data first, all prose in [`Problem::diagnose`].

use crate::diagnostic::suggest::{list, nearest};
use crate::diagnostic::{Code, Diagnostic, Fix};
use crate::source::Span;

/// One mistake, with what is needed to explain it.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs, reason = "the variants' names and `diagnose` say what they are")]
pub enum Problem {
    UnknownName { name: String, span: Span, known: Vec<String> },
    UnknownWord { name: String, span: Span, callee: String, attributes: Vec<String>, parameters: Vec<String> },
    UnknownLayer { name: String, span: Span, known: Vec<String> },
    UnknownAttribute { name: String, span: Span, callee: String, known: Vec<String> },
    UnknownType { name: String, span: Span },
    UnknownValue { name: String, span: Span, known: Vec<String> },
    UnknownFact { name: String, span: Span },
    UnknownNetParameter { name: String, net: String, known: Vec<String> },
    Foreign { word: String, span: Span, answer: &'static str },
    MissingArgument { callee: String, span: Span, attribute: String, form: String },
    MissingValue { attribute: String, span: Span, form: String },
    MissingInputs { callee: String, span: Span },
    TooManyArguments { callee: String, span: Span, places: Vec<String>, attributes: bool },
    GivenTwice { attribute: String, first: Span, second: Span },
    WrongType { attribute: String, span: Span, form: String, found: String },
    OutOfRange { attribute: String, span: Span, allowed: String, found: String },
    Operand { operator: &'static str, expected: &'static str, found: String, span: Span },
    DivisionByZero { span: Span },
    Inexact { left: i64, right: i64, span: Span },
    Overflow { span: Span },
    DefinedTwice { what: &'static str, name: String, first: Span, second: Span },
    NameOfLayer { name: String, span: Span },
    Recursion { name: String, span: Span },
    TooManyLayers { span: Span, limit: usize },
    TooMuchWork { span: Span },
    NoNet { span: Option<Span> },
    SecondNet { first: Span, second: Span },
    LayerBeforeInput { layer: String, span: Span },
    InputInBlock { span: Span },
    SecondInput { first: Span, second: Span },
    NoInput { net: String, span: Span },
    NoLayers { net: String, span: Span },
    EmptyMainPath { span: Span },
    SecondRecipe { first: Span, second: Span },
    CommandLineParameter { text: String, reason: String },
}

impl Problem {
    /// The message, without the chain of block calls.
    pub fn diagnose(self) -> Diagnostic {
        use Problem::*;
        match self {
            UnknownName { name, span, mut known } => {
                known.sort_unstable();
                let diagnostic = Diagnostic::new(Code::UnknownName, format!("there is no parameter `{name}` here"))
                    .at(span, "not known");
                meant(diagnostic, &name, &known, "the parameters here are")
            }
            UnknownWord { name, span, callee, mut attributes, mut parameters } => {
                attributes.sort_unstable();
                parameters.sort_unstable();
                let message = format!("`{name}` is neither an attribute of `{callee}` nor a parameter here");
                let diagnostic = Diagnostic::new(Code::UnknownAttribute, message).at(span, "not known");
                let all = attributes.iter().chain(&parameters);
                match nearest(&name, all.map(String::as_str)) {
                    Some(word) => did_you_mean(diagnostic, word),
                    None if attributes.is_empty() => diagnostic.help(format!("`{callee}` has no attributes")),
                    None => diagnostic.help(format!("`{callee}` has {}", list(attributes.iter().map(String::as_str)))),
                }
            }
            UnknownLayer { name, span, mut known } => {
                known.sort_unstable();
                let diagnostic = Diagnostic::new(Code::UnknownLayer, format!("there is no layer or block `{name}`"))
                    .at(span, "not known");
                meant(diagnostic, &name, &known, "there are")
            }
            UnknownAttribute { name, span, callee, known } => {
                let message = format!("`{callee}` has no attribute `{name}`");
                let diagnostic = Diagnostic::new(Code::UnknownAttribute, message).at(span, "not known");
                meant(diagnostic, &name, &known, &format!("`{callee}` has"))
            }
            UnknownType { name, span } => {
                let types = ["int", "float", "bool", "size"].map(String::from);
                let diagnostic =
                    Diagnostic::new(Code::TypeMismatch, format!("there is no type `{name}`")).at(span, "not known");
                meant(diagnostic, &name, &types, "the types are")
            }
            UnknownValue { name, span, mut known } => {
                known.sort_unstable();
                let diagnostic = Diagnostic::new(Code::UnknownName, format!("no layer here is named `{name}`"))
                    .at(span, "not known")
                    .note("a layer is named by writing `name = layer …` before it is read");
                meant(diagnostic, &name, &known, "the named layers here are")
            }
            UnknownFact { name, span } => {
                let facts = ["params", "macs", "layers", "shape"].map(String::from);
                let diagnostic = Diagnostic::new(Code::UnknownName, format!("`expect` knows no fact `{name}`"))
                    .at(span, "not known");
                meant(diagnostic, &name, &facts, "it knows")
            }
            UnknownNetParameter { name, net, known } => {
                let message = format!("net `{net}` has no parameter `{name}`");
                meant(Diagnostic::new(Code::UnknownName, message), &name, &known, "it has")
            }
            Foreign { word, span, answer } => {
                Diagnostic::new(Code::ForeignWord, format!("`{word}` is not a word of netc"))
                    .at(span, "known from elsewhere")
                    .help(answer)
            }
            MissingArgument { callee, span, attribute, form } => {
                Diagnostic::new(Code::MissingArgument, format!("`{callee}` needs its `{attribute}`"))
                    .at(span, format!("`{attribute}` is missing"))
                    .help(format!("`{attribute}` is {form}"))
            }
            MissingValue { attribute, span, form } => {
                Diagnostic::new(Code::MissingArgument, format!("`{attribute}` needs a value"))
                    .at(span, "nothing follows")
                    .help(format!("`{attribute}` is {form}"))
            }
            MissingInputs { callee, span } => {
                Diagnostic::new(Code::MissingArgument, format!("`{callee}` needs the names of what it joins"))
                    .at(span, "no names given")
                    .help(format!(
                        "`{callee}(x, y)` joins two named layers, `{callee}(x)` joins the layer above and `x`"
                    ))
            }
            TooManyArguments { callee, span, places, attributes } => {
                let places = match places.as_slice() {
                    [] if !attributes => format!("`{callee}` takes no arguments"),
                    [] => format!("`{callee}` takes no arguments without a name"),
                    names => format!("`{callee}` takes {} without a name", list(names.iter().map(String::as_str))),
                };
                Diagnostic::new(Code::TooManyArguments, format!("too many arguments for `{callee}`"))
                    .at(span, "there is no place for this one")
                    .help(places)
            }
            GivenTwice { attribute, first, second } => {
                Diagnostic::new(Code::DefinedTwice, format!("`{attribute}` is given twice"))
                    .at(second, "given again")
                    .context(first, "first given here")
            }
            WrongType { attribute, span, form, found } => {
                Diagnostic::new(Code::TypeMismatch, format!("`{attribute}` is {form}, not {found}"))
                    .at(span, format!("this is {found}"))
            }
            OutOfRange { attribute, span, allowed, found } => {
                Diagnostic::new(Code::OutOfRange, format!("`{attribute}` cannot be {found}"))
                    .at(span, format!("must be {allowed}"))
            }
            Operand { operator, expected, found, span } => {
                Diagnostic::new(Code::TypeMismatch, format!("`{operator}` needs {expected}, not {found}"))
                    .at(span, format!("this is {found}"))
            }
            DivisionByZero { span } => Diagnostic::new(Code::DivisionByZero, "division by zero").at(span, ""),
            Inexact { left, right, span } => {
                Diagnostic::new(Code::DivisionByZero, format!("{left} / {right} is not a whole number"))
                    .at(span, "whole numbers divide only without remainder")
                    .help("round by hand: `(n - n % 2) / 2` is the half rounded down")
            }
            Overflow { span } => Diagnostic::new(Code::BadNumber, "the result is too large").at(span, ""),
            DefinedTwice { what, name, first, second } => {
                Diagnostic::new(Code::DefinedTwice, format!("the {what} `{name}` is defined twice"))
                    .at(second, "defined again")
                    .context(first, "first defined here")
            }
            NameOfLayer { name, span } => {
                Diagnostic::new(Code::DefinedTwice, format!("`{name}` is the name of a layer"))
                    .at(span, "a block needs a name of its own")
            }
            Recursion { name, span } => {
                Diagnostic::new(Code::Recursion, format!("block `{name}` calls itself without end"))
                    .at(span, "called again here")
                    .help("use `repeat` to do something several times")
            }
            TooManyLayers { span, limit } => {
                Diagnostic::new(Code::TooManyLayers, format!("the network unrolls to more than {limit} layers"))
                    .at(span, "too many from here on")
            }
            TooMuchWork { span } => Diagnostic::new(Code::TooManyLayers, "the network takes too many steps to unroll")
                .at(span, "stopped here"),
            NoNet { span } => {
                let diagnostic = Diagnostic::new(Code::NoNet, "the spec has no `net`")
                    .help("begin with `net name { input 3x32x32 … }`");
                match span {
                    Some(span) => diagnostic.at(span, "only blocks here"),
                    None => diagnostic,
                }
            }
            SecondNet { first, second } => Diagnostic::new(Code::NoNet, "the spec has more than one `net`")
                .at(second, "a second one")
                .context(first, "the first one")
                .help("put each net into a file of its own and share blocks with `use`"),
            LayerBeforeInput { layer, span } => {
                Diagnostic::new(Code::NoInput, format!("`{layer}` comes before the input"))
                    .at(span, "nothing to read here yet")
                    .help("begin the net with its input, for example `input 3x32x32`")
            }
            InputInBlock { span } => Diagnostic::new(Code::NoInput, "`input` stands in a block")
                .at(span, "a block reads what its caller gives it")
                .help("write `input` as the first line of the net"),
            SecondInput { first, second } => Diagnostic::new(Code::NoInput, "the net has two inputs")
                .at(second, "a second input")
                .context(first, "the first one"),
            NoInput { net, span } => Diagnostic::new(Code::NoInput, format!("net `{net}` has no input"))
                .at(span, "no `input` in here")
                .help("begin the net with its input, for example `input 3x32x32`"),
            NoLayers { net, span } => {
                Diagnostic::new(Code::NoInput, format!("net `{net}` has no layers")).at(span, "only an input")
            }
            EmptyMainPath { span } => {
                Diagnostic::new(Code::MissingArgument, "the main path of this `residual` is empty")
                    .at(span, "no layer in here")
            }
            SecondRecipe { first, second } => Diagnostic::new(Code::DefinedTwice, "the spec names two recipes")
                .at(second, "a second one")
                .context(first, "the first one")
                .help("keep one here and give the other with `--recipe`"),
            CommandLineParameter { text, reason } => {
                Diagnostic::new(Code::TypeMismatch, format!("cannot use `-p {text}`: {reason}"))
            }
        }
    }
}

/// Asks, and offers to write it: a person has to say that it was meant.
fn did_you_mean(diagnostic: Diagnostic, near: &str) -> Diagnostic {
    let fix = diagnostic.span().map(|span| Fix::replace(format!("write `{near}`"), span, near).unsafely());
    diagnostic.help(format!("did you mean `{near}`?")).fix(fix)
}

/// Adds a did-you-mean, or the list of what there is when nothing is near.
fn meant(diagnostic: Diagnostic, word: &str, known: &[String], introduction: &str) -> Diagnostic {
    match nearest(word, known.iter().map(String::as_str)) {
        Some(near) => did_you_mean(diagnostic, near),
        None if known.is_empty() => diagnostic,
        None => diagnostic.help(format!("{introduction} {}", list(known.iter().map(String::as_str)))),
    }
}
