//! Programs written by hand, a line an op.
//!
//! ```ignore
//! let mut b = Builder::new("tiny", Shape::map(3, 8, 8));
//! let images = b.images();
//! let x = b.conv("conv1", images, 16, Conv { padding: Padding::all(1), ..Conv::square(3) });
//! let x = b.batch_norm("bn1", x);
//! let x = b.relu("relu1", x);
//! let x = b.global_avg_pool("pool", x);
//! let logits = b.linear("linear1", x, 10, true);
//! let program = b.finish(logits);
//! ```

use netc::internals::graph::dims::{Padding, Pair, Shape};
use netc::internals::graph::layer::Divisor;
use netc::internals::lower::program::{
    Init, Loss, Op, OpKind, Parameter, ParameterId, Program, Role, Statistic, StatisticId, Value, ValueId,
    VarianceEstimate,
};

/// How a convolution looks.
#[derive(Debug, Clone, Copy)]
pub struct Conv {
    pub kernel: Pair,
    pub stride: Pair,
    pub padding: Padding,
    pub dilation: Pair,
    pub groups: usize,
    pub bias: bool,
}

impl Conv {
    /// Stride 1, no padding, one group, no bias.
    pub fn new(kernel: Pair) -> Self {
        let one = Pair::square(1);
        Self { kernel, stride: one, padding: Padding::default(), dilation: one, groups: 1, bias: false }
    }

    pub fn square(side: usize) -> Self {
        Self::new(Pair::square(side))
    }
}

/// How a pool looks. With `ceil` the last window may hang over the edge, as long as it starts in the image or the
/// padding before it (PyTorch's rule).
#[derive(Debug, Clone, Copy)]
pub struct Pool {
    pub kernel: Pair,
    pub stride: Pair,
    pub padding: Padding,
    pub ceil: bool,
}

impl Pool {
    /// No padding, floor.
    pub fn new(kernel: Pair, stride: Pair) -> Self {
        Self { kernel, stride, padding: Padding::default(), ceil: false }
    }

    pub fn square(side: usize, stride: usize) -> Self {
        Self::new(Pair::square(side), Pair::square(stride))
    }
}

/// How a batch norm looks.
#[derive(Debug, Clone, Copy)]
pub struct Norm {
    pub epsilon: f32,
    pub decay: f32,
    pub running_variance: VarianceEstimate,
}

impl Default for Norm {
    /// PyTorch's.
    fn default() -> Self {
        Self { epsilon: 1e-5, decay: 0.9, running_variance: VarianceEstimate::Unbiased }
    }
}

/// A program that grows.
#[derive(Debug)]
pub struct Builder {
    program: Program,
}

impl Builder {
    pub fn new(net: &str, input: Shape) -> Self {
        let program = Program {
            net: net.into(),
            values: vec![Value { name: "images".into(), shape: input }],
            parameters: Vec::new(),
            statistics: Vec::new(),
            ops: Vec::new(),
            logits: ValueId(0),
            loss: Loss::SoftmaxCrossEntropy { smoothing: 0.0 },
            norm_group: None,
        };
        Self { program }
    }

    pub fn images(&self) -> ValueId {
        ValueId(0)
    }

    pub fn shape(&self, value: ValueId) -> Shape {
        self.program.shape(value)
    }

    pub fn finish(mut self, logits: ValueId) -> Program {
        self.program.logits = logits;
        self.program
    }

    /// Any op, with its output shape.
    pub fn op(&mut self, name: &str, kind: OpKind, inputs: &[ValueId], shape: Shape) -> ValueId {
        let output = ValueId(self.program.values.len());
        self.program.values.push(Value { name: name.into(), shape });
        self.program.ops.push(Op { name: name.into(), kind, inputs: inputs.to_vec(), output });
        output
    }

