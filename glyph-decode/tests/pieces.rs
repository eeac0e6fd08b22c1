//! Tokenizers of SentencePiece's kind make the tokens of `transformers`
//! (`tools/parity/pieces.py` writes the fixtures), and what files may get wrong harms nobody.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use glyph_decode::{ChatTemplate, LanguageModel, Message, Pretrained, SpecialTokens, Tokenizer};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
struct Case {
    text: String,
    ids: Vec<u32>,
    decoded: String,
}

fn fixture(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/pieces");
    folder.join(name)
}

fn json_of(name: &str) -> Value {
    let text = std::fs::read_to_string(fixture(name)).expect("the fixture is there");
    serde_json::from_str(&text).expect("the script wrote it")
}

fn open(name: &str) -> Tokenizer {
    Tokenizer::from_file(fixture(name)).expect("it is a tokenizer")
}

/// A fixture with changes.
fn altered(name: &str, change: impl Fn(&mut Value)) -> Result<Tokenizer, String> {
    let mut file = json_of(name);
    change(&mut file);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("tokenizer.json");
    std::fs::write(&path, file.to_string()).expect("it can be written");
    Tokenizer::from_file(path).map_err(|e| e.to_string())
}

fn encode(tokenizer: &Tokenizer, text: &str, special: SpecialTokens) -> Vec<u32> {
    tokenizer.encode(text, special).expect("it takes any text")
}

fn bytes(tokenizer: &Tokenizer, ids: &[u32]) -> Vec<u8> {
    let bytes = ids.iter().map(|id| tokenizer.token_bytes(*id));
    bytes.flat_map(|b| b.into_owned()).collect()
}

#[test]
fn tokens_are_those_of_transformers() {
    let reference: BTreeMap<String, Vec<Case>> =
        serde_json::from_value(json_of("reference.json")).expect("the script wrote it");
    assert_eq!(reference.len(), 2);
    for (name, cases) in reference {
        let tokenizer = open(&format!("{name}.json"));
        assert!(tokenizer.adds_bos(), "{name}");
        assert_eq!(cases.len(), 24);
        for Case { text, ids, decoded } in cases {
            let ours = encode(&tokenizer, &text, SpecialTokens::Parse);
            assert_eq!(ours, ids, "{name}: {text:?}");
            assert_eq!(tokenizer.decode(&ids), decoded, "{name}: {text:?}");
        }
    }
}

#[test]
fn bytes_of_tokens_make_up_the_text() {
    let text = "Hello  world: 灯塔 🗼\n\tMüller";
    for name in ["legacy.json", "first.json"] {
        let tokenizer = open(name);
        let ids = encode(&tokenizer, text, SpecialTokens::AsText);
        assert_eq!(bytes(&tokenizer, &ids), format!(" {text}").into_bytes());
        // Characters that are no piece are split over tokens of a byte each.
        let lamp = encode(&tokenizer, "灯", SpecialTokens::AsText);
        assert_eq!(lamp.len(), 4);
        for (id, byte) in lamp[1..].iter().zip("灯".bytes()) {
            assert_eq!(*tokenizer.token_bytes(*id), [byte]);
        }
    }
}

#[test]
fn names_of_special_tokens_can_be_text() {
    for name in ["legacy.json", "first.json"] {
        let tokenizer = open(name);
        let ids = encode(&tokenizer, "the end</s>", SpecialTokens::AsText);
        assert!(!ids.contains(&2));
        assert_eq!(tokenizer.decode(&ids), "the end</s>");
    }
    // Also where the letters of a name could be merged to it.
    let mergeable = |file: &mut Value| {
        let vocab = file["model"]["vocab"].as_object_mut().expect("a map");
        let mut next = vocab.values().filter_map(Value::as_u64).max().expect("ids");
        for piece in ["<", ">", "s>"] {
            next += 1;
            vocab.insert(piece.to_owned(), next.into());
        }
        let merges = file["model"]["merges"].as_array_mut().expect("a list");
        merges.extend([json!(["s", ">"]), json!(["<", "s>"])]);
    };
    let tokenizer = altered("first.json", mergeable).expect("it is a tokenizer");
    let ids = encode(&tokenizer, "x <s>", SpecialTokens::AsText);
    assert!(!ids.contains(&1), "{ids:?}");
    assert_eq!(tokenizer.decode(&ids), "x <s>");
    assert!(encode(&tokenizer, "x <s>", SpecialTokens::Parse).ends_with(&[1]));
}

#[test]
fn special_tokens_take_blanks_along_where_the_file_says_so() {
    let stripping = |file: &mut Value| {
        file["added_tokens"][2]["lstrip"] = true.into();
        file["added_tokens"][2]["rstrip"] = true.into();
    };
    let tokenizer = altered("first.json", stripping).expect("it is a tokenizer");
    let parse = |text| encode(&tokenizer, text, SpecialTokens::Parse);
    assert_eq!(parse("a \n</s>\n </s> b"), parse("a</s></s>b"));
    assert_ne!(parse("a <s> b"), parse("a<s>b"));
}

#[test]
fn texts_are_not_cut_or_filled() {
    let lengths = |file: &mut Value| {
        file["truncation"] = json!({
            "direction": "Right", "max_length": 3, "strategy": "LongestFirst", "stride": 0,
        });
        file["padding"] = json!({
            "strategy": {"Fixed": 64}, "direction": "Right", "pad_to_multiple_of": null,
            "pad_id": 0, "pad_type_id": 0, "pad_token": "<unk>",
        });
    };
    let tokenizer = altered("legacy.json", lengths).expect("it is a tokenizer");
    let text = "the lighthouse keeper wrote the log of the day";
    let ids = encode(&tokenizer, text, SpecialTokens::AsText);
    assert_eq!(
        ids,
        encode(&open("legacy.json"), text, SpecialTokens::AsText)
    );
}

