//! Whether what a model wrote stands in what was read.

use std::collections::BTreeSet;

use super::terms::{Token, fold, is_stop_word, stem, tokenize};

/// Share of a sentence's words that have to stand in the text.
const ENOUGH: f32 = 0.75;

/// Months.
const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];

/// The stem of a British spelling as that of the American: models write one where the text has the
/// other.
fn spelling(word: &str) -> String {
    match (word.strip_suffix("tr"), word.strip_suffix("our")) {
        (Some(root), _) if root.len() > 1 => format!("{root}ter"),
        (_, Some(root)) if root.len() > 2 => format!("{root}or"),
        _ => word.to_owned(),
    }
}

/// Words of a text in the form in which they are compared.
#[derive(Debug, Clone, Default)]
pub(crate) struct Words {
    /// Stems, and pairs of neighbouring ideographs.
    words: BTreeSet<String>,
    /// Numbers, without thousands separators.
    numbers: BTreeSet<String>,
    /// The words as they follow each other, ideographs left out.
    order: Vec<String>,
}

impl Words {
    pub(crate) fn of(text: &str) -> Self {
        let mut found = Self::default();
        let mut last: Option<(char, usize)> = None;
        tokenize(text, |token, at| match token {
            Token::Word(word) => {
                let word = fold(word);
                if word.starts_with(|c: char| c.is_ascii_digit()) {
                    found.numbers.insert(word);
                } else if !is_stop_word(&word) {
                    let word = spelling(stem(&word));
                    found.order.push(word.clone());
                    found.words.insert(word);
                }
            }
            Token::Han(c) => {
                if let Some((before, end)) = last
                    && end == at
                {
                    found.words.insert([before, c].iter().collect());
                }
                last = Some((c, at + c.len_utf8()));
            }
        });
        found
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.words.extend(other.words.iter().cloned());
        self.numbers.extend(other.numbers.iter().cloned());
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.words.is_empty() && self.numbers.is_empty()
    }

    /// How well `text` supports these words, 0 to 1: the share of those that the question did not
    /// say already.
    fn support(&self, text: &Self, question: &Self) -> f32 {
        let new: Vec<&String> = self.words.difference(&question.words).collect();
        let numbers = self.numbers.difference(&question.numbers);
        // Numbers count twice: they are what answers turn on.
        let (mut found, mut total) = (0, 0);
        for number in numbers {
            total += 2;
            found += 2 * usize::from(text.numbers.contains(number));
        }
        // A sentence that only says the question again is as good as the question's words are.
        let asked = if new.is_empty() && total == 0 {
            self.words.iter().collect()
        } else {
            new
        };
        total += asked.len();
        found += asked.iter().filter(|w| text.words.contains(**w)).count();
        found as f32 / total.max(1) as f32
    }

    /// Whether two words in a row stand neither in `text` nor in the question. One may be another
    /// word for the same thing; two are a claim.
    fn claims_beyond(&self, text: &Self, question: &Self) -> bool {
        let known = |word: &String| text.words.contains(word) || question.words.contains(word);
        let mut pairs = self.order.windows(2);
        pairs.any(|pair| !pair.iter().any(known))
    }

    /// Whether at least half of these words stand in some texts, taken together.
    pub(crate) fn is_covered_by(&self, texts: &[&Self]) -> bool {
        let words = self.words.iter().chain(&self.numbers);
        let found = words
            .filter(|w| (texts.iter()).any(|t| t.words.contains(*w) || t.numbers.contains(*w)));
        2 * found.count() >= self.words.len() + self.numbers.len()
    }

    /// Whether one text holds all numbers that the question did not say, together with a word
    /// besides the names of months: a date beside the words of another sentence answers nothing.
    fn numbers_stand_in(&self, text: &Self, question: &Self) -> bool {
        let mut numbers = self.numbers.difference(&question.numbers).peekable();
        if numbers.peek().is_none() {
            return true;
        }
        let mut words = self
            .words
            .iter()
            .filter(|w| !MONTHS.iter().any(|m| stem(m) == w.as_str()));
        numbers.all(|n| text.numbers.contains(n))
            && (words.clone().next().is_none() || words.any(|w| text.words.contains(w)))
    }
}

/// The texts that best support a sentence, by index: one, or two neighbours where one is not
/// enough; and how well they do.
pub(crate) fn best_support(
    sentence: &str,
    texts: &[Words],
    question: &Words,
) -> Option<(Vec<usize>, f32)> {
    let words = Words::of(sentence);
    if words.is_empty() {
        return None;
    }
    let mut best: Option<(Vec<usize>, f32)> = None;
    let mut offer = |indices: Vec<usize>, text: &Words| {
        let support = words.support(text, question);
        let better = best.as_ref().is_none_or(|(_, s)| support > *s + 0.01);
        if support >= ENOUGH && better && !words.claims_beyond(text, question) {
            best = Some((indices, support));
        }
    };
    let fits: Vec<bool> = texts
        .iter()
        .map(|text| words.numbers_stand_in(text, question))
        .collect();
    for (i, text) in texts.iter().enumerate().filter(|(i, _)| fits[*i]) {
        offer(vec![i], text);
    }
    for i in 1..texts.len() {
        if fits[i - 1] || fits[i] {
            let mut both = texts[i - 1].clone();
            both.add(&texts[i]);
            offer(vec![i - 1, i], &both);
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    fn supports(sentence: &str, texts: &[&str], question: &str) -> Option<Vec<usize>> {
        let texts: Vec<Words> = texts.iter().map(|t| Words::of(t)).collect();
        best_support(sentence, &texts, &Words::of(question)).map(|(indices, _)| indices)
    }

    const TEXTS: [&str; 3] = [
        "The lighthouse was built between 1871 and 1874 by the engineer Isobel Tarrant.",
        "The work would take two summers and cost about $412,000.",
        "茶园在山的南坡，主人姓林。",
    ];

    #[test]
    fn what_the_text_says_is_supported_where_it_says_it() {
        let who = "Who built the lighthouse?";
        assert_eq!(
            supports("The engineer Isobel Tarrant built it.", &TEXTS, who),
            Some(vec![0])
        );
        assert_eq!(
            supports(
                "It costs 412000 dollars",
                &TEXTS,
                "What does the work cost in dollars?"
            ),
            Some(vec![1])
        );
        assert_eq!(supports("主人姓林。", &TEXTS, "谁是主人？"), Some(vec![2]));
        let both = "The engineer Isobel Tarrant built it with work over two summers.";
        assert_eq!(supports(both, &TEXTS, who), Some(vec![0, 1]));
    }

    #[test]
    fn what_it_does_not_say_is_not() {
        let who = "Who built the lighthouse?";
        for wrong in [
            "The lighthouse was built by Robert Stevenson.",
            "The engineer Isobel Tarrant built it in 1872.",
            "It costs $412,500.",
            "I am a helpful assistant.",
            "The engineer Isobel Tarrant built the lighthouse between 1871 and 1874 by local residents.",
            "主人姓王，住在北京。",
            "…",
        ] {
            assert_eq!(supports(wrong, &TEXTS, who), None, "{wrong}");
        }
        // The date of one sentence and the words of the next.
        let texts = [
            "On 14 February 2024 the council voted to accept the plan.",
            "Work begins on 3 June 2024.",
        ];
        let when = "When does work begin?";
        assert_eq!(
            supports("Work begins on 14 February 2024.", &texts, when),
            None
        );
        assert_eq!(
            supports("Work begins on 3 June 2024.", &texts, when),
            Some(vec![1])
        );
    }
}
