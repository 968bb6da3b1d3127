//! netc from another program: a mistake as data, a short run, the loss of each epoch, an evaluation.
//!
//! `cargo run --release --example train`

use netc::{Best, Diagnostic, EpochReport, Evaluated, Observer};
use netc::{Experiment, Request, RunFolder, RunRequest, Selection, Stop};
use std::path::Path;

const NET: &str = "net small { input 3x16x16; conv 16 3x3 pad 1; bn; relu; max_pool 2x2; flatten; linear 10 }";

struct Losses;

impl Observer for Losses {
    fn epoch(&mut self, report: &EpochReport, _: &Best, _: &Evaluated) -> Result<(), Diagnostic> {
        println!("epoch {}: training loss {:.4}", report.epoch, report.train.loss);
        Ok(())
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let sets = ["data=shapes", "epochs=3", "batch=32", "optimizer.learning_rate=0.01"].map(String::from).to_vec();
    let request = Request { sets, ..Request::default() };
    if let Err(failure) = Experiment::compile_text(Path::new("wrong.net"), &NET.replace("relu", "rleu"), &request) {
        failure.diagnostics.iter().for_each(|mistake| println!("{}: {}", mistake.code, mistake.help.join("; ")));
    }
    let experiment = Experiment::compile_text(Path::new("small.net"), NET, &request)?;
    let data = experiment.load_data(Some(2000))?;
    let mut engine = experiment.engine(Selection::default())?;
    let (folder, stop) = (RunFolder::at(&std::env::temp_dir().join("netc-example"))?, Stop::new());
    experiment.train(&data, engine.as_mut(), &RunRequest::new(&folder, &stop), &mut Losses)?;
    let score = experiment.evaluate(&data, engine.as_mut())?;
    println!("{:.1} % of {} test images", 100.0 * score.accuracy, score.images);
    std::fs::remove_dir_all(folder.path())?;
    Ok(())
}
