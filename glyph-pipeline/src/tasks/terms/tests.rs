use super::*;

#[test]
fn stems_meet() {
    for (a, b) in [
        ("cities", "city"),
        ("stopped", "stopping"),
        ("houses", "house"),
        ("houses", "housed"),
        ("numbers", "number"),
        ("glasses", "glass"),
        ("founded", "found"),
        ("signing", "signed"),
    ] {
        assert_eq!(stem(a), stem(b), "{a} {b}");
    }
    assert_ne!(stem("ring"), stem("red"));
    assert_eq!(stem("2024s"), "2024s");
}

#[test]
fn tokenizes_words_numbers_and_ideographs() {
    let mut found = Vec::new();
    tokenize("Don't pay 1,234.50 给张三 x-ray.", |token, _| {
        found.push(match token {
            Token::Word(word) => fold(word),
            Token::Han(c) => c.to_string(),
        });
    });
    assert_eq!(
        found,
        ["dont", "pay", "1234.50", "给", "张", "三", "x", "ray"]
    );
    assert_eq!(fold("Anna's"), "anna");
}

#[test]
fn stop_words_are_whole_words() {
    assert!(is_stop_word("the") && is_stop_word("most") && is_stop_word("what"));
    assert!(!is_stop_word("number") && !is_stop_word("ent") && !is_stop_word("magic"));
}

#[test]
fn counts_edits() {
    let within = |a: &str, b: &str, limit| {
        let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
        within_edits(&a, &b, limit)
    };
    assert!(within("harbour", "harbcur", 1) && within("harbour", "harbor", 1));
    assert!(within("harbour", "harbuor", 1) && !within("harbour", "horbeur", 1));
    assert!(within("lighthouse", "lighthcusc", 2) && !within("lighthouse", "lightmouth", 2));
    assert!(within("same", "same", 0) && !within("same", "some", 0));
    assert!(within("abcdefghi", "bcdefghix", 2));
}

#[test]
fn reads_questions() {
    let query = Query::new("What is the special magic number for amber falcon?");
    let words: Vec<&str> = query.terms.iter().map(|t| t.text.as_str()).collect();
    assert_eq!(words, ["special", "magic", "number", "amber", "falcon"]);
    let objects: Vec<bool> = query.terms.iter().map(|t| t.object).collect();
    assert_eq!(objects, [false, false, false, true, true]);
    assert!(
        Query::new("Who met Anna Lee?")
            .terms
            .iter()
            .any(|t| t.named && t.text == "anna")
    );
    assert!(Query::new("?! …").is_empty());
    assert!(!Query::new("Who is it?").is_empty());
    let chinese = Query::new("公司成立于哪一年？");
    assert!(chinese.terms.iter().any(|t| t.text == "成立"));
    assert!(chinese.terms.iter().all(|t| !t.text.contains('哪')));
}
