//! What an English question asks of what.

use super::super::super::terms::{Token, fold, is_generic, is_stop_word, stem, tokenize};
use super::super::super::text::pattern;
use super::Wanted;
use regex::Regex;
use std::sync::LazyLock;

/// What a sentence has to say itself.
#[derive(Debug)]
pub(super) enum Head {
    /// The verb or noun that is asked about.
    Word(Wanted),
    /// A measure: "41 metres" for "how tall".
    Measure(&'static Regex),
}

/// The parts of a question.
#[derive(Debug, Default)]
pub(super) struct Parsed {
    /// What has to stand in the sentence.
    pub(super) heads: Vec<Head>,
    /// Other words, of which half have to stand in it or around it.
    pub(super) objects: Vec<Wanted>,
    /// Names, each of one or more words.
    pub(super) names: Vec<Vec<Wanted>>,
}

const BE: &str = " is are was were be been being isn't wasn't aren't weren't ";
const AUXILIARIES: &str = " do does did has have had can could will would shall should may might must \
didn't doesn't don't ";
const PREPOSITIONS: &str = " of for in at on to from by with under between during about into onto \
over near after before within without through against per as since until behind beside ";
const LOCATIVES: &str =
    " in at on near from to into onto through behind beside towards around across ";
const DETERMINERS: &str = " a an the his her their its my our your this that these those any some all \
each every no ";
const PRONOUNS: &str = " i you he she it we they one them him me us ";
const CLAUSES: &str = " that which who whom whose when where if while because and or but than ";
const QUESTIONS: &str = " who whom whose what which when where why how ";
const CALENDAR: &str = " january february march april may june july august september october november \
december jan feb mar apr jun jul aug sep sept oct nov dec monday tuesday wednesday thursday friday \
saturday sunday ";
/// Words of which one says that another is not meant.
const OPPOSITES: &[&str] = &[
    " north south east west ",
    " northern southern eastern western ",
    " old new ",
    " upper lower ",
    " first second third fourth fifth ",
    " daily weekly monthly quarterly yearly annual ",
];
/// Nouns that count what comes after "of".
const COUNTING: &str = " number amount total sum list percentage share rate level name names date \
year title ";
/// Participles that do not end in -ed.
const PARTICIPLES: &str = " built born bought brought caught chosen drawn driven fallen fought flown \
given grown held hidden kept known laid led lent lost made met paid put run sold sent set shot spent \
spoken stolen taken taught thrown told won worn written found left buried cut read begun broken \
frozen sunk ";

fn among(list: &str, word: &str) -> bool {
    list.match_indices(word)
        .any(|(at, _)| list[..at].ends_with(' ') && list[at + word.len()..].starts_with(' '))
}

pub(super) fn is_preposition(word: &str) -> bool {
    among(PREPOSITIONS, word)
}

pub(super) fn is_locative(word: &str) -> bool {
    among(LOCATIVES, word)
}

pub(super) fn is_calendar(word: &str) -> bool {
    among(CALENDAR, word)
}

/// Whether a word says what kind of number or address is asked for.
pub(super) fn is_kind_of_address(word: &str) -> bool {
    among(
        " phone telephone mobile fax email e mail url web website site page number address contact ",
        word,
    )
}

/// Whether one word says that the other is not meant: "north" and "south".
pub(super) fn are_opposites(a: &str, b: &str) -> bool {
    a != b && OPPOSITES.iter().any(|g| among(g, a) && among(g, b))
}

/// Whether a stem asks for money.
pub(super) fn is_cost(word: &str) -> bool {
    [
        "cost", "price", "pay", "fee", "charg", "worth", "rent", "paid", "spend",
    ]
    .contains(&word)
}

/// An amount of money.
pub(super) static MONEY: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)[$€£¥]\s?\d|\d[\d,.]*\s?(?:dollars?|euros?|pounds?|usd|eur|gbp|cny|yuan|crowns?|francs?|yen|cents?|pence)\b",
    )
});

