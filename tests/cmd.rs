//! The command line as a user types it: every file in `tests/cmd/` holds commands and what they print. They run in the
//! project's folder; `TRYCMD=overwrite cargo test --test cmd` writes what is printed now, to be read before it is kept
//! (`[..]` and `...` stand for what differs from run to run).

#[test]
fn commands_print_what_their_files_show() {
    // What an earlier run of the tests left.
    for folder in ["target/tmp/cmd-train", "target/tmp/cmd-nan"] {
        let _ = std::fs::remove_dir_all(folder);
    }
    trycmd::TestCases::new()
        // Neither the data nor the processor of this machine may change what is printed.
        .env("NETC_DATA", "/nonexistent")
        .env("XDG_CACHE_HOME", "/nonexistent")
        .env("NETC_ISA", "portable")
        .env("NO_COLOR", "1")
        .case("tests/cmd/*.trycmd");
}