    pub fn parameter(&mut self, name: String, dims: &[usize], role: Role) -> ParameterId {
        let init = match role {
            Role::NormScale => Init::Constant { value: 1.0 },
            Role::NormShift | Role::Bias => Init::Constant { value: 0.0 },
            Role::ConvWeight | Role::LinearWeight => {
                let fan_in: usize = dims[1..].iter().product();
                Init::Normal { std: (2.0 / fan_in as f32).sqrt() }
            }
        };
        self.program.parameters.push(Parameter { name, dims: dims.to_vec(), role, init });
        ParameterId(self.program.parameters.len() - 1)
    }

    pub fn statistic(&mut self, name: String, channels: usize, initial: f32) -> StatisticId {
        self.program.statistics.push(Statistic { name, channels, initial });
        StatisticId(self.program.statistics.len() - 1)
    }

    pub fn conv(&mut self, name: &str, x: ValueId, channels: usize, conv: Conv) -> ValueId {
        let Conv { kernel, stride, padding, dilation, groups, bias } = conv;
        let input = self.shape(x);
        let dims = [channels, input.channels() / groups, kernel.height, kernel.width];
        let weight = self.parameter(format!("{name}.weight"), &dims, Role::ConvWeight);
        let bias = bias.then(|| self.parameter(format!("{name}.bias"), &[channels], Role::Bias));
        let plane = input.plane();
        let along = |size: usize, before: usize, after: usize, kernel: usize, dilation: usize, stride: usize| {
            (size + before + after - (kernel - 1) * dilation - 1) / stride + 1
        };
        let height = along(plane.height, padding.top, padding.bottom, kernel.height, dilation.height, stride.height);
        let width = along(plane.width, padding.left, padding.right, kernel.width, dilation.width, stride.width);
        let kind = OpKind::Conv { weight, bias, kernel, stride, padding, dilation, groups };
        self.op(name, kind, &[x], Shape::map(channels, height, width))
    }

    pub fn linear(&mut self, name: &str, x: ValueId, features: usize, bias: bool) -> ValueId {
        let inputs = self.shape(x).elements();
        let weight = self.parameter(format!("{name}.weight"), &[features, inputs], Role::LinearWeight);
        let bias = bias.then(|| self.parameter(format!("{name}.bias"), &[features], Role::Bias));
        self.op(name, OpKind::Linear { weight, bias }, &[x], Shape::vector(features))
    }

    pub fn batch_norm(&mut self, name: &str, x: ValueId) -> ValueId {
        self.batch_norm_with(name, x, Norm::default())
    }

    pub fn batch_norm_with(&mut self, name: &str, x: ValueId, norm: Norm) -> ValueId {
        let Norm { epsilon, decay, running_variance } = norm;
        let channels = self.shape(x).channels();
        let scale = self.parameter(format!("{name}.scale"), &[channels], Role::NormScale);
        let shift = self.parameter(format!("{name}.shift"), &[channels], Role::NormShift);
        let mean = self.statistic(format!("{name}.running_mean"), channels, 0.0);
        let variance = self.statistic(format!("{name}.running_variance"), channels, 1.0);
        let kind = OpKind::BatchNorm { scale, shift, mean, variance, epsilon, decay, running_variance };
        self.op(name, kind, &[x], self.shape(x))
    }

    fn same(&mut self, name: &str, kind: OpKind, x: ValueId) -> ValueId {
        self.op(name, kind, &[x], self.shape(x))
    }

    pub fn relu(&mut self, name: &str, x: ValueId) -> ValueId {
        self.same(name, OpKind::Relu, x)
    }

    pub fn tanh(&mut self, name: &str, x: ValueId) -> ValueId {
        self.same(name, OpKind::Tanh, x)
    }

    pub fn sigmoid(&mut self, name: &str, x: ValueId) -> ValueId {
        self.same(name, OpKind::Sigmoid, x)
    }

    pub fn dropout(&mut self, name: &str, x: ValueId, rate: f32, stream: u64) -> ValueId {
        self.same(name, OpKind::Dropout { rate, stream }, x)
    }

    pub fn local_response_norm(
        &mut self,
        name: &str,
        x: ValueId,
        size: usize,
        alpha: f32,
        beta: f32,
        k: f32,
    ) -> ValueId {
        self.same(name, OpKind::LocalResponseNorm { size, alpha, beta, k }, x)
    }

