//! N038: weights start where the activations cannot use them.
//!
//! ## What it does
//! Warns of three rules for starting weights: the same number for all weights of two layers or more; He et al.'s for a
//! net whose activations are all tanh or sigmoid; and one that is too small for ReLU (Glorot's, PyTorch's, variance
//! scaling) for a chain of more than ten layers without any normalisation.
//!
//! ## Why is this bad?
//! Weights that start equal get equal gradients and stay equal: each layer has one unit, however many it says. He's
//! weights make up for the half that ReLU cuts away; tanh cuts nothing, and twice the variance drives it into its flat
//! ends. The other way round, ReLU halves the signal's power in every layer under Glorot's rule, and leaves a sixth of it
//! under PyTorch's: after twenty layers the first gets no gradient to speak of.
//!
//! ## Example
//! ```layers
//! conv 16 3x3 bias; tanh; conv 16 3x3 bias; tanh
//! ```
//! ```yaml
//! init: he-normal
//! ```
//!
//! ## Use instead
//! ```layers
//! conv 16 3x3 bias; tanh; conv 16 3x3 bias; tanh
//! ```
//! ```yaml
//! init: glorot-uniform
//! ```
//!
//! ## Reference
//! Glorot & Bengio 2010 for tanh. He, Zhang, Ren & Sun 2015, "Delving Deep into Rectifiers", section 2.2 and figure 3: a
//! 30-layer net of ReLUs learns from their weights and stands still with Glorot's.

use super::{Run, Training};
use crate::check::Check;
use crate::diagnostic::{Code, Diagnostic, Fix};
use crate::graph::layer::Layer;
use crate::lower::defaults::InitRule;
use crate::source::Span;

/// This check.
pub const CHECK: Check<Run> =
    Check { code: Code::InitAgainstActivation, file: include_str!("init_against_activation.rs"), run: check };

/// Layers through which a signal that is halved in each one still comes.
const DEEPEST: usize = 10;

