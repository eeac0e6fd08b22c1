//! Citations in what a model wrote: those it made up go, those that hold are added.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use regex::Regex;

use super::passages::{Passage, PassageSentence, sentence_words};
use super::sentences::split_sentences;
use super::support::{Words, best_support};
use super::terms::asked;
use super::text::{is_mostly_han, pattern};

/// "[page 3]", "(pages 3-4)", "on page 7", "第 3 页".
static CITATION: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?ix)\s*
        (?: [\[(【（]\s*(?:see\s+)?(?:pages?|pp?\.)\s*(?:\d+\s*(?:,|-|–|and|to|&)?\s*)+[\])】）]
          | (?:,\s*)?\b(?:see|on|in|at|from|per)\s+(?:the\s+)?pages?\s+\d+(?:\s*(?:-|–|,|and|to|&)\s*\d+)*
          | \bpages?\s+\d+(?:\s*(?:-|–|,|and|to|&)\s*\d+)*\s*:?
          | [\[(【（]\s*(?:见|参见)?\s*第?\s*\d+\s*页\s*[\])】）]
          | (?:见|参见|在)?第\s*\d+\s*页
          | \[\s*\d+\s*\] )",
    )
});

/// Text in quotation marks or between backticks.
static QUOTE: LazyLock<Regex> =
    LazyLock::new(|| pattern(r#"`([^`]+)`|"([^"]+)"|“([^”]+)”|「([^」]+)」"#));

/// "Answer:", "The answer is:".
static LABEL: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"(?i)^(?:question|(?:the\s+)?answer(?:\s+is)?)\s*[:：]\s*"));

/// A sentence that stands in the passages.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Supported {
    /// The sentence, without citations.
    pub(crate) text: String,
    /// Pages of the sentences that support it, in order.
    pub(crate) pages: Vec<u32>,
    /// Those sentences, by passage order.
    pub(crate) sentences: Vec<usize>,
    /// How well they do, 0 to 1.
    pub(crate) support: f32,
}

/// What is left of a draft.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Checked {
    /// Sentences that stand in the passages.
    pub(crate) supported: Vec<Supported>,
    /// Sentences that do not.
    pub(crate) unsupported: Vec<String>,
    /// Pages that the draft cited and that it was not given.
    pub(crate) foreign_pages: Vec<u32>,
}

impl Checked {
    /// The supported sentences, each with `[page N]`.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        for (i, sentence) in self.supported.iter().enumerate() {
            if !text.is_empty() && !is_mostly_han(&sentence.text) {
                text.push(' ');
            }
            text += &sentence.text;
            // One citation for a run of sentences of the same pages.
            let next = self.supported.get(i + 1);
            if next.is_none_or(|n| n.pages != sentence.pages) {
                text += &cite(&sentence.pages);
            }
        }
        text
    }
}

/// `" [page 3]"`.
pub(crate) fn cite(pages: &[u32]) -> String {
    let numbers: Vec<String> = pages.iter().map(u32::to_string).collect();
    match pages {
        [] => String::new(),
        [_] => format!(" [page {}]", numbers[0]),
        _ => format!(" [pages {}]", numbers.join(", ")),
    }
}

/// Takes the draft's own citations out, and cites for each sentence the pages whose sentences
/// support it. So no page is ever cited that was not given, and none for what it does not say.
pub(crate) fn check(draft: &str, passages: &[Passage], question: &str) -> Checked {
    let given: BTreeSet<u32> = passages
        .iter()
        .flat_map(|p| p.sentences.iter().map(|s| s.page))
        .collect();
    let mut foreign = BTreeSet::new();
    let text = CITATION.replace_all(draft, |found: &regex::Captures<'_>| {
        let numbers = found[0].split(|c: char| !c.is_ascii_digit());
        foreign.extend(
            numbers
                .filter_map(|n| n.parse().ok())
                .filter(|n| !given.contains(n)),
        );
        ""
    });
    let (sentences, words) = sentence_words(passages);
    let question = Words::of(&asked(question));
    let mut checked = Checked {
        foreign_pages: foreign.into_iter().collect(),
        ..Checked::default()
    };
    let mut said = BTreeSet::new();
    for sentence in text.lines().flat_map(split_sentences) {
        let sentence = sentence.trim().trim_start_matches(['-', '*', '•', '+']);
        let sentence = LABEL.replace(sentence.trim_start(), "").into_owned();
        // A question is no answer: small models like to say it again first.
        let asks = sentence.ends_with(['?', '？']);
        if sentence.is_empty() || asks || !said.insert(sentence.to_lowercase()) {
            continue;
        }
        // What follows a sentence that is about the question need not say again what it is about.
        let bare = checked.supported.is_empty();
        match best_support(&sentence, &words, &question, bare) {
            Some((indices, support)) if quotes_hold(&sentence, &sentences) => {
                let pages: BTreeSet<u32> = indices.iter().map(|i| sentences[*i].page).collect();
                checked.supported.push(Supported {
                    text: sentence,
                    pages: pages.into_iter().collect(),
                    sentences: indices,
                    support,
                });
            }
            _ => checked.unsupported.push(sentence),
        }
    }
    let held: Vec<&Words> = (checked.supported.iter())
        .flat_map(|s| s.sentences.iter().map(|i| &words[*i]))
        .collect();
    if !question.is_covered_by(&held) {
        // True perhaps, but no answer to what was asked.
        let off_topic = checked.supported.drain(..).map(|s| s.text);
        checked.unsupported.extend(off_topic);
    }
    checked
}

