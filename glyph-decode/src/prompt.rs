//! Chats to prompts, by the template that comes with a model.

use std::borrow::Cow;
use std::fmt;
use std::path::Path;

use minijinja::value::{Serde, Value};
use minijinja::{Environment, Error, context};
use serde::Serialize;

use crate::{DecodeError, LanguageModel, Pretrained, TokenId, Tokenizer};

mod folder;
mod images;
mod jinja;
mod markup;
mod message;
#[cfg(test)]
mod tests;
mod thinking;

pub(crate) use folder::{special_tokens, template_source};
pub use images::{ExpandedPrompt, ImagePlaceholder, VisionRun};
use markup::Marker;
pub use markup::Prompt;
use message::with_parts;
pub use message::{Content, Message, Part};
pub use thinking::{AnswerStream, Thinking, split_thinking};

/// What a model without a template gets: ChatML, which most small models know.
const CHATML: &str = "{% for message in messages %}\
    {{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}\
    {% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

const NAME: &str = "chat_template";

/// The Jinja template that turns a chat into the prompt that a model was trained on.
///
/// Templates render as `transformers` renders them: `trim_blocks` and `lstrip_blocks` are on,
/// Python's string and list methods work, and `raise_exception`, `strftime_now` and `tojson` are
/// there. A template that reads contents only as lists of parts gets texts as lists of one part.
pub struct ChatTemplate {
    environment: Environment<'static>,
    bos_token: String,
    eos_token: String,
    /// Whether contents that are strings are lost in the template.
    wants_parts: bool,
}

impl fmt::Debug for ChatTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChatTemplate")
            .field("bos_token", &self.bos_token)
            .field("eos_token", &self.eos_token)
            .field("wants_parts", &self.wants_parts)
            .finish_non_exhaustive()
    }
}

fn fail(error: &Error) -> DecodeError {
    let detail = error.detail().map_or(String::new(), |d| format!(": {d}"));
    let line = error
        .line()
        .map_or(String::new(), |l| format!(" (line {l})"));
    DecodeError::ChatTemplate(format!("{}{detail}{line}", error.kind()))
}

impl ChatTemplate {
    /// Parses a template.
    ///
    /// # Errors
    /// If it is not Jinja.
    pub fn new(source: &str) -> Result<Self, DecodeError> {
        let mut environment = jinja::environment().map_err(|e| fail(&e))?;
        environment
            .add_template_owned(NAME, source.to_owned())
            .map_err(|e| fail(&e))?;
        let mut template = Self {
            environment,
            bos_token: String::new(),
            eos_token: String::new(),
            wants_parts: false,
        };
        template.wants_parts = template.loses_strings();
        Ok(template)
    }

    /// Whether a text shows up in the prompt only where it is a part of a list. The templates of
    /// Idefics3 and SmolVLM are such.
    fn loses_strings(&self) -> bool {
        const NEEDLE: &str = "needle";
        let shows = |content: Value| {
            let message = Value::from_pairs([("role", Value::from("user")), ("content", content)]);
            self.render_values(Value::from_iter([message]), Value::from(()), false)
                .is_ok_and(|prompt| prompt.contains(NEEDLE))
        };
        !shows(NEEDLE.into()) && shows(message::one_part(NEEDLE.into()))
    }

    /// ChatML, for models that bring no template.
    ///
    /// # Errors
    /// Never; the template is a constant.
    pub fn chatml() -> Result<Self, DecodeError> {
        Self::new(CHATML)
    }

    /// The template of a model, or ChatML if it brings none.
    ///
    /// # Errors
    /// If the model's template is not Jinja.
    pub fn of(pretrained: &Pretrained) -> Result<Self, DecodeError> {
        let config = pretrained.model.config();
        // The tokenizer's own names go first: some configs have others.
        let name = |own: &str, id: Option<TokenId>| {
            let of_id = || pretrained.tokenizer.special_token(id?);
            match own {
                "" => of_id().unwrap_or_default().to_owned(),
                own => own.to_owned(),
            }
        };
        let template = Self::new(pretrained.chat_template.as_deref().unwrap_or(CHATML))?;
        let [bos, eos] = &pretrained.special_names;
        Ok(template.special_tokens(
            name(bos, config.bos_token_id),
            name(eos, config.eos_token_ids.first().copied()),
        ))
    }

