#![allow(clippy::unwrap_used)]

use std::borrow::Cow;
use std::sync::Arc;

use serde_json::{Value, json};

use super::*;
use crate::fake::{Bytes, EOS, Parrot};
use crate::sampler::LogitBias;
use crate::{
    FinishReason, GenerationConfig, History, Session, TokenId, Vocabulary, generate_batch,
};

/// Runs a sampler over random logits until the constraint ends, and gives the text.
fn random_output(schema: &Value, seed: u64, max: usize) -> (String, bool) {
    let compiler = SchemaCompiler::new(&Bytes, &[EOS]).unwrap();
    random_run(compiler.compile(schema).unwrap(), seed, max)
}

fn random_run(constraint: JsonConstraint, seed: u64, max: usize) -> (String, bool) {
    random_run_of(constraint, &Bytes, seed, max)
}

fn random_run_of(
    mut constraint: JsonConstraint,
    vocabulary: &dyn Vocabulary,
    seed: u64,
    max: usize,
) -> (String, bool) {
    let mut config = GenerationConfig::new(max);
    (config.temperature, config.seed) = (1.0, seed);
    let mut sampler = config.sampler().unwrap();
    let mut out = Vec::new();
    for step in 0..max {
        if step * 2 > max {
            constraint.hurry();
        }
        // Models pad the vocabulary of their tokenizers.
        let mut logits = Logits::new(vec![0.0; vocabulary.vocab_size() + 130]);
        constraint.mask(&mut logits).unwrap();
        let token = sampler.sample(&mut logits, History::default()).unwrap();
        constraint.accept(token).unwrap();
        if token == EOS {
            return (String::from_utf8(out).unwrap(), true);
        }
        out.extend_from_slice(&vocabulary.token_bytes(token));
        if constraint.is_complete() {
            return (String::from_utf8(out).unwrap(), true);
        }
    }
    (String::from_utf8_lossy(&out).into_owned(), false)
}

#[test]
fn random_tokens_become_valid_json() {
    let schemas = [
        json!({"type": "object", "properties": {
            "title": {"type": "string"}, "year": {"type": "integer"},
            "tags": {"type": "array", "items": {"type": "string"}},
            "kind": {"enum": ["book", "letter"]}, "price": {"type": ["number", "null"]}},
            "required": ["title", "year", "tags", "kind"], "additionalProperties": false}),
        json!({"type": "array", "minItems": 2, "items": {"type": "object",
            "properties": {"page": {"type": "integer", "minimum": 1, "maximum": 300},
            "ok": {"type": "boolean"}}, "required": ["page", "ok"]}}),
        json!({"$defs": {"node": {"type": "object", "properties": {"name": {"type": "string"},
            "children": {"type": "array", "items": {"$ref": "#/$defs/node"}}},
            "required": ["name", "children"], "additionalProperties": false}},
            "$ref": "#/$defs/node"}),
        json!({"type": "string", "pattern": "^[A-Z]{2}-[0-9]{4}$"}),
        json!({"type": "string", "format": "date"}),
    ];
    for schema in &schemas {
        let validator = jsonschema::validator_for(schema).unwrap();
        for seed in 0..12 {
            let (text, complete) = random_output(schema, seed, 240);
            assert!(complete, "not closed in time: {text}");
            let value: Value = serde_json::from_str(&text).expect(&text);
            assert!(
                validator.is_valid(&value),
                "{text} does not follow {schema}"
            );
        }
    }
}

#[test]
fn what_cannot_be_enforced_is_said() {
    let compiler = SchemaCompiler::new(&Bytes, &[EOS]).unwrap();
    let error = compiler.compile(&json!({"type": "colour"})).unwrap_err();
    assert!(error.to_string().contains("colour"), "{error}");
    let error = compiler
        .compile(&json!({"type": "array", "uniqueItems": true}))
        .unwrap_err();
    assert!(error.to_string().contains("uniqueItems"), "{error}");
    assert!(SchemaCompiler::new(&Bytes, &[]).is_err());
}

