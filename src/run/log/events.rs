//! The results of a run's epochs as a TensorBoard event file, beside the other metrics.
//!
//! TensorBoard follows such a file while it grows, so it is appended to, never replaced: a run that goes on cuts it off
//! after its checkpoint and appends from there.

use super::tfrecord;
use crate::train::report::EpochReport;
use prost::Message;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// How the names of these files begin: it is what TensorBoard looks for.
const PREFIX: &str = "events.out.tfevents.";
/// What the first record of a file says.
const VERSION: &str = "brain.Event:2";

/// TensorFlow's `tensorflow.Event`, as far as it is used here.
#[derive(Clone, PartialEq, Message)]
struct Event {
    /// Seconds since 1970.
    #[prost(double, tag = "1")]
    wall_time: f64,
    #[prost(int64, tag = "2")]
    step: i64,
    #[prost(string, optional, tag = "3")]
    file_version: Option<String>,
    #[prost(message, optional, tag = "5")]
    summary: Option<Summary>,
}

/// `tensorflow.Summary`.
#[derive(Clone, PartialEq, Message)]
struct Summary {
    #[prost(message, repeated, tag = "1")]
    value: Vec<Value>,
}

/// `tensorflow.Summary.Value`.
#[derive(Clone, PartialEq, Message)]
struct Value {
    #[prost(string, tag = "1")]
    tag: String,
    #[prost(float, optional, tag = "2")]
    simple_value: Option<f32>,
}

/// An event file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Events(PathBuf);

impl Events {
    /// The one in a run's folder, or the name for one that begins now.
    pub fn in_folder(folder: &Path) -> Self {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
        let name = names.filter(|name| name.starts_with(PREFIX)).min();
        Events(folder.join(name.unwrap_or_else(|| format!("{PREFIX}{}.netc", now() as u64))))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Begins, or begins anew; there are no epochs in it yet.
    ///
    /// # Errors
    /// Whatever the system says.
    pub fn begin(&self) -> io::Result<()> {
        let mut file = Vec::new();
        let version = Event { wall_time: now(), file_version: Some(VERSION.into()), ..Event::default() };
        tfrecord::write(&version.encode_to_vec(), &mut file);
        std::fs::write(&self.0, file)
    }

    /// Goes on after `epochs`: what is in it of later ones is cut off, what it lacks of these is added.
    ///
    /// # Errors
    /// Whatever the system says.
    pub fn resume(&self, epochs: &[EpochReport]) -> io::Result<()> {
        let bytes = match std::fs::read(&self.0) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error),
        };
        let last = epochs.last().map_or(0, |report| report.step);
        let events = tfrecord::records(&bytes).map_while(|(bytes, end)| Some((Event::decode(bytes).ok()?, end)));
        let kept = events.take_while(|(event, _)| step_of(event) <= last).last();
        let there = match kept {
            Some((event, end)) => {
                OpenOptions::new().write(true).open(&self.0)?.set_len(end as u64)?;
                step_of(&event)
            }
            None => {
                self.begin()?;
                0
            }
        };
        epochs.iter().filter(|report| report.step > there).try_for_each(|report| self.push(report))
    }

    /// Another epoch is over.
    ///
    /// # Errors
    /// Whatever the system says.
    pub fn push(&self, report: &EpochReport) -> io::Result<()> {
        let value = |(tag, number): (&str, f64)| Value { tag: tag.into(), simple_value: Some(number as f32) };
        let summary = Summary { value: scalars(report).into_iter().map(value).collect() };
        let step = i64::try_from(report.step).unwrap_or(i64::MAX);
        let event = Event { wall_time: now(), step, summary: Some(summary), ..Event::default() };
        let mut record = Vec::new();
        tfrecord::write(&event.encode_to_vec(), &mut record);
        let mut file = OpenOptions::new().append(true).open(&self.0)?;
        file.write_all(&record)?;
        file.sync_data()
    }
}

