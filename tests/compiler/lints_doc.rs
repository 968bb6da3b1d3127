//! `docs/lints.md` is what `netc explain --markdown` prints. `scripts/bless.sh` writes it anew.

use netc::internals::check::registry;

const PAGE: &str = "docs/lints.md";

#[test]
fn the_page_is_that_of_the_source() {
    let made = format!("{}\n", registry::markdown().trim_end());
    if std::env::var_os("NETC_BLESS").is_some() {
        std::fs::write(PAGE, &made).unwrap();
    }
    let page = std::fs::read_to_string(PAGE).unwrap();
    assert!(page == made, "{PAGE} is not that of the source: run scripts/bless.sh");
}
