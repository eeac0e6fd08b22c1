//! A vision-language checkpoint answers from pages: a small one with random weights, so that what
//! it is shown and what it costs can be checked, but not what it says.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::{Arc, Mutex};

use burn::tensor::{DType, Device};
use glyph_pipeline::render::{Document, RenderConfig, Renderer as _, Typesetter};
use glyph_pipeline::{
    ClipScorer, DeviceSpec, PageWriter as _, Pipeline, PipelineError, RegionScorer as _,
    VisionLanguageWriter,
};
use serde_json::{Value, json};

const TEMPLATE: &str = "{% for message in messages %}<|im_start|>{{ message.role }}\n\
    {% if message.content is string %}{{ message.content }}{% else %}\
    {% for part in message.content %}{% if part.type == 'image' %}\
    <|vision_start|><|image_pad|><|vision_end|>{% elif part.type == 'video' %}\
    <|vision_start|><|video_pad|><|vision_end|>{% else %}{{ part.text }}{% endif %}{% endfor %}\
    {% endif %}<|im_end|>\n{% endfor %}\
    {% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";

fn device() -> Device {
    DeviceSpec::Cpu.resolve().expect("a CPU").device
}

/// The fixture of Qwen2-VL with a tokenizer of single characters and a chat template.
fn checkpoint() -> tempfile::TempDir {
    let from =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../glyph-decode/tests/fixtures/vlm/qwen2_vl");
    let dir = tempfile::tempdir().expect("a folder");
    for entry in std::fs::read_dir(from).expect("the fixture") {
        let path = entry.expect("an entry").path();
        if path.is_file() {
            let name = path.file_name().expect("a name");
            std::fs::copy(&path, dir.path().join(name)).expect("a copy");
        }
    }
    // The 94 visible characters of ASCII, space and line feed, as byte-level BPE writes them.
    let characters = ('!'..='~').chain(['Ġ', 'Ċ']).map(String::from);
    // Special tokens take the next ids, and those of the checkpoint begin at 150.
    let unused = (96..150).map(|id| format!("unused {id}"));
    let vocab: serde_json::Map<String, Value> = characters
        .chain(unused)
        .zip(0..)
        .map(|(token, id)| (token, id.into()))
        .collect();
    let special = [
        "<|im_start|>",
        "<|im_end|>",
        "<|vision_start|>",
        "<|vision_end|>",
        "<|vision_pad|>",
        "<|image_pad|>",
        "<|video_pad|>",
    ];
    let added: Vec<Value> = special
        .iter()
        .zip(150..)
        .map(|(name, id)| {
            json!({
                "id": id, "content": name, "special": true, "single_word": false,
                "lstrip": false, "rstrip": false, "normalized": false,
            })
        })
        .collect();
    let bytes = json!({
        "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true,
    });
    let tokenizer = json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": added,
        "normalizer": null, "pre_tokenizer": bytes, "post_processor": null, "decoder": bytes,
        "model": {
            "type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
            "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false,
            "ignore_merges": false, "vocab": vocab, "merges": [],
        },
    });
    write(dir.path(), "tokenizer.json", &tokenizer.to_string());
    write(dir.path(), "chat_template.jinja", TEMPLATE);
    dir
}

fn write(folder: &Path, name: &str, text: &str) {
    std::fs::write(folder.join(name), text).expect("it can be written");
}

fn path(folder: &tempfile::TempDir) -> &str {
    folder.path().to_str().expect("a path of text")
}

