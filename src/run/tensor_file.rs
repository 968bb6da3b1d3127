//! Named f32 tensors in a safetensors file, with a word about them and a checksum.
//!
//! One metadata entry, `netc`, holds JSON. (One entry, because safetensors writes several in a random order, and the
//! same run shall give the same bytes.) Its `sha256` is over everything else: names, dimensions, numbers, and the rest
//! of the entry.

use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

/// A tensor on its way into a file.
#[derive(Debug, Clone)]
pub struct Tensor<'a> {
    /// Its name there.
    pub name: String,
    /// Its dimensions.
    pub dims: Vec<usize>,
    /// Its numbers.
    pub values: &'a [f32],
}

const ENTRY: &str = "netc";
const CHECKSUM: &str = "sha256";

/// A SHA-256 as 64 hexadecimal digits.
pub fn hex(digest: &[u8]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// SHA-256 of a text or of bytes.
pub fn sha256(bytes: impl AsRef<[u8]>) -> String {
    hex(&Sha256::digest(bytes))
}

/// The bytes of a file with these tensors and what is said about them (a JSON object).
///
/// # Errors
/// Half a sentence, when a tensor's numbers do not fill its dimensions or a name comes twice.
pub fn serialize(tensors: &[Tensor<'_>], about: &impl Serialize) -> Result<Vec<u8>, String> {
    let bytes: Vec<Vec<u8>> =
        tensors.iter().map(|tensor| tensor.values.iter().flat_map(|x| x.to_le_bytes()).collect()).collect();
    let views = tensors
        .iter()
        .zip(&bytes)
        .map(|(tensor, bytes)| Ok((&tensor.name, TensorView::new(Dtype::F32, tensor.dims.clone(), bytes)?)))
        .collect::<Result<Vec<_>, safetensors::SafeTensorError>>()
        .map_err(|error| error.to_string())?;
    let Value::Object(mut entry) = serde_json::to_value(about).map_err(|error| error.to_string())? else {
        return Err("what is said about the tensors is no object".into());
    };
    let parts = views.iter().map(|(name, view)| (name.as_str(), view.shape(), view.data()));
    let checksum = checksum(parts.collect(), &entry);
    entry.insert(CHECKSUM.into(), checksum.into());
    let entry = serde_json::to_string(&entry).map_err(|error| error.to_string())?;
    safetensors::serialize(views, Some(HashMap::from([(ENTRY.to_string(), entry)]))).map_err(|error| error.to_string())
}

/// What is said about the tensors of a file; `None` in a file of another tool.
///
/// # Errors
/// Half a sentence, when the file is no whole safetensors file, or not the one that was written.
pub fn about<T: DeserializeOwned>(bytes: &[u8]) -> Result<Option<T>, String> {
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(|error| error.to_string())?;
    let file = SafeTensors::deserialize(bytes).map_err(|error| error.to_string())?;
    let Some(text) = header.metadata().as_ref().and_then(|entries| entries.get(ENTRY)) else { return Ok(None) };
    let wrong = |why: &dyn std::fmt::Display| format!("its `{ENTRY}` entry: {why}");
    let mut entry: Map<String, Value> = serde_json::from_str(text).map_err(|error| wrong(&error))?;
    if let Some(expected) = entry.remove(CHECKSUM) {
        let tensors = file.iter().map(|(name, view)| (name.to_string(), view)).collect::<Vec<_>>();
        let parts = tensors.iter().map(|(name, view)| (name.as_str(), view.shape(), view.data()));
        if expected != Value::String(checksum(parts.collect(), &entry)) {
            return Err("its checksum is wrong: bytes of it were changed".into());
        }
    }
    serde_json::from_value(Value::Object(entry)).map(Some).map_err(|error| wrong(&error))
}

fn checksum(mut tensors: Vec<(&str, &[usize], &[u8])>, entry: &Map<String, Value>) -> String {
    // The file has an order of its own.
    tensors.sort_by_key(|(name, ..)| *name);
    let mut hash = Sha256::new();
    hash.update(Value::Object(entry.clone()).to_string());
    for (name, dims, bytes) in tensors {
        hash.update(format!("\n{name} {dims:?} "));
        hash.update(bytes);
    }
    hex(&hash.finalize())
}

/// The numbers of a tensor that is known to be there and to be F32; empty otherwise.
pub fn numbers(file: &SafeTensors<'_>, name: &str) -> Vec<f32> {
    match file.tensor(name) {
        Ok(view) if view.dtype() == Dtype::F32 => {
            view.data().as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
        }
        _ => Vec::new(),
    }
}

/// Writes a file whole or not at all: after a crash the path holds the old bytes or the new ones, never half of them.
/// A temporary file beside it, to the disk, then renamed over it.
///
/// # Errors
/// Whatever the system says; the old file is as it was.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temporary = folder.join(format!(".{name}.{}{TEMPORARY}", std::process::id()));
    let written = (|| {
        let mut file = File::create(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&temporary, path)
    })();
    if written.is_err() {
        // What is left of the attempt is of no use; that it may not be there at all is no further error.
        let _ = std::fs::remove_file(&temporary);
        return written;
    }
    // The rename itself is on the disk once the folder is. Not every system lets a folder be opened for that.
    if let Ok(folder) = File::open(folder) {
        let _ = folder.sync_all();
    }
    Ok(())
}

const TEMPORARY: &str = ".tmp";

/// Takes away what a run that was killed in the middle of [`write_atomically`] left in a folder.
pub fn remove_temporaries(folder: &Path) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with('.') && name.ends_with(TEMPORARY) {
            // It costs room, nothing else.
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn bytes() -> Vec<u8> {
        let tensor = |name: &str, dims: &[usize], values| Tensor { name: name.into(), dims: dims.into(), values };
        let tensors = [tensor("b", &[2, 1], &[1.0, -0.0]), tensor("a", &[1], &[f32::MAX])];
        serialize(&tensors, &json!({ "step": 3 })).unwrap()
    }

    #[test]
    fn a_changed_bit_is_noticed() {
        let bytes = bytes();
        assert_eq!(about::<Value>(&bytes).unwrap(), Some(json!({ "step": 3 })));
        // The numbers are the last 12 bytes: no other check than the sum can see a bit of them.
        for at in bytes.len() - 12..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            assert!(about::<Value>(&changed).unwrap_err().contains("checksum"), "{at}");
        }
        // Neither is a step that was edited.
        let at = bytes.windows(10).position(|window| window == b"\\\"step\\\":3").unwrap() + 9;
        let mut changed = bytes.clone();
        changed[at] = b'4';
        assert!(about::<Value>(&changed).unwrap_err().contains("checksum"));
        for length in 0..bytes.len() {
            assert!(about::<Value>(&bytes[..length]).is_err());
        }
    }

    #[test]
    fn files_of_other_tools_say_nothing() {
        let view = TensorView::new(Dtype::F32, vec![1], &[0; 4]).unwrap();
        let bytes = safetensors::serialize([("x", view)], None).unwrap();
        assert_eq!(about::<Value>(&bytes), Ok(None));
    }
}
