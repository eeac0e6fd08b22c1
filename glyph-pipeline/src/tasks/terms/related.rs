//! Words that mean the same fact: irregular forms, derived words, synonyms.
//!
//! Used where a sentence has to hold what a question asks for, so that "established" answers for
//! "founded". Ranking looks for the words themselves.

use super::stem;
use std::collections::HashMap;
use std::sync::LazyLock;

/// Irregular forms and what they are forms of. Forms that are other words as well ("found",
/// "left", "saw") are not here.
const IRREGULAR: &[(&str, &str)] = &[
    ("built", "build"),
    ("began", "begin"),
    ("begun", "begin"),
    ("bought", "buy"),
    ("brought", "bring"),
    ("caught", "catch"),
    ("chose", "choose"),
    ("chosen", "choose"),
    ("died", "die"),
    ("drew", "draw"),
    ("drawn", "draw"),
    ("drove", "drive"),
    ("driven", "drive"),
    ("fell", "fall"),
    ("fallen", "fall"),
    ("fought", "fight"),
    ("flew", "fly"),
    ("flown", "fly"),
    ("gave", "give"),
    ("given", "give"),
    ("grew", "grow"),
    ("grown", "grow"),
    ("held", "hold"),
    ("kept", "keep"),
    ("knew", "know"),
    ("known", "know"),
    ("laid", "lay"),
    ("led", "lead"),
    ("lent", "lend"),
    ("lost", "lose"),
    ("made", "make"),
    ("met", "meet"),
    ("paid", "pay"),
    ("ran", "run"),
    ("rose", "rise"),
    ("risen", "rise"),
    ("sang", "sing"),
    ("sank", "sink"),
    ("sunk", "sink"),
    ("sent", "send"),
    ("shot", "shoot"),
    ("slept", "sleep"),
    ("sold", "sell"),
    ("spent", "spend"),
    ("spoke", "speak"),
    ("spoken", "speak"),
    ("stole", "steal"),
    ("stolen", "steal"),
    ("stood", "stand"),
    ("swam", "swim"),
    ("taught", "teach"),
    ("took", "take"),
    ("taken", "take"),
    ("thought", "think"),
    ("threw", "throw"),
    ("thrown", "throw"),
    ("understood", "understand"),
    ("went", "go"),
    ("woke", "wake"),
    ("won", "win"),
    ("wore", "wear"),
    ("worn", "wear"),
    ("wrote", "write"),
    ("written", "write"),
    ("women", "woman"),
    ("men", "man"),
    ("children", "child"),
];

static BASES: LazyLock<HashMap<&str, &str>> = LazyLock::new(|| IRREGULAR.iter().copied().collect());

/// What an irregular form is a form of: "build" for "built".
pub(super) fn base(word: &str) -> Option<&'static str> {
    BASES.get(word).copied()
}

/// Words of which one answers for another, a group a line.
const SYNONYMS: &[&str] = &[
    "build construct construction erect builder",
    "found founder establish establishment create start",
    "begin start commence commencement initiate open opening",
    "end finish expire expiry terminate termination conclude close",
    "buy purchase acquire acquisition buyer",
    "sell sale seller sold",
    "cost price fee charge pay paid worth",
    "pay payment payable salary wage",
    "salary wage pay earn income",
    "own owner ownership belong possess",
    "write author writer wrote",
    "chair chairman chairwoman chairperson preside",
    "die death dead killed",
    "born birth",
    "sign signature signatory signed conclude",
    "decide decision resolve resolution vote agree approve accept",
    "approve approval accept adopt",
    "elect election vote",
    "weigh weight heavy tonne kilogram kilo kg ton pound gram",
    "tall height high",
    "population inhabitant resident people",
    "phone telephone tel mobile call",
    "email mail e-mail",
    "manage manager management head",
    "lead leader head led",
    "live lives living reside residence resident dwell",
    "employ employee staff worker employment",
    "deliver delivery delivered supply",
    "fall collapse fell",
    "fail failure failed bankrupt",
    "burn fire burnt",
    "sink wreck sank",
    "depart departure leave leaves",
    "arrive arrival reach",
    "marry marriage married wife husband wed",
    "rent lease",
    "tenant lessee",
    "landlord lessor",
    "ceo chief executive",
    "boss head chief",
    "occupation profession job work",
    "warranty guarantee",
    "penalty fine",
    "deposit bond",
    "colour color",
    "car vehicle",
    "doctor physician dr",
    "repair fix mend",
    "replace replacement substitute alternative equivalent successor",
    "contain hold include",
    "happen occur",
    "discover find discovery found",
    "win winner won",
    "lose loss lost",
    "speed fast",
    "width wide",
    "depth deep",
    "length long",
    "teach teacher taught",
    "attend attendance present",
    "absent absence apology apologies",
    "meet meeting met",
    "choose choice select selection appoint",
    "appoint appointment",
    "purpose aim goal",
    "cause because",
    "erase wipe delete remove clear",
    "free unused empty",
    "job task work",
    "notice notify notification",
];

