//! What a person sees of a run: a bar where there is a terminal, plain lines where there is none, and a line of
//! results an epoch. Progress goes to stderr, results to stdout.

use super::output;
use crate::diagnostic::Diagnostic;
use crate::run::session::Finished;
use crate::text::{duration, percent, rounded};
use crate::train::observer::{Observer, RunInfo};
use crate::train::report::{Best, EpochReport, EvalSet, Evaluated, Score, StepReport};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal;
use std::time::{Duration, Instant};

/// As often a run without a terminal says where it is.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// Shows where a run is.
pub struct Progress {
    bar: ProgressBar,
    plain: bool,
    /// Whether results are told.
    results: bool,
    /// Steps that were done before it began.
    done: u64,
    begin: Instant,
    said: Instant,
}

impl Progress {
    /// For a run of `total` steps (or images, in evaluation), on stderr as it is.
    pub fn new(total: u64) -> Self {
        Progress::with(total, !std::io::stderr().is_terminal())
    }

    /// For a run of which `done` steps are done already.
    pub fn resumed(done: u64, total: u64) -> Self {
        let progress = Progress::new(total);
        progress.bar.set_position(done);
        Progress { done, ..progress }
    }

    /// As [`Progress::new`], with plain lines if `plain`.
    pub fn with(total: u64, plain: bool) -> Self {
        let target = if plain { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr_with_hz(8) };
        let bar = ProgressBar::with_draw_target(Some(total), target);
        // A template that cannot be read shows the default bar, which is no reason to stop a run.
        let template = "{bar:24} {pos}/{len} {msg} {eta} left";
        bar.set_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()));
        let now = Instant::now();
        Progress { bar, plain, results: true, done: 0, begin: now, said: now }
    }

    /// Tells results, or leaves that to others.
    #[must_use]
    pub fn with_results(self, results: bool) -> Self {
        Progress { results, ..self }
    }

    /// Some steps were done.
    pub fn step(&mut self, report: &StepReport) {
        let message = step_message(report);
        self.bar.set_position(report.step);
        self.bar.set_message(message.clone());
        if self.due() {
            let left = {
                let (here, total) = (report.step - self.done.min(report.step), report.total_steps - self.done);
                time_left(self.begin.elapsed(), here, total)
            };
            let StepReport { epoch, step, total_steps, .. } = report;
            output::message(&format!("epoch {epoch} step {step}/{total_steps} {message} {left} left"));
        }
    }

    /// Some images were evaluated.
    pub fn evaluating(&mut self, which: EvalSet, done: u64, total: u64) {
        let message = format!("evaluating {} {done}/{total}", which.name());
        self.bar.set_message(message.clone());
        if self.due() {
            output::message(&message);
        }
    }

    fn due(&mut self) -> bool {
        let due = self.plain && self.said.elapsed() >= LINE_EVERY;
        if due {
            self.said = Instant::now();
        }
        due
    }

    /// A line of results, which goes to stdout whatever stderr shows.
    pub fn result(&self, line: &str) {
        if !self.results {
            return;
        }
        self.bar.suspend(|| output::line(line));
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

/// Shows a run: what it is, where it is, and a line an epoch.
pub struct Terminal {
    /// Shows where the run is, but leaves it to the caller to tell what comes of it: it is one run of many.
    quiet: bool,
    progress: Progress,
}

impl Default for Terminal {
    fn default() -> Self {
        Terminal::new()
    }
}

impl Terminal {
    /// For a run that is alone.
    pub fn new() -> Self {
        Terminal::with(false)
    }

    /// For one run of many, whose results others tell.
    pub fn quiet() -> Self {
        Terminal::with(true)
    }

    fn with(quiet: bool) -> Self {
        Terminal { quiet, progress: Progress::with(0, true) }
    }

    /// Takes the bar away, and tells what came of the run.
    pub fn finish(&self, finished: &Finished) {
        self.progress.finish();
        let Finished { outcome, total_steps, weights, best, .. } = finished;
        if outcome.interrupted {
            let step = outcome.position.step;
            self.progress.result(&format!("interrupted after step {step} of {total_steps}; not evaluated since"));
            let folder = weights.parent().unwrap_or(weights).display();
            self.progress.result(&format!("`--out {folder} --resume` goes on from here"));
        } else if let (Some(last), Some(best)) = (&outcome.position.last, &outcome.position.best) {
            final_lines(last, best).iter().for_each(|line| self.progress.result(line));
        }
        self.progress.result(&format!("weights {}", weights.display()));
        if let Some(best) = best {
            self.progress.result(&format!("weights of the epoch best on held-out images {}", best.display()));
        }
    }
}

/// A run that failed leaves no bar behind.
impl Drop for Terminal {
    fn drop(&mut self) {
        self.progress.finish();
    }
}

impl Observer for Terminal {
    fn begin(&mut self, run: &RunInfo<'_>) {
        for doubt in run.doubts {
            output::message(&format!("note: the last bits may differ from an unbroken run: {doubt}"));
        }
        if !self.quiet {
            announcement(run).iter().for_each(|line| output::message(line));
        }
        self.progress = Progress::resumed(run.step, run.total_steps).with_results(!self.quiet);
    }

    fn step(&mut self, report: &StepReport) {
        self.progress.step(report);
    }

    fn evaluating(&mut self, set: EvalSet, done: u64, total: u64) {
        self.progress.evaluating(set, done, total);
    }

    fn epoch(&mut self, report: &EpochReport, _: &Best, _: &Evaluated) -> Result<(), Diagnostic> {
        self.progress.result(&epoch_line(report));
        Ok(())
    }
}

/// What a run is, when it begins.
fn announcement(run: &RunInfo<'_>) -> [String; 2] {
    let RunInfo { program, recipe, data, train_images, test_images, step, total_steps, .. } = *run;
    let begun = if step == 0 { String::new() } else { format!("; going on after step {step}") };
    let (net, parameters, batch) = (&program.net, program.parameter_count(), recipe.batch);
    let folder = run.folder.display();
    [
        format!(
            "{net}: {parameters} parameters; {data}: {train_images} training images, {test_images} test images; \
             {total_steps} steps of {batch}; results in {folder}{begun}"
        ),
        format!("computed by {}; seed {}; a checkpoint every {}", run.arithmetic, recipe.seed, recipe.checkpoint.every),
    ]
}

fn step_message(report: &StepReport) -> String {
    let rate = report.train.images as f64 / report.seconds.max(1e-9);
    format!("loss {:.4} accuracy {} {rate:.0} img/s", report.train.loss, percent(report.train.accuracy))
}

/// Time left at the speed so far, evaluation included.
fn time_left(elapsed: Duration, done: u64, total: u64) -> String {
    let seconds = elapsed.as_secs_f64() / done.max(1) as f64 * total.saturating_sub(done) as f64;
    duration(seconds)
}

/// The line of an epoch.
pub fn epoch_line(report: &EpochReport) -> String {
    let score =
        |name: &str, score: &Score| format!("{name} loss {:.4} accuracy {}", score.loss, percent(score.accuracy));
    let held_out = report.held_out.map(|held_out| score("held-out", &held_out) + "  ").unwrap_or_default();
    let moving = report.test_moving.map(|moving| format!(" (with moving averages {})", percent(moving.accuracy)));
    let last = report.test_last.map(|last| format!(" (with the weights of the last step {})", percent(last.accuracy)));
    format!(
        "epoch {}  step {}/{}  lr {}  {}  {held_out}{}{}{}  {:.0} img/s  {}, {:.0} % of it waiting for input",
        report.epoch,
        report.step,
        report.total_steps,
        rounded(report.rate, 6),
        score("train", &report.train),
        score("test", &report.test),
        last.unwrap_or_default(),
        moving.unwrap_or_default(),
        report.images_per_second,
        duration(report.seconds),
        100.0 * report.waited / report.seconds.max(1e-9),
    )
}

/// The lines at the end of a run: what it reached, and the best epoch if that was another one, with what chose it.
pub fn final_lines(last: &EpochReport, best: &Best) -> Vec<String> {
    let test = &last.test;
    let mut lines = vec![format!(
        "final test accuracy {} (top-1 over {} images), loss {:.4}",
        percent(test.accuracy),
        test.images,
        test.loss
    )];
    if let Some(moving) = &last.test_moving {
        lines.push(format!(
            "with true averages in batch norm {}, with moving ones {} (loss {:.4})",
            percent(test.accuracy),
            percent(moving.accuracy),
            moving.loss
        ));
    }
    if let Some(of_step) = &last.test_last {
        lines.push(format!(
            "with averaged weights {}, with those of the last step {} (loss {:.4})",
            percent(test.accuracy),
            percent(of_step.accuracy),
            of_step.loss
        ));
    }
    let report = &best.report;
    match (best.chosen_on, report.held_out) {
        (EvalSet::HeldOut, Some(held_out)) => lines.push(format!(
            "best epoch on held-out images: {} ({}), test accuracy there {}",
            report.epoch,
            percent(held_out.accuracy),
            percent(report.test.accuracy)
        )),
        _ if report.epoch != last.epoch => lines.push(format!(
            "best on test: {} at epoch {} (optimistic: the test images chose it)",
            percent(report.test.accuracy),
            report.epoch
        )),
        _ => {}
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(epoch: u64, test: f64, held_out: Option<f64>) -> EpochReport {
        let score = |accuracy| Score { loss: 1.25, accuracy, images: 10_000 };
        EpochReport {
            epoch,
            step: 391 * epoch,
            total_steps: 782,
            rate: 0.1 * 0.1f64.powf(1.0),
            train: score(0.5),
            held_out: held_out.map(score),
            test: score(test),
            test_moving: None,
            test_last: None,
            images_per_second: 16_203.4,
            seconds: 3.08,
            waited: 0.0,
        }
    }

    #[test]
    fn an_epoch_is_a_line() {
        assert_eq!(
            epoch_line(&report(1, 0.6432, None)),
            "epoch 1  step 391/782  lr 0.01  train loss 1.2500 accuracy 50.00 %  test loss 1.2500 accuracy 64.32 %  \
             16203 img/s  3.1 s, 0 % of it waiting for input"
        );
        assert!(epoch_line(&report(1, 0.6, Some(0.61))).contains("held-out loss 1.2500 accuracy 61.00 %"));
    }

    #[test]
    fn the_best_epoch_says_what_chose_it() {
        let (first, second) = (report(1, 0.65, None), report(2, 0.64, None));
        let best = Best::update(Some(Best::update(None, first)), second);
        let lines = final_lines(&second, &best);
        assert_eq!(lines[0], "final test accuracy 64.00 % (top-1 over 10000 images), loss 1.2500");
        assert_eq!(lines[1], "best on test: 65.00 % at epoch 1 (optimistic: the test images chose it)");
        // The last epoch as the best one needs no second line.
        assert_eq!(final_lines(&first, &Best::update(None, first)).len(), 1);
        // With held-out images those choose, whatever the test images say.
        let (first, second) = (report(1, 0.65, Some(0.6)), report(2, 0.64, Some(0.7)));
        let best = Best::update(Some(Best::update(None, first)), second);
        assert_eq!(
            final_lines(&second, &best)[1],
            "best epoch on held-out images: 2 (70.00 %), test accuracy there 64.00 %"
        );
    }
}
