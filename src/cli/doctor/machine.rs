//! What the doctor sees without computing anything: versions, processor, memory, data, disk.

use super::{Finding, Status};
use crate::cli::train::RUNS;
use crate::data::locate::{Located, Request, SearchPlaces, locate};
use crate::data::{DataKind, DataSet, ImageOrder, LoadOptions, Take};
use crate::diagnostic::Diagnostic;
use crate::engine::native::kernels::isa::{ISA_VARIABLE, Isa};
use crate::run::manifest::Machine;
use std::io::Write;
use std::path::Path;

/// Less room than this for results is told.
const LITTLE_ROOM: u64 = 1 << 30;

pub(super) fn findings() -> Vec<Finding> {
    let machine = Machine::this();
    let mut findings = vec![version(&machine), processor(&machine), threads(&machine)];
    findings.extend(memory());
    findings.extend(DataKind::ALL.map(data));
    findings.push(disk());
    findings
}

fn version(machine: &Machine) -> Finding {
    let found = format!("{} for {} on {}", env!("CARGO_PKG_VERSION"), machine.os, machine.architecture);
    if cfg!(debug_assertions) {
        return Finding::new("netc", Status::Note, found + ", built for debugging: slow")
            .help("`cargo build --release` makes `target/release/netc`, which is many times faster");
    }
    Finding::new("netc", Status::Ok, found)
}

fn processor(machine: &Machine) -> Finding {
    let name = machine.processor.clone().unwrap_or_else(|| machine.architecture.clone());
    let can = Isa::available().map(|isa| isa.to_string()).collect::<Vec<_>>().join(", ");
    match Isa::detect() {
        Ok(isa) => {
            let finding = Finding::new("processor", Status::Ok, format!("{name}; kernels for {isa} (it can {can})"));
            if isa == Isa::best() { finding } else { finding.note(format!("{ISA_VARIABLE} says so")) }
        }
        Err(error) => Finding::new("processor", Status::Broken, format!("{name}; it can {can}"))
            .note(error.to_string())
            .help(format!("take {ISA_VARIABLE} out of the environment")),
    }
}

fn threads(machine: &Machine) -> Finding {
    Finding::new("threads", Status::Ok, format!("{}; `--threads N` takes others", machine.cores))
}

/// Linux tells; elsewhere there is nothing to say.
fn memory() -> Option<Finding> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let bytes = |key: &str| -> Option<u64> {
        let line = text.lines().find_map(|line| line.strip_prefix(key))?;
        line.trim_start_matches(':').trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
    };
    let (total, free) = (bytes("MemTotal")?, bytes("MemAvailable")?);
    Some(Finding::new("memory", Status::Ok, format!("{}, {} of it free", size(total), size(free))))
}

fn data(kind: DataKind) -> Finding {
    let missing = |status, error: &crate::data::DataError| {
        let Diagnostic { message, notes, help, .. } = Diagnostic::from(error);
        Finding { about: kind.name(), status, found: message, notes, help }
    };
    let folder = match locate(&Request::Named(kind), &SearchPlaces::from_environment(), None) {
        Ok(Located::Shapes) => return Finding::new(kind.name(), Status::Ok, "built in"),
        Ok(Located::Cifar10(folder) | Located::Mnist(folder)) => folder,
        Err(error) => return missing(Status::Note, &error),
    };
    // One image tells whether the files are what they are called; for the first by rank all would have to be read.
    let one = LoadOptions { input: None, train: Take::First(1), test: Take::First(1), order: ImageOrder::File };
    match DataSet::load(kind.name(), &one) {
        Ok(_) => Finding::new(kind.name(), Status::Ok, folder.display().to_string()),
        Err(error) => missing(Status::Broken, &error),
    }
}

/// Whether runs can leave their results where they go when nothing is said.
fn disk() -> Finding {
    let here = if Path::new(RUNS).is_dir() { Path::new(RUNS) } else { Path::new(".") };
    let name = here.display();
    let written = tempfile::Builder::new().prefix(".netc-doctor-").tempfile_in(here).and_then(|mut file| {
        file.write_all(b"netc doctor")?;
        file.as_file().sync_all()
    });
    if let Err(error) = written {
        return Finding::new(
            "runs",
            Status::Broken,
            format!("`{name}` cannot be written: there is no place for results"),
        )
        .note(error.to_string())
        .help("go to a folder of your own, or give runs one with `--out DIR`");
    }
    match fs4::available_space(here) {
        Ok(room) if room < LITTLE_ROOM => {
            Finding::new("runs", Status::Note, format!("`{name}` can be written, but has only {} free", size(room)))
        }
        Ok(room) => Finding::new("runs", Status::Ok, format!("`{name}` can be written, {} free", size(room))),
        Err(_) => Finding::new("runs", Status::Ok, format!("`{name}` can be written")),
    }
}

fn size(bytes: u64) -> String {
    format!("{:.1} GiB", bytes as f64 / (1u64 << 30) as f64)
}
