//! What kind of thing a question asks for.

use super::super::terms::{Asks, Kind, Query, foreign, stem};
use super::super::text::pattern;
use regex::Regex;
use std::sync::LazyLock;

/// The kind of thing that is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    /// A person or organisation.
    Who,
    /// A date or time.
    When,
    /// A place.
    Where,
    /// A quantity, an amount.
    Quantity,
    /// The number, code or address that goes with one thing.
    Number,
    /// What something is.
    Definition,
    /// A reason.
    Why,
    /// Anything else.
    Other,
}

/// The first rule that fits decides.
static RULES: LazyLock<Vec<(Asked, Regex)>> = LazyLock::new(|| {
    let rule = |asked, source: &str| (asked, pattern(source));
    vec![
        rule(
            Asked::When,
            r"(?i)\bwhen\b|\b(?:what|which)\s+(?:year|date|day|month|time)\b|\bhow long ago\b|\bdate of\b|何时|什么时候|什么时间|哪一?[年天日月]|(?:^|[^那这好近前后])几[月号点年]|日期",
        ),
        rule(
            Asked::Quantity,
            r"(?i)\bhow\s+(?:many|much|old|tall|long|far|high|large|big|heavy|fast|deep|often)\b|\b(?:price|cost|amount|total|population|percentage|share|height|length|distance|weight|temperature)\b|多少|(?:^|[^那这好近前后])几[个人次名位天]|多[大长高远久重]",
        ),
        rule(
            Asked::Number,
            r"(?i)\b(?:number|code|password|passcode|pin|id|identifier|key|phone|telephone|extension|isbn|e-?mail|address|url)\b|号码|编号|密码|代码|数字|电话|邮箱|网址",
        ),
        rule(
            Asked::Who,
            r"(?i)\bwho(?:m|se)?\b|\bwhat(?:'s|\s+is|\s+was)\s+the\s+name\b|谁|何人|哪位|什么人",
        ),
        rule(
            Asked::Where,
            r"(?i)\bwhere\b|\b(?:what|which)\s+(?:city|country|town|place|street|state|village)\b|哪里|哪儿|何地|什么地方|在哪|哪个[国城省市地]|哪[所座]",
        ),
        rule(
            Asked::Why,
            r"(?i)\bwhy\b|\bwhat\s+(?:caused|led)\b|为什么|为何|原因",
        ),
        rule(
            Asked::Definition,
            r"(?i)^\W*(?:what|who)\s+(?:is|are|was|were|does)\b|\bdefin|\bmean(?:s|ing)?\b|是什么|什么是|指什么|何谓",
        ),
    ]
});

