//! `netc doctor`: whether this machine has what netc needs, and whether netc computes rightly on it.

mod machine;
mod training;

use super::output::Output;
use clap::Args;
use serde::Serialize;
use std::process::ExitCode;

/// Arguments of `netc doctor`.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// Prints the findings as JSON
    #[arg(long)]
    json: bool,
}

/// How a finding is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// As it should be.
    Ok,
    /// Missing or doubtful; netc works without.
    Note,
    /// Broken, and needed.
    Broken,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What.
    pub about: &'static str,
    /// How it is.
    pub status: Status,
    /// In a few words.
    pub found: String,
    /// Facts that explain.
    pub notes: Vec<String>,
    /// What to do.
    pub help: Vec<String>,
}

impl Finding {
    fn new(about: &'static str, status: Status, found: impl Into<String>) -> Self {
        Finding { about, status, found: found.into(), notes: Vec::new(), help: Vec::new() }
    }

    fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    fn help(mut self, help: impl Into<String>) -> Self {
        self.help.push(help.into());
        self
    }
}

/// Runs it.
pub fn run(args: &DoctorArgs, output: &Output) -> ExitCode {
    let mut findings = machine::findings();
    findings.extend(training::findings());
    let broken = findings.iter().filter(|finding| finding.status == Status::Broken).count();
    if args.json {
        output.json(&serde_json::json!({ "healthy": broken == 0, "findings": findings }));
    } else {
        output.result(&text(&findings, broken));
    }
    if broken == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Where the words on a finding begin.
const INDENT: usize = 18;

fn text(findings: &[Finding], broken: usize) -> String {
    let mut lines = Vec::new();
    for Finding { about, status, found, notes, help } in findings {
        let status = match status {
            Status::Ok => "ok",
            Status::Note => "note",
            Status::Broken => "BROKEN",
        };
        lines.push(format!("{status:<6} {about:<10} {found}"));
        let more = notes.iter().cloned().chain(help.iter().map(|help| format!("help: {help}")));
        for line in more.collect::<Vec<_>>().join("\n").lines() {
            lines.push(format!("{:INDENT$}{line}", ""));
        }
    }
    lines.push(String::new());
    lines.push(match broken {
        0 => "netc works on this machine".into(),
        1 => "one thing is broken: see above".into(),
        _ => format!("{broken} things are broken: see above"),
    });
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_are_lines() {
        let findings = [
            Finding::new("netc", Status::Ok, "0.1.0"),
            Finding::new("runs", Status::Broken, "`.` cannot be written")
                .note("read-only\nfile system")
                .help("try `/`"),
        ];
        assert_eq!(
            text(&findings, 1),
            "ok     netc       0.1.0\n\
             BROKEN runs       `.` cannot be written\n                  read-only\n                  file system\n\
             \x20                 help: try `/`\n\n\
             one thing is broken: see above"
        );
    }
}
