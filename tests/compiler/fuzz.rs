//! No text makes the compiler panic or hang, and it always says something when there is no program.
//!
//! Four sources of text: any characters, tokens of the language in any order, the shipped specs with tokens deleted,
//! doubled, swapped or replaced, and specs of random layers with extreme numbers. Each goes through the whole way from
//! text to program, and every message is printed in every form.

use netc::internals::compile::{Options, compile_text};
use netc::internals::data::DataKind;
use netc::internals::diagnostic::{has_errors, render};
use netc::internals::graph::summary::summarize;
use netc::internals::lower::print::Listing;
use proptest::prelude::*;
use std::path::Path;
use std::sync::LazyLock;

/// The whole way of a text; the path makes `use "lib/resnet.net"` work.
fn whole_way(text: &str) {
    let target = DataKind::Cifar10.target();
    for target in [None, Some(target)] {
        let options = Options { target, net_parameters: Vec::new(), ..Options::default() };
        let compiled = compile_text(Path::new("specs/fuzz.net"), text.to_string(), &options);
        for diagnostic in &compiled.diagnostics {
            assert!(!diagnostic.message.is_empty());
            assert!(render::render(diagnostic, &compiled.sources, true).contains(diagnostic.code.name()));
            assert!(render::render(diagnostic, &compiled.sources, false).contains(diagnostic.code.name()));
            let json = render::json(diagnostic, &compiled.sources);
            assert_eq!(json["code"], diagnostic.code.name());
        }
        assert_eq!(compiled.program.is_none(), has_errors(&compiled.diagnostics), "{text}\n{:?}", compiled.diagnostics);
        if let Some(shaped) = &compiled.shaped {
            summarize(shaped);
        }
        if let Some(program) = &compiled.program {
            assert!(Listing(program).to_string().contains("ops"));
            for (op, value) in program.ops.iter().zip(program.values.iter().skip(1)) {
                assert_eq!(op.name, value.name);
                assert!(op.inputs.iter().all(|input| input.0 < op.output.0));
            }
        }
    }
}

const TOKENS: &[&str] = &[
    "net",
    "block",
    "allow",
    "deny",
    "N010",
    "unused-block",
    "use",
    "recipe",
    "repeat",
    "as",
    "if",
    "then",
    "else",
    "residual",
    "shortcut",
    "from",
    "expect",
    "true",
    "false",
    "and",
    "or",
    "not",
    "input",
    "conv",
    "linear",
    "bn",
    "relu",
    "max_pool",
    "avg_pool",
    "lrn",
    "dropout",
    "flatten",
    "add",
    "concat",
    "subsample",
    "pad_channels",
    "global_avg_pool",
    "stride",
    "pad",
    "same",
    "bias",
    "groups",
    "dilation",
    "ceil",
    "x",
    "y",
    "basic",
    "width",
    "int",
    "size",
    "{",
    "}",
    "(",
    ")",
    "basic(",
    "add(",
    ",",
    ":",
    "=",
    "==",
    "!=",
    "<",
    "+",
    "-",
    "*",
    "/",
    "%",
    ";",
    "\n",
    "\n",
    "# note\n",
    "\"lib/resnet.net\"",
    "0",
    "1",
    "2",
    "16",
    "3x3",
    "3x32x32",
    "1_000",
    "0.5",
    "1e-4",
    "9007199254740992",
    "é",
    "\r\n",
    "\t",
];

/// The shipped specs, with their library written into the same file.
static SPECS: LazyLock<Vec<String>> = LazyLock::new(|| {
    ["lenet5", "cifarnet", "resnet20", "resnet20-b"]
        .map(|name| {
            let library = std::fs::read_to_string("specs/lib/resnet.net").unwrap();
            let text = std::fs::read_to_string(format!("specs/{name}.net")).unwrap();
            text.replace("use \"lib/resnet.net\"", &library)
        })
        .to_vec()
});

/// A text as tokens with the white space behind them.
fn split(text: &str) -> Vec<String> {
    let mut tokens: Vec<String> = Vec::new();
    for character in text.chars() {
        let word = |c: char| c.is_alphanumeric() || c == '_';
        match tokens.last_mut() {
            Some(last) if last.ends_with(word) && word(character) => last.push(character),
            Some(last) if character == ' ' => last.push(character),
            _ => tokens.push(character.to_string()),
        }
    }
    tokens
}

/// One change: what is done, and the two places it is done at, as shares of the text.
fn mutated(text: &str, changes: &[(u8, f64, f64, usize)]) -> String {
    let mut tokens = split(text);
    for &(kind, first, second, token) in changes {
        let place = |share: f64, length: usize| ((share * length as f64) as usize).min(length.saturating_sub(1));
        if tokens.is_empty() {
            break;
        }
        let (a, b) = (place(first, tokens.len()), place(second, tokens.len()));
        match kind {
            0 => drop(tokens.remove(a)),
            1 => tokens.insert(b, tokens[a].clone()),
            2 => tokens.swap(a, b),
            _ => tokens[a] = format!("{} ", TOKENS[token % TOKENS.len()]),
        }
    }
    tokens.concat()
}

