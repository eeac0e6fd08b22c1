//! Compatible with OpenAI's API: chat completions about documents, models, files.
//!
//! The document is what is attached to the conversation: a file, or images of pages. Without an
//! attachment it is the text before the questions. The question is the end of the last user
//! message. What comes in a message is in no list of documents and is deleted after a while.
//!
//! A stream with a writer sends what the model writes as it writes it. What its check against the
//! pages changes comes after it, since what was sent cannot be taken back; the last part has the
//! checked answer with its evidence as `glyph`, as an answer without a stream has it.

mod draft;
pub(super) mod files;
mod messages;

use std::sync::{Arc, Mutex, PoisonError};

use axum::Json;
use axum::extract::State;
use axum::response::sse::Event as SseEvent;
use axum::response::{IntoResponse, Response};
use glyph_pipeline::TokenCounter;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use utoipa::ToSchema;

use super::{sse, tasks};
use crate::MODEL;
use crate::app::App;
use crate::engine::{CancelToken, Listener};
use crate::error::{ApiError, ErrorBody};
use crate::task::{Event, Mode, Outcome, Task};
use messages::Message;

/// A chat. Parameters of sampling are taken and have no effect on the built-in model, which quotes.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct ChatRequest {
    /// `glyph-builtin` answers; `glyph-builtin-summarize` and `glyph-builtin-extract` do that; the
    /// name of a writer lets that model answer.
    model: String,
    /// The conversation.
    #[schema(value_type = Vec<Object>)]
    messages: Vec<Message>,
    /// Whether the answer is sent in parts.
    #[serde(default)]
    stream: bool,
    /// What else is streamed.
    #[serde(default)]
    stream_options: Option<StreamOptions>,
    /// `{"type": "json_schema", "json_schema": {"schema": …}}` lets a writer fill in a schema.
    /// `json_object` is refused, since it says nothing of the object's form.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    response_format: Option<Value>,
}

/// What else is streamed.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub(super) struct StreamOptions {
    /// Whether the last part tells the tokens.
    #[serde(default)]
    include_usage: bool,
}

/// An answer.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Completion {
    id: String,
    object: &'static str,
    created: i64,
    model: String,
    choices: Vec<Choice>,
    usage: Usage,
    /// What OpenAI's API has no place for: evidence, token account, seconds, heat map.
    glyph: Outcome,
}

/// The only choice.
#[derive(Debug, Serialize, ToSchema)]
struct Choice {
    index: u32,
    message: Reply,
    finish_reason: &'static str,
    #[schema(value_type = Option<Object>)]
    logprobs: Option<Value>,
}

/// What is answered.
#[derive(Debug, Serialize, ToSchema)]
struct Reply {
    role: &'static str,
    content: String,
    refusal: Option<String>,
}

/// What it cost.
#[derive(Debug, Clone, Serialize, ToSchema)]
struct Usage {
    /// Text tokens of the question, and vision tokens of the document.
    prompt_tokens: usize,
    /// Tokens of the answer.
    completion_tokens: usize,
    total_tokens: usize,
    prompt_tokens_details: PromptDetails,
}

/// What the prompt is made of.
#[derive(Debug, Clone, Serialize, ToSchema)]
struct PromptDetails {
    cached_tokens: usize,
    /// Vision tokens of the scan and the crops.
    vision_tokens: usize,
    /// Text tokens that the document would have cost.
    document_text_tokens: usize,
}

/// A model.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Model {
    id: String,
    object: &'static str,
    created: i64,
    owned_by: &'static str,
}

/// All models.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Models {
    object: &'static str,
    data: Vec<Model>,
}

fn built_in() -> [(String, Mode); 3] {
    [
        (MODEL.to_owned(), Mode::Ask),
        (format!("{MODEL}-summarize"), Mode::Summarize),
        (format!("{MODEL}-extract"), Mode::Extract),
    ]
}

