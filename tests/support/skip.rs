//! Tests that need what not every machine has.

use std::io::Write;

/// Says that a test is skipped, and why, even where the test's output is not shown. Where `NETC_REQUIRE_<what>` is set
/// it fails instead: the gate sets it for what it has seen to.
pub fn skip(what: &str, why: &str) {
    let (variable, name) = (format!("NETC_REQUIRE_{what}"), std::thread::current().name().unwrap_or("?").to_string());
    assert!(std::env::var_os(&variable).is_none(), "{variable} is set, but {why}");
    // `eprintln!` would be captured.
    let _ = writeln!(std::io::stderr(), "SKIPPED {name}: {why} ({variable}=1 makes that a failure)");
}
