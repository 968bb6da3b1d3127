//! The reference of all layers: names, attributes, kinds and defaults. Binding, did-you-mean and documentation read it.

/// What an attribute or parameter may be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// A whole number of at least this.
    Count(usize),
    /// A real number in this closed range.
    Real(f64, f64),
    /// `true` or `false`; the bare attribute name means `true`.
    Flag,
    /// A whole number or `HxW`, each at least 1.
    Extent,
    /// Pixels on all sides, `(top, bottom, left, right)`, or `same`.
    Padding,
    /// `CxHxW`, or one number for a vector.
    Shape,
    /// One of these words; a bare word is enough.
    Word(&'static [&'static str]),
    /// A block parameter: any whole number.
    Int,
    /// A block parameter: any size such as `3x3`.
    Size,
}

impl Kind {
    /// "a whole number of at least 1".
    pub fn form(self) -> String {
        match self {
            Kind::Count(0) => "a whole number".into(),
            Kind::Count(least) => format!("a whole number of at least {least}"),
            Kind::Real(low, high) if low.is_infinite() && high.is_infinite() => "a number".into(),
            Kind::Real(low, high) if high.is_infinite() => format!("a number of at least {low}"),
            Kind::Real(low, high) => format!("a number from {low} to {high}"),
            Kind::Flag => "`true` or `false`".into(),
            Kind::Extent => "one number, or two such as `3x3`".into(),
            Kind::Padding => "a number, `(top, bottom, left, right)`, or `same`".into(),
            Kind::Shape => "three numbers such as `3x32x32`, or one for a vector".into(),
            Kind::Word(words) => format!("one of {}", crate::diagnostic::suggest::list(words.iter().copied())),
            Kind::Int => "a whole number".into(),
            Kind::Size => "a size such as `3x3`".into(),
        }
    }
}

/// One attribute of a layer.
#[derive(Debug, Clone, Copy)]
pub struct Attribute {
    /// Its name.
    pub name: &'static str,
    /// What it may be.
    pub kind: Kind,
    /// Whether it can be given without its name, in this order.
    pub positional: bool,
    /// What it is when not given, in words; `None` when it must be given.
    pub default: Option<&'static str>,
    /// What it means.
    pub meaning: &'static str,
}

/// What a layer does with the layers that it names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Join {
    /// Their sum.
    Add,
    /// One behind the other along the channels.
    Concat,
}

/// One layer.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    /// Its name.
    pub name: &'static str,
    /// What it does, in one line.
    pub meaning: &'static str,
    /// Its attributes.
    pub attributes: &'static [Attribute],
    /// How it joins the layers that it names, as `add(x, y)`, if it does.
    pub joins: Option<Join>,
}

const fn required(name: &'static str, kind: Kind, meaning: &'static str) -> Attribute {
    Attribute { name, kind, positional: true, default: None, meaning }
}

const fn optional(name: &'static str, kind: Kind, default: &'static str, meaning: &'static str) -> Attribute {
    Attribute { name, kind, positional: false, default: Some(default), meaning }
}

const fn plain(name: &'static str, meaning: &'static str) -> Entry {
    Entry { name, meaning, attributes: &[], joins: None }
}

const KERNEL: Attribute = required("kernel", Kind::Extent, "size of the window");
const PAD: Attribute = optional("pad", Kind::Padding, "0", "zeros round the input");
const STRIDE_OF_POOL: Attribute = optional("stride", Kind::Extent, "the kernel", "step between windows");
const ROUND: Attribute = optional(
    "round",
    Kind::Word(&["floor", "ceil"]),
    "the recipe's, or floor",
    "whether a last window that reaches over the edge is left out or kept",
);
const ANY: Kind = Kind::Real(f64::NEG_INFINITY, f64::INFINITY);