#[test]
fn other_kinds_are_refused() {
    let words = json!({"type": "WordPiece", "prefix": "##", "cleanup": true});
    let error = altered("legacy.json", |file| file["decoder"] = words.clone());
    let error = error.expect_err("another decoder");
    assert!(
        error.contains("tokenizer.json") && error.contains("WordPiece"),
        "{error}"
    );
    let unigram = json!({"type": "Unigram", "unk_id": 0, "vocab": [["<unk>", 0.0], ["a", -1.0]]});
    let error = altered("legacy.json", |file| file["model"] = unigram.clone());
    let error = error.expect_err("another model");
    assert!(
        error.contains("expected BPE") && error.contains("Unigram"),
        "{error}"
    );
    let error = altered("first.json", |file| {
        file["decoder"] = Value::Null;
        file["pre_tokenizer"] = Value::Null;
    });
    assert!(error.is_err());
    // The pre-tokenizer tells as well.
    let tokenizer = altered("first.json", |file| file["decoder"] = Value::Null);
    let tokenizer = tokenizer.expect("it is a tokenizer");
    let ids = encode(&tokenizer, "the keeper", SpecialTokens::AsText);
    assert_eq!(tokenizer.decode(&ids), "the keeper");
}

#[cfg(feature = "json-schema")]
#[test]
fn json_is_written_from_pieces_and_bytes() {
    use glyph_decode::{Constraint, GenerationConfig, History, Logits, SchemaCompiler};

    let tokenizer = open("legacy.json");
    let compiler = SchemaCompiler::new(&tokenizer, &[2]).expect("it can be indexed");
    let schema = json!({"type": "object", "properties": {"name": {"type": "string"},
        "year": {"type": "integer"}}, "required": ["name", "year"], "additionalProperties": false});
    let mut names = Vec::new();
    for seed in 0..10 {
        let constraint = compiler.compile(&schema).expect("a schema");
        let mut constraint = constraint.copying_from("the keeper Müller, 灯塔");
        let mut config = GenerationConfig::new(200);
        (config.temperature, config.seed) = (1.0, seed);
        let mut sampler = config.sampler().expect("a sampler");
        let mut ids = Vec::new();
        while !constraint.is_complete() && ids.len() < 200 {
            if ids.len() > 100 {
                constraint.hurry();
            }
            let mut logits = Logits::new(vec![0.0; tokenizer.vocab_size() + 64]);
            constraint.mask(&mut logits).expect("tokens go on");
            let token = sampler.sample(&mut logits, History::default());
            let token = token.expect("a token is left");
            constraint.accept(token).expect("it was allowed");
            ids.push(token);
        }
        let text = String::from_utf8(bytes(&tokenizer, &ids)).expect("whole characters");
        let value: Value = serde_json::from_str(&text).expect(&text);
        assert!(value["year"].is_i64(), "{text}");
        let name = value["name"].as_str().expect("a name");
        assert!("the keeper Müller, 灯塔".contains(name), "{text}");
        names.push(name.to_owned());
    }
    assert!(names.iter().any(|n| !n.is_ascii()), "{names:?}");
    assert!(names.iter().any(|n| n.contains("the")), "{names:?}");
}

/// A folder whose `config.json` and `tokenizer_config.json` are of two minds, as those of
/// DeepSeek-R1-Distill-Qwen are.
#[test]
fn a_folder_names_its_own_tokens() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tiny-llama");
    for entry in std::fs::read_dir(model).expect("the fixture") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name");
        std::fs::copy(&path, dir.path().join(name)).expect("a copy");
    }
    let path = dir.path().join("config.json");
    let mut config: Value =
        serde_json::from_slice(&std::fs::read(&path).expect("the config")).expect("JSON");
    config["bos_token_id"] = 2.into();
    let write = |name: &str, value: &Value| {
        std::fs::write(dir.path().join(name), value.to_string()).expect("it can be written");
    };
    write("config.json", &config);
    write("tokenizer.json", &json_of("first.json"));
    let template = "{{ bos_token }}|{{ eos_token }}";
    write(
        "tokenizer_config.json",
        &json!({"bos_token": "<s>", "eos_token": null, "chat_template": template}),
    );
    let open = || Pretrained::open(dir.path(), &Default::default()).expect("a model");
    let prompt = |pretrained: &Pretrained| {
        let template = ChatTemplate::of(pretrained).expect("it is Jinja");
        template.render::<Message>(&[], false).expect("it renders")
    };
    let pretrained = open();
    assert_eq!(prompt(&pretrained), "<s>|</s>");
    assert_eq!(pretrained.model.config().eos_token_ids, [2]);
    // What generates goes by the file that is made for it, if it says anything.
    for (ends, expected) in [
        (json!([7, 2]), &[7, 2][..]),
        (json!(9), &[9]),
        (json!([]), &[2]),
        (json!(null), &[2]),
        (json!("</s>"), &[2]),
        (json!(-1), &[2]),
    ] {
        write("generation_config.json", &json!({"eos_token_id": ends}));
        assert_eq!(open().model.config().eos_token_ids, expected, "{ends}");
    }
}
