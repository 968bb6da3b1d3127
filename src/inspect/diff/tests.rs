use super::*;
use crate::experiment::Request;
use crate::inspect::view;
use std::path::Path;

fn of(spec: &str, sets: &[&str], bare: bool) -> View {
    let request = Request {
        sets: sets.iter().map(ToString::to_string).collect(),
        bare,
        no_expectations: true,
        ..Request::default()
    };
    view(Path::new(spec), &request).unwrap().0
}

/// A spec from a text, in a file of its own.
fn text(name: &str, text: &str, sets: &[&str]) -> View {
    let path = std::env::temp_dir().join(format!("netc-diff-{}-{name}.net", std::process::id()));
    std::fs::write(&path, text).unwrap();
    let view = of(path.to_str().unwrap(), sets, false);
    std::fs::remove_file(&path).unwrap();
    view
}

fn lines(difference: &Difference) -> Vec<String> {
    let line = |change: &Change| {
        let layers = if change.layers.is_empty() { String::new() } else { format!(" of {}", change.layers.len()) };
        format!("{}{layers}: {} -> {}", change.what, change.from, change.to)
    };
    difference.changes.iter().map(line).collect()
}

#[test]
fn a_network_is_the_same_as_itself() {
    for spec in ["specs/lenet5.net", "specs/resnet20-b.net", "specs/cifarnet.net"] {
        assert!(compare(&of(spec, &[], false), &of(spec, &[], false)).is_none(), "{spec}");
    }
    // Written another way, it is the same.
    let blocks = "block two(w: int) { conv w 3x3 pad same; relu }\nnet x { input 3x32x32; repeat 2 { two(4) }; flatten; linear 10 }";
    let flat = "net y { input 3x32x32; conv 4 3x3 pad 1 bias false; relu; conv 4 3x3 stride 1 pad (1, 1, 1, 1); relu\n  flatten; linear 10 bias }";
    assert!(compare(&text("a", blocks, &[]), &text("b", flat, &[])).is_none());
}

#[test]
fn profiles_change_what_this_graph_has() {
    let profile = |spec: &str, name: &str| of(spec, &[&format!("profile={name}")], true);
    let between = |spec: &str, a: &str, b: &str| compare(&profile(spec, a), &profile(spec, b));
    // Figures of research on the frameworks, each with its source in specs/profiles.
    assert_eq!(
        lines(&between("specs/resnet20.net", "torch", "keras")),
        [
            "init of 19: torch -> glorot-uniform",
            "init of 1: torch -> glorot-uniform",
            "epsilon of 19: 1e-5 -> 1e-3",
            "decay of 19: 0.9 -> 0.99",
            "running_variance of 19: unbiased -> biased",
            "weight decay of 19: 1e-4 -> 2e-4",
            "weight decay of 1: 1e-4 -> 2e-4",
            "weight decay of 1: 1e-4 -> none",
            "weight decay of 19: 1e-4 -> none",
            "weight decay of 19: 1e-4 -> none",
            "optimizer.momentum_form: torch -> sutskever",
        ]
    );
    // No batch norm, no line on it; a pool that fits its map rounds to the same; the lrn is here.
    let cifarnet = lines(&between("specs/cifarnet.net", "torch", "keras"));
    assert!(cifarnet.contains(&"squares of 2: mean -> sum".to_string()), "{cifarnet:?}");
    assert!(!cifarnet.iter().any(|line| line.contains("epsilon") || line.contains("round")), "{cifarnet:?}");
    // With dfdx there is nothing that this graph would notice.
    assert!(between("specs/resnet20.net", "torch", "dfdx").is_none());
    // Without momentum, or with a rate that never changes, its form is nothing.
    let steady = ["schedule=constant", "optimizer.weight_decay=0", "init=torch"];
    let form = |form: &str| of("specs/lenet5.net", &[&steady[..], &[form]].concat(), false);
    let (a, b) = (form("optimizer.momentum_form=torch"), form("optimizer.momentum_form=sutskever"));
    assert!(compare(&a, &b).is_none(), "{:?}", lines(&compare(&a, &b)));
}

#[test]
fn rounding_that_changes_sizes_is_reported() {
    let net = "net x { input 3x32x32; conv 8 3x3 pad 1; avg_pool 3x3 stride 2; conv 8 3x3 pad 1; global_avg_pool; linear 10 }";
    let difference =
        compare(&text("c", net, &[]), &text("d", net, &["pooling.rounding=ceil", "pooling.divisor=image"]));
    assert_eq!(
        lines(&difference),
        ["output of 2: 8x15x15 -> 8x16x16", "round of 1: floor -> ceil", "divisor of 1: window -> image"]
    );
    assert!(difference.a.macs < difference.b.macs && difference.a.params == difference.b.params);
}

#[test]
fn layers_are_laid_beside_each_other() {
    let deeper = compare(&of("specs/resnet20.net", &[], false), &of("specs/resnet32.net", &[], false));
    assert_eq!((deeper.removed.len(), deeper.added.len(), deeper.changes.len()), (0, 42, 0));
    assert!(deeper.added.iter().all(|part| [".3.", ".4."].iter().any(|pass| part.name.contains(pass))));
    assert_eq!((deeper.a.params, deeper.b.params), (269_722, 464_154));

    // Other names, one layer more, another activation, a bias, an input swapped.
    let a = "net x { input 3x32x32; a = conv 4 3x3 pad 1; r = relu; b = conv 4 1x1; s = concat(a, b); global_avg_pool; linear 10 }";
    let b = "net x { input 3x32x32; first = conv 4 3x3 pad 1 bias; r = tanh; b = conv 4 1x1; s = concat(b, first); global_avg_pool; linear 10 }";
    let difference = compare(&text("e", a, &[]), &text("f", b, &[]));
    assert_eq!(
        lines(&difference),
        ["bias of 1: false -> true", "layer of 1: relu -> tanh", "inputs of 1: a, b -> b, first"]
    );
    assert_eq!(difference.changes[0].layers, ["a / first"]);
    let more = compare(&text("g", a, &[]), &text("h", &a.replace("r = relu;", "bn; r = relu;"), &[]));
    assert_eq!(more.added.iter().map(|part| part.name.as_str()).collect::<Vec<_>>(), ["bn1"]);
    assert!(more.changes.is_empty(), "{:?}", lines(&more));
}
