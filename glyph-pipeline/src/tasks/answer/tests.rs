use super::super::fixtures::{line, page};
use super::super::lines::UncertainText;
use super::*;

mod facts;

fn ask(question: &str, lines: &[ReadLine]) -> Answer {
    answer(question, lines).expect("the question has words")
}

const STORY: &[&str] = &[
    "The Harbour Company was founded by Captain Maria Silva in 1851. It had two boats and a shed on",
    "the quay. By 1870 the company employed 240 people. Its offices were in Lisbon, near the river.",
    "",
    "The company failed in 1893 because the river silted up. Nobody was sad about it.",
    "",
    "A heliograph is a mirror that sends messages by sunlight. The captain bought a heliograph.",
];

#[test]
fn answers_by_kind_of_question() {
    let read = page(STORY);
    for (question, holds) in [
        ("Who founded the Harbour Company?", "Maria Silva"),
        ("When was the Harbour Company founded?", "1851"),
        ("How many people did the company employ?", "240"),
        ("Where were the offices of the company?", "Lisbon"),
        ("Why did the company fail?", "because the river"),
        ("What is a heliograph?", "is a mirror"),
    ] {
        let answer = ask(question, &read);
        assert!(answer.text.contains(holds), "{question}: {}", answer.text);
        assert!(
            !answer.evidence.is_empty() && answer.confidence > 0.4,
            "{answer:?}"
        );
    }
}

#[test]
fn answers_in_chinese() {
    let read = page(&[
        "晨光公司由李明博士于1998年3月创立，总部位于杭州西湖区。",
        "公司现有员工3200人，去年营业收入为4.5亿元。",
        "",
        "光学压缩是指把长文本画成图像再压缩为视觉标记的方法。很多人喜欢散步。",
    ]);
    for (question, holds) in [
        ("谁创立了晨光公司？", "李明"),
        ("晨光公司何时创立？", "1998年3月"),
        ("公司有多少员工？", "3200人"),
        ("晨光公司的总部在哪里？", "西湖区"),
        ("什么是光学压缩？", "是指"),
    ] {
        let answer = ask(question, &read);
        assert!(answer.text.contains(holds), "{question}: {}", answer.text);
    }
    let nothing = ask("火星上的气温是多少？", &read);
    assert!(nothing.evidence.is_empty(), "{nothing:?}");
    assert!(nothing.text.contains("没有提到"));
}

#[test]
fn says_when_there_is_nothing() {
    let answer = ask(
        "Who painted the ceiling of the Sistine Chapel?",
        &page(STORY),
    );
    assert_eq!(answer.text, "The pages do not seem to say.");
    assert_eq!(answer.unanswered, Some(Unanswered::NotFound));
    let mut unread = page(STORY);
    unread.iter_mut().for_each(|line| line.confidence = 0.3);
    let other = ask("Who painted the ceiling of the Sistine Chapel?", &unread);
    assert_eq!(other.unanswered, Some(Unanswered::Illegible));
    let json = serde_json::to_value(&other).expect("plain data");
    assert_eq!(json["unanswered"], "illegible");
    assert!(answer.evidence.is_empty() && answer.confidence.abs() < f32::EPSILON);
    assert!(ask("Who?", &[]).evidence.is_empty());
}

#[test]
fn takes_no_number_of_another_thing() {
    let read = page(&[
        "The special magic number for silver lantern is 1234567.",
        "The special magic number for amber lantern is 2345678.",
        "The river was cold.",
    ]);
    let answer = ask("What is the special magic number for amber falcon?", &read);
    assert!(answer.evidence.is_empty(), "{answer:?}");
    let answer = ask("What is the special magic number for amber lantern?", &read);
    assert_eq!(
        answer.text,
        "The special magic number for amber lantern is 2345678."
    );
}

