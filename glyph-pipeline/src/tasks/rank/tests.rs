use super::super::fixtures::{Random, line, noisy, page, prose};
use super::*;
use std::time::Instant;

const PAIRS: &[(&str, &str)] = &[
    ("amber", "falcon"),
    ("silver", "lantern"),
    ("misty", "harbor"),
    ("blue", "fox"),
    ("quiet", "meadow"),
];

/// The target and sentences of the same form about other things.
fn planted(
    target: usize,
    characters: usize,
    random: &mut Random,
) -> (Vec<(usize, String)>, String) {
    let mut all = Vec::new();
    let mut number = String::new();
    for (index, (a, b)) in PAIRS.iter().enumerate() {
        let own = format!("{}", 1_000_000 + random.below(9_000_000));
        let at = random.below(characters - 1000);
        all.push((
            at,
            format!("The special magic number for {a} {b} is {own}."),
        ));
        if index == target {
            number = own;
        }
    }
    // A near miss: one of the two words.
    let (a, b) = (PAIRS[target].0, PAIRS[(target + 1) % PAIRS.len()].1);
    all.push((
        random.below(characters),
        format!("The special magic number for {a} {b} is 7654321."),
    ));
    all.sort();
    (all, number)
}

fn best(scores: &[f32]) -> usize {
    (0..scores.len())
        .max_by(|&a, &b| scores[a].total_cmp(&scores[b]))
        .expect("there are lines")
}

#[test]
fn finds_planted_numbers_in_noisy_prose() {
    let mut top = 0;
    for seed in 0..20 {
        let mut random = Random::new(seed + 1);
        let target = seed as usize % PAIRS.len();
        let (all, number) = planted(target, 400_000, &mut random);
        let fine = prose(400_000, &mut random, &all);
        let coarse = noisy(&fine, 2, &mut random);
        let question = format!(
            "What is the special magic number for {} {}?",
            PAIRS[target].0, PAIRS[target].1
        );
        let scores = rank(&question, &coarse);
        let mut order: Vec<usize> = (0..scores.len()).collect();
        order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
        // Crops are read with their neighbours.
        let near = |i: usize| i.saturating_sub(1)..(i + 2).min(fine.len());
        let holds = |i: usize| fine[near(i)].iter().any(|l| l.text.contains(&number));
        let place = order.iter().position(|&i| holds(i)).unwrap_or_else(|| {
            // The number itself was wrapped over two lines: it cannot be.
            panic!("seed {seed}: {number} is on no line")
        });
        top += usize::from(place < 2);
        assert!(place < 12, "seed {seed}: place {place}");
        // Read the crops around the best lines finely and answer.
        let mut keep = vec![false; fine.len()];
        for &i in &order[..12] {
            keep[near(i)].fill(true);
        }
        let crops: Vec<ReadLine> = fine
            .iter()
            .zip(&keep)
            .filter(|(_, keep)| **keep)
            .map(|(line, _)| line.clone())
            .collect();
        let answer = super::super::answer(&question, &crops).expect("the question has words");
        assert!(
            answer.text.contains(&number),
            "seed {seed}: {}",
            answer.text
        );
        assert!(
            !answer.text.contains("7654321"),
            "seed {seed}: {}",
            answer.text
        );
        assert!(answer.evidence.iter().any(|e| e.text.contains(&number)));
    }
    assert!(top >= 18, "first or second only {top} times of 20");
}

#[test]
fn is_fast_enough() {
    let mut random = Random::new(7);
    let lines = prose(400_000, &mut random, &[]);
    let begun = Instant::now();
    let scores = rank(
        "When did the captain leave the harbour of Lisbon for the island?",
        &lines,
    );
    let taken = begun.elapsed().as_secs_f32();
    assert_eq!(scores.len(), lines.len());
    // Generous: tests run unoptimised beside others.
    assert!(taken < 3.0, "{taken} s");
}

/// Timings of a release build: `cargo test --release -- --ignored timings --nocapture`.
#[test]
#[ignore = "measures; asserts the time limits of a release build"]
fn timings() {
    let question = "What is the special magic number for amber falcon?";
    let mut report = String::new();
    for characters in [400_000, 5_000_000] {
        let mut random = Random::new(7);
        let lines = prose(characters, &mut random, &[]);
        let lines = noisy(&lines, 2, &mut random);
        let mut time = |name: &str, run: &dyn Fn(&[ReadLine])| {
            let begun = Instant::now();
            run(&lines);
            let taken = begun.elapsed().as_secs_f32();
            report.push_str(&format!("{name} {characters} characters: {taken:.3} s\n"));
            let limit = if characters == 400_000 { 2.0 } else { 30.0 };
            assert!(taken < limit, "{report}");
        };
        time("rank", &|l| drop(rank(question, l)));
        time("rank_keywords", &|l| {
            drop(rank_keywords(&["amber falcon", "harbour"], l))
        });
        time("sentences", &|l| drop(super::super::sentences(l)));
        time("summarize", &|l| drop(super::super::summarize(l, 10)));
        time("extract", &|l| {
            drop(super::super::extract(l, &["Invoice number"]))
        });
        time("candidate_lines", &|l| {
            drop(super::super::candidate_lines(l, &["Invoice number"]))
        });
    }
    let path = std::env::temp_dir().join("glyph-task-timings.txt");
    std::fs::write(path, report).expect("the temporary folder can be written");
}

