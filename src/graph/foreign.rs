//! Words of other frameworks, and what to write instead.
//!
//! Words stand here in lower case and without `_`, as they are looked up. In an answer everything in backticks is netc's own
//! and compiles; a test holds the tables to that, and every word to its answer.

/// Names of layers of Caffe, Keras, PyTorch, Darknet and their neighbours.
const LAYERS: &[(&[&str], &str)] = &[
    (
        &[
            "conv2d",
            "convolution",
            "convolution2d",
            "convolutional",
            "conv2dlayer",
            "nnconv2d",
            "convlayer",
            "spatialconvolution",
        ],
        "in netc this is `conv 16 3x3 stride 1 pad 1`; it has no bias unless `conv 16 3x3 bias` is written",
    ),
    (
        &["depthwiseconv2d", "depthwiseconv", "separableconv2d", "groupconv"],
        "in netc this is a convolution in groups, `conv 3 3x3 pad 1 groups 3`, with `conv 16 1x1` after it where channels mix",
    ),
    (
        &["innerproduct", "dense", "fc", "fullyconnected", "connected", "ip", "affine", "gemm"],
        "in netc this is `linear 10`; it has a bias unless `linear 10 bias false` is written",
    ),
    (
        &[
            "batchnorm",
            "batchnorm2d",
            "batchnorm1d",
            "batchnormalization",
            "batchnormalize",
            "spatialbatchnormalization",
        ],
        "in netc this is `bn`; it includes scale and shift",
    ),
    (&["scale", "bias", "scalelayer"], "in netc `bn` includes scale and shift; leave this layer out"),
    (
        &["relu6", "leakyrelu", "leaky", "prelu", "elu", "gelu", "silu", "swish", "selu", "mish"],
        "netc has `relu`, `tanh` and `sigmoid`",
    ),
    (&["tanh2", "hardtanh", "logistic"], "netc has `relu`, `tanh` and `sigmoid`"),
    (
        &["maxpool", "maxpool2d", "maxpooling", "maxpooling2d", "spatialmaxpooling"],
        "in netc this is `max_pool 2x2 stride 2`",
    ),
    (
        &[
            "avgpool",
            "avgpool2d",
            "averagepool",
            "averagepooling",
            "averagepooling2d",
            "avgpooling",
            "spatialaveragepooling",
        ],
        "in netc this is `avg_pool 2x2 stride 2`",
    ),
    (
        &["pooling", "pool", "pool2d"],
        "in netc this is `max_pool 2x2` or `avg_pool 2x2`; sizes round down unless `max_pool 3x3 stride 2 ceil` is written",
    ),
    (
        &[
            "globalaveragepooling2d",
            "globalaveragepooling",
            "globalaveragepool",
            "globalavgpool2d",
            "adaptiveavgpool2d",
            "globalpool",
            "globalpooling",
            "gap",
        ],
        "in netc this is `global_avg_pool`",
    ),
    (
        &["localresponsenorm", "localresponsenormalization", "rnorm", "norm", "normalization", "crossmapnorm"],
        "in netc this is `lrn 5 alpha 0.0001 beta 0.75 k 1`; alpha is divided by the size as in Caffe and PyTorch, unless `lrn 5 squares sum` is written",
    ),
    (
        &["eltwise", "sum", "merge", "elementwisesum", "caddtable", "addition"],
        "in netc this is `add(x, y)`, or `residual { conv 3 3x3 pad 1 }`",
    ),
    (
        &["skip", "residualadd", "resblock", "identity"],
        "in netc this is `residual { conv 3 3x3 pad 1; bn }`; its shortcut is the input, unless another is written",
    ),
    (&["concatenate", "route", "cat", "depthconcat", "joinlayer"], "in netc this is `concat(x, y)`"),
    (
        &[
            "softmax",
            "softmaxwithloss",
            "softmaxloss",
            "logsoftmax",
            "crossentropyloss",
            "crossentropy",
            "nllloss",
            "cost",
            "loss",
            "sparsecategoricalcrossentropy",
            "categoricalcrossentropy",
        ],
        "leave it out: the loss of every net is softmax with cross-entropy on the last layer",
    ),
    (&["accuracy", "metrics", "topk"], "leave it out: the accuracy is measured in any case"),
    (&["activation", "nonlinearity"], "write the activation itself: `relu`, `tanh` or `sigmoid`"),
    (&["zeropadding2d", "zeropad2d", "pad", "padding"], "padding is an attribute: `conv 16 3x3 pad 1`"),
    (
        &["lambdalayer", "lambda", "padchannels2", "zeropadchannels"],
        "netc's shortcut without parameters is `subsample 2; pad_channels 32`",
    ),
    (
        &["data", "inputlayer", "placeholder", "inputs", "imagedata", "memorydata"],
        "in netc this is `input 3x32x32`; the data set is named by the recipe",
    ),
    (
        &["sequential", "model", "layer", "layers", "modulelist", "functional"],
        "write the layers one below the other inside `net name { input 3x32x32; flatten; linear 10 }`",
    ),
    (
        &["split", "slice", "tee"],
        "leave it out: name the layer, as `z = conv 16 3x3`, and read it as often as you like",
    ),
    (&["reshape", "view", "flat", "flattenlayer", "permute"], "in netc this is `flatten`: a map becomes a vector"),
    (&["dropout2d", "drop", "spatialdropout2d"], "in netc this is `dropout 0.5`, of single numbers"),
    (
        &["upsample", "conv2dtranspose", "convtranspose2d", "deconvolution", "unpool"],
        "netc has no layer that makes maps larger",
    ),
    (
        &["layernorm", "layernormalization", "groupnorm", "instancenorm", "instancenorm2d"],
        "netc norms over the batch, `bn`, or across channels, `lrn 5`",
    ),
];

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

