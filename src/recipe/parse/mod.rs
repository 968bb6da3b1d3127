//! From YAML, and `--set`s over it, to a [`Recipe`].

pub mod foreign;
mod init;
mod lints;
mod optimizer;
mod schedule;
pub(crate) mod section;
mod set;
mod values;
pub(crate) mod yaml;

use super::interval::Interval;
use super::milestone::MilestoneError;
use super::origin::{Origin, Origins, Written};
use super::profile;
use super::{
    Augment, Average, BatchNorm, CheckpointPolicy, ImageOrder, Length, Lrn, Normalize, PadValue, Pooling,
    PopulationVariance, Recipe, Resolved, Statistics,
};
use crate::diagnostic::{Code, Diagnostic, LintLevel};
use crate::graph::layer::{Divisor, Rounding, Squares};
use crate::lower::defaults::NormDefaults;
use crate::lower::program::VarianceEstimate;
use crate::source::SourceMap;
use init::init;
use schedule::schedule;
use section::{Problem, Section, Source};
use serde_yaml::Value;
use std::path::Path;
use values::{fraction, number, positive, precision, truth, whole, word};

/// What a recipe is put together from. By default that is nothing: what netc does where nothing is said.
#[derive(Debug, Clone, Copy, Default)]
pub struct RecipeSource<'a> {
    /// The recipe's text.
    pub text: RecipeText<'a>,
    /// Changes to it, such as `optimizer.weight_decay=1e-3`, made in this order.
    pub sets: &'a [String],
    /// Takes out of the text what profiles cover, so that they decide on all of it.
    pub bare: bool,
}

/// A recipe's own text.
#[derive(Debug, Clone, Copy, Default)]
pub enum RecipeText<'a> {
    /// There is none.
    #[default]
    None,
    /// It is in this file.
    File(&'a Path),
    /// It was read already; the path is the name to show it under.
    Read(&'a Path, &'a str),
}

impl<'a> RecipeSource<'a> {
    /// The recipe in a file.
    #[cfg(any(test, feature = "internals"))]
    pub fn file(path: &'a Path) -> Self {
        RecipeSource { text: RecipeText::File(path), ..RecipeSource::default() }
    }

    /// A text that was read already, and the name to show it under.
    pub fn text(path: &'a Path, text: &'a str) -> Self {
        RecipeSource { text: RecipeText::Read(path, text), ..RecipeSource::default() }
    }

    /// With these changes.
    #[cfg(any(test, feature = "internals"))]
    #[must_use]
    pub fn with(self, sets: &'a [String]) -> Self {
        RecipeSource { sets, ..self }
    }
}

/// Reads a recipe. Its text and the changes are added to `sources`, so that mistakes are shown where they stand.
///
/// # Errors
/// Every mistake that was found: [`Code::FileNotRead`], [`Code::RecipeSyntax`], [`Code::RecipeValue`],
/// [`Code::RecipeSet`].
pub fn read(source: RecipeSource<'_>, sources: &mut SourceMap) -> Result<Resolved, Vec<Diagnostic>> {
    let text = match source.text {
        RecipeText::None => None,
        RecipeText::Read(path, text) => Some((path, text.to_string())),
        RecipeText::File(path) => {
            Some((path, std::fs::read_to_string(path).map_err(|error| vec![not_read(path, &error)])?))
        }
    };
    let mut root = Value::Null;
    let mut file = None;
    let mut origins = Origins::default();
    let mut folder = Path::new("");
    if let Some((path, text)) = text {
        let id = sources.add(path, text.clone());
        root = yaml::parse(&text, id).map_err(|error| vec![error])?;
        if source.bare {
            profile::strip(&mut root);
        }
        origins.recipe = Some(Written { file: id, text: text.clone(), root: root.clone() });
        folder = path.parent().unwrap_or(folder);
        file = Some((id, text));
    }
    let sets = set::apply(source.sets, &mut root, sources)?;
    origins.sets = sets.iter().map(|set| (set.clone(), sources.text(set.key.file).to_string())).collect();
    if let Some(named) = root.get("profile").cloned() {
        // A file is named as seen from where the name stands.
        let base = if matches!(origins.of(&["profile"]), Origin::Recipe(_)) { folder } else { Path::new("") };
        let chosen = profile::load(&named, base, sources)
            .map_err(|failure| failure.diagnose(Source::new(file.clone(), sets.clone(), Value::Null)))?;
        if let Some(mut chosen) = chosen {
            optimizer::fit_profile(&root, &mut chosen.written.root);
            profile::fill(&mut root, &chosen.written.root);
            origins.profile = Some((chosen.name, chosen.written));
        }
    }
    let source = Source::new(file, sets, root);
    let (recipe, lints) = interpret(&source);
    let errors = source.into_errors();
    if errors.is_empty() { Ok(Resolved { recipe, origins, lints }) } else { Err(errors) }
}

