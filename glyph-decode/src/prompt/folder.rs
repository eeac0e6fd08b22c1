//! Chat templates in folders of Hugging Face's layout.

use std::path::Path;

use serde_json::Value;

use crate::DecodeError;
use crate::weights::safetensors::read_json;

/// The text of a folder's template: a file of its own, or an entry of a file of settings.
pub(crate) fn template_source(folder: &Path) -> Result<Option<String>, DecodeError> {
    let own = folder.join("chat_template.jinja");
    if own.exists() {
        return std::fs::read_to_string(&own)
            .map(Some)
            .map_err(|source| DecodeError::Io { path: own, source });
    }
    for name in ["chat_template.json", "tokenizer_config.json"] {
        let path = folder.join(name);
        if path.exists() {
            let file: Value = read_json(&path)?;
            let source = entry(&file["chat_template"]);
            if source.is_some() {
                return Ok(source);
            }
        }
    }
    Ok(None)
}

fn entry(value: &Value) -> Option<String> {
    match value {
        Value::String(template) => Some(template.clone()),
        // Several templates: the one for plain conversations.
        Value::Array(templates) => templates
            .iter()
            .find(|t| t["name"] == "default")
            .and_then(|t| t["template"].as_str())
            .map(str::to_owned),
        _ => None,
    }
}

/// What `tokenizer_config.json` calls `bos_token` and `eos_token`; empty where it does not.
pub(crate) fn special_tokens(folder: &Path) -> Result<[String; 2], DecodeError> {
    let path = folder.join("tokenizer_config.json");
    if !path.exists() {
        return Ok(Default::default());
    }
    let config: Value = read_json(&path)?;
    Ok(["bos_token", "eos_token"].map(|key| {
        // A string, or an object with the token's properties.
        let token = &config[key];
        let name = token.as_str().or(token["content"].as_str());
        name.unwrap_or_default().to_owned()
    }))
}
