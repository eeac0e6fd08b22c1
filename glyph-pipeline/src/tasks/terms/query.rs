//! What a question looks for.

use super::{Token, asked, fold, foreign, is_stop_word, stem, tokenize};
use std::collections::HashMap;

/// What a term is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A word or number.
    Word,
    /// Two neighbouring ideographs.
    Bigram(char, char),
    /// One ideograph.
    Unigram(char),
}

/// One thing to look for.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Term {
    /// The folded word, or the ideographs.
    pub(crate) text: String,
    /// The stem by which words match.
    pub(crate) stem: String,
    /// What it is made of.
    pub(crate) kind: Kind,
    /// How much it matters, before its rarity is known.
    pub(crate) weight: f32,
    /// Whether it is written as a name or within quotation marks.
    pub(crate) named: bool,
    /// Whether it belongs to what the question is asked about: the words
    /// after the last "of" or "for".
    pub(crate) object: bool,
}

/// The terms of a question, and which of them stand next to one another.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Query {
    /// The terms, without repetition.
    pub(crate) terms: Vec<Term>,
    /// Neighbours in the question.
    pub(crate) pairs: Vec<(usize, usize)>,
}

/// Words and phrases that make a Chinese sentence a question.
const ASKING: &[&str] = &[
    "请问",
    "是什么",
    "什么时候",
    "什么时间",
    "什么地方",
    "什么人",
    "为什么",
    "什么",
    "哪一年",
    "哪年",
    "哪里",
    "哪儿",
    "哪些",
    "哪个",
    "哪位",
    "哪",
    "何时",
    "何地",
    "何人",
    "为何",
    "如何",
    "怎么样",
    "怎么",
    "怎样",
    "多少",
    "几个",
    "几年",
    "几",
    "是谁",
    "谁的",
    "谁",
    "多大",
    "多久",
    "多长",
    "是多",
    "吗",
    "呢",
    "叫做",
    "文中",
    "根据",
    "告诉我",
];

/// Ideographs that carry grammar rather than meaning.
pub(crate) const PARTICLES: &str =
    "的了是在和与有为被把对也都而及或从到这那一个之于其以将就着过上中下里";

impl Query {
    /// Reads the terms of a question; instructions around it are left out.
    pub(crate) fn new(text: &str) -> Self {
        let question = asked(text);
        let mut plain = match foreign(&question) {
            Some(own) if !own.plain.is_empty() => own.plain,
            _ => question.clone(),
        };
        for asking in ASKING {
            plain = plain.replace(asking, "？");
        }
        let mut query = Self::collect(&plain, false);
        if !query.terms.iter().any(|t| t.weight >= 0.3) {
            // Nothing but stop words ("Who is it?"): they have to do.
            query = Self::collect(&question, true);
        }
        query
    }

    /// Whether there is anything to look for.
    pub(crate) fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }

    fn collect(question: &str, keep_stop_words: bool) -> Self {
        let quoted = quoted_ranges(question);
        let object_from = object_start(question);
        let mut query = Self::default();
        let mut known: HashMap<String, usize> = HashMap::new();
        let mut before: Option<usize> = None;
        let mut last_han: Option<(char, usize)> = None;
        let mut first = true;
        tokenize(question, |token, at| {
            let in_quotes = quoted.iter().any(|r| r.contains(&at));
            let object = object_from.is_some_and(|from| at >= from);
            match token {
                Token::Word(word) => {
                    let text = fold(word);
                    let stop = is_stop_word(&text);
                    let begins = std::mem::take(&mut first);
                    if text.is_empty() || stop && !keep_stop_words && !in_quotes {
                        return;
                    }
                    let capital = word.starts_with(|c: char| c.is_uppercase());
                    let number = word.contains(|c: char| c.is_ascii_digit());
                    let named = in_quotes || capital && !begins && !stop || number;
                    let weight = match (stop, named) {
                        (true, _) => 0.3,
                        (false, true) => 1.6,
                        (false, false) => 1.0,
                    };
                    let term = Term {
                        stem: stem(&text).to_owned(),
                        text,
                        kind: Kind::Word,
                        weight,
                        named,
                        object: object && !stop,
                    };
                    let id = query.add(term, &mut known);
                    if let Some(earlier) = before.replace(id) {
                        query.pairs.push((earlier, id));
                    }
                    last_han = None;
                }
                Token::Han(c) => {
                    first = false;
                    let particle = PARTICLES.contains(c);
                    let han = |text: String, kind, weight: f32, named| Term {
                        stem: text.clone(),
                        text,
                        kind,
                        weight: if in_quotes { weight * 1.6 } else { weight },
                        named,
                        object: false,
                    };
                    let weight = if particle { 0.02 } else { 0.2 };
                    query.add(
                        han(c.to_string(), Kind::Unigram(c), weight, false),
                        &mut known,
                    );
                    if let Some((earlier, end)) = last_han.filter(|&(_, end)| end == at) {
                        debug_assert_eq!(end, at);
                        let either = particle || PARTICLES.contains(earlier);
                        let both = particle && PARTICLES.contains(earlier);
                        let weight = if both {
                            0.1
                        } else if either {
                            0.3
                        } else {
                            1.0
                        };
                        let text: String = [earlier, c].iter().collect();
                        let term = han(text, Kind::Bigram(earlier, c), weight, in_quotes);
                        let id = query.add(term, &mut known);
                        if let Some(earlier) = before.replace(id) {
                            query.pairs.push((earlier, id));
                        }
                    } else {
                        before = None;
                    }
                    last_han = Some((c, at + c.len_utf8()));
                }
            }
        });
        query
    }

    fn add(&mut self, term: Term, known: &mut HashMap<String, usize>) -> usize {
        let id = *known.entry(term.stem.clone()).or_insert(self.terms.len());
        if id == self.terms.len() {
            self.terms.push(term);
        } else {
            let own = &mut self.terms[id];
            own.weight = own.weight.max(term.weight);
            own.named |= term.named;
            own.object |= term.object;
        }
        id
    }
}

/// The byte ranges within quotation marks.
fn quoted_ranges(text: &str) -> Vec<std::ops::Range<usize>> {
    let mut found = Vec::new();
    for (open, close) in [
        ('"', '"'),
        ('“', '”'),
        ('《', '》'),
        ('「', '」'),
        ('‘', '’'),
    ] {
        let mut from = 0;
        while let Some(start) = text[from..].find(open).map(|i| from + i + open.len_utf8()) {
            let Some(end) = text[start..].find(close).map(|i| start + i) else {
                break;
            };
            found.push(start..end);
            from = end + close.len_utf8();
        }
    }
    found
}

/// Where the words that a "what is the ... of/for ..." question is about begin.
fn object_start(question: &str) -> Option<usize> {
    let lower = question.to_ascii_lowercase();
    let asked = [
        "what", "which", "how much", "how many", "tell", "give", "find",
    ];
    if !asked.iter().any(|a| lower.contains(a)) {
        return None;
    }
    let last = |word: &str| lower.rfind(word).map(|at| at + word.len());
    last(" for ").or_else(|| last(" of "))
}