fn not_read(path: &Path, error: &std::io::Error) -> Diagnostic {
    Diagnostic::new(Code::FileNotRead, format!("cannot read the recipe `{}`", path.display())).note(error.to_string())
}

/// Reads all keys; mistakes go to the source, and a default stands in for each.
fn interpret(source: &Source) -> (Recipe, Vec<(Code, LintLevel)>) {
    let default = Recipe::default();
    let mut root = source.root();
    // What the name leads to was put in before.
    let profile = root.read("profile", text);
    let data = root.read("data", text).unwrap_or(default.data);
    let orders = [("content", ImageOrder::Content), ("file", ImageOrder::File)];
    let order = root.read("order", |value| word(value, &orders)).unwrap_or(default.order);
    let normalize = normalize(&mut root).unwrap_or(default.normalize);
    let augment = augment(&mut root).unwrap_or(default.augment);
    let batch = root.read("batch", count).unwrap_or(default.batch);
    let length = length(&mut root).unwrap_or(default.length);
    let hold_out = root.read("hold_out", |value| whole(value, 0).map(to_size)).unwrap_or(default.hold_out);
    let optimizer = optimizer::optimizer(root.section("optimizer"));
    let schedule = schedule(&mut root, optimizer.learning_rate).unwrap_or(default.schedule);
    let recipe = Recipe {
        profile: profile.filter(|name| profile::SHIPPED.iter().any(|(shipped, _)| shipped == name)),
        data,
        order,
        normalize,
        augment,
        batch,
        length,
        hold_out,
        optimizer,
        schedule,
        label_smoothing: root.read("label_smoothing", fraction).unwrap_or(default.label_smoothing),
        average: average(&mut root),
        init: init(&mut root, default.init),
        batch_norm: batch_norm(root.section("batch_norm"), default.batch_norm),
        pooling: pooling(root.section("pooling"), default.pooling),
        lrn: lrn(root.section("lrn"), default.lrn),
        precision: root.read("precision", precision).unwrap_or(default.precision),
        seed: root.read("seed", |value| whole(value, 0)).unwrap_or(default.seed),
        checkpoint: checkpoint(root.section("checkpoint"), default.checkpoint),
    };
    let lints = lints::read(&mut root);
    root.finish();
    (recipe, lints)
}

/// Holds a profile to the rules of a recipe, and to the keys that a profile has.
pub(super) fn profile(source: &Source) {
    let default = Recipe::default();
    let mut root = source.root();
    root.read("name", |value| value.as_str().map(drop).ok_or_else(|| Problem::expected("a text", value)));
    init(&mut root, default.init);
    let mut norm = root.section("batch_norm");
    norm_defaults(&mut norm, default.batch_norm.defaults);
    norm.finish();
    pooling(root.section("pooling"), default.pooling);
    lrn(root.section("lrn"), default.lrn);
    let mut optimizer = root.section("optimizer");
    optimizer::forms(&mut optimizer);
    optimizer.finish();
    root.finish();
}

