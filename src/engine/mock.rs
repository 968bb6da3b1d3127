//! An engine for tests that want nothing of an engine but the trait: one linear layer, gradients by hand.

use crate::data::batch::Batch;
use crate::engine::{
    Arithmetic, DecayForm, Engine, EngineError, GroupMoments, Metrics, Mode, Rule, State, Update, batch, summable,
};
use crate::graph::dims::Shape;
use crate::lower::program::{Init, Loss, Op, OpKind, Parameter, ParameterId, Program, Role, Statistic, Value, ValueId};

/// Images of `input`, flattened, into one linear layer; and a running statistic that nothing uses.
pub fn program(input: Shape, classes: usize) -> Program {
    let features = input.elements();
    let value = |name: &str, shape| Value { name: name.into(), shape };
    let parameter = |name: &str, dims: Vec<usize>, role| Parameter {
        name: name.into(),
        dims,
        role,
        init: Init::Uniform { bound: 0.01 },
    };
    let linear = OpKind::Linear { weight: ParameterId(0), bias: Some(ParameterId(1)) };
    let op = |name: &str, kind, input, output| Op {
        name: name.into(),
        kind,
        inputs: vec![ValueId(input)],
        output: ValueId(output),
    };
    Program {
        net: "tiny".into(),
        values: vec![
            value("images", input),
            value("flatten1", Shape::vector(features)),
            value("linear1", Shape::vector(classes)),
        ],
        parameters: vec![
            parameter("linear1.weight", vec![classes, features], Role::LinearWeight),
            parameter("linear1.bias", vec![classes], Role::Bias),
        ],
        statistics: vec![Statistic { name: "bn1.running_mean".into(), channels: 3, initial: 1.0 }],
        ops: vec![op("flatten1", OpKind::Flatten, 0, 1), op("linear1", linear, 1, 2)],
        logits: ValueId(2),
        loss: Loss::SoftmaxCrossEntropy { smoothing: 0.0 },
        norm_group: None,
    }
}

/// Runs [`program`].
pub struct MockEngine {
    program: Program,
    state: State,
    metrics: Metrics,
    /// Labels, keys and rates of every training step, for tests that look at what came in.
    pub steps: Vec<(Vec<u32>, Vec<u64>, f32)>,
    /// Step (from 1) at which the loss becomes NaN.
    pub fails_at: Option<usize>,
}

impl MockEngine {
    /// Starts from the program's own draws.
    pub fn new(program: Program, seed: u64) -> Self {
        let state = State::initial(&program, seed);
        MockEngine { program, state, metrics: Metrics::default(), steps: Vec::new(), fails_at: None }
    }

    /// Softmax of the logits of each image, added to the metrics.
    fn forward(&mut self, batch: &Batch<'_>) -> Vec<Vec<f32>> {
        let features = self.program.input().elements();
        let (weight, bias) = (&self.state.parameters[0], &self.state.parameters[1]);
        let mut all = Vec::new();
        for (image, &label) in batch.pixels().unwrap().chunks(features).zip(batch.labels) {
            let logit = |(row, b): (&[f32], &f32)| row.iter().zip(image).map(|(w, x)| w * x).sum::<f32>() + b;
            let logits: Vec<f32> = weight.chunks(features).zip(bias).map(logit).collect();
            let top = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let sum: f32 = logits.iter().map(|x| (x - top).exp()).sum();
            let softmax: Vec<f32> = logits.iter().map(|x| (x - top).exp() / sum).collect();
            self.metrics.loss_sum += summable(-f64::from(softmax[label as usize].max(1e-30).ln()));
            self.metrics.correct += u64::from(logits[label as usize] == top);
            self.metrics.images += 1;
            all.push(softmax);
        }
        all
    }
}

impl Engine for MockEngine {
    fn program(&self) -> &Program {
        &self.program
    }

    fn arithmetic(&self) -> Arithmetic {
        Arithmetic { device: "cpu".into(), engine: "mock".into(), instructions: None, convolution: None }
    }

    fn load(&mut self, state: &State) -> Result<(), EngineError> {
        state.validate(&self.program)?;
        self.state = state.clone();
        Ok(())
    }

    fn state(&self) -> Result<State, EngineError> {
        Ok(self.state.clone())
    }

    fn train_step(&mut self, batch: &Batch<'_>, update: &Update<'_>) -> Result<(), EngineError> {
        batch::pixels(batch, &self.program)?;
        let features = self.program.input().elements();
        let mut gradients = [vec![0.0; self.state.parameters[0].len()], vec![0.0; self.state.parameters[1].len()]];
        let scale = 1.0 / batch.len() as f32;
        for ((softmax, &label), image) in
            self.forward(batch).iter().zip(batch.labels).zip(batch.pixels().unwrap().chunks(features))
        {
            for (class, &share) in softmax.iter().enumerate() {
                let error = scale * (share - f32::from(u8::from(class == label as usize)));
                gradients[1][class] += error;
                gradients[0][class * features..][..features].iter_mut().zip(image).for_each(|(g, x)| *g += error * x);
            }
        }
        let momentum = match update.rule {
            Rule::Sgd { momentum, .. } => momentum,
            Rule::Adam { .. } => return Err(EngineError::State("the mock knows SGD alone".into())),
        };
        for (index, gradient) in gradients.iter().enumerate() {
            let decay = update.decay[index];
            let velocity = &mut self.state.velocities[index];
            for ((w, v), g) in self.state.parameters[index].iter_mut().zip(velocity).zip(gradient) {
                let g = if update.decay_form == DecayForm::Gradient { g + decay * *w } else { *g };
                *v = momentum * *v + g;
                *w -= update.rate * *v;
            }
        }
        self.steps.push((batch.labels.to_vec(), batch.keys.to_vec(), update.rate));
        if self.fails_at.is_some_and(|at| self.steps.len() >= at) {
            self.metrics.loss_sum = f64::NAN;
        }
        Ok(())
    }

    fn evaluate(&mut self, batch: &Batch<'_>) -> Result<(), EngineError> {
        batch::pixels(batch, &self.program)?;
        self.forward(batch);
        Ok(())
    }

    fn read_metrics(&mut self) -> Result<Metrics, EngineError> {
        Ok(std::mem::take(&mut self.metrics))
    }

    fn logits(&mut self, _: &Batch<'_>, _: Mode) -> Result<Vec<f32>, EngineError> {
        Err(EngineError::Batch("the mock has no logits".into()))
    }

    fn moments(&mut self, batch: &Batch<'_>) -> Result<Vec<GroupMoments>, EngineError> {
        let mut pixels = batch::pixels(batch, &self.program)?;
        let of_group = |images: usize| {
            let (group, rest) = pixels.split_at(images * self.program.input().elements());
            pixels = rest;
            // As if the unused statistic were the mean of the pixels.
            let mean = group.iter().sum::<f32>() / group.len() as f32;
            let values = self.state.statistics.iter().map(|statistic| vec![mean; statistic.len()]).collect();
            GroupMoments { images, values }
        };
        Ok(self.program.norm_groups(batch.len()).into_iter().map(of_group).collect())
    }

    fn gradients(&mut self, _: &Batch<'_>) -> Result<Vec<Vec<f32>>, EngineError> {
        Err(EngineError::Batch("the mock has no gradients".into()))
    }
}
