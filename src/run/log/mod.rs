//! The results of a run's epochs as files: JSON lines and CSV, and [`events`] for TensorBoard. The first two are
//! written anew after each epoch, whole or not at all: there is no half line in them after a crash, and a resumed run
//! has each epoch once.

pub mod events;
mod tfrecord;

use super::folder::RunFolder;
use super::log::events::Events;
use super::tensor_file::write_atomically;
use crate::train::report::{EpochReport, Score};
use std::fmt::Write;
use std::io;
use std::path::{Path, PathBuf};

/// The files, and what is in them.
#[derive(Debug)]
pub struct Log {
    json: PathBuf,
    csv: PathBuf,
    events: Events,
    epochs: Vec<EpochReport>,
}

/// What is in a file of metrics; lines that are none are left out.
pub fn read(json: &Path) -> Vec<EpochReport> {
    let text = std::fs::read_to_string(json).unwrap_or_default();
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

impl Log {
    /// Of a run that stands after `step` steps: epochs that ended later will end again.
    ///
    /// # Errors
    /// The path that could not be written, and why.
    pub fn after(step: u64, folder: &RunFolder) -> Result<Self, (PathBuf, io::Error)> {
        let (json, csv, events) = (folder.metrics(), folder.csv(), Events::in_folder(folder.path()));
        let epochs: Vec<_> = read(&json).into_iter().filter(|epoch| epoch.step <= step).collect();
        let begun = if step == 0 { events.begin() } else { events.resume(&epochs) };
        begun.map_err(|error| (events.path().to_path_buf(), error))?;
        Ok(Log { json, csv, events, epochs })
    }

    /// The epochs so far.
    pub fn epochs(&self) -> &[EpochReport] {
        &self.epochs
    }

    /// Another epoch is over.
    ///
    /// # Errors
    /// The path that could not be written, and why.
    pub fn push(&mut self, report: &EpochReport) -> Result<(), (PathBuf, io::Error)> {
        self.epochs.push(*report);
        let mut json = String::new();
        for epoch in &self.epochs {
            json += &serde_json::to_string(epoch).map_err(|error| (self.json.clone(), error.into()))?;
            json.push('\n');
        }
        for (path, text) in [(&self.json, json), (&self.csv, self.csv())] {
            write_atomically(path, text.as_bytes()).map_err(|error| (path.clone(), error))?;
        }
        self.events.push(report).map_err(|error| (self.events.path().to_path_buf(), error))
    }

    fn csv(&self) -> String {
        let mut text = COLUMNS.join(",") + "\n";
        for epoch in &self.epochs {
            let EpochReport { step, rate, images_per_second, seconds, waited, .. } = epoch;
            let _ = write!(text, "{},{step},{rate}", epoch.epoch);
            for score in [Some(epoch.train), epoch.held_out, Some(epoch.test), epoch.test_moving, epoch.test_last] {
                let _ = match score {
                    Some(Score { loss, accuracy, .. }) => write!(text, ",{loss},{accuracy}"),
                    None => write!(text, ",,"),
                };
            }
            let _ = writeln!(text, ",{images_per_second},{seconds},{waited}");
        }
        text
    }
}

const COLUMNS: [&str; 16] = [
    "epoch",
    "step",
    "rate",
    "train_loss",
    "train_accuracy",
    "held_out_loss",
    "held_out_accuracy",
    "test_loss",
    "test_accuracy",
    "test_moving_loss",
    "test_moving_accuracy",
    "test_last_loss",
    "test_last_accuracy",
    "images_per_second",
    "seconds",
    "waited",
];

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::run::folder::tests::Scratch;

    /// An epoch of ten steps.
    pub fn report(epoch: u64) -> EpochReport {
        crate::train::report::tests::epoch(epoch, 1.0 / 3.0, None)
    }

    #[test]
    fn a_resumed_run_has_each_epoch_once() {
        let scratch = Scratch::new("log");
        let folder = RunFolder::at(&scratch.0).unwrap();
        let (json, csv) = (folder.metrics(), folder.csv());
        let mut log = Log::after(0, &folder).unwrap();
        (1..=3).for_each(|epoch| log.push(&report(epoch)).unwrap());
        let whole = (std::fs::read(&json).unwrap(), std::fs::read(&csv).unwrap());
        // As a crash never leaves it, but an old netc might.
        std::fs::write(&json, [&whole.0[..], b"{\"epoch\": 4, \"st"].concat()).unwrap();
        let mut log = Log::after(20, &folder).unwrap();
        assert_eq!(log.epochs, [report(1), report(2)]);
        log.push(&report(3)).unwrap();
        assert_eq!((std::fs::read(&json).unwrap(), std::fs::read(&csv).unwrap()), whole);
        let text = String::from_utf8(whole.1).unwrap();
        let widths: Vec<usize> = text.lines().map(|line| line.split(',').count()).collect();
        assert_eq!(widths, [COLUMNS.len(); 4]);
        let loss = "0.30000000000000004,0.3333333333333333";
        assert_eq!(text.lines().nth(1), Some(format!("1,10,0.1,{loss},,,{loss},{loss},,,5.5,0.7,0").as_str()));
    }
}
