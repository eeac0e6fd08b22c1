//! A tokenizer of single bytes.

use glyph_decode::Tokenizer;
use serde_json::{Value, json};

pub(crate) const SMOLVLM: &[&str] = &[
    "<|im_start|>",
    "<end_of_utterance>",
    "<fake_token_around_image>",
    "<image>",
    "<global-img>",
    "<row_1_col_1>",
];

/// A tokenizer of single bytes and these special tokens, whose ids are 256 and on.
pub(crate) fn tiny(special: &[&str]) -> Tokenizer {
    let printable = |b: &u32| matches!(b, 0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff);
    // Bytes as characters, as GPT-2 writes them: those that print nothing come after the others.
    let mut others = 0x100..;
    let vocab: serde_json::Map<String, Value> = (0..=0xff)
        .map(|byte| {
            let code = match printable(&byte) {
                true => byte,
                false => others.next().expect("it is endless"),
            };
            let c = char::from_u32(code).expect("below U+0200");
            (c.to_string(), byte.into())
        })
        .collect();
    let added: Vec<Value> = special
        .iter()
        .zip(256..)
        .map(|(name, id)| {
            json!({
                "id": id, "content": name, "special": !name.starts_with("<|image"),
                "single_word": false, "lstrip": false, "rstrip": false, "normalized": false,
            })
        })
        .collect();
    let bytes = json!({
        "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true,
    });
    let file = json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": added,
        "normalizer": null, "pre_tokenizer": bytes, "post_processor": null, "decoder": bytes,
        "model": {
            "type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
            "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false,
            "ignore_merges": false, "vocab": vocab, "merges": [],
        },
    });
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("tokenizer.json");
    std::fs::write(&path, file.to_string()).expect("it can be written");
    Tokenizer::from_file(path).expect("it is a tokenizer")
}
