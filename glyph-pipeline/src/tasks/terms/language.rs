//! Questions in other languages of Europe than English: what they ask for, and the words that carry
//! grammar.

use super::{Token, fold, is_stop_word, tokenize};
use std::collections::HashSet;
use std::sync::LazyLock;

/// What a question word of another language asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asks {
    Who,
    When,
    Where,
    Quantity,
    Why,
    Other,
}

/// Question words by what they ask for; none is an English word that may begin a question.
const QUESTION_WORDS: [(Asks, &str); 6] = [
    (
        Asks::Who,
        "wer wem wen wessen qui quién quien quiénes chi quem кто кого хто кой ποιος ποια ποιοι kdo kto \
         vem hvem ki kuka cine kim",
    ),
    (
        Asks::When,
        "wann quand cuándo cuando quando wanneer когда коли кога πότε kdy kiedy når hvornår mikor \
         milloin când",
    ),
    (
        Asks::Where,
        "wo woher wohin où dónde donde dove onde waar где куда де къде πού kde gdzie hvor hol missä \
         unde nerede",
    ),
    (
        Asks::Quantity,
        "wieviel wieviele combien cuánto cuánta cuántos cuántas quanto quanta quanti quante quantos \
         quantas hoeveel сколько скільки колко πόσο πόσα πόσοι πόσες kolik ile mennyi hány kuinka \
         cât câți câte kaç",
    ),
    (
        Asks::Why,
        "warum wieso weshalb pourquoi porqué perché perchè waarom почему зачем чому защо γιατί proč \
         dlaczego varför hvorfor miért miksi neden",
    ),
    (
        Asks::Other,
        "wie welche welcher welches welchen welchem comment quel quelle quels quelles quoi cómo qué \
         cuál cuáles cosa quale quali qual quais welke wat как какой какая какое какие что який яка \
         що какво какъв πώς τι ποιο jak jaký jaká jaki jaka co hur vad vilken hvordan hvilken hvad \
         hogyan milyen mikä miten cum ce care nasıl hangi",
    ),
];

/// Words that say in what something is measured: a text that says it of another thing answers nothing.
const MEASURES: &str = "hoch groß lang breit tief weit schwer alt teuer viel viele kostet kosten \
    kostete coûte coûtent coûtera coûtait coûté cuesta cuestan costó costa costano custa custam \
    kost kosten kostar koster стоит стоят стоил стоила стоило коштує струва κοστίζει kosztuje stojí";

/// Languages, by the names of their lists of function words.
const LANGUAGES: [&str; 15] = [
    "de", "fr", "es", "it", "pt", "nl", "ru", "el", "sv", "da", "no", "fi", "hu", "ro", "tr",
];

static FUNCTION_WORDS: LazyLock<Vec<HashSet<&'static str>>> = LazyLock::new(|| {
    LANGUAGES
        .iter()
        .map(|language| stop_words::get(language).iter().copied().collect())
        .collect()
});

static ASKING: LazyLock<Vec<(&'static str, Asks)>> = LazyLock::new(|| {
    QUESTION_WORDS
        .iter()
        .flat_map(|(asks, words)| words.split_whitespace().map(|word| (word, *asks)))
        .collect()
});

fn words(text: &str) -> Vec<(String, usize, usize)> {
    let mut found = Vec::new();
    tokenize(text, |token, at| {
        if let Token::Word(word) = token {
            found.push((fold(word), at, word.len()));
        }
    });
    found
}

/// A question in another language of Europe than English.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Foreign {
    pub(crate) asks: Asks,
    /// The question without its question words, measures, and its language's function words; empty
    /// where there are no others.
    pub(crate) plain: String,
}

/// Reads a question in another language of Europe than English: it has a question word of one, and
/// as many function words of one as of English.
pub(crate) fn foreign(question: &str) -> Option<Foreign> {
    let words = words(question);
    let asked = |word: &str| ASKING.iter().find(|(asking, _)| *asking == word);
    let asks = words.iter().find_map(|(word, ..)| asked(word))?.1;
    let measures = |word: &str| MEASURES.split_whitespace().any(|m| m == word);
    let own = |list: &&HashSet<&str>| {
        let own = words.iter().filter(|(w, ..)| list.contains(w.as_str()));
        own.count()
    };
    let list = FUNCTION_WORDS.iter().max_by_key(own)?;
    let english = words.iter().filter(|(w, ..)| is_stop_word(w)).count();
    if english > own(&list) {
        return None;
    }
    let mut plain = String::new();
    let mut from = 0;
    let mut any = false;
    for (word, at, length) in &words {
        if asked(word).is_some() || list.contains(word.as_str()) || measures(word) {
            plain.push_str(&question[from..*at]);
            from = at + length;
        } else {
            any = true;
        }
    }
    plain.push_str(&question[from..]);
    let plain = if any { plain } else { String::new() };
    Some(Foreign { asks, plain })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_of_other_languages_are_told_from_english_ones() {
        for (question, asks) in [
            ("Wer ist der Schatzmeister?", Asks::Who),
            ("Wann findet die nächste Sitzung statt?", Asks::When),
            ("Was kostet es, und wo?", Asks::Where),
            ("Combien coûte l'adhésion annuelle ?", Asks::Quantity),
            ("¿Cuándo se construyó el faro?", Asks::When),
            ("Chi ha progettato il traghetto?", Asks::Who),
            ("Quem projetou a balsa?", Asks::Who),
            ("Кто построил маяк?", Asks::Who),
            ("Πότε χτίστηκε ο φάρος;", Asks::When),
            ("Waarom is de pier gesloten?", Asks::Why),
        ] {
            assert_eq!(foreign(question).map(|f| f.asks), Some(asks), "{question}");
        }
        for question in [
            "Who wrote the report on wo and wie in the lexicon?",
            "What is the name of the Quai d'Orsay's chief?",
            "die casting machine?",
            "Describe the storm",
            "灯塔建于何时？",
            "",
        ] {
            assert_eq!(foreign(question), None, "{question}");
        }
    }

    #[test]
    fn what_carries_grammar_is_left_out() {
        let left = |question| {
            let plain = foreign(question).expect("it is foreign").plain;
            plain.split_whitespace().collect::<Vec<_>>().join(" ")
        };
        assert_eq!(
            left("Wie hoch ist der Mitgliedsbeitrag?"),
            "Mitgliedsbeitrag?"
        );
        assert_eq!(left("Qui a conçu le navire ?"), "conçu navire ?");
        assert_eq!(left("Wer ist es?"), "");
    }
}
