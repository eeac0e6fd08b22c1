//! Facts that a text holds are found, and those that it does not hold are not made of others.

use super::super::super::fixtures::wrap;
use super::super::super::text::is_han;
use super::*;

const ENGLISH: &str = include_str!("facts_en.txt");
const CHINESE: &str = include_str!("facts_zh.txt");
const EUROPEAN: &str = include_str!("facts_eu.txt");

/// What came of the questions of a file: those about present facts, how many were answered right,
/// and those about absent ones with how many were told so; what went wrong.
#[derive(Default)]
struct Outcome {
    present: usize,
    right: usize,
    absent: usize,
    told: usize,
    wrong: String,
}

/// A text and, after `===`, a line for each question: a tab, and what the answer has to hold, or
/// nothing where the text does not say.
fn outcome(file: &str) -> Outcome {
    let (text, questions) = file.split_once("===\n").expect("a text and questions");
    let paragraphs: Vec<String> = text
        .lines()
        .filter(|l| !l.is_empty())
        .map(str::to_owned)
        .collect();
    let lines = if text.contains(is_han) {
        han_rows(&paragraphs)
    } else {
        wrap(&paragraphs, 96, 48)
    };
    let mut outcome = Outcome::default();
    for line in questions.lines() {
        let (question, holds) = line.split_once('\t').expect("a question and an answer");
        let answer = ask(question, &lines);
        let ok = if holds.is_empty() {
            outcome.absent += 1;
            outcome.told += usize::from(answer.unanswered.is_some());
            answer.unanswered.is_some()
        } else {
            outcome.present += 1;
            outcome.right += usize::from(answer.text.contains(holds));
            answer.text.contains(holds)
        };
        if !ok {
            outcome.wrong += &format!("{question} [{holds}]: {}\n", answer.text);
        }
    }
    outcome
}

/// Rows of 47 full-width characters, a blank row between paragraphs.
fn han_rows(paragraphs: &[String]) -> Vec<ReadLine> {
    let mut rows = Vec::new();
    for paragraph in paragraphs {
        let chars: Vec<char> = paragraph.chars().collect();
        rows.extend(chars.chunks(47).map(|row| row.iter().collect::<String>()));
        rows.push(String::new());
    }
    let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
    page(&rows)
}

#[test]
fn english_facts() {
    let outcome = outcome(ENGLISH);
    assert!(outcome.present >= 15 && outcome.absent >= 15);
    assert_eq!(outcome.right, outcome.present, "{}", outcome.wrong);
    assert_eq!(outcome.told, outcome.absent, "{}", outcome.wrong);
}

#[test]
fn chinese_facts() {
    let outcome = outcome(CHINESE);
    assert!(outcome.present >= 15 && outcome.absent >= 15);
    assert_eq!(outcome.right, outcome.present, "{}", outcome.wrong);
    assert_eq!(outcome.told, outcome.absent, "{}", outcome.wrong);
}

#[test]
fn facts_in_other_languages() {
    let outcome = outcome(EUROPEAN);
    assert!(outcome.present >= 20 && outcome.absent >= 10);
    assert_eq!(outcome.right, outcome.present, "{}", outcome.wrong);
    assert_eq!(outcome.told, outcome.absent, "{}", outcome.wrong);
}
