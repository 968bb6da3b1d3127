use super::*;
use crate::data::{DataSet, LoadOptions, Take};
use crate::diagnostic::{Code, Diagnostic};
use crate::engine::mock::{self, MockEngine};
use crate::graph::dims::Shape;
use crate::recipe::milestone::Milestone;
use crate::recipe::optimizer::Optimizer;
use crate::recipe::schedule::Curve;
use crate::recipe::{Augment, Length};
use crate::train::error::{Location, NonFiniteOrigin, NotFinite};
use crate::train::report::{EvalSet, Evaluated};

const INPUT: Shape = Shape::Map { channels: 1, height: 12, width: 12 };

fn shapes(train: usize, test: usize) -> DataSet {
    let options = LoadOptions {
        input: Some(INPUT),
        train: Take::First(train),
        test: Take::First(test),
        ..LoadOptions::default()
    };
    DataSet::load("shapes", &options).unwrap()
}

fn recipe() -> Recipe {
    Recipe {
        data: "shapes".into(),
        augment: Augment { pad: 1, flip: true, ..Augment::default() },
        batch: 16,
        length: Length::Epochs(3),
        optimizer: Optimizer { learning_rate: 0.002, ..Optimizer::default() },
        ..Recipe::default()
    }
}

/// Keeps all it hears; may ask to stop, or refuse to go on.
#[derive(Default)]
struct Log {
    steps: Vec<StepReport>,
    epochs: Vec<EpochReport>,
    evaluated: Vec<(EvalSet, u64, u64)>,
    states: Vec<State>,
    stop: Stop,
    stop_at_step: Option<u64>,
    stop_in_evaluation: bool,
    refuse: bool,
    checkpoint_every: Option<u64>,
    checkpoints: Vec<(Position, State)>,
}

impl Observer for Log {
    fn step(&mut self, report: &StepReport) {
        self.steps.push(*report);
        if self.stop_at_step.is_some_and(|step| report.step >= step) {
            self.stop.request();
        }
    }

    fn evaluating(&mut self, which: EvalSet, done: u64, total: u64) {
        self.evaluated.push((which, done, total));
        if self.stop_in_evaluation {
            self.stop.request();
        }
    }

    fn epoch(&mut self, report: &EpochReport, _: &Best, evaluated: &Evaluated) -> Result<(), Diagnostic> {
        self.epochs.push(*report);
        self.states.push(evaluated.state.clone());
        if self.refuse { Err(Diagnostic::new(Code::OutputFailed, "full")) } else { Ok(()) }
    }

    fn is_due(&self, step: u64, _: u64) -> bool {
        self.checkpoint_every.is_some_and(|every| step.is_multiple_of(every))
    }

    fn checkpoint(&mut self, position: &Position, state: &State) -> Result<(), Diagnostic> {
        self.checkpoints.push((position.clone(), state.clone()));
        Ok(())
    }
}

fn run(
    recipe: &Recipe,
    data: &DataSet,
    log: &mut Log,
    fails_at: Option<usize>,
) -> (MockEngine, Result<TrainOutcome, RunError>) {
    let mut engine = MockEngine::new(mock::program(INPUT, 10), recipe.seed);
    engine.fails_at = fails_at;
    let input = Input::new(data, recipe).unwrap();
    let outcome = train(&mut engine, recipe, &input, Position::default(), &log.stop.clone(), log);
    (engine, outcome)
}

#[test]
fn it_learns_and_reports() {
    let data = shapes(200, 40);
    let mut log = Log::default();
    let (engine, outcome) = run(&recipe(), &data, &mut log, None);
    let outcome = outcome.unwrap();
    // 200 images are 13 batches of 16, the last one of 8.
    assert_eq!((outcome.position.step, outcome.interrupted, engine.steps.len()), (39, false, 39));
    assert_eq!(log.epochs.iter().map(|e| (e.epoch, e.step)).collect::<Vec<_>>(), [(1, 13), (2, 26), (3, 39)]);
    assert_eq!(engine.steps.iter().map(|(labels, ..)| labels.len()).take(13).sum::<usize>(), 200);
    for epoch in &log.epochs {
        assert_eq!((epoch.train.images, epoch.test.images, epoch.held_out), (200, 40, None));
        assert!(epoch.train.loss.is_finite() && epoch.images_per_second > 0.0);
    }
    assert!(log.epochs[2].train.loss < log.epochs[0].train.loss, "{:?}", log.epochs);
    assert_eq!(log.evaluated.last(), Some(&(EvalSet::Test, 40, 40)));
    assert_eq!(outcome.position.last, log.epochs.last().copied());
    assert_eq!(outcome.state, log.states[2]);
    assert!(log.steps.iter().all(|report| report.total_steps == 39));
}

