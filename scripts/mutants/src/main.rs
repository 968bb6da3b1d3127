//! Plants mistakes in netc and tells which of them its tests see: `docs/testing.md`. `run.sh` starts it.

mod plant;
mod tree;
mod verdict;

use plant::Mutant;
use serde_json::{Value, json};
use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write as _;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Mutex;
use std::time::{Duration, Instant};
use tree::{Built, FOLDER, Problem, room};
use verdict::Tests;

/// Of a hundred mistakes, so many have to be seen.
const NEEDED: f64 = 97.0;

struct Options {
    sample: Option<usize>,
    seed: u64,
    only: Option<usize>,
    jobs: usize,
    list: bool,
}

fn options() -> Result<Options, Problem> {
    let mut options = Options { sample: Some(240), seed: 1, only: None, jobs: 1, list: false };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut number = || arguments.next().and_then(|text| text.parse::<usize>().ok()).ok_or(format!("{argument} N"));
        match argument.as_str() {
            "--sample" => options.sample = Some(number()?),
            "--seed" => options.seed = number()? as u64,
            "--only" => options.only = Some(number()?),
            "--jobs" => options.jobs = number()?.max(1),
            "--all" => options.sample = None,
            "--list" => options.list = true,
            _ => return Err(format!("no option {argument}; run.sh says which there are").into()),
        }
    }
    Ok(options)
}

/// As many from each room, one after another, drawn by what is planted and not by its number: a mistake that is gone
/// leaves the others in the sample.
fn sample(mutants: &[Mutant], count: usize, seed: u64) -> Vec<&Mutant> {
    let mut rooms: BTreeMap<&str, Vec<(u64, &Mutant)>> = BTreeMap::new();
    for mutant in mutants {
        let mut hasher = DefaultHasher::new();
        (seed, &mutant.file, &mutant.change, mutant.number).hash(&mut hasher);
        rooms.entry(room(&mutant.file).unwrap_or_default()).or_default().push((hasher.finish(), mutant));
    }
    let mut rooms: Vec<VecDeque<&Mutant>> = rooms
        .into_values()
        .map(|mut room| {
            room.sort_by_key(|(draw, _)| *draw);
            room.into_iter().map(|(_, mutant)| mutant).collect()
        })
        .collect();
    let mut chosen = Vec::new();
    while chosen.len() < count && rooms.iter().any(|room| !room.is_empty()) {
        let turn: Vec<&Mutant> = rooms.iter_mut().filter_map(VecDeque::pop_front).collect();
        chosen.extend(turn.into_iter().take(count - chosen.len()));
    }
    chosen
}

/// Verdicts of earlier runs that still hold: what was seen is, as long as the mistakes are the same; what was not seen
/// may be by other tests.
fn known(built: &Built) -> BTreeMap<u64, Value> {
    let text = std::fs::read_to_string(Path::new(FOLDER).join("results.jsonl")).unwrap_or_default();
    let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines
        .filter(|line| line["list"] == built.list.as_str())
        .filter(|line| line["caught"] == true || line["sources"] == built.sources.as_str())
        .filter_map(|line| Some((line["number"].as_u64()?, line)))
        .collect()
}

fn report(chosen: &[&Mutant], verdicts: &BTreeMap<u64, Value>) -> (String, f64) {
    let mut rooms: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    let mut binaries: BTreeMap<String, usize> = BTreeMap::new();
    let (mut missed, mut caught, mut seconds) = (String::new(), 0, 0.0);
    for mutant in chosen {
        let Some(verdict) = verdicts.get(&(mutant.number as u64)) else { continue };
        let count = rooms.entry(room(&mutant.file).unwrap_or_default()).or_default();
        seconds += verdict["seconds"].as_f64().unwrap_or_default();
        if verdict["caught"] == true {
            caught += 1;
            count.0 += 1;
            *binaries.entry(verdict["by"].as_str().unwrap_or_default().to_string()).or_default() += 1;
        } else {
            count.1 += 1;
            let Mutant { number, file, line, change, .. } = mutant;
            let _ = writeln!(missed, "- {number}, {file}:{line}: {change}");
        }
    }
    let all: usize = rooms.values().map(|(caught, missed)| caught + missed).sum();
    let share = 100.0 * caught as f64 / all.max(1) as f64;
    let mut text = format!("# {caught} of {all} mistakes seen ({share:.1} %)\n\n");
    let _ = writeln!(text, "{:.1} s each. Seen first by: {binaries:?}.\n", seconds / all.max(1) as f64);
    let _ = writeln!(text, "| room | seen | not seen |\n| --- | --- | --- |");
    for (room, (caught, missed)) in rooms {
        let _ = writeln!(text, "| {room} | {caught} | {missed} |");
    }
    if !missed.is_empty() {
        let _ = write!(text, "\n## Not seen\n\n{missed}");
    }
    (text, share)
}

