//! `netc` as a command, and folders of a test's own.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// `netc` in the project's folder, without the colours and the data of whoever runs the tests.
pub fn netc(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_netc"));
    command.args(arguments).current_dir(env!("CARGO_MANIFEST_DIR"));
    command.env("NO_COLOR", "1").env_remove("NETC_DATA").stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// A path for a test's own folder, where there is nothing.
pub fn scratch(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&path);
    path
}