#[test]
fn the_same_seed_gives_the_same_bits() {
    let data = shapes(100, 20);
    let result = |seed| {
        let (engine, outcome) = run(&Recipe { seed, ..recipe() }, &data, &mut Log::default(), None);
        let bits = |tensor: &Vec<f32>| tensor.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
        (engine.steps, outcome.unwrap().state.parameters.iter().map(bits).collect::<Vec<_>>())
    };
    assert_eq!(result(5), result(5));
    assert_ne!(result(5).1, result(6).1);
    // Another seed, another order.
    assert_ne!(result(5).0[0].0, result(6).0[0].0);
}

#[test]
fn epochs_are_shuffled_anew_and_keys_never_repeat() {
    let (engine, _) = run(&recipe(), &shapes(64, 10), &mut Log::default(), None);
    let labels = |epoch: usize| engine.steps[epoch * 4..][..4].iter().flat_map(|s| s.0.clone()).collect::<Vec<_>>();
    assert_ne!(labels(0), labels(1));
    let keys: Vec<u64> = engine.steps.iter().flat_map(|s| s.1.clone()).collect();
    assert_eq!(keys.iter().collect::<std::collections::HashSet<_>>().len(), 3 * 64);
}

#[test]
fn steps_end_within_an_epoch() {
    let mut log = Log::default();
    let recipe = Recipe { length: Length::Steps(15), ..recipe() };
    let (engine, outcome) = run(&recipe, &shapes(200, 40), &mut log, None);
    assert_eq!((outcome.unwrap().position.step, engine.steps.len()), (15, 15));
    assert_eq!(
        log.epochs.iter().map(|e| (e.epoch, e.step, e.train.images)).collect::<Vec<_>>(),
        [(1, 13, 200), (2, 15, 32)]
    );
}

#[test]
fn the_schedule_is_followed() {
    let at = vec![Milestone::Steps(2), Milestone::Epochs(1.0)];
    let schedule = Curve::Multistep { at, factor: 0.5 }.into();
    let recipe = Recipe { schedule, length: Length::Steps(6), ..recipe() };
    // 64 images: 4 steps an epoch.
    let (engine, _) = run(&recipe, &shapes(64, 10), &mut Log::default(), None);
    let rates: Vec<f32> = engine.steps.iter().map(|step| step.2).collect();
    assert_eq!(rates, [0.002, 0.002, 0.001, 0.001, 0.0005, 0.0005]);
}

#[test]
fn held_out_images_are_not_trained_on() {
    let mut log = Log::default();
    let recipe = Recipe { hold_out: 50, ..recipe() };
    let (_, outcome) = run(&recipe, &shapes(200, 40), &mut log, None);
    assert!(log.epochs.iter().all(|e| e.train.images == 150 && e.held_out.unwrap().images == 50));
    assert_eq!(outcome.unwrap().position.best.unwrap().chosen_on, EvalSet::HeldOut);
}

#[test]
fn a_wish_to_stop_keeps_what_was_learnt() {
    let mut log = Log { stop_at_step: Some(20), ..Log::default() };
    let (engine, outcome) = run(&recipe(), &shapes(200, 40), &mut log, None);
    let outcome = outcome.unwrap();
    assert!(outcome.interrupted && (20..39).contains(&outcome.position.step), "{}", outcome.position.step);
    assert_eq!(outcome.position.step as usize, engine.steps.len());
    assert_eq!(outcome.state, engine.state().unwrap());
    assert_eq!(outcome.position.last.unwrap().epoch, 1);

    let mut log = Log { stop_in_evaluation: true, ..Log::default() };
    let (_, outcome) = run(&recipe(), &shapes(200, 40), &mut log, None);
    let outcome = outcome.unwrap();
    assert_eq!((outcome.position.step, outcome.interrupted, outcome.position.last), (13, true, None));
}

#[test]
fn a_loss_that_is_no_number_stops_the_run() {
    let mut log = Log::default();
    let (_, outcome) = run(&recipe(), &shapes(200, 40), &mut log, Some(25));
    let Err(RunError::NotFinite(at)) = outcome else { panic!("{outcome:?}") };
    assert!((at.finite_at..=at.step).contains(&25) && at.step - at.finite_at <= READ_EVERY, "{at:?}");
    assert_eq!((at.last_epoch, at.evaluating), (1, None));
    // The mock's loss is wrong without a reason that the reference engine could find.
    assert_eq!(at.origin, None);
    let at = NotFinite { step: 26, finite_at: 20, ..*at };
    let diagnostic = Diagnostic::from(RunError::NotFinite(Box::new(at.clone())));
    assert_eq!(diagnostic.code, Code::LossNotFinite);
    assert_eq!(diagnostic.message, "the training loss is NaN at step 26 (learning rate 0.002)");
    assert_eq!(diagnostic.notes, ["it was finite up to step 20", "the weights saved are those of the end of epoch 1"]);
    assert!(diagnostic.help[0].contains("learning_rate=0.0002"), "{:?}", diagnostic.help);
    let origin = Some(NonFiniteOrigin { step: 23, place: Location::Output("conv1".into()) });
    let diagnostic = Diagnostic::from(RunError::NotFinite(Box::new(NotFinite { origin, ..at })));
    assert_eq!(diagnostic.notes[0], "it began in step 23: the first number lost is in the output of `conv1`");
}

