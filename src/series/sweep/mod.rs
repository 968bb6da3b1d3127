//! Every combination of some values, with several seeds, and the results side by side.
//!
//! Everything is compiled and held against its data before the first run begins. Each run has a folder of its own, as a
//! single run would leave it, so that a sweep that was stopped goes on where it was.

pub mod grid;
pub mod table;

use crate::data::{DataSet, ImageOrder};
use crate::diagnostic::{Code, Diagnostic};
use crate::engine::select::Selection;
use crate::experiment::{Experiment, Request, RunRequest, load_data};
use crate::graph::dims::Shape;
use crate::run::folder::{RunFolder, occupied};
use crate::run::identity::{DataIdentity, Identity};
use crate::run::manifest::{DataRequest, FILE_NAME, Manifest};
use crate::run::numerics;
use crate::run::results::{self, Results};
use crate::source::SourceMap;
use crate::train::input::Input;
use crate::train::observer::Observer;
use crate::train::stop::Stop;
use grid::Grid;
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};
use table::{RunState, SettingRow, SweptRun, Table};

/// Name of the file with everything a sweep came to; it is what tells its folder from others.
const JSON: &str = "sweep.json";
/// Name of the file with a line for each run.
const CSV: &str = "sweep.csv";

/// What is asked of a sweep.
#[derive(Debug, Clone)]
pub struct Sweep<'a> {
    /// The network.
    pub spec: &'a Path,
    /// A recipe instead of the spec's own.
    pub recipe: Option<&'a Path>,
    /// The settings.
    pub grid: Grid,
    /// Changes to the recipe, `key=value`, that come after those of a setting.
    pub sets: Vec<String>,
    /// Runs of each setting, with the seeds that follow one another from the recipe's on.
    pub runs: NonZeroU64,
    /// Only the first so many images of each split.
    pub limit: Option<usize>,
    /// Where and how it runs.
    pub selection: Selection,
    /// Folder of the results; `<net>-sweep-<n>` in `folders` if not given.
    pub out: Option<&'a Path>,
    /// Where folders without a name of their own go.
    pub folders: &'a Path,
    /// Whether to go on with the sweep in that folder, or the newest there is.
    pub resume: bool,
    /// The command line, for the records.
    pub command: &'a [String],
}

/// A run that compiles.
#[derive(Debug)]
pub struct PlannedRun {
    /// Index of its setting.
    setting: usize,
    experiment: Experiment,
}

/// What a sweep came to.
#[derive(Debug)]
pub struct Ended {
    /// Every run.
    pub table: Table,
    /// Where the results are.
    pub folder: PathBuf,
    /// Whether it was asked to stop before the last run had ended.
    pub interrupted: bool,
}

/// What happens in a sweep.
#[derive(Debug)]
pub enum Event<'a> {
    /// Everything is known to fit, and the first run is about to begin.
    Begin {
        /// Name of the net.
        net: &'a str,
        /// How many runs.
        runs: usize,
        /// Of how many settings.
        settings: usize,
        /// Where the results go.
        folder: &'a Path,
    },
    /// A run is about to begin.
    RunBegins(RunPlace<'a>),
    /// A run ended before the sweep was resumed.
    EndedBefore(RunPlace<'a>, &'a Results),
    /// A run has ended.
    RunEnded(RunPlace<'a>, &'a Results),
    /// A run left the numbers; the others are made all the same.
    Diverged(&'a Diagnostic),
}

/// Which of the runs.
#[derive(Debug, Clone, Copy)]
pub struct RunPlace<'a> {
    /// Counted from 1.
    pub number: usize,
    /// How many there are.
    pub runs: usize,
    /// Its folder within the sweep's.
    pub folder: &'a str,
}

/// Who listens to a sweep.
pub trait SweepObserver {
    /// Something happened.
    fn event(&mut self, event: &Event<'_>);

    /// Who listens to the next run.
    fn run(&mut self) -> Box<dyn Observer>;
}

impl Sweep<'_> {
    /// Compiles every run; what is wrong, or doubtful, with several is told once. `None` when a run does not compile.
    pub fn compile(&self, report: &mut dyn FnMut(&Diagnostic, &SourceMap)) -> Option<Vec<PlannedRun>> {
        let (mut plans, mut reported, mut failed) = (Vec::new(), Vec::new(), false);
        let mut report = |diagnostics: &[Diagnostic], sources: &SourceMap| {
            for diagnostic in diagnostics {
                let what = (diagnostic.code, diagnostic.message.clone());
                if !reported.contains(&what) {
                    report(diagnostic, sources);
                    reported.push(what);
                }
            }
        };
        for (index, setting) in self.grid.settings.iter().enumerate() {
            let mut first = None;
            for number in 0..self.runs.get() {
                let mut sets = [&setting.sets[..], &self.sets[..]].concat();
                // The first run is what a single one would be; the others are told apart from it by their seeds.
                if let Some(seed) = first {
                    let seed = number.checked_add(seed).map_or("none".into(), |seed: u64| seed.to_string());
                    sets.push(format!("seed={seed}"));
                }
                let parameters = &setting.parameters;
                let request = Request { recipe: self.recipe, sets, parameters, ..Request::default() };
                match Experiment::compile(self.spec, &request) {
                    Ok(experiment) => {
                        first = first.or(Some(experiment.recipe.seed));
                        report(&experiment.warnings, &experiment.sources);
                        plans.push(PlannedRun { setting: index, experiment });
                    }
                    Err(failure) => {
                        report(&failure.diagnostics, &failure.sources);
                        failed = true;
                        break;
                    }
                }
            }
        }
        (!failed).then_some(plans)
    }

