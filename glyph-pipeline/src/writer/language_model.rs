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

use super::{Schemas, WriteRequest, Writer, Written, cut_loop, session};
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

        let wanted = prompt.len() + request.max_new_tokens;
        let mut held = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        let mut session = session(held.take(), self.model.clone(), &self.tokenizer, wanted)?;
        let generator = self.schemas.constrain(
            session.generate(&prompt, &config)?,
            request.schema,
            request.copy_from,
            &self.tokenizer,
            &self.model.config().eos_token_ids,
        )?;
        let total = (request.max_new_tokens * 4 + prompt.len()).max(1) as f64;
        let mut out = generator
            .on_progress(|p| {
                progress((p.prompt_tokens_read + 4 * p.generated_tokens) as f64 / total)
            })
            .finish()?;
        cut_loop(&mut out, &self.tokenizer);
        *held = Some(session);
        Ok(Written {
            text: out.text,
            finish_reason: out.finish_reason,
            usage: out.usage,
        })
    }
}
