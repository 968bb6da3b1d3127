//! `docs/messages.md` shows what is printed, and messages are coloured when they should be.
//! `scripts/bless.sh` writes what is printed now, to be read before it is kept.

use crate::command;
use std::path::{Path, PathBuf};
use std::process::Output;

const PAGE: &str = "docs/messages.md";

fn netc(folder: &Path, arguments: &[&str], no_color: bool) -> Output {
    let mut command = command::netc(arguments);
    if !no_color {
        command.env_remove("NO_COLOR");
    }
    command.current_dir(folder).output().unwrap()
}

/// A folder with the blocks that examples use.
fn folder(name: &str) -> PathBuf {
    let folder = command::scratch(name);
    std::fs::create_dir_all(folder.join("lib")).unwrap();
    std::fs::copy("specs/lib/resnet.net", folder.join("lib/resnet.net")).unwrap();
    folder
}

#[test]
fn the_page_shows_what_is_printed() {
    let folder = folder("messages");
    let page = std::fs::read_to_string(PAGE).unwrap();
    let (mut made, mut shown) = (String::new(), 0);
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        made += &format!("{line}\n");
        let Some(kind) = line.strip_prefix("```") else { continue };
        let block: String = lines.by_ref().take_while(|line| *line != "```").map(|line| format!("{line}\n")).collect();
        match kind {
            "net" | "yaml" => {
                std::fs::write(folder.join(format!("example.{kind}")), &block).unwrap();
                made += &block;
            }
            "text" => {
                let printed = netc(&folder, &["check", "example.net"], false);
                assert!(!printed.stderr.is_empty(), "an example of the page is no mistake:\n{block}");
                made += String::from_utf8(printed.stderr).unwrap().trim_end();
                made += "\n";
                shown += 1;
            }
            other => panic!("a block of an unknown kind: {other}"),
        }
        made += "```\n";
    }
    assert_eq!(shown, 10);
    if std::env::var_os("NETC_BLESS").is_some() {
        std::fs::write(PAGE, made).unwrap();
    } else {
        assert_eq!(made, page, "{PAGE} does not show what is printed: run scripts/bless.sh and read what changed");
    }
}

#[test]
fn messages_are_coloured_for_those_who_ask() {
    let folder = folder("colors");
    std::fs::write(folder.join("wrong.net"), "net x {\n  input 3x32x32\n  cnov 16 3x3\n}\nrecipe \"wrong.yaml\"\n")
        .unwrap();
    std::fs::write(folder.join("wrong.yaml"), "bacth: 3\n").unwrap();
    let stderr = |arguments: &[&str], no_color| {
        let printed = netc(&folder, arguments, no_color);
        assert_eq!(printed.status.code(), Some(1));
        assert!(!printed.stdout.contains(&0x1b), "results have no colour");
        String::from_utf8(printed.stderr).unwrap()
    };
    let colored = |text: &str| text.contains("\x1b[");
    // A pipe is no terminal.
    assert!(!colored(&stderr(&["check", "wrong.net"], false)));
    let always = stderr(&["check", "wrong.net", "--color", "always"], true);
    // Both the spec's message and the recipe's.
    assert!(colored(&always) && always.contains("E0302") && always.contains("E0501"));
    assert!(!colored(&stderr(&["--color", "never", "check", "wrong.net"], false)));
    assert!(!colored(&stderr(&["check", "wrong.net", "--color", "auto"], true)));
}
