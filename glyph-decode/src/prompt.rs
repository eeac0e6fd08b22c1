//! Chats to prompts, by the template that comes with a model.

use std::fmt;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Kwargs, Serde, Value};
use minijinja::{Environment, Error, ErrorKind, context};
use serde::{Deserialize, Serialize};

use crate::{DecodeError, LanguageModel, Pretrained};

#[cfg(test)]
mod tests;

/// What a model without a template gets: ChatML, which most small models know.
const CHATML: &str = "{% for message in messages %}\
    {{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}\
    {% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

const NAME: &str = "chat_template";

/// One turn of a chat.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// `system`, `user`, `assistant` or what else the template knows.
    pub role: String,
    /// What is said.
    pub content: String,
}

impl Message {
    /// A turn of any role.
    pub fn new(role: impl Into<String>, content: impl Into<String>) -> Self {
        Self {
            role: role.into(),
            content: content.into(),
        }
    }

    /// What the model should be.
    pub fn system(content: impl Into<String>) -> Self {
        Self::new("system", content)
    }

    /// What the user says.
    pub fn user(content: impl Into<String>) -> Self {
        Self::new("user", content)
    }

    /// What the model said.
    pub fn assistant(content: impl Into<String>) -> Self {
        Self::new("assistant", content)
    }
}

/// The Jinja template that turns a chat into the prompt that a model was trained on.
///
/// Templates render as `transformers` renders them: `trim_blocks` and `lstrip_blocks` are on,
/// Python's string and list methods work, and `raise_exception`, `strftime_now` and `tojson` are
/// there.
pub struct ChatTemplate {
    environment: Environment<'static>,
    bos_token: String,
    eos_token: String,
}

impl fmt::Debug for ChatTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChatTemplate")
            .field("bos_token", &self.bos_token)
            .field("eos_token", &self.eos_token)
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
        let mut environment = Environment::new();
        let syntax = SyntaxConfig::builder()
            .trim_blocks(true)
            .lstrip_blocks(true)
            .build()
            .map_err(|e| fail(&e))?;
        environment.set_syntax(syntax);
        environment
            .set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
        environment.add_function(
            "raise_exception",
            |message: String| -> Result<String, Error> {
                Err(Error::new(ErrorKind::InvalidOperation, message))
            },
        );
        environment.add_function("strftime_now", strftime_now);
        environment.add_filter("tojson", tojson);
        environment
            .add_template_owned(NAME, source.to_owned())
            .map_err(|e| fail(&e))?;
        Ok(Self {
            environment,
            bos_token: String::new(),
            eos_token: String::new(),
        })
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
        let name = |id| pretrained.tokenizer.special_token(id).unwrap_or_default();
        let template = Self::new(pretrained.chat_template.as_deref().unwrap_or(CHATML))?;
        Ok(template.special_tokens(
            config.bos_token_id.map_or("", name),
            config.eos_token_ids.first().copied().map_or("", name),
        ))
    }

    /// Sets what `bos_token` and `eos_token` stand for in the template.
    #[must_use]
    pub fn special_tokens(mut self, bos: impl Into<String>, eos: impl Into<String>) -> Self {
        self.bos_token = bos.into();
        self.eos_token = eos.into();
        self
    }

    /// The prompt for a chat; `add_generation_prompt` opens the model's own turn at the end.
    ///
    /// Special tokens stand in the prompt by name, so it has to be tokenized with them recognised
    /// and without adding others.
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
        let tools = if tools.is_empty() {
            Value::from(())
        } else {
            Value::from(Serde(tools))
        };
        self.environment
            .get_template(NAME)
            .and_then(|template| {
                template.render(context! {
                    messages => Value::from(Serde(messages)),
                    tools,
                    add_generation_prompt,
                    bos_token => self.bos_token.as_str(),
                    eos_token => self.eos_token.as_str(),
                })
            })
            .map_err(|e| fail(&e))
    }
}

/// Today's date, as templates that tell it to the model want it.
fn strftime_now(format: &str) -> Result<String, Error> {
    jiff::fmt::strtime::format(format, &jiff::Zoned::now())
        .map_err(|e| Error::new(ErrorKind::InvalidOperation, e.to_string()))
}

/// JSON as Python's `json.dumps(…, ensure_ascii=False)` writes it: with blanks after commas and
/// colons, and no character escaped that need not be.
fn tojson(value: Value, kwargs: Kwargs) -> Result<Value, Error> {
    let indent: Option<usize> = kwargs.get("indent")?;
    let wrong = |e: serde_json::Error| Error::new(ErrorKind::BadSerialization, e.to_string());
    let mut out = Vec::new();
    match indent {
        Some(n) => {
            let indent = " ".repeat(n);
            let formatter = serde_json::ser::PrettyFormatter::with_indent(indent.as_bytes());
            value
                .serialize(&mut serde_json::Serializer::with_formatter(
                    &mut out, formatter,
                ))
                .map_err(wrong)?;
        }
        None => {
            value
                .serialize(&mut serde_json::Serializer::with_formatter(
                    &mut out,
                    PythonStyle,
                ))
                .map_err(wrong)?;
        }
    }
    String::from_utf8(out)
        .map(Value::from_safe_string)
        .map_err(|e| Error::new(ErrorKind::BadSerialization, e.to_string()))
}

struct PythonStyle;

impl serde_json::ser::Formatter for PythonStyle {
    fn begin_array_value<W: ?Sized + std::io::Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> std::io::Result<()> {
        writer.write_all(if first { b"" } else { b", " })
    }

    fn begin_object_key<W: ?Sized + std::io::Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> std::io::Result<()> {
        writer.write_all(if first { b"" } else { b", " })
    }

    fn begin_object_value<W: ?Sized + std::io::Write>(
        &mut self,
        writer: &mut W,
    ) -> std::io::Result<()> {
        writer.write_all(b": ")
    }
}