/// Every layer, in the order of the documentation.
pub const LAYERS: &[Entry] = &[
    Entry {
        name: "input",
        meaning: "the images, channels x height x width; the first line of a net",
        attributes: &[required("shape", Kind::Shape, "shape of one image")],
        joins: None,
    },
    Entry {
        name: "conv",
        meaning: "convolution (cross-correlation) over a map",
        attributes: &[
            required("width", Kind::Count(1), "output channels"),
            KERNEL,
            optional("stride", Kind::Extent, "1", "step between windows"),
            PAD,
            optional("dilation", Kind::Extent, "1", "step between the taps of a window"),
            optional("groups", Kind::Count(1), "1", "independent channel groups"),
            optional("bias", Kind::Flag, "false", "whether each output channel has a bias"),
        ],
        joins: None,
    },
    Entry {
        name: "linear",
        meaning: "fully connected layer on a vector",
        attributes: &[
            required("width", Kind::Count(1), "output features"),
            optional("bias", Kind::Flag, "true", "whether each output has a bias"),
        ],
        joins: None,
    },
    Entry {
        name: "bn",
        meaning: "batch norm over the batch and the plane, with scale and shift (Ioffe & Szegedy 2015)",
        attributes: &[
            optional("epsilon", Kind::Real(0.0, 1.0), "the recipe's", "added to the variance"),
            optional("decay", Kind::Real(0.0, 1.0), "the recipe's", "weight of the old running average at each step"),
        ],
        joins: None,
    },
    plain("relu", "max(x, 0)"),
    plain("tanh", "hyperbolic tangent"),
    plain("sigmoid", "1 / (1 + exp(-x))"),
    Entry {
        name: "max_pool",
        meaning: "maximum of each window; padding never wins",
        attributes: &[KERNEL, STRIDE_OF_POOL, PAD, ROUND],
        joins: None,
    },
    Entry {
        name: "avg_pool",
        meaning: "mean of each window",
        attributes: &[
            KERNEL,
            STRIDE_OF_POOL,
            PAD,
            ROUND,
            optional(
                "divisor",
                Kind::Word(&["window", "image"]),
                "the recipe's, or window",
                "divide by the window with its padding, or by the part of it inside the image",
            ),
        ],
        joins: None,
    },
    plain("global_avg_pool", "mean of each channel's plane: a map becomes a vector"),
    Entry {
        name: "lrn",
        meaning: "local response norm across channels: x / (k + alpha * squares)^beta",
        attributes: &[
            required("size", Kind::Count(1), "neighbouring channels, odd"),
            optional("alpha", ANY, "0.0001", "factor of the squares"),
            optional("beta", ANY, "0.75", "exponent"),
            optional("k", Kind::Real(0.0, f64::INFINITY), "1", "added to it"),
            optional(
                "squares",
                Kind::Word(&["mean", "sum"]),
                "the recipe's, or mean",
                "the sum of the neighbours' squares divided by `size` (Caffe, PyTorch), or the sum (TensorFlow)",
            ),
        ],
        joins: None,
    },
    Entry {
        name: "dropout",
        meaning: "in training, zeros at random and scales the rest by 1 / (1 - rate)",
        attributes: &[required("rate", Kind::Real(0.0, 0.999), "probability of a zero (not of keeping)")],
        joins: None,
    },
    plain("flatten", "map to vector, in the order channel, row, column"),
    Entry { name: "add", meaning: "sum of layers of one shape: `add(x, y)`", attributes: &[], joins: Some(Join::Add) },
    Entry {
        name: "concat",
        meaning: "layers side by side, along the channels: `concat(x, y)`",
        attributes: &[],
        joins: Some(Join::Concat),
    },
    Entry {
        name: "subsample",
        meaning: "every stride-th pixel, from the first",
        attributes: &[required("stride", Kind::Extent, "the step")],
        joins: None,
    },
    Entry {
        name: "pad_channels",
        meaning: "zero channels up to a width (the parameter-free shortcut, option A of He et al. 2015)",
        attributes: &[
            required("width", Kind::Count(1), "channels afterwards"),
            optional("place", Kind::Word(&["end", "split"]), "end", "zeros all at the end, or half on either side"),
        ],
        joins: None,
    },
];

/// The layer of a name.
pub fn find(name: &str) -> Option<&'static Entry> {
    LAYERS.iter().find(|entry| entry.name == name)
}
