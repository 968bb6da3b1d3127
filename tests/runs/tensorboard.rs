//! The event file of a run, read back by the `tensorboard` package itself.
//!
//! Needs a Python with that package: the one that `NETC_TENSORBOARD_PYTHON` names, or `python3`. Where there is none the
//! test says so and passes; `.ci/run` installs one and sets `NETC_REQUIRE_TENSORBOARD`, which makes that a failure.

use crate::command::netc;
use crate::skip::skip;
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;

fn python() -> Option<String> {
    let python = std::env::var("NETC_TENSORBOARD_PYTHON").unwrap_or_else(|_| "python3".into());
    let found = Command::new(&python).args(["-c", "import tensorboard"]).output();
    match found {
        Ok(output) if output.status.success() => Some(python),
        found => {
            let why = found.map_or_else(|error| error.to_string(), |o| String::from_utf8_lossy(&o.stderr).into_owned());
            skip("TENSORBOARD", &format!("`{python}` (NETC_TENSORBOARD_PYTHON) has no tensorboard package: {why}"));
            None
        }
    }
}

fn run(arguments: &[&str]) {
    let output = netc(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Scalars by their tags, each a list of [step, value].
fn scalars(python: &str, folder: &Path) -> Value {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tensorboard/read.py");
    let output = Command::new(python).arg(script).arg(folder).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn tensorboard_sees_what_the_metrics_say() {
    let Some(python) = python() else { return };
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("tensorboard");
    let _ = std::fs::remove_dir_all(&folder);
    let out = folder.to_str().unwrap();
    let train = ["train", "tests/resume/small.net", "--limit", "200", "--epochs", "4", "--out", out, "--resume"];
    run(&train);
    let metrics = std::fs::read_to_string(folder.join("metrics.jsonl")).unwrap();
    let lines: Vec<Value> = metrics.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 4);
    let points = |value: &dyn Fn(&Value) -> Value| -> Value {
        let single = |number: Value| json!(f64::from(number.as_f64().unwrap() as f32));
        lines.iter().map(|line| json!([line["step"], single(value(line))])).collect()
    };
    let found = scalars(&python, &folder);
    for which in ["train", "held_out", "test", "test_moving"] {
        for what in ["loss", "accuracy"] {
            assert_eq!(found[format!("{what}/{which}")], points(&|line| line[which][what].clone()), "{what}/{which}");
        }
    }
    assert_eq!(found["run/learning_rate"], points(&|line| line["rate"].clone()));
    assert_eq!(found["run/images_per_second"], points(&|line| line["images_per_second"].clone()));

    // As a run is left that was killed in its last epoch, while it wrote: the last checkpoint and results are not there,
    // and half a record is.
    let step = lines[3]["step"].as_u64().unwrap();
    std::fs::remove_file(folder.join(format!("checkpoints/step-{step:010}.safetensors"))).unwrap();
    let events = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    let events = { events }.find(|path| path.to_str().unwrap().contains("tfevents")).unwrap();
    let bytes = std::fs::read(&events).unwrap();
    std::fs::write(&events, &bytes[..bytes.len() - 7]).unwrap();
    run(&train);
    let mut again = scalars(&python, &folder);
    // How fast it was is no part of what must be the same.
    for (key, value) in found.as_object().unwrap().iter().filter(|(key, _)| *key != "run/images_per_second") {
        assert_eq!(again[key].take(), *value, "{key}");
    }
    assert_eq!(std::fs::read_dir(&folder).unwrap().filter(|f| f.as_ref().unwrap().path() == events).count(), 1);
}
