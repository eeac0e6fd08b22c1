//! What a conversation asks about which document.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use super::files;
use crate::api::documents::receive::{self, Received};
use crate::app::App;
use crate::document::{Shelf, shown};
use crate::error::ApiError;
use crate::task::Mode;

/// A message of a conversation.
#[derive(Debug, Deserialize)]
pub(in crate::api) struct Message {
    role: String,
    #[serde(default)]
    content: Option<Content>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Content {
    Text(String),
    Parts(Vec<Part>),
}

#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Part {
    Text { text: String },
    ImageUrl { image_url: ImageUrl },
    File { file: FilePart },
}

#[derive(Debug, Deserialize)]
struct ImageUrl {
    url: String,
}

#[derive(Debug, Deserialize)]
struct FilePart {
    filename: Option<String>,
    file_data: Option<String>,
    file_id: Option<String>,
}

/// A question about a document.
pub(super) struct Asked {
    pub(super) document_id: String,
    pub(super) question: String,
}

/// What is attached to a conversation, and what is said.
#[derive(Default)]
struct Collected<'a> {
    texts: Vec<Said<'a>>,
    images: Vec<&'a str>,
    files: Vec<&'a FilePart>,
}

/// A text of the user's.
#[derive(Debug, Clone, Copy)]
struct Said<'a> {
    text: &'a str,
    /// Whether a question ends it, which is none of the document's text.
    asks: bool,
}

fn collect(messages: &[Message]) -> Collected<'_> {
    let mut all = Collected::default();
    let turns = messages
        .iter()
        .filter(|message| matches!(message.role.as_str(), "user" | "assistant"));
    let mut turns = turns.peekable();
    while let Some(message) = turns.next() {
        if message.role != "user" {
            continue;
        }
        let before = all.texts.len();
        let mut say = |text| all.texts.push(Said { text, asks: false });
        match &message.content {
            Some(Content::Text(text)) => say(text),
            Some(Content::Parts(parts)) => {
                for part in parts {
                    match part {
                        Part::Text { text } => say(text),
                        Part::ImageUrl { image_url } => all.images.push(&image_url.url),
                        Part::File { file } => all.files.push(file),
                    }
                }
            }
            None => {}
        }
        // What was answered was asked. Where one message follows the other, as a document and then
        // the question, only what reads as one is a question.
        let answered = turns.peek().is_none_or(|next| next.role == "assistant");
        if let Some(last) = all.texts[before..].last_mut() {
            last.asks = answered || reads_as_question(split(last.text).1);
        }
    }
    if let Some(last) = all.texts.last_mut() {
        last.asks = true;
    }
    all
}

/// A text, and the question at its end: what follows the last blank line, or the last line.
fn split(text: &str) -> (&str, &str) {
    let text = text.trim();
    match text.rsplit_once("\n\n").or_else(|| text.rsplit_once('\n')) {
        Some((before, question)) => (before, question.trim()),
        None => ("", text),
    }
}

fn reads_as_question(text: &str) -> bool {
    text.starts_with("Question:") || text.ends_with(['?', '？'])
}

/// Finds the question, and the document that it is about.
pub(super) async fn resolve(
    app: &App,
    messages: &[Message],
    mode: Mode,
) -> Result<Asked, ApiError> {
    let all = collect(messages);
    let question = all.texts.last().map_or("", |said| said.text.trim());
    match (&all.files[..], &all.images[..]) {
        ([], []) => from_text(app, &all.texts, mode).await,
        ([file], []) => Ok(Asked {
            document_id: from_file(app, file).await?,
            question: question.to_owned(),
        }),
        ([], images) => Ok(Asked {
            document_id: from_images(app, images).await?,
            question: question.to_owned(),
        }),
        (files, _) => {
            let message = format!(
                "messages: expected one file or images of pages in the whole conversation, found \
                 {} files and {} images",
                files.len(),
                all.images.len()
            );
            Err(ApiError::invalid("messages", message))
        }
    }
}

