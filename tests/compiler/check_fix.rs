//! `netc check --fix` as it is run.

use crate::command;
use std::path::PathBuf;
use std::process::Output;

fn netc(args: &[&str]) -> Output {
    command::netc(args).output().unwrap()
}

fn case(name: &str, text: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("check-fix");
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path
}

const BROKEN: &str = "net x {\n  input 3x32x32\n  cnov 16 3x3 stride 2 pad same bias; bn; relu; relu\n  global_avg_pool\n  \
                      linear 10\n}\n";

#[test]
fn safe_fixes_are_made_and_the_others_when_asked_for() {
    let path = case("both.net", BROKEN);
    let spec = path.to_str().unwrap();
    // The misspelt layer hides what is wrong with it, and to write `conv` is the user's to decide.
    let output = netc(&["check", "--fix", spec]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stdout).contains("only with `--unsafe-fixes`"));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), BROKEN);

    let output = netc(&["check", "--fix", "--dry-run", "--unsafe-fixes", spec]);
    assert!(String::from_utf8_lossy(&output.stdout).contains("+  conv 16 3x3"));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), BROKEN);

    let output = netc(&["check", "--fix", "--unsafe-fixes", spec]);
    let fixed =
        BROKEN.replace("cnov 16 3x3 stride 2 pad same bias; bn; relu; relu", "conv 16 3x3 stride 2 pad 1; bn; relu");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), fixed);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn fixes_reach_the_recipe_and_not_the_command_line() {
    let recipe = case("recipe.yaml", "batchh: 64\nepochs: 2\n");
    let path = case("recipe.net", "net x { input 3x32x32; flatten; linear 10 }\nrecipe \"recipe.yaml\"\n");
    let spec = path.to_str().unwrap();
    let output = netc(&["check", "--fix", "--unsafe-fixes", spec, "--set", "epoch=3"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(std::fs::read_to_string(&recipe).unwrap(), "batch: 64\nepochs: 2\n");
    assert!(netc(&["check", spec]).status.success());
}

#[test]
fn a_diff_has_no_place_in_json() {
    let path = case("json.net", BROKEN);
    for format in [&["--format", "sarif"][..], &["--json"]] {
        let output = netc(&[&["check", "--fix", path.to_str().unwrap()], format].concat());
        assert_eq!(output.status.code(), Some(2));
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap(), BROKEN);
}

/// The log of a real run; what it must hold is tested with its writer.
#[test]
fn sarif_is_printed_for_code_hosts() {
    let path = case("sarif.net", BROKEN);
    let output = netc(&["check", "--format", "sarif", path.to_str().unwrap(), "specs/lenet5.net"]);
    assert_eq!((output.status.code(), output.stderr.len()), (Some(1), 0));
    let log: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let results = log["runs"][0]["results"].as_array().unwrap();
    assert_eq!((results.len(), &results[0]["ruleId"]), (1, &"E0302".into()));
}
