//! The tokenizer of a `tokenizer.json`.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use super::{Tokenizer, bytes_of};
use crate::{DecodeError, TokenId};

/// Tokens that stand for images and videos. They are special whatever the file says (that of
/// GLM-4.5V says they are not), or a text that names one would show a picture.
const VISION: [&str; 6] = [
    "<|image|>",
    "<|video|>",
    "<|image_pad|>",
    "<|video_pad|>",
    "<image>",
    "<video>",
];

impl Tokenizer {
    /// Reads a `tokenizer.json` of Hugging Face's tokenizers, byte-level ones only.
    ///
    /// # Errors
    /// If the file cannot be read or is of another kind.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, DecodeError> {
        let path = path.as_ref();
        let mut inner = read(path)?;
        inner.set_encode_special_tokens(true);
        let added = inner.get_added_tokens_decoder();
        let special: BTreeMap<_, _> = added
            .iter()
            .filter(|(_, token)| token.special && !token.content.is_empty())
            .map(|(&id, token)| (id, token.content.clone()))
            .collect();
        let size = inner
            .get_vocab(true)
            .into_values()
            .max()
            .map_or(0, |id| id as usize + 1);
        let token = |id: TokenId| {
            if let Some(token) = added.get(&id) {
                return Some(token.content.clone().into_bytes());
            }
            inner.id_to_token(id).map(|t| bytes_of(&t))
        };
        let bytes = (0..size as TokenId)
            .map(|id| match special.contains_key(&id) {
                true => Box::default(),
                false => token(id).unwrap_or_default().into_boxed_slice(),
            })
            .collect();
        Self::new(inner, bytes, special, false)
    }
}

fn read(path: &Path) -> Result<tokenizers::Tokenizer, DecodeError> {
    let fail =
        |e: &dyn std::fmt::Display| DecodeError::Tokenizer(format!("{}: {e}", path.display()));
    let inner = tokenizers::Tokenizer::from_file(path).map_err(|e| fail(&e))?;
    let is_text =
        |token: &tokenizers::AddedToken| !token.special && VISION.contains(&token.content.as_str());
    if !inner.get_added_tokens_decoder().values().any(is_text) {
        return Ok(inner);
    }
    // Added tokens can't be changed once they are there.
    let file = std::fs::read(path).map_err(|e| fail(&e))?;
    let mut file: Value = serde_json::from_slice(&file).map_err(|e| fail(&e))?;
    for token in file["added_tokens"].as_array_mut().into_iter().flatten() {
        if token["content"]
            .as_str()
            .is_some_and(|name| VISION.contains(&name))
        {
            token["special"] = true.into();
        }
    }
    let file = serde_json::to_vec(&file).map_err(|e| fail(&e))?;
    tokenizers::Tokenizer::from_bytes(file).map_err(|e| fail(&e))
}
