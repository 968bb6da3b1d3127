//! The shipped specs: they check clean, their counts are the published ones, and what they lower to is in `snapshots/`.

use netc::internals::compile::{Options, compile};
use netc::internals::diagnostic::render::render_all;
use netc::internals::graph::summary::summarize;
use netc::internals::lower::print::Listing;
use std::path::{Path, PathBuf};

fn specs() -> Vec<PathBuf> {
    let mut specs: Vec<PathBuf> = std::fs::read_dir("specs")
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "net"))
        .collect();
    specs.sort();
    assert!(specs.len() >= 7, "{specs:?}");
    specs
}

#[test]
fn every_spec_is_clean_and_lowers_to_its_snapshot() {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(concat!(env!("CARGO_MANIFEST_DIR"), "/snapshots/programs"));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    for path in specs() {
        let compiled = compile(&path, &Options::default());
        let messages = render_all(&compiled.diagnostics, &compiled.sources, false);
        assert!(messages.is_empty(), "{}:\n{messages}", path.display());
        let program = compiled.program.unwrap();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        settings.bind(|| insta::assert_snapshot!(name, Listing(&program).to_string()));
    }
}

/// He et al. 2015; LeCun et al. 1998 at three colours; TF-slim. Worked out by hand in docs/language.md's terms.
const COUNTS: [(&str, u64, u64); 7] = [
    ("lenet5", 62_006, 651_720),
    ("lenet5-mnist", 61_706, 416_520),
    ("cifarnet", 1_756_426, 32_778_112),
    ("resnet20", 269_722, 40_551_040),
    ("resnet20-b", 272_474, 40_813_184),
    ("resnet32", 464_154, 68_862_592),
    ("resnet56", 853_018, 125_485_696),
];

#[test]
fn counts_are_the_published_ones() {
    for (name, params, macs) in COUNTS {
        let compiled = compile(&Path::new("specs").join(name).with_extension("net"), &Options::default());
        let summary = summarize(compiled.shaped.as_ref().unwrap());
        assert_eq!((summary.params, summary.macs), (params, macs), "{name}");
        assert_eq!(compiled.program.unwrap().parameter_count() as u64, params, "{name}");
    }
}

#[test]
fn deeper_members_of_the_family_have_the_published_counts() {
    let text = "use \"lib/resnet.net\"\nnet deep(n: int, projection: bool = false) { input 3x32x32; resnet_cifar(n: n, projection: projection) }";
    for (n, projection, params, macs) in [
        (7, false, 658_586, 97_174_144),
        (18, false, 1_727_962, 252_887_680),
        (5, true, 466_906, 69_124_736),
        (18, true, 1_730_714, 253_149_824),
    ] {
        let mut options = Options::default();
        options.net_parameters.push(format!("n={n}"));
        options.net_parameters.push(format!("projection={projection}"));
        let compiled = netc::internals::compile::compile_text(Path::new("specs/deep.net"), text.into(), &options);
        let summary = summarize(compiled.shaped.as_ref().unwrap());
        assert_eq!((summary.params, summary.macs), (params, macs), "n = {n}, projection = {projection}");
    }
}
