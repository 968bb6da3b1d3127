//! `docs/lints.md` is what `netc explain --markdown` prints. `NETC_BLESS=1 cargo test --test lints_doc` writes it anew.

#![allow(clippy::unwrap_used)]

use netc::check::registry;

const PAGE: &str = "docs/lints.md";

#[test]
fn the_page_is_that_of_the_source() {
    let made = format!("{}\n", registry::markdown().trim_end());
    if std::env::var_os("NETC_BLESS").is_some() {
        std::fs::write(PAGE, &made).unwrap();
    }
    let page = std::fs::read_to_string(PAGE).unwrap();
    assert!(page == made, "{PAGE} is not that of the source: run with NETC_BLESS=1");
}