/// Measures by the adjectives that ask for them.
static MEASURES: LazyLock<Vec<(&'static str, Regex)>> = LazyLock::new(|| {
    let length = r"(?i)\b(?:tall|high|height|long|length|deep|depth|wide|width|thick|far|distance|large|size|area|big)\b|\d\s?(?:px|mm|cm|m|km|ft|in|metres?|meters?|feet|foot|inch(?:es)?|miles?|kilomet(?:re|er)s?|yards?|acres?|hectares?|square|[kmgt]i?b|bytes?|pages?)\b|\d\s?[x×]\s?\d|\b(?:metres?|meters?|feet|miles?|kilomet(?:re|er)s|acres|hectares)\b";
    let time = r"(?i)\b(?:seconds?|minutes?|hours?|days?|nights?|weeks?|months?|years?|decades?|centur(?:y|ies)|long|length|until|term)\b";
    vec![
        (" tall high deep wide thick far large big ", pattern(length)),
        (" long ", pattern(&format!("{length}|{time}"))),
        (
            " old ",
            pattern(
                r"(?i)\b(?:old|aged?|years?|months?|born|built|founded|centur(?:y|ies)|since)\b",
            ),
        ),
        (
            " often frequently ",
            pattern(
                r"(?i)\b(?:every|each|once|twice|times|daily|weekly|monthly|quarterly|yearly|annual(?:ly)?|hourly|per|a\s+(?:day|week|month|year)|never|always|often|regular(?:ly)?)\b",
            ),
        ),
        (
            " fast quickly ",
            pattern(
                r"(?i)\b(?:fast|speed|knots?|mph|km/h|per\s+(?:second|minute|hour)|an?\s+(?:second|minute|hour))\b",
            ),
        ),
        (
            " heavy ",
            pattern(
                r"(?i)\b(?:heavy|weigh\w*|tons?|tonnes?|kilo(?:gram)?s?|kg|pounds?|lbs?|grams?)\b",
            ),
        ),
        (
            " hot cold warm ",
            pattern(r"(?i)\b(?:hot|cold|warm|temperatures?|degrees?)\b|°"),
        ),
        (
            " expensive ",
            pattern(&format!(
                "{}|(?i)\\b(?:costs?|price[sd]?|expensive)\\b",
                MONEY.as_str()
            )),
        ),
    ]
});

struct Word {
    text: String,
    stem: String,
    /// A word that says something: neither a stop word nor generic.
    content: bool,
    named: bool,
    /// Whether punctuation stands before it.
    apart: bool,
    /// Whether it begins a sentence.
    begins: bool,
}

impl Word {
    fn is(&self, list: &str) -> bool {
        among(list, &self.text)
    }
}

impl Parsed {
    /// Reads a question. Of a Chinese one only its Latin words are of interest: all are names.
    pub(super) fn of(question: &str, chinese: bool) -> Self {
        let words = words(question, chinese);
        let heads = if chinese {
            Heads::default()
        } else {
            heads(&words)
        };
        let wanted = |at: usize| Wanted {
            text: words[at].text.clone(),
            stem: words[at].stem.clone(),
            named: words[at].named,
            joined: joined(&words, at),
        };
        let mut parsed = Self::default();
        let mut last = None;
        for (at, word) in words.iter().enumerate() {
            if heads.words.contains(&at) || !word.content {
                continue;
            }
            if word.named {
                match parsed
                    .names
                    .last_mut()
                    .filter(|_| last == Some(at) && !word.apart)
                {
                    Some(name) => name.push(wanted(at)),
                    None => parsed.names.push(vec![wanted(at)]),
                }
                last = Some(at + 1);
            } else {
                parsed.objects.push(wanted(at));
            }
        }
        parsed.heads = heads
            .words
            .iter()
            .map(|&at| Head::Word(wanted(at)))
            .collect();
        parsed.heads.extend(heads.measure.map(Head::Measure));
        parsed
    }
}

fn joined(words: &[Word], at: usize) -> Vec<String> {
    let both = |a: usize, b: usize| stem(&format!("{}{}", words[a].text, words[b].text)).to_owned();
    let before = at.checked_sub(1).map(|b| both(b, at));
    let after = (at + 1 < words.len()).then(|| both(at, at + 1));
    before.into_iter().chain(after).collect()
}

