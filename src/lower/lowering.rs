//! Checked graph to [`Program`]: every default filled in, every name given.

use super::defaults::{Defaults, Fan, InitRule};
use super::program::*;
use crate::check::net::Checked;
use crate::graph::dims::Shape;
use crate::graph::layer::{Layer, Squares, ZeroChannels};
use crate::graph::layer_graph::Node;
use crate::graph::shape::Shaped;
use petgraph::graph::NodeIndex;

/// Lowers a network. `defaults` give what the spec leaves to the recipe: how weights start, batch norm's settings.
pub fn lower(checked: &Checked, defaults: &Defaults) -> Program {
    let shaped = checked.shaped();
    let graph = &shaped.graph;
    let mut lowering = Lowering {
        shaped,
        defaults,
        values: Vec::new(),
        ops: Vec::new(),
        parameters: Vec::new(),
        statistics: Vec::new(),
        value_of: vec![ValueId(0); graph.graph.node_count()],
        dropouts: 0,
    };
    for index in graph.graph.node_indices() {
        if let Some(node) = graph.graph.node_weight(index) {
            lowering.node(index, node);
        }
    }
    let logits = lowering.value(graph.output);
    let Lowering { values, ops, parameters, statistics, .. } = lowering;
    let loss = Loss::SoftmaxCrossEntropy { smoothing: defaults.label_smoothing };
    // Without a batch norm it says nothing.
    let norm_group = defaults.norm.group.filter(|_| !statistics.is_empty());
    Program { net: graph.net.clone(), values, parameters, statistics, ops, logits, loss, norm_group }
}

struct Lowering<'a> {
    shaped: &'a Shaped,
    defaults: &'a Defaults,
    values: Vec<Value>,
    ops: Vec<Op>,
    parameters: Vec<Parameter>,
    statistics: Vec<Statistic>,
    /// The value that each node gives, by index.
    value_of: Vec<ValueId>,
    dropouts: u64,
}