#[test]
fn all_pages_are_shown_and_counted() {
    let folder = checkpoint();
    let pipeline = Pipeline::from_pretrained(path(&folder), &device()).expect("a checkpoint");
    let document = Document::from_text("The code of the door is 4711.");
    let reply = pipeline
        .ask(&document, "What is the code?")
        .expect("an answer");
    let writing = reply.output.writing.expect("a model wrote it");
    assert_eq!(writing.pages_given, [1]);
    let name = folder.path().file_name().expect("a name").to_str();
    assert_eq!(Some(&writing.writer[..]), name);
    assert!(!writing.checked);
    // The page of Glyph's style is squeezed into the 50,176 pixels that the checkpoint's processor
    // allows.
    let style = RenderConfig::preset("glyph-en").expect("a preset");
    let page = Typesetter::new(style)
        .expect("a style")
        .render(&document)
        .expect("a page")
        .remove(0);
    let writer =
        VisionLanguageWriter::open(folder.path(), Some(DType::F32), &device()).expect("it");
    let tokens = writer
        .vision_tokens(page.height, page.width)
        .expect("a size");
    assert!((1..=64).contains(&tokens), "{tokens}");
    assert_eq!(reply.tokens.vision_local, tokens);
    assert_eq!(reply.tokens.vision_global, 0);
    assert!(reply.tokens.text > 5 && reply.tokens.writer.output > 0);
    assert!(reply.tokens.writer.prompt > tokens);
    assert!(reply.crops.is_empty() && reply.output.evidence.is_empty());
    assert!((0.0..=1.0).contains(&reply.output.confidence));

    // What is written is told while it is written, and is the answer.
    let told = Arc::new(Mutex::new(Vec::new()));
    let seen = told.clone();
    let streaming = pipeline.with_draft(move |draft| {
        let piece = (draft.text.to_owned(), draft.begins);
        seen.lock().expect("no thread panicked").push(piece);
        ControlFlow::Continue(())
    });
    let streamed = streaming
        .ask(&document, "What is the code?")
        .expect("an answer");
    let told = told.lock().expect("no thread panicked").clone();
    let text: String = told.iter().map(|(text, _)| text.as_str()).collect();
    assert_eq!(text.trim(), streamed.output.text);
    assert!(told.len() > 1, "{told:?}");
    assert!(told.iter().enumerate().all(|(i, (_, b))| *b == (i == 0)));

    // The same question again, and one that begins as this one: the page is read once.
    let again = pipeline
        .ask(&document, "What is the code?")
        .expect("an answer");
    assert_eq!(again.output.text, reply.output.text);
    assert!(again.tokens.writer.reused > tokens, "{:?}", again.tokens);
}

#[test]
fn more_pages_than_fit_are_an_error_or_become_crops() {
    let folder = checkpoint();
    let document = long_document();
    let question = "What is the code of the door?";
    let pipeline = Pipeline::from_pretrained(path(&folder), &device()).expect("a checkpoint");
    let error = pipeline
        .ask(&document, question)
        .expect_err("too many pages");
    let PipelineError::TooManyVisionTokens {
        vision_tokens,
        limit,
        over,
        context_length,
    } = error
    else {
        panic!("another error: {error}");
    };
    assert_eq!(vision_tokens, limit + over);
    assert_eq!(context_length, 512);
    assert!(error.to_string().contains(&over.to_string()), "{error}");
    assert!(error.to_string().contains("max_vision_tokens"), "{error}");

    let pipeline = Pipeline::builder()
        .device(&device())
        .pretrained(path(&folder), Some(DType::F32))
        .expect("a checkpoint")
        .max_vision_tokens(160)
        .build()
        .expect("a pipeline");
    let reply = pipeline.ask(&document, question).expect("an answer");
    assert!(
        (1..=160).contains(&reply.tokens.vision_local),
        "{:?}",
        reply.tokens
    );
    assert!(reply.tokens.vision_global > 0, "the scan is counted");
    assert!(!reply.crops.is_empty());
    let seen: String = reply.output.evidence.iter().map(|e| &e.text[..]).collect();
    assert!(seen.contains("4711"), "{seen}");
}

/// Many pages about the weather, and a sentence about a door.
fn long_document() -> Document {
    let filler = "Nothing of note was said about the weather on that day. ".repeat(30) + "\n\n";
    let fact = "The code of the door is 4711.\n\n";
    Document::from_text(&format!("{}{fact}{filler}", filler.repeat(60)))
}

/// The fixture of CLIP with a tokenizer of a few words.
fn clip() -> tempfile::TempDir {
    let from =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../glyph-encode/tests/fixtures/clip/patch14");
    let dir = tempfile::tempdir().expect("a folder");
    for file in [
        "config.json",
        "model.safetensors",
        "preprocessor_config.json",
    ] {
        std::fs::copy(from.join(file), dir.path().join(file)).expect("a copy");
    }
    let tokenizer = json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [],
        "normalizer": {"type": "Lowercase"}, "pre_tokenizer": {"type": "Whitespace"},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [
                {"SpecialToken": {"id": "<start>", "type_id": 0}},
                {"Sequence": {"id": "A", "type_id": 0}},
                {"SpecialToken": {"id": "<end>", "type_id": 0}},
            ],
            "pair": [],
            "special_tokens": {
                "<start>": {"id": "<start>", "ids": [98], "tokens": ["<start>"]},
                "<end>": {"id": "<end>", "ids": [99], "tokens": ["<end>"]},
            },
        },
        "decoder": null,
        "model": {
            "type": "WordLevel", "unk_token": "?",
            "vocab": {"?": 0, "code": 1, "door": 2, "what": 3, "<start>": 98, "<end>": 99},
        },
    });
    write(dir.path(), "tokenizer.json", &tokenizer.to_string());
    dir
}