static DATE: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)\b(?:1\d{3}|20\d{2})\b|\b\d{1,2}[:.]\d{2}\b|\b(?:january|february|march|april|may|june|july|august|september|october|november|december|monday|tuesday|wednesday|thursday|friday|saturday|sunday|yesterday|tomorrow|noon|midnight|o'clock|spring|summer|autumn|winter|century)\b|\d+\s*[年月日点时]|[一二三四五六七八九十]+[月日]",
    )
});
static NUMBER: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)\d|\b(?:two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|fifteen|twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety|hundred|thousand|million|billion|dozen|half|twice)\b|[一二两三四五六七八九十百千万亿]+(?:[个名位人次年天元条种米]|分之)",
    )
});
static IDENTIFIER: LazyLock<Regex> = LazyLock::new(|| pattern(r"\d{2,}|\S+@\S+|://|\b[A-Z]+-?\d+"));
static PERSON: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"\b(?:Mr|Mrs|Ms|Dr|Prof|Sir|Lady|Lord|Captain|President|King|Queen)\b\.?\s+\p{Lu}|\b\p{Lu}\p{Ll}+\s+(?:\p{Lu}\.\s+)*\p{Lu}\p{Ll}+|先生|女士|教授|博士|[由是]\p{Han}{2,4}(?:创|写|发|建|提|设|担|率)",
    )
});
static PLACE: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"\b(?:in|at|near|on|from|to|of|outside|above|behind)\s+(?:the\s+)?\p{Lu}\p{Ll}+|(?i)\b(?:in|at|near|under|behind|inside|beside|beneath)\s+(?:the|a|an|his|her|their)\s+\w+|[在于位]\p{Han}{1,10}",
    )
});
static TIME: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)\d|\b(?:days?|weeks?|months?|years?|hours?|minutes?|mornings?|evenings?|nights?|midday|dusk|dawn|sunrise|sunset|after|before|until|since|when|upon|immediately|today|tonight|daily|weekly|monthly|annually|yearly|half\s+past|quarter|first|second|third|last|next|christmas|easter|during|once|always|never)\b",
    )
});
static FEW: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)\b(?:one|once|fourteen|sixteen|seventeen|eighteen|nineteen|single|no|none|never|several|few|couple|dozens?|hundreds|thousands|all|every|each|both|free|nothing|daily|weekly|monthly|yearly|annual(?:ly)?|regularly|often)\b",
    )
});
static POSITION: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)\b(?:in|at|on|near|under|behind|inside|beside|beneath|above|below|opposite|outside|along|between|among|into|onto|to|across|through|around|off|by|within|north|south|east|west|here|there|everywhere|from|of)\b|://|/\w",
    )
});
/// What is asked for has digits in it.
static DIGITS: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"(?i)\b(?:number|pin|phone|telephone|extension|isbn|zip|postcode)\b")
});
/// Questions for values that are known by their form, and the form.
static TYPED: LazyLock<Vec<(Regex, Regex)>> = LazyLock::new(|| {
    vec![
        (
            pattern(r"(?i)\b(?:phone|telephone|mobile|fax)\b|电话|手机"),
            pattern(r"\+?\d[\d ()/-]{6,}\d"),
        ),
        (pattern(r"(?i)\be-?mail\b|邮箱|邮件"), pattern(r"\S+@\S+")),
        (
            pattern(r"(?i)\b(?:url|web\s?(?:site|page)?|website|web\s+address)\b|网址|网站"),
            pattern(r"://|\bwww\."),
        ),
    ]
});
static REASON: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)\b(?:because|since|due to|owing to|as a result|so that|in order to|therefore|caused|the reason|thanks to)\b|因为|由于|为了|因此|所以|导致|原因",
    )
});

impl Asked {
    /// Classifies a question.
    pub(super) fn of(question: &str) -> Self {
        if let Some(own) = foreign(question) {
            return match own.asks {
                Asks::Who => Self::Who,
                Asks::When => Self::When,
                Asks::Where => Self::Where,
                Asks::Quantity => Self::Quantity,
                Asks::Why => Self::Why,
                Asks::Other => Self::Other,
            };
        }
        RULES
            .iter()
            .find(|(_, rule)| rule.is_match(question))
            .map_or(Self::Other, |(asked, _)| *asked)
    }

    /// Whether what is asked for has no form, and the words of its answer cannot be told.
    pub(super) fn is_open(self) -> bool {
        matches!(self, Self::Why | Self::Other)
    }

    /// Whether a sentence has a time, a number or a place, where one is asked for.
    pub(super) fn has_value(self, sentence: &str) -> bool {
        match self {
            Self::When => DATE.is_match(sentence) || TIME.is_match(sentence),
            Self::Quantity => NUMBER.is_match(sentence) || FEW.is_match(sentence),
            Self::Where => POSITION.is_match(sentence),
            _ => true,
        }
    }

    /// Whether a sentence has what an asked-for number has to look like; `None` where it may look
    /// like anything, as a password.
    pub(super) fn form(self, question: &str, sentence: &str) -> Option<bool> {
        if self.has_typed(question, sentence) {
            return Some(true);
        }
        let number = self == Self::Number && DIGITS.is_match(question);
        number.then(|| sentence.contains(|c: char| c.is_ascii_digit()))
    }

    /// Whether a sentence has a telephone number, an e-mail or a web address, and that is asked
    /// for: no word needs to say what it is.
    pub(super) fn has_typed(self, question: &str, sentence: &str) -> bool {
        self == Self::Number
            && TYPED
                .iter()
                .any(|(asks, value)| asks.is_match(question) && value.is_match(sentence))
    }