fn step_of(event: &Event) -> u64 {
    u64::try_from(event.step).unwrap_or(0)
}

/// What is shown of an epoch: TensorBoard makes a section of what stands before the slash.
fn scalars(report: &EpochReport) -> Vec<(&'static str, f64)> {
    let scores = [
        ("loss/train", "accuracy/train", Some(report.train)),
        ("loss/held_out", "accuracy/held_out", report.held_out),
        ("loss/test", "accuracy/test", Some(report.test)),
        ("loss/test_moving", "accuracy/test_moving", report.test_moving),
    ];
    let mut scalars = Vec::new();
    for (loss, accuracy, score) in scores {
        scalars.extend(score.into_iter().flat_map(|score| [(loss, score.loss), (accuracy, score.accuracy)]));
    }
    scalars.extend([
        ("run/epoch", report.epoch as f64),
        ("run/learning_rate", report.rate),
        ("run/images_per_second", report.images_per_second),
    ]);
    scalars
}

/// Seconds since 1970.
fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |time| time.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::folder::tests::Scratch;
    use crate::run::log::tests::report;

    /// Steps, tags and numbers, without the times.
    fn content(events: &Events) -> Vec<(i64, Vec<(String, f32)>)> {
        let bytes = std::fs::read(events.path()).unwrap();
        let found: Vec<_> = tfrecord::records(&bytes).map(|(bytes, _)| Event::decode(bytes).unwrap()).collect();
        assert_eq!(tfrecord::records(&bytes).last().map(|(_, end)| end), Some(bytes.len()));
        assert_eq!(found[0].file_version.as_deref(), Some(VERSION));
        let values = |event: &Event| {
            let values = event.summary.iter().flat_map(|summary| &summary.value);
            values.map(|value| (value.tag.clone(), value.simple_value.unwrap())).collect()
        };
        found[1..].iter().map(|event| (event.step, values(event))).collect()
    }

    #[test]
    fn an_epoch_is_a_point_of_every_curve() {
        let scratch = Scratch::new("events");
        let events = Events::in_folder(&scratch.0);
        events.begin().unwrap();
        events.push(&report(1)).unwrap();
        let found = content(&events);
        let [(10, values)] = found.as_slice() else { panic!("{found:?}") };
        let of = |tag: &str| values.iter().find(|(name, _)| name == tag).map(|(_, value)| *value);
        assert_eq!(of("loss/train"), Some(0.3));
        assert_eq!(of("accuracy/test"), Some(1.0 / 3.0));
        assert_eq!(of("loss/held_out"), None);
        assert_eq!(of("run/learning_rate"), Some(0.1));
    }

    #[test]
    fn a_resumed_run_has_each_epoch_once() {
        let scratch = Scratch::new("events-resume");
        let events = Events::in_folder(&scratch.0);
        events.begin().unwrap();
        let epochs: Vec<_> = (1..=3).map(report).collect();
        epochs.iter().for_each(|epoch| events.push(epoch).unwrap());
        let whole = content(&events);
        // The file of a folder is found again.
        assert_eq!(Events::in_folder(&scratch.0), events);
        // Killed in the middle of a record.
        let bytes = std::fs::read(events.path()).unwrap();
        std::fs::write(events.path(), &bytes[..bytes.len() - 5]).unwrap();
        // From each checkpoint on, with a file as it was left, with none, and with something else in its place.
        for done in 0..=3 {
            for file in [Some(&bytes[..]), Some(&bytes[..bytes.len() / 2]), Some(b"else"), None] {
                match file {
                    Some(bytes) => std::fs::write(events.path(), bytes).unwrap(),
                    None => std::fs::remove_file(events.path()).unwrap(),
                }
                events.resume(&epochs[..done]).unwrap();
                epochs[done..].iter().for_each(|epoch| events.push(epoch).unwrap());
                assert_eq!(content(&events), whole, "{done}");
            }
        }
    }
}