    /// The template of a folder of Hugging Face's layout, with the tokens that its
    /// `tokenizer_config.json` names. It is looked for in `chat_template.jinja`,
    /// `chat_template.json` and `tokenizer_config.json`; `None` if it is in none of them.
    ///
    /// # Errors
    /// If a file cannot be read, or the template is not Jinja.
    pub fn from_folder(folder: impl AsRef<Path>) -> Result<Option<Self>, DecodeError> {
        let folder = folder.as_ref();
        let Some(source) = template_source(folder)? else {
            return Ok(None);
        };
        let [bos, eos] = special_tokens(folder)?;
        Ok(Some(Self::new(&source)?.special_tokens(bos, eos)))
    }

    /// Sets what `bos_token` and `eos_token` stand for in the template.
    #[must_use]
    pub fn special_tokens(mut self, bos: impl Into<String>, eos: impl Into<String>) -> Self {
        self.bos_token = bos.into();
        self.eos_token = eos.into();
        self
    }

    /// Sets a variable that the template asks for, such as `add_vision_id` or `enable_thinking`.
    #[must_use]
    pub fn with_variable(
        mut self,
        name: impl Into<Cow<'static, str>>,
        value: impl Serialize,
    ) -> Self {
        self.environment.add_global(name, Value::from(Serde(value)));
        self
    }

    /// The prompt for a chat; `add_generation_prompt` opens the model's own turn at the end.
    ///
    /// Special tokens stand in the prompt by name, so it has to be tokenized with them recognised
    /// and without adding others. Those that the messages name are then special tokens as well;
    /// [`prompt`](Self::prompt) keeps them apart.
    ///
    /// # Errors
    /// If the template refuses the chat, for example a role that it does not know.
    pub fn render<M: Serialize>(
        &self,
        messages: &[M],
        add_generation_prompt: bool,
    ) -> Result<String, DecodeError> {
        self.render_with_tools(messages, &[] as &[()], add_generation_prompt)
    }

    /// [`render`](Self::render) with `tools` that the model may call, each a JSON schema as OpenAI
    /// defines them.
    ///
    /// # Errors
    /// As [`render`](Self::render).
    pub fn render_with_tools<M: Serialize, T: Serialize>(
        &self,
        messages: &[M],
        tools: &[T],
        add_generation_prompt: bool,
    ) -> Result<String, DecodeError> {
        self.render_values(
            self.messages(messages),
            tool_values(tools),
            add_generation_prompt,
        )
    }

    /// The prompt for a chat in which only the template writes special tokens: names of special
    /// tokens in the messages are text.
    ///
    /// # Errors
    /// As [`render`](Self::render).
    pub fn prompt<M: Serialize>(
        &self,
        messages: &[M],
        add_generation_prompt: bool,
        tokenizer: &Tokenizer,
    ) -> Result<Prompt, DecodeError> {
        self.prompt_with_tools(messages, &[] as &[()], add_generation_prompt, tokenizer)
    }

    /// [`prompt`](Self::prompt) with `tools`, as in
    /// [`render_with_tools`](Self::render_with_tools).
    ///
    /// # Errors
    /// As [`render`](Self::render).
    pub fn prompt_with_tools<M: Serialize, T: Serialize>(
        &self,
        messages: &[M],
        tools: &[T],
        add_generation_prompt: bool,
        tokenizer: &Tokenizer,
    ) -> Result<Prompt, DecodeError> {
        let messages = self.messages(messages);
        let tools = tool_values(tools);
        let source = self.environment.get_template(NAME).map_err(|e| fail(&e))?;
        let marker = Marker::new(tokenizer, &[&messages, &tools, &source.source().into()])?;
        let marked = self.render_values(
            marker.mark(&messages),
            marker.mark(&tools),
            add_generation_prompt,
        )?;
        Ok(marker.prompt(marked))
    }

    fn messages<M: Serialize>(&self, messages: &[M]) -> Value {
        let messages = Value::from(Serde(messages));
        match self.wants_parts {
            true => with_parts(&messages),
            false => messages,
        }
    }

    fn render_values(
        &self,
        messages: Value,
        tools: Value,
        add_generation_prompt: bool,
    ) -> Result<String, DecodeError> {
        self.environment
            .get_template(NAME)
            .and_then(|template| {
                template.render(context! {
                    messages,
                    tools,
                    add_generation_prompt,
                    bos_token => self.bos_token.as_str(),
                    eos_token => self.eos_token.as_str(),
                })
            })
            .map_err(|e| fail(&e))
    }
}

fn tool_values<T: Serialize>(tools: &[T]) -> Value {
    match tools {
        [] => Value::from(()),
        tools => Value::from(Serde(tools)),
    }
}
