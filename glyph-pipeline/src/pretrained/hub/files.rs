//! Which files make up a checkpoint.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::Deserialize;

use super::id::is_file_name;
use crate::pretrained::PretrainedError;

/// What every checkpoint has.
pub(super) const CONFIG: &str = "config.json";
/// All weights, where they are one file.
pub(in crate::pretrained) const WEIGHTS: &str = "model.safetensors";
/// Which shard has which tensor, where they are more.
pub(in crate::pretrained) const INDEX: &str = "model.safetensors.index.json";
/// The tokenizer.
pub(super) const TOKENIZER: &str = "tokenizer.json";

/// What a checkpoint may have besides: settings, tokenizers and chat templates.
#[cfg(feature = "hf-hub")]
const SMALL: &[&str] = &[
    CONFIG,
    "generation_config.json",
    "preprocessor_config.json",
    "processor_config.json",
    "video_preprocessor_config.json",
    TOKENIZER,
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "vocab.txt",
    "merges.txt",
    "tokenizer.model",
];

/// Whether a file of a repository belongs to a checkpoint, weights aside.
#[cfg(feature = "hf-hub")]
pub(super) fn is_small(name: &str) -> bool {
    let template = name.starts_with("chat_template.") && is_file_name(name);
    template || SMALL.contains(&name)
}

/// The shards that an index names.
pub(super) fn shards(index: &Path) -> Result<Vec<String>, PretrainedError> {
    #[derive(Deserialize)]
    struct Index {
        weight_map: BTreeMap<String, String>,
    }
    let malformed = |found: String| PretrainedError::Malformed {
        origin: index.display().to_string(),
        expected: "an index of shards",
        found,
    };
    let text = std::fs::read_to_string(index).map_err(|source| PretrainedError::Io {
        path: index.to_owned(),
        source,
    })?;
    let parsed: Index = serde_json::from_str(&text).map_err(|e| malformed(e.to_string()))?;
    let names: BTreeSet<String> = parsed.weight_map.into_values().collect();
    if names.is_empty() {
        return Err(malformed("no shards".to_owned()));
    }
    // The index comes from anywhere: its names must not lead out of the folder.
    if let Some(name) = names.iter().find(|name| !is_file_name(name)) {
        return Err(malformed(format!("a shard named {name:?}")));
    }
    Ok(names.into_iter().collect())
}

/// What a folder lacks to be a checkpoint.
///
/// The tokenizer is only missed where other files are missing as well: there are checkpoints
/// without one.
pub(super) fn missing(folder: &Path) -> Vec<String> {
    let absent = |name: &str| !folder.join(name).is_file();
    let mut missing = Vec::new();
    if absent(CONFIG) {
        missing.push(CONFIG.to_owned());
    }
    if absent(WEIGHTS) {
        let index = folder.join(INDEX);
        match shards(&index) {
            Ok(shards) => missing.extend(shards.into_iter().filter(|name| absent(name))),
            Err(_) if index.exists() => missing.push(INDEX.to_owned()),
            Err(_) => missing.push(WEIGHTS.to_owned()),
        }
    }
    if !missing.is_empty() && absent(TOKENIZER) {
        missing.push(TOKENIZER.to_owned());
    }
    missing
}