fn extreme() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => (1u32..9).prop_map(|n| n.to_string()),
        1 => prop::sample::select(vec!["0", "32", "64", "65536", "65537", "2147483647", "2147483648", "9007199254740992", "(-1)", "(0 - 7)", "0.5", "1e-4", "true", "3x3", "1x65536", "(1, 2, 3, 4)"])
            .prop_map(str::to_string),
    ]
}

fn layer() -> impl Strategy<Value = String> {
    let attributes = || {
        let attribute = (prop::sample::select(vec!["stride", "pad", "dilation", "groups", "bias"]), extreme());
        prop::collection::vec(attribute.prop_map(|(name, value)| format!(" {name} {value}")), 0..3)
    };
    prop_oneof![
        4 => (extreme(), extreme(), attributes()).prop_map(|(w, k, a)| format!("conv {w} {k}{}", a.concat())),
        2 => (prop::sample::select(vec!["max_pool", "avg_pool"]), extreme(), attributes()).prop_map(|(p, k, a)| format!("{p} {k}{}", a.concat())),
        1 => extreme().prop_map(|w| format!("linear {w}")),
        1 => extreme().prop_map(|w| format!("subsample {w}")),
        1 => extreme().prop_map(|w| format!("pad_channels {w} split")),
        1 => extreme().prop_map(|w| format!("lrn {w} alpha {w}")),
        1 => extreme().prop_map(|w| format!("repeat {w} {{ relu; conv {w} 1x1 }}")),
        1 => extreme().prop_map(|w| format!("x = relu; a = conv {w} 3x3 pad 1; concat(a, x); expect shape {w}")),
        1 => extreme().prop_map(|w| format!("residual {{ conv {w} 3x3 pad 1 }} shortcut {{ if {w} == 3 {{ relu }} }}")),
        3 => prop::sample::select(vec!["relu", "bn", "tanh", "flatten", "global_avg_pool", "dropout 0.5"]).prop_map(str::to_string),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_characters(text in "\\PC{0,200}") {
        whole_way(&text);
    }

    #[test]
    fn any_characters_with_line_breaks(text in "(?s)net x \\{.{0,120}") {
        whole_way(&text);
    }

    #[test]
    fn tokens_in_any_order(tokens in prop::collection::vec(prop::sample::select(TOKENS), 0..80)) {
        whole_way(&tokens.join(" "));
        whole_way(&format!("net x {{ input 3x32x32\n{}\n}}", tokens.join(" ")));
    }

    #[test]
    fn changed_specs(
        spec in 0usize..4,
        changes in prop::collection::vec((0u8..4, 0.0..1.0, 0.0..1.0, any::<usize>()), 1..6),
    ) {
        whole_way(&mutated(&SPECS[spec], &changes));
    }

    #[test]
    fn random_layers(layers in prop::collection::vec(layer(), 0..12), input in extreme()) {
        whole_way(&format!("net x {{ input 3x32x32\n{}\nglobal_avg_pool; linear 10 }}", layers.join("\n")));
        whole_way(&format!("net x {{ input {input}\n{}\n}}", layers.join("; ")));
    }
}

/// What is deep or long must end in a message, not in the end of the stack; test threads have 2 MiB of it.
#[test]
fn deep_and_long_texts() {
    let nested = |open: &str, close: &str, depth: usize| {
        format!("net x {{ input 3x8x8; {}relu{} flatten; linear 10 }}", open.repeat(depth), close.repeat(depth))
    };
    for depth in [10, 46, 47, 60, 100_000] {
        whole_way(&nested("repeat 1 { ", " };", depth));
        whole_way(&nested("residual { ", " };", depth));
        whole_way(&nested("if true { ", " };", depth));
        whole_way(&nested("x = { ", " };", depth));
        whole_way(&format!("net x {{ input 3x8x8; conv {}1{} 1x1 }}", "(".repeat(depth), ")".repeat(depth)));
    }
    let calls: String =
        (0..1000).map(|i| format!("block b{i}() {{ repeat 1 {{ repeat 1 {{ b{}() }} }} }}\n", i + 1)).collect();
    whole_way(&format!("{calls}block b1000() {{ relu }}\nnet x {{ input 3x8x8; b0(); flatten; linear 10 }}"));
    let doubling: String = (0..60).map(|i| format!("block b{i}() {{ b{0}(); b{0}() }}\n", i + 1)).collect();
    whole_way(&format!("{doubling}block b60() {{ }}\nnet x {{ input 3x8x8; b0(); flatten; linear 10 }}"));
    whole_way(&format!("net x {{ input 3x8x8; {} }}", "relu\n".repeat(50_000)));
    whole_way("net x { input 3x8x8; repeat 2_000_000_000 { } flatten; linear 10 }");
    whole_way(&format!("net x {{ input 3x8x8; if false {{ relu }} {} }}", "else if false { relu } ".repeat(5_000)));
}
