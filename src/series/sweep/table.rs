//! What a sweep came to: means and deviations over seeds, as a table, CSV and JSON.

use crate::run::results::{EpochScores, Results};
use crate::text::percent;
use serde::Serialize;
use serde_json::{Map, Value};

/// Mean and deviation of some numbers.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Spread {
    /// Their mean.
    pub mean: f64,
    /// Their sample deviation, over n − 1; none for a single one.
    pub deviation: Option<f64>,
    /// The least.
    pub min: f64,
    /// The greatest.
    pub max: f64,
    /// How many.
    pub runs: usize,
}

impl Spread {
    /// Of these; none of none.
    pub fn of(numbers: &[f64]) -> Option<Self> {
        let runs = numbers.len();
        let mean = numbers.iter().sum::<f64>() / runs as f64;
        let squares: f64 = numbers.iter().map(|x| (x - mean).powi(2)).sum();
        let deviation = (runs > 1).then(|| (squares / (runs - 1) as f64).sqrt());
        let min = numbers.iter().copied().reduce(f64::min)?;
        let max = numbers.iter().copied().reduce(f64::max)?;
        Some(Spread { mean, deviation, min, max, runs })
    }

    /// Shares as percent: `64.32 ± 0.21 %`.
    fn percent(&self) -> String {
        match self.deviation {
            Some(deviation) => format!("{:.2} ± {:.2} %", 100.0 * self.mean, 100.0 * deviation),
            None => percent(self.mean),
        }
    }
}

/// How far a run is.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "status")]
pub enum RunState {
    /// It has ended.
    Finished {
        /// With this.
        results: Box<Results>,
    },
    /// It left the numbers.
    Diverged {
        /// Where.
        why: String,
    },
    /// It has not, or not to its end.
    Open,
}

/// A run of a sweep.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SweptRun {
    /// Its seed.
    pub seed: u64,
    /// Its folder within the sweep's.
    pub folder: String,
    /// How far it is.
    #[serde(flatten)]
    pub state: RunState,
}

/// The runs of a setting.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SettingRow {
    /// Its value on each axis.
    pub values: Vec<String>,
    /// One a seed.
    pub runs: Vec<SweptRun>,
}

/// What is told of a run: its name in tables, in files, and how it is found.
type Measure = (&'static str, &'static str, fn(&Results) -> Option<f64>);

/// Accuracies that a table may show; the last of them is too good, and only in the files.
const MEASURES: [Measure; 5] = [
    ("final test accuracy", "final_test_accuracy", |results| Some(results.last.test.accuracy)),
    ("with moving averages", "final_test_moving_accuracy", |results| accuracy(results.last.test_moving)),
    ("final held-out", "final_held_out_accuracy", |results| accuracy(results.last.held_out)),
    ("test where held-out is best", "test_accuracy_where_held_out_is_best", |results| {
        results.best_on_held_out.map(|EpochScores { test, .. }| test.accuracy)
    }),
    ("best on test, optimistic", "best_on_test_optimistic_accuracy", |results| {
        Some(results.best_on_test_optimistic.test.accuracy)
    }),
];
const SHOWN: usize = MEASURES.len() - 1;

fn accuracy(score: Option<crate::train::report::Score>) -> Option<f64> {
    score.map(|score| score.accuracy)
}

impl SettingRow {
    fn finished(&self) -> impl Iterator<Item = &Results> {
        self.runs.iter().filter_map(|run| match &run.state {
            RunState::Finished { results } => Some(results.as_ref()),
            RunState::Diverged { .. } | RunState::Open => None,
        })
    }

    fn diverged(&self) -> usize {
        self.runs.iter().filter(|run| matches!(run.state, RunState::Diverged { .. })).count()
    }

    fn spread(&self, (_, _, of): &Measure) -> Option<Spread> {
        Spread::of(&self.finished().filter_map(of).collect::<Vec<_>>())
    }

    /// `3`, `1 of 3`, `2 of 3, 1 diverged`.
    fn count(&self) -> String {
        let (all, finished, diverged) = (self.runs.len(), self.finished().count(), self.diverged());
        let count = if finished == all { all.to_string() } else { format!("{finished} of {all}") };
        if diverged > 0 { format!("{count}, {diverged} diverged") } else { count }
    }
}

/// A sweep, as far as it has come.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    /// Name of the net.
    pub net: String,
    /// Names of the axes.
    pub axes: Vec<String>,
    /// One a setting.
    pub rows: Vec<SettingRow>,
}

