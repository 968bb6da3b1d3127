//! The command line as a user types it: every file in `tests/cmd/` holds commands and what they print. They run in the
//! project's folder; `scripts/bless.sh` writes what is printed now, to be read before it is kept
//! (`[..]` and `...` stand for what differs from run to run).

#[test]
fn commands_print_what_their_files_show() {
    // What an earlier run of the tests left.
    for entry in std::fs::read_dir("target/tmp").into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with("cmd-") {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
    trycmd::TestCases::new()
        // Neither the data nor the processor of this machine may change what is printed.
        .env("NETC_DATA", "/nonexistent")
        .env("XDG_CACHE_HOME", "/nonexistent")
        .env("NETC_ISA", "portable")
        .env("NO_COLOR", "1")
        .case("tests/cmd/*.trycmd");
}
