//! A naive interpreter of a [`Program`]: `f64`, forward only, loops one can read. It shares nothing with the engines
//! but the program and [`netc::internals::random::dropped`], and is what they are measured against.

use netc::internals::data::batch::Batch;
use netc::internals::engine::{Mode, State};
use netc::internals::graph::dims::{Padding, Pair, Shape};
use netc::internals::graph::layer::Divisor;
use netc::internals::lower::program::{OpKind, ParameterId, Program, StatisticId, ValueId, VarianceEstimate};
use netc::internals::random;

/// What one pass makes.
#[derive(Debug, Clone)]
pub struct Pass {
    /// N × elements of every value of the program.
    pub values: Vec<Vec<f64>>,
    /// N × classes.
    pub logits: Vec<f64>,
    /// Mean cross-entropy.
    pub loss: f64,
    /// The statistics after the pass: moved towards the batch in training, as they were in evaluation.
    pub statistics: Vec<Vec<f64>>,
}

/// A [`State`]'s numbers, in `f64`, so that finite differences can move them a little.
#[derive(Debug, Clone)]
pub struct Weights {
    pub parameters: Vec<Vec<f64>>,
    pub statistics: Vec<Vec<f64>>,
}

impl From<&State> for Weights {
    fn from(state: &State) -> Self {
        let wide = |tensors: &[Vec<f32>]| -> Vec<Vec<f64>> {
            tensors.iter().map(|t| t.iter().map(|x| f64::from(*x)).collect()).collect()
        };
        Self { parameters: wide(&state.parameters), statistics: wide(&state.statistics) }
    }
}

