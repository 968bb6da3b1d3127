//! N036: mean or deviation of another data set.
//!
//! ## What it does
//! Warns of numbers in `normalize: {mean, std}` that are known to be of something else: of ImageNet, MNIST, CIFAR-10 or
//! CIFAR-100 where the recipe names another data set, of pixels in 0..=255, or CIFAR-10's deviations within single
//! images.
//!
//! ## Why is this bad?
//! Such numbers are copied from code to code. With CIFAR-10 the deviations 0.2023, 0.1994 and 0.2010 stand in more
//! repositories than the right ones: they are the mean of every image's own deviation, and inputs come out 23 % too
//! large. A net with batch norm hides most of it, one without does not; and weights that were trained with other numbers
//! are evaluated wrongly.
//!
//! ## Example
//! ```yaml
//! data: cifar10
//! normalize: {mean: [0.4914, 0.4822, 0.4465], std: [0.2023, 0.1994, 0.2010]}
//! ```
//!
//! ## Use instead
//! ```yaml
//! data: cifar10
//! normalize: {mean: [0.4914, 0.4822, 0.4465], std: [0.2470, 0.2435, 0.2616]}
//! ```
//!
//! ## Reference
//! kuangliu/pytorch-cifar, issues 8, 16 and 19: where the wrong deviations come from. akamaster/pytorch_resnet_cifar10,
//! issues 9 and 39: ImageNet's on CIFAR-10.

use super::{Run, Training};
use crate::check::Check;
use crate::data::DataKind;
use crate::diagnostic::{Code, Diagnostic, Fix};
use crate::recipe::Normalize;

/// This check.
pub const CHECK: Check<Run> =
    Check { code: Code::ForeignStatistics, file: include_str!("foreign_statistics.rs"), run: check };

/// Numbers that are passed on, and what they are of; as printed, with four digits.
struct Published {
    whose: &'static str,
    mean: &'static [f64],
    std: &'static [f64],
}

const PUBLISHED: [Published; 6] = [
    // torchvision's models.
    Published { whose: "ImageNet", mean: &[0.485, 0.456, 0.406], std: &[0.229, 0.224, 0.225] },
    Published { whose: "CIFAR-10", mean: &[0.4914, 0.4822, 0.4465], std: &[0.2470, 0.2435, 0.2616] },
    Published { whose: "CIFAR-100", mean: &[0.5071, 0.4865, 0.4409], std: &[0.2673, 0.2564, 0.2762] },
    Published { whose: "MNIST", mean: &[0.1307], std: &[0.3081] },
    Published { whose: "MNIST", mean: &[0.1307, 0.1307, 0.1307], std: &[0.3081, 0.3081, 0.3081] },
    // The mean over the images of each image's own deviation.
    Published { whose: "single CIFAR-10 images, on average", mean: &[], std: &[0.2023, 0.1994, 0.2010] },
];

/// What rounding to three digits, and the hand of whoever wrote it down, make of a number.
const CLOSE: f64 = 0.0015;