fn model(id: String) -> Model {
    Model {
        id,
        object: "model",
        created: 1_750_000_000,
        owned_by: "glyph",
    }
}

/// The models
#[utoipa::path(get, path = "/v1/models", tag = "openai", responses((status = 200, body = Models)))]
pub(super) async fn models(State(app): State<Arc<App>>) -> Json<Models> {
    let ids = built_in().into_iter().map(|(id, _)| id);
    Json(Models {
        object: "list",
        data: ids.chain(app.engine.writers()).map(model).collect(),
    })
}

/// Answer about a document in a chat
#[utoipa::path(post, path = "/v1/chat/completions", tag = "openai", request_body = ChatRequest,
    responses((status = 200, description = "The answer, or a stream of parts", body = Completion),
        (status = 400, description = "A parameter cannot be used", body = ErrorBody),
        (status = 404, description = "There is no such model or file", body = ErrorBody),
        (status = 422, description = "The document cannot be read", body = ErrorBody),
        (status = 429, description = "Too many requests wait", body = ErrorBody)))]
pub(super) async fn chat(
    State(app): State<Arc<App>>,
    Json(request): Json<ChatRequest>,
) -> Result<Response, ApiError> {
    let built_in = built_in();
    let known = built_in.iter().find(|(id, _)| *id == request.model);
    let (mut mode, writer) = match known {
        Some((_, mode)) => (*mode, None),
        None if app.engine.writers().contains(&request.model) => {
            (Mode::Ask, Some(request.model.clone()))
        }
        None => {
            let shown = crate::document::shown(&request.model);
            return Err(ApiError {
                param: Some("model".to_owned()),
                code: "model_not_found".to_owned(),
                ..ApiError::not_found("model", &shown)
            });
        }
    };
    let schema = schema(request.response_format.as_ref())?;
    if schema.is_some() {
        mode = Mode::Extract;
    }
    let asked = messages::resolve(&app, &request.messages, mode).await?;
    let task = Task {
        document_id: asked.document_id,
        mode,
        question: Some(asked.question.clone()),
        sentences: None,
        fields: Vec::new(),
        schema,
        render: None,
        max_vision_tokens: None,
        writer,
    };
    task.check(&app.engine.writers())?;
    let head = Head {
        id: format!("chatcmpl-{}", ulid::Ulid::generate()),
        created: chrono::Utc::now().timestamp(),
        model: request.model,
        question: asked.question,
    };
    if request.stream {
        let options = request.stream_options.unwrap_or_default();
        return Ok(stream(app, task, head, options.include_usage));
    }
    let outcome = tasks::run(&app, task, Arc::new(|_| {})).await?;
    let content = outcome.text();
    Ok(Json(Completion {
        id: head.id,
        object: "chat.completion",
        created: head.created,
        model: head.model,
        usage: usage(&head.question, &outcome),
        choices: vec![Choice {
            index: 0,
            message: Reply {
                role: "assistant",
                content,
                refusal: None,
            },
            finish_reason: "stop",
            logprobs: None,
        }],
        glyph: outcome,
    })
    .into_response())
}

/// The schema that a writer is to fill in, where one is given.
fn schema(format: Option<&Value>) -> Result<Option<Value>, ApiError> {
    let invalid = |message: &str| Err(ApiError::invalid("response_format", message));
    let Some(format) = format.filter(|format| !format.is_null()) else {
        return Ok(None);
    };
    match format["type"].as_str() {
        Some("text") => Ok(None),
        Some("json_schema") => match &format["json_schema"]["schema"] {
            schema @ Value::Object(_) => Ok(Some(schema.clone())),
            _ => invalid("response_format: expected an object at json_schema.schema, found none"),
        },
        // Clients parse what comes back into a form of their own, which nothing here knows.
        Some("json_object") => invalid(
            "response_format: expected text or json_schema, found json_object, which does not say \
             what the object holds; send json_schema with a schema, and name a writer as the model",
        ),
        other => {
            let found = crate::document::shown(other.unwrap_or("no type"));
            invalid(&format!(
                "response_format: expected a type of text or json_schema, found {found}"
            ))
        }
    }
}