fn words(question: &str, chinese: bool) -> Vec<Word> {
    let mut found: Vec<Word> = Vec::new();
    let mut end = 0;
    tokenize(question, |token, at| {
        let Token::Word(word) = token else {
            return;
        };
        let text = word.to_lowercase().replace('’', "'");
        let folded = if among(BE, &text) || among(AUXILIARIES, &text) {
            text
        } else {
            fold(word)
        };
        let stop = is_stop_word(&folded) || among(BE, &folded) || among(AUXILIARIES, &folded);
        let capital = word.starts_with(char::is_uppercase);
        let number = word.starts_with(|c: char| c.is_ascii_digit());
        // "What's" is "what is".
        let short = ["what's", "who's", "where's", "when's", "how's"]
            .contains(&word.to_lowercase().replace('’', "'").as_str());
        let quoted = question[..at].ends_with(['"', '“', '‘', '`']);
        let between = &question[end..at];
        // "Dr. Osei" is no end.
        let title = found.last().is_some_and(|w: &Word| w.text.len() <= 4) && between == ". ";
        let begins = found.is_empty() || between.contains(['.', '?', '!']) && !title;
        found.push(Word {
            stem: stem(&folded).to_owned(),
            content: !stop && !is_generic(&folded),
            named: chinese || number || quoted || capital && !begins && !stop,
            apart: begins || between.contains([',', ';', ':', '(']),
            begins,
            text: folded,
        });
        if short {
            found.push(Word {
                text: "is".to_owned(),
                stem: "is".to_owned(),
                content: false,
                named: false,
                apart: false,
                begins: false,
            });
        }
        end = at + word.len();
    });
    found
}

#[derive(Default)]
struct Heads {
    words: Vec<usize>,
    measure: Option<&'static Regex>,
}

/// Finds what is asked about. Without a question word, or where a way of doing something is
/// asked for, nothing has to stand in the sentence itself.
fn heads(words: &[Word]) -> Heads {
    let mut found = Heads::default();
    // What comes before the last sentence tells why one asks.
    let from = words.iter().rposition(|w| w.begins).unwrap_or(0);
    let Some(at) = (from..words.len()).find(|&i| words[i].is(QUESTIONS)) else {
        return found;
    };
    let next = at + 1;
    let Some(first) = words.get(next) else {
        return found;
    };
    let verb_at = (next..words.len()).find(|&i| words[i].is(BE) || words[i].is(AUXILIARIES));
    match words[at].text.as_str() {
        "how" if first.is(" many much ") => {
            let noun = (next + 1..verb_at.unwrap_or(words.len()))
                .take_while(|&i| !words[i].is(PREPOSITIONS))
                .filter(|&i| words[i].content && !words[i].named)
                .last();
            if let Some(verb) = verb_at {
                found.words.extend(noun);
                found.words.extend(after_verb(words, verb));
            } else {
                // "How many keepers lived in the tower?"
                let content = (next + 1..words.len()).filter(|&i| words[i].content);
                found
                    .words
                    .extend(content.take(2).filter(|&i| !words[i].named));
            }
        }
        "how" => {
            found.measure = MEASURES
                .iter()
                .find(|(adjectives, _)| first.is(adjectives))
                .map(|(_, measure)| measure);
        }
        "what" | "which" | "whose" if verb_at != Some(next) => {
            let own = (next..verb_at.unwrap_or(words.len()))
                .take_while(|&i| !words[i].is(PREPOSITIONS))
                .filter(|&i| words[i].content && !words[i].named);
            match verb_at {
                // What kind of thing it is need not be said: "Paris hosts the games."
                Some(verb) => {
                    found
                        .words
                        .extend(after_verb(words, verb).or_else(|| own.last()));
                }
                // "What caused the fire?", "Which city hosts the games?"
                None if words[at].text == "what" => found.words.extend(own.take(1)),
                None => found.words.extend(verb_of_clause(words, next)),
            }
        }
        "why" | "where" | "when" | "what" | "which" if verb_at == Some(next) => {
            found.words.extend(after_verb(words, next));
        }
        "who" | "whom" | "whose" if verb_at == Some(next) => {
            found.words.extend(after_verb(words, next));
        }
        "who" | "whom" => {
            let verb = (next..words.len())
                .find(|&i| words[i].content && !words[i].text.ends_with("ly"))
                .filter(|&i| !words[i].named);
            found.words.extend(verb);
        }
        _ => {}
    }
    found.words.sort_unstable();
    found.words.dedup();
    found
}

/// The head of what comes after "is" or "does".
fn after_verb(words: &[Word], verb: usize) -> Option<usize> {
    if words[verb].is(BE) {
        predicate(words, verb + 1)
    } else {
        // "What has been decided?"
        match words.get(verb + 1) {
            Some(next) if next.is(BE) => predicate(words, verb + 2),
            _ => verb_of_clause(words, verb + 1),
        }
    }
}

fn is_participle(word: &Word) -> bool {
    word.content
        && !word.named
        && (word.text.ends_with("ed") && word.text.len() > 4 || word.is(PARTICIPLES))
}

