//! What a conversation asks about which document.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use super::files;
use crate::api::documents::receive::{self, Received};
use crate::app::App;
use crate::document::shown;
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
    texts: Vec<&'a str>,
    images: Vec<&'a str>,
    files: Vec<&'a FilePart>,
}

/// Finds the question, and the document that it is about, which is kept as an upload is.
pub(super) async fn resolve(
    app: &App,
    messages: &[Message],
    mode: Mode,
) -> Result<Asked, ApiError> {
    let mut all = Collected::default();
    for message in messages.iter().filter(|message| message.role == "user") {
        match &message.content {
            Some(Content::Text(text)) => all.texts.push(text),
            Some(Content::Parts(parts)) => {
                for part in parts {
                    match part {
                        Part::Text { text } => all.texts.push(text),
                        Part::ImageUrl { image_url } => all.images.push(&image_url.url),
                        Part::File { file } => all.files.push(file),
                    }
                }
            }
            None => {}
        }
    }
    let question = all.texts.last().copied().unwrap_or_default().trim();
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

/// Without an attachment, the text before the question is the document.
async fn from_text(app: &App, texts: &[&str], mode: Mode) -> Result<Asked, ApiError> {
    let last = texts.last().copied().unwrap_or_default().trim();
    let (before, question) = match mode {
        Mode::Ask => match last.rsplit_once("\n\n").or_else(|| last.rsplit_once('\n')) {
            Some((before, question)) => (before, question.trim()),
            None => ("", last),
        },
        _ => (last, ""),
    };
    let earlier = texts.split_last().map_or(&[][..], |(_, earlier)| earlier);
    let mut document = earlier.join("\n\n");
    if !before.trim().is_empty() {
        if !document.is_empty() {
            document.push_str("\n\n");
        }
        document.push_str(before);
    }
    if document.trim().is_empty() {
        let message = "messages: there is no document to answer from; attach a file or images of \
                       pages, or put the text before the question, with a blank line between them";
        return Err(ApiError::invalid("messages", message));
    }
    let question = question
        .strip_prefix("Question:")
        .unwrap_or(question)
        .trim();
    let mut received = Received::new(app)?;
    received.add(app, "chat.txt", document.as_bytes()).await?;
    Ok(Asked {
        document_id: receive::keep(app, received).await?.0.id,
        question: question.to_owned(),
    })
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
    Ok(receive::keep(app, received).await?.0.id)
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
    Ok(receive::keep(app, received).await?.0.id)
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
}