impl Table {
    fn cells(&self) -> Vec<Vec<String>> {
        let shown = &MEASURES[..SHOWN];
        let shown: Vec<&Measure> =
            shown.iter().filter(|measure| self.rows.iter().any(|row| row.spread(measure).is_some())).collect();
        let head = self.axes.iter().cloned().chain(["runs".into()]);
        let mut cells = vec![head.chain(shown.iter().map(|(name, ..)| name.to_string())).collect::<Vec<_>>()];
        for row in &self.rows {
            let spread = |measure: &&Measure| row.spread(measure).map_or("-".into(), |spread| spread.percent());
            let line = row.values.iter().cloned().chain([row.count()]);
            cells.push(line.chain(shown.iter().map(spread)).collect());
        }
        cells
    }

    /// For a terminal.
    pub fn text(&self) -> String {
        let cells = self.cells();
        let widths = widths(&cells);
        let mut text = String::new();
        for (index, row) in cells.iter().enumerate() {
            text += padded(row, &widths, self.axes.len() + 1).join("  ").trim_end();
            text.push('\n');
            if index == 0 {
                text += &"-".repeat(widths.iter().sum::<usize>() + 2 * widths.len().saturating_sub(1));
                text.push('\n');
            }
        }
        text + &self.notes().join("\n")
    }

    /// For a document.
    pub fn markdown(&self) -> String {
        let cells: Vec<Vec<String>> =
            self.cells().iter().map(|row| row.iter().map(|cell| cell.replace('|', "\\|")).collect()).collect();
        let widths = widths(&cells);
        let rule = |(column, width): (usize, &usize)| {
            if column > self.axes.len() { "-".repeat(width.saturating_sub(1)) + ":" } else { "-".repeat(*width) }
        };
        let mut text = String::new();
        for (index, row) in cells.iter().enumerate() {
            text += &format!("| {} |\n", padded(row, &widths, self.axes.len() + 1).join(" | "));
            if index == 0 {
                text += &format!("| {} |\n", widths.iter().enumerate().map(rule).collect::<Vec<_>>().join(" | "));
            }
        }
        text + "\n" + &self.notes().join("\n")
    }

    /// Whether a run left the numbers.
    pub fn diverged(&self) -> bool {
        self.rows.iter().any(|row| row.diverged() > 0)
    }

    /// What a reader of the numbers has to know.
    fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        let mut seeds: Vec<u64> = self.rows.iter().flat_map(|row| &row.runs).map(|run| run.seed).collect();
        seeds.sort_unstable();
        seeds.dedup();
        let seeds = seeds.iter().map(u64::to_string).collect::<Vec<_>>().join(", ");
        notes.push(match self.rows.iter().map(|row| row.runs.len()).max() {
            Some(0 | 1) | None => {
                format!("one run of each setting (seed {seeds}): `--runs N` shows how far seeds differ")
            }
            Some(_) => {
                format!("mean ± sample standard deviation (n - 1) over the seeds {seeds}; all accuracies are top-1")
            }
        });
        if self.diverged() {
            notes.push("runs that diverged are in no mean".into());
        }
        let held_out = self.rows.iter().flat_map(SettingRow::finished).any(|results| results.last.held_out.is_some());
        if self.rows.len() > 1 && !held_out {
            notes.push(
                "to choose a setting by its test accuracy makes that optimistic: choose by `hold_out` images".into(),
            );
        }
        notes
    }

    /// A line a run, for tools.
    pub fn csv(&self) -> String {
        let head = self.axes.iter().map(String::as_str).chain(["seed", "status", "folder", "steps", "seconds"]);
        let mut text = head.chain(MEASURES.map(|(_, name, _)| name)).map(quoted).collect::<Vec<_>>().join(",") + "\n";
        for (row, run) in self.rows.iter().flat_map(|row| row.runs.iter().map(move |run| (row, run))) {
            let (status, results) = match &run.state {
                RunState::Finished { results } => ("finished", Some(results.as_ref())),
                RunState::Diverged { .. } => ("diverged", None),
                RunState::Open => ("open", None),
            };
            let number = |number: Option<f64>| number.map(|number| number.to_string()).unwrap_or_default();
            let mut cells: Vec<String> = row.values.iter().map(|value| quoted(value)).collect();
            cells.extend([run.seed.to_string(), status.into(), quoted(&run.folder)]);
            cells.push(results.map(|results| results.steps.to_string()).unwrap_or_default());
            cells.push(number(results.map(|results| results.seconds)));
            cells.extend(MEASURES.map(|(_, _, of)| number(results.and_then(of))));
            text += &(cells.join(",") + "\n");
        }
        text
    }

    /// Everything.
    pub fn json(&self) -> Value {
        let setting = |row: &SettingRow| {
            let values = self.axes.iter().cloned().zip(row.values.iter().map(|value| Value::from(value.as_str())));
            let mut setting = Map::from_iter([("values".to_string(), Value::Object(values.collect()))]);
            for measure in &MEASURES {
                if let Some(spread) = row.spread(measure) {
                    setting.insert(measure.1.into(), serde_json::to_value(spread).unwrap_or_default());
                }
            }
            setting.insert("runs".into(), serde_json::to_value(&row.runs).unwrap_or_default());
            Value::Object(setting)
        };
        serde_json::json!({
            "net": self.net,
            "deviation": "sample standard deviation (n - 1)",
            "settings": self.rows.iter().map(setting).collect::<Vec<_>>(),
        })
    }
}

