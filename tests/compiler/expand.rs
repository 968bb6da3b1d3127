//! `netc expand`: the flat spec is the same network.

use netc::internals::compile::{Compilation, Options, compile, compile_text};
use netc::internals::diagnostic::render::render_all;
use netc::internals::graph::flat::{flat, labels};
use netc::internals::lower::program::Program;
use netc::internals::source::FileId;
use netc::internals::syntax::format::format;
use std::collections::HashMap;
use std::path::Path;

/// A program under the names of the flat spec.
fn renamed(compilation: &Compilation) -> Program {
    let graph = &compilation.shaped.as_ref().unwrap().graph;
    let names: HashMap<&str, String> =
        graph.graph.node_weights().map(|node| node.name.as_str()).zip(labels(graph)).collect();
    let mut program = compilation.program.clone().unwrap();
    let owned = |name: &mut String| {
        let (layer, part) = name.rsplit_once('.').unwrap();
        *name = format!("{}.{part}", names[layer]);
    };
    program.values.iter_mut().for_each(|value| value.name = names[value.name.as_str()].clone());
    program.ops.iter_mut().for_each(|op| op.name = names[op.name.as_str()].clone());
    program.parameters.iter_mut().for_each(|parameter| owned(&mut parameter.name));
    program.statistics.iter_mut().for_each(|statistic| owned(&mut statistic.name));
    program
}

/// Unrolls, checks that it is the same, and gives the text.
fn unrolled(compilation: &Compilation, path: &Path) -> String {
    let text = flat(compilation.shaped.as_ref().unwrap(), "Unrolled.", None);
    let again = compile_text(path, text.clone(), &Options::default());
    let messages = render_all(&again.diagnostics, &again.sources, false);
    assert!(messages.is_empty(), "{text}\n{messages}");
    assert_eq!(again.program.unwrap(), renamed(compilation), "{text}");
    assert_eq!(format(FileId(0), &text).unwrap(), text, "it is formatted");
    assert!(!text.contains("repeat ") && !text.contains("residual"));
    text
}

#[test]
fn every_spec_unrolls_to_itself() {
    for entry in std::fs::read_dir("specs").unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "net") {
            let text = unrolled(&compile(&path, &Options::default()), &path);
            if path.ends_with("resnet20.net") {
                let mut settings = insta::Settings::clone_current();
                settings.set_snapshot_path(concat!(env!("CARGO_MANIFEST_DIR"), "/snapshots"));
                settings.set_prepend_module_to_snapshot(false);
                settings.set_omit_expression(true);
                settings.bind(|| insta::assert_snapshot!("expand_resnet20", text));
            }
        }
    }
}

#[test]
fn every_attribute_comes_along() {
    let text = r#"
block twig(width: int) {
  residual { conv width 3x3 pad same; bn epsilon 1e-7 decay 0.99 } shortcut { pad_channels width split }
  expect shape 12x12x24
}
net odd(n: int = 2, wide: bool = true) {
  images = input 3x24x24
  a = conv 6 1x3 stride 2x1 pad (0, 0, 1, 1) bias; tanh
  early = conv 3 3x3 pad 1
  from images
  b = conv 6 5x5 pad same dilation 2 groups 3; sigmoid
  halved = subsample 2x1
  c = concat(halved, early)
  deep = repeat n { max_pool 3x3 stride 1 pad 1; bn }
  sum = add(c, deep)
  relu
  x = twig(12)
  lrn 5 alpha (-0.5) beta 1.25 k 100000000000000000.0
  avg_pool 3 stride 2 pad 1 ceil divisor image
  if wide { avg_pool 2x2 floor }
  y = global_avg_pool
  from sum
  max_pool 2x4
  z = global_avg_pool
  concat(y, z)
  dropout 0.25; linear 7 bias false
  expect layers 26
}"#
    .to_string();
    let path = Path::new("odd.net");
    let compilation = compile_text(path, text, &Options::default());
    let messages = render_all(&compilation.diagnostics, &compilation.sources, false);
    assert!(messages.is_empty(), "{messages}");
    let flat = unrolled(&compilation, path);
    for line in [
        "images = input 3x24x24",
        "conv 6 1x3 stride 2x1 pad (0, 0, 1, 1) bias",
        "conv 6 5x5 pad 4 dilation 2 groups 3",
        "bn epsilon 1e-7 decay 0.99",
        "lrn 5 alpha (-0.5) beta 1.25 k 1e17",
        "avg_pool 3x3 stride 2 pad 1 ceil divisor image",
        "linear 7 bias false",
        "pad_channels 12 split",
        "from images",
        "expect shape 12x12x24",
    ] {
        assert!(flat.contains(line), "{line}\n{flat}");
    }
}
