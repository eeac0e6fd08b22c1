//! What is asked, without what is said around it: "please", "answer in JSON", "you are a helpful
//! assistant".

use super::super::sentences::split_sentences;
use super::super::text::{is_han, pattern};
use super::{Token, fold, is_stop_word, tokenize};
use regex::Regex;
use std::sync::LazyLock;

/// What a document may be called by who asks about it.
const DOCUMENT: &str = r"(?:(?:attached|above|following|given|provided|uploaded|whole|entire|full)\s+)?(?:documents?|texts?|files?|pdfs?|pages?|passages?|articles?|excerpts?|context|content|contract|report|agreement|manual|minutes)(?:\s+(?:above|below))?";

/// Phrases around a question; what is left of them when they are taken out is still a question.
static PHRASES: LazyLock<Vec<Regex>> = LazyLock::new(|| {
    [
        r"(?i)^\s*(?:q|question|query|task|user)\s*[:：]\s*",
        r"(?i)[\s,;]*\b(?:please|kindly|thanks|thank\s+you|thx)\b[\s,!.]*",
        r"(?i)\b(?:carefully\s+)?(?:read|look\s+at|go\s+through|analy[sz]e|study|use|consult|search|check|examine)\s+(?:carefully\s+)?(?:through\s+)?(?:the|this|my)\s+DOCUMENT(?:\s+carefully)?\s*(?:,|;|\band\b|\bto\b|\bthen\b)+\s*(?:then\s+)?",
        r"(?i)\b(?:based|relying|going)\s+(?:only\s+|solely\s+)?(?:up)?on\s+(?:the|this|my)\s+DOCUMENT\s*,?",
        r"(?i)\b(?:according\s+to|as\s+per|using\s+(?:only\s+)?)\s*(?:the|this|my)\s+DOCUMENT\s*,?",
        r"(?i)\b(?:can|could|would|will)\s+you\s+(?:also\s+)?(?:tell|show|explain\s+to|give|let)\s+(?:me|us)(?:\s+know)?\b",
        r"(?i)\b(?:tell|inform)\s+(?:me|us)\b(?:\s+about\b)?",
        r"(?i)\b(?:let\s+(?:me|us)\s+know|do\s+you\s+know|i(?:'d|’d|\s+would)?\s+(?:want|like|need)\s+to\s+(?:know|find\s+out)|i\s+wonder|explain\s+to\s+(?:me|us))\b",
        r"(?i)\b(?:does|do|did)\s+(?:the|this|my)\s+DOCUMENT\s+(?:say|state|mention|specify|provide|stipulate|tell\s+us)\b(?:\s+(?:about|on|regarding))?",
        r"(?i)[\s,]*\bin\s+(?:as\s+much\s+|great\s+|full\s+|more\s+|some\s+)?(?:detail|brief|short|depth)\b",
        r"(?i)[\s,]*\bstep\s+by\s+step\b",
        r"(?i)[\s,]*\b(?:with|and|including|include|give|giving|add|cite|citing|provide)\s+(?:the\s+|all\s+|exact\s+|page\s+|your\s+|relevant\s+)*(?:references?|citations?|sources?|page\s+numbers?|evidence|quotations?|quotes?)\b(?:\s+(?:for|to|from)\s+(?:your|the|each|every)\s+(?:answers?|claims?|DOCUMENT))?",
        r"(?i)[\s,]*\b(?:answer|reply|respond|output|return|write|format|print)\s+(?:it\s+|me\s+|the\s+answer\s+|your\s+answer\s+)?(?:only\s+)?(?:in|as|with)\s+(?:valid\s+|plain\s+|an?\s+|one\s+|the\s+|bullet\s+|short\s+|complete\s+|single\s+)*(?:json|xml|yaml|csv|html|markdown|table|list|points?|text|english|chinese|french|german|spanish|words?|sentences?|paragraphs?|objects?)(?:\s+(?:format|form|objects?|only))?\b",
        r"(?i)[\s,]*,\s*(?:in|as)\s+(?:valid\s+|a\s+|an\s+|one\s+)*(?:json|xml|yaml|csv|markdown|table|sentence|bullet\s+points?)(?:\s+(?:format|objects?))?\s*(?:[.?!]|$)",
        r"(?i)[\s,]*\b(?:in|as)\s+(?:json|xml|yaml|csv|markdown)\s+format\b",
        r"请问|麻烦(?:你|您)?|谢谢(?:你|您)?",
        r"请?(?:仔细|认真)?(?:阅读|查阅|浏览|结合|参考|参照|依据|根据|按照|基于|依照)(?:一下)?(?:以上|上述|上面|以下|下面|下列|本|该|这份|这篇|此|所给|提供|给出|的)*(?:文档|文件|文章|文本|材料|资料|原文|文中|全文|合同|报告|内容|上下文|手册|纪要)(?:中)?(?:的)?(?:内容|信息)?(?:来)?[，,、；]?",
        r"[，,]?(?:请)?(?:用|以|按)(?:JSON|json|XML|中文|英文|英语|汉语|表格|列表|一句话|简短|简洁)(?:的)?(?:格式|形式|语言)?(?:来)?(?:回答|作答|输出|返回|回复|给出答案)?",
        r"请?(?:你|您)?(?:能否|能不能|可否|可以|帮我|给我|帮忙)*(?:详细|简要|简单|具体)?(?:地)?(?:告诉|告知|回答)(?:我|一下|我们)*(?:下列|以下|下面)?(?:的)?(?:问题)?[：:，,]?",
        r"[，,]?(?:并|同时)?(?:请)?(?:给出|注明|附上|标明|列出|提供)(?:相关|具体|对应|原文)?(?:的)?(?:出处|引用|依据|页码|来源|参考文献|引文)",
        r"^请(?:详细|简要|简单)?(?:说明|介绍|描述|列出|写出|找出|指出)?(?:一下)?",
    ]
    .iter()
    .map(|source| pattern(&source.replace("DOCUMENT", DOCUMENT)))
    .collect()
});

