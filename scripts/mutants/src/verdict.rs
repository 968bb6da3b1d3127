//! The tests under one mistake.

use crate::tree::{Built, Problem};
use std::io::{BufRead, BufReader};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// A test binary has at least this long.
const LEAST: Duration = Duration::from_secs(20);
/// KiB of address space for a test binary: a mistake may ask for memory without end.
const MEMORY: u64 = 12 << 20;
/// Binaries that write where they stand: one at a time.
static WRITERS: [(&str, Mutex<()>); 3] =
    [("compiler", Mutex::new(())), ("runs", Mutex::new(())), ("allocations", Mutex::new(()))];

/// How a binary ended.
pub enum End {
    Passed,
    /// With what a person should know of it: the first test that failed, a signal, the time limit.
    Failed(String),
}

/// How mistakes are tried.
pub struct Tests<'a> {
    pub built: &'a Built,
    /// Threads of a test binary.
    pub threads: usize,
    /// How long each binary takes without a mistake.
    pub baseline: Vec<Duration>,
}

/// The first test that fails, as its line says it.
fn failure(line: &str) -> Option<&str> {
    line.strip_prefix("test ")?.split_once(" ... FAILED").map(|(name, _)| name)
}

/// Ends a test binary with all that it started.
fn end(child: &mut Child) {
    let _ = Command::new("kill").args(["-KILL", "--", &format!("-{}", child.id())]).stderr(Stdio::null()).status();
    let _ = child.kill();
    let _ = child.wait();
}

fn run(root: &Path, path: &Path, mutant: usize, threads: usize, limit: Duration) -> Result<End, Problem> {
    let mut child = Command::new("sh")
        .args(["-c", &format!("ulimit -v {MEMORY}; exec \"$0\" \"$@\"")])
        .arg(path)
        .arg(format!("--test-threads={threads}"))
        .current_dir(root)
        .env("NETC_MUTANT", mutant.to_string())
        .env("INSTA_UPDATE", "no")
        .env("PROPTEST_DISABLE_FAILURE_PERSISTENCE", "true")
        .env("CARGO_MANIFEST_DIR", root)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()?;
    let (to, from) = channel();
    let stdout = child.stdout.take().ok_or("no output")?;
    // It ends with the pipe, which ends with the last process that has it.
    std::thread::spawn(move || {
        for line in BufReader::new(stdout).split(b'\n') {
            let Ok(line) = line else { break };
            if to.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                break;
            }
        }
    });
    let start = Instant::now();
    loop {
        match from.recv_timeout(limit.saturating_sub(start.elapsed())) {
            Ok(line) => {
                if let Some(test) = failure(&line) {
                    end(&mut child);
                    return Ok(End::Failed(test.to_string()));
                }
            }
            Err(RecvTimeoutError::Timeout) => {
                end(&mut child);
                return Ok(End::Failed(format!("no end within {} s", limit.as_secs())));
            }
            Err(RecvTimeoutError::Disconnected) => {
                let status = child.wait()?;
                return Ok(match status.signal() {
                    Some(signal) => End::Failed(format!("ended by signal {signal}")),
                    None if status.success() => End::Passed,
                    None => End::Failed(format!("exit code {}", status.code().unwrap_or_default())),
                });
            }
        }
    }
}

impl Tests<'_> {
    /// Every binary without a mistake: how long it takes. All have to pass.
    pub fn measure(&mut self) -> Result<(), Problem> {
        self.baseline.clear();
        for (name, path) in &self.built.tests {
            let start = Instant::now();
            match run(&self.built.root, path, 0, self.threads, Duration::from_secs(1200))? {
                End::Passed => self.baseline.push(start.elapsed()),
                End::Failed(how) => return Err(format!("{name} fails without a mistake: {how}").into()),
            }
            eprintln!("{name}: {:.1} s", start.elapsed().as_secs_f64());
        }
        Ok(())
    }

    /// What saw the mistake: the binary, and how. Nothing if none did.
    pub fn seen(&self, mutant: usize) -> Result<Option<(String, String)>, Problem> {
        for ((name, path), baseline) in self.built.tests.iter().zip(&self.baseline) {
            let alone = WRITERS.iter().find(|(writer, _)| writer == name).map(|(_, lock)| lock.lock());
            let limit = LEAST.max(*baseline * 4);
            let mut end = run(&self.built.root, path, mutant, self.threads, limit)?;
            // Runs are killed by the clock: what a busy machine made fail is seen by nobody.
            if name == "runs" && matches!(end, End::Failed(_)) {
                end = run(&self.built.root, path, mutant, self.threads, limit)?;
            }
            drop(alone);
            if let End::Failed(how) = end {
                return Ok(Some((name.clone(), how)));
            }
        }
        Ok(None)
    }
}
