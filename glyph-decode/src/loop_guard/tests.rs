use super::*;

/// Tokens of a text, cut as byte-pair tokenizers cut: words with their space, single digits and
/// single marks.
fn tokens(text: &str) -> Vec<(TokenId, String)> {
    let mut words: Vec<String> = Vec::new();
    for c in text.chars() {
        let joins = words.last().is_some_and(|w: &String| {
            c.is_alphabetic() && w.chars().all(|c| c.is_alphabetic() || c == ' ') && w.len() < 9
        });
        match words.last_mut() {
            Some(word) if joins => word.push(c),
            _ => words.push(c.to_string()),
        }
    }
    let mut known: Vec<String> = Vec::new();
    words
        .into_iter()
        .map(|word| {
            let id = known.iter().position(|k| *k == word).unwrap_or_else(|| {
                known.push(word.clone());
                known.len() - 1
            });
            (id as TokenId, word)
        })
        .collect()
}

fn found(text: &str) -> Option<(usize, FoundLoop)> {
    let mut guard = LoopGuard::default();
    tokens(text)
        .into_iter()
        .enumerate()
        .find_map(|(i, (token, text))| Some((i, guard.push(token, text.as_bytes())?)))
}

#[test]
fn loops_are_found_within_64_tokens() {
    let opening = "The keeper lit the lamp at dusk and wrote the hour in his book. ";
    for round in [
        "la ",
        "The lamp was lit. ",
        "I am sorry, but I do not know the answer to that question. ",
        "It was built in 1822, and it was built of granite from the quarry at Penryn. ",
        "|---",
    ] {
        let text = format!("{opening}{}", round.repeat(80));
        // The first round is new; the loop begins with the second.
        let start = tokens(&format!("{opening}{round}")).len();
        let (at, FoundLoop { period, .. }) = found(&text).expect(round);
        assert!(at <= start + 64, "{round}: at {at}, begun at {start}");
        assert_eq!(period, tokens(&round.repeat(2)).len() / 2, "{round}");
    }
    // A paragraph of over a hundred tokens, said again.
    let paragraph = SAMPLES[0];
    let (at, _) = found(&format!("{paragraph}{paragraph}")).expect("a repeated paragraph");
    assert!(at <= tokens(paragraph).len() + 64);
}

#[test]
fn loops_with_a_counter_are_found() {
    let text: String = (1..30)
        .map(|i| format!("{i}. The keeper should check the lamp and write the hour down.\n"))
        .collect();
    assert!(found(&text).is_some());
}

#[test]
fn ordinary_text_is_no_loop() {
    for sample in SAMPLES {
        assert_eq!(found(sample), None, "{sample}");
    }
    let table: String = (1..60)
        .map(|i| format!("| {i} | {} | {} |\n", i * i, 1000 - 7 * i))
        .collect();
    assert_eq!(found(&table), None);
    let json: String = (1..40)
        .map(|i| {
            format!(
                "{{\"page\": {i}, \"line\": {}, \"value\": \"{}\"}},\n",
                i * 3 % 7,
                i * 37
            )
        })
        .collect();
    assert_eq!(found(&json), None);
    let index: String = (1..60).map(|i| format!("| {i} | 0 | 0 | 0 |\n")).collect();
    assert_eq!(found(&index), None);
    let contents: String = (1..30)
        .map(|i| format!("Chapter {i} ..... {}\n", i * 11 + 3))
        .collect();
    assert_eq!(found(&contents), None);
}

const SAMPLES: [&str; 7] = [
    "The lighthouse stands on the eastern reef and was built by Tarrant and his three sons over \
     four summers. Its lamp burned whale oil until 1871, when paraffin came. Keepers wrote the \
     hour of lighting, the wind, the state of the sea and every sail they saw into a book that \
     the harbour office read once a month, and whoever forgot paid a shilling. In the winter of \
     1893 the gallery was torn away and a new one of iron was bolted to the tower.\n",
    "| Month | Rain | Sun | Wind | Fog |\n|---|---|---|---|---|---|---|---|---|---|---|---|\n\
     | January | 0 | 0 | 1 | 0 |\n| February | 0 | 1 | 0 | 0 |\n| March | 2 | 0 | 0 | 1 |\n\
     | April | 0 | 0 | 0 | 0 |\n| May | 1 | 0 | 0 | 0 |\n| June | 0 | 3 | 0 | 0 |\n",
    "- Check the lamp.\n- Check the oil.\n- Check the wick.\n- Check the lens.\n- Check the \
     gallery.\n- Check the stairs.\n- Check the boat.\n- Check the flag.\n- Check the stores.\n\
     - Check the well.\n- Check the roof.\n- Check the log.\n- Check the bell.\n- Check the door.\n",
    "Row, row, row your boat,\nGently down the stream.\nMerrily, merrily, merrily, merrily,\nLife \
     is but a dream.\nRow, row, row your boat,\nGently up the creek.\nIf you see a little mouse, \
     do not forget to squeak.\n",
    "for i in range(10):\n    for j in range(10):\n        a[i][j] = b[j][i]\n        c[i][j] = \
     a[i][j] + b[i][j]\n        d[i][j] = a[i][j] - b[i][j]\n        e[i][j] = a[i][j] * \
     b[i][j]\n",
    "2021-03-04 10:00:01 INFO started\n2021-03-04 10:00:02 INFO reading page 1\n2021-03-04 \
     10:00:03 INFO reading page 2\n2021-03-04 10:00:04 WARN page 2 is blank\n2021-03-04 10:00:05 \
     INFO reading page 3\n2021-03-04 10:00:06 INFO done\n",
    "茶园在山的南坡。茶园的主人姓林。茶园每年春天采茶，夏天除草，秋天施肥，冬天修枝。\
     一月下雪，二月下雨，三月发芽，四月采茶，五月制茶，六月卖茶。\n",
];