#[test]
fn prefers_the_line_that_covers_the_question() {
    let read = page(&[
        "The harbour was quiet that morning and nobody saw the boats.",
        "",
        "Captain Ahab founded the harbour company in 1851 with two boats.",
        "",
        "The company had nothing to say.",
        "",
        "Trees grow slowly.",
    ]);
    let scores = rank("When was the harbour company founded?", &read);
    assert_eq!(best(&scores), 1, "{scores:?}");
    assert!(scores[3] < scores[1] / 4.0, "{scores:?}");
}

#[test]
fn matches_misread_and_wrapped_words() {
    let mut read = page(&[
        "nothing here at all",
        "",
        "the lighthcuse of Alexandrla was tall",
        "",
        "they built the obser",
        "vatory in spring",
    ]);
    read[2].continues = true;
    assert_eq!(
        best(&rank("How tall was the lighthouse of Alexandria?", &read)),
        1
    );
    assert_eq!(best(&rank("Where is the observatory?", &read)), 2);
}

#[test]
fn two_words_may_be_written_as_one() {
    let read = page(&[
        "The file was written, and its name was long; a case of cases.",
        "",
        "Filenames are case sensitive.",
        "",
        "A name for the case of a file.",
    ]);
    assert_eq!(best(&rank("Are file names case sensitive?", &read)), 1);
    let read = page(&[
        "One zone of many.",
        "",
        "Set the timezone.",
        "",
        "It takes time.",
    ]);
    assert_eq!(best(&rank("How is the time zone set?", &read)), 1);
}

#[test]
fn a_heading_nearby_tells_lines_apart() {
    let text = |heading: &'static str| {
        [
            heading,
            "It is new.",
            "The default port is open.",
            "It is old.",
        ]
    };
    let mut rows = text("The mail server").to_vec();
    rows.extend(["unrelated words here"; 12]);
    rows.extend(text("The print server"));
    let read = page(&rows);
    let scores = rank("What is the default port of the print server?", &read);
    assert!(scores[18] > 1.2 * scores[2], "{scores:?}");
    assert!(scores[2] > 0.0, "{scores:?}");
    assert_eq!(scores[10], 0.0, "nothing of the question is near");
}

#[test]
fn ranks_chinese() {
    let read = page(&[
        "今天天气很好，我们去公园散步。",
        "",
        "光学压缩公司成立于一九九八年，总部位于杭州。",
        "",
        "公司的食堂很大，大家都喜欢。",
    ]);
    let scores = rank("光学压缩公司成立于哪一年？", &read);
    assert_eq!(best(&scores), 1, "{scores:?}");
    assert!(scores[2] > 0.0 && scores[2] < scores[1] / 2.0, "{scores:?}");
    // One wrong ideograph in the reading.
    let read = page(&["今天天气很好。", "", "光学压綜公司成立于一九九八年。"]);
    assert_eq!(best(&rank("光学压缩公司何时成立？", &read)), 1);
}

#[test]
fn keywords_exact_above_fuzzy() {
    let read = page(&[
        "An annual budget was agreed.",
        "",
        "The annuai budgct was misread.",
        "",
        "Nothing of the kind.",
        "",
        "The annual",
        "budget ran over the line, and the Budget did again.",
        "",
        "年度预算已经批准。",
        "",
        "年度顶算已经批准。",
    ]);
    let scores = rank_keywords(&["annual budget"], &read);
    assert!(
        (scores[0] - 1.0).abs() < 1e-6 && (scores[1] - 0.5).abs() < 1e-6,
        "{scores:?}"
    );
    assert!(scores[2].abs() < 1e-6 && (scores[3] - 1.0).abs() < 1e-6);
    assert!((scores[4] - 1.0).abs() < 1e-6, "{scores:?}");
    let scores = rank_keywords(&["年度预算"], &read);
    assert!(
        (scores[5] - 1.0).abs() < 1e-6 && (scores[6] - 0.5).abs() < 1e-6,
        "{scores:?}"
    );
    let scores = rank_keywords(&["budgets"], &read);
    assert!((scores[0] - 0.8).abs() < 1e-6, "{scores:?}");
}

#[test]
fn nothing_to_rank() {
    assert!(rank("where?", &[]).is_empty());
    assert_eq!(rank("…", &[line(1, 1, "a")]), [0.0]);
    assert_eq!(rank_keywords::<&str>(&[], &[line(1, 1, "a")]), [0.0]);
    assert_eq!(rank_keywords(&["a b c"], &[line(1, 1, "a")]), [0.0]);
}