/// What a net is made of.
#[derive(Default)]
struct Made {
    convs: usize,
    linears: usize,
    normed: bool,
    /// The first tanh or sigmoid, with its word.
    bounded: Option<(Span, &'static str)>,
    /// The first ReLU.
    relu: Option<Span>,
}

fn check(training: &Training<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let made = made(training);
    let rules = training.recipe.init;
    let convs = if made.convs > 0 { Some(rules.conv) } else { None };
    let linears = if made.linears > 0 { Some(rules.linear) } else { None };
    let same = |rule: Option<InitRule>, layers: usize| if rule.is_some_and(is_constant) { layers } else { 0 };
    let equal = same(convs, made.convs) + same(linears, made.linears);
    if equal >= 2 {
        let key = if convs.is_some_and(is_constant) { "conv" } else { "linear" };
        let diagnostic = Diagnostic::new(
            Code::InitAgainstActivation,
            format!("the weights of {equal} layers all start equal, and stay so: nothing can be learnt"),
        );
        return diagnostics.push(advised(training, diagnostic, key, "the same number for every weight", "he-normal"));
    }
    // What the first layers do decides: convolutions, or in a net without them linear layers.
    let (rule, key) = match (convs, linears) {
        (Some(rule), _) => (rule, "conv"),
        (None, Some(rule)) => (rule, "linear"),
        (None, None) => return,
    };
    if made.normed {
        return;
    }
    match (made.bounded, made.relu) {
        (Some((span, word)), None) if is_for_relu(rule) => {
            let message = format!("weights of He et al.'s size are for ReLU, and this net has `{word}`");
            let diagnostic = Diagnostic::new(Code::InitAgainstActivation, message);
            let diagnostic = advised(training, diagnostic, key, "twice the variance that it wants", "glorot-uniform");
            diagnostics.push(diagnostic.context(span, "cuts nothing away that would have to be made up for"));
        }
        (None, Some(span)) if made.convs + made.linears > DEEPEST => {
            let Some(left) = left(rule) else { return };
            let layers = made.convs + made.linears;
            let message =
                format!("{layers} layers with ReLU and no batch norm, and each hands on {left} of the signal's power");
            let diagnostic = Diagnostic::new(Code::InitAgainstActivation, message);
            let diagnostic = advised(training, diagnostic, key, "too small for so many layers", "he-normal");
            diagnostics.push(diagnostic.context(span, "cuts half of it away"));
        }
        _ => {}
    }
}

fn advised(training: &Training<'_>, diagnostic: Diagnostic, key: &str, label: &str, rule: &str) -> Diagnostic {
    let path = ["init", key];
    let fix = training.rewrite(&format!("write `{rule}`"), &path, rule);
    let fix = fix.or_else(|| training.rewrite(&format!("write `{rule}`"), &["init"], rule)).map(Fix::unsafely);
    training.point(diagnostic, &path, label).help(format!("write `init: {rule}`")).fix(fix)
}

fn made(training: &Training<'_>) -> Made {
    let mut made = Made::default();
    for node in training.context.shaped.graph.graph.node_weights() {
        let span = node.origin.span;
        match node.layer {
            Layer::Conv { .. } => made.convs += 1,
            Layer::Linear { .. } => made.linears += 1,
            Layer::BatchNorm { .. } | Layer::Lrn { .. } => made.normed = true,
            Layer::Relu => made.relu = made.relu.or(Some(span)),
            Layer::Tanh => made.bounded = made.bounded.or(Some((span, "tanh"))),
            Layer::Sigmoid => made.bounded = made.bounded.or(Some((span, "sigmoid"))),
            _ => {}
        }
    }
    made
}

fn is_constant(rule: InitRule) -> bool {
    matches!(rule, InitRule::Zero | InitRule::Constant { .. })
}

fn is_for_relu(rule: InitRule) -> bool {
    match rule {
        InitRule::HeNormal | InitRule::HeUniform | InitRule::HeNormalFanOut | InitRule::HeUniformFanOut => true,
        InitRule::GlorotNormal
        | InitRule::GlorotUniform
        | InitRule::VarianceScaling
        | InitRule::Torch
        | InitRule::Zero
        | InitRule::Constant { .. }
        | InitRule::Normal { .. }
        | InitRule::TruncatedNormal { .. }
        | InitRule::Uniform { .. } => false,
    }
}

/// How much of the signal's power a layer with ReLU hands on: half of fan-in times the variance. None where it is all, or
/// where it hangs on a number of the recipe's.
fn left(rule: InitRule) -> Option<&'static str> {
    match rule {
        InitRule::GlorotNormal | InitRule::GlorotUniform => Some("about half"),
        InitRule::VarianceScaling => Some("half"),
        InitRule::Torch => Some("a sixth"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use crate::check::testing::codes_of;

    fn fires(layers: &str, init: &str) -> bool {
        let net = format!("net x {{ input 3x32x32; {layers}; flatten; linear 10 }}");
        codes_of(&net, Some(&format!("init: {init}"))).contains(&"N038")
    }

    #[test]
    fn weights_that_start_equal() {
        let layers = "conv 8 3x3; bn; relu";
        assert!(fires(layers, "zero"));
        assert!(fires(layers, "{kind: constant, value: 0.1}"));
        assert!(!fires(layers, "{conv: he-normal, linear: zero}"));
        assert!(!fires("max_pool 2x2", "zero"));
    }

    #[test]
    fn he_weights_are_for_relu() {
        assert!(fires("conv 8 3x3; tanh", "he-normal"));
        assert!(fires("conv 8 3x3; sigmoid", "he-uniform"));
        assert!(!fires("conv 8 3x3; tanh", "glorot-uniform"));
        assert!(!fires("conv 8 3x3; bn; tanh", "he-normal"));
        assert!(!fires("conv 8 3x3; relu; conv 8 3x3; tanh", "he-normal"));
        assert!(!fires("conv 8 3x3", "he-normal"));
    }

    #[test]
    fn deep_chains_of_relu_need_he_weights() {
        let chain = |layers: usize| vec!["conv 8 3x3 pad 1; relu"; layers].join("; ");
        assert!(fires(&chain(10), "glorot-normal"));
        assert!(fires(&chain(10), "torch"));
        assert!(!fires(&chain(9), "torch"));
        assert!(!fires(&chain(10), "he-normal"));
        assert!(!fires(&["conv 8 3x3 pad 1; bn; relu"; 10].join("; "), "torch"));
    }
}
