//! `netc sweep`: trains every combination of some values, with several seeds, and holds the results side by side.
//! `netc train --runs N` is a sweep of one setting.
//!
//! Everything is compiled and held against its data before the first run begins. Each run has a folder of its own, as
//! `netc train` would leave it, so that a sweep that was stopped goes on where it was.

mod grid;
mod table;

use super::compile::{self, Compiled, Options};
use super::output::Output;
use super::train::{self, RUNS, TrainArguments};
use crate::data::DataSet;
use crate::diagnostic::{Code, Diagnostic};
use crate::engine::select;
use crate::graph::dims::Shape;
use crate::syntax::span::SourceMap;
use crate::train::folder::RunFolder;
use crate::train::identity::{DataIdentity, Identity};
use crate::train::input::Input;
use crate::train::manifest::{DataRequest, FILE_NAME, Manifest};
use crate::train::progress::{duration, percent};
use crate::train::results::{self, Results};
use crate::train::session::Session;
use crate::train::stop::Stop;
use grid::Grid;
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use table::{Row, Run, State, Sweep};

/// Name of the file with everything a sweep came to; it is what tells its folder from others.
const JSON: &str = "sweep.json";
/// Name of the file with a line for each run.
const CSV: &str = "sweep.csv";

/// `netc sweep`, beside what every command takes that reads a spec.
#[derive(Debug, Clone, clap::Args)]
pub struct SweepArguments {
    #[command(flatten)]
    /// As for a single run.
    pub train: TrainArguments,
    /// So many runs of each setting, with the seeds that follow one another from the recipe's on
    #[arg(long, value_name = "N", default_value = "1")]
    pub runs: NonZeroU64,
    /// Prints the table as Markdown
    #[arg(long, conflicts_with = "json")]
    pub markdown: bool,
    /// Prints everything as JSON
    #[arg(long)]
    pub json: bool,
}

/// How results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Text,
    Markdown,
    Json,
}

/// Runs a sweep.
pub fn sweep(options: &Options, args: &SweepArguments, output: &Output) -> ExitCode {
    let form = match (args.json, args.markdown) {
        (true, _) => Form::Json,
        (_, true) => Form::Markdown,
        _ => Form::Text,
    };
    let mut own = args.train.sets();
    own.extend(options.data.iter().map(|data| format!("data={data}")));
    match Grid::new(&options.sets, &options.parameters, &own) {
        Ok(grid) => run(&grid, options, &args.train, args.runs, form, output),
        Err(diagnostics) => {
            output.diagnostics(&diagnostics, &SourceMap::new());
            ExitCode::FAILURE
        }
    }
}

/// Runs one setting several times.
pub fn repeat(options: &Options, args: &TrainArguments, runs: NonZeroU64, output: &Output) -> ExitCode {
    run(&Grid::single(&options.sets, &options.parameters), options, args, runs, Form::Text, output)
}

fn run(
    grid: &Grid,
    options: &Options,
    args: &TrainArguments,
    runs: NonZeroU64,
    form: Form,
    output: &Output,
) -> ExitCode {
    let Some(plans) = compiled(grid, options, args, runs, output) else { return ExitCode::FAILURE };
    match carry_out(grid, plans, args, form, output) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            output.diagnostics(&[error], &SourceMap::new());
            ExitCode::FAILURE
        }
    }
}

/// A run to be.
struct Plan {
    /// Index of its setting.
    setting: usize,
    compiled: Compiled,
}

/// Compiles every run; what is wrong with several is told once.
fn compiled(
    grid: &Grid,
    options: &Options,
    args: &TrainArguments,
    runs: NonZeroU64,
    output: &Output,
) -> Option<Vec<Plan>> {
    let (mut plans, mut told, mut failed) = (Vec::new(), Vec::new(), false);
    let mut tell = |diagnostics: &[Diagnostic], sources: &SourceMap| {
        for diagnostic in diagnostics {
            let what = (diagnostic.code, diagnostic.message.clone());
            if !told.contains(&what) {
                output.diagnostics(std::slice::from_ref(diagnostic), sources);
                told.push(what);
            }
        }
    };
    for (index, setting) in grid.settings.iter().enumerate() {
        let options = Options { sets: setting.sets.clone(), parameters: setting.parameters.clone(), ..options.clone() };
        let mut first = None;
        for number in 0..runs.get() {
            let mut own = args.sets();
            // The first run is what `netc train` would make; the others are told apart from it by their seeds.
            if let Some(seed) = first {
                let seed = number.checked_add(seed).map_or("none".into(), |seed: u64| seed.to_string());
                own.push(format!("seed={seed}"));
            }
            match compile::compile(&args.spec, &options.request(own)) {
                Ok(compiled) => {
                    first = first.or(Some(compiled.recipe.seed));
                    tell(&compiled.warnings, &compiled.sources);
                    plans.push(Plan { setting: index, compiled });
                }
                Err(failure) => {
                    tell(&failure.diagnostics, &failure.sources);
                    failed = true;
                    break;
                }
            }
        }
    }
    (!failed).then_some(plans)
}

