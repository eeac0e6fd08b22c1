use super::super::fixtures::{Random, page, prose};
use super::*;
use std::time::Instant;

#[test]
fn picks_central_sentences_in_order() {
    let read = page(&[
        "CONTENTS",
        "Introduction ............ 3",
        "Storms .................. 9",
        "",
        "Solar panels turn sunlight into electric power for many homes in the valley.",
        "The price of solar panels has fallen by half since the valley began to buy them.",
        "My aunt has a brown dog with a very long tail.",
        "Solar power from panels now covers most electric needs of homes in the valley.",
        "",
        "let power = panels.iter().map(|p| p.watts).sum::<f64>();",
        "",
        "Somebody left a red umbrella on the last train yesterday evening.",
        "12",
    ]);
    let summary = summarize(&read, 2);
    assert_eq!(summary.len(), 2);
    assert!(
        summary.iter().all(|s| s.text.contains("olar p")),
        "{summary:#?}"
    );
    assert!(summary[0].line < summary[1].line);
    let all = summarize(&read, 100);
    assert!(
        all.iter()
            .all(|s| !s.text.contains("....") && !s.text.contains("iter()"))
    );
    assert!(all.iter().all(|s| s.text != "12" && s.text != "CONTENTS"));
}

#[test]
fn does_not_repeat_itself() {
    let twice = "The city council agreed to build a new bridge over the river next year.";
    let read = page(&[
        twice,
        "",
        twice,
        "",
        "Engineers say that the bridge over the river will take three years to build.",
    ]);
    let summary = summarize(&read, 3);
    assert_eq!(summary.len(), 2, "{summary:#?}");
}

#[test]
fn summarizes_chinese() {
    let read = page(&[
        "第一章 概述",
        "光学压缩把长文本画成图像，再由视觉编码器压缩成少量标记。",
        "视觉编码器读取图像后，语言模型可以用更少的标记理解长文本。",
        "昨天晚上邻居家的小猫跑到屋顶上去了。",
        "实验表明，光学压缩可以用十分之一的标记保留长文本的内容。",
        "第 3 页",
    ]);
    let summary = summarize(&read, 2);
    assert_eq!(summary.len(), 2);
    assert!(
        summary.iter().all(|s| s.text.contains("文本")),
        "{summary:#?}"
    );
    assert!(
        summary
            .iter()
            .all(|s| s.page == 1 && s.score > 0.0 && !s.lines.is_empty())
    );
}

#[test]
fn handles_five_thousand_lines() {
    let mut random = Random::new(3);
    let lines = prose(480_000, &mut random, &[]);
    assert!(lines.len() > 5_000);
    let begun = Instant::now();
    let summary = summarize(&lines, 8);
    let taken = begun.elapsed().as_secs_f32();
    assert_eq!(summary.len(), 8);
    assert!(summary.is_sorted_by_key(|s| (s.page, s.line)));
    // Generous: tests run unoptimised beside others.
    assert!(taken < 6.0, "{taken} s");
}

#[test]
fn nothing_to_summarize() {
    assert!(summarize(&[], 3).is_empty());
    assert!(summarize(&page(&["A sentence that is long enough."]), 0).is_empty());
    assert!(summarize(&page(&["Chapter 1", "12"]), 3).is_empty());
}
