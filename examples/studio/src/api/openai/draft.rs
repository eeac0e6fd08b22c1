//! What is still to be said after a model's draft was streamed.

use serde_json::Value;

use crate::task::Outcome;

/// What makes a streamed draft the answer: nothing where it is the answer, the pages where the
/// check left it as it is, and else the checked answer after a word that it is.
pub(super) fn rest(draft: &str, outcome: &Outcome) -> Option<String> {
    let draft = draft.trim();
    if draft.is_empty() {
        return None;
    }
    if let Some(json) = &outcome.json {
        let same = serde_json::from_str::<Value>(draft).is_ok_and(|sent| sent == *json);
        return (!same).then(|| format!("\n\n{json:#}"));
    }
    let text = outcome.text();
    if let Some(rest) = text.strip_prefix(draft) {
        return (!rest.is_empty()).then(|| rest.to_owned());
    }
    if let Some(pages) = held(outcome) {
        return Some(pages);
    }
    let chinese = text.chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c));
    let head = match chinese {
        true => "与页面核对后：",
        false => "Checked against the pages: ",
    };
    Some(format!("\n\n{head}{text}"))
}

/// The pages of the evidence, where all that the model wrote stands on them.
fn held(outcome: &Outcome) -> Option<String> {
    let answer = outcome.answer.as_ref()?;
    let writing = answer.writing.as_ref()?;
    let none = |key: &str| writing[key].as_array().is_some_and(Vec::is_empty);
    let all = writing["checked"] == true && writing["quoted"] == false;
    if !all || !none("unsupported") || !none("foreign_pages") {
        return None;
    }
    let mut pages: Vec<u32> = answer.evidence.iter().map(|e| e.page).collect();
    pages.sort_unstable();
    pages.dedup();
    match &pages[..] {
        [] => None,
        [page] => Some(format!(" [page {page}]")),
        pages => {
            let numbers: Vec<String> = pages.iter().map(u32::to_string).collect();
            Some(format!(" [pages {}]", numbers.join(", ")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn outcome(text: &str, writing: Value) -> Outcome {
        serde_json::from_value(json!({
            "answer": {"text": text, "confidence": 0.9, "found": true, "writing": writing,
                "evidence": [{"page": 3, "line": 1, "text": "x", "confidence": 1.0,
                    "bbox": {"x": 0, "y": 0, "width": 1, "height": 1}}]},
            "tokens": {"text": 1, "tokenizer": "t", "vision_global": 1, "vision_local": 1,
                "ratio": 1.0, "writer_prompt": 1, "writer_output": 1},
            "seconds": {"wait": 0.0, "open": 0.0, "render": 0.0, "scan": 0.0, "select": 0.0,
                "crops": 0.0, "answer": 0.0, "total": 0.0},
            "crops": [],
            "scan": {"pages": 1, "row_count": 1, "page_width": 1, "page_height": 1, "rows": [],
                "reused": false},
        }))
        .unwrap()
    }

    fn writing(quoted: bool, unsupported: &[&str]) -> Value {
        json!({"checked": true, "quoted": quoted, "unsupported": unsupported, "foreign_pages": []})
    }

    #[test]
    fn what_is_sent_becomes_the_answer() {
        let holds = writing(false, &[]);
        let cited = outcome("A b. [page 3]", holds.clone());
        assert_eq!(rest("A b.", &cited).as_deref(), Some(" [page 3]"));
        assert_eq!(rest("A b. [page 3]", &cited), None);
        assert_eq!(rest("", &cited), None);
        // Each sentence has its page in the answer; the stream has them at its end.
        let both = outcome("A b. [page 3] C d. [page 3]", holds);
        assert_eq!(rest(" A b. C d.", &both).as_deref(), Some(" [page 3]"));
        // What does not stand on the pages is followed by what does.
        let partly = outcome("A b. [page 3]", writing(false, &["It rained."]));
        let said = rest("It rained. A b.", &partly).unwrap();
        assert_eq!(said, "\n\nChecked against the pages: A b. [page 3]");
        let quoted = outcome("茶园有三百亩。", writing(true, &["x"]));
        assert_eq!(
            rest("x", &quoted).unwrap(),
            "\n\n与页面核对后：茶园有三百亩。"
        );
    }

    #[test]
    fn json_stays_json() {
        let mut filled = outcome("", writing(false, &[]));
        filled.answer = None;
        filled.json = Some(json!({"a": 1}));
        assert_eq!(rest("{\"a\":1}", &filled), None);
    }
}