fn usage(question: &str, outcome: &Outcome) -> Usage {
    let vision = outcome.tokens.vision_global + outcome.tokens.vision_local;
    let prompt = TokenCounter.count(question) + vision;
    let completion = TokenCounter.count(&outcome.text());
    Usage {
        prompt_tokens: prompt,
        completion_tokens: completion,
        total_tokens: prompt + completion,
        prompt_tokens_details: PromptDetails {
            cached_tokens: 0,
            vision_tokens: vision,
            document_text_tokens: outcome.tokens.text,
        },
    }
}

/// What all parts of a stream have in common.
struct Head {
    id: String,
    created: i64,
    model: String,
    question: String,
}

impl Head {
    fn part(&self, delta: &Value, finish: Option<&str>) -> SseEvent {
        self.event(
            &json!([{"index": 0, "delta": delta, "finish_reason": finish, "logprobs": null}]),
            None,
        )
    }

    /// The end of the text, with what OpenAI's API has no place for.
    fn last(&self, outcome: &Outcome) -> SseEvent {
        let choices = json!([{"index": 0, "delta": {}, "finish_reason": "stop", "logprobs": null}]);
        let mut part = self.chunk(&choices);
        part["glyph"] = json!(outcome);
        SseEvent::default().data(part.to_string())
    }

    fn event(&self, choices: &Value, usage: Option<&Usage>) -> SseEvent {
        let mut part = self.chunk(choices);
        if let Some(usage) = usage {
            part["usage"] = json!(usage);
        }
        SseEvent::default().data(part.to_string())
    }

    fn chunk(&self, choices: &Value) -> Value {
        json!({
            "id": self.id, "object": "chat.completion.chunk", "created": self.created,
            "model": self.model, "choices": choices,
        })
    }
}

fn stream(app: Arc<App>, task: Task, head: Head, include_usage: bool) -> Response {
    let (sender, receiver) = mpsc::unbounded_channel();
    let cancel = CancelToken::default();
    let guard = cancel.on_drop();
    tokio::spawn(async move {
        let head = Arc::new(head);
        let _ = sender.send(head.part(&json!({"role": "assistant", "content": ""}), None));
        let (parts, told) = (sender.clone(), head.clone());
        let drafted: Arc<Mutex<String>> = Arc::default();
        let draft = drafted.clone();
        let listener: Listener = Arc::new(move |event: Event| {
            let mut draft = draft.lock().unwrap_or_else(PoisonError::into_inner);
            let text = match event {
                Event::Draft { text, .. } => {
                    *draft += &text;
                    text
                }
                // After a draft only what the check changes is said.
                Event::Delta(text) if draft.is_empty() => text,
                _ => return,
            };
            let _ = parts.send(told.part(&json!({"content": text}), None));
        });
        match app.engine.run_now(task, listener, cancel).await {
            Ok(outcome) => {
                let draft = drafted
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .clone();
                if let Some(rest) = draft::rest(&draft, &outcome) {
                    let _ = sender.send(head.part(&json!({"content": rest}), None));
                }
                let _ = sender.send(head.last(&outcome));
                if include_usage {
                    let usage = usage(&head.question, &outcome);
                    let _ = sender.send(head.event(&json!([]), Some(&usage)));
                }
            }
            // OpenAI's clients raise an error for a part that has one.
            Err(error) => {
                let body = serde_json::to_string(&error.body()).unwrap_or_default();
                let _ = sender.send(SseEvent::default().data(body));
            }
        }
        let _ = sender.send(SseEvent::default().data("[DONE]"));
    });
    sse::respond(receiver, Some(guard))
}
