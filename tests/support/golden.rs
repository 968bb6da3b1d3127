//! The numbers in `tests/golden`, which `tests/golden/make_golden.py` makes with PyTorch.

use safetensors::SafeTensors;
use std::collections::BTreeMap;
use std::path::Path;

/// One file of named tensors.
#[derive(Debug)]
pub struct Golden {
    tensors: BTreeMap<String, Vec<u8>>,
}

impl Golden {
    pub fn open(file: &str) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(file);
        let bytes = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let file = SafeTensors::deserialize(&bytes).unwrap();
        Self { tensors: file.tensors().into_iter().map(|(name, tensor)| (name, tensor.data().to_vec())).collect() }
    }

    /// The part of every name before the first `/`.
    pub fn cases(&self) -> Vec<String> {
        let mut cases: Vec<String> =
            self.tensors.keys().filter_map(|name| name.split_once('/')).map(|(case, _)| case.into()).collect();
        cases.dedup();
        cases
    }

    fn words(&self, name: &str) -> impl Iterator<Item = [u8; 4]> + '_ {
        let bytes = self.tensors.get(name).unwrap_or_else(|| panic!("no golden tensor `{name}`"));
        bytes.chunks_exact(4).map(|word| [word[0], word[1], word[2], word[3]])
    }

    pub fn has(&self, name: &str) -> bool {
        self.tensors.contains_key(name)
    }

    pub fn floats(&self, name: &str) -> Vec<f32> {
        self.words(name).map(f32::from_le_bytes).collect()
    }

    /// For comparisons.
    pub fn doubles(&self, name: &str) -> Vec<f64> {
        self.floats(name).into_iter().map(f64::from).collect()
    }

    /// Of a tensor that is stored as `f64`.
    pub fn wide(&self, name: &str) -> Vec<f64> {
        let words: Vec<[u8; 4]> = self.words(name).collect();
        let pairs = words.chunks_exact(2);
        pairs.map(|pair| f64::from_le_bytes([pair[0], pair[1]].concat().try_into().unwrap())).collect()
    }

    pub fn integers(&self, name: &str) -> Vec<u32> {
        self.words(name).map(u32::from_le_bytes).collect()
    }
}
