//! The tokenizer of a `tokenizer.json`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;
use tokenizers::ModelWrapper;
use tokenizers::pre_tokenizers::PreTokenizerWrapper;
use tokenizers::pre_tokenizers::metaspace::PrependScheme;

use super::decoder::Decoder;
use super::{Strip, Tokenizer};
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
    /// Reads a `tokenizer.json` of Hugging Face's tokenizers: BPE over bytes, as that of Qwen2,
    /// Llama 3 or SmolLM2, or over pieces in which a character stands for a space, as
    /// SentencePiece makes them for Llama 2.
    ///
    /// # Errors
    /// If the file cannot be read or is of another kind.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, DecodeError> {
        let path = path.as_ref();
        let fail =
            |e: &dyn std::fmt::Display| DecodeError::Tokenizer(format!("{}: {e}", path.display()));
        let mut inner = read(path)?;
        // What a file says of the length of texts is meant for training.
        inner.with_truncation(None).map_err(|e| fail(&e))?;
        inner.with_padding(None);
        let decoder = decoder(&inner).map_err(|e| fail(&e))?;
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
            inner.id_to_token(id).map(|t| decoder.bytes(&t))
        };
        let bytes = (0..size as TokenId)
            .map(|id| match special.contains_key(&id) {
                true => Box::default(),
                false => token(id).unwrap_or_default().into_boxed_slice(),
            })
            .collect();
        let strips = special.keys().map(|id| Strip {
            before: added[id].lstrip,
            after: added[id].rstrip,
        });
        let strips = strips.collect();
        let add_bos = adds_bos(&inner, &special).map_err(|e| fail(&e))?;
        let further = without_first_prefix(&inner);
        let mut tokenizer = Self::new(inner, bytes, special, add_bos)?;
        tokenizer.further = further;
        tokenizer.strips = strips;
        tokenizer.opening_spaces = decoder.opening_spaces();
        Ok(tokenizer)
    }
}

/// Reads the file; names of special tokens are text like any other to what comes back.
fn read(path: &Path) -> Result<tokenizers::Tokenizer, DecodeError> {
    let fail =
        |e: &dyn std::fmt::Display| DecodeError::Tokenizer(format!("{}: {e}", path.display()));
    let mut inner = tokenizers::Tokenizer::from_file(path).map_err(|e| fail(&e))?;
    if !matches!(inner.get_model(), ModelWrapper::BPE(_)) {
        let model = serde_json::to_value(inner.get_model()).map_err(|e| fail(&e))?;
        return Err(fail(&format!("expected BPE, found {}", model["type"])));
    }
    inner.set_encode_special_tokens(true);
    let added = inner.get_added_tokens_decoder();
    let is_vision = |name: &str| VISION.contains(&name);
    let mut names = BTreeSet::new();
    let mut is_altered = false;
    for (id, token) in &added {
        let name = token.content.as_str();
        if token.special || is_vision(name) {
            // Converted files may hold merges that make a special token of its name's letters.
            let encoding = inner.encode_fast(name, false).map_err(|e| fail(&e))?;
            is_altered |= !token.special || encoding.get_ids().contains(id);
            names.insert(name);
        }
    }
    if !is_altered {
        return Ok(inner);
    }
    // Neither can be changed once it is there.
    let file = std::fs::read(path).map_err(|e| fail(&e))?;
    let mut file: Value = serde_json::from_slice(&file).map_err(|e| fail(&e))?;
    for token in file["added_tokens"].as_array_mut().into_iter().flatten() {
        if token["content"].as_str().is_some_and(is_vision) {
            token["special"] = true.into();
        }
    }
    if let Some(merges) = file["model"]["merges"].as_array_mut() {
        merges.retain(|merge| merged(merge).is_none_or(|token| !names.contains(&token[..])));
    }
    let file = serde_json::to_vec(&file).map_err(|e| fail(&e))?;
    let mut inner = tokenizers::Tokenizer::from_bytes(file).map_err(|e| fail(&e))?;
    inner.set_encode_special_tokens(true);
    Ok(inner)
}

/// The token that a merge makes: `["a", "b"]`, or `"a b"` in older files.
fn merged(merge: &Value) -> Option<String> {
    let (a, b) = match merge {
        Value::String(both) => both.split_once(' ')?,
        both => (both[0].as_str()?, both[1].as_str()?),
    };
    Some(format!("{a}{b}"))
}

/// What tokens stand for, by the decoder, or where there is none by the pre-tokenizer.
fn decoder(inner: &tokenizers::Tokenizer) -> Result<Decoder, String> {
    let description = match (inner.get_decoder(), inner.get_pre_tokenizer()) {
        (Some(decoder), _) => serde_json::to_value(decoder),
        (None, Some(PreTokenizerWrapper::Sequence(steps))) => {
            let known = |step: &&PreTokenizerWrapper| {
                use PreTokenizerWrapper::{ByteLevel, Metaspace};
                matches!(step, ByteLevel(_) | Metaspace(_))
            };
            serde_json::to_value(steps.as_ref().iter().find(known))
        }
        (None, step) => serde_json::to_value(step),
    };
    Decoder::parse(&description.map_err(|e| e.to_string())?)
}

/// Whether the post-processor opens a text with a special token.
fn adds_bos(
    inner: &tokenizers::Tokenizer,
    special: &BTreeMap<TokenId, String>,
) -> tokenizers::Result<bool> {
    let encoding = inner.encode_fast("a", true)?;
    let first = encoding.get_ids().first();
    let plain = inner.encode_fast("a", false)?;
    Ok(first.is_some_and(|id| special.contains_key(id)) && first != plain.get_ids().first())
}

/// The tokenizer for what follows a special token, if only the beginning of a text gets a space.
fn without_first_prefix(inner: &tokenizers::Tokenizer) -> Option<Box<tokenizers::Tokenizer>> {
    fn change(step: &mut PreTokenizerWrapper) -> bool {
        match step {
            PreTokenizerWrapper::Metaspace(m) if m.prepend_scheme == PrependScheme::First => {
                m.prepend_scheme = PrependScheme::Never;
                true
            }
            PreTokenizerWrapper::Sequence(steps) => steps.as_mut().iter_mut().any(change),
            _ => false,
        }
    }
    let mut step = inner.get_pre_tokenizer()?.clone();
    change(&mut step).then(|| {
        let mut further = inner.clone();
        further.with_pre_tokenizer(Some(step));
        Box::new(further)
    })
}