/// How a sentence begins that tells how to answer rather than what.
static INSTRUCTS: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)^\W*(?:you\s+are|you're|you\s+will|you\s+must|you\s+should|your\s+(?:task|job|role|answer)|act\s+as|do\s+not|don't|never|always|answer|respond|reply|output|return|be\s+(?:concise|brief|precise|accurate)|if\s+(?:you|the\s+answer)|only\s+(?:answer|use)|use\s+(?:only|the)|keep\s+(?:it|your)|think\b|cite\b|quote\b|include\b|format\b|write\s+(?:your|the\s+answer)|limit\b|make\s+sure|here\s+is|below\s+is|the\s+following|i\s+(?:have\s+)?(?:uploaded|attached))|^\W*(?:你是|您是|不要|不得|只能|仅|只|回答|输出|返回|如果(?:没有|找不到|文中|不知道)|以下是|下面是|答案)",
    )
});

/// Words that say how to answer.
const INSTRUCTION_WORDS: &str = " answer answers reply respond response question questions json xml \
yaml csv html markdown format list table bullet point points reference references citation \
citations cite source sources evidence quote quotes quotation detail details detailed helpful \
assistant ai model expert brief briefly concise concisely short shortly long complete completely \
sentence sentences word words paragraph english chinese using use based read carefully think step \
steps please explain provide include following above below attached given document text page pages \
numbers file context accurate accurately precise precisely fully clearly ";

/// The question in a text: without sentences that are instructions, and without phrases of
/// courtesy and form. What holds nothing else is returned as it is.
pub(crate) fn asked(text: &str) -> String {
    let sentences: Vec<String> = text
        .lines()
        .flat_map(split_sentences)
        .map(without_phrases)
        .collect();
    let asks = |sentence: &String| {
        sentence
            .trim_end_matches(['"', '”', ')', '）'])
            .ends_with(['?', '？'])
    };
    let any = sentences.iter().any(|s| asks(s) && has_content(s));
    let kept: Vec<&str> = sentences
        .iter()
        .filter(|s| has_content(s) && (asks(s) || !any || !INSTRUCTS.is_match(s)))
        .filter(|s| asks(s) || !only_instructs(s))
        .map(|s| s.trim())
        .collect();
    // Where a text is nothing but instructions, they are what is asked.
    let any_left = kept.iter().any(|s| !INSTRUCTS.is_match(s));
    if kept.is_empty() || !any_left && !any {
        return text.to_owned();
    }
    kept.join(" ")
}