/// A data set that several runs share.
struct Loaded {
    from: String,
    input: Shape,
    data: DataSet,
    identity: DataIdentity,
}

/// A run that can begin.
struct Job {
    setting: usize,
    compiled: Compiled,
    /// Index of its data.
    data: usize,
    identity: Identity,
    /// Within the sweep's folder.
    folder: String,
}

/// `false` when a run diverged.
fn carry_out(
    grid: &Grid,
    plans: Vec<Plan>,
    args: &TrainArguments,
    form: Form,
    output: &Output,
) -> Result<bool, Diagnostic> {
    let mut loaded: Vec<Loaded> = Vec::new();
    let mut jobs = Vec::new();
    for Plan { setting, compiled } in plans {
        let job = job(grid, setting, compiled, args, &mut loaded);
        jobs.push(job.map_err(|error| match grid.settings.get(setting) {
            Some(setting) if !grid.axes.is_empty() => error.note(format!("in the setting {}", grid.describe(setting))),
            _ => error,
        })?);
    }
    let net = jobs.first().map(|job| job.compiled.program.net.clone()).unwrap_or_default();
    let mut sweep = Sweep {
        net: net.clone(),
        axes: grid.axes.iter().map(|axis| axis.key.clone()).collect(),
        rows: grid.settings.iter().map(|s| Row { values: s.values.clone(), runs: Vec::new() }).collect(),
    };
    let folder = folder(args, &format!("{net}-sweep"), &jobs)?;
    for job in &jobs {
        let state = finished(&folder.join(&job.folder)).map_or(State::Open, |results| State::Finished { results });
        let run = Run { seed: job.compiled.recipe.seed, folder: job.folder.clone(), state };
        sweep.rows.get_mut(job.setting).into_iter().for_each(|row| row.runs.push(run.clone()));
    }
    let stop = Stop::on_signal()?;
    // From here on the folder is known to be a sweep's.
    keep(&sweep, &folder)?;
    let (runs, settings) = (jobs.len(), grid.settings.len().max(1));
    let each = if settings > 1 { format!(" ({settings} settings, {} each)", runs / settings) } else { String::new() };
    eprintln!("{net}: {runs} run{}{each}; results in {}", if runs == 1 { "" } else { "s" }, folder.display());
    let mut interrupted = false;
    for (index, job) in jobs.iter().enumerate() {
        let place = format!("[{}/{}]", index + 1, jobs.len());
        let Some(run) = sweep.run(job) else { continue };
        if let State::Finished { results } = &run.state {
            eprintln!("{place} {}: {} (ended before)", job.folder, told(results));
            continue;
        }
        eprintln!("{place} {}", job.folder);
        let state = one(job, args, &loaded, &folder, &stop);
        let state = match state {
            Err(error) if error.code == Code::LossNotFinite => {
                let why = error.message.clone();
                output.diagnostics(&[error], &SourceMap::new());
                State::Diverged { why }
            }
            Err(error) => {
                return Err(error
                    .note(format!("the sweep stopped at the run `{}`", job.folder))
                    .help(goes_on(&folder)));
            }
            Ok(state) => state,
        };
        interrupted = state == State::Open;
        if let State::Finished { results } = &state {
            eprintln!("{place} {}, {} of training", told(results), duration(results.seconds));
        }
        run.state = state;
        keep(&sweep, &folder)?;
        if interrupted {
            break;
        }
    }
    keep(&sweep, &folder)?;
    match form {
        Form::Text => output.result(&sweep.text()),
        Form::Markdown => output.result(&sweep.markdown()),
        Form::Json => output.json(&sweep.json()),
    }
    if interrupted {
        eprintln!("interrupted: not all runs have ended; {}", goes_on(&folder));
    }
    Ok(sweep.rows.iter().flat_map(|row| &row.runs).all(|run| !matches!(run.state, State::Diverged { .. })))
}

impl Sweep {
    /// Where a job's run is kept.
    fn run(&mut self, job: &Job) -> Option<&mut Run> {
        self.rows.get_mut(job.setting)?.runs.iter_mut().find(|run| run.folder == job.folder)
    }
}