fn widths(cells: &[Vec<String>]) -> Vec<usize> {
    let columns = cells.first().map_or(0, Vec::len);
    let width = |column: usize| cells.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    (0..columns).map(|column| width(column).unwrap_or(0)).collect()
}

/// Words to the left, and from column `numbers` on numbers to the right.
fn padded(row: &[String], widths: &[usize], numbers: usize) -> Vec<String> {
    let cell = |(column, (cell, &width)): (usize, (&String, &usize))| {
        if column < numbers { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
    };
    row.iter().zip(widths).enumerate().map(cell).collect()
}

/// As CSV has it (RFC 4180).
fn quoted(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::log::tests::report;
    use crate::train::report::Score;

    fn finished(seed: u64, test: f64, held_out: Option<f64>) -> SweptRun {
        let mut epoch = report(1);
        epoch.test.accuracy = test;
        epoch.test_moving = None;
        epoch.held_out = held_out.map(|accuracy| Score { accuracy, ..epoch.test });
        let results = Box::new(Results::of("net", seed, &[epoch]).unwrap());
        SweptRun { seed, folder: format!("seed-{seed}"), state: RunState::Finished { results } }
    }

    fn sweep(held_out: Option<f64>) -> Table {
        let diverged = RunState::Diverged { why: "the loss is NaN".into() };
        let broken = vec![SweptRun { seed: 0, folder: "x".into(), state: diverged }, finished(1, 0.5, held_out)];
        let rows = vec![
            SettingRow {
                values: vec!["[1, 2]".into()],
                runs: vec![finished(0, 0.6, held_out), finished(1, 0.64, held_out)],
            },
            SettingRow { values: vec!["9".into()], runs: broken },
            SettingRow {
                values: vec!["8".into()],
                runs: vec![SweptRun { seed: 0, folder: "y".into(), state: RunState::Open }],
            },
        ];
        Table { net: "net".into(), axes: vec!["at".into()], rows }
    }

    /// By hand: 2, 4, 4, 4, 5, 5, 7, 9 has mean 5 and squares that add up to 32.
    #[test]
    fn the_deviation_is_the_samples() {
        let spread = Spread::of(&[2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0]).unwrap();
        assert_eq!((spread.mean, spread.min, spread.max, spread.runs), (5.0, 2.0, 9.0, 8));
        assert!((spread.deviation.unwrap() - (32.0f64 / 7.0).sqrt()).abs() < 1e-12);
        assert_eq!(Spread::of(&[3.0]).unwrap().deviation, None);
        assert_eq!(Spread::of(&[]), None);
    }

    #[test]
    fn a_table_says_what_its_numbers_are() {
        assert_eq!(
            sweep(None).text(),
            "at      runs                final test accuracy\n\
             -----------------------------------------------\n\
             [1, 2]  2                        62.00 ± 2.83 %\n\
             9       1 of 2, 1 diverged              50.00 %\n\
             8       0 of 1                                -\n\
             mean ± sample standard deviation (n - 1) over the seeds 0, 1; all accuracies are top-1\n\
             runs that diverged are in no mean\n\
             to choose a setting by its test accuracy makes that optimistic: choose by `hold_out` images"
        );
        let text = sweep(Some(0.7)).text();
        assert!(text.contains("final held-out  test where held-out is best") && !text.contains("to choose"), "{text}");
        assert!(sweep(None).markdown().starts_with(
            "| at     | runs               | final test accuracy |\n| ------ | ------------------ | ------------------: |\n"
        ));
    }

    #[test]
    fn files_have_every_run() {
        let csv = sweep(Some(0.7)).csv();
        let lines: Vec<&str> = csv.lines().collect();
        assert_eq!(lines.len(), 6);
        assert!(lines[1].starts_with("\"[1, 2]\",0,finished,seed-0,10,0.7,0.6,,0.7,0.6,0.6"), "{}", lines[1]);
        assert_eq!(lines[3], "9,0,diverged,x,,,,,,,");
        let json = sweep(None).json();
        assert_eq!(json["settings"][0]["final_test_accuracy"]["mean"], 0.62);
        assert_eq!(json["settings"][1]["runs"][0]["status"], "diverged");
        assert_eq!(json["settings"][0]["runs"][1]["results"]["final"]["test"]["accuracy"], 0.64);
    }
}