    fn pooled(&self, x: ValueId, pool: Pool) -> Shape {
        let Pool { kernel, stride, padding, ceil } = pool;
        let Shape::Map { channels, height, width } = self.shape(x) else { panic!("pools work on maps") };
        let along = |size: usize, before: usize, after: usize, kernel: usize, stride: usize| {
            let room = size + before + after - kernel;
            let mut outputs = if ceil { room.div_ceil(stride) } else { room / stride } + 1;
            if ceil && (outputs - 1) * stride >= size + before {
                outputs -= 1;
            }
            outputs
        };
        let out_height = along(height, padding.top, padding.bottom, kernel.height, stride.height);
        let out_width = along(width, padding.left, padding.right, kernel.width, stride.width);
        Shape::map(channels, out_height, out_width)
    }

    pub fn max_pool(&mut self, name: &str, x: ValueId, pool: Pool) -> ValueId {
        let Pool { kernel, stride, padding, .. } = pool;
        let shape = self.pooled(x, pool);
        self.op(name, OpKind::MaxPool { kernel, stride, padding }, &[x], shape)
    }

    pub fn avg_pool(&mut self, name: &str, x: ValueId, pool: Pool, divisor: Divisor) -> ValueId {
        let Pool { kernel, stride, padding, .. } = pool;
        let shape = self.pooled(x, pool);
        self.op(name, OpKind::AvgPool { kernel, stride, padding, divisor }, &[x], shape)
    }

    pub fn global_avg_pool(&mut self, name: &str, x: ValueId) -> ValueId {
        self.op(name, OpKind::GlobalAvgPool, &[x], Shape::vector(self.shape(x).channels()))
    }

    pub fn flatten(&mut self, name: &str, x: ValueId) -> ValueId {
        self.op(name, OpKind::Flatten, &[x], Shape::vector(self.shape(x).elements()))
    }

    pub fn add(&mut self, name: &str, inputs: &[ValueId]) -> ValueId {
        self.op(name, OpKind::Add, inputs, self.shape(inputs[0]))
    }

    pub fn concat(&mut self, name: &str, inputs: &[ValueId]) -> ValueId {
        let channels = inputs.iter().map(|&x| self.shape(x).channels()).sum();
        let shape = match self.shape(inputs[0]) {
            Shape::Map { height, width, .. } => Shape::map(channels, height, width),
            Shape::Vector { .. } => Shape::vector(channels),
        };
        self.op(name, OpKind::Concat, inputs, shape)
    }

    pub fn subsample(&mut self, name: &str, x: ValueId, stride: Pair) -> ValueId {
        let Shape::Map { channels, height, width } = self.shape(x) else { panic!("subsample works on maps") };
        let shape = Shape::map(channels, height.div_ceil(stride.height), width.div_ceil(stride.width));
        self.op(name, OpKind::Subsample { stride }, &[x], shape)
    }

    pub fn pad_channels(&mut self, name: &str, x: ValueId, before: usize, after: usize) -> ValueId {
        let Shape::Map { channels, height, width } = self.shape(x) else { panic!("pad_channels works on maps") };
        let shape = Shape::map(channels + before + after, height, width);
        self.op(name, OpKind::PadChannels { before, after }, &[x], shape)
    }
}

/// A small net with a bit of everything that has a state.
pub fn small() -> Program {
    let mut b = Builder::new("small", Shape::map(2, 6, 6));
    let x = b.images();
    let x = b.conv("conv1", x, 4, Conv { padding: Padding::all(1), ..Conv::square(3) });
    let x = b.batch_norm("bn1", x);
    let x = b.relu("relu1", x);
    let x = b.max_pool("pool1", x, Pool::square(2, 2));
    let x = b.dropout("dropout1", x, 0.3, 1);
    let x = b.flatten("flatten1", x);
    let logits = b.linear("linear1", x, 3, true);
    b.finish(logits)
}

