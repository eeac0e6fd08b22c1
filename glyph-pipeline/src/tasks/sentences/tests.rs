use super::super::fixtures::{line, page};
use super::*;

fn texts(lines: &[ReadLine]) -> Vec<String> {
    sentences(lines).into_iter().map(|s| s.text).collect()
}

#[test]
fn keeps_abbreviations_numbers_and_initials_together() {
    let read = page(&[
        "Dr. J. R. Smith paid 3.50 dollars, e.g. for No. 5 tea. See https://a.b/c. Then",
        "Mr. Lee left at 5 p.m. on Monday. It was late! \"Was it?\" he asked. \"Yes.\" Fig. 3 shows it.",
    ]);
    assert_eq!(
        texts(&read),
        [
            "Dr. J. R. Smith paid 3.50 dollars, e.g. for No. 5 tea.",
            "See https://a.b/c.",
            "Then Mr. Lee left at 5 p.m. on Monday.",
            "It was late!",
            "\"Was it?\" he asked.",
            "\"Yes.\"",
            "Fig. 3 shows it.",
        ]
    );
}

#[test]
fn references_and_brackets_stay_whole() {
    let read = page(&[
        "Lindqvist won the tender (ref. HM-2025-0417). See No. A-12 and fig. B3 of it. He signed (in",
        "ink. It was cold.) and left. An open bracket (was never closed. The end.",
    ]);
    assert_eq!(
        texts(&read),
        [
            "Lindqvist won the tender (ref. HM-2025-0417).",
            "See No. A-12 and fig. B3 of it.",
            "He signed (in ink. It was cold.) and left.",
            "An open bracket (was never closed.",
            "The end.",
        ]
    );
    // What is bounded: a bracket of a page is no bracket.
    let long = format!("He came (so. {}) and left.", "It was so. ".repeat(40));
    assert!(split_sentences(&long).len() > 20);
    assert_eq!(split_sentences("Ask for the ref. The man has it.").len(), 2);
    assert_eq!(
        split_sentences("Sie tagt am 9. Juli. Er kam am 12. Mai.").len(),
        2
    );
    assert_eq!(split_sentences("It stood at 10. August was dry.").len(), 2);
}

#[test]
fn splits_chinese_with_closing_quotes() {
    let read = page(&[
        "他说：“我们走吧！”大家都同意了。公司成立于",
        "1998年，现有员工3.5万人；总部在北京。你呢？",
    ]);
    assert_eq!(
        texts(&read),
        [
            "他说：“我们走吧！”",
            "大家都同意了。",
            "公司成立于 1998年，现有员工3.5万人；",
            "总部在北京。",
            "你呢？",
        ]
    );
    assert_eq!(
        texts(&page(&["今天的天气非常好我们去公园散步", "吧。"])),
        ["今天的天气非常好我们去公园散步吧。"]
    );
}

#[test]
fn continued_words_join_without_space() {
    let mut read = page(&[
        "The long sentence goes on with an interna",
        "tional treaty. End.",
    ]);
    read[0].continues = true;
    let found = sentences(&read);
    assert_eq!(
        found[0].text,
        "The long sentence goes on with an international treaty."
    );
    assert_eq!(found[0].lines, 0..2);
    assert_eq!(found[1].lines, 1..2);
}

#[test]
fn joins_over_pages_but_not_over_blank_rows_or_gaps() {
    let read = [
        line(
            1,
            47,
            "It was the custom of the old captain to walk along the whole harbour and",
        ),
        line(1, 48, "watch the boats which"),
        line(2, 1, "came in."),
    ];
    assert_eq!(texts(&read).len(), 1);
    assert_eq!(sentences(&read)[0].lines, 0..3);
    assert_eq!(texts(&page(&["one line", "", "another line"])).len(), 2);
    // Crops of pages 3 and 9.
    let crops = [
        line(3, 10, "the number of ships"),
        line(9, 11, "was forty."),
    ];
    assert_eq!(texts(&crops).len(), 2);
    // Page 2 begins while page 1 stopped in its middle: text was left out.
    let crops = [
        line(1, 5, "the number of ships"),
        line(2, 1, "was forty."),
        line(2, 40, "end"),
    ];
    assert_eq!(texts(&crops).len(), 3);
}

#[test]
fn headings_and_items_stand_alone() {
    let read = page(&[
        "3.1 Methods",
        "We measured the speed of each of the boats in the harbour during the whole",
        "summer of that year.",
        "- first item",
        "- second item",
        "Short heading",
        "Here the prose goes on and fills the line nearly up to its very end, as it does",
    ]);
    assert_eq!(
        texts(&read)[..5],
        [
            "3.1 Methods",
            "We measured the speed of each of the boats in the harbour during the whole summer of that year.",
            "- first item",
            "- second item",
            "Short heading",
        ]
    );
}

#[test]
fn confidence_is_weighted_by_share() {
    let mut read = page(&["aaaa aaaa aaaa aaaa aaaa", "b. Next one."]);
    read[0].confidence = 1.0;
    read[1].confidence = 0.0;
    let found = sentences(&read);
    assert!(found[0].confidence > 0.85, "{}", found[0].confidence);
    assert!(found[1].confidence.abs() < 1e-6);
}

#[test]
fn survives_anything() {
    assert!(sentences(&[]).is_empty());
    assert!(texts(&page(&["   ", "。", "..."])).len() <= 3);
    let read = [line(2, 5, "b."), line(1, 3, "a.")];
    assert_eq!(texts(&read), ["b.", "a."]);
}