/// Holds a run against its data and its engine, so that it cannot fail on them later.
fn job(
    grid: &Grid,
    setting: usize,
    compiled: Compiled,
    args: &TrainArguments,
    loaded: &mut Vec<Loaded>,
) -> Result<Job, Diagnostic> {
    let (from, input) = (&compiled.recipe.data, compiled.program.input());
    let there = loaded.iter().position(|loaded| loaded.from == *from && loaded.input == input);
    let data = match there {
        Some(index) => index,
        None => {
            let request = DataRequest { from: from.clone(), limit: args.limit };
            let data = train::load(&request, &compiled.program)?;
            let identity = DataIdentity::of(&data);
            loaded.push(Loaded { from: from.clone(), input, data, identity });
            loaded.len() - 1
        }
    };
    let engine = select::engine(args.selection, compiled.program.clone())?;
    let Some(Loaded { data: images, identity, .. }) = loaded.get(data) else {
        return Err(Diagnostic::new(Code::RunFailed, "the data of a run is gone"));
    };
    Input::new(images, &compiled.recipe).map_err(|error| Diagnostic::from(&error))?;
    let identity = Identity::with(engine.as_ref(), &compiled.recipe, identity.clone());
    let seed = format!("seed-{}", compiled.recipe.seed);
    let folder = match grid.settings.get(setting).map(|setting| grid.folder(setting)) {
        Some(name) if !name.is_empty() => format!("{name}/{seed}"),
        _ => seed,
    };
    Ok(Job { setting, compiled, data, identity, folder })
}

/// The sweep's folder, and that what is in it is of this sweep.
fn folder(args: &TrainArguments, name: &str, jobs: &[Job]) -> Result<PathBuf, Diagnostic> {
    let runs = Path::new(RUNS);
    let folder = match (&args.out, args.resume) {
        (Some(out), _) => out.clone(),
        (None, true) => RunFolder::newest(runs, name),
        (None, false) => return RunFolder::numbered(runs, name).map(|folder| folder.path().to_path_buf()),
    };
    if !args.resume && folder.join(JSON).exists() {
        let message = format!("`{}` holds a sweep already", folder.display());
        let diagnostic = Diagnostic::new(Code::OutputFailed, message);
        return Err(
            diagnostic.help("go on with it with `--resume`, choose another folder with `--out`, or remove this one")
        );
    }
    for job in jobs {
        let path = folder.join(&job.folder);
        if !path.join(FILE_NAME).exists() {
            continue;
        }
        let differences = Manifest::read(&path)?.identity.differences(&job.identity);
        if !differences.is_empty() {
            let message = format!("`{}` is of another run", path.display());
            let diagnostic = Diagnostic::new(Code::CheckpointMismatch, message);
            let diagnostic = differences.into_iter().fold(diagnostic, Diagnostic::note);
            return Err(diagnostic.help("give the same options as before to go on with a sweep, or another `--out`"));
        }
    }
    Ok(RunFolder::resumed(&folder)?.path().to_path_buf())
}

/// What a run in this folder came to, if it has ended.
fn finished(folder: &Path) -> Option<Box<Results>> {
    let text = std::fs::read_to_string(folder.join(results::FILE_NAME)).ok()?;
    serde_json::from_str(&text).ok()
}

/// Makes a run, or the rest of it.
fn one(job: &Job, args: &TrainArguments, loaded: &[Loaded], folder: &Path, stop: &Stop) -> Result<State, Diagnostic> {
    let Some(Loaded { data, from, .. }) = loaded.get(job.data) else { return Ok(State::Open) };
    let compiled = &job.compiled;
    let folder = RunFolder::resumed(&folder.join(&job.folder))?;
    let engine = select::engine(args.selection, compiled.program.clone())?;
    let request = DataRequest { from: from.clone(), limit: args.limit };
    let manifest = train::manifest(compiled, args, request, job.identity.clone());
    let session = Session {
        recipe: &compiled.recipe,
        data,
        identity: job.identity.clone(),
        spec: train::spec_hash(&compiled.sources),
        folder: &folder,
        resume: true,
        stop,
        quiet: true,
    };
    let outcome = session.run(engine, Some(&manifest))?;
    let results = if outcome.interrupted { None } else { finished(folder.path()) };
    Ok(results.map_or(State::Open, |results| State::Finished { results }))
}

fn told(results: &Results) -> String {
    format!("final test accuracy {}", percent(results.last.test.accuracy))
}

fn goes_on(folder: &Path) -> String {
    format!("the same command with `--out {} --resume` goes on from here", folder.display())
}

/// Writes what is known so far.
fn keep(sweep: &Sweep, folder: &Path) -> Result<(), Diagnostic> {
    let folder = RunFolder::resumed(folder)?;
    let json = serde_json::to_string_pretty(&sweep.json()).unwrap_or_default() + "\n";
    folder.write(JSON, &json)?;
    folder.write(CSV, &sweep.csv())
}
