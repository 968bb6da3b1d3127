#!/usr/bin/env bash
# Plants mistakes in a copy of the tree, one at a time, and tells which of them the tests see (docs/testing.md).
#   scripts/mutants/run.sh [--sample COUNT] [--seed S] [--all] [--only N] [--jobs N] [--list]
# Goes on where it was interrupted. Ends in 1 when fewer than 97 of 100 were seen.
set -euo pipefail
cd "$(dirname "$0")/../.."
# No variable of the caller may write snapshots anew or show a test another network.
unset INSTA_UPDATE INSTA_FORCE_PASS TRYCMD NETC_BLESS NETC_DATA NETC_ISA NETC_MUTANT
CARGO_TARGET_DIR=target/mutants/tool nice cargo build --quiet --release --locked --manifest-path scripts/mutants/Cargo.toml
exec nice target/mutants/tool/release/mutants "$@"
