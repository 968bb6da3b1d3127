//! A sweep that is killed goes on where it was, and comes to the same table.

use crate::command::{netc, scratch};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

fn sweep(folder: &Path) -> Command {
    let setting = ["--limit", "132", "--epochs", "2", "--batch", "16", "--set", "optimizer.momentum=0,0.9"];
    let mut command = netc(&["sweep", "tests/resume/small.net", "--runs", "2", "--resume", "--out"]);
    command.arg(folder).args(setting).stderr(Stdio::null());
    command
}

/// The lines of `sweep.csv`, without the seconds.
fn csv(folder: &Path) -> Vec<Vec<String>> {
    let text = std::fs::read_to_string(folder.join("sweep.csv")).unwrap();
    let cells = |line: &str| {
        let cells = line.split(',').enumerate().filter(|(column, _)| *column != 5);
        cells.map(|(_, cell)| cell.to_string()).collect()
    };
    text.lines().map(cells).collect()
}

#[test]
fn a_killed_sweep_goes_on() {
    let whole = scratch("sweep-whole");
    let output = sweep(&whole).output().unwrap();
    assert!(output.status.success());
    let expected = csv(&whole);
    assert_eq!(expected[0][..4], ["optimizer.momentum", "seed", "status", "folder"]);
    assert!(expected.len() == 5 && expected[1..].iter().all(|line| line[2] == "finished"), "{expected:?}");

    let folder = scratch("sweep-killed");
    let mut child = sweep(&folder).spawn().unwrap();
    let first = folder.join("optimizer.momentum=0/seed-0/results.json");
    while !first.exists() && child.try_wait().unwrap().is_none() {
        std::thread::sleep(Duration::from_millis(2));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let ended = std::fs::metadata(&first).unwrap().modified().unwrap();
    let again = sweep(&folder).output().unwrap();
    assert!(again.status.success());
    assert_eq!(csv(&folder), expected);
    assert_eq!(again.stdout, output.stdout);
    // What had ended was not made again.
    assert_eq!(std::fs::metadata(&first).unwrap().modified().unwrap(), ended);
    let weights =
        |folder: &Path| std::fs::read(folder.join("optimizer.momentum=0.9/seed-1/weights.safetensors")).unwrap();
    assert!(weights(&folder) == weights(&whole));
}