/// Lower case, without what only joins words.
fn plain(word: &str) -> String {
    word.chars().filter(|&c| c != '_').map(|c| c.to_ascii_lowercase()).collect()
}

/// The answer to a layer's name from Caffe, Keras, PyTorch or Darknet.
pub fn layer(word: &str) -> Option<&'static str> {
    let word = plain(word);
    LAYERS.iter().find(|(words, _)| words.contains(&word.as_str())).map(|(_, answer)| *answer)
}

/// The answer to an attribute of another framework, for one layer.
pub fn attribute(callee: &str, word: &str) -> Option<&'static str> {
    let word = plain(word);
    let known =
        |(callees, words, _): &&(&[&str], &[&str], &str)| callees.contains(&callee) && words.contains(&word.as_str());
    ATTRIBUTES.iter().find(known).map(|(.., answer)| *answer)
}

/// The answer to the beginning of a file of another tool, or to a line of one.
pub fn line(line: &str) -> Option<&'static str> {
    let line = line.trim_start();
    let begins = |words: &[&str]| words.iter().any(|word| line.starts_with(word));
    if line.starts_with('[') && line.trim_end().ends_with(']') {
        Some(
            "this looks like a Darknet cfg; in netc layers stand one below the other inside `net name { input 3x32x32; flatten; linear 10 }`",
        )
    } else if begins(&[
        "layer {",
        "layers {",
        "layer{",
        "layers{",
        "name: \"",
        "input: \"",
        "input_param",
        "bottom:",
        "top:",
        "convolution_param",
    ]) {
        Some(
            "this looks like a Caffe prototxt; in netc layers stand one below the other inside `net name { input 3x32x32; flatten; linear 10 }`",
        )
    } else if begins(&[
        "import ",
        "class ",
        "def ",
        "from torch",
        "from keras",
        "from tensorflow",
        "self.",
        "model.",
        "model =",
        "return ",
    ]) {
        Some(
            "this looks like Python; in netc layers stand one below the other inside `net name { input 3x32x32; flatten; linear 10 }`",
        )
    } else if begins(&["{"]) {
        Some(
            "this looks like JSON; in netc layers stand one below the other inside `net name { input 3x32x32; flatten; linear 10 }`",
        )
    } else {
        None
    }
}

/// The answer to a dotted name, such as `nn.Conv2d` or `F.relu`.
pub fn dotted(name: &str) -> Option<&'static str> {
    let last = name.rsplit('.').next().filter(|last| last.len() < name.len())?;
    layer(last).or_else(|| match plain(last).as_str() {
        "relu" | "tanh" | "sigmoid" => Some("write the activation itself: `relu`, `tanh` or `sigmoid`"),
        "dropout" => Some("in netc this is `dropout 0.5`"),
        "linear" => Some("in netc this is `linear 10`; netc works the input's width out"),
        "flatten" => Some("in netc this is `flatten`: a map becomes a vector"),
        _ => None,
    })
}

#[cfg(test)]
mod tests;
