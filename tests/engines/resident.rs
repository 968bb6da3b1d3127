//! Images that lie on the engine's device: the same batches, and the same training, as from a loader's pixels.

use crate::support::builder::{Builder, Conv};
use netc::internals::data::augment::{Augment, PadValue, Variation};
use netc::internals::data::batch::{Batch, ImageSet, Images, SetId};
use netc::internals::data::loader::{Loader, LoaderOptions};
use netc::internals::data::normalize::Normalization;
use netc::internals::data::sampler::{BatchIndices, BatchSampler};
use netc::internals::data::{DataSet, LoadOptions, Split, Subset, Take};
use netc::internals::diagnostic::Diagnostic;
use netc::internals::engine::native::{NativeEngine, Options};
use netc::internals::engine::tensor::{self, KernelStyle, ReferenceEngine};
use netc::internals::engine::{Arithmetic, Engine, EngineError, GroupMoments, Metrics, Mode, State, Update};
use netc::internals::graph::dims::Shape;
use netc::internals::lower::program::Program;
use netc::internals::random;
use netc::internals::recipe::optimizer::Optimizer;
use netc::internals::recipe::{self, Length, Recipe};
use netc::internals::train::input::Input;
use netc::internals::train::observer::Observer;
use netc::internals::train::report::{Best, EpochReport, Evaluated, Position, StepReport};
use netc::internals::train::runner;
use netc::internals::train::stop::Stop;
use std::sync::Arc;

const INPUT: Shape = Shape::Map { channels: 2, height: 6, width: 7 };

fn program(input: Shape, classes: usize) -> Program {
    let mut b = Builder::new("small", input);
    let x = b.images();
    let x = b.conv("conv1", x, 3, Conv::square(3));
    let x = b.batch_norm("bn1", x);
    let x = b.relu("relu1", x);
    let x = b.dropout("dropout1", x, 0.2, 1);
    let x = b.global_avg_pool("pool1", x);
    let logits = b.linear("linear1", x, classes, true);
    b.finish(logits)
}

fn engine(program: &Program) -> Box<dyn ReferenceEngine> {
    let mut engine = tensor::cpu_as(program.clone(), KernelStyle::FewLaunches).unwrap();
    engine.load(&State::initial(program, 3)).unwrap();
    engine
}

fn images(count: usize) -> Subset {
    let bytes = (0..(count * INPUT.elements()) as u64).map(|i| random::below(1, i, 256) as u8).collect();
    let labels = (0..count).map(|i| (i % 4) as u32).collect();
    Subset::all(&Arc::new(Split::new(INPUT, 4, bytes, labels).unwrap()))
}

/// Every way to normalise, with every way to pad, without augmentation as well: not one bit may differ.
#[test]
fn batches_on_the_device_are_those_of_the_loader() {
    let images = images(23);
    let program = program(INPUT, 4);
    let mut engine = engine(&program);
    let per_channel = Normalization::measure_per_channel(&images).unwrap();
    let per_pixel = Normalization::measure_per_pixel(&images).unwrap();
    let mut seen = 0;
    for normalization in [Normalization::None, per_channel, per_pixel, Normalization::PerImage] {
        let with = |pad, pad_value, flip| Some(Augment { pad, pad_value, flip });
        for augment in [
            None,
            with(0, PadValue::Zero, true),
            with(2, PadValue::Zero, false),
            with(5, PadValue::Zero, true),
            with(2, PadValue::Black, true),
            with(5, PadValue::Black, false),
        ] {
            let mut options = LoaderOptions::training(5, normalization.clone(), augment, 9).starting_at(1, 2);
            options.end = Some(3);
            let set = ImageSet::new(images.split(), &normalization, augment);
            let id = engine.keep(&set).unwrap().unwrap();
            assert_eq!(engine.keep(&set).unwrap(), Some(id), "it is there already");
            let mut sampler = BatchSampler::new(&images, options.clone()).unwrap();
            let mut drawn = BatchIndices::default();
            for loaded in Loader::new(&images, options).unwrap() {
                assert!(sampler.next_into(&mut drawn));
                assert_eq!((drawn.epoch, drawn.step), (loaded.epoch(), loaded.step()));
                assert_eq!(drawn.indices, loaded.indices());
                let batch = loaded.batch();
                assert_eq!((&drawn.labels[..], &drawn.keys[..]), (batch.labels, batch.keys));
                let found = engine.pixels(&drawn.batch(id)).unwrap();
                // Equal as numbers: −0 and 0 are.
                assert_eq!(found, batch.pixels().unwrap(), "{normalization:?} {augment:?}");
                seen += 1;
            }
            assert!(!sampler.next_into(&mut drawn));
        }
    }
    assert_eq!(seen, 4 * 6 * 8);
}

