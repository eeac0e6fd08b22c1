//! Whether what a model wrote stands in what was read.

use std::collections::BTreeSet;

use super::terms::{Token, fold, is_stop_word, stem, tokenize};

/// Share of a sentence's words that have to stand in the text.
const ENOUGH: f32 = 0.65;

/// Words of a text in the form in which they are compared.
#[derive(Debug, Clone, Default)]
pub(crate) struct Words {
    /// Stems, and pairs of neighbouring ideographs.
    words: BTreeSet<String>,
    /// Numbers, without thousands separators.
    numbers: BTreeSet<String>,
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
                    found.words.insert(stem(&word).to_owned());
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
    /// say already. A number that is nowhere supports nothing.
    pub(crate) fn support(&self, text: &Self, question: &Self) -> f32 {
        let missing = |n: &&String| !text.numbers.contains(*n) && !question.numbers.contains(*n);
        if self.numbers.iter().any(|n| missing(&n)) {
            return 0.0;
        }
        let new: Vec<&String> = self.words.difference(&question.words).collect();
        let numbers: Vec<&String> = self.numbers.difference(&question.numbers).collect();
        // A sentence that only says the question again is as good as the question's words are.
        let (asked, total) = if new.is_empty() && numbers.is_empty() {
            (self.words.iter().collect(), self.words.len())
        } else {
            let total = new.len() + numbers.len();
            (new, total + numbers.len())
        };
        let found = asked.iter().filter(|w| text.words.contains(**w)).count();
        // Numbers count twice: they are what answers turn on, and are all there.
        (found + 2 * numbers.len()) as f32 / (total.max(1)) as f32
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
    let mut offer = |indices: Vec<usize>, support: f32| {
        if support >= ENOUGH && best.as_ref().is_none_or(|(_, s)| support > *s + 0.01) {
            best = Some((indices, support));
        }
    };
    for (i, text) in texts.iter().enumerate() {
        offer(vec![i], words.support(text, question));
    }
    for i in 1..texts.len() {
        let mut both = texts[i - 1].clone();
        both.add(&texts[i]);
        offer(vec![i - 1, i], words.support(&both, question));
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
        let both = "Tarrant built it in 1874, and the work cost $412,000 over two summers.";
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
            "主人姓王，住在北京。",
            "…",
        ] {
            assert_eq!(supports(wrong, &TEXTS, who), None, "{wrong}");
        }
    }
}
