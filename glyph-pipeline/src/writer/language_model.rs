//! A writer from a model file.

use std::fmt;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use burn::tensor::Device;
use glyph_decode::{
    ChatTemplate, DecodeError, GenerationConfig, LanguageModel, Message, Pretrained, Session,
    SpecialTokens, Tokenizer,
};

use super::{Schemas, WriteRequest, Writer, Written, cut_loop, session, tell};
use crate::{PipelineError, pretrained};

/// Writes with a [`LanguageModel`].
///
/// What one request has in common with the one before, from its beginning on, is not read again.
pub struct LanguageModelWriter {
    name: String,
    model: Arc<dyn LanguageModel>,
    tokenizer: Arc<Tokenizer>,
    template: ChatTemplate,
    config: GenerationConfig,
    session: Mutex<Option<Session>>,
    schemas: Schemas,
}

impl fmt::Debug for LanguageModelWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LanguageModelWriter")
            .field("name", &self.name)
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

impl LanguageModelWriter {
    /// Loads a model given by path or by a name that [`pretrained`] knows.
    ///
    /// # Errors
    /// If there is no such model on this machine, or it cannot be read.
    pub fn open(path_or_name: &str, device: &Device) -> Result<Self, PipelineError> {
        let path = pretrained::resolve(path_or_name)?;
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        Ok(Self::new(name, load(&path, device)?)?)
    }

    /// A writer from a model that was loaded.
    ///
    /// # Errors
    /// If the model's chat template cannot be parsed.
    pub fn new(name: impl Into<String>, pretrained: Pretrained) -> Result<Self, DecodeError> {
        let mut config = GenerationConfig::default();
        // Small models repeat themselves when always the likeliest token is taken; the prompt is
        // left alone, since an answer should use its words.
        config.repetition_penalty = 1.1;
        config.penalize_prompt = false;
        Ok(Self {
            name: name.into(),
            template: ChatTemplate::of(&pretrained)?,
            model: Arc::new(pretrained.model),
            tokenizer: Arc::new(pretrained.tokenizer),
            config,
            session: Mutex::new(None),
            schemas: Schemas::default(),
        })
    }

    /// Samples with other settings. `max_new_tokens` is the request's own.
    #[must_use]
    pub fn with_config(mut self, config: GenerationConfig) -> Self {
        self.config = config;
        self
    }
}

fn load(path: &Path, device: &Device) -> Result<Pretrained, DecodeError> {
    Pretrained::open(path, device)
}

impl Writer for LanguageModelWriter {
    fn name(&self) -> &str {
        &self.name
    }

    fn context_length(&self) -> usize {
        self.model.config().context_length
    }

    fn count_tokens(&self, text: &str) -> Result<usize, DecodeError> {
        Ok(self.tokenizer.encode(text, SpecialTokens::AsText)?.len())
    }

    fn write(
        &self,
        request: &WriteRequest<'_>,
        progress: &mut (dyn FnMut(f64) -> ControlFlow<()> + Send),
    ) -> Result<Written, DecodeError> {
        self.stream(request, progress, &mut |_| ControlFlow::Continue(()))
    }

    fn stream(
        &self,
        request: &WriteRequest<'_>,
        progress: &mut (dyn FnMut(f64) -> ControlFlow<()> + Send),
        text: &mut (dyn FnMut(&str) -> ControlFlow<()> + Send),
    ) -> Result<Written, DecodeError> {
        let mut chat = Vec::new();
        if !request.system.is_empty() {
            chat.push(Message::system(request.system));
        }
        chat.push(Message::user(request.user));
        // A document that names a special token must not end the model's turn with it.
        let prompt = self.template.prompt(&chat, true, &self.tokenizer)?;
        let prompt = prompt.encode(&self.tokenizer)?;
        let mut config = self.config.clone();
        config.max_new_tokens = request.max_new_tokens;

        let wanted = prompt.len().saturating_add(request.max_new_tokens);
        let mut held = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        let mut session = session(held.take(), self.model.clone(), &self.tokenizer, wanted)?;
        let generator = self.schemas.constrain(
            session.generate(&prompt, &config)?,
            request.schema,
            request.copy_from,
            &self.tokenizer,
            &self.model.config().eos_token_ids,
        )?;
        let total = request.max_new_tokens.saturating_mul(4);
        let total = total.saturating_add(prompt.len()).max(1) as f64;
        let mut out = generator
            .on_progress(|p| {
                progress((p.prompt_tokens_read + 4 * p.generated_tokens) as f64 / total)
            })
            .finish_with(|piece| tell(&piece.text, text))?;
        cut_loop(&mut out, &self.tokenizer);
        *held = Some(session);
        Ok(Written {
            text: out.text,
            finish_reason: out.finish_reason,
            usage: out.usage,
        })
    }
}

