//! What decides on the bits of a run's result: network, recipe, data, seed and arithmetic. Two runs with the same
//! identity end in the same weights, byte for byte; a resumed run must have that of the run it goes on with.

use super::numerics;
use super::tensor_file::{hex, sha256};
use crate::data::{DataSet, Fingerprint, Split};
use crate::engine::{Arithmetic, Engine};
use crate::recipe::Recipe;
use crate::recipe::parse::yaml::leaves;
use serde::{Deserialize, Serialize};

/// Everything that decides on the result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Which bits netc computes: see [`numerics`].
    #[serde(default = "numerics::unnumbered")]
    pub numerics: u32,
    /// Name of the net.
    pub net: String,
    /// SHA-256 of the program as JSON: two specs that mean the same have the same.
    pub program: String,
    /// The recipe in force, as YAML, seed and all.
    pub recipe: String,
    /// The images.
    pub data: DataIdentity,
    /// What computes.
    pub arithmetic: Arithmetic,
}

/// Which images a run sees.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataIdentity {
    /// What the set is called, for whoever reads it: nothing is compared with it.
    pub name: String,
    /// Training images, the held-out ones included.
    pub train: SplitIdentity,
    /// Test images.
    pub test: SplitIdentity,
}

/// A split's size and checksums.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SplitIdentity {
    /// Images.
    pub images: usize,
    /// SHA-256 over a row of 20 bytes for each image that the run sees (hash of its pixels, label), sorted: it knows
    /// nothing of files, formats and orders. `docs/data.md` has the bytes.
    pub sha256: String,
    /// SHA-256 over the same rows in the order that the run has them, where that is another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequence: Option<String>,
}

impl SplitIdentity {
    fn of(split: &Split) -> Self {
        let Fingerprint { content, sequence } = split.fingerprint();
        let other = (sequence != content).then(|| hex(sequence));
        SplitIdentity { images: split.len(), sha256: hex(content), sequence: other }
    }
}

impl DataIdentity {
    /// Of a data set as it was loaded.
    pub fn of(data: &DataSet) -> Self {
        let (train, test) = (SplitIdentity::of(&data.train), SplitIdentity::of(&data.test));
        DataIdentity { name: data.description.name.clone(), train, test }
    }
}

impl Identity {
    /// Of a run that is about to begin.
    pub fn of(engine: &dyn Engine, recipe: &Recipe, data: &DataSet) -> Self {
        Identity::with(engine, recipe, DataIdentity::of(data))
    }

    /// As [`Identity::of`], for data that was looked at already.
    pub fn with(engine: &dyn Engine, recipe: &Recipe, data: DataIdentity) -> Self {
        let program = engine.program();
        Identity {
            numerics: numerics::NUMERICS,
            net: program.net.clone(),
            // A program is names and numbers: there is nothing in it that JSON cannot say.
            program: sha256(serde_json::to_vec(program).unwrap_or_default()),
            recipe: recipe.to_yaml(),
            data,
            arithmetic: engine.arithmetic(),
        }
    }

    /// What of `now` is not what it was, so that going on would not be the same run; half sentences.
    pub fn differences(&self, now: &Identity) -> Vec<String> {
        // What else there is to compare means something else where the numbers are others.
        let mut found = numerics::reasons(self.numerics);
        if !found.is_empty() {
            return found;
        }
        if self.net != now.net {
            found.push(format!("it is of the net `{}`, the spec's is `{}`", self.net, now.net));
        } else if self.program != now.program {
            found.push("the network is another one since: the spec, its parameters or what the recipe fills in".into());
        }
        found.extend(lines(&self.recipe, &now.recipe));
        let splits = [("training", &self.data.train, &now.data.train), ("test", &self.data.test, &now.data.test)];
        for (name, was, is) in splits {
            if was.images != is.images {
                found.push(format!("it saw {} {name} images, now there are {}", was.images, is.images));
            } else if was.sha256 != is.sha256 {
                found.push(format!("the {name} images are others than it saw"));
            } else if was.sequence != is.sequence {
                found.push(format!("the {name} images are those it saw, in another order"));
            }
        }
        found
    }

