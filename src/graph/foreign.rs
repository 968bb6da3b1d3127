//! Attributes of layers in other frameworks, and what to write instead.
//!
//! Words stand here in lower case and without `_`, as they are looked up. In an answer everything in backticks is netc's own
//! and compiles; a test holds the tables to that, and every word to its answer.

use crate::syntax::foreign::plain;

const CONV: &[&str] = &["conv"];
const LINEAR: &[&str] = &["linear"];
const WEIGHED: &[&str] = &["conv", "linear"];
const POOLS: &[&str] = &["max_pool", "avg_pool"];
const WINDOWS: &[&str] = &["conv", "max_pool", "avg_pool"];
const NORM: &[&str] = &["bn"];

/// Attributes of other frameworks, for the layers that they are written on.
const ATTRIBUTES: &[(&[&str], &[&str], &str)] = &[
    (
        CONV,
        &["filters", "numoutput", "outchannels", "out", "channels", "features", "nfilters", "outputs", "depth", "nout"],
        "the number of output channels comes first: `conv 16 3x3`",
    ),
    (
        LINEAR,
        &["units", "numoutput", "outfeatures", "output", "outputs", "out", "neurons", "hidden"],
        "the number of outputs comes first: `linear 10`",
    ),
    (
        WEIGHED,
        &["inchannels", "infeatures", "inputshape", "inputdim", "inputs", "nin"],
        "leave it out: netc works the input's width out",
    ),
    (
        CONV,
        &["kernelsize", "size", "ksize", "k", "kernelh", "kernelw", "filtersize", "kernelshape"],
        "the window is a bare size: `conv 16 3x3`",
    ),
    (
        POOLS,
        &["kernelsize", "size", "poolsize", "ksize", "k", "kernelh", "kernelw"],
        "the window is a bare size: `max_pool 2x2`, `avg_pool 2x2`",
    ),
    (WINDOWS, &["strides", "step", "subsample", "strideh", "stridew"], "in netc this is `stride 2`"),
    (
        WINDOWS,
        &["padding", "bordermode", "pads", "padh", "padw", "autopad"],
        "in netc this is `pad 1`, or `pad (1, 1, 1, 1)` for top, bottom, left and right",
    ),
    (
        WINDOWS,
        &["same", "samepadding"],
        "padding that keeps the size is `pad same`, at stride 1 only; else write the pixels, `pad 1`",
    ),
    (WINDOWS, &["valid", "nopadding"], "in netc this is `pad 0`, which is the default"),
    (
        CONV,
        &["group", "numgroups", "cardinality"],
        "in netc this is `groups 1`, or another number that divides the channels",
    ),
    (CONV, &["dilationrate", "dilations", "atrous", "rate"], "in netc this is `dilation 2`"),
    (WEIGHED, &["usebias", "biasterm", "nobias", "withbias", "withoutbias"], "in netc this is `bias` or `bias false`"),
    (CONV, &["batchnormalize", "batchnorm", "bn"], "write it as a layer of its own: `conv 16 3x3; bn`"),
    (
        WEIGHED,
        &["activation", "act", "nonlinearity", "relu"],
        "write the activation as a layer of its own: `conv 16 3x3; relu`",
    ),
    (
        WEIGHED,
        &["weightfiller", "biasfiller", "kernelinitializer", "biasinitializer", "init", "initializer", "initw"],
        "how weights start is the recipe's: `init: he-normal`",
    ),
    (
        WEIGHED,
        &["kernelregularizer", "biasregularizer", "weightdecay", "decaymult", "l2"],
        "weight decay is the recipe's: `optimizer: {weight_decay: 1e-4}`",
    ),
    (
        WEIGHED,
        &["lrmult", "learningrate", "lr"],
        "the learning rate is the recipe's: `optimizer: {learning_rate: 0.1}`",
    ),
    (
        &["conv", "linear", "bn", "max_pool", "avg_pool", "lrn", "dropout"],
        &["name", "param", "bottom", "top", "type"],
        "leave it out: a layer is named as in `z = conv 16 3x3`, and reads what stands above it",
    ),
    (
        NORM,
        &["momentum"],
        "say which: `decay 0.9` is the weight of the old average, which is Keras's momentum 0.9 and PyTorch's 0.1",
    ),
    (NORM, &["eps", "varianceepsilon"], "in netc this is `epsilon 1e-5`"),
    (
        NORM,
        &["movingaveragefraction", "rho", "rollingmomentum", "runningmomentum"],
        "in netc this is `decay 0.9`, the weight of the old average",
    ),
    (NORM, &["numfeatures", "axis", "channels"], "leave it out: `bn` works on the channels it gets"),
    (NORM, &["affine", "center", "scale", "scalebias"], "leave it out: `bn` always has scale and shift"),
    (
        NORM,
        &["useglobalstats", "trackrunningstats", "training", "fused"],
        "leave it out: `bn` uses the batch in training and its averages in evaluation",
    ),
    (
        POOLS,
        &["ceilmode", "roundmode"],
        "in netc this is `ceil`; without it sizes round down, unless the recipe or its profile says otherwise",
    ),
    (POOLS, &["globalpooling", "global"], "in netc this is the layer `global_avg_pool`"),
    (
        POOLS,
        &["pool", "method", "max", "ave", "avg"],
        "the kind of pool is the layer: `max_pool 2x2` or `avg_pool 2x2`",
    ),
    (&["avg_pool"], &["countincludepad"], "in netc this is `divisor window` (true) or `divisor image` (false)"),
    (
        &["dropout"],
        &["p", "dropoutratio", "prob", "probability"],
        "the probability of a zero comes first: `dropout 0.5`",
    ),
    (
        &["dropout"],
        &["keepprob", "keep"],
        "netc takes the probability of a zero, not of keeping: a keep_prob of 0.8 is `dropout 0.2`",
    ),
    (&["lrn"], &["localsize", "n"], "the number of channels comes first: `lrn 5`"),
    (
        &["lrn"],
        &["depthradius", "radius"],
        "the number of channels comes first, counted on both sides: a radius of 2 is `lrn 5`",
    ),
    (&["lrn"], &["bias"], "in netc this is `k 1`"),
    (&["lrn"], &["normregion"], "leave it out: `lrn 5` works across channels"),
];

/// The answer to an attribute of another framework, for one layer.
pub fn attribute(callee: &str, word: &str) -> Option<&'static str> {
    let word = plain(word);
    let known =
        |(callees, words, _): &&(&[&str], &[&str], &str)| callees.contains(&callee) && words.contains(&word.as_str());
    ATTRIBUTES.iter().find(known).map(|(.., answer)| *answer)
}

#[cfg(test)]
mod tests;
