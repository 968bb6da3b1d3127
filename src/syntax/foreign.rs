//! Words and lines of other frameworks' files, and what to write instead; `graph/foreign.rs` has the attributes.
//!
//! Words stand here in lower case and without `_`, as they are looked up. In an answer everything in backticks is netc's own
//! and compiles; a test (in `graph/foreign/`, where names mean layers) holds the tables to that, and every word to its answer.

/// Names of layers of Caffe, Keras, PyTorch, Darknet and their neighbours.
pub(crate) const LAYERS: &[(&[&str], &str)] = &[
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

/// Lower case, without what only joins words.
pub(crate) fn plain(word: &str) -> String {
    word.chars().filter(|&c| c != '_').map(|c| c.to_ascii_lowercase()).collect()
}

/// The answer to a layer's name from Caffe, Keras, PyTorch or Darknet.
pub fn layer(word: &str) -> Option<&'static str> {
    let word = plain(word);
    LAYERS.iter().find(|(words, _)| words.contains(&word.as_str())).map(|(_, answer)| *answer)
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
