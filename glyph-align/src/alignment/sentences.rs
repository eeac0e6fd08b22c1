/// Sentences of a plain text, one paragraph a line: runs that end with a full stop, a question mark
/// or an exclamation mark before a capital, of `bytes.start` to `bytes.end` bytes, in which four of
/// five characters are letters and spaces. In order; what stands there twice comes once.
pub fn sentences(text: &str, bytes: std::ops::Range<usize>) -> Vec<String> {
    let mut out = Vec::new();
    let mut seen = std::collections::HashSet::new();
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let mut start = 0;
        for i in 0..words.len() {
            let ends = words[i]
                .trim_end_matches(['"', '\'', ')'])
                .ends_with(['.', '!', '?']);
            let begins = words.get(i + 1).is_none_or(|w| {
                w.trim_start_matches(['"', '\'', '('])
                    .starts_with(char::is_uppercase)
            });
            if i + 1 < words.len() && !(ends && begins) {
                continue;
            }
            let sentence = words[start..=i].join(" ");
            let count = i + 1 - start;
            start = i + 1;
            let prose = sentence
                .chars()
                .filter(|c| c.is_alphabetic() || *c == ' ')
                .count();
            if bytes.contains(&sentence.len())
                && count >= 4
                && 5 * prose > 4 * sentence.chars().count()
                && seen.insert(sentence.clone())
            {
                out.push(sentence);
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_end_before_capitals_and_tables_are_left_out() {
        let text = "He came (at last.) \"Why so late?\" she asked. It was dark.\n\
                    | 1 | 2 | 3 | 4.5 | 6 | 7 | 8 |\nIt was very dark outside. It was very dark outside.";
        assert_eq!(
            sentences(text, 15..100),
            [
                "He came (at last.)",
                "\"Why so late?\" she asked.",
                "It was very dark outside.",
            ]
        );
    }
}
