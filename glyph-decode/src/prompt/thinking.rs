//! What a model thought and what it answers: `<think>…</think><answer>…</answer>`.

use std::borrow::Cow;

const THINK: &str = "<think>";
const END_OF_THINK: &str = "</think>";
const ANSWER: &str = "<answer>";
const END_OF_ANSWER: &str = "</answer>";
/// Tags in an answer that only mark it up.
const DROPPED: [&str; 3] = [ANSWER, "<|begin_of_box|>", "<|end_of_box|>"];

/// An output in two.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Thinking<'a> {
    /// What the model thought, without blanks around it; `None` if it did not open a thought.
    pub thinking: Option<&'a str>,
    /// What the model answers, without blanks around it; empty if it did not get that far.
    pub answer: Cow<'a, str>,
}

/// Splits the output of a model such as GLM-4.1V-Thinking or Glyph, which thinks before it answers.
///
/// Tags may be missing. A thought without an end lasts until the last `<answer>`, or else to the
/// end; an end of a thought without a beginning belongs to a thought that the prompt has opened.
/// `<answer>` and the marks of a box are left out, and so is what follows `</answer>`.
pub fn split_thinking(output: &str) -> Thinking<'_> {
    let opened = output.trim_start().strip_prefix(THINK);
    let body = opened.unwrap_or(output);
    let (thinking, answer) = match body.split_once(END_OF_THINK) {
        Some((thinking, answer)) => (Some(thinking), answer),
        None if opened.is_some() => match body.rsplit_once(ANSWER) {
            Some((thinking, answer)) => (Some(thinking), answer),
            None => (Some(body), ""),
        },
        None => (None, body),
    };
    let answer = answer
        .split_once(END_OF_ANSWER)
        .map_or(answer, |(answer, _)| answer);
    Thinking {
        thinking: thinking.map(str::trim),
        answer: without_tags(answer.trim()),
    }
}

fn without_tags(answer: &str) -> Cow<'_, str> {
    // Tags stand at the ends mostly, where nothing has to be copied.
    let mut answer = answer;
    loop {
        let inner = DROPPED.iter().fold(answer, |text, tag| {
            let text = text.strip_prefix(tag).unwrap_or(text);
            text.strip_suffix(tag).unwrap_or(text).trim()
        });
        if inner.len() == answer.len() {
            break;
        }
        answer = inner;
    }
    match DROPPED.iter().any(|tag| answer.contains(tag)) {
        true => {
            let mut stream = AnswerStream {
                state: State::Answer,
                ..AnswerStream::default()
            };
            let mut out = stream.push(answer);
            out += &stream.finish();
            Cow::Owned(out)
        }
        false => Cow::Borrowed(answer),
    }
}

/// Passes on only the answer of an output that comes in pieces, cut anywhere.
///
/// The pieces together are what [`split_thinking`] calls the answer, if the stream was told of a
/// thought that the prompt has opened.
#[derive(Debug, Default)]
pub struct AnswerStream {
    state: State,
    /// Text that may still become a tag, or whose meaning what follows decides.
    held: String,
    /// Whether something was passed on.
    begun: bool,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nothing but blanks has come.
    #[default]
    Start,
    Thinking,
    /// An `<answer>` has come in a thought that has no end yet; what follows it is held.
    MaybeAnswer,
    Answer,
    Ended,
}

impl AnswerStream {
    /// For an output that may begin with a thought.
    pub fn new() -> Self {
        Self::default()
    }

    /// For an output whose thought was opened by the prompt.
    pub fn within_thought() -> Self {
        Self {
            state: State::Thinking,
            ..Self::default()
        }
    }

    /// Takes a piece of the output and returns what can be told of the answer by now.
    pub fn push(&mut self, piece: &str) -> String {
        self.held.push_str(piece);
        let mut out = String::new();
        while self.step(&mut out) {}
        out
    }

    /// The rest of the answer, at the end of the output.
    pub fn finish(&mut self) -> String {
        let mut out = String::new();
        if matches!(self.state, State::Start | State::MaybeAnswer) {
            self.state = State::Answer;
            while self.step(&mut out) {}
        }
        let held = std::mem::take(&mut self.held);
        if self.state == State::Answer {
            // What might have become a tag is text after all.
            self.pass_on(held.trim_end(), &mut out);
        }
        self.state = State::Ended;
        out
    }

    /// Whether the model is still thinking, so far as can be told.
    pub fn is_thinking(&self) -> bool {
        matches!(self.state, State::Thinking | State::MaybeAnswer)
    }

    /// Takes what is held one tag further; `false` if that has to wait for more.
    fn step(&mut self, out: &mut String) -> bool {
        match self.state {
            State::Start => {
                let text = self.held.trim_start();
                if let Some(rest) = text.strip_prefix(THINK) {
                    self.held = rest.to_owned();
                    self.state = State::Thinking;
                } else if THINK.starts_with(text) {
                    return false;
                } else {
                    self.state = State::Answer;
                }
                true
            }
            State::Thinking | State::MaybeAnswer => self.step_thinking(),
            State::Answer => self.step_answer(out),
            State::Ended => {
                self.held.clear();
                false
            }
        }
    }

    fn step_thinking(&mut self) -> bool {
        if let Some((_, answer)) = self.held.split_once(END_OF_THINK) {
            self.held = answer.to_owned();
            self.state = State::Answer;
            return true;
        }
        if let Some((_, answer)) = self.held.rsplit_once(ANSWER) {
            self.held = answer.to_owned();
            self.state = State::MaybeAnswer;
        } else if self.state == State::Thinking {
            let keep = unfinished(&self.held, &[END_OF_THINK, ANSWER]);
            self.held.drain(..self.held.len() - keep);
        }
        false
    }