/// Whether what a sentence quotes, such as a command or a name, stands in the passages letter for
/// letter.
fn quotes_hold(sentence: &str, passages: &[&PassageSentence]) -> bool {
    QUOTE.captures_iter(sentence).all(|found| {
        let quote = found
            .iter()
            .skip(1)
            .flatten()
            .next()
            .map_or("", |m| m.as_str())
            .trim();
        passages.iter().any(|p| p.text.contains(quote))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tasks::passages::PassageSentence;

    fn passages() -> Vec<Passage> {
        [
            (2, "The tower was built by Isobel Tarrant in 1874."),
            (5, "The lamp was made in Glasgow and weighs 1.8 tonnes."),
        ]
        .into_iter()
        .map(|(page, text)| Passage {
            page,
            sentences: vec![PassageSentence {
                text: text.to_owned(),
                page,
                lines: 0..1,
            }],
        })
        .collect()
    }

    #[test]
    fn only_given_pages_are_cited_and_only_for_what_they_say() {
        let draft = "Isobel Tarrant built the tower [page 9]. The lamp was made in Glasgow (page 2), \
                     as told on page 12. It was painted blue by sailors [page 5].";
        let checked = check(draft, &passages(), "Who built the tower?");
        assert_eq!(
            checked.text(),
            "Isobel Tarrant built the tower. [page 2] The lamp was made in Glasgow, as told. [page 5]"
        );
        assert_eq!(checked.foreign_pages, [9, 12]);
        assert_eq!(checked.unsupported, ["It was painted blue by sailors."]);
    }

    #[test]
    fn quotations_hold_letter_for_letter_and_answers_are_about_the_question() {
        let about =
            |draft: &str, question: &str| !check(draft, &passages(), question).supported.is_empty();
        let lamp = "Where was the lamp made?";
        assert!(about("The lamp was made in \"Glasgow\".", lamp));
        assert!(!about("The lamp was made in `Glasgow --and Leith`.", lamp));
        let true_but_beside = "The tower was built by Isobel Tarrant.";
        assert!(about(true_but_beside, "Who built the tower?"));
        assert!(!about(true_but_beside, "Which sailors ate the green soup?"));
    }

    #[test]
    fn the_question_and_labels_go() {
        let draft =
            "Question: Where was the lamp made?\nThe answer is: The lamp was made in Glasgow.";
        let checked = check(draft, &passages(), "Where was the lamp made?");
        assert_eq!(checked.text(), "The lamp was made in Glasgow. [page 5]");
        assert!(checked.unsupported.is_empty());
    }

    #[test]
    fn every_form_of_citation_is_found() {
        for form in [
            "[page 9]",
            "(Page 9)",
            "[p. 9]",
            "[pp. 8-9]",
            "on page 9",
            "see pages 8 and 9",
            "(see page 9)",
            "[9]",
            "第9页",
            "（第 9 页）",
            "[pages 8, 9]",
        ] {
            let draft = format!("The lamp was made in Glasgow {form}.");
            let checked = check(&draft, &passages(), "Where was the lamp made?");
            assert!(checked.foreign_pages.contains(&9), "{form}");
            assert_eq!(
                checked.text(),
                "The lamp was made in Glasgow. [page 5]",
                "{form}"
            );
        }
    }

    #[test]
    fn a_sentence_is_said_once_and_pages_are_cited_once_a_run() {
        let draft =
            "The lamp was made in Glasgow. It weighs 1.8 tonnes. The lamp was made in Glasgow.";
        assert_eq!(
            check(draft, &passages(), "Tell about the lamp").text(),
            "The lamp was made in Glasgow. It weighs 1.8 tonnes. [page 5]"
        );
        assert_eq!(check("", &passages(), "x"), Checked::default());
    }
}
