#!/usr/bin/env bash
# Writes every snapshot, page and command test as netc has it now: read `git diff` before it is kept.
#   scripts/bless.sh [FILTER]    only tests whose name has FILTER in it, such as `ui` or `lints_doc`
set -euo pipefail
cd "$(dirname "$0")/.."
export INSTA_UPDATE=always INSTA_FORCE_PASS=1 TRYCMD=overwrite NETC_BLESS=1
cargo test --lib --test compiler -- "${@:1:1}"
# Of the runs only the command line has pages of its own; its tests are one.
cargo test --test runs -- cmd::
git status --short -- snapshots docs tests