#[cfg(test)]
mod tests {
    use glyph_decode::FinishReason;
    use serde_json::{Map, Value, json};

    use super::*;
    use crate::DeviceSpec;

    /// The tiny Llama of random weights, with room for a prompt and a tokenizer of single
    /// characters; those that it has not are left out.
    fn writer() -> LanguageModelWriter {
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("../glyph-decode/tests/fixtures");
        let dir = tempfile::tempdir().expect("a folder");
        for entry in std::fs::read_dir(from.join("tiny-llama")).expect("the fixture") {
            let entry = entry.expect("an entry");
            std::fs::copy(entry.path(), dir.path().join(entry.file_name())).expect("a copy");
        }
        let config = dir.path().join("config.json");
        let text = std::fs::read_to_string(&config).expect("the fixture");
        let text = text.replace(
            "\"max_position_embeddings\": 64",
            "\"max_position_embeddings\": 1024",
        );
        std::fs::write(&config, text).expect("a file");
        let letters = ["<unk>", "<s>", "</s>"].map(str::to_owned).into_iter();
        let letters = letters.chain(('a'..='z').chain('A'..='Z').map(String::from));
        let more = ["Ġ", "Ċ", ".", ",", ":", "?", "1", "2", "3"].map(str::to_owned);
        let vocab: Map<String, Value> = letters
            .chain(more)
            .zip(0..)
            .map(|(t, id)| (t, id.into()))
            .collect();
        let bytes = json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true,
            "use_regex": true});
        let tokenizer = json!({
            "version": "1.0", "truncation": null, "padding": null, "added_tokens": [],
            "normalizer": null, "pre_tokenizer": bytes, "post_processor": null, "decoder": bytes,
            "model": {"type": "BPE", "dropout": null, "unk_token": null,
                "continuing_subword_prefix": null, "end_of_word_suffix": null, "fuse_unk": false,
                "byte_fallback": false, "ignore_merges": false, "vocab": vocab, "merges": []},
        });
        std::fs::write(dir.path().join("tokenizer.json"), tokenizer.to_string()).expect("a file");
        let device = DeviceSpec::Cpu.resolve().expect("a CPU").device;
        let pretrained = Pretrained::open(dir.path(), &device).expect("a model");
        let writer = LanguageModelWriter::new("tiny", pretrained).expect("a template");
        let mut config = writer.config.clone();
        config.ignore_eos = true;
        writer.with_config(config)
    }

    const REQUEST: WriteRequest<'static> = WriteRequest {
        system: "",
        user: "Who built it?",
        max_new_tokens: 24,
        schema: None,
        copy_from: None,
    };

    #[test]
    fn text_is_told_between_tokens() {
        let writer = writer();
        let seen = Mutex::new(0.0);
        let mut told: Vec<(String, f64)> = Vec::new();
        let out = writer
            .stream(
                &REQUEST,
                &mut |share| {
                    *seen.lock().expect("no panic") = share;
                    ControlFlow::Continue(())
                },
                &mut |piece| {
                    told.push((piece.to_owned(), *seen.lock().expect("no panic")));
                    ControlFlow::Continue(())
                },
            )
            .expect("it writes");
        let text: String = told.iter().map(|(piece, _)| piece.as_str()).collect();
        assert!(text.starts_with(&out.text), "{text:?} {:?}", out.text);
        assert!(told.len() > 5, "{told:?}");
        // Each piece came while the writing went on, and not at its end.
        let shares: Vec<f64> = told.iter().map(|(_, share)| *share).collect();
        assert!(
            shares.is_sorted() && shares[0] < shares[told.len() - 1],
            "{shares:?}"
        );
        // Without listening the same is written.
        let plain = writer.write(&REQUEST, &mut |_| ControlFlow::Continue(()));
        assert_eq!(plain.expect("it writes").text, out.text);
    }

    #[test]
    fn a_listener_that_leaves_stops_it() {
        let writer = writer();
        let mut told = 0;
        let out = writer.stream(&REQUEST, &mut |_| ControlFlow::Continue(()), &mut |_| {
            told += 1;
            if told == 3 {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        });
        let out = out.expect("it writes");
        assert_eq!((out.finish_reason, told), (FinishReason::Cancelled, 3));
        assert!(out.usage.generated_tokens < 24, "{:?}", out.usage);
    }

    #[test]
    fn a_limit_without_end_is_the_context() {
        let request = WriteRequest {
            max_new_tokens: usize::MAX,
            ..REQUEST
        };
        let out = writer().write(&request, &mut |_| ControlFlow::Continue(()));
        let usage = out.expect("it writes").usage;
        assert!(usage.generated_tokens > 24, "{usage:?}");
    }
}
