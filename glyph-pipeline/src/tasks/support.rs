//! Whether what a model wrote stands in what was read.
//!
//! A sentence stands in a text that has most of its new words, all of its numbers, and every word
//! of the question that it says: a name of the text beside the question's words is no answer where
//! the text says something else of the name.
//!
//! Words are compared, not what they say of each other. Where one sentence names two people and
//! what each is, a draft that swaps them passes, and so does a denial in Chinese.

use std::collections::BTreeSet;

use super::answer::refers_back;
use super::terms::{
    PARTICLES, Token, fold, han_synonyms, is_generic, is_stop_word, related, stem, tokenize,
};
use super::text::is_han;

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

/// Words that deny the next one.
const DENIALS: [&str; 8] = [
    "not", "no", "never", "none", "neither", "nor", "cannot", "without",
];

/// Whether a folded word denies the one after it; "isnt" is "isn't".
fn denies(word: &str, written: &str) -> bool {
    DENIALS.contains(&word) || written.ends_with("n't") || written.ends_with("n’t")
}

/// Signs of money and what drafts write for them.
const CURRENCIES: [(char, &str); 3] = [('$', "dollar"), ('€', "euro"), ('£', "pound")];

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
    /// Those of the words that say no more than a question word: "name", "year".
    generic: BTreeSet<String>,
    /// Words that come after "not" or "no".
    denied: BTreeSet<String>,
    /// Whether the text begins with a pronoun.
    refers: bool,
}

impl Words {
    pub(crate) fn of(text: &str) -> Self {
        let mut found = Self {
            refers: refers_back(text),
            ..Self::default()
        };
        let signs = CURRENCIES.iter().filter(|(sign, _)| text.contains(*sign));
        found
            .words
            .extend(signs.map(|(_, name)| (*name).to_owned()));
        let mut last: Option<(char, usize)> = None;
        let mut denied = false;
        tokenize(text, |token, at| match token {
            Token::Word(written) => {
                let word = fold(written);
                let denying = denies(&word, written);
                if word.starts_with(|c: char| c.is_ascii_digit()) {
                    found.numbers.insert(word);
                } else if !denying && !is_stop_word(&word) {
                    let generic = is_generic(&word);
                    let word = spelling(stem(&word));
                    if generic {
                        found.generic.insert(word.clone());
                    }
                    if std::mem::take(&mut denied) {
                        found.denied.insert(word.clone());
                    }
                    found.order.push(word.clone());
                    found.words.insert(word);
                }
                denied |= denying;
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
        self.denied.extend(other.denied.iter().cloned());
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

    /// Whether a text holds every word of the question that these words say; a bare answer says
    /// all of the question.
    fn question_stands_in(&self, text: &Self, question: &Self, bare: bool) -> bool {
        let asserted: Vec<&String> = if bare && self.words.is_disjoint(&question.words) {
            question.words.difference(&question.generic).collect()
        } else {
            let both = self.words.intersection(&question.words);
            both.filter(|w| !question.generic.contains(*w)).collect()
        };
        let held: Vec<&String> = (asserted.iter().copied())
            .filter(|w| text.holds(w))
            .collect();
        asserted.iter().all(|word| {
            held.contains(word)
                // Pairs reach from one word into the next: each ideograph has to stand in some.
                || word.starts_with(is_han)
                    && word.chars().all(|c| {
                        PARTICLES.contains(c) || held.iter().any(|pair| pair.contains(c))
                    })
        })
    }

    /// Whether a word, or another for the same fact, is among these.
    fn holds(&self, word: &str) -> bool {
        let same = |other: &&str| self.words.contains(*other);
        self.words.contains(word)
            || match word.starts_with(is_han) {
                true => han_synonyms(word).any(|(_, group)| group.iter().any(&same)),
                false => self.words.iter().any(|own| related(own, word)),
            }
    }

    /// Whether one denies a word that the other says.
    fn contradicts(&self, text: &Self) -> bool {
        let mut both = self.words.intersection(&text.words);
        both.any(|w| self.denied.contains(w) != text.denied.contains(w))
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
/// enough; and how well they do. `bare` tells that no sentence before it said what this one is
/// about, so that a mere name or number answers the whole question.
pub(crate) fn best_support(
    sentence: &str,
    texts: &[Words],
    question: &Words,
    bare: bool,
) -> Option<(Vec<usize>, f32)> {
    let words = Words::of(sentence);
    if words.is_empty() {
        return None;
    }
    let mut best: Option<(Vec<usize>, f32)> = None;
    let mut offer = |indices: Vec<usize>, text: &Words| {
        let support = words.support(text, question);
        let better = best.as_ref().is_none_or(|(_, s)| support > *s + 0.01);
        if support >= ENOUGH
            && better
            && words.question_stands_in(text, question, bare)
            && !words.claims_beyond(text, question)
            && !words.contradicts(text)
        {
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
    let alone = |i: usize| words.support(&texts[i], question) >= ENOUGH;
    for i in 1..texts.len() {
        // What is new stands in both, or in the second, whose pronoun stands for a word of the
        // first. Else the first says something of its own.
        let together = !alone(i - 1) && (texts[i].refers || !alone(i));
        if together && (fits[i - 1] || fits[i]) {
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
        best_support(sentence, &texts, &Words::of(question), true).map(|(indices, _)| indices)
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

    /// The words of the question are in one sentence and the name is in another.
    #[test]
    fn a_name_beside_the_words_of_the_question_is_no_answer() {
        let texts = [
            "Present were Peter Hallam (chair) and Ruth Osei.",
            "Simon Webb left the board in April.",
            "Pets are not allowed on the premises.",
            "成都分公司成立于2005年，负责人是周芳。",
            "The tower stands at Velsund.",
            "It was built by Isobel Tarrant.",
        ];
        let chair = "Who is the chairman of the board?";
        let founded = "上海分公司成立于哪一年？";
        let pets = "Are pets allowed on the premises?";
        for (wrong, question) in [
            ("The chairman of the board is Simon Webb.", chair),
            ("Simon Webb is the chairman.", chair),
            ("Simon Webb", chair),
            ("Pets are allowed on the premises.", pets),
            ("上海分公司成立于2005年。", founded),
            ("2005年。", founded),
            ("Isobel Tarrant built the ferry.", "Who built the ferry?"),
        ] {
            assert_eq!(supports(wrong, &texts, question), None, "{wrong}");
        }
        for (right, question, by) in [
            ("The chairman is Peter Hallam.", chair, vec![0]),
            ("Pets aren't allowed on the premises.", pets, vec![2]),
            ("Simon Webb left it.", "Who left the board?", vec![1]),
            ("Simon Webb", "Who left the board?", vec![1]),
            (
                "The tower was built by Isobel Tarrant.",
                "What is the name of the one who built the tower?",
                vec![4, 5],
            ),
            (
                "成都分公司成立于2005年。",
                "成都分公司创立于哪一年？",
                vec![3],
            ),
            (
                "成都分公司的负责人是周芳。",
                "成都分公司的负责人是谁？",
                vec![3],
            ),
        ] {
            assert_eq!(supports(right, &texts, question), Some(by), "{right}");
        }
    }
}
