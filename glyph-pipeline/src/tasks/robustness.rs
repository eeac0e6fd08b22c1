//! Whatever was read, no task panics, and reports stay within their lines.

use super::fixtures::{Random, line};
use super::*;

const PIECES: &[&str] = &[
    "a",
    "The ",
    "number ",
    " is ",
    "é",
    "ß",
    "İ",
    "ﬁ",
    "公司",
    "年",
    "3月",
    "5日",
    "。",
    "！”",
    "“",
    "\"",
    "'",
    "’s ",
    ".",
    "...",
    "…",
    ". ",
    "?",
    ":",
    "：",
    "|",
    "\t",
    "---",
    "- ",
    "=",
    "$",
    "€1.234,56",
    "¥",
    "12",
    "2024",
    "2024-01-0",
    "@",
    "a@b.org",
    "://",
    "https://x/(",
    "10.1000/",
    "DE89 3704 0044 ",
    "978-3-16-",
    "+49 30 ",
    "(555) ",
    "\u{301}",
    "🙂",
    "\u{a0}",
    "　",
    "０",
    "一",
    "十",
    "万亿元",
    "INV-",
    "Dr. ",
    "J. ",
    "No. ",
    "March ",
    "Total",
    "Total:",
    " ",
];

#[test]
fn no_text_makes_a_task_panic() {
    for seed in 0..400 {
        let mut random = Random::new(seed + 11);
        let text = |random: &mut Random, most: usize| -> String {
            (0..random.below(most))
                .map(|_| PIECES[random.below(PIECES.len())])
                .collect()
        };
        let mut lines = Vec::new();
        for _ in 0..random.below(14) {
            let (page, row) = (1 + random.below(3) as u32, 1 + random.below(6) as u32);
            let mut own = line(page, row, &text(&mut random, 12));
            own.continues = random.below(3) == 0;
            lines.push(own);
        }
        if seed % 4 > 0 {
            lines.sort_by_key(|l| (l.page, l.line));
            lines.dedup_by_key(|l| (l.page, l.line));
        }
        let fields = ["Total", "公司", "#", "March is", "", "İ"];
        let question = text(&mut random, 6);
        assert_eq!(rank(&question, &lines).len(), lines.len());
        assert_eq!(
            rank_keywords(&[&question, "公司"], &lines).len(),
            lines.len()
        );
        assert_eq!(candidate_lines(&lines, &fields).len(), lines.len());
        for score in rank(&question, &lines) {
            assert!(score.is_finite() && score >= 0.0);
        }
        for sentence in sentences(&lines) {
            assert!(sentence.lines.end <= lines.len() && !sentence.lines.is_empty());
        }
        if let Ok(answer) = answer(&question, &lines) {
            assert!((0.0..=1.0).contains(&answer.confidence));
        }
        for sentence in summarize(&lines, 3) {
            assert!(sentence.score.is_finite() && sentence.lines.end <= lines.len());
        }
        for found in extract(&lines, &fields) {
            assert!(!found.value.is_empty() && found.page > 0);
        }
    }
}