fn without_phrases(sentence: &str) -> String {
    let mut rest = sentence.to_owned();
    let mut changed = false;
    for phrase in PHRASES.iter() {
        if !phrase.is_match(&rest) {
            continue;
        }
        rest = phrase.replace_all(&rest, " ").into_owned();
        changed = true;
    }
    if !changed {
        return rest;
    }
    let words: Vec<&str> = rest.split_whitespace().collect();
    let mut plain = words
        .join(" ")
        .replace(" .", ".")
        .replace(" ?", "?")
        .replace(" 。", "。");
    // A question mark that went with a phrase still tells what this is.
    if sentence.trim_end().ends_with('?') && !plain.ends_with('?') && has_content(&plain) {
        plain.push('?');
    }
    plain
}

fn has_content(sentence: &str) -> bool {
    sentence.chars().any(char::is_alphanumeric)
}

/// Whether all that a sentence says is how to answer.
fn only_instructs(sentence: &str) -> bool {
    let (mut any, mut all) = (false, true);
    tokenize(sentence, |token, _| match token {
        Token::Han(_) => all = false,
        Token::Word(word) => {
            let word = fold(word);
            if !is_stop_word(&word) {
                any = true;
                all &= INSTRUCTION_WORDS.contains(&format!(" {word} "));
            }
        }
    });
    let chinese = sentence.chars().any(is_han)
        && (sentence.contains("回答") || sentence.contains("输出") || sentence.contains("助手"))
        && !["谁", "什么", "哪", "几", "何", "多", "吗", "是否", "怎"]
            .iter()
            .any(|asking| sentence.contains(asking));
    any && all || chinese
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instructions_around_a_question_go() {
        for (text, left) in [
            (
                "Who built the lighthouse? Answer in JSON.",
                "Who built the lighthouse?",
            ),
            (
                "Please read the document and tell me in detail who built the lighthouse, with references.",
                "who built the lighthouse.",
            ),
            (
                "You are a helpful assistant. Answer using only the document. Who built the lighthouse?",
                "Who built the lighthouse?",
            ),
            (
                "Could you please tell me who built the lighthouse?",
                "who built the lighthouse?",
            ),
            (
                "According to the report, who built the lighthouse?",
                "who built the lighthouse?",
            ),
            ("What does the contract say about pets?", "What pets?"),
            (
                "Describe the storm. Be concise and cite sources.",
                "Describe the storm.",
            ),
            ("请根据文档回答：谁建造了灯塔？", "谁建造了灯塔？"),
            (
                "你是一个有用的助手。请根据以下内容，回答问题：谁建造了灯塔？请用JSON格式输出。",
                "谁建造了灯塔？",
            ),
            (
                "你是一个专业的助手。请仔细阅读以下内容，用中文回答。谁创立了晨光公司？",
                "谁创立了晨光公司？",
            ),
            ("请告诉我谁建造了灯塔，并给出出处。", "谁建造了灯塔。"),
        ] {
            let found = asked(text);
            let plain = |t: &str| t.split_whitespace().collect::<Vec<_>>().join(" ");
            assert_eq!(plain(&found), left, "{text}");
        }
    }

    #[test]
    fn what_is_asked_stays() {
        for text in [
            "Who built the lighthouse?",
            "谁创立了晨光公司？",
            "Answer in JSON.",
            "My terminal shows garbage. How do I get it back?",
            "Which tool answers in JSON?",
            "What are the references of the report?",
            "How do I format a disk?",
            "合同何时签订？",
            "Describe the storm",
            "?!",
            "",
        ] {
            assert_eq!(asked(text), text);
        }
    }
}
