use super::*;
use crate::compile::{Options, compile_text};
use crate::diagnostic::{Code, Diagnostic, has_errors};
use crate::graph::catalog;
use crate::recipe::{self, RecipeSource};
use crate::source::SourceMap;
use crate::syntax::foreign::{LAYERS, dotted, line};
use std::collections::HashSet;
use std::path::Path;

fn messages(text: &str) -> Vec<Diagnostic> {
    compile_text(Path::new("x.net"), text.into(), &Options::default()).diagnostics
}

/// A call of a layer with all that it must be given.
fn call(callee: &str) -> &'static str {
    match callee {
        "conv" => "conv 6 3x3",
        "linear" => "linear 10",
        "max_pool" => "max_pool 3x3",
        "avg_pool" => "avg_pool 3x3",
        "lrn" => "lrn 5",
        "dropout" => "dropout 0.5",
        _ => "bn",
    }
}

/// Whether a piece of an answer is netc: statements, an attribute of one of the layers, a net, or a line of a recipe.
fn compiles(piece: &str, callees: &[&str]) -> bool {
    let mut statements = vec![piece.to_string()];
    statements.extend(callees.iter().map(|callee| format!("{} {piece}", call(callee))));
    let mut texts = vec![piece.to_string(), format!("net x {{ {piece}; flatten; linear 10 }}")];
    for statement in statements {
        for before in ["", "add(x, y); ", "add(x, y); flatten; "] {
            for after in ["", "; linear 10", "; flatten; linear 10"] {
                texts.push(format!(
                    "net x {{ input 3x32x32; x = conv 3 3x3 pad 1; y = conv 3 1x1; {before}{statement}{after} }}"
                ));
            }
        }
    }
    let recipe = || recipe::read(RecipeSource::text(Path::new("x.yaml"), piece), &mut SourceMap::new());
    texts.iter().any(|text| !has_errors(&messages(text))) || (piece.contains(':') && recipe().is_ok())
}

fn pieces(answer: &str) -> Vec<&str> {
    assert_eq!(answer.matches('`').count() % 2, 0, "{answer}");
    answer.split('`').skip(1).step_by(2).collect()
}

#[test]
fn what_answers_say_compiles() {
    let attributes = ATTRIBUTES.iter().map(|(callees, _, answer)| (*callees, *answer));
    let lines = ["[net]", "layer {", "import torch", "{"].map(|text| (&[][..], line(text).unwrap()));
    let dots = ["F.relu", "nn.Dropout", "nn.Linear", "nn.Flatten"].map(|name| (&[][..], dotted(name).unwrap()));
    let layers = LAYERS.iter().map(|(_, answer)| (&[][..], *answer));
    for (callees, answer) in layers.chain(attributes).chain(lines).chain(dots) {
        for piece in pieces(answer) {
            assert!(compiles(piece, callees), "`{piece}` of: {answer}");
        }
    }
}

#[test]
fn every_layer_gets_its_answer() {
    let mut seen = HashSet::new();
    for (words, answer) in LAYERS {
        for word in *words {
            assert!(seen.insert(*word), "`{word}` stands twice");
            assert_eq!(*word, plain(word), "it would never be found");
            // As it is written, in capitals, and with an argument.
            for written in [(*word).to_string(), word.to_uppercase(), format!("{word} 3")] {
                let text = format!("net x {{ input 3x32x32; {written}; flatten; linear 10 }}");
                let reported = messages(&text);
                assert_eq!((reported.len(), reported[0].code), (1, Code::ForeignWord), "{text}: {reported:?}");
                assert_eq!(reported[0].help, [*answer]);
            }
        }
    }
    assert!(seen.len() > 100);
}

#[test]
fn every_attribute_gets_its_answer() {
    let mut seen = HashSet::new();
    for (callees, words, answer) in ATTRIBUTES {
        for callee in *callees {
            assert!(catalog::find(callee).is_some(), "{callee}");
            for word in *words {
                assert!(seen.insert((*callee, *word)), "`{word}` of `{callee}` stands twice");
                assert_eq!(*word, plain(word), "it would never be found");
                let inside = format!("{}(", callee) + &call(callee)[callee.len()..].trim().replace(' ', ", ");
                let comma = if inside.ends_with('(') { "" } else { ", " };
                for written in [
                    format!("{} {word}", call(callee)),
                    format!("{} {} 3", call(callee), word.to_uppercase()),
                    format!("{inside}{comma}{word}: 3)"),
                ] {
                    let flat = if *callee == "linear" { "flatten; " } else { "" };
                    let text = format!("net x {{ input 3x32x32; {flat}{written}; relu }}");
                    let reported = messages(&text);
                    assert!(!reported.is_empty() && reported[0].code == Code::ForeignWord, "{text}: {reported:?}");
                    assert_eq!(reported[0].help, [*answer], "{text}");
                }
            }
        }
    }
    assert!(seen.len() > 100);
}

#[test]
fn no_word_of_ours_is_called_foreign() {
    for entry in catalog::LAYERS {
        assert_eq!(LAYERS.iter().find(|(words, _)| words.contains(&entry.name)), None, "{}", entry.name);
        for known in entry.attributes {
            assert_eq!(attribute(entry.name, known.name), None, "{} {}", entry.name, known.name);
        }
    }
}

#[test]
fn files_of_other_tools_are_known() {
    for (text, tool) in [
        ("name: \"LeNet\"\nlayer {\n  name: \"conv1\"\n}\n", "Caffe prototxt"),
        ("layer { type: \"Convolution\" }\n", "Caffe prototxt"),
        ("[net]\nbatch=128\n[convolutional]\nfilters=16\n", "Darknet cfg"),
        ("import torch.nn as nn\n", "Python"),
        ("class Net(nn.Module):\n", "Python"),
        ("model = Sequential()\n", "Python"),
        ("from keras.layers import Dense\n", "Python"),
        ("net x {\n  input 3x32x32\n  self.conv1 = nn.Conv2d(3, 6, 5)\n}\n", "Python"),
        ("{\"class_name\": \"Sequential\"}\n", "JSON"),
    ] {
        let reported = messages(text);
        assert_eq!((reported.len(), reported[0].code), (1, Code::Syntax), "{text}");
        assert!(reported[0].help.iter().any(|help| help.contains(tool)), "{text}: {reported:?}");
    }
    for (written, answer) in [
        ("nn.Conv2d(3, 6, 5)", "`conv 16 3x3"),
        ("F.relu(x)", "`relu`"),
        ("tf.keras.layers.Dense(10)", "`linear 10`"),
        ("nn.Linear(120, 84)", "`linear 10`"),
    ] {
        let reported = messages(&format!("net x {{\n  input 3x32x32\n  {written}\n}}"));
        assert!(
            reported.len() == 1 && reported[0].help.iter().any(|help| help.contains(answer)),
            "{written}: {reported:?}"
        );
    }
}