fn run() -> Result<bool, Problem> {
    let options = options()?;
    let built = tree::build()?;
    let chosen: Vec<&Mutant> = match (options.only, options.sample) {
        (Some(number), _) => built.mutants.iter().filter(|mutant| mutant.number == number).collect(),
        (None, Some(count)) => sample(&built.mutants, count, options.seed),
        (None, None) => built.mutants.iter().collect(),
    };
    if options.list {
        for Mutant { number, file, line, change, .. } in chosen {
            println!("{number}, {file}:{line}: {change}");
        }
        return Ok(true);
    }
    if chosen.is_empty() {
        return Err("there is no such mistake".into());
    }
    let mut verdicts = known(&built);
    if options.only.is_some() {
        verdicts.clear();
    }
    let left: VecDeque<&Mutant> =
        chosen.iter().copied().filter(|mutant| !verdicts.contains_key(&(mutant.number as u64))).collect();
    eprintln!("{} mistakes, {} of them to be tried", chosen.len(), left.len());
    if !left.is_empty() {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let threads = (cores / options.jobs).max(1);
        let mut tests = Tests { built: &built, threads, baseline: Vec::new() };
        tests.measure()?;
        if options.jobs > 1 {
            // Measured alone, run beside others.
            tests.baseline.iter_mut().for_each(|time: &mut Duration| *time *= 2);
        }
        let results = Path::new(FOLDER).join("results.jsonl");
        let file = std::fs::OpenOptions::new().create(true).append(true).open(results)?;
        let (left, file, fresh) = (Mutex::new(left), Mutex::new(file), Mutex::new(Vec::new()));
        let work = || -> Result<(), Problem> {
            loop {
                let next = left.lock().map_err(|_| "a worker died")?.pop_front();
                let Some(mutant) = next else { return Ok(()) };
                let start = Instant::now();
                let seen = tests.seen(mutant.number)?;
                let seconds = start.elapsed().as_secs_f64();
                let Mutant { number, file: name, line, change, .. } = mutant;
                let (by, how) = seen.clone().unwrap_or_default();
                let words = if seen.is_some() { format!("{by}: {how}") } else { "NOT SEEN".into() };
                eprintln!("{number}, {name}:{line}: {change}: {words} ({seconds:.1} s)");
                let verdict = json!({
                    "list": built.list, "sources": built.sources, "number": number, "caught": seen.is_some(),
                    "by": by, "how": how, "seconds": seconds,
                });
                writeln!(file.lock().map_err(|_| "a worker died")?, "{verdict}")?;
                fresh.lock().map_err(|_| "a worker died")?.push((*number as u64, verdict));
            }
        };
        std::thread::scope(|scope| -> Result<(), Problem> {
            let workers: Vec<_> = (0..options.jobs).map(|_| scope.spawn(work)).collect();
            workers.into_iter().try_for_each(|worker| worker.join().map_err(|_| "a worker died")?)
        })?;
        verdicts.extend(fresh.into_inner().map_err(|_| "a worker died")?);
    }
    let (text, share) = report(&chosen, &verdicts);
    std::fs::write(Path::new(FOLDER).join("report.md"), &text)?;
    print!("{text}");
    Ok(share >= NEEDED)
}

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(problem) => {
            eprintln!("{problem}");
            ExitCode::from(2)
        }
    }
}
