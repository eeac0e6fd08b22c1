//! What a sentence has to hold before it can answer a question.
//!
//! Scores compare sentences; they cannot tell that none of them answers. A sentence that has the
//! name in a question and nothing else of it is about something else, so what is asked of the
//! name has to stand there too, as itself or as a word for the same fact, and a person, date or
//! number where one is asked for.

use super::super::lines::ReadLine;
use super::super::sentences::{Sentence, doubts};
use super::super::terms::{
    Token, allowed_edits, fold, foreign, is_stop_word, related, stem, tokenize, within_edits,
};
use super::super::text::is_mostly_han;
use super::question::Asked;
use std::collections::HashSet;

mod english;
mod han;

use english::{Head, Parsed};
use han::HanNeeds;

/// A word as said in a sentence.
#[derive(Debug, Clone)]
pub(super) struct Said {
    /// Folded.
    text: String,
    stem: String,
    capital: bool,
    /// Where it begins, in bytes.
    at: usize,
}

/// A sentence, taken to words.
#[derive(Debug, Clone, Default)]
pub(super) struct Text {
    /// The sentence.
    raw: String,
    words: Vec<Said>,
    stems: HashSet<String>,
    /// Words of which a character was read with doubt.
    doubtful: Vec<Vec<char>>,
    /// For each character, whether it was.
    doubts: Vec<bool>,
}

impl Text {
    pub(super) fn of(sentence: &Sentence, lines: &[ReadLine]) -> Self {
        let mut found = Self::of_str(&sentence.text);
        found.doubts = doubts(sentence, lines);
        if found.doubts.contains(&true) {
            for word in &found.words {
                let first = found.raw[..word.at].chars().count();
                let length = word.text.chars().count();
                let own = found.doubts.iter().skip(first).take(length);
                if own.clone().any(|doubt| *doubt) {
                    found.doubtful.push(word.text.chars().collect());
                }
            }
        }
        found
    }

    fn of_str(text: &str) -> Self {
        let mut words = Vec::new();
        tokenize(text, |token, at| {
            if let Token::Word(word) = token {
                let text = fold(word);
                words.push(Said {
                    stem: stem(&text).to_owned(),
                    text,
                    capital: word.starts_with(char::is_uppercase),
                    at,
                });
            }
        });
        Self {
            raw: text.to_owned(),
            stems: words.iter().map(|w| w.stem.clone()).collect(),
            words,
            ..Self::default()
        }
    }

    /// Whether a word stands here, or, unless it is a name, one for the same fact.
    fn holds(&self, word: &Wanted) -> bool {
        self.stems.contains(&word.stem)
            || word.joined.iter().any(|both| self.stems.contains(both))
            || !word.named && self.stems.iter().any(|own| related(own, &word.stem))
            || self.may_hold(&word.text)
    }

    /// Whether a word that was read with doubt may be this one.
    fn may_hold(&self, word: &str) -> bool {
        if self.doubtful.is_empty() {
            return false;
        }
        let spelled: Vec<char> = word.chars().collect();
        let limit = allowed_edits(spelled.len()).max(usize::from(spelled.len() == 4));
        limit > 0 && (self.doubtful.iter()).any(|own| within_edits(&spelled, own, limit))
    }
}

/// A word that a question has.
#[derive(Debug, Clone)]
struct Wanted {
    text: String,
    stem: String,
    named: bool,
    /// Stems of this word written as one with its neighbours: "timezone".
    joined: Vec<String>,
}

/// What stands around a sentence.
#[derive(Debug, Default)]
pub(super) struct Around<'a> {
    /// Whether the sentence begins with a pronoun.
    pub(super) refers: bool,
    /// The sentences before it in its paragraph, the one before it in any case, and the heading
    /// above.
    pub(super) before: Vec<&'a Text>,
    /// The sentence after it in its paragraph.
    pub(super) after: Option<&'a Text>,
}

/// What a sentence has to hold.
#[derive(Debug)]
pub(super) struct Needs {
    asked: Asked,
    parsed: Parsed,
    han: Option<HanNeeds>,
    /// Whether the question is in another language of Europe, of which only the words are compared.
    foreign: bool,
    /// Everything that the question says.
    said: Text,
}

impl Needs {
    pub(super) fn of(question: &str, asked: Asked) -> Self {
        let chinese = is_mostly_han(question);
        let foreign = foreign(question);
        let plain = foreign.as_ref().map_or(question, |own| &own.plain);
        Self {
            asked,
            parsed: Parsed::of(plain, chinese),
            foreign: foreign.is_some(),
            han: chinese.then(|| HanNeeds::of(question)),
            said: Text::of_str(question),
        }
    }

    /// Whether a sentence holds enough of what is asked, its surroundings helping out with what
    /// the question is about.
    pub(super) fn met(&self, text: &Text, around: &Around<'_>) -> bool {
        if self.foreign {
            return self.half_held(text, around);
        }
        if !self.names_held(text, around) {
            return false;
        }
        match &self.han {
            Some(han) => {
                let names: usize = self.parsed.names.iter().map(Vec::len).sum();
                let strong = names + self.parsed.objects.len() >= 2;
                han.held(text, around, self.asked, strong)
            }
            None => self.heads_held(text) && self.objects_held(text, around) && self.valued(text),
        }
    }

    /// Whether half of all words stand in a sentence or around it.
    fn half_held(&self, text: &Text, around: &Around<'_>) -> bool {
        let wanted = self.parsed.names.iter().flatten();
        let wanted = || wanted.clone().chain(&self.parsed.objects);
        let around = || around.before.iter().copied().chain(around.after);
        let held = wanted().filter(|w| text.holds(w) || around().any(|t| t.holds(w)));
        2 * held.count() >= wanted().count()
    }

