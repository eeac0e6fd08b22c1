//! Generation with SmolLM2-135M, where its file is:
//! `GLYPH_TEST_MODELS=FOLDER cargo test -p glyph-decode --release --features json-schema --test generation`.

use std::path::PathBuf;
use std::sync::Arc;

use burn::tensor::Device;
use glyph_decode::{
    ChatTemplate, FinishReason, GenerationConfig, LanguageModel, Message, Pretrained, Session,
    SpecialTokens, Tokenizer, generate_batch,
};

struct Model {
    model: Arc<dyn LanguageModel>,
    tokenizer: Arc<Tokenizer>,
    template: ChatTemplate,
}

impl Model {
    fn open() -> Option<Self> {
        let root = PathBuf::from(std::env::var_os("GLYPH_TEST_MODELS")?);
        let folders = std::fs::read_dir(&root).ok()?.flatten().map(|e| e.path());
        let path = std::iter::once(root.clone())
            .chain(folders)
            .map(|f| f.join("SmolLM2-135M-Instruct.Q4_1.gguf"))
            .find(|p| p.exists())?;
        let pretrained = Pretrained::open(&path, &Device::default()).expect("a whole model file");
        Some(Self {
            template: ChatTemplate::of(&pretrained).expect("its template is Jinja"),
            model: Arc::new(pretrained.model),
            tokenizer: Arc::new(pretrained.tokenizer),
        })
    }

    fn session(&self, capacity: usize) -> Session {
        Session::new(self.model.clone(), self.tokenizer.clone(), capacity).expect("it fits")
    }

    fn chat(&self, user: &str) -> Vec<u32> {
        let prompt = self.template.render(&[Message::user(user)], true);
        let prompt = prompt.expect("it renders");
        self.tokenizer
            .encode(&prompt, SpecialTokens::Parse)
            .expect("it is text")
    }
}

const TEXT: &str = "The lighthouse at Corran Point was built by the engineer Isobel Tarrant. It is 41 \
     metres tall. Work begins on 3 June.";

#[test]
fn a_second_question_does_not_read_the_text_again() {
    let Some(model) = Model::open() else { return };
    let ask = |question: &str| model.chat(&format!("{TEXT}\n\nAnswer from the text: {question}"));
    let first = ask("Who built the lighthouse?");
    let second = ask("How tall is the lighthouse?");
    let config = GenerationConfig::new(40);
    let mut session = model.session(300);
    let answer = session.generate(&first, &config).expect("it fits").finish();
    let answer = answer.expect("it writes");
    assert!(answer.text.contains("Tarrant"), "{}", answer.text);
    assert!(matches!(answer.finish_reason, FinishReason::Eos(_)));
    let reused = session
        .generate(&second, &config)
        .expect("it fits")
        .finish();
    let reused = reused.expect("it writes");
    assert!(
        reused.usage.reused_tokens * 10 > second.len() * 8,
        "{:?}",
        reused.usage
    );
    assert!(reused.text.contains("41"), "{}", reused.text);
    let fresh = model
        .session(300)
        .generate(&second, &config)
        .expect("it fits")
        .finish();
    assert_eq!(fresh.expect("it writes").text, reused.text);

    let prompts = [first, second];
    let batch = generate_batch(&*model.model, &*model.tokenizer, &prompts, &config);
    let batch = batch.expect("it writes");
    assert!(batch[0].text.contains("Tarrant") && batch[1].text.contains("41"));
    assert!(batch[1].usage.reused_tokens > 30);
}

#[test]
fn a_seed_reproduces_and_a_loop_ends() {
    let Some(model) = Model::open() else { return };
    let mut config = GenerationConfig::new(60);
    (config.temperature, config.top_p, config.seed) = (1.0, 0.95, 11);
    let story = model.chat("Tell a story about the sea.");
    let write = |config: &GenerationConfig| {
        let mut session = model.session(400);
        let out = session.generate(&story, config).expect("it fits").finish();
        out.expect("it writes")
    };
    let text = write(&config).text;
    assert_eq!(text, write(&config).text);
    config.seed = 12;
    assert_ne!(text, write(&config).text);

    let mut session = model.session(700);
    let prompt = model
        .tokenizer
        .encode(&"the cat sat on the mat, ".repeat(8), SpecialTokens::AsText)
        .expect("it is text");
    let out = session
        .generate(&prompt, &GenerationConfig::new(400))
        .expect("it fits")
        .finish()
        .expect("it writes");
    assert!(
        matches!(out.finish_reason, FinishReason::Loop { .. }),
        "{out:?}"
    );
    assert!(out.usage.generated_tokens < 150);
}

#[cfg(feature = "json-schema")]
#[test]
fn json_follows_its_schema_whatever_is_drawn() {
    let Some(model) = Model::open() else { return };
    let schema = serde_json::json!({"type": "object", "properties": {
        "engineer": {"type": "string"}, "height": {"type": "integer"},
        "months": {"type": "array", "items": {"type": "string"}}},
        "required": ["engineer", "height", "months"], "additionalProperties": false});
    let validator = jsonschema::validator_for(&schema).expect("a schema");
    let eos = &model.model.config().eos_token_ids;
    let compiler =
        glyph_decode::SchemaCompiler::new(&*model.tokenizer, eos).expect("it has an end");
    let prompt = model.chat(&format!("{TEXT}\n\nWrite this as JSON."));
    let mut session = model.session(400);
    for seed in 0..8 {
        let mut config = GenerationConfig::new(100);
        (config.temperature, config.seed) = (if seed == 0 { 0.0 } else { 2.0 }, seed);
        for copy in [true, false] {
            let mut constraint = compiler.compile(&schema).expect("it can be enforced");
            if copy {
                constraint = constraint.copying_from(TEXT);
            }
            let out = session
                .generate(&prompt, &config)
                .expect("it fits")
                .constrained_by(constraint)
                .finish()
                .expect("it writes");
            let value = serde_json::from_str(&out.text).expect(&out.text);
            assert!(validator.is_valid(&value), "{}", out.text);
            let engineer = value["engineer"].as_str().expect("it is valid");
            assert!(!copy || TEXT.contains(engineer), "{}", out.text);
            if copy && seed == 0 {
                assert_eq!(engineer, "Isobel Tarrant", "{}", out.text);
            }
        }
    }
}
