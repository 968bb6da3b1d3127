//! The page of a code: what `netc explain` prints and `docs/lints.md` is made of.
//!
//! A check's page is the documentation at the top of its own file. The file gives itself to [`Page::of`] with
//! `include_str!`, so that the page is beside the function that it speaks of, and there is no second text.

use super::{Code, Level};

/// The documentation at the top of a check's file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// One sentence, which begins with the code.
    pub title: String,
    /// Headings with what stands below them, in order.
    pub sections: Vec<(String, String)>,
}

/// The headings that a page may have, in their order; the last one may be missing.
#[cfg(test)]
pub const SECTIONS: [&str; 5] = ["What it does", "Why is this bad?", "Example", "Use instead", "Reference"];

impl Page {
    /// The page of a source file: its first lines, as far as they begin with `//!`.
    pub fn of(source: &str) -> Page {
        let lines = source.lines().map_while(|line| line.strip_prefix("//!"));
        let mut page = Page { title: String::new(), sections: Vec::new() };
        for line in lines.map(|line| line.strip_prefix(' ').unwrap_or(line)) {
            if let Some(heading) = line.strip_prefix("## ") {
                page.sections.push((heading.to_string(), String::new()));
                continue;
            }
            let text = page.sections.last_mut().map_or(&mut page.title, |(_, text)| text);
            text.push_str(line);
            text.push('\n');
        }
        page.title = page.title.trim().replace('\n', " ");
        for (_, text) in &mut page.sections {
            *text = text.trim().to_string();
        }
        page
    }

    /// What stands below a heading.
    pub fn section(&self, heading: &str) -> Option<&str> {
        self.sections.iter().find(|(name, _)| name == heading).map(|(_, text)| text.as_str())
    }

    /// The fenced texts below a heading: what stands behind the fence, and the text.
    #[cfg(any(test, feature = "internals"))]
    pub fn examples(&self, heading: &str) -> Vec<(String, String)> {
        let mut examples = Vec::new();
        let mut lines = self.section(heading).unwrap_or("").lines();
        while let Some(line) = lines.next() {
            if let Some(kind) = line.strip_prefix("```") {
                let text: Vec<&str> = lines.by_ref().take_while(|line| !line.starts_with("```")).collect();
                examples.push((kind.to_string(), text.join("\n")));
            }
        }
        examples
    }
}

/// A code as Markdown, with its page if it has one; headings begin at `level`.
pub fn markdown(code: Code, page: Option<&Page>, level: usize) -> String {
    let marks = "#".repeat(level);
    let default =
        if code.level() == Level::Error { "an error" } else { "a lint; a warning unless it is allowed or denied" };
    let mut text =
        format!("{marks} {code} `{}`\n\n{}.\n\n({code} is {default}.)\n", code.slug(), sentence(code.summary()));
    for (heading, body) in page.map_or(&[][..], |page| &page.sections) {
        text += &format!("\n{marks}# {heading}\n\n{body}\n");
    }
    text
}

fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_the_head_of_a_file() {
        let page = Page::of(
            "//! N001: a block\n//! is odd.\n//!\n//! ## What it does\n//! Tells.\n//!\n//! ## Example\n//! ```net\n//! net x {}\n\
             //! ```\n\nuse x;\n//! ## no",
        );
        assert_eq!(page.title, "N001: a block is odd.");
        assert_eq!(page.section("What it does"), Some("Tells."));
        assert_eq!(page.examples("Example"), [("net".to_string(), "net x {}".to_string())]);
        assert_eq!(page.section("no"), None);
        let text = markdown(Code::UnusedBlock, Some(&page), 2);
        assert!(text.starts_with("## N001 `unused-block`\n\nA block is never called.\n"), "{text}");
        assert!(text.contains("\n### What it does\n\nTells.\n"), "{text}");
    }
}