    /// What of `now` may change the last bits without changing what is computed; half sentences.
    pub fn doubts(&self, now: &Identity) -> Vec<String> {
        let mut found = Vec::new();
        if self.arithmetic != now.arithmetic {
            found.push(format!("it was computed by {}, this is {}", self.arithmetic, now.arithmetic));
        }
        found
    }
}

/// Keys of two recipes in force whose values differ. How often a run is kept makes no difference to it, nor where the
/// images were found, which are compared themselves.
fn lines(was: &str, is: &str) -> Vec<String> {
    let flat = |text: &str| -> Vec<(String, String)> {
        let Ok(tree) = serde_yaml::from_str::<serde_yaml::Value>(text) else { return Vec::new() };
        let leaves = leaves(&tree).into_iter();
        let flat = leaves.map(|(path, value)| (path.join("."), serde_json::to_string(value).unwrap_or_default()));
        flat.filter(|(key, _)| !key.starts_with("checkpoint") && key != "data").collect()
    };
    let (was, is) = (flat(was), flat(is));
    let value = |of: &[(String, String)], key: &str| of.iter().find(|(k, _)| k == key).map(|(_, value)| value.clone());
    let mut keys: Vec<&String> = was.iter().chain(&is).map(|(key, _)| key).collect();
    keys.sort_unstable();
    keys.dedup();
    let differ = |key: &&&String| value(&was, key) != value(&is, key);
    let shown = |value: Option<String>| value.unwrap_or_else(|| "nothing".into());
    keys.iter()
        .filter(differ)
        .map(|key| format!("`{key}` was {}, now it is {}", shown(value(&was, key)), shown(value(&is, key))))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Split;
    use crate::graph::dims::Shape;
    use crate::recipe::Length;

    #[test]
    fn changed_values_are_named() {
        let was = Recipe::default();
        let mut is = Recipe { batch: 64, length: Length::Steps(9), ..Recipe::default() };
        is.optimizer.weight_decay = 1e-3;
        is.checkpoint.keep = 99;
        is.data = "a/folder/with/the/same/images".into();
        assert_eq!(
            lines(&was.to_yaml(), &is.to_yaml()),
            [
                "`batch` was 128, now it is 64",
                "`epochs` was 10, now it is nothing",
                "`optimizer.weight_decay` was 0.0001, now it is 0.001",
                "`steps` was nothing, now it is 9",
            ]
        );
        assert!(lines(&was.to_yaml(), &was.to_yaml()).is_empty());
    }

    fn identity(data: DataIdentity) -> Identity {
        let arithmetic =
            Arithmetic { device: "cpu".into(), engine: "native".into(), instructions: None, convolution: None };
        let (net, program, recipe) = (String::new(), String::new(), Recipe::default().to_yaml());
        Identity { numerics: numerics::NUMERICS, net, program, recipe, data, arithmetic }
    }

    /// Of a set whose two splits are the same images, each of one pixel.
    fn data(name: &str, pixels: &[u8]) -> DataIdentity {
        let shape = Shape::map(1, 1, 1);
        let split =
            Split::new(shape, 10, pixels.to_vec(), pixels.iter().map(|&x| u32::from(x % 10)).collect()).unwrap();
        let split = SplitIdentity::of(&split);
        DataIdentity { name: name.into(), train: split.clone(), test: split }
    }

    #[test]
    fn data_is_its_images_whatever_it_is_called() {
        let was = identity(data("cifar10", &[1, 2, 3]));
        let found = |name: &str, pixels: &[u8]| was.differences(&identity(data(name, pixels)));
        assert!(found("a folder", &[1, 2, 3]).is_empty());
        assert_eq!(
            found("cifar10", &[1, 2, 4]),
            ["the training images are others than it saw", "the test images are others than it saw"]
        );
        assert_eq!(found("cifar10", &[1, 2])[0], "it saw 3 training images, now there are 2");
        let other = data("cifar10", &[2, 3, 1]);
        assert_eq!(other.train.sha256, was.data.train.sha256);
        assert_eq!(found("cifar10", &[2, 3, 1])[0], "the training images are those it saw, in another order");
        assert_eq!(serde_yaml::from_str::<DataIdentity>(&serde_yaml::to_string(&other).unwrap()).unwrap(), other);
    }
}
