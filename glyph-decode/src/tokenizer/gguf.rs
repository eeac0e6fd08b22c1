//! The tokenizer that a GGUF file carries.

use std::collections::BTreeMap;

use ahash::AHashMap;
use tokenizers::models::bpe::BPE;
use tokenizers::normalizers::unicode::NFC;
use tokenizers::pre_tokenizers::PreTokenizerWrapper;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::digits::Digits;
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::tokenizer::SplitDelimiterBehavior;
use tokenizers::{AddedToken, NormalizerWrapper};

use super::{Tokenizer, bytes_of};
use crate::weights::gguf::GgufFile;
use crate::{DecodeError, TokenId};

/// How a text is cut into words before the merges: `tokenizer.ggml.pre`.
struct Cut {
    /// Names in GGUF files.
    names: &'static [&'static str],
    /// Every digit is a word of its own.
    digits: bool,
    /// What a word is; `None` for GPT-2's rule.
    pattern: Option<&'static str>,
    /// Whether a word that is in the vocabulary skips the merges.
    ignore_merges: bool,
    /// Whether texts are composed (NFC) first.
    nfc: bool,
}

// The tokenizer.json files of SmolLM2-135M-Instruct, Qwen2.5-0.5B-Instruct, Llama-3.2-1B and
// GPT-2, which `llama-vocab.cpp` of llama.cpp follows.
const CUTS: [Cut; 4] = [
    Cut {
        names: &["smollm"],
        digits: true,
        pattern: None,
        ignore_merges: false,
        nfc: false,
    },
    Cut {
        names: &["qwen2", "deepseek-r1-qwen"],
        digits: false,
        pattern: Some(
            r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        ),
        ignore_merges: false,
        nfc: true,
    },
    Cut {
        names: &["llama-bpe", "llama3", "llama-v3"],
        digits: false,
        pattern: Some(
            r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        ),
        ignore_merges: true,
        nfc: false,
    },
    Cut {
        names: &["gpt-2"],
        digits: false,
        pattern: None,
        ignore_merges: false,
        nfc: false,
    },
];

/// Kinds of token: `tokenizer.ggml.token_type`.
const CONTROL: i64 = 3;
const USER_DEFINED: i64 = 4;
const UNUSED: i64 = 5;

impl Tokenizer {
    /// Builds the tokenizer of a GGUF file from its vocabulary and merges.
    ///
    /// # Errors
    /// If the file carries none, or one of a kind other than byte-level BPE with the rules of
    /// SmolLM2, Qwen2, Llama 3 or GPT-2.
    pub fn from_gguf(file: &GgufFile) -> Result<Self, DecodeError> {
        let fail =
            |reason: String| DecodeError::Tokenizer(format!("{}: {reason}", file.path().display()));
        let kind = file.text("tokenizer.ggml.model")?;
        if kind != "gpt2" {
            return Err(fail(format!(
                "tokenizer.ggml.model: expected gpt2, found {kind}"
            )));
        }
        let pre = file.text("tokenizer.ggml.pre")?;
        let cut = CUTS
            .iter()
            .find(|c| c.names.contains(&pre))
            .ok_or_else(|| {
                let known: Vec<_> = CUTS.iter().flat_map(|c| c.names).copied().collect();
                let known = known.join(", ");
                fail(format!(
                    "tokenizer.ggml.pre: expected one of {known}, found {pre}"
                ))
            })?;
        let tokens = file.texts("tokenizer.ggml.tokens")?;
        let kinds = file.optional_integers("tokenizer.ggml.token_type")?;
        let kind = |id: usize| kinds.and_then(|k| k.get(id)).copied().unwrap_or(1);
        let merges = file
            .texts("tokenizer.ggml.merges")?
            .iter()
            .map(|merge| {
                // The space that parts the two may itself be written only as another character.
                merge
                    .split_once(' ')
                    .map(|(a, b)| (a.to_owned(), b.to_owned()))
                    .ok_or_else(|| fail(format!("merge {merge:?}: expected two parts")))
            })
            .collect::<Result<Vec<_>, _>>()?;

        let vocab: AHashMap<String, u32> = tokens
            .iter()
            .enumerate()
            .map(|(id, token)| (token.clone(), id as u32))
            .collect();
        let model = BPE::builder()
            .vocab_and_merges(vocab, merges)
            .ignore_merges(cut.ignore_merges)
            .build()
            .map_err(|e| fail(e.to_string()))?;
        let mut inner = tokenizers::Tokenizer::new(model);
        if cut.nfc {
            inner.with_normalizer(Some(NormalizerWrapper::NFC(NFC)));
        }
        let mut steps: Vec<PreTokenizerWrapper> = Vec::new();
        if cut.digits {
            steps.push(Digits::new(true).into());
        }
        if let Some(pattern) = cut.pattern {
            let split = Split::new(
                SplitPattern::Regex(pattern.to_owned()),
                SplitDelimiterBehavior::Isolated,
                false,
            )
            .map_err(|e| fail(e.to_string()))?;
            steps.push(split.into());
        }
        steps.push(ByteLevel::new(false, true, cut.pattern.is_none()).into());
        inner.with_pre_tokenizer(Some(Sequence::new(steps)));

        let mut special = BTreeMap::new();
        let mut bytes = Vec::with_capacity(tokens.len());
        let mut added = Vec::new();
        for (id, token) in tokens.iter().enumerate() {
            bytes.push(match kind(id) {
                CONTROL => {
                    if !token.is_empty() {
                        special.insert(id as TokenId, token.clone());
                    }
                    Box::default()
                }
                UNUSED => Box::default(),
                USER_DEFINED => {
                    added.push(AddedToken::from(token.clone(), false).normalized(false));
                    token.clone().into_bytes().into_boxed_slice()
                }
                _ => bytes_of(token).into_boxed_slice(),
            });
        }
        inner.add_tokens(&added);
        let add_bos = file
            .optional_bool("tokenizer.ggml.add_bos_token")?
            .unwrap_or(false);
        Self::new(inner, bytes, special, add_bos)
    }
}