fn check(training: &Training<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let Normalize::Fixed { mean, std } = &training.recipe.normalize else { return };
    // What lies in a folder may have other images, and with them other statistics; those that are drawn have none.
    let named = DataKind::from_name(&training.recipe.data).filter(|kind| *kind != DataKind::Shapes);
    let described = named.map(|kind| kind.description(None));
    for (key, numbers, word) in [("mean", mean, "means"), ("std", std, "deviations")] {
        let path = ["normalize", key];
        let own = described
            .as_ref()
            .map(|described| (described.name.as_str(), if key == "mean" { &described.mean } else { &described.std }));
        let large = numbers.iter().any(|number| *number > 1.0);
        let diagnostic = if large && numbers.iter().all(|number| (1.0..=255.0).contains(number) && *number != 1.0) {
            let scaled: Vec<f64> = numbers.iter().map(|number| number / 255.0).collect();
            let message = format!("these {word} are for pixels in 0..=255, and netc's are in 0..=1");
            let fix = training.rewrite("divide them by 255", &path, &list(&scaled)).map(Fix::unsafely);
            training
                .point(Diagnostic::new(Code::ForeignStatistics, message), &path, "above 1")
                .help(format!("divide them by 255: `{key}: {}`", list(&scaled)))
                .fix(fix)
        } else if let Some((name, own)) = own
            && let Some(whose) = whose(key, numbers)
            && !close(numbers, own)
        {
            let message = format!("these {word} are of {whose}, and the data set is {name}");
            let fix = training.rewrite(&format!("write {name}'s own"), &path, &list(own)).map(Fix::unsafely);
            training
                .point(Diagnostic::new(Code::ForeignStatistics, message), &path, &format!("of {whose}"))
                .help(format!("{name} has `{key}: {}`; `normalize: per-channel` measures them", list(own)))
                .fix(fix)
        } else {
            continue;
        };
        let diagnostic = match training.place(&["data"]) {
            Some(span) if !large => diagnostic.context(span, "the data set"),
            _ => diagnostic,
        };
        diagnostics.push(diagnostic);
    }
}

/// What numbers are known to be of.
fn whose(key: &str, numbers: &[f64]) -> Option<&'static str> {
    let of = |published: &&Published| close(numbers, if key == "mean" { published.mean } else { published.std });
    PUBLISHED.iter().find(of).map(|published| published.whose)
}

fn close(a: &[f64], b: &[f64]) -> bool {
    a.len() == b.len() && !a.is_empty() && a.iter().zip(b).all(|(a, b)| (a - b).abs() <= CLOSE)
}

fn list(numbers: &[f64]) -> String {
    let texts: Vec<String> = numbers.iter().map(|number| format!("{number:.4}")).collect();
    format!("[{}]", texts.join(", "))
}

#[cfg(test)]
mod tests {
    use crate::check::testing::{codes_of, recipe};

    fn count(data: &str, mean: &str, std: &str) -> usize {
        let codes = recipe(&format!("data: {data}\nnormalize: {{mean: [{mean}], std: [{std}]}}"));
        codes.iter().filter(|code| **code == "N036").count()
    }

    const MEAN: &str = "0.4914, 0.4822, 0.4465";
    const STD: &str = "0.2470, 0.2435, 0.2616";

    #[test]
    fn numbers_of_something_else() {
        assert_eq!(count("cifar10", "0.485, 0.456, 0.406", "0.229, 0.224, 0.225"), 2);
        assert_eq!(count("cifar10", MEAN, "0.2023, 0.1994, 0.2010"), 1);
        assert_eq!(count("cifar10", MEAN, "0.202, 0.199, 0.201"), 1);
        assert_eq!(count("cifar10", "0.507, 0.487, 0.441", STD), 1);
        assert_eq!(count("cifar10", "0.1307, 0.1307, 0.1307", STD), 1);
        assert_eq!(count("cifar10", "125.3, 123.0, 113.9", "63.0, 62.1, 66.7"), 2);
    }

    #[test]
    fn ones_own_numbers() {
        assert_eq!(count("cifar10", MEAN, STD), 0);
        assert_eq!(count("cifar10", "0.491, 0.482, 0.447", "0.247, 0.243, 0.262"), 0);
        assert_eq!(count("cifar10", "0.5, 0.5, 0.5", "0.5, 0.5, 0.5"), 0);
        assert_eq!(count("cifar10", "0, 0, 0", "1, 1, 1"), 0);
        assert_eq!(count("/a/folder", "0.485, 0.456, 0.406", "0.229, 0.224, 0.225"), 0);
        let net = "net x { input 1x28x28; flatten; linear 10 }";
        let mnist = "data: mnist\nnormalize: {mean: [0.1307], std: [0.3081]}";
        assert!(!codes_of(net, Some(mnist)).contains(&"N036"));
    }
}