/// A rate that throws the weights out of the numbers: the step and the place are found by making the steps again.
#[test]
fn the_first_number_lost_is_found() {
    let mut recipe = recipe();
    recipe.optimizer.learning_rate = 1e37;
    let (_, outcome) = run(&recipe, &shapes(200, 40), &mut Log::default(), None);
    let Err(RunError::NotFinite(at)) = outcome else { panic!("{outcome:?}") };
    let origin = at.origin.expect("it happens again");
    // The mock bounds its loss and gradient: only the update can leave the numbers, and only the weights tell of it.
    assert_eq!((at.lost, at.step), (NonFinite::Weights, 13));
    assert_eq!(origin, NonFiniteOrigin { step: 2, place: Location::Update("linear1.weight".into()) });
}

/// From every checkpoint on, and from wherever it was interrupted, a run comes to the same bits and the same results.
#[test]
fn a_run_goes_on_from_any_position() {
    let data = shapes(200, 40);
    let timeless = |epochs: &[EpochReport]| -> Vec<EpochReport> {
        epochs.iter().map(|e| EpochReport { images_per_second: 0.0, seconds: 0.0, waited: 0.0, ..*e }).collect()
    };
    let mut recipe = recipe();
    recipe.batch_norm.statistics = crate::recipe::Statistics::Population;
    let input = Input::new(&data, &recipe).unwrap();
    let mut whole = Log { checkpoint_every: Some(1), ..Log::default() };
    let (_, outcome) = run(&recipe, &data, &mut whole, None);
    let end = outcome.unwrap();
    assert_eq!(whole.checkpoints.len(), 39);
    assert_eq!(whole.checkpoints.last().unwrap().1, end.state);
    let go_on = |position: &Position, state: &State| {
        let mut engine = MockEngine::new(mock::program(INPUT, 10), 99);
        engine.load(state).unwrap();
        let mut log = Log::default();
        let outcome = train(&mut engine, &recipe, &input, position.clone(), &Stop::new(), &mut log).unwrap();
        assert_eq!(outcome.state, end.state, "from {}", position.step);
        let ended = whole.epochs.iter().filter(|epoch| Some(epoch.step) > position.last.map(|last| last.step));
        assert_eq!(timeless(&log.epochs), timeless(&ended.copied().collect::<Vec<_>>()), "from {}", position.step);
        let best = |best: Option<Best>| best.map(|best| (best.report.epoch, best.chosen_on));
        assert_eq!(best(outcome.position.best), best(end.position.best));
    };
    whole.checkpoints.iter().for_each(|(position, state)| go_on(position, state));
    for stop in [1, 7, 13, 14, 26, 38] {
        let mut log = Log { stop_at_step: Some(stop), ..Log::default() };
        let outcome = run(&recipe, &data, &mut log, None).1.unwrap();
        go_on(&outcome.position, &outcome.state);
    }
    // Stopped while it was evaluated: that comes first.
    let mut log = Log { stop_in_evaluation: true, ..Log::default() };
    let outcome = run(&recipe, &data, &mut log, None).1.unwrap();
    assert!(outcome.interrupted && outcome.position.epoch.images == 200 && outcome.position.last.is_none());
    go_on(&outcome.position, &outcome.state);
}

/// With true averages training goes on with the moving ones, and both are reported.
#[test]
fn true_averages_do_not_touch_training() {
    let data = shapes(200, 40);
    let moving = run(&recipe(), &data, &mut Log::default(), None).1.unwrap();
    let mut recipe = recipe();
    recipe.batch_norm.statistics = crate::recipe::Statistics::Population;
    let mut log = Log::default();
    let found = run(&recipe, &data, &mut log, None).1.unwrap();
    assert_eq!(found.state, moving.state);
    assert!(log.epochs.iter().all(|epoch| epoch.test_moving.is_some()));
    assert!(log.evaluated.contains(&(EvalSet::Population, 200, 200)));
    assert_eq!(log.states.last().unwrap().parameters, found.state.parameters);
    assert_ne!(log.states.last().unwrap().statistics, found.state.statistics);
}

#[test]
fn an_observer_that_cannot_keep_a_run_ends_it() {
    let mut log = Log { refuse: true, ..Log::default() };
    let (_, outcome) = run(&recipe(), &shapes(64, 10), &mut log, None);
    assert_eq!(Diagnostic::from(outcome.unwrap_err()).code, Code::OutputFailed);
    assert_eq!(log.epochs.len(), 1);
}

#[test]
fn what_the_data_cannot_give_is_said() {
    let data = shapes(64, 10);
    for recipe in
        [Recipe { hold_out: 64, ..recipe() }, Recipe { augment: Augment { pad: 12, ..Augment::default() }, ..recipe() }]
    {
        let error = Input::new(&data, &recipe).unwrap_err();
        assert_eq!(Diagnostic::from(&error).code, Code::RecipeValue);
    }
}