#[test]
fn evidence_covers_every_line_over_pages() {
    let read = [
        line(
            1,
            47,
            "Everybody in the old harbour knew the captain and the boats which he had and",
        ),
        line(1, 48, "the treasure of Captain Flint was buried under"),
        line(2, 1, "the old oak on Spyglass Hill."),
    ];
    let answer = ask("Where was the treasure of Captain Flint buried?", &read);
    assert!(answer.text.contains("buried under the old oak"));
    let places: Vec<(u32, u32)> = answer.evidence.iter().map(|e| (e.page, e.line)).collect();
    assert_eq!(places, [(1, 47), (1, 48), (2, 1)]);
    assert_eq!(answer.evidence[2].bbox, read[2].bbox);
}

#[test]
fn crops_apart_are_not_joined() {
    let read = [
        line(3, 10, "the population of Lisbon was"),
        line(9, 20, "500 sheep grazed there."),
    ];
    let answer = ask("What was the population of Lisbon?", &read);
    assert!(!answer.text.contains("500"), "{}", answer.text);
}

#[test]
fn says_when_the_reading_is_uncertain() {
    let mut read = page(&["The code of the safe is 4711."]);
    read[0].confidence = 0.4;
    let answer = ask("What is the code of the safe?", &read);
    assert!(
        answer.text.starts_with("The reading is uncertain"),
        "{}",
        answer.text
    );
    assert!(answer.text.contains("4711") && answer.confidence < 0.5);
    assert_eq!(answer.unanswered, None);
}

#[test]
fn evidence_tells_what_may_be_wrong() {
    let mut read = page(&["The code of the safe is 4711."]);
    let doubt = UncertainText {
        range: 24..28,
        confidence: 0.6,
        bbox: read[0].bbox,
    };
    read[0].uncertain = vec![doubt.clone()];
    let answer = ask("What is the code of the safe?", &read);
    assert_eq!(answer.evidence[0].uncertain, [doubt]);
    let json = serde_json::to_value(&answer).expect("plain data");
    assert_eq!(json["evidence"][0]["uncertain"][0]["range"]["end"], 28);
}

#[test]
fn gives_several_sentences_that_add_something() {
    let read = page(&[
        "The bridge at Arta was built in 1602 by masons from Epirus.",
        "",
        "The bridge at Arta was built again in 1612 after a flood took it.",
        "",
        "The bridge at Arta was built in 1602 by masons from Epirus.",
    ]);
    let answer = ask("When was the bridge at Arta built?", &read);
    assert!(
        answer.text.contains("1602") && answer.text.contains("1612"),
        "{}",
        answer.text
    );
    assert_eq!(answer.evidence.len(), 2);
}

#[test]
fn uses_the_sentence_before() {
    let read = page(&[
        "Anna Kowalska lived in Gdansk all her life. She was born in 1902 and liked ships.",
    ]);
    let answer = ask("When was Anna Kowalska born?", &read);
    assert!(answer.text.contains("1902"), "{}", answer.text);
}

#[test]
fn refuses_a_question_without_words() {
    let error = answer("?! …", &page(STORY)).expect_err("there is no word");
    assert!(matches!(error, TaskError::EmptyQuestion { .. }));
    assert!(error.to_string().contains("?!"));
}

#[test]
fn instructions_around_a_question_do_not_matter() {
    let read = page(STORY);
    let plain = ask("Who founded the Harbour Company?", &read);
    for text in [
        "Who founded the Harbour Company? Answer in JSON.",
        "Please read the document and tell me in detail who founded the Harbour Company, with references.",
        "You are a helpful assistant. Answer using only the document. Who founded the Harbour Company?",
        "Based on the attached report, could you tell me who founded the Harbour Company? Keep it short.",
    ] {
        assert_eq!(ask(text, &read).text, plain.text, "{text}");
    }
    let read = page(&["晨光公司由李明博士于1998年3月创立，总部位于杭州西湖区。"]);
    for text in [
        "请根据文档回答：谁创立了晨光公司？",
        "你是一个专业的助手。请仔细阅读以下内容，用中文回答。谁创立了晨光公司？",
    ] {
        assert!(ask(text, &read).text.contains("李明"), "{text}");
    }
}