#[test]
fn clip_chooses_what_is_shown() {
    let (checkpoint, clip) = (checkpoint(), clip());
    let scorer = || ClipScorer::open(clip.path(), None, &device()).expect("CLIP");
    let document = long_document();
    let question = "What is the code of the door?";
    let ask = || {
        Pipeline::builder()
            .device(&device())
            .pretrained(path(&checkpoint), Some(DType::F32))
            .expect("a checkpoint")
            .scorer(scorer())
            .max_vision_tokens(150)
            .build()
            .expect("a pipeline")
            .ask(&document, question)
            .expect("an answer")
    };
    let reply = ask();
    assert!(
        (1..=150).contains(&reply.tokens.vision_local),
        "{:?}",
        reply.tokens
    );
    assert!(!reply.crops.is_empty());
    assert_eq!(reply.crops, ask().crops, "the same pages, the same crops");

    // The best regions are those that the scorer likes best, whatever a random CLIP likes.
    let style = RenderConfig::preset("glyph-en").expect("a preset");
    let pages = Typesetter::new(style)
        .expect("a style")
        .render(&document)
        .expect("pages");
    let regions = scorer().score(question, &pages).expect("scores");
    assert!(regions.iter().all(|r| r.score > 0.0 && r.score <= 1.0));
    let first: Vec<_> = regions
        .iter()
        .filter(|r| r.page == 1)
        .map(|r| r.bbox)
        .collect();
    assert_eq!(first[0].y, 0);
    assert!(
        first.windows(2).all(|w| w[0].y + w[0].height == w[1].y),
        "{first:?}"
    );
    assert_eq!(first.iter().map(|b| b.height).sum::<u32>(), pages[0].height);
    let best = regions
        .iter()
        .max_by(|a, b| a.score.total_cmp(&b.score))
        .expect("regions");
    let shown = |page, y| {
        reply
            .crops
            .iter()
            .any(|c| c.page == page && (c.bbox.y..c.bbox.y + c.bbox.height).contains(&y))
    };
    assert!(shown(best.page, best.bbox.y), "{best:?}");

    // A question longer than CLIP's positions is cut, not refused.
    assert!(scorer().score(&"door ".repeat(100), &pages[..1]).is_ok());
    let wrong = ClipScorer::open(checkpoint.path(), None, &device()).expect_err("no CLIP");
    assert!(wrong.to_string().contains("CLIP"), "{wrong}");
}

#[test]
fn a_document_longer_than_the_context_is_summarised_in_parts() {
    let folder = checkpoint();
    let told = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let seen = told.clone();
    let drafts = std::sync::Arc::new(std::sync::Mutex::new(0));
    let begun = drafts.clone();
    let pipeline = Pipeline::builder()
        .device(&device())
        .pretrained(path(&folder), Some(DType::F32))
        .expect("a checkpoint")
        .draft(move |draft| {
            *begun.lock().expect("no panic") += usize::from(draft.begins);
            ControlFlow::Continue(())
        })
        .progress(move |progress| {
            seen.lock().expect("no panic").push(progress.fraction);
            ControlFlow::Continue(())
        })
        .build()
        .expect("a pipeline");
    let document = long_document();
    let style = RenderConfig::preset("glyph-en").expect("a preset");
    let pages = Typesetter::new(style)
        .expect("a style")
        .render(&document)
        .expect("pages");
    let reply = pipeline.write_summary(&document).expect("a summary");
    let summary = &reply.output;
    assert!(!summary.text.is_empty() && !summary.checked);
    assert!(summary.sections.len() > 1, "{summary:?}");
    // Each part is told while it is written, as all that a writer writes.
    assert!(*drafts.lock().expect("no panic") >= summary.sections.len());
    // Every page is in one part, and all are paid for.
    let mut next = 1;
    for section in &summary.sections {
        assert_eq!(section.first_page, next);
        next = section.last_page + 1;
    }
    assert_eq!(next as usize, pages.len() + 1);
    let writer = VisionLanguageWriter::open(folder.path(), None, &device()).expect("it");
    let cost = |page: &glyph_pipeline::render::Page| writer.vision_tokens(page.height, page.width);
    let all: usize = pages.iter().map(|page| cost(page).expect("a size")).sum();
    assert_eq!(reply.tokens.vision_local, all);
    let told = told.lock().expect("no panic");
    assert!(told.windows(2).all(|w| w[0] <= w[1]), "{told:?}");
    assert_eq!(told.last(), Some(&1.0));

    let narrow = Pipeline::builder()
        .device(&device())
        .pretrained(path(&folder), Some(DType::F32))
        .expect("a checkpoint")
        .max_vision_tokens(5)
        .build()
        .expect("a pipeline");
    let error = narrow.write_summary(&document).expect_err("no room");
    assert!(matches!(error, PipelineError::TooManyVisionTokens { .. }));
}