/// Runs a program forward.
pub fn run(program: &Program, weights: &Weights, batch: &Batch<'_>, mode: Mode) -> Pass {
    let n = batch.len();
    let mut values: Vec<Vec<f64>> = vec![Vec::new(); program.values.len()];
    values[0] = batch.pixels().unwrap().iter().map(|x| f64::from(*x)).collect();
    let mut statistics = weights.statistics.clone();
    for op in &program.ops {
        let x = &values[op.inputs[0].0];
        let (from, to) = (program.shape(op.inputs[0]), program.shape(op.output));
        let read = |id: ParameterId| &weights.parameters[id.0];
        let y = match &op.kind {
            OpKind::Conv { weight, bias, kernel, stride, padding, dilation, groups } => {
                let geometry =
                    Geometry { n, from, to, kernel: *kernel, stride: *stride, padding: *padding, dilation: *dilation };
                conv(&geometry, x, read(*weight), bias.map(read), *groups)
            }
            OpKind::Linear { weight, bias } => linear(n, x, read(*weight), bias.map(read), to.elements()),
            OpKind::BatchNorm { scale, shift, mean, variance, epsilon, decay, running_variance: estimate } => {
                let norm = BatchNorm {
                    n,
                    shape: from,
                    scale: read(*scale),
                    shift: read(*shift),
                    running_mean: *mean,
                    running_variance: *variance,
                    epsilon: f64::from(*epsilon),
                    decay: f64::from(*decay),
                    estimate: *estimate,
                };
                match mode {
                    Mode::Train => norm.train(x, &mut statistics, program.norm_group.unwrap_or(n)),
                    Mode::Evaluate => norm.evaluate(x, &statistics),
                }
            }
            OpKind::Relu => x.iter().map(|x| if *x > 0.0 { *x } else { 0.0 }).collect(),
            OpKind::Tanh => x.iter().map(|x| x.tanh()).collect(),
            OpKind::Sigmoid => x.iter().map(|x| 1.0 / (1.0 + (-x).exp())).collect(),
            OpKind::MaxPool { kernel, stride, padding } => {
                let geometry = Geometry {
                    n,
                    from,
                    to,
                    kernel: *kernel,
                    stride: *stride,
                    padding: *padding,
                    dilation: Pair::square(1),
                };
                geometry.each(|image, channel, y, x_| {
                    let mut best = f64::NEG_INFINITY;
                    geometry.taps(y, x_, |row, column, _| best = best.max(x[geometry.at(image, channel, row, column)]));
                    best
                })
            }
            OpKind::AvgPool { kernel, stride, padding, divisor } => {
                let geometry = Geometry {
                    n,
                    from,
                    to,
                    kernel: *kernel,
                    stride: *stride,
                    padding: *padding,
                    dilation: Pair::square(1),
                };
                geometry.each(|image, channel, y, x_| {
                    let (mut sum, mut inside) = (0.0, 0);
                    geometry.taps(y, x_, |row, column, _| {
                        sum += x[geometry.at(image, channel, row, column)];
                        inside += 1;
                    });
                    let count = match divisor {
                        Divisor::ImageOnly => inside,
                        Divisor::PaddedWindow => geometry.inside_padded(y, x_),
                    };
                    sum / f64::from(count)
                })
            }
            OpKind::GlobalAvgPool => {
                let area = from.plane().area();
                x.chunks(area).map(|plane| plane.iter().sum::<f64>() / area as f64).collect()
            }
            OpKind::LocalResponseNorm { size, alpha, beta, k } => {
                let (channels, area, reach) = (from.channels(), from.plane().area(), (size - 1) / 2);
                let at = |image: usize, channel: usize, pixel: usize| x[(image * channels + channel) * area + pixel];
                let mut y = Vec::with_capacity(x.len());
                for image in 0..n {
                    for channel in 0..channels {
                        for pixel in 0..area {
                            let mut sum = 0.0;
                            for other in channel.saturating_sub(reach)..=(channel + reach).min(channels - 1) {
                                sum += at(image, other, pixel).powi(2);
                            }
                            let base = f64::from(*k) + f64::from(*alpha) * sum;
                            y.push(at(image, channel, pixel) / base.powf(f64::from(*beta)));
                        }
                    }
                }
                y
            }
            OpKind::Dropout { rate, stream } => {
                let elements = from.elements();
                let one = |i: usize, x: f64| {
                    let (image, element) = (i / elements, (i % elements) as u64);
                    if mode == Mode::Evaluate {
                        x
                    } else if random::dropped(batch.keys[image], *stream, element, *rate) {
                        0.0
                    } else {
                        x / (1.0 - f64::from(*rate))
                    }
                };
                x.iter().enumerate().map(|(i, x)| one(i, *x)).collect()
            }
            OpKind::Flatten => x.clone(),
            OpKind::Add => {
                let mut sum = vec![0.0; x.len()];
                for input in &op.inputs {
                    sum.iter_mut().zip(&values[input.0]).for_each(|(sum, x)| *sum += x);
                }
                sum
            }
            OpKind::Concat => {
                let mut y = Vec::new();
                for image in 0..n {
                    for ValueId(input) in &op.inputs {
                        let elements = program.values[*input].shape.elements();
                        y.extend_from_slice(&values[*input][image * elements..(image + 1) * elements]);
                    }
                }
                y
            }
            OpKind::Subsample { stride } => {
                let one = Pair::square(1);
                let geometry =
                    Geometry { n, from, to, kernel: one, stride: *stride, padding: Padding::default(), dilation: one };
                geometry
                    .each(|image, channel, y, x_| x[geometry.at(image, channel, y * stride.height, x_ * stride.width)])
            }
            OpKind::PadChannels { before, after } => {
                let area = from.plane().area();
                let mut y = Vec::new();
                for image in x.chunks(from.elements()) {
                    y.extend(std::iter::repeat_n(0.0, before * area));
                    y.extend_from_slice(image);
                    y.extend(std::iter::repeat_n(0.0, after * area));
                }
                y
            }
        };
        assert_eq!(y.len(), n * to.elements(), "`{}`", op.name);
        values[op.output.0] = y;
    }
    let logits = values[program.logits.0].clone();
    let loss = cross_entropy(&logits, batch.labels, f64::from(program.loss.smoothing()));
    Pass { values, logits, loss, statistics }
}

