//! Tokenizers and chat templates of vision-language models against `transformers`, where the files
//! are that `tools/parity/tokens.py` writes:
//! `GLYPH_TEST_TOKENIZERS=FOLDER cargo test --workspace --test chats`.

use std::path::{Path, PathBuf};

use glyph_decode::{ChatTemplate, ImagePlaceholder, Message, SpecialTokens, Tokenizer, VlmFamily};

use serde::Deserialize;
use serde_json::Value;

use crate::tiny::{SMOLVLM, tiny};

#[derive(Deserialize)]
struct Reference {
    tokenizers: Vec<TokenizerCase>,
    templates: Vec<TemplateCase>,
}

#[derive(Deserialize)]
struct TokenizerCase {
    name: String,
    texts: Vec<TextCase>,
}

#[derive(Deserialize)]
struct TextCase {
    text: String,
    ids: Vec<u32>,
    decoded: String,
}

#[derive(Deserialize)]
struct TemplateCase {
    name: String,
    template: String,
    tokenizer: Option<String>,
    chats: Vec<Chat>,
}

#[derive(Deserialize)]
struct Chat {
    messages: Vec<Value>,
    add_generation_prompt: bool,
    #[serde(default)]
    add_vision_id: bool,
    prompt: String,
    #[serde(default)]
    images: Vec<Size>,
    expanded: String,
    ids: Option<Vec<u32>>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Size {
    Tokens(usize),
    Tiles([usize; 2]),
}

impl Size {
    fn placeholder(&self) -> ImagePlaceholder {
        match *self {
            Self::Tokens(tokens) => ImagePlaceholder::Patches { tokens },
            Self::Tiles([rows, columns]) => ImagePlaceholder::Tiles {
                rows,
                columns,
                tokens_per_tile: 64,
            },
        }
    }
}

fn reference() -> Option<(PathBuf, Reference)> {
    let folder = PathBuf::from(std::env::var_os("GLYPH_TEST_TOKENIZERS")?);
    let text = std::fs::read_to_string(folder.join("tokens.json")).expect("tokens.json is there");
    Some((folder, serde_json::from_str(&text).expect("it is JSON")))
}

fn open(folder: &Path, name: &str) -> Tokenizer {
    Tokenizer::from_file(folder.join(name).join("tokenizer.json")).expect("it is byte-level BPE")
}

/// What tokens stand for, special ones by name.
fn decode_with_names(tokenizer: &Tokenizer, ids: &[u32]) -> String {
    let bytes: Vec<u8> = ids
        .iter()
        .flat_map(|&id| match tokenizer.special_token(id) {
            Some(name) => name.as_bytes().to_vec(),
            None => tokenizer.token_bytes(id).into_owned(),
        })
        .collect();
    String::from_utf8_lossy(&bytes).into_owned()
}

#[test]
fn texts_become_the_same_tokens() {
    let Some((folder, reference)) = reference() else {
        return;
    };
    assert_eq!(reference.tokenizers.len(), 5);
    let mut wrong = Vec::new();
    for case in &reference.tokenizers {
        let tokenizer = open(&folder, &case.name);
        assert_eq!(case.texts.len(), 50);
        for TextCase { text, ids, decoded } in &case.texts {
            let ours = tokenizer.encode(text, SpecialTokens::Parse);
            let ours = ours.expect("it takes any text");
            if ours != *ids {
                wrong.push(format!(
                    "{}: {text:?}: {ours:?}, expected {ids:?}",
                    case.name
                ));
            }
            let ours = decode_with_names(&tokenizer, ids);
            if ours != *decoded {
                wrong.push(format!("{}: {ours:?}, expected {decoded:?}", case.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn chats_become_the_same_prompts_and_tokens() {
    let Some((folder, reference)) = reference() else {
        return;
    };
    let mut wrong = Vec::new();
    let (mut rendered, mut encoded) = (0, 0);
    for case in &reference.templates {
        let family = match case.name.as_str() {
            "smolvlm" => VlmFamily::Idefics3,
            "glm-4.1v" => VlmFamily::Glm4v,
            _ => VlmFamily::Qwen2Vl,
        };
        let tokenizer = match &case.tokenizer {
            Some(name) => open(&folder, name),
            None => tiny(SMOLVLM),
        };
        for (i, chat) in case.chats.iter().enumerate() {
            let mut template = ChatTemplate::new(&case.template).expect("it is Jinja");
            if chat.add_vision_id {
                template = template.with_variable("add_vision_id", true);
            }
            let mut check =
                |what: &str, ours: &dyn std::fmt::Debug, expected: &dyn std::fmt::Debug| {
                    let [ours, expected] = [ours, expected].map(|v| format!("{v:?}"));
                    if ours != expected {
                        wrong.push(format!(
                            "{} {i}: {what} {ours}, expected {expected}",
                            case.name
                        ));
                    }
                };
            rendered += 1;
            let open = chat.add_generation_prompt;
            let ours = template.render(&chat.messages, open).expect("it renders");
            check("prompt", &ours, &chat.prompt);
            let messages: Vec<Message> = chat
                .messages
                .iter()
                .map(|m| serde_json::from_value(m.clone()).expect("a message"))
                .collect();
            let prompt = template
                .prompt(&messages, open, &tokenizer)
                .expect("it renders");
            check("prompt of messages", &prompt.text(), &chat.prompt);
            let images: Vec<_> = chat.images.iter().map(Size::placeholder).collect();
            let ours = prompt
                .expand_images(&images, family, &tokenizer)
                .expect("they match");
            check("expanded", &ours.text, &chat.expanded);
            if let Some(ids) = &chat.ids {
                encoded += 1;
                check("ids", &ours.ids, ids);
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!((rendered, encoded), (86, 64));
}