fn pooling(mut section: Section<'_>, default: Pooling) -> Pooling {
    let roundings = [("floor", Rounding::Floor), ("ceil", Rounding::Ceil)];
    let divisors = [("window", Divisor::PaddedWindow), ("image", Divisor::ImageOnly)];
    let pooling = Pooling {
        rounding: section.read("rounding", |value| word(value, &roundings)).unwrap_or(default.rounding),
        divisor: section.read("divisor", |value| word(value, &divisors)).unwrap_or(default.divisor),
    };
    section.finish();
    pooling
}

fn lrn(mut section: Section<'_>, default: Lrn) -> Lrn {
    let squares = [("mean", Squares::Mean), ("sum", Squares::Sum)];
    let lrn = Lrn { squares: section.read("squares", |value| word(value, &squares)).unwrap_or(default.squares) };
    section.finish();
    lrn
}

fn text(value: &Value) -> Result<String, Problem> {
    match value.as_str() {
        Some(text) if !text.is_empty() => Ok(text.to_string()),
        _ => Err(Problem::expected("`cifar10`, `mnist`, `shapes` or a folder", value)),
    }
}

fn to_size(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

fn count(value: &Value) -> Result<usize, Problem> {
    whole(value, 1).map(to_size)
}

fn average(root: &mut Section<'_>) -> Option<Average> {
    if root.value("average").and_then(Value::as_str) == Some("none") {
        return None;
    }
    let mut section = root.section("average");
    if section.is_written() && section.value("decay").is_none() {
        section.missing("decay", "the weight of the old average", "write such as `{decay: 0.999}`");
    }
    let decay = section.read("decay", fraction);
    section.finish();
    decay.map(|decay| Average { decay })
}

fn length(root: &mut Section<'_>) -> Option<Length> {
    let both = root.value("epochs").is_some() && root.value("steps").is_some();
    let epochs = root.read("epochs", |value| whole(value, 1)).map(Length::Epochs);
    let steps = root.read("steps", |value| whole(value, 1)).map(Length::Steps);
    if both {
        let problem = Problem::senseless("a recipe has `epochs` or `steps`, not both");
        root.report("steps", problem.help("remove one of them"));
    }
    epochs.or(steps)
}

fn normalize(root: &mut Section<'_>) -> Option<Normalize> {
    if !matches!(root.value("normalize")?, Value::Mapping(_)) {
        let words = [("none", 0), ("per-channel", 1), ("per-pixel-mean", 2), ("per-image", 3)];
        return root.read("normalize", |value| word(value, &words)).map(|which| match which {
            0 => Normalize::None,
            1 => Normalize::PerChannel,
            2 => Normalize::PerPixelMean,
            _ => Normalize::PerImage,
        });
    }
    let mut section = root.section("normalize");
    let help = "write `{mean: [0.4914, 0.4822, 0.4465], std: [0.2470, 0.2435, 0.2616]}`, one number a channel";
    for key in ["mean", "std"] {
        if section.value(key).is_none() {
            section.missing(key, "numbers of one's own are a mean and a deviation", help);
        }
    }
    let mean = section.each("mean", number).unwrap_or_default();
    let std = section.each("std", positive).unwrap_or_default();
    if !mean.is_empty() && !std.is_empty() && mean.len() != std.len() {
        let message = format!("{} deviations for {} means", std.len(), mean.len());
        section.report("std", Problem::senseless(message).help(help));
    }
    section.finish();
    Some(Normalize::Fixed { mean, std })
}

fn augment(root: &mut Section<'_>) -> Option<Augment> {
    if let Some(Value::String(_) | Value::Bool(_) | Value::Number(_)) = root.value("augment") {
        return root.read("augment", |value| {
            word(value, &[("none", Augment::default())])
                .map_err(|problem| problem.help("write `none`, or what is done, such as `{pad: 4, flip: true}`"))
        });
    }
    let mut section = root.section("augment");
    let pad = section.read("pad", |value| match whole(value, 0)? {
        pad @ 0..=1024 => Ok(to_size(pad)),
        _ => Err(Problem::senseless("must be at most 1024 pixels")),
    });
    let values = [("zero", PadValue::Zero), ("black", PadValue::Black)];
    let pad_value = section.read("pad_value", |value| word(value, &values));
    let flip = section.read("flip", truth);
    section.finish();
    Some(Augment { pad: pad.unwrap_or(0), pad_value: pad_value.unwrap_or_default(), flip: flip.unwrap_or(false) })
}

/// What a spec may leave open.
fn norm_defaults(section: &mut Section<'_>, default: NormDefaults) -> NormDefaults {
    let estimates = [("unbiased", VarianceEstimate::Unbiased), ("biased", VarianceEstimate::Biased)];
    let mut norm = NormDefaults {
        epsilon: section.read("epsilon", positive).map_or(default.epsilon, |number| number as f32),
        decay: section.read("decay", fraction).map_or(default.decay, |number| number as f32),
        running_variance: section
            .read("running_variance", |value| word(value, &estimates))
            .unwrap_or(default.running_variance),
        group: default.group,
    };
    if norm.epsilon <= 0.0 {
        section.report("epsilon", Problem::senseless("is 0 in 32-bit floats"));
        norm.epsilon = default.epsilon;
    }
    if let Some(value) = section.value("momentum") {
        let message = "frameworks mean two opposite things by the momentum of a batch norm";
        let help = match number(value) {
            Ok(momentum) if (0.0..=1.0).contains(&momentum) => {
                let torch = (1.0 - momentum) * 1e6;
                format!(
                    "write `decay`, the weight of the old value: {} for PyTorch's `momentum: {momentum}`, {momentum} for Keras's",
                    torch.round() / 1e6
                )
            }
            _ => "write `decay`, the weight of the old running value".into(),
        };
        section.report("momentum", Problem { code: Code::RecipeSyntax, message: message.into(), help: Some(help) });
    }
    norm
}

fn batch_norm(mut section: Section<'_>, default: BatchNorm) -> BatchNorm {
    let statistics = [("moving", Statistics::Moving), ("population", Statistics::Population)];
    let variances = PopulationVariance::ALL.map(|variance| (variance.name(), variance));
    let defaults = norm_defaults(&mut section, default.defaults);
    let norm = BatchNorm {
        // A property of a run's batches, which no framework decides on for all.
        defaults: NormDefaults { group: section.read("group", group).unwrap_or(defaults.group), ..defaults },
        statistics: section.read("statistics", |value| word(value, &statistics)).unwrap_or(default.statistics),
        population_variance: section
            .read("population_variance", |value| word(value, &variances))
            .unwrap_or(default.population_variance),
        population_images: section.read("population_images", count).or(default.population_images),
    };
    section.finish();
    norm
}

/// Images, or `none` for the whole batch.
fn group(value: &Value) -> Result<Option<usize>, Problem> {
    if value.as_str() == Some("none") { Ok(None) } else { count(value).map(Some) }
}

fn checkpoint(mut section: Section<'_>, default: CheckpointPolicy) -> CheckpointPolicy {
    let checkpoint = CheckpointPolicy {
        every: section.read("every", interval).unwrap_or(default.every),
        keep: section.read("keep", count).unwrap_or(default.keep),
    };
    section.finish();
    checkpoint
}

fn interval(value: &Value) -> Result<Interval, Problem> {
    let written = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return Err(Problem::expected("how often, such as `10 minutes`", value)),
    };
    written.parse().map_err(|error: MilestoneError| {
        let problem = Problem::senseless(format!("`{written}`: {error}"));
        match foreign::milestone(&written).filter(|meant| meant.parse::<Interval>().is_ok()) {
            Some(meant) => problem.help(format!("write `{meant}`")),
            None => problem.help("write such as `500 steps`, `1 epoch` or `10 minutes`"),
        }
    })
}

#[cfg(test)]
mod tests;
