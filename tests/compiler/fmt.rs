//! `netc fmt` as it is run.

use crate::command;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

fn netc(args: &[&str], stdin: Option<&str>) -> Output {
    let mut child =
        command::netc(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(stdin.unwrap_or("").as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn nets(folder: &str) -> Vec<PathBuf> {
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.extension().is_some_and(|extension| extension == "net")).collect()
}

#[test]
fn the_shipped_specs_are_formatted() {
    let mut files = nets("specs");
    files.extend(nets("specs/lib"));
    assert!(files.len() >= 8);
    let mut args = vec!["fmt", "--check"];
    args.extend(files.iter().map(|path| path.to_str().unwrap()));
    let output = netc(&args, None);
    assert!(output.status.success(), "{}", stdout(&output));
    assert_eq!(stdout(&output), "");
}

#[test]
fn in_place_and_checked() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("fmt");
    std::fs::create_dir_all(&folder).unwrap();
    let (messy, tidy) = (folder.join("messy.net"), folder.join("tidy.net"));
    std::fs::write(&messy, "net x {\n  input 3x32x32\n    relu   # why\n}\n").unwrap();
    std::fs::write(&tidy, "net x { relu }\n").unwrap();
    let files = [messy.to_str().unwrap(), tidy.to_str().unwrap()];

    let output = netc(&["fmt", "--check", files[0], files[1]], None);
    assert_eq!(output.status.code(), Some(1));
    let shown = "@@ line 1\n net x {\n   input 3x32x32\n-    relu   # why\n+  relu  # why\n }\n";
    assert_eq!(stdout(&output), format!("{}: not formatted\n{shown}", files[0]));
    assert!(std::fs::read_to_string(&messy).unwrap().contains("relu   #"), "--check wrote");

    let output = netc(&["fmt", files[0], files[1]], None);
    assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(0), ""));
    assert_eq!(std::fs::read_to_string(&messy).unwrap(), "net x {\n  input 3x32x32\n  relu  # why\n}\n");
    assert!(netc(&["fmt", "--check", files[0], files[1]], None).status.success());
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 2, "nothing is left behind");
}

#[test]
fn standard_input() {
    let output = netc(&["fmt", "-"], Some("net x{relu}"));
    assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(0), "net x { relu }\n"));
    let output = netc(&["fmt", "-", "--check"], Some("net x { relu }"));
    assert_eq!(
        (output.status.code(), stdout(&output).as_str()),
        (Some(1), "<stdin>: not formatted\nline ends differ\n")
    );
}

#[test]
fn mistakes_are_told_and_nothing_is_written() {
    let output = netc(&["fmt", "-"], Some("net x {"));
    assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(1), ""));
    assert!(String::from_utf8(output.stderr).unwrap().contains("E0101"));
    assert_eq!(netc(&["fmt", "no/such.net"], None).status.code(), Some(1));
}