/// Without an attachment, the texts before the questions are the document.
fn document_and_question(texts: &[Said<'_>], mode: Mode) -> (String, String) {
    let parts = texts.iter().map(|said| match mode {
        Mode::Ask if said.asks => split(said.text).0,
        _ => said.text.trim(),
    });
    let parts: Vec<&str> = parts.filter(|part| !part.trim().is_empty()).collect();
    let question = match (mode, texts.last()) {
        (Mode::Ask, Some(last)) => split(last.text).1,
        _ => "",
    };
    let question = question.strip_prefix("Question:").unwrap_or(question);
    (parts.join("\n\n"), question.trim().to_owned())
}

async fn from_text(app: &App, texts: &[Said<'_>], mode: Mode) -> Result<Asked, ApiError> {
    let (document, question) = document_and_question(texts, mode);
    if document.is_empty() {
        let message = "messages: there is no document to answer from; attach a file or images of \
                       pages, or put the text before the question, with a blank line between them";
        return Err(ApiError::invalid("messages", message));
    }
    let mut received = Received::new(app)?;
    received.add(app, "chat.txt", document.as_bytes()).await?;
    Ok(Asked {
        document_id: keep(app, received).await?,
        question,
    })
}

/// Keeps what came with a chat, and was not uploaded for others to see.
async fn keep(app: &App, received: Received) -> Result<String, ApiError> {
    Ok(receive::keep(app, received, Shelf::Chats).await?.0.id)
}

async fn from_file(app: &App, file: &FilePart) -> Result<String, ApiError> {
    if let Some(id) = &file.file_id {
        let id = files::document_id(id)?;
        return Ok(app.engine.info(id).await?.info.id.clone());
    }
    let data = file.file_data.as_deref().ok_or_else(|| {
        ApiError::invalid(
            "messages",
            "messages: a file needs file_data or file_id; found neither",
        )
    })?;
    let bytes = decode(data)?;
    let name = file.filename.as_deref().unwrap_or("document");
    let mut received = Received::new(app)?;
    received.add(app, name, &bytes).await?;
    keep(app, received).await
}

async fn from_images(app: &App, urls: &[&str]) -> Result<String, ApiError> {
    let mut received = Received::new(app)?;
    for (i, url) in urls.iter().enumerate() {
        let bytes = decode(url)?;
        let extension = match bytes.starts_with(b"\xff\xd8") {
            true => "jpg",
            false => "png",
        };
        let name = format!("page_{:04}.{extension}", i + 1);
        received.add(app, &name, &bytes).await?;
    }
    keep(app, received).await
}

/// The bytes of a data URL, or of base64 alone. Nothing is fetched.
fn decode(text: &str) -> Result<Vec<u8>, ApiError> {
    let data = match text.strip_prefix("data:") {
        Some(rest) => rest.split_once(";base64,").map(|(_, data)| data),
        None if text.contains("://") => None,
        None => Some(text),
    };
    let data = data.ok_or_else(|| {
        let message = format!(
            "messages: expected data as `data:TYPE;base64,…`, found {:?}; this server fetches \
             nothing",
            shown(text)
        );
        ApiError::invalid("messages", message)
    })?;
    STANDARD.decode(data.trim()).map_err(|error| {
        ApiError::invalid(
            "messages",
            format!("messages: the data is no base64: {error}"),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_is_decoded_and_nothing_is_fetched() {
        assert_eq!(decode("data:text/plain;base64,aGk=").unwrap(), b"hi");
        assert_eq!(decode("aGk=").unwrap(), b"hi");
        assert!(decode("https://example.org/a.png").is_err());
        assert!(decode("data:text/plain,hi").is_err());
        assert!(decode("data:text/plain;base64,?").is_err());
    }

    #[test]
    fn messages_are_texts_or_parts() {
        let json = r#"[{"role": "system", "content": "x"}, {"role": "user", "content": [
            {"type": "text", "text": "Who?"},
            {"type": "image_url", "image_url": {"url": "data:,", "detail": "low"}},
            {"type": "file", "file": {"file_id": "file-1"}}]},
            {"role": "assistant", "content": null}]"#;
        let messages: Vec<Message> = serde_json::from_str(json).unwrap();
        assert_eq!(messages.len(), 3);
    }
    fn asked(messages: &serde_json::Value, mode: Mode) -> (String, String) {
        let messages: Vec<Message> = serde_json::from_value(messages.clone()).unwrap();
        document_and_question(&collect(&messages).texts, mode)
    }

    #[test]
    fn no_question_is_text_of_the_document() {
        use serde_json::json;
        let user = |text: &str| json!({"role": "user", "content": text});
        let assistant = json!({"role": "assistant", "content": "The sea. [page 1]"});
        let (document, question) = ("One.\n\nTwo?\n\nThree.", "Tell me more");
        let pair = (document.to_owned(), question.to_owned());
        let first = user(&format!("{document}\n\nWhat is it about"));
        for messages in [
            json!([user(&format!("{document}\n\nQuestion: {question}"))]),
            json!([first, assistant, user(question)]),
            // Questions alone, answered and not, between them.
            json!([first, assistant, user("Who?"), assistant, user(question)]),
            json!([user(document), user("Who?"), user(question)]),
            // The system's words, and a tool's, come between a question and its answer.
            json!([first, {"role": "system", "content": "x"}, assistant, user(question)]),
            json!([{"role": "user", "content": [{"type": "text", "text": document},
                {"type": "text", "text": question}]}]),
        ] {
            assert_eq!(asked(&messages, Mode::Ask), pair, "{messages}");
        }
        // More text comes with a later question.
        let more = json!([first, assistant, user("Four.\n\nAnd now?")]);
        let (found, _) = asked(&more, Mode::Ask);
        assert_eq!(found, format!("{document}\n\nFour."));
        // A summary is of all that is said.
        let whole = asked(&json!([user(document)]), Mode::Summarize);
        assert_eq!(whole, (document.to_owned(), String::new()));
        let nothing = asked(&json!([user("Hi"), assistant, user("Who?")]), Mode::Ask);
        assert_eq!(nothing.0, "");
    }
}