#[test]
fn the_form_goes_before_the_filters() {
    let compiler = SchemaCompiler::new(&Bytes, &[EOS]).unwrap();
    let schema = json!({"type": "object", "properties": {"a": {"enum": ["aaaaaaaa"]}},
        "required": ["a"], "additionalProperties": false});
    let mut session = Session::new(Arc::new(Parrot::new("abcdefg")), Arc::new(Bytes), 99).unwrap();
    let mut config = GenerationConfig::new(60);
    // Forbids the second "aa", which the form needs.
    config.no_repeat_ngram_size = 2;
    let out = session
        .generate(&[97, 98, 99], &config)
        .unwrap()
        .constrained_by(compiler.compile(&schema).unwrap())
        .filtered_by(LogitBias(vec![(u32::from(b'{'), f32::NEG_INFINITY)]))
        .finish()
        .unwrap();
    assert_eq!(out.text, r#"{"a": "aaaaaaaa"}"#);
    assert!(matches!(
        out.finish_reason,
        FinishReason::Complete | FinishReason::Eos(_)
    ));
}

#[test]
fn tokens_across_quotation_marks_are_told_apart() {
    use super::json_schema::opens_with_content as opens;
    for (token, outside, inside) in [
        ("\"", false, false),
        ("\":", true, false),
        ("\",", true, false),
        (": \"", false, false),
        ("\"The", true, false),
        ("\", \"", true, false),
        ("\", \"The", true, true),
        (" \"\"", false, false),
        ("say \\\"x", true, false),
    ] {
        assert_eq!(opens(token.as_bytes(), false), outside, "{token} outside");
        assert_eq!(opens(token.as_bytes(), true), inside, "{token} inside");
    }
}

#[test]
fn free_strings_can_be_kept_to_a_text() {
    let text = "The keeper \"Isobel\"  Tarrant lives\nat 4 灯塔 Road, Corran, Müller на Невском.";
    let plain = "The keeper Isobel Tarrant lives at 4 灯塔 Road, Corran, Müller на Невском.";
    let schema = json!({"type": "object", "properties": {"name": {"type": "string"},
        "kind": {"enum": ["person", "ship"]}, "places": {"type": "array", "items": {"type": "string"}}},
        "required": ["name", "kind", "places"], "additionalProperties": false});
    let compiler = SchemaCompiler::new(&Bytes, &[EOS]).unwrap();
    let mut longest = 0;
    for seed in 0..20 {
        let constraint = compiler.compile(&schema).unwrap().copying_from(text);
        let (out, complete) = random_run(constraint, seed, 400);
        assert!(complete, "{out}");
        let value: Value = serde_json::from_str(&out).expect(&out);
        let places = value["places"].as_array().unwrap();
        for copy in places.iter().chain([&value["name"]]) {
            let copy = copy.as_str().unwrap();
            assert!(plain.contains(copy), "{copy:?} of {out}");
            let is_whole = |word: &str| {
                let mut words = plain.split(|c: char| !c.is_alphanumeric());
                word.contains(['灯', '塔']) || words.any(|w| w == word)
            };
            let mut words = copy.split(|c: char| !c.is_alphanumeric());
            assert!(words.all(is_whole), "{copy:?} of {out}");
            longest = longest.max(copy.len());
        }
        assert!(value["kind"] == "person" || value["kind"] == "ship");
    }
    assert!(longest > 8, "nothing was copied");
}

/// Bytes, the three-digit numbers, and each letter once more, as with byte fallback.
struct Wide;

impl Vocabulary for Wide {
    fn vocab_size(&self) -> usize {
        257 + 1000 + 128
    }

    fn token_bytes(&self, token: TokenId) -> Cow<'_, [u8]> {
        match token {
            0..=256 => Bytes.token_bytes(token),
            257..1257 => Cow::Owned(format!("{:03}", token - 257).into_bytes()),
            _ => Cow::Owned(vec![(token - 1257) as u8]),
        }
    }

    fn special_token(&self, token: TokenId) -> Option<Cow<'_, str>> {
        Bytes.special_token(token)
    }
}

#[test]
fn integers_fit_into_64_bits() {
    let schema = json!({"type": "array", "minItems": 3, "items": {"type": "integer"}});
    let compiler = SchemaCompiler::new(&Wide, &[EOS]).unwrap();
    let mut longest = 0;
    for seed in 0..40 {
        let constraint = compiler.compile(&schema).unwrap();
        let (text, _) = random_run_of(constraint, &Wide, seed, 60);
        let Ok(Value::Array(numbers)) = serde_json::from_str(&text) else {
            continue;
        };
        for number in numbers {
            assert!(number.is_i64(), "{number}");
            longest = longest.max(number.to_string().len());
        }
    }
    assert_eq!(longest, 18);
    // What the schema itself asks for is not cut.
    let schema = json!({"const": 12_345_678_901_234_567_000_u64});
    let constraint = compiler.compile(&schema).unwrap();
    let (text, complete) = random_run_of(constraint, &Wide, 1, 60);
    assert_eq!((text.as_str(), complete), ("12345678901234567000", true));
}

#[test]
fn of_two_tokens_for_a_letter_both_copy() {
    let schema = json!({"type": "string"});
    let compiler = SchemaCompiler::new(&Wide, &[EOS]).unwrap();
    let mut constraint = compiler.compile(&schema).unwrap().copying_from("Corran");
    constraint.accept(u32::from(b'"')).unwrap();
    let mut logits = Logits::new(vec![0.0; Wide.vocab_size()]);
    constraint.mask(&mut logits).unwrap();
    let mut allowed: Vec<TokenId> = logits.iter().map(|(token, _)| token).collect();
    allowed.sort_unstable();
    let [quote, letter] = [b'"', b'C'].map(u32::from);
    assert_eq!(allowed, [quote, letter, 1257 + quote, 1257 + letter]);
}

#[test]
fn a_limit_without_end_hurries_nothing() {
    let json = r#"{"a": "some words that take a while"}"#;
    let parrot = Arc::new(Parrot::new(&format!("abc{json}")));
    let schema = json!({"type": "object", "properties": {"a": {"type": "string"}},
        "required": ["a"], "additionalProperties": false});
    let constraint = |compiler: &SchemaCompiler| compiler.compile(&schema).unwrap();
    let compiler = SchemaCompiler::new(&Bytes, &[EOS]).unwrap();
    let prompt: Vec<TokenId> = "abc".bytes().map(TokenId::from).collect();
    let config = GenerationConfig::new(usize::MAX);
    let mut session = Session::new(parrot.clone(), Arc::new(Bytes), 99).unwrap();
    let out = session
        .generate(&prompt, &config)
        .unwrap()
        .constrained_by(constraint(&compiler))
        .finish()
        .unwrap();
    assert_eq!(out.text, json);
    let batch = generate_batch(&*parrot, &Bytes, &[prompt], &config).unwrap();
    assert_eq!(batch[0].text, json);
}
