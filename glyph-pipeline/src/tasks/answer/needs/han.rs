//! What a Chinese question asks of what.
//!
//! There is no dictionary: the question's ideographs are cut where it has words of asking,
//! particles and punctuation, and a word of it is missing from a sentence where two ideographs in
//! a row are in no pair that the sentence has.

use super::super::super::terms::han_synonyms;
use super::super::super::text::{is_han, pattern};
use super::super::question::Asked;
use super::{Around, Text};
use regex::Regex;
use std::sync::LazyLock;

/// Words that make a question, or say no more than the question does: longer ones first.
const CUTS: &[&str] = &[
    "什么时候",
    "什么时间",
    "什么地方",
    "多少年",
    "多少钱",
    "是什么",
    "为什么",
    "什么人",
    "有没有",
    "是不是",
    "能不能",
    "可不可以",
    "哪一年",
    "哪一天",
    "哪一位",
    "哪些人",
    "叫什么",
    "请问",
    "什么",
    "哪年",
    "哪天",
    "哪里",
    "哪儿",
    "哪些",
    "哪个",
    "哪位",
    "哪一",
    "这样",
    "这种",
    "哪所",
    "哪座",
    "何时",
    "何地",
    "何人",
    "何处",
    "为何",
    "如何",
    "多少",
    "多大",
    "多久",
    "多长",
    "多高",
    "多远",
    "多重",
    "多宽",
    "多深",
    "几个",
    "几年",
    "几月",
    "几号",
    "几天",
    "几点",
    "几次",
    "几位",
    "几名",
    "怎么样",
    "怎么",
    "怎样",
    "是否",
    "时间",
    "时候",
    "日期",
    "地点",
    "地方",
    "名字",
    "姓名",
    "名称",
    "名叫",
    "叫做",
    "数量",
    "人数",
    "总共",
    "一共",
    "共有",
    "共计",
    "目前",
    "现在",
    "当时",
    "具体",
    "大约",
    "大概",
    "一般",
    "分别",
    "主要",
    "应该",
    "可以",
    "需要",
    "能够",
    "属于",
    "位于",
    "情况",
    "内容",
    "拥有",
    "现有",
    "具有",
    "担任",
    "进行",
    "发生",
    "规定",
    "约定",
    "提到",
    "说明",
    "写明",
    "文中",
    "根据",
    "告诉",
    "最早",
    "最后",
    "最初",
    "原来",
    "后来",
    "由谁",
    "是谁",
    "被谁",
    "谁",
    "哪",
    "几",
    "何",
    "吗",
    "呢",
    "吧",
];

/// Single ideographs that say nothing about what is asked.
const PARTICLES: &str = "的了是在和与有为被把对也都而及或从到这那一个之于其以将就着由向给让叫做用要\
会能去来得很最还又再共该你我他她它们";
/// Those that stand for nothing when they stand alone.
const MEASURES: &str = "钱岁年月日天号名位人次元家种条本长高大重远宽深久少多斤亩米度第上中下里";

/// Ideographs after which a word begins anew, so that what follows is not a part of a compound.
const OPENERS: &str = "的了是在和与有为被把对也都而及或从到这那之于其以将就由该本此我贵各每";

/// What a sentence has to hold of a Chinese question.
#[derive(Debug)]
pub(super) struct HanNeeds {
    /// The parts of the question that say something.
    runs: Vec<Vec<char>>,
    /// The one that is asked about, not what it is asked of.
    fact: usize,
}

static DATE: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"[0-9０-９〇零一二三四五六七八九十百千两半几数]+\s*(?:世纪|年|个?月|日|号|天|点|时|小时|分钟|周|星期|岁)|[0-9]{4}|[0-9]{1,2}[:：/.-][0-9]{1,2}|春|夏|秋|冬|清明|今天|明天|昨天|今年|去年|明年|前年|每[年月日天周]|星期|周[一二三四五六日末]|早上|上午|中午|下午|晚上|凌晨|清晨|傍晚|当[天日年]|[之以]?[前后]|期间|初|底|末|朝|时期|年间|时",
    )
});
static NUMBER: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"[0-9０-９〇零一二三四五六七八九十百千万亿两半]|几|数|全部|所有|没有|无")
});

impl HanNeeds {
    pub(super) fn of(question: &str) -> Self {
        let mut plain = question.to_owned();
        for cut in CUTS {
            plain = plain.replace(cut, "？");
        }
        let runs: Vec<Vec<char>> = plain
            .split(|c: char| !is_han(c))
            .flat_map(split_run)
            .filter(|run| !matches!(run.as_slice(), [c] if MEASURES.contains(*c)))
            .collect();
        // 谁设计了旧仓库 and 旧仓库是谁设计的.
        let fact = match question.trim_start().starts_with('谁') {
            true => 0,
            false => runs.len().saturating_sub(1),
        };
        Self { runs, fact }
    }

    /// Whether a sentence holds what is asked. `strong` tells that it holds two words or numbers
    /// of the question besides, which say enough.
    pub(super) fn held(
        &self,
        text: &Text,
        around: &Around<'_>,
        asked: Asked,
        strong: bool,
    ) -> bool {
        let value = match asked {
            Asked::When => DATE.is_match(&text.raw),
            Asked::Quantity => NUMBER.is_match(&text.raw),
            _ => true,
        };
        // How and whether are answered in many ways; scores have to do.
        value
            && (asked.is_open()
                || strong
                || (self.runs.iter().enumerate())
                    .all(|(at, run)| is_held(run, at == self.fact, text, around)))
    }
}