    fn names_held(&self, text: &Text, around: &Around<'_>) -> bool {
        let share = |name: &[Wanted], texts: &[&Text]| {
            let found = (name.iter()).filter(|w| texts.iter().any(|t| t.holds(w)));
            2 * found.count() >= name.len()
        };
        let names = &self.parsed.names;
        let mut context = around.before.clone();
        context.push(text);
        // Latin words in a Chinese question: most of them, in its sentence or around it.
        if self.han.is_some() {
            let all: Vec<Wanted> = names.iter().flatten().cloned().collect();
            context.extend(around.after);
            return share(&all, &context);
        }
        names.iter().all(|name| {
            share(name, &[text])
                || (around.refers || self.leaves_open(text, name)) && share(name, &context)
        })
    }

    /// Whether a sentence may be about a name that it does not say: it begins with no subject of
    /// its own, and has no other name where the question has this one.
    fn leaves_open(&self, text: &Text, name: &[Wanted]) -> bool {
        let Some(first) = text.words.first() else {
            return false;
        };
        let asked_for = self.said.words.iter().any(|w| w.stem == first.stem);
        if !is_stop_word(&first.text) && !asked_for {
            return false;
        }
        let Some(preposition) = self.preposition_of(name) else {
            return true;
        };
        let mut pairs = text.words.windows(2);
        !pairs.any(|pair| pair[0].text == preposition && pair[1].capital)
    }

    /// The preposition before a name in the question: "of" in "the mayor of Halden".
    fn preposition_of(&self, name: &[Wanted]) -> Option<&str> {
        let at = (self.said.words.iter()).position(|w| w.text == name[0].text)?;
        let before = &self.said.words[at.checked_sub(1)?].text;
        english::is_preposition(before).then_some(before.as_str())
    }

    fn heads_held(&self, text: &Text) -> bool {
        // "Which device pretends that the disk is full?": no form tells, but two words do.
        let mut said = self.parsed.objects.iter().filter(|w| text.holds(w));
        if self.asked == Asked::Other && said.nth(1).is_some() {
            return true;
        }
        self.parsed.heads.iter().all(|h| self.head_held(h, text))
    }

    fn head_held(&self, head: &Head, text: &Text) -> bool {
        match head {
            Head::Word(word) => text.holds(word) || self.typed(word, text),
            Head::Measure(measure) => measure.is_match(&text.raw),
        }
    }

    /// Whether a value stands for the word that names its kind: an address with an @ is an e-mail
    /// address.
    fn typed(&self, word: &Wanted, text: &Text) -> bool {
        self.asked.has_typed(&self.said.raw, &text.raw)
            || english::is_cost(&word.stem) && english::MONEY.is_match(&text.raw)
    }

    fn objects_held(&self, text: &Text, around: &Around<'_>) -> bool {
        let objects = &self.parsed.objects;
        let around = || around.before.iter().copied().chain(around.after);
        let another = |w: &Wanted| {
            let mut own = text.words.iter();
            !text.holds(w) && own.any(|own| english::are_opposites(&own.text, &w.text))
        };
        if objects.iter().any(another) {
            return false;
        }
        let typed = self.asked.has_typed(&self.said.raw, &text.raw);
        let found = objects.iter().filter(|w| {
            text.holds(w)
                || around().any(|t| t.holds(w))
                || typed && english::is_kind_of_address(&w.text)
        });
        let found = found.count();
        // What is asked of a way or of a truth is said in many words, few of which must be there.
        if self.parsed.heads.is_empty() {
            return 3 * found >= objects.len();
        }
        if self.asked == Asked::Other {
            let heads = &self.parsed.heads;
            let held = heads.iter().filter(|h| self.head_held(h, text)).count();
            return 3 * (found + held) >= objects.len() + heads.len();
        }
        2 * found >= objects.len()
    }

    /// Whether what is asked for is there: a person, a date, a number.
    fn valued(&self, text: &Text) -> bool {
        match self.asked {
            Asked::Who => self.parsed.heads.is_empty() || self.names_somebody(text),
            Asked::When | Asked::Quantity => {
                let rest = self.without_numbers(&text.raw);
                self.asked.has_value(&rest)
            }
            Asked::Number => {
                let rest = self.without_numbers(&text.raw);
                self.asked.form(&self.said.raw, &rest) != Some(false)
            }
            Asked::Where => self.parsed.heads.is_empty() || self.asked.has_value(&text.raw),
            _ => true,
        }
    }

    /// The sentence without the numbers of the question: they cannot be what it asks for.
    fn without_numbers(&self, raw: &str) -> String {
        let mut rest = raw.to_owned();
        for word in &self.said.words {
            if word.text.contains(|c: char| c.is_ascii_digit()) {
                rest = rest.replace(&word.text, "");
            }
        }
        rest
    }

    /// Whether a sentence has a name that the question has not, and not as a place; or says "by",
    /// or a pronoun.
    fn names_somebody(&self, text: &Text) -> bool {
        text.words.iter().enumerate().any(|(at, word)| {
            let known = self.said.words.iter().any(|w| w.stem == word.stem);
            let before = at.checked_sub(1).map(|i| text.words[i].text.as_str());
            match word.text.as_str() {
                "by" | "he" | "she" | "they" | "we" | "his" | "her" => true,
                own => {
                    word.capital
                        && !known
                        && !is_stop_word(own)
                        && !english::is_calendar(own)
                        && !before.is_some_and(english::is_locative)
                }
            }
        })
    }
}
