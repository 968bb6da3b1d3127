//! Messages as a person sees them: every file below `tests/ui/` is one case, and `snapshots/ui/` shows what netc says.
//!
//! A case is a `.net` file. Comments at its top direct it: `# expect: E0203 N001` (or `clean`) lists exactly the codes
//! that must come, in order; `# target: cifar10` names the data set; `# param: n=3` sets a parameter of the net;
//! `# set: batch=64` changes the recipe. A case may name a recipe, `recipe "a_name.yaml"`, which stands beside it and is
//! shown with it. Where there are fixes the snapshot shows what they change.
//! A new case is a new file; `scripts/bless.sh ui` writes its snapshot, to be read before it is kept.

use netc::internals::cli::line_diff::line_diff;
use netc::internals::compile::{Compilation, Options, compile};
use netc::internals::data::DataKind;
use netc::internals::diagnostic::{Code, fix, has_errors, render};
use netc::internals::experiment::{Request, stages};
use netc::internals::syntax::load;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn cases(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(cases(&path));
        } else if path.extension().is_some_and(|extension| extension == "net") {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The values of a directive.
fn directive<'a>(text: &'a str, name: &str) -> Vec<&'a str> {
    let prefix = format!("# {name}:");
    text.lines().filter_map(|line| line.strip_prefix(&prefix)).map(str::trim).collect()
}

fn options(text: &str) -> Options {
    let target = directive(text, "target").first().map(|name| DataKind::from_name(name).unwrap().target());
    let net_parameters = directive(text, "param").into_iter().map(str::to_string).collect();
    Options { net_parameters, target, ..Options::default() }
}

fn run(path: &Path) -> (Vec<&'static str>, Compilation) {
    let text = std::fs::read_to_string(path).unwrap();
    let owned = |name| directive(&text, name).into_iter().map(str::to_string).collect::<Vec<_>>();
    let compilation = if text.lines().any(|line| line.starts_with("recipe ")) {
        let (parameters, sets) = (owned("param"), owned("set"));
        stages(path, &Request { parameters: &parameters, sets, ..Request::default() }).0
    } else {
        compile(path, &options(&text))
    };
    (compilation.diagnostics.iter().map(|diagnostic| diagnostic.code.name()).collect(), compilation)
}

/// The recipe that a case names.
fn recipe(compilation: &Compilation) -> String {
    let named = compilation.spec.as_ref().and_then(|spec| load::recipe(spec, &compilation.sources));
    let text = named.and_then(|(path, _)| std::fs::read_to_string(path).ok());
    text.map_or_else(String::new, |text| format!("-- recipe\n{}\n", text.replace('\r', "")))
}

/// What the fixes change, the safe ones and the others.
fn fixes(compilation: &Compilation) -> String {
    let mut shown = String::new();
    for (safe, title) in [(true, "fixes"), (false, "unsafe fixes")] {
        let fixes =
            compilation.diagnostics.iter().flat_map(|diagnostic| &diagnostic.fixes).filter(|fix| fix.safe == safe);
        let fixed = fix::apply(fixes.clone(), &compilation.sources);
        for (file, text) in &fixed.texts {
            let titles: Vec<&str> = fixes.clone().map(|fix| fix.title.as_str()).collect();
            let diff = line_diff(compilation.sources.text(*file), text);
            shown += &format!("-- {title}: {}\n{diff}", titles.join(", "));
        }
    }
    shown.replace('\r', "")
}

#[test]
fn every_case_says_what_its_snapshot_shows() {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(concat!(env!("CARGO_MANIFEST_DIR"), "/snapshots/ui"));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    let mut wrong = String::new();
    for path in cases(Path::new("tests/ui")) {
        let (codes, compilation) = run(&path);
        let source = std::fs::read_to_string(&path).unwrap().replace('\r', "");
        let messages = render::render_all(&compilation.diagnostics, &compilation.sources, false);
        let found = if codes.is_empty() { "clean".to_string() } else { codes.join(" ") };
        if directive(&source, "expect") != [found.as_str()] {
            wrong += &format!("{}: found {found}\n{messages}\n", path.display());
            continue;
        }
        let errors = has_errors(&compilation.diagnostics);
        assert_eq!(compilation.program.is_none(), errors, "{}", path.display());
        let name = path.with_extension("");
        let name = name.strip_prefix("tests/ui").unwrap().to_string_lossy().replace(['/', '\\'], "__");
        let (recipe, fixes) = (recipe(&compilation), fixes(&compilation));
        let shown = format!("-- source\n{source}\n{recipe}-- messages\n{messages}{fixes}");
        settings.bind(|| insta::assert_snapshot!(name, shown.replace('\\', "/")));
    }
    assert!(wrong.is_empty(), "cases whose codes are not the expected ones:\n{wrong}");
}

#[test]
fn every_code_of_the_compiler_has_a_case() {
    let mut seen = BTreeSet::new();
    for path in cases(Path::new("tests/ui")) {
        seen.extend(run(&path).0);
    }
    // E05 to E07 are recipes, data and runs; their tests are with them.
    let compiler = |code: &&Code| !matches!(code.name().get(..3), Some("E05" | "E06" | "E07"));
    let missing: Vec<&str> =
        Code::ALL.iter().filter(compiler).map(|code| code.name()).filter(|code| !seen.contains(code)).collect();
    assert!(missing.is_empty(), "no case in tests/ui gives {missing:?}");
}