    /// Makes the runs, one after another. `stop` is asked for once everything is known to fit.
    ///
    /// # Errors
    /// When a run does not fit its data, fails in another way than by leaving the numbers, or results cannot be written.
    pub fn run(
        &self,
        plans: Vec<PlannedRun>,
        stop: impl FnOnce() -> Result<Stop, Diagnostic>,
        watch: &mut dyn SweepObserver,
    ) -> Result<Ended, Diagnostic> {
        let grid = &self.grid;
        let mut loaded: Vec<Loaded> = Vec::new();
        let mut jobs = Vec::new();
        for PlannedRun { setting, experiment } in plans {
            let job = self.job(setting, experiment, &mut loaded);
            jobs.push(job.map_err(|error| match grid.settings.get(setting) {
                Some(setting) if !grid.axes.is_empty() => {
                    error.note(format!("in the setting {}", grid.describe(setting)))
                }
                _ => error,
            })?);
        }
        let net = jobs.first().map(|job| job.experiment.program.net.clone()).unwrap_or_default();
        let mut table = Table {
            net: net.clone(),
            axes: grid.axes.iter().map(|axis| axis.key.clone()).collect(),
            rows: grid.settings.iter().map(|s| SettingRow { values: s.values.clone(), runs: Vec::new() }).collect(),
        };
        let folder = self.folder(&format!("{net}-sweep"), &jobs)?;
        for job in &jobs {
            let state =
                finished(&folder.join(&job.folder)).map_or(RunState::Open, |results| RunState::Finished { results });
            let run = SweptRun { seed: job.experiment.recipe.seed, folder: job.folder.clone(), state };
            if let Some(row) = table.rows.get_mut(job.setting) {
                row.runs.push(run);
            }
        }
        let stop = stop()?;
        // From here on the folder is known to be a sweep's.
        keep(&table, &folder)?;
        let (runs, settings) = (jobs.len(), grid.settings.len().max(1));
        watch.event(&Event::Begin { net: &net, runs, settings, folder: &folder });
        let mut interrupted = false;
        for (index, job) in jobs.iter().enumerate() {
            let place = RunPlace { number: index + 1, runs, folder: &job.folder };
            let Some(run) = table.run(job) else { continue };
            if let RunState::Finished { results } = &run.state {
                watch.event(&Event::EndedBefore(place, results));
                continue;
            }
            watch.event(&Event::RunBegins(place));
            let state = match self.one(job, &loaded, &folder, &stop, watch) {
                Err(error) if error.code == Code::LossNotFinite => {
                    watch.event(&Event::Diverged(&error));
                    RunState::Diverged { why: error.message }
                }
                Err(error) => {
                    return Err(error
                        .note(format!("the sweep stopped at the run `{}`", job.folder))
                        .help(goes_on(&folder)));
                }
                Ok(state) => state,
            };
            interrupted = state == RunState::Open;
            if let RunState::Finished { results } = &state {
                watch.event(&Event::RunEnded(place, results));
            }
            run.state = state;
            keep(&table, &folder)?;
            if interrupted {
                break;
            }
        }
        keep(&table, &folder)?;
        Ok(Ended { table, folder, interrupted })
    }