    /// What a sentence's contents add to (or take from) its score.
    pub(super) fn fitness(self, sentence: &str, query: &Query) -> f32 {
        let (sign, wanted, bonus, malus) = match self {
            Self::Who => (true, &PERSON, 0.12, 0.05),
            Self::When => (true, &DATE, 0.15, 0.12),
            Self::Where => (true, &PLACE, 0.1, 0.05),
            Self::Quantity => (true, &NUMBER, 0.15, 0.12),
            Self::Number => (true, &IDENTIFIER, 0.15, 0.15),
            Self::Why => (true, &REASON, 0.15, 0.03),
            Self::Definition | Self::Other => (false, &NUMBER, 0.0, 0.0),
        };
        let mut score = 0.0;
        if sign {
            let rest = without_terms(sentence, query);
            score += if wanted.is_match(&rest) {
                bonus
            } else {
                -malus
            };
        }
        if self == Self::Definition && defines(sentence, query) {
            score += 0.2;
        }
        score
    }
}

/// The sentence without the numbers and names that the question already has:
/// they cannot be what it asks for.
fn without_terms(sentence: &str, query: &Query) -> String {
    let mut rest = sentence.to_owned();
    for term in &query.terms {
        if term.kind == Kind::Word && term.text.contains(|c: char| c.is_ascii_digit()) {
            rest = rest.replace(&term.text, "");
        }
    }
    rest
}

static VERB: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)^\s*(?:\([^)]*\)|（[^）]*）)?\s*,?\s*(?:is|are|was|were|means?|refers?\s+to|denotes?|describes?|consists?\s+of|stands?\s+for|是|指|即|意为|称为|就是)",
    )
});

/// Whether the sentence says what the question's subject is: the subject,
/// early in the sentence, and then a verb that defines.
fn defines(sentence: &str, query: &Query) -> bool {
    let lower = sentence.to_lowercase();
    query.terms.iter().any(|term| {
        let needle = if term.kind == Kind::Word {
            stem(&term.text)
        } else {
            term.text.as_str()
        };
        if matches!(term.kind, Kind::Unigram(_)) {
            return false;
        }
        let Some(at) = lower.find(needle) else {
            return false;
        };
        let rest = &lower[at + needle.len()..];
        let ending = rest
            .char_indices()
            .find(|(_, c)| !c.is_ascii_alphabetic())
            .map_or(rest.len(), |(i, _)| i);
        at <= 60 && VERB.is_match(&rest[if ending <= 4 { ending } else { 0 }..])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classifies() {
        for (question, asked) in [
            ("Who wrote Carmen?", Asked::Who),
            ("In which year did it burn?", Asked::When),
            ("合同何时签订？", Asked::When),
            ("公司有多少员工？", Asked::Quantity),
            ("谁创办了公司？", Asked::Who),
            ("工厂在哪里？", Asked::Where),
            (
                "What is the special magic number for red fox?",
                Asked::Number,
            ),
            ("How many ships sailed?", Asked::Quantity),
            ("What is a heliograph?", Asked::Definition),
            ("什么是光学压缩？", Asked::Definition),
            ("Why did the bridge fall?", Asked::Why),
            ("Where is the key?", Asked::Number),
            ("Describe the storm", Asked::Other),
            ("Wann wurde der Turm gebaut?", Asked::When),
            ("Combien coûte le billet ?", Asked::Quantity),
        ] {
            assert_eq!(Asked::of(question), asked, "{question}");
        }
    }

    #[test]
    fn recognises_definitions() {
        let query = Query::new("What is a heliograph?");
        assert!(defines("A heliograph is a mirror.", &query));
        assert!(defines("Heliographs (from Greek) are mirrors.", &query));
        assert!(!defines("He bought a heliograph yesterday.", &query));
        let query = Query::new("什么是光学压缩？");
        assert!(defines("光学压缩是指把文本画成图像。", &query));
    }
}
