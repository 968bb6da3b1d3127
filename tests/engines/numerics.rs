//! The bits themselves: the weights of every shipped spec after 20 steps, for each instruction set.
//!
//! Whoever changes them raises `NUMERICS` (src/run/numerics.rs), says why in CHANGELOG.md, and then writes the table
//! anew with `NETC_BLESS=1 cargo test --test engines numerics` on a machine with every instruction set.

use crate::skip::skip;
use netc::internals::data::{DataSet, Take};
use netc::internals::engine::State;
use netc::internals::engine::native::Convolution;
use netc::internals::engine::native::kernels::isa::Isa;
use netc::internals::engine::select::Selection;
use netc::internals::experiment::{Experiment, Request, RunRequest, load_some};
use netc::internals::run::folder::RunFolder;
use netc::internals::run::numerics::NUMERICS;
use netc::internals::run::tensor_file::sha256;
use netc::internals::train::observer::Observer;
use netc::internals::train::stop::Stop;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

const TABLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/numerics.txt");

const STEPS: u64 = 20;

/// Images a batch. From four blocks of 16 on the order of sums over them shows; the large nets take what time allows.
fn batch(spec: &str) -> usize {
    match spec {
        "lenet5" | "lenet5-mnist" => 100,
        "resnet20" => 50,
        _ => 10,
    }
}

/// What takes 20 s of a gate to show what ResNet-20 shows as well; `NETC_ALL_NUMERICS=1` computes it too.
fn is_slow(spec: &str, isa: Isa) -> bool {
    isa == Isa::Portable && matches!(spec, "resnet32" | "resnet56")
}

/// Stops a run after so many steps, if any.
struct StopAfter<'a>(Option<u64>, &'a Stop);

impl Observer for StopAfter<'_> {
    fn is_due(&self, step: u64, _: u64) -> bool {
        if self.0 == Some(step) {
            self.1.request();
        }
        false
    }
}

struct Net {
    experiment: Experiment,
    data: DataSet,
}

impl Net {
    fn new(spec: &str) -> Net {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("specs").join(spec).with_extension("net");
        let batch = batch(spec);
        let sets = ["data=shapes".into(), format!("batch={batch}"), format!("steps={STEPS}")];
        let request = Request { sets: sets.to_vec(), ..Request::default() };
        let experiment = Experiment::compile(&path, &request).unwrap();
        // The last batch of an epoch is smaller.
        let images = Take::First(5 * batch / 2);
        let data = load_some("shapes", experiment.recipe.order, &experiment.program, images, Take::First(1)).unwrap();
        Net { experiment, data }
    }

    /// SHA-256 of all that the engine holds after the run.
    fn weights(&self, selection: Selection, stop_after: Option<u64>) -> String {
        let folder = tempfile::tempdir().unwrap();
        let folder = RunFolder::resumed(folder.path()).unwrap();
        let mut engine = self.experiment.engine(selection).unwrap();
        let mut run = |stop_after: Option<u64>| {
            let stop = Stop::new();
            let request = RunRequest { resume: true, ..RunRequest::new(&folder, &stop) };
            let mut watch = StopAfter(stop_after, &stop);
            self.experiment.train(&self.data, engine.as_mut(), &request, &mut watch).unwrap().outcome.position.step
        };
        if stop_after.is_some() {
            assert_eq!(Some(run(stop_after)), stop_after);
        }
        assert_eq!(run(None), STEPS);
        hash(&engine.state().unwrap())
    }
}

fn hash(state: &State) -> String {
    let State { parameters, velocities, squares, averages, statistics } = state;
    let tensors = [parameters, velocities, squares, averages, statistics].into_iter().flatten();
    sha256(tensors.flatten().flat_map(|number| number.to_le_bytes()).collect::<Vec<u8>>())
}

fn specs() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("specs");
    let paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let name = |path: PathBuf| {
        let is_spec = path.extension().is_some_and(|extension| extension == "net");
        is_spec.then(|| path.file_stem().unwrap().to_str().unwrap().to_string())
    };
    let mut names: Vec<String> = paths.filter_map(name).collect();
    names.sort();
    names
}

/// The hash of each "spec, instruction set", and the numerics that they are of.
fn table() -> (u32, BTreeMap<String, String>) {
    let text = std::fs::read_to_string(TABLE).unwrap_or_default();
    let mut lines = text.lines().filter(|line| !line.starts_with('#'));
    let numerics = lines.next().and_then(|line| line.strip_prefix("numerics ")?.parse().ok()).unwrap_or(0);
    let rows = lines.filter_map(|line| line.rsplit_once(' '));
    (numerics, rows.map(|(key, hash)| (key.trim().to_string(), hash.to_string())).collect())
}

fn write_table(rows: &BTreeMap<String, String>) {
    let (numerics, was) = table();
    let changed = rows.iter().find(|(key, hash)| was.get(*key).is_some_and(|old| old != *hash));
    if let (Some((key, _)), true) = (changed, numerics == NUMERICS) {
        panic!("`{key}` has other weights: raise NUMERICS in src/run/numerics.rs before the table is written anew");
    }
    let mut text =
        String::from("# SHA-256 of weights, velocities and statistics after 20 steps: see tests/engines/numerics.rs\n");
    text += &format!("numerics {NUMERICS}\n");
    // What this machine cannot compute stays.
    let rows = if numerics == NUMERICS { was.into_iter().chain(rows.clone()).collect() } else { rows.clone() };
    text.extend(rows.iter().map(|(key, hash)| format!("{key:<24} {hash}\n")));
    std::fs::write(TABLE, text).unwrap();
}

/// Numbers of threads take turns: all must give the same.
#[test]
fn weights_of_every_spec_are_the_same_bits_on_any_number_of_threads() {
    let bless = std::env::var_os("NETC_BLESS").is_some();
    let all = bless || std::env::var_os("NETC_ALL_NUMERICS").is_some();
    let mut found = BTreeMap::new();
    for isa in Isa::ALL.into_iter().filter(|isa| !isa.is_available()) {
        skip("ALL_INSTRUCTIONS", &format!("this machine has no {isa}"));
    }
    for (index, spec) in specs().iter().enumerate() {
        let net = Net::new(spec);
        for (other, isa) in Isa::available().enumerate().filter(|(_, isa)| all || !is_slow(spec, *isa)) {
            let threads = [1, 2, 3, 7][(index + other) % 4];
            let selection = Selection { isa: Some(isa), threads: Some(threads), ..Selection::default() };
            found.insert(format!("{spec} {isa}"), net.weights(selection, None));
        }
    }
    if bless {
        return write_table(&found);
    }
    let (numerics, expected) = table();
    assert_eq!(numerics, NUMERICS, "the table is of other numerics");
    for (key, hash) in &found {
        assert_eq!(expected.get(key), Some(hash), "`{key}` has other weights: see src/run/numerics.rs");
    }
}

/// On one net every number of threads, and a run that was stopped and gone on with, on each.
#[test]
fn a_resumed_run_has_the_weights_of_the_table() {
    let (_, expected) = table();
    let net = Net::new("lenet5");
    for isa in Isa::available() {
        for (threads, stop_after) in [(1, 1), (2, 7), (3, 11), (7, 19)] {
            let selection = Selection {
                isa: Some(isa),
                threads: Some(threads),
                convolution: Convolution::Fastest,
                ..Selection::default()
            };
            let found = net.weights(selection, Some(stop_after));
            assert_eq!(expected.get(&format!("lenet5 {isa}")), Some(&found), "{isa}, {threads} threads");
        }
    }
}
