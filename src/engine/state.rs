//! What an engine holds between steps.

use super::EngineError;
use crate::lower::init;
use crate::lower::program::{Program, Statistic};

/// Everything an engine holds between steps, in the order of the program's tables.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct State {
    /// One a parameter of [`Program::parameters`].
    pub parameters: Vec<Vec<f32>>,
    /// The momentum buffer of each parameter; Adam's first moment.
    pub velocities: Vec<Vec<f32>>,
    /// Adam's second moment of each parameter; empty when no step has kept one.
    pub squares: Vec<Vec<f32>>,
    /// The exponential moving average of each parameter; empty when no step has kept one.
    pub averages: Vec<Vec<f32>>,
    /// One a statistic of [`Program::statistics`].
    pub statistics: Vec<Vec<f32>>,
}

impl State {
    /// What a run with this seed starts from: drawn weights, velocities 0, running statistics at their start.
    pub fn initial(program: &Program, seed: u64) -> State {
        let statistics = |s: &Statistic| vec![s.initial; s.channels];
        State {
            parameters: program.parameters.iter().map(|p| init::draw(p, seed)).collect(),
            velocities: program.parameters.iter().map(|p| vec![0.0; p.elements()]).collect(),
            squares: Vec::new(),
            averages: Vec::new(),
            statistics: program.statistics.iter().map(statistics).collect(),
        }
    }

    /// Checks that every tensor has the length the program gives it.
    ///
    /// # Errors
    /// [`EngineError::State`] naming the first tensor that does not fit.
    pub fn validate(&self, program: &Program) -> Result<(), EngineError> {
        let parameters = program.parameters.iter().map(|p| (p.name.as_str(), p.elements()));
        let statistics = program.statistics.iter().map(|s| (s.name.as_str(), s.channels));
        for tensors in [&self.parameters, &self.velocities] {
            check_lengths(parameters.clone(), tensors)?;
        }
        for tensors in [&self.squares, &self.averages] {
            if !tensors.is_empty() {
                check_lengths(parameters.clone(), tensors)?;
            }
        }
        check_lengths(statistics, &self.statistics)
    }

    /// The same with the averages of the parameters in their place; `None` where no averages are kept.
    pub fn averaged(&self) -> Option<State> {
        let parameters = (!self.averages.is_empty()).then(|| self.averages.clone())?;
        Some(State { parameters, ..self.clone() })
    }

    /// The name of the first parameter or statistic with a number that is none.
    pub fn not_finite(&self, program: &Program) -> Option<String> {
        let parameters = program.parameters.iter().map(|parameter| &parameter.name).zip(&self.parameters);
        let statistics = program.statistics.iter().map(|statistic| &statistic.name).zip(&self.statistics);
        let mut tensors = parameters.chain(statistics);
        tensors.find(|(_, values)| values.iter().any(|x| !x.is_finite())).map(|(name, _)| name.clone())
    }
}

fn check_lengths<'a>(
    expected: impl ExactSizeIterator<Item = (&'a str, usize)>,
    found: &[Vec<f32>],
) -> Result<(), EngineError> {
    if expected.len() != found.len() {
        return Err(EngineError::State(format!("{} tensors where the network has {}", found.len(), expected.len())));
    }
    for ((name, length), tensor) in expected.zip(found) {
        if tensor.len() != length {
            return Err(EngineError::State(format!(
                "`{name}` has {} numbers, the network needs {length}",
                tensor.len()
            )));
        }
    }
    Ok(())
}
