//! A [`Program`] as text that a person can read: what `netc dump --stage program` and the snapshots show.

use super::program::*;
use crate::graph::layer::Divisor;
use std::fmt::{self, Display, Write};

/// Prints a program, one op a line.
pub struct Listing<'a>(pub &'a Program);

impl Display for Listing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let program = self.0;
        writeln!(f, "program {}", program.net)?;
        writeln!(f, "  images: {}", program.input())?;
        let smoothing = match program.loss.smoothing() {
            0.0 => String::new(),
            smoothing => format!(", label_smoothing {smoothing}"),
        };
        writeln!(f, "  loss: softmax_cross_entropy({}{smoothing})", name(program, program.logits))?;
        program.norm_group.iter().try_for_each(|group| writeln!(f, "  batch_norm_group: {group}"))?;
        writeln!(f, "  parameters: {}", program.parameter_count())?;
        writeln!(f, "\nops")?;
        for op in &program.ops {
            let inputs: Vec<&str> = op.inputs.iter().map(|&input| name(program, input)).collect();
            let shape = program.values.get(op.output.0).map_or_else(String::new, |value| value.shape.to_string());
            writeln!(
                f,
                "  {} = {}({}{}) -> {shape}",
                op.name,
                word(&op.kind),
                inputs.join(", "),
                detail(program, &op.kind)
            )?;
        }
        writeln!(f, "\nparameters")?;
        for parameter in &program.parameters {
            let dims: Vec<String> = parameter.dims.iter().map(usize::to_string).collect();
            writeln!(f, "  {}: {} {}", parameter.name, dims.join("x"), init(parameter.init))?;
        }
        if !program.statistics.is_empty() {
            writeln!(f, "\nstatistics")?;
        }
        for statistic in &program.statistics {
            writeln!(f, "  {}: {} starts at {}", statistic.name, statistic.channels, statistic.initial)?;
        }
        Ok(())
    }
}

fn name(program: &Program, value: ValueId) -> &str {
    program.values.get(value.0).map_or("?", |value| &value.name)
}

fn parameter(program: &Program, id: ParameterId) -> &str {
    program.parameters.get(id.0).map_or("?", |parameter| &parameter.name)
}

fn init(init: Init) -> String {
    match init {
        Init::Constant { value } => format!("= {value}"),
        Init::Normal { std } => format!("~ normal(std {std})"),
        Init::Uniform { bound } => format!("~ uniform(bound {bound})"),
        Init::TruncatedNormal { deviation } => format!("~ truncated_normal(deviation {deviation}, cut off at 2)"),
    }
}

/// The op's name in listings.
pub fn word(kind: &OpKind) -> &'static str {
    match kind {
        OpKind::Conv { .. } => "conv",
        OpKind::Linear { .. } => "linear",
        OpKind::BatchNorm { .. } => "batch_norm",
        OpKind::Relu => "relu",
        OpKind::Tanh => "tanh",
        OpKind::Sigmoid => "sigmoid",
        OpKind::MaxPool { .. } => "max_pool",
        OpKind::AvgPool { .. } => "avg_pool",
        OpKind::GlobalAvgPool => "global_avg_pool",
        OpKind::LocalResponseNorm { .. } => "local_response_norm",
        OpKind::Dropout { .. } => "dropout",
        OpKind::Flatten => "flatten",
        OpKind::Add => "add",
        OpKind::Concat => "concat",
        OpKind::Subsample { .. } => "subsample",
        OpKind::PadChannels { .. } => "pad_channels",
    }
}

fn detail(program: &Program, kind: &OpKind) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = match kind {
        OpKind::Conv { weight, bias, kernel, stride, padding, dilation, groups } => {
            let bias = bias.map_or("none", |bias| parameter(program, bias));
            write!(
                text,
                ", weight: {}, bias: {bias}, kernel: {kernel}, stride: {stride}, padding: {}, dilation: {dilation}, groups: {groups}",
                parameter(program, *weight),
                sides(*padding)
            )
        }
        OpKind::Linear { weight, bias } => {
            let bias = bias.map_or("none", |bias| parameter(program, bias));
            write!(text, ", weight: {}, bias: {bias}", parameter(program, *weight))
        }
        OpKind::BatchNorm { scale, shift, epsilon, decay, running_variance, .. } => {
            let estimate = match running_variance {
                VarianceEstimate::Unbiased => "unbiased",
                VarianceEstimate::Biased => "biased",
            };
            write!(
                text,
                ", scale: {}, shift: {}, epsilon: {epsilon:e}, decay: {decay}, running_variance: {estimate}",
                parameter(program, *scale),
                parameter(program, *shift)
            )
        }
        OpKind::MaxPool { kernel, stride, padding } => {
            write!(text, ", kernel: {kernel}, stride: {stride}, padding: {}", sides(*padding))
        }
        OpKind::AvgPool { kernel, stride, padding, divisor } => {
            let divisor = match divisor {
                Divisor::PaddedWindow => "padded_window",
                Divisor::ImageOnly => "image_only",
            };
            write!(text, ", kernel: {kernel}, stride: {stride}, padding: {}, divisor: {divisor}", sides(*padding))
        }
        OpKind::LocalResponseNorm { size, alpha, beta, k } => {
            write!(text, ", size: {size}, alpha: {alpha:e}, beta: {beta}, k: {k}")
        }
        OpKind::Dropout { rate, stream } => write!(text, ", rate: {rate}, stream: {stream}"),
        OpKind::Subsample { stride } => write!(text, ", stride: {stride}"),
        OpKind::PadChannels { before, after } => write!(text, ", before: {before}, after: {after}"),
        OpKind::Relu
        | OpKind::Tanh
        | OpKind::Sigmoid
        | OpKind::GlobalAvgPool
        | OpKind::Flatten
        | OpKind::Add
        | OpKind::Concat => Ok(()),
    };
    text
}

/// Always all four: a listing leaves nothing to guess.
fn sides(padding: crate::graph::dims::Padding) -> String {
    format!("(top {}, bottom {}, left {}, right {})", padding.top, padding.bottom, padding.left, padding.right)
}
