//! The fields of a schema, one by one.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::tasks::{self, Extraction, ExtractionKind, ReadLine, Sentence};

/// Values of a kind that are offered for a field: those that stand nearest to its words.
const MOST_VALUES: usize = 6;

/// Schemas for the fields of an object, to be asked for one by one, each from what the document says
/// about it: a small model that is shown all of it at once takes one field's value for another's.
/// The schema itself where it says more than what its fields are.
pub(super) fn fields(schema: &Value) -> Vec<Value> {
    const KNOWN: [&str; 9] = [
        "$schema",
        "$id",
        "$defs",
        "title",
        "description",
        "type",
        "properties",
        "required",
        "additionalProperties",
    ];
    let whole = || vec![schema.clone()];
    let Some(object) = schema.as_object() else {
        return whole();
    };
    let Some(Value::Object(properties)) = object.get("properties") else {
        return whole();
    };
    let plain = object.get("type") == Some(&Value::from("object"))
        && object.keys().all(|key| KNOWN.contains(&key.as_str()));
    if !plain || properties.len() < 2 {
        return whole();
    }
    let required = object.get("required").and_then(Value::as_array);
    let of = |(name, own): (&String, &Value)| {
        let mut field = serde_json::Map::new();
        if let Some(definitions) = object.get("$defs") {
            field.insert("$defs".to_owned(), definitions.clone());
        }
        field.insert("type".to_owned(), "object".into());
        let own = serde_json::Map::from_iter([(name.clone(), own.clone())]);
        field.insert("properties".to_owned(), own.into());
        let name = Value::from(name.as_str());
        if required.is_some_and(|all| all.contains(&name)) {
            field.insert("required".to_owned(), vec![name].into());
        }
        field.insert("additionalProperties".to_owned(), false.into());
        Value::Object(field)
    };
    properties.iter().map(of).collect()
}

/// One object of the fields' objects.
pub(super) fn join(mut parts: Vec<Value>) -> Value {
    if parts.len() == 1 {
        return parts.remove(0);
    }
    let objects = parts.into_iter().filter_map(|part| match part {
        Value::Object(own) => Some(own),
        _ => None,
    });
    Value::Object(objects.flatten().collect())
}

/// Words that tell what form a field's value has, and the format of JSON schema that does.
const FORMS: &[(ExtractionKind, &str, &[&str])] = &[
    (
        ExtractionKind::Email,
        "email",
        &["email", "mail", "邮箱", "邮件"],
    ),
    (
        ExtractionKind::Date,
        "date",
        &["date", "day", "deadline", "日期", "期限"],
    ),
    (
        ExtractionKind::Money,
        "",
        &[
            "cost", "costs", "price", "amount", "fee", "budget", "费用", "金额", "价格",
        ],
    ),
    (
        ExtractionKind::Phone,
        "",
        &["phone", "telephone", "tel", "fax", "电话"],
    ),
    (
        ExtractionKind::Url,
        "uri",
        &["url", "website", "homepage", "网址", "网站"],
    ),
    (ExtractionKind::Uuid, "uuid", &["uuid"]),
    (ExtractionKind::Iban, "", &["iban"]),
    (ExtractionKind::Isbn, "", &["isbn"]),
    (ExtractionKind::Doi, "", &["doi"]),
];

/// A value that is known by its form.
pub(super) struct Typed {
    /// The value; its context is its sentence, which says more of it than the rows it stands on.
    value: Extraction,
    /// Index of the line that it begins on.
    line: usize,
}

/// The values in `lines` that are known by their form.
pub(super) fn typed(lines: &[ReadLine]) -> Vec<Typed> {
    let sentences = tasks::sentences(lines);
    let of = |mut value: Extraction| {
        let first = |l: &ReadLine| (l.page, l.line) == (value.page, value.line);
        let line = lines.iter().position(first)?;
        let around = |s: &&Sentence| s.lines.contains(&line) && s.text.contains(&value.value);
        if let Some(sentence) = sentences.iter().find(around) {
            value.context.clone_from(&sentence.text);
        }
        Some(Typed { value, line })
    };
    let found = tasks::extract::<&str>(lines, &[]);
    found.into_iter().filter_map(of).collect()
}

/// Those of the `typed` values in `lines` that have the form of a field's value, where its format or
/// its words tell that form and it is a free string: those nearest to the field's words first. The
/// schema is made to choose among them.
pub(super) fn offer(
    field: &mut Value,
    words: &str,
    typed: &[Typed],
    lines: &[ReadLine],
) -> Vec<Extraction> {
    let own = field
        .get_mut("properties")
        .and_then(Value::as_object_mut)
        .filter(|all| all.len() == 1)
        .and_then(|all| all.values_mut().next())
        .and_then(Value::as_object_mut);
    let Some(own) = own else { return Vec::new() };
    let free = own.get("type") == Some(&Value::from("string"))
        && !["enum", "const", "pattern"]
            .iter()
            .any(|key| own.contains_key(*key));
    let format = own.get("format").and_then(Value::as_str);
    let says = |word: &&str| match word.is_ascii() {
        true => words
            .split(|c: char| !c.is_alphanumeric())
            .any(|own| own.eq_ignore_ascii_case(word)),
        false => words.contains(*word),
    };
    let form = FORMS.iter().find(|(_, own, names)| match format {
        Some(format) => format == *own,
        None => names.iter().any(says),
    });
    let Some((kind, ..)) = form.filter(|_| free) else {
        return Vec::new();
    };
    let scores = tasks::rank(words, lines);
    let mut found: Vec<(usize, f32, &Extraction)> = typed
        .iter()
        .filter(|typed| typed.value.kind == *kind)
        .map(|Typed { value, line }| (shared_words(&value.context, words), scores[*line], value))
        .collect();
    // Where a sentence has the field's words in it, others are not asked.
    let most = found.iter().map(|f| f.0).max().unwrap_or(0);
    found.retain(|f| f.0 == most);
    found.sort_by(|a, b| b.1.total_cmp(&a.1));
    let mut offered: Vec<Extraction> = Vec::new();
    let mut texts: Vec<Value> = Vec::new();
    for (.., value) in found {
        let text = match (format, &value.normalized) {
            (Some("date"), Some(day)) if day.len() == 10 => day.as_str(),
            (Some("date"), _) => continue,
            _ => &value.value,
        };
        if texts.len() < MOST_VALUES && !texts.contains(&text.into()) {
            texts.push(text.into());
            offered.push(value.clone());
        }
    }
    if !texts.is_empty() {
        own.insert("enum".to_owned(), texts.into());
    }
    offered
}

/// How many of the field's words stand in a text; those that tell its form do not count.
fn shared_words(text: &str, words: &str) -> usize {
    let stems = |text: &str| -> BTreeSet<String> {
        text.split(|c: char| !c.is_alphanumeric())
            .map(str::to_lowercase)
            .filter(|word| !word.is_empty() && !tasks::is_stop_word(word))
            .map(|word| tasks::stem(&word).to_owned())
            .collect()
    };
    let own = stems(text);
    let form = |word: &str| FORMS.iter().any(|(.., names)| names.contains(&word));
    let stands = |word: &&String| match word.is_ascii() {
        true => !form(word) && own.contains(*word),
        false => text.contains(word.as_str()),
    };
    stems(words).iter().filter(stands).count()
}