#[test]
fn what_does_not_fit_is_an_error() {
    let images = images(8);
    let program = program(INPUT, 4);
    let mut engine = engine(&program);
    let id = engine.keep(&ImageSet::new(images.split(), &Normalization::None, None)).unwrap().unwrap();
    let refuse = |engine: &mut dyn ReferenceEngine, indices: &[u32], labels: &[u32], variations: usize| {
        let variations = vec![Variation::default(); variations];
        let keys = vec![0; indices.len()];
        let images = Images::Resident { set: id, indices, variations: &variations };
        let batch = Batch { images, labels, keys: &keys };
        assert!(matches!(engine.evaluate(&batch), Err(EngineError::Batch(_))), "{batch:?}");
    };
    refuse(engine.as_mut(), &[], &[], 0);
    refuse(engine.as_mut(), &[8], &[0], 1);
    refuse(engine.as_mut(), &[1], &[4], 1);
    refuse(engine.as_mut(), &[1], &[0, 1], 1);
    refuse(engine.as_mut(), &[1], &[0], 2);
    let other = Split::new(Shape::map(2, 7, 6), 4, vec![0; 84], vec![0]).unwrap();
    let other = ImageSet::new(&Arc::new(other), &Normalization::None, None);
    assert!(matches!(engine.keep(&other), Err(EngineError::Batch(_))));
    // On the CPU itself nothing is to be gained.
    let set = ImageSet::new(images.split(), &Normalization::None, None);
    assert_eq!(tensor::cpu(program.clone()).unwrap().keep(&set).unwrap(), None);
    // Nor can it take what lies elsewhere.
    let images = Images::Resident { set: SetId(0), indices: &[0], variations: &[Variation::default()] };
    let batch = Batch { images, labels: &[0], keys: &[0] };
    let native = NativeEngine::new(program.clone(), Options::default()).unwrap();
    for mut engine in [tensor::cpu(program).unwrap() as Box<dyn Engine>, Box::new(native)] {
        assert!(matches!(engine.evaluate(&batch), Err(EngineError::Batch(_))));
    }
}

/// An engine whose images come as pixels, whatever it could do.
struct Pixels(Box<dyn ReferenceEngine>);

impl Engine for Pixels {
    fn program(&self) -> &Program {
        self.0.program()
    }
    fn arithmetic(&self) -> Arithmetic {
        self.0.arithmetic()
    }
    fn load(&mut self, state: &State) -> Result<(), EngineError> {
        self.0.load(state)
    }
    fn state(&self) -> Result<State, EngineError> {
        self.0.state()
    }
    fn train_step(&mut self, batch: &Batch<'_>, update: &Update<'_>) -> Result<(), EngineError> {
        self.0.train_step(batch, update)
    }
    fn evaluate(&mut self, batch: &Batch<'_>) -> Result<(), EngineError> {
        self.0.evaluate(batch)
    }
    fn read_metrics(&mut self) -> Result<Metrics, EngineError> {
        self.0.read_metrics()
    }
    fn logits(&mut self, batch: &Batch<'_>, mode: Mode) -> Result<Vec<f32>, EngineError> {
        self.0.logits(batch, mode)
    }
    fn moments(&mut self, batch: &Batch<'_>) -> Result<Vec<GroupMoments>, EngineError> {
        self.0.moments(batch)
    }
    fn gradients(&mut self, batch: &Batch<'_>) -> Result<Vec<Vec<f32>>, EngineError> {
        self.0.gradients(batch)
    }
}

/// Keeps the reports of epochs; may ask to stop.
#[derive(Default)]
struct Log {
    epochs: Vec<EpochReport>,
    stop: Stop,
    stop_at: Option<u64>,
}

impl Observer for Log {
    fn step(&mut self, report: &StepReport) {
        if self.stop_at.is_some_and(|step| report.step >= step) {
            self.stop.request();
        }
    }
    fn epoch(&mut self, report: &EpochReport, _: &Best, _: &Evaluated) -> Result<(), Diagnostic> {
        self.epochs.push(*report);
        Ok(())
    }
}

#[test]
fn training_is_that_from_pixels_and_can_be_gone_on_with() {
    let input = Shape::map(1, 12, 12);
    let options =
        LoadOptions { input: Some(input), train: Take::First(120), test: Take::First(40), ..LoadOptions::default() };
    let data = DataSet::load("shapes", &options).unwrap();
    let recipe = Recipe {
        data: "shapes".into(),
        augment: recipe::Augment { pad: 2, flip: true, ..recipe::Augment::default() },
        batch: 16,
        hold_out: 20,
        length: Length::Epochs(3),
        optimizer: Optimizer { learning_rate: 0.05, ..Optimizer::default() },
        ..Recipe::default()
    };
    let images = Input::new(&data, &recipe).unwrap();
    let program = program(input, 10);
    let train = |engine: &mut dyn Engine, from: Position, stop_at: Option<u64>| {
        let mut log = Log { stop_at, ..Log::default() };
        let stop = log.stop.clone();
        let outcome = runner::train(engine, &recipe, &images, from, &stop, &mut log).unwrap();
        (outcome, log.epochs)
    };
    let (expected, scores) = train(&mut Pixels(engine(&program)), Position::default(), None);
    let (found, found_scores) = train(engine(&program).as_mut(), Position::default(), None);
    assert_eq!(found.state, expected.state);
    assert_ne!(found.state, State::initial(&program, 3));
    for (found, expected) in found_scores.iter().zip(&scores) {
        assert_eq!(found.test, expected.test);
        assert_eq!(found.held_out, expected.held_out);
        assert_eq!(found.train.accuracy, expected.train.accuracy);
        // Sums in f32 depend on how often they are read.
        assert!((found.train.loss - expected.train.loss).abs() < 1e-6);
    }
    // 7 steps an epoch: in the middle of the second.
    let (half, _) = train(engine(&program).as_mut(), Position::default(), Some(10));
    assert!(half.interrupted && half.position.step < 21);
    let mut resumed = engine(&program);
    resumed.load(&half.state).unwrap();
    assert_eq!(train(resumed.as_mut(), half.position, None).0.state, expected.state);
}