/// Mean of −Σ target·log softmax(logits), with what `smoothing` says of the target.
pub fn cross_entropy(logits: &[f64], labels: &[u32], smoothing: f64) -> f64 {
    let classes = logits.len() / labels.len();
    let losses = logits.chunks(classes).zip(labels).map(|(row, label)| {
        let largest = row.iter().fold(f64::NEG_INFINITY, |most, x| most.max(*x));
        let log_sum = largest + row.iter().map(|x| (x - largest).exp()).sum::<f64>().ln();
        let even = row.iter().map(|x| log_sum - x).sum::<f64>() / classes as f64;
        (1.0 - smoothing) * (log_sum - row[*label as usize]) + smoothing * even
    });
    losses.sum::<f64>() / labels.len() as f64
}

/// The gradient of the mean loss in [`Mode::Train`] for every parameter, by central differences.
pub fn gradients(program: &Program, weights: &Weights, batch: &Batch<'_>) -> Vec<Vec<f64>> {
    // The error is about step² of truncation and 1e-16/step of rounding; kinks within a step are the caller's to avoid.
    let step = 1e-5;
    let mut moved = weights.clone();
    let mut gradients = Vec::new();
    for parameter in 0..weights.parameters.len() {
        let mut gradient = Vec::new();
        for element in 0..weights.parameters[parameter].len() {
            let at = weights.parameters[parameter][element];
            let mut loss = |x: f64| {
                moved.parameters[parameter][element] = x;
                run(program, &moved, batch, Mode::Train).loss
            };
            gradient.push((loss(at + step) - loss(at - step)) / (2.0 * step));
            loss(at);
        }
        gradients.push(gradient);
    }
    gradients
}

/// Shapes and windows of a window op.
struct Geometry {
    n: usize,
    from: Shape,
    to: Shape,
    kernel: Pair,
    stride: Pair,
    padding: Padding,
    dilation: Pair,
}

impl Geometry {
    /// Index of an input element.
    fn at(&self, image: usize, channel: usize, row: usize, column: usize) -> usize {
        let plane = self.from.plane();
        ((image * self.from.channels() + channel) * plane.height + row) * plane.width + column
    }

    /// Every output element, from (image, channel, row, column).
    fn each(&self, mut f: impl FnMut(usize, usize, usize, usize) -> f64) -> Vec<f64> {
        let plane = self.to.plane();
        let mut out = Vec::with_capacity(self.n * self.to.elements());
        for image in 0..self.n {
            for channel in 0..self.to.channels() {
                for y in 0..plane.height {
                    for x in 0..plane.width {
                        out.push(f(image, channel, y, x));
                    }
                }
            }
        }
        out
    }

    /// Every tap of the window of output (y, x) that lies in the image: its row, its column, its number.
    fn taps(&self, y: usize, x: usize, mut f: impl FnMut(usize, usize, usize)) {
        let plane = self.from.plane();
        for i in 0..self.kernel.height {
            for j in 0..self.kernel.width {
                let row = (y * self.stride.height + i * self.dilation.height) as i64 - self.padding.top as i64;
                let column = (x * self.stride.width + j * self.dilation.width) as i64 - self.padding.left as i64;
                if (0..plane.height as i64).contains(&row) && (0..plane.width as i64).contains(&column) {
                    f(row as usize, column as usize, i * self.kernel.width + j);
                }
            }
        }
    }

    /// Taps of the window of output (y, x) that lie in the image or its padding.
    fn inside_padded(&self, y: usize, x: usize) -> u32 {
        let plane = self.from.plane();
        let mut inside = 0;
        for i in 0..self.kernel.height {
            for j in 0..self.kernel.width {
                let row = y * self.stride.height + i * self.dilation.height;
                let column = x * self.stride.width + j * self.dilation.width;
                inside += u32::from(
                    row < self.padding.top + plane.height + self.padding.bottom
                        && column < self.padding.left + plane.width + self.padding.right,
                );
            }
        }
        inside
    }
}

