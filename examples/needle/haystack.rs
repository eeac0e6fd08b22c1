//! Texts with facts in them, from a seed.

use std::fmt;

/// What is planted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Number,
    Uuid,
    Name,
    Chinese,
}

impl Kind {
    pub(crate) const ALL: [Kind; 4] = [Kind::Number, Kind::Uuid, Kind::Name, Kind::Chinese];
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Number => "number",
            Self::Uuid => "UUID",
            Self::Name => "name",
            Self::Chinese => "Chinese fact",
        })
    }
}

/// A fact and the question that asks for it.
pub(crate) struct Needle {
    pub(crate) kind: Kind,
    pub(crate) question: String,
    pub(crate) answer: String,
    sentence: String,
}

/// Facts of the same form about other things, for each kind.
const OTHERS: usize = 3;

const WORDS: &[&str] = &[
    "the",
    "of",
    "and",
    "to",
    "in",
    "that",
    "was",
    "his",
    "with",
    "for",
    "had",
    "not",
    "from",
    "they",
    "which",
    "river",
    "harbour",
    "letter",
    "winter",
    "engine",
    "garden",
    "number",
    "special",
    "magic",
    "captain",
    "market",
    "window",
    "silver",
    "station",
    "question",
    "answer",
    "doctor",
    "evening",
    "village",
    "machine",
    "history",
    "paper",
    "between",
    "through",
    "against",
    "under",
    "keeper",
    "access",
    "key",
    "collection",
];
const HAN_WORDS: &[&str] = &[
    "我们", "他们", "的", "了", "在", "和", "与", "一条", "河流", "港口", "冬天", "机器", "花园",
    "船长", "市场", "窗户", "车站", "问题", "医生", "晚上", "村庄", "历史", "报纸", "经过", "之间",
    "看见", "觉得", "以后", "因为", "所以", "设计", "建成", "一座", "老师", "学生", "山上", "下雨",
    "音乐", "认为", "常常",
];
const FIRST: &[&str] = &[
    "quiet",
    "purple",
    "frozen",
    "hollow",
    "golden",
    "wandering",
    "silent",
    "crooked",
    "gentle",
    "bitter",
    "scarlet",
    "ancient",
];
const SECOND: &[&str] = &[
    "otter", "lantern", "mountain", "violin", "compass", "orchard", "falcon", "teapot", "glacier",
    "anvil", "meadow", "beacon",
];
const SYLLABLES: &[&str] = &[
    "ka", "ro", "mi", "ten", "sul", "bra", "vi", "lon", "det", "pas", "ne", "gor", "fi", "hal",
    "wes", "tra", "el", "dom", "jin", "or",
];
const PLACES: &str = "青云石龙白沙金湖东江南岭西溪北塘高桥";
const THINGS: &[&str] = &["图书馆", "大桥", "灯塔", "剧院", "博物馆", "钟楼"];
const SURNAMES: &str = "赵钱孙李周吴郑王冯陈褚卫蒋沈韩杨朱秦许何";
const GIVEN: &str = "伟芳娜敏静丽强磊军洋勇艳杰涛明超兰霞平刚桂英华文辉玲建国志鹏";

/// Numbers from a seed (splitmix64).
pub(crate) struct Numbers(u64);

impl Numbers {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % n.max(1) as u64) as usize
    }

    fn pick<'a>(&mut self, words: &[&'a str]) -> &'a str {
        words[self.below(words.len())]
    }

    fn chars(&mut self, set: &str, n: usize) -> String {
        let set: Vec<char> = set.chars().collect();
        (0..n).map(|_| set[self.below(set.len())]).collect()
    }

    fn word(&mut self) -> String {
        let n = 2 + self.below(2);
        let word: String = (0..n).map(|_| self.pick(SYLLABLES)).collect();
        word[..1].to_uppercase() + &word[1..]
    }
}

/// Prose of so many characters: three English paragraphs of four, the rest Chinese.
pub(crate) fn prose(numbers: &mut Numbers, chars: usize) -> String {
    let mut out = String::new();
    let mut length = 0;
    while length < chars {
        let chinese = numbers.below(4) == 0;
        for _ in 0..3 + numbers.below(6) {
            let sentence = if chinese {
                let words: String = (0..5 + numbers.below(12))
                    .map(|_| numbers.pick(HAN_WORDS))
                    .collect();
                words + "。"
            } else {
                let words: Vec<&str> = (0..6 + numbers.below(12))
                    .map(|_| numbers.pick(WORDS))
                    .collect();
                let words = words.join(" ");
                words[..1].to_uppercase() + &words[1..] + ". "
            };
            length += sentence.chars().count();
            out.push_str(&sentence);
        }
        out.push_str("\n\n");
        length += 2;
    }
    out
}

/// A fact about a thing that no other of `taken` is about.
fn fact(kind: Kind, numbers: &mut Numbers, taken: &mut Vec<String>) -> Needle {
    let thing = loop {
        let thing = match kind {
            Kind::Chinese => numbers.chars(PLACES, 2) + numbers.pick(THINGS),
            _ => format!("{} {}", numbers.pick(FIRST), numbers.pick(SECOND)),
        };
        if !taken.contains(&thing) {
            break thing;
        }
    };
    taken.push(thing.clone());
    let (question, sentence, answer) = match kind {
        Kind::Number => {
            let n = (1_000_000 + numbers.below(9_000_000)).to_string();
            (
                format!("What is the special magic number for {thing}?"),
                format!("The special magic number for {thing} is {n}. "),
                n,
            )
        }
        Kind::Uuid => {
            let id = [8, 4, 4, 4, 12].map(|n| numbers.chars("0123456789abcdef", n));
            let id = id.join("-");
            (
                format!("What is the access key of the {thing} server?"),
                format!("The access key of the {thing} server is {id}. "),
                id,
            )
        }
        Kind::Name => {
            let name = format!("{} {}", numbers.word(), numbers.word());
            (
                format!("Who is the keeper of the {thing} collection?"),
                format!("The keeper of the {thing} collection is {name}. "),
                name,
            )
        }
        Kind::Chinese => {
            let name = numbers.chars(SURNAMES, 1) + &numbers.chars(GIVEN, 2);
            let year = 1850 + numbers.below(170);
            (
                format!("{thing}的设计者是谁？"),
                format!("{thing}建于{year}年，设计者是{name}。"),
                name,
            )
        }
    };
    Needle {
        kind,
        question,
        answer,
        sentence,
    }
}

/// Plants one fact of each kind to ask for, and others of its form.
pub(crate) fn plant(text: String, numbers: &mut Numbers) -> (String, Vec<Needle>) {
    let ends: Vec<usize> = text
        .match_indices(". ")
        .map(|(at, end)| at + end.len())
        .chain(text.match_indices('。').map(|(at, end)| at + end.len()))
        .collect();
    let mut needles = Vec::new();
    let mut planted: Vec<(usize, String)> = Vec::new();
    for kind in Kind::ALL {
        let mut taken = Vec::new();
        for i in 0..=OTHERS {
            let needle = fact(kind, numbers, &mut taken);
            let at = ends.get(numbers.below(ends.len())).copied();
            planted.push((at.unwrap_or(text.len()), needle.sentence.clone()));
            if i == 0 {
                needles.push(needle);
            }
        }
    }
    planted.sort();
    let mut out = String::with_capacity(text.len() + 2000);
    let mut from = 0;
    for (at, sentence) in planted {
        out.push_str(&text[from..at]);
        out.push_str(&sentence);
        from = at;
    }
    out.push_str(&text[from..]);
    (out, needles)
}