impl Lowering<'_> {
    fn value(&self, node: NodeIndex) -> ValueId {
        self.value_of.get(node.index()).copied().unwrap_or(ValueId(0))
    }

    fn node(&mut self, index: NodeIndex, node: &Node) {
        let inputs: Vec<ValueId> = self.shaped.graph.inputs(index).into_iter().map(|input| self.value(input)).collect();
        let output = ValueId(self.values.len());
        let kind = self.kind(index, node);
        self.values.push(Value { name: node.name.clone(), shape: self.shaped.shape(index) });
        if let Some(value) = self.value_of.get_mut(index.index()) {
            *value = output;
        }
        if let Some(kind) = kind {
            self.ops.push(Op { name: node.name.clone(), kind, inputs, output });
        }
    }

    /// The operation of a layer; the input is a value without one.
    fn kind(&mut self, index: NodeIndex, node: &Node) -> Option<OpKind> {
        let input = self.shaped.input_shape(index);
        let padding = self.shaped.padding(index);
        Some(match &node.layer {
            Layer::Input { .. } => return None,
            Layer::Conv { out, window, groups, bias } => {
                let dims = [*out, input.channels() / groups, window.kernel.height, window.kernel.width];
                let fan = Fan::conv(dims, *groups);
                let weight = self.weight(node, dims.to_vec(), Role::ConvWeight, fan);
                let bias = bias.then(|| self.bias(node, Role::ConvWeight, *out, fan));
                let (kernel, stride, dilation) = (window.kernel, window.stride, window.dilation);
                OpKind::Conv { weight, bias, kernel, stride, padding, dilation, groups: *groups }
            }
            Layer::Linear { out, bias } => {
                let fan = Fan::linear(*out, input.elements());
                let weight = self.weight(node, vec![*out, input.elements()], Role::LinearWeight, fan);
                OpKind::Linear { weight, bias: bias.then(|| self.bias(node, Role::LinearWeight, *out, fan)) }
            }
            Layer::BatchNorm { epsilon, decay } => self.norm(node, input, *epsilon, *decay),
            Layer::Relu => OpKind::Relu,
            Layer::Tanh => OpKind::Tanh,
            Layer::Sigmoid => OpKind::Sigmoid,
            Layer::MaxPool { window } => OpKind::MaxPool { kernel: window.kernel, stride: window.stride, padding },
            Layer::AvgPool { window, divisor } => {
                OpKind::AvgPool { kernel: window.kernel, stride: window.stride, padding, divisor: *divisor }
            }
            Layer::GlobalAvgPool => OpKind::GlobalAvgPool,
            Layer::Lrn { size, alpha, beta, k, squares } => OpKind::LocalResponseNorm {
                size: *size,
                alpha: match squares {
                    Squares::Mean => (*alpha / *size as f64) as f32,
                    Squares::Sum => *alpha as f32,
                },
                beta: *beta as f32,
                k: *k as f32,
            },
            Layer::Dropout { rate } => {
                self.dropouts += 1;
                OpKind::Dropout { rate: *rate as f32, stream: self.dropouts - 1 }
            }
            Layer::Flatten => OpKind::Flatten,
            Layer::Add => OpKind::Add,
            Layer::Concat => OpKind::Concat,
            Layer::Subsample { stride } => OpKind::Subsample { stride: *stride },
            Layer::PadChannels { to, place } => {
                let zeros = to.saturating_sub(input.channels());
                let before = if *place == ZeroChannels::Split { zeros / 2 } else { 0 };
                OpKind::PadChannels { before, after: zeros - before }
            }
        })
    }

    fn weight(&mut self, node: &Node, dims: Vec<usize>, role: Role, fan: Fan) -> ParameterId {
        self.parameter(format!("{}.weight", node.name), dims, role, self.rule(role).weight(fan))
    }

    fn rule(&self, of_weight: Role) -> InitRule {
        if of_weight == Role::LinearWeight { self.defaults.init.linear } else { self.defaults.init.conv }
    }

    fn bias(&mut self, node: &Node, beside: Role, outputs: usize, fan: Fan) -> ParameterId {
        let init = match self.defaults.init.bias {
            Some(value) => Init::Constant { value: value as f32 },
            None => self.rule(beside).bias(fan),
        };
        self.parameter(format!("{}.bias", node.name), vec![outputs], Role::Bias, init)
    }

    fn parameter(&mut self, name: String, dims: Vec<usize>, role: Role, init: Init) -> ParameterId {
        self.parameters.push(Parameter { name, dims, role, init });
        ParameterId(self.parameters.len() - 1)
    }

    fn statistic(&mut self, name: String, channels: usize, initial: f32) -> StatisticId {
        self.statistics.push(Statistic { name, channels, initial });
        StatisticId(self.statistics.len() - 1)
    }

    fn norm(&mut self, node: &Node, input: Shape, epsilon: Option<f64>, decay: Option<f64>) -> OpKind {
        let channels = input.channels();
        let constant = |value| Init::Constant { value };
        let norm = &self.defaults.norm;
        let (epsilon, decay, running_variance) = (
            epsilon.map_or(norm.epsilon, |epsilon| epsilon as f32),
            decay.map_or(norm.decay, |decay| decay as f32),
            norm.running_variance,
        );
        OpKind::BatchNorm {
            scale: self.parameter(format!("{}.scale", node.name), vec![channels], Role::NormScale, constant(1.0)),
            shift: self.parameter(format!("{}.shift", node.name), vec![channels], Role::NormShift, constant(0.0)),
            mean: self.statistic(format!("{}.running_mean", node.name), channels, 0.0),
            variance: self.statistic(format!("{}.running_variance", node.name), channels, 1.0),
            epsilon,
            decay,
            running_variance,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compile::{Options, compile_text};
    use crate::lower::defaults::{InitRules, NormDefaults};
    use std::path::Path;

    fn program(layers: &str, defaults: Defaults) -> Program {
        let text = format!("net x {{ input 4x8x8; {layers}; global_avg_pool; linear 10 bias }}");
        let options = Options { defaults, ..Options::default() };
        compile_text(Path::new("x.net"), text, &options).program.unwrap()
    }

    #[test]
    fn the_odd_channel_of_a_split_is_behind() {
        for (layer, expected) in [
            ("pad_channels 7 split", (1, 2)),
            ("pad_channels 8 split", (2, 2)),
            ("pad_channels 5 split", (0, 1)),
            ("pad_channels 7", (0, 3)),
        ] {
            let program = program(layer, Defaults::default());
            let OpKind::PadChannels { before, after } = program.ops[0].kind else { panic!("{:?}", program.ops[0]) };
            assert_eq!((before, after), expected, "{layer}");
        }
    }

    #[test]
    fn a_batch_falls_into_groups_where_there_is_a_batch_norm() {
        let norm = NormDefaults { group: Some(3), ..NormDefaults::default() };
        let grouped = Defaults { norm, ..Defaults::default() };
        assert_eq!(program("relu", grouped).norm_group, None);
        let grouped = program("bn", grouped);
        assert_eq!(grouped.norm_group, Some(3));
        assert_eq!(
            [1, 3, 7, 9].map(|batch| grouped.norm_groups(batch)),
            [vec![1], vec![3], vec![3, 3, 1], vec![3, 3, 3]]
        );
        assert_eq!(program("bn", Defaults::default()).norm_groups(7), [7]);
    }

    #[test]
    fn a_bias_starts_by_the_rule_of_its_own_weight() {
        let torch = |fan_in: f64| Init::Uniform { bound: (1.0 / fan_in).sqrt() as f32 };
        let zero = Init::Constant { value: 0.0 };
        for (conv, linear, expected) in [
            (InitRule::HeNormal, InitRule::Torch, [zero, torch(16.0)]),
            (InitRule::Torch, InitRule::HeNormal, [torch(36.0), zero]),
        ] {
            let init = InitRules { conv, linear, bias: None };
            let program = program("conv 16 3x3 bias", Defaults { init, ..Defaults::default() });
            let biases = program.parameters.iter().filter(|parameter| parameter.role == Role::Bias);
            assert_eq!(biases.map(|bias| bias.init).collect::<Vec<_>>(), expected);
        }
    }
}