    /// Holds a run against its data and its engine, so that it cannot fail on them later.
    fn job(&self, setting: usize, experiment: Experiment, loaded: &mut Vec<Loaded>) -> Result<Job, Diagnostic> {
        let (from, order, input) = (&experiment.recipe.data, experiment.recipe.order, experiment.program.input());
        let wanted = |loaded: &Loaded| loaded.from == *from && loaded.order == order && loaded.input == input;
        let there = loaded.iter().position(wanted);
        let data = match there {
            Some(index) => index,
            None => {
                let request = DataRequest { from: from.clone(), limit: self.limit };
                let data = load_data(&request, order, &experiment.program)?;
                let identity = DataIdentity::of(&data);
                loaded.push(Loaded { from: from.clone(), order, input, data, identity });
                loaded.len() - 1
            }
        };
        let engine = experiment.engine(self.selection)?;
        let Some(Loaded { data: images, identity, .. }) = loaded.get(data) else {
            return Err(Diagnostic::new(Code::RunFailed, "the data of a run is gone"));
        };
        Input::new(images, &experiment.recipe).map_err(|error| Diagnostic::from(&error))?;
        let identity = Identity::with(engine.as_ref(), &experiment.recipe, identity.clone());
        let seed = format!("seed-{}", experiment.recipe.seed);
        let folder = match self.grid.settings.get(setting).map(|setting| self.grid.folder(setting)) {
            Some(name) if !name.is_empty() => format!("{name}/{seed}"),
            _ => seed,
        };
        Ok(Job { setting, experiment, data, identity, folder })
    }

    /// The sweep's folder, and that what is in it is of this sweep.
    fn folder(&self, name: &str, jobs: &[Job]) -> Result<PathBuf, Diagnostic> {
        let folder = match (self.out, self.resume) {
            (Some(out), _) => out.to_path_buf(),
            (None, true) => RunFolder::newest(self.folders, name),
            (None, false) => {
                return RunFolder::numbered(self.folders, name).map(|folder| folder.path().to_path_buf());
            }
        };
        if !self.resume && folder.join(JSON).exists() {
            return Err(occupied(&folder, "sweep"));
        }
        for job in jobs {
            let path = folder.join(&job.folder);
            if !path.join(FILE_NAME).exists() {
                continue;
            }
            let was = Manifest::read(&path)?.identity;
            let differences = was.differences(&job.identity);
            if !differences.is_empty() {
                let message = format!("`{}` is of another run", path.display());
                let diagnostic = Diagnostic::new(Code::CheckpointMismatch, message);
                let diagnostic = differences.into_iter().fold(diagnostic, Diagnostic::note);
                let usual = "give the same options as before to go on with a sweep, or another `--out`";
                return Err(diagnostic.help(numerics::help(was.numerics, usual)));
            }
        }
        Ok(RunFolder::resumed(&folder)?.path().to_path_buf())
    }

    /// Makes a run, or the rest of it.
    fn one(
        &self,
        job: &Job,
        loaded: &[Loaded],
        folder: &Path,
        stop: &Stop,
        watch: &mut dyn SweepObserver,
    ) -> Result<RunState, Diagnostic> {
        let Some(Loaded { data, .. }) = loaded.get(job.data) else { return Ok(RunState::Open) };
        let folder = RunFolder::resumed(&folder.join(&job.folder))?;
        let mut engine = job.experiment.engine(self.selection)?;
        let (limit, threads) = (self.limit, self.selection.threads);
        let run = RunRequest { folder: &folder, resume: true, stop, limit, threads, command: self.command };
        let ended = job.experiment.train_as(job.identity.clone(), data, engine.as_mut(), &run, watch.run().as_mut())?;
        let results = if ended.outcome.interrupted { None } else { finished(folder.path()) };
        Ok(results.map_or(RunState::Open, |results| RunState::Finished { results }))
    }
}

/// A data set that several runs share.
struct Loaded {
    from: String,
    order: ImageOrder,
    input: Shape,
    data: DataSet,
    identity: DataIdentity,
}

/// A run that can begin.
struct Job {
    setting: usize,
    experiment: Experiment,
    /// Index of its data.
    data: usize,
    identity: Identity,
    /// Within the sweep's folder.
    folder: String,
}

impl Table {
    /// Where a job's run is kept.
    fn run(&mut self, job: &Job) -> Option<&mut SweptRun> {
        self.rows.get_mut(job.setting)?.runs.iter_mut().find(|run| run.folder == job.folder)
    }
}

/// What a run in this folder came to, if it has ended.
fn finished(folder: &Path) -> Option<Box<Results>> {
    let text = std::fs::read_to_string(folder.join(results::FILE_NAME)).ok()?;
    serde_json::from_str(&text).ok()
}

/// How a sweep that was stopped goes on.
pub fn goes_on(folder: &Path) -> String {
    format!("the same command with `--out {} --resume` goes on from here", folder.display())
}

/// Writes what is known so far.
fn keep(table: &Table, folder: &Path) -> Result<(), Diagnostic> {
    let folder = RunFolder::resumed(folder)?;
    let json = serde_json::to_string_pretty(&table.json()).unwrap_or_default() + "\n";
    folder.write(JSON, &json)?;
    folder.write(CSV, &table.csv())
}
