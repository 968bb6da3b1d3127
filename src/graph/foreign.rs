//! Words of other frameworks, and what to write instead.

/// The answer to a layer's name from Caffe, Keras, PyTorch or Darknet.
pub fn layer(word: &str) -> Option<&'static str> {
    Some(match word.to_ascii_lowercase().as_str() {
        "conv2d" | "convolution" | "convolutional" | "conv2dlayer" | "nnconv2d" => {
            "in netc this is `conv 16 3x3 stride 1 pad 1`; it has no bias unless `bias` is written"
        }
        "innerproduct" | "inner_product" | "dense" | "fc" | "fully_connected" | "connected" => {
            "in netc this is `linear 10`; it has a bias unless `bias false` is written"
        }
        "batchnorm" | "batch_norm" | "batchnorm2d" | "batchnormalization" | "batch_normalization" => {
            "in netc this is `bn`; it includes scale and shift"
        }
        "scale" => "in netc `bn` includes scale and shift; leave this layer out",
        "maxpool" | "maxpool2d" | "maxpooling2d" | "max_pooling" => "in netc this is `max_pool 2x2 stride 2`",
        "avgpool" | "avgpool2d" | "averagepooling2d" | "avg_pooling" | "average_pool" => {
            "in netc this is `avg_pool 2x2 stride 2`"
        }
        "pooling" | "pool" => {
            "in netc this is `max_pool 2x2` or `avg_pool 2x2`; sizes round down unless `ceil` is written"
        }
        "globalaveragepooling2d" | "adaptiveavgpool2d" | "global_pool" | "gap" => "in netc this is `global_avg_pool`",
        "localresponsenorm" | "local_response_norm" | "local_response_normalization" | "rnorm" => {
            "in netc this is `lrn 5 alpha 0.0001 beta 0.75 k 1`; alpha is divided by the size, as in Caffe and PyTorch"
        }
        "eltwise" | "sum" | "merge" => "in netc this is `add(x, y)`, or `residual { … } shortcut { … }`",
        "concatenate" | "route" => "in netc this is `concat(x, y)`",
        "softmax" | "softmaxwithloss" | "log_softmax" | "logsoftmax" | "crossentropyloss" | "cost" => {
            "leave it out: the loss of every net is softmax with cross-entropy on the last layer"
        }
        "activation" => "write the activation itself: `relu`, `tanh` or `sigmoid`",
        "zeropadding2d" | "pad" => "padding is an attribute: `conv 16 3x3 pad 1`",
        "data" | "inputlayer" | "placeholder" => "in netc this is `input 3x32x32`; the data set is named by the recipe",
        "sequential" | "model" | "layer" | "layers" => "write the layers one below the other inside `net name { … }`",
        _ => return None,
    })
}

/// The answer to an attribute of another framework, for one layer.
pub fn attribute(callee: &str, word: &str) -> Option<&'static str> {
    let word = word.to_ascii_lowercase();
    Some(match (callee, word.as_str()) {
        ("conv", "filters" | "num_output" | "out_channels" | "out" | "channels" | "features") => {
            "the number of output channels comes first: `conv 16 3x3`"
        }
        ("linear", "units" | "num_output" | "out_features" | "output" | "out") => {
            "the number of outputs comes first: `linear 10`"
        }
        ("conv" | "linear", "in_channels" | "in_features" | "input_shape") => {
            "leave it out: netc works the input's width out"
        }
        ("conv" | "max_pool" | "avg_pool", "kernel_size" | "size" | "pool_size" | "ksize" | "k") => {
            "the window is a bare size: `conv 16 3x3`, `max_pool 2x2`"
        }
        ("conv" | "max_pool" | "avg_pool", "strides" | "step") => "in netc this is `stride 2`",
        ("conv" | "max_pool" | "avg_pool", "padding" | "border_mode") => {
            "in netc this is `pad 1`, or `pad (top, bottom, left, right)`; `pad same` only at stride 1"
        }
        ("conv" | "max_pool" | "avg_pool", "valid") => "in netc this is `pad 0`, which is the default",
        ("conv", "group") => "in netc this is `groups 2`",
        ("conv", "dilation_rate") => "in netc this is `dilation 2`",
        ("conv" | "linear", "use_bias" | "bias_term" | "no_bias" | "nobias") => {
            "in netc this is `bias` or `bias false`"
        }
        ("conv" | "linear", "activation") => "write the activation as a layer of its own: `conv 16 3x3; relu`",
        ("conv" | "linear", "weight_filler" | "kernel_initializer" | "init" | "initializer") => {
            "how weights start is the recipe's: `init: he-normal`"
        }
        ("conv" | "linear", "kernel_regularizer" | "weight_decay" | "decay_mult" | "lr_mult") => {
            "weight decay is the recipe's: `optimizer: {weight_decay: 1e-4}`"
        }
        ("bn", "momentum") => {
            "say which: `decay 0.9` is the weight of the old average (Keras' momentum; PyTorch's momentum is 1 - decay)"
        }
        ("bn", "eps" | "variance_epsilon") => "in netc this is `epsilon 1e-5`",
        ("bn", "moving_average_fraction" | "rho") => "in netc this is `decay 0.9`",
        ("bn", "num_features" | "axis") => "leave it out: `bn` works on the channels it gets",
        ("bn", "affine" | "center" | "use_global_stats") => "leave it out: `bn` always has scale and shift",
        ("max_pool" | "avg_pool", "ceil_mode" | "round_mode") => "in netc this is `ceil`; without it sizes round down",
        ("avg_pool", "count_include_pad") => "in netc this is `divisor window` (true) or `divisor image` (false)",
        ("max_pool" | "avg_pool", "global_pooling" | "global") => "in netc this is the layer `global_avg_pool`",
        ("dropout", "p" | "dropout_ratio" | "prob" | "probability") => {
            "the probability of a zero comes first: `dropout 0.5`"
        }
        ("dropout", "keep_prob") => {
            "netc takes the probability of a zero: `dropout 0.5` is keep_prob 0.5, `dropout 0.2` is 0.8"
        }
        ("lrn", "local_size" | "n" | "depth_radius") => {
            "the number of channels comes first: `lrn 5` (depth_radius 2 is 5)"
        }
        ("lrn", "bias") => "in netc this is `k 1`",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::catalog;

    #[test]
    fn no_word_of_ours_is_called_foreign() {
        for entry in catalog::LAYERS {
            assert_eq!(layer(entry.name), None, "{}", entry.name);
            for known in entry.attributes {
                assert_eq!(attribute(entry.name, known.name), None, "{} {}", entry.name, known.name);
            }
        }
    }
}