/// Words that a particle is a part of.
const WHOLE: &[&str] = &[
    "目的", "会议", "用户", "被告", "还款", "能源", "要求", "使用", "费用", "利用", "作用", "协会",
    "大会", "社会", "机会", "工会", "与会", "去世", "来源", "由于", "得分", "对方", "对象", "和解",
    "共同", "最终", "最低", "最高", "之间", "以前", "以后", "会员", "会长", "给付", "要点", "用途",
    "信用", "应用", "租用", "和平", "也门", "成都", "首都", "都市",
];

/// Cuts a run at particles.
fn split_run(run: &str) -> Vec<Vec<char>> {
    let chars: Vec<char> = run.chars().collect();
    let mut cuts: Vec<bool> = chars.iter().map(|c| PARTICLES.contains(*c)).collect();
    for word in WHOLE {
        for (at, _) in run.match_indices(word) {
            let from = run[..at].chars().count();
            cuts[from..from + word.chars().count()].fill(false);
        }
    }
    let mut parts: Vec<Vec<char>> = vec![Vec::new()];
    for (c, cut) in chars.into_iter().zip(cuts) {
        match parts.last_mut() {
            Some(part) if !cut => part.push(c),
            _ => parts.push(Vec::new()),
        }
    }
    parts.retain(|part| !part.is_empty());
    parts
}

/// Whether the words of a run stand in the sentence, or around it where it has no other word in
/// their place. Of the `fact` that is asked for some has to stand in the sentence.
fn is_held(run: &[char], fact: bool, text: &Text, around: &Around<'_>) -> bool {
    let said: Vec<char> = text.raw.chars().collect();
    let covered = covered(run, &said, text);
    if fact && !covered.contains(&true) {
        return false;
    }
    let mut at = 0;
    while at < run.len() {
        if covered[at] {
            at += 1;
            continue;
        }
        let end = (at..run.len()).find(|&i| covered[i]).unwrap_or(run.len());
        // One ideograph beside others that stand there is another way to say it.
        let word = &run[at..end];
        let alone = word.len() == 1 && run.len() > 1;
        if !alone && (!stands_around(word, around) || has_rival(&run[end..], &said)) {
            return false;
        }
        at = end;
    }
    true
}

/// For each ideograph of a run, whether a pair with it, or a synonym, stands in the sentence.
fn covered(run: &[char], said: &[char], text: &Text) -> Vec<bool> {
    if let [only] = run {
        return vec![said.contains(only) || synonym_stands(&only.to_string(), &text.raw)];
    }
    let mut covered = vec![false; run.len()];
    let fits = |wanted: char, at: usize| {
        said[at] == wanted || is_han(said[at]) && text.doubts.get(at) == Some(&true)
    };
    for i in 0..run.len() - 1 {
        // A pair of which both were read with doubt says nothing.
        let stands = (0..said.len().saturating_sub(1)).any(|at| {
            fits(run[i], at)
                && fits(run[i + 1], at + 1)
                && (said[at] == run[i] || said[at + 1] == run[i + 1])
        });
        if stands {
            covered[i] = true;
            covered[i + 1] = true;
        }
    }
    let whole: String = run.iter().collect();
    for (word, group) in han_synonyms(&whole) {
        if group.iter().any(|other| text.raw.contains(other)) {
            for (at, _) in whole.match_indices(word) {
                let from = whole[..at].chars().count();
                covered[from..from + word.chars().count()].fill(true);
            }
        }
    }
    covered
}

fn synonym_stands(word: &str, raw: &str) -> bool {
    han_synonyms(word)
        .any(|(own, group)| own == word && group.iter().any(|other| raw.contains(other)))
}

fn stands_around(word: &[char], around: &Around<'_>) -> bool {
    let word: String = word.iter().collect();
    around.before.iter().any(|text| text.raw.contains(&word))
}

/// Whether the sentence has something else in front of what the missing word stands in front of:
/// 成都分公司 where 上海分公司 is asked for.
fn has_rival(rest: &[char], said: &[char]) -> bool {
    let Some(tail) = rest.get(..2) else {
        return false;
    };
    said.windows(3)
        .any(|three| &three[1..] == tail && is_han(three[0]) && !OPENERS.contains(three[0]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_what_a_question_says() {
        let runs = |question: &str| -> Vec<String> {
            let needs = HanNeeds::of(question);
            needs.runs.iter().map(|r| r.iter().collect()).collect()
        };
        assert_eq!(runs("上海分公司成立于哪一年？"), ["上海分公司成立"]);
        assert_eq!(runs("晨光公司的总部在哪里？"), ["晨光公司", "总部"]);
        assert_eq!(runs("灯塔是谁建的？"), ["灯塔", "建"]);
        assert_eq!(runs("公司有多少员工？"), ["公司", "员工"]);
        assert_eq!(runs("会议的目的是什么？"), ["会议", "目的"]);
    }
}