/// The groups of each stem.
static GROUPS: LazyLock<HashMap<&str, Vec<usize>>> = LazyLock::new(|| {
    let mut groups: HashMap<&str, Vec<usize>> = HashMap::new();
    for (number, line) in SYNONYMS.iter().enumerate() {
        for word in line.split(' ') {
            groups.entry(stem(word)).or_default().push(number);
        }
    }
    groups
});

/// Endings that make another word of the same fact.
const ENDINGS: &[&str] = &[
    "", "er", "or", "ion", "ation", "ment", "ance", "ence", "al", "ist", "ive", "ing", "e", "y",
];

/// Whether one word can stand for another: both are stems.
pub(crate) fn related(a: &str, b: &str) -> bool {
    if a == b {
        return true;
    }
    if let (Some(own), Some(other)) = (GROUPS.get(a), GROUPS.get(b))
        && own.iter().any(|group| other.contains(group))
    {
        return true;
    }
    let (short, long) = if a.len() < b.len() { (a, b) } else { (b, a) };
    short.len() >= 4
        && long
            .strip_prefix(short)
            .is_some_and(|rest| ENDINGS.contains(&rest))
}

/// Words that say no more than the question word beside them.
const GENERIC: &str = " year years date dates day days month time times name names person persons \
people place places thing things kind kinds type types sort reason reasons way ways use used using \
called call named located situated based known say says stated mentioned now today currently \
originally finally first last actually really ever still mainly usually exactly location city town \
country village happen happened happens take takes took place became become get got gets go goes \
went come came done made there altogether total amount ";

/// Whether a folded word says no more than a question word does.
pub(crate) fn is_generic(word: &str) -> bool {
    GENERIC.split(' ').any(|own| own == word && !own.is_empty())
}

/// Chinese words of which one answers for another.
const HAN_SYNONYMS: &[&[&str]] = &[
    &[
        "成立", "创立", "创办", "设立", "建立", "组建", "创建", "创始",
    ],
    &[
        "修建", "建造", "始建", "建成", "兴建", "建于", "修筑", "落成", "建设", "盖",
    ],
    &["设计", "设计者", "设计师"],
    &["创始人", "创立", "创办", "创建"],
    &["签订", "签署", "签约", "订立", "签字"],
    &["到期", "届满", "截止", "终止", "期满"],
    &["开始", "起始", "启动", "动工", "开工", "起"],
    &["结束", "完成", "完工", "竣工", "为止"],
    &[
        "金额", "总价", "价款", "总额", "价格", "费用", "货款", "款项", "合计",
    ],
    &["售价", "价格", "单价", "定价", "票价"],
    &["租金", "房租", "月租"],
    &["工资", "薪水", "薪酬", "月薪", "年薪"],
    &["员工", "职工", "雇员", "人员"],
    &["电话", "手机", "联系方式", "拨打", "热线"],
    &["邮箱", "邮件", "写信", "电子邮件"],
    &["地址", "位于", "坐落", "地处", "总部"],
    &["作者", "撰写", "写作", "编著", "著"],
    &["负责人", "负责", "主管", "主持"],
    &["发明", "发明者", "发明人"],
    &["发现", "找到"],
    &["出生", "生于", "诞生"],
    &["去世", "逝世", "死亡", "死于", "病逝"],
    &["购买", "买", "采购", "购入", "购置"],
    &["出售", "卖", "销售", "售出"],
    &["高度", "高", "海拔"],
    &["长度", "长"],
    &["面积", "占地", "平方米", "亩", "公顷"],
    &["人口", "居民"],
    &["目的", "为了", "旨在"],
    &["原因", "因为", "由于"],
    &["违约金", "罚金", "滞纳金"],
    &["保修", "质保", "保修期", "质保期"],
    &["押金", "保证金", "定金"],
    &["出席", "参加", "到会"],
    &["种植", "种", "栽种", "栽培"],
    &["老板", "店主", "经营者"],
    &["妻子", "太太", "夫人"],
    &["丈夫", "先生"],
    &["父亲", "爸爸", "父"],
    &["母亲", "妈妈", "母"],
    &["交货", "交付", "发货", "供货"],
    &["付款", "支付", "缴纳", "付清"],
    &["召开", "举行", "开会"],
    &["损失", "亏损"],
    &["收入", "营收"],
    &["书名", "题为", "《"],
];

/// The groups of Chinese synonyms of which a word stands in `text`.
pub(crate) fn han_synonyms(
    text: &str,
) -> impl Iterator<Item = (&'static str, &'static [&'static str])> {
    HAN_SYNONYMS.iter().flat_map(move |group| {
        group
            .iter()
            .filter(move |word| text.contains(**word))
            .map(move |word| (*word, *group))
    })
}