/// ResNet for CIFAR with 6n + 2 layers and option A shortcuts (He et al. 2015, section 4.2), as its spec lowers.
pub fn resnet_cifar(n: usize) -> Program {
    let mut b = Builder::new(&format!("resnet{}", 6 * n + 2), Shape::map(3, 32, 32));
    let conv = |stride: usize| Conv { padding: Padding::all(1), stride: Pair::square(stride), ..Conv::square(3) };
    let images = b.images();
    let x = b.conv("conv1", images, 16, conv(1));
    let x = b.batch_norm("bn1", x);
    let mut x = b.relu("relu1", x);
    for (stage, channels) in [(1, 16), (2, 32), (3, 64)] {
        for block in 0..n {
            let name = |layer: &str| format!("stage{stage}.{block}.{layer}");
            let narrow = b.shape(x).channels() != channels;
            let stride = if narrow { 2 } else { 1 };
            let y = b.conv(&name("conv1"), x, channels, conv(stride));
            let y = b.batch_norm(&name("bn1"), y);
            let y = b.relu(&name("relu1"), y);
            let y = b.conv(&name("conv2"), y, channels, conv(1));
            let y = b.batch_norm(&name("bn2"), y);
            let shortcut = if narrow {
                let more = channels - b.shape(x).channels();
                let s = b.subsample(&name("subsample"), x, Pair::square(stride));
                b.pad_channels(&name("pad"), s, 0, more)
            } else {
                x
            };
            let y = b.add(&name("add"), &[y, shortcut]);
            x = b.relu(&name("relu2"), y);
        }
    }
    let x = b.global_avg_pool("pool", x);
    let logits = b.linear("linear1", x, 10, true);
    b.finish(logits)
}

/// LeNet-5 for 3×32×32 (LeCun et al. 1998, with average pools and a softmax).
pub fn lenet5() -> Program {
    let mut b = Builder::new("lenet5", Shape::map(3, 32, 32));
    let conv = Conv { bias: true, ..Conv::square(5) };
    let images = b.images();
    let x = b.conv("conv1", images, 6, conv);
    let x = b.tanh("tanh1", x);
    let x = b.avg_pool("pool1", x, Pool::square(2, 2), Divisor::PaddedWindow);
    let x = b.conv("conv2", x, 16, conv);
    let x = b.tanh("tanh2", x);
    let x = b.avg_pool("pool2", x, Pool::square(2, 2), Divisor::PaddedWindow);
    let x = b.conv("conv3", x, 120, conv);
    let x = b.tanh("tanh3", x);
    let x = b.flatten("flatten1", x);
    let x = b.linear("linear1", x, 84, true);
    let x = b.tanh("tanh4", x);
    let logits = b.linear("linear2", x, 10, true);
    b.finish(logits)
}

/// CifarNet at 32×32 (the TF-slim net: 64-64-384-192 with local response norms).
pub fn cifarnet() -> Program {
    let mut b = Builder::new("cifarnet", Shape::map(3, 32, 32));
    let conv = Conv { bias: true, padding: Padding::all(2), ..Conv::square(5) };
    let pool = Pool::square(2, 2);
    let images = b.images();
    let x = b.conv("conv1", images, 64, conv);
    let x = b.relu("relu1", x);
    let x = b.max_pool("pool1", x, pool);
    let x = b.local_response_norm("lrn1", x, 9, 0.001 / 9.0, 0.75, 1.0);
    let x = b.conv("conv2", x, 64, conv);
    let x = b.relu("relu2", x);
    let x = b.local_response_norm("lrn2", x, 9, 0.001 / 9.0, 0.75, 1.0);
    let x = b.max_pool("pool2", x, pool);
    let x = b.flatten("flatten1", x);
    let x = b.linear("linear1", x, 384, true);
    let x = b.relu("relu3", x);
    let x = b.dropout("dropout1", x, 0.5, 1);
    let x = b.linear("linear2", x, 192, true);
    let x = b.relu("relu4", x);
    let logits = b.linear("linear3", x, 10, true);
    b.finish(logits)
}