/// Of "the bridge at Arta built" the participle, of "the mayor of Halden" the noun.
fn predicate(words: &[Word], from: usize) -> Option<usize> {
    let end = end_of_clause(words, from);
    let participle = (from..end).find(|&i| {
        let closes = words
            .get(i + 1)
            .filter(|_| i + 1 < end)
            .is_none_or(|w| !w.content || w.apart);
        let determined = i > from && words[i - 1].is(DETERMINERS);
        is_participle(&words[i]) && closes && !determined
    });
    if participle.is_some() {
        return participle;
    }
    let mut start = from;
    loop {
        let stop = (start..end)
            .find(|&i| words[i].is(PREPOSITIONS))
            .unwrap_or(end);
        let noun = (start..stop)
            .rev()
            .find(|&i| !among(DETERMINERS, &words[i].text));
        let head = (start..stop).rev().find(|&i| words[i].content);
        let counts = noun.is_some_and(|i| words[i].is(COUNTING) || !words[i].content);
        let of = stop < end && words[stop].text == "of";
        if counts && of {
            // "the name of the harbour master"
            let rest = (stop + 1..end).find(|&i| words[i].content);
            if rest.is_some_and(|i| !words[i].named) {
                start = stop + 1;
                continue;
            }
        }
        return head.filter(|&i| !words[i].named);
    }
}

fn end_of_clause(words: &[Word], from: usize) -> usize {
    (from..words.len())
        .find(|&i| i > from && (words[i].apart || words[i].is(CLAUSES) && words[i].text != "and"))
        .unwrap_or(words.len())
}

/// The verb of "the old captain leave the harbour": a word after its subject and before what
/// cannot go on with a noun.
fn verb_of_clause(words: &[Word], from: usize) -> Option<usize> {
    let end = end_of_clause(words, from);
    let subject = |i: usize| {
        let word = &words[i];
        word.content || word.is(PRONOUNS) || word.named || is_generic(&word.text)
    };
    let closes = |i: usize| {
        words.get(i + 1).filter(|_| i + 1 < end).is_none_or(|w| {
            w.text != "of"
                && w.text != "and"
                && (w.is(PREPOSITIONS)
                    || w.is(DETERMINERS)
                    || w.is(PRONOUNS)
                    || w.is(CLAUSES)
                    || w.named
                    || is_stop_word(&w.text))
        })
    };
    let verb = (from + 1..end).find(|&i| {
        let verb = words[i].content || is_generic(&words[i].text);
        verb && !words[i].named && subject(i - 1) && closes(i)
    });
    // "How many steps does the tower have": the verb says nothing.
    let last = end.checked_sub(1).filter(|&i| i >= from && !words[i].named);
    verb.or(last).filter(|&i| words[i].content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_of_questions() {
        for (question, expected) in [
            ("Who is the mayor of Halden?", "mayor"),
            ("Who built the lighthouse?", "built"),
            ("When was Heron built?", "built"),
            ("When does work begin?", "begin"),
            (
                "When did the old captain leave the harbour of Lisbon?",
                "leave",
            ),
            ("What is the phone number of Ruth Osei?", "number"),
            ("What does Dr. Osei recommend?", "recommend"),
            ("How many people did the company employ?", "employ"),
            ("How many steps does the tower have?", "steps"),
            ("How many keepers lived in the tower?", "keepers lived"),
            (
                "Where does Doctor Amsel keep the key of the archive?",
                "keep",
            ),
            ("What is the harbour master of Velsund called?", "master"),
            (
                "In which year was the observatory on Mount Karrick opened?",
                "opened",
            ),
            ("What is the name of the harbour master?", "master"),
            ("What is the number of employees?", "employees"),
            (
                "Where is the name of the machine stored that is set at boot?",
                "stored",
            ),
            ("In which file are encrypted file systems set up?", "set"),
            ("What caused the fire?", "caused"),
            ("Which city hosts the games?", "hosts"),
            ("What does the ferry to Corran cost?", "cost"),
            ("Who is Isobel Tarrant?", ""),
            ("Why did the company fail?", "fail"),
            ("How do I change the time zone?", ""),
            ("Is smoking allowed?", ""),
            ("What's the rent of the old mill at Dunmore?", "rent"),
            ("How long does the lease on the flat last?", ""),
        ] {
            let words = words(question, false);
            let found: Vec<&str> = heads(&words)
                .words
                .iter()
                .map(|&i| words[i].text.as_str())
                .collect();
            assert_eq!(found.join(" "), expected, "{question}");
        }
    }
}