#[cfg(feature = "json-schema")]
#[test]
fn json_from_pages_follows_its_schema() {
    let folder = checkpoint();
    let pipeline = Pipeline::from_pretrained(path(&folder), &device()).expect("a checkpoint");
    let schema = json!({
        "type": "object",
        "properties": {
            "doorCode": { "type": "integer", "minimum": 0, "maximum": 9999 },
            "open": { "type": "boolean" },
            "kind": { "enum": ["inner", "outer"] },
        },
        "required": ["doorCode", "open", "kind"],
        "additionalProperties": false,
    });
    let document = Document::from_text("The code of the outer door is 4711.");
    let reply = pipeline.extract_json(&document, &schema).expect("JSON");
    let extraction = &reply.output;
    assert!(extraction.value["doorCode"].is_u64(), "{extraction:?}");
    assert!(extraction.value["open"].is_boolean(), "{extraction:?}");
    let kind = extraction.value["kind"].as_str();
    assert!(matches!(kind, Some("inner" | "outer")), "{extraction:?}");
    assert_eq!(extraction.pages_given, [1]);
    assert!(!extraction.checked);
    assert!(reply.tokens.vision_local > 0);
}

#[test]
fn frames_are_watched_in_video_tokens_or_one_by_one() {
    let folder = checkpoint();
    let pipeline = Pipeline::from_pretrained(path(&folder), &device()).expect("a checkpoint");
    let frame = |level: u8| image::RgbImage::from_pixel(112, 56, image::Rgb([level; 3]));
    let frames = [frame(0), frame(90), frame(180), frame(250)];
    let reply = pipeline
        .ask_video(&frames, 0.5, "What moves?")
        .expect("an answer");
    // Two frames are one, and the processor of Qwen2-VL makes it 128 tokens at least.
    assert_eq!(reply.tokens.vision_local, 2 * 128);
    assert_eq!(
        reply.output.writing.expect("it was written").pages_given,
        [1, 2, 3, 4]
    );
    let uneven = [frame(0), image::RgbImage::new(56, 56)];
    assert!(pipeline.ask_video(&uneven, 0.5, "What moves?").is_err());
    let error = Pipeline::builtin()
        .expect("built in")
        .ask_video(&frames, 0.5, "What moves?");
    assert!(matches!(error, Err(PipelineError::NoWriter { .. })));

    // One by one: the second frame is as the first, and not shown.
    let slide = |level: u8| glyph_pipeline::render::PageImage {
        name: "slide".into(),
        width: 112,
        height: 56,
        pixels: vec![level; 112 * 56],
        ..Default::default()
    };
    let slides = [slide(0), slide(0), slide(250)];
    let reply = pipeline
        .ask_frames(slides, "What is new?")
        .expect("an answer");
    assert_eq!(
        reply.output.writing.expect("it was written").pages_given,
        [1, 3]
    );
    assert_eq!(reply.tokens.vision_local, 2 * (4 * 2));
}

#[test]
fn what_is_missing_is_named() {
    let open = |folder: &tempfile::TempDir| {
        let error = Pipeline::from_pretrained(path(folder), &device()).expect_err("an error");
        match std::error::Error::source(&error) {
            Some(source) => format!("{error}: {source}"),
            None => error.to_string(),
        }
    };
    for file in [
        "preprocessor_config.json",
        "tokenizer.json",
        "chat_template.jinja",
    ] {
        let folder = checkpoint();
        std::fs::remove_file(folder.path().join(file)).expect("removed");
        let error = open(&folder);
        assert!(error.contains(file), "{file}: {error}");
    }
    let folder = checkpoint();
    write(
        folder.path(),
        "preprocessor_config.json",
        r#"{"image_processor_type": "Other"}"#,
    );
    assert!(open(&folder).contains("Other"));
    let folder = checkpoint();
    write(
        folder.path(),
        "config.json",
        r#"{"model_type": "llava", "vision_config": {}}"#,
    );
    assert!(open(&folder).contains("llava"));
    let error = Pipeline::from_pretrained("zai-org/no-such-checkpoint", &device());
    assert!(
        error
            .expect_err("not fetched")
            .to_string()
            .contains("zai-org/no-such-checkpoint")
    );
}
