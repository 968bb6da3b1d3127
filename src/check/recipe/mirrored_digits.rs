//! N037: digits are mirrored.
//!
//! ## What it does
//! Warns of `augment: {flip: true}` with MNIST.
//!
//! ## Why is this bad?
//! Mirroring is for pictures that could as well have been taken from the other side. A mirrored 2 or 7 is no digit, a
//! mirrored 6 or 3 looks like a badly written other one: the net learns signs that the test set does not have.
//!
//! ## Example
//! ```net
//! net example { input 1x28x28; conv 16 3x3 pad 1; bn; relu; global_avg_pool; linear 10 }
//! ```
//! ```yaml
//! data: mnist
//! augment: {pad: 2, flip: true}
//! ```
//!
//! ## Use instead
//! ```net
//! net example { input 1x28x28; conv 16 3x3 pad 1; bn; relu; global_avg_pool; linear 10 }
//! ```
//! ```yaml
//! data: mnist
//! augment: {pad: 2}
//! ```
//!
//! ## Reference
//! Shorten & Khoshgoftaar 2019, "A survey on Image Data Augmentation for Deep Learning": on data sets with text, such as
//! MNIST or SVHN, flipping "is not a label-preserving transformation".

use super::{Run, Training};
use crate::check::Check;
use crate::data::DataKind;
use crate::diagnostic::{Code, Diagnostic, Fix};

/// This check.
pub const CHECK: Check<Run> =
    Check { code: Code::MirroredDigits, file: include_str!("mirrored_digits.rs"), run: check };

fn check(training: &Training<'_>, diagnostics: &mut Vec<Diagnostic>) {
    // A folder with MNIST's files may hold pictures of clothes.
    if !training.recipe.augment.flip || training.recipe.data != DataKind::Mnist.name() {
        return;
    }
    let path = ["augment", "flip"];
    let fix = training.rewrite("do not mirror", &path, "false").map(Fix::unsafely);
    let message = "every other digit is mirrored, and a mirrored digit is none";
    let mut diagnostic = training.point(Diagnostic::new(Code::MirroredDigits, message), &path, "mirrors at random");
    diagnostic = training.beside(diagnostic, &["data"], "handwritten digits");
    diagnostics.push(diagnostic.help("leave `flip` out; a crop, such as `pad: 2`, keeps a digit what it is").fix(fix));
}

#[cfg(test)]
mod tests {
    use crate::check::testing::codes_of;

    #[test]
    fn digits_have_a_left_and_a_right() {
        let net = "net x { input 1x28x28; flatten; linear 10 }";
        let fires = |data: &str, augment: &str| {
            codes_of(net, Some(&format!("data: {data}\naugment: {augment}"))).contains(&"N037")
        };
        assert!(fires("mnist", "{flip: true}"));
        assert!(!fires("mnist", "{flip: false, pad: 2}"));
        assert!(!fires("mnist", "none"));
        assert!(!fires("/data/fashion", "{flip: true}"));
        let net = "net x { input 3x32x32; flatten; linear 10 }";
        assert!(!codes_of(net, Some("data: cifar10\naugment: {flip: true}")).contains(&"N037"));
    }
}