    fn step_answer(&mut self, out: &mut String) -> bool {
        const TAGS: [&str; 4] = [DROPPED[0], DROPPED[1], DROPPED[2], END_OF_ANSWER];
        let held = std::mem::take(&mut self.held);
        let found = TAGS
            .iter()
            .filter_map(|tag| Some((held.find(tag)?, *tag)))
            .min();
        if let Some((at, END_OF_ANSWER)) = found {
            self.pass_on(held[..at].trim_end(), out);
            self.state = State::Ended;
            return false;
        }
        if let Some((at, tag)) = found {
            // Blanks before a tag may turn out to be the last ones of the answer.
            let text = held[..at].trim_end();
            self.pass_on(text, out);
            self.held = held[text.len()..at].to_owned() + &held[at + tag.len()..];
            return true;
        }
        let ready = &held[..held.len() - unfinished(&held, &TAGS)];
        let ready = ready.trim_end();
        self.pass_on(ready, out);
        self.held = held[ready.len()..].to_owned();
        false
    }

    fn pass_on(&mut self, text: &str, out: &mut String) {
        let text = if self.begun { text } else { text.trim_start() };
        self.begun |= !text.is_empty();
        out.push_str(text);
    }
}

/// Length of the longest end of a text that begins one of the tags.
fn unfinished(text: &str, tags: &[&str]) -> usize {
    let longest = tags.iter().map(|tag| tag.len()).max().unwrap_or(0);
    (text.len().saturating_sub(longest)..text.len())
        .filter(|&at| text.is_char_boundary(at))
        .find(|&at| tags.iter().any(|tag| tag.starts_with(&text[at..])))
        .map_or(0, |at| text.len() - at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn thoughts_and_answers() {
        let cases = [
            ("<think>a</think><answer>b</answer>", Some("a"), "b"),
            (
                "\n<think> a\n</think>\n\n<answer>\nb c\n</answer>\n",
                Some("a"),
                "b c",
            ),
            ("<think></think>b", Some(""), "b"),
            // Tags that are missing.
            ("<think>a</think>b", Some("a"), "b"),
            ("<think>a</think><answer>b", Some("a"), "b"),
            ("<think>a", Some("a"), ""),
            ("<think>a<answer>b", Some("a"), "b"),
            ("a</think>b", Some("a"), "b"),
            ("<answer>b</answer>", None, "b"),
            ("b", None, "b"),
            ("", None, ""),
            // A thought may speak of the tag.
            (
                "<think>in <answer> tags</think>b",
                Some("in <answer> tags"),
                "b",
            ),
            (
                "<think>in <answer> tags.<answer>b</answer>",
                Some("in <answer> tags."),
                "b",
            ),
            // Boxes, and what comes after the answer.
            (
                "<think>a</think><answer><|begin_of_box|> b <|end_of_box|></answer>",
                Some("a"),
                "b",
            ),
            (
                "It is <|begin_of_box|>b<|end_of_box|>, I think.",
                None,
                "It is b, I think.",
            ),
            ("So: <answer>b</answer> c", None, "So: b"),
            ("a < b <an> c", None, "a < b <an> c"),
        ];
        for (output, thinking, answer) in cases {
            let split = split_thinking(output);
            assert_eq!(
                (split.thinking, &*split.answer),
                (thinking, answer),
                "{output:?}"
            );
        }
        let split = split_thinking("<think>a</think><answer> b </answer>");
        assert!(matches!(split.answer, Cow::Borrowed(_)));
    }

    #[test]
    fn an_answer_is_passed_on_as_it_comes() {
        let mut stream = AnswerStream::new();
        assert_eq!(stream.push("<thi"), "");
        assert!(!stream.is_thinking());
        assert_eq!(stream.push("nk>hm"), "");
        assert!(stream.is_thinking());
        assert_eq!(stream.push("</think>\n<answer> It is"), "It is");
        assert!(!stream.is_thinking());
        assert_eq!(stream.push(" <"), "");
        assert_eq!(stream.push(" 41 m <"), " < 41 m");
        assert_eq!(stream.push("/answer> and so on"), "");
        assert_eq!(stream.finish(), "");
        let mut stream = AnswerStream::within_thought();
        assert_eq!(stream.push("hm"), "");
        assert_eq!(stream.push("</think>b"), "b");
    }

    proptest! {
        /// However an output is cut, the pieces are its answer.
        #[test]
        fn cuts_do_not_matter(
            parts in prop::collection::vec(prop::sample::select(vec![
                THINK, END_OF_THINK, ANSWER, END_OF_ANSWER, DROPPED[1], DROPPED[2], " ", "\n", "a",
                "é", "<", "<answ", "</", "<|begin_of_", "think>",
            ]), 0..12),
            cuts in prop::collection::vec(1usize..9, 0..40),
            opened in any::<bool>(),
        ) {
            let output = parts.concat();
            let whole = if opened { THINK.to_owned() + &output } else { output.clone() };
            // A thought that was opened before has to be told to the stream.
            let within = opened
                || !output.trim_start().starts_with(THINK) && output.contains(END_OF_THINK);
            let mut stream = match within {
                true => AnswerStream::within_thought(),
                false => AnswerStream::new(),
            };
            let characters: Vec<char> = output.chars().collect();
            let (mut out, mut rest) = (String::new(), &characters[..]);
            for n in cuts.into_iter().chain([usize::MAX]) {
                let (piece, after) = rest.split_at(n.min(rest.len()));
                out += &stream.push(&piece.iter().collect::<String>());
                rest = after;
            }
            out += &stream.finish();
            prop_assert_eq!(out, split_thinking(&whole).answer);
        }
    }
}