fn conv(geometry: &Geometry, x: &[f64], weight: &[f64], bias: Option<&Vec<f64>>, groups: usize) -> Vec<f64> {
    let (inputs, outputs) = (geometry.from.channels() / groups, geometry.to.channels() / groups);
    let area = geometry.kernel.area();
    geometry.each(|image, channel, y, x_| {
        let first = channel / outputs * inputs;
        let mut sum = bias.map_or(0.0, |bias| bias[channel]);
        for input in 0..inputs {
            geometry.taps(y, x_, |row, column, tap| {
                sum +=
                    x[geometry.at(image, first + input, row, column)] * weight[(channel * inputs + input) * area + tap];
            });
        }
        sum
    })
}

fn linear(n: usize, x: &[f64], weight: &[f64], bias: Option<&Vec<f64>>, outputs: usize) -> Vec<f64> {
    let inputs = x.len() / n;
    let mut y = Vec::with_capacity(n * outputs);
    for image in x.chunks(inputs) {
        for (output, row) in weight.chunks(inputs).enumerate() {
            let product: f64 = row.iter().zip(image).map(|(w, x)| w * x).sum();
            y.push(product + bias.map_or(0.0, |bias| bias[output]));
        }
    }
    y
}

/// A batch norm at work on `n` images of `shape`.
struct BatchNorm<'a> {
    n: usize,
    shape: Shape,
    scale: &'a [f64],
    shift: &'a [f64],
    running_mean: StatisticId,
    running_variance: StatisticId,
    epsilon: f64,
    decay: f64,
    /// What the running variance follows.
    estimate: VarianceEstimate,
}

impl BatchNorm<'_> {
    /// Where the numbers of a channel are, image by image from the first of `images` on.
    fn places(&self, channel: usize, images: std::ops::Range<usize>) -> Vec<usize> {
        let (channels, area) = (self.shape.channels(), self.shape.plane().area());
        images.flat_map(|image| (0..area).map(move |pixel| (image * channels + channel) * area + pixel)).collect()
    }

    fn normalise(&self, x: f64, channel: usize, mean: f64, variance: f64) -> f64 {
        self.scale[channel] * (x - mean) / (variance + self.epsilon).sqrt() + self.shift[channel]
    }

    /// y, from x, by the running statistics.
    fn evaluate(&self, x: &[f64], statistics: &[Vec<f64>]) -> Vec<f64> {
        let (StatisticId(mean), StatisticId(variance)) = (self.running_mean, self.running_variance);
        let mut y = vec![0.0; x.len()];
        for (channel, (mean, variance)) in statistics[mean].iter().zip(&statistics[variance]).enumerate() {
            for at in self.places(channel, 0..self.n) {
                y[at] = self.normalise(x[at], channel, *mean, *variance);
            }
        }
        y
    }

    /// y, from x, by the statistics of each group of images; the running ones move once.
    fn train(&self, x: &[f64], statistics: &mut [Vec<f64>], group: usize) -> Vec<f64> {
        let follow = |StatisticId(id): StatisticId, channel: usize, new: f64, statistics: &mut [Vec<f64>]| {
            let old = &mut statistics[id][channel];
            *old = self.decay * *old + (1.0 - self.decay) * new;
        };
        let mut y = vec![0.0; x.len()];
        for channel in 0..self.shape.channels() {
            let (mut mean_of_means, mut mean_of_variances) = (0.0, 0.0);
            for first in (0..self.n).step_by(group) {
                let last = (first + group).min(self.n);
                let places = self.places(channel, first..last);
                let count = places.len() as f64;
                let mean = places.iter().map(|&at| x[at]).sum::<f64>() / count;
                let squares = places.iter().map(|&at| (x[at] - mean).powi(2)).sum::<f64>();
                let estimated = match self.estimate {
                    VarianceEstimate::Unbiased if places.len() > 1 => squares / (count - 1.0),
                    _ => squares / count,
                };
                let share = (last - first) as f64 / self.n as f64;
                mean_of_means += share * mean;
                mean_of_variances += share * estimated;
                for &at in &places {
                    y[at] = self.normalise(x[at], channel, mean, squares / count);
                }
            }
            follow(self.running_mean, channel, mean_of_means, statistics);
            follow(self.running_variance, channel, mean_of_variances, statistics);
        }
        y
    }
}
