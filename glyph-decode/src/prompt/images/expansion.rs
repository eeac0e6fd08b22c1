//! What stands in the place of an image or video, family by family.

use std::fmt::Write as _;

use super::{ImagePlaceholder, MOST_TOKENS};
use crate::VlmFamily;

/// Names of a family's tokens for an image and a video.
pub(super) fn names(family: VlmFamily) -> [&'static str; 2] {
    match family {
        VlmFamily::Qwen2Vl | VlmFamily::Qwen2_5Vl => ["<|image_pad|>", "<|video_pad|>"],
        VlmFamily::Glm4v => ["<|image|>", "<|video|>"],
        VlmFamily::Idefics3 => ["<image>", "<video>"],
    }
}

/// What a placeholder becomes.
pub(super) struct Expansion {
    /// The token that vision tokens take the place of.
    pub(super) token: &'static str,
    /// Text before each run of tokens, and after the last one.
    around: Vec<String>,
    /// Numbers of tokens.
    pub(super) runs: Vec<usize>,
}

impl Expansion {
    fn new(token: &'static str) -> Self {
        Self {
            token,
            around: vec![String::new()],
            runs: Vec::new(),
        }
    }

    /// The text that is written to next.
    fn end(&mut self) -> &mut String {
        self.around.last_mut().expect("it begins with one")
    }

    fn push(&mut self, text: &str) {
        self.end().push_str(text);
    }

    fn run(&mut self, tokens: usize) {
        self.runs.push(tokens);
        self.around.push(String::new());
    }

    pub(super) fn text(&self) -> String {
        let mut out = self.around[0].clone();
        for (run, after) in self.runs.iter().zip(&self.around[1..]) {
            out += &self.token.repeat(*run);
            out += after;
        }
        out
    }
}

/// What a placeholder becomes, or what was expected in its place.
pub(super) fn expand(
    image: &ImagePlaceholder,
    family: VlmFamily,
    is_video: bool,
) -> Result<Expansion, &'static str> {
    let [image_token, video_token] = names(family);
    let mut out = Expansion::new(image_token);
    let within = |tokens: usize| (1..=MOST_TOKENS).contains(&tokens);
    match (family, image) {
        (VlmFamily::Idefics3, image) if !is_video => match *image {
            ImagePlaceholder::Tiles {
                rows,
                columns,
                tokens_per_tile,
            } if (rows == 0) == (columns == 0)
                && within(rows.saturating_mul(columns).max(1))
                && within(tokens_per_tile) =>
            {
                tiles(&mut out, rows, columns, tokens_per_tile);
            }
            _ => return Err("Tiles of at least 1 token, in 0 x 0 or at least 1 x 1"),
        },
        (_, &ImagePlaceholder::Patches { tokens }) if !is_video && within(tokens) => {
            out.run(tokens);
        }
        (_, _) if !is_video => return Err("Patches of at least 1 token"),
        (
            _,
            ImagePlaceholder::Frames {
                tokens_per_frame,
                timestamps,
                duration,
            },
        ) if within(*tokens_per_frame)
            && within(timestamps.len())
            && timestamps
                .iter()
                .chain(duration)
                .all(|t| (0.0..1e9).contains(t)) =>
        {
            let seconds = timestamps.iter().map(|&t| t as u64);
            match family {
                VlmFamily::Qwen2Vl | VlmFamily::Qwen2_5Vl => {
                    out.token = video_token;
                    out.run(tokens_per_frame.saturating_mul(timestamps.len()));
                }
                VlmFamily::Glm4v => {
                    for second in seconds {
                        out.push("<|begin_of_image|>");
                        out.run(*tokens_per_frame);
                        let _ = write!(out.end(), "<|end_of_image|>{second}");
                    }
                }
                VlmFamily::Idefics3 => {
                    let seconds: Vec<u64> = seconds.collect();
                    let last = seconds.last().copied().unwrap_or(0);
                    frames(
                        &mut out,
                        &seconds,
                        duration.map_or(last, |d| d as u64),
                        *tokens_per_frame,
                    );
                }
            }
        }
        _ => return Err("Frames of at least 1 token at seconds from 0 to 10^9, at least 1 frame"),
    }
    Ok(out)
}

const FAKE: &str = "<fake_token_around_image>";
const GLOBAL: &str = "<global-img>";

/// An image of Idefics3 (`get_image_prompt_string`).
fn tiles(out: &mut Expansion, rows: usize, columns: usize, tokens_per_tile: usize) {
    for row in 1..=rows {
        for column in 1..=columns {
            let _ = write!(out.end(), "{FAKE}<row_{row}_col_{column}>");
            out.run(tokens_per_tile);
        }
        out.push("\n");
    }
    if rows > 0 {
        out.push("\n");
    }
    whole(out, tokens_per_tile);
}

/// An image in one tile.
fn whole(out: &mut Expansion, tokens: usize) {
    out.push(FAKE);
    out.push(GLOBAL);
    out.run(tokens);
    out.push(FAKE);
}

/// A video of SmolVLM.
fn frames(out: &mut Expansion, seconds: &[u64], duration: u64, tokens_per_frame: usize) {
    let (hours, minutes) = (duration / 3600 % 24, duration / 60 % 60);
    // As Python writes a timedelta.
    let days = match duration / 86_400 {
        0 => String::new(),
        1 => "1 day, ".to_owned(),
        n => format!("{n} days, "),
    };
    let _ = writeln!(
        out.end(),
        "You are provided the following series of {} frames from a \
         {days}{hours}:{minutes:02}:{:02} [H:MM:SS] video.",
        number_in_words(seconds.len()),
        duration % 60
    );
    for second in seconds {
        let _ = write!(
            out.end(),
            "\nFrame from {:02}:{:02}:",
            second / 60,
            second % 60
        );
        whole(out, tokens_per_frame);
    }
    out.push("\n\n");
}

/// An English number below a thousand million, as the Python package num2words writes it.
fn number_in_words(n: usize) -> String {
    const SMALL: [&str; 20] = [
        "zero",
        "one",
        "two",
        "three",
        "four",
        "five",
        "six",
        "seven",
        "eight",
        "nine",
        "ten",
        "eleven",
        "twelve",
        "thirteen",
        "fourteen",
        "fifteen",
        "sixteen",
        "seventeen",
        "eighteen",
        "nineteen",
    ];
    const TENS: [&str; 10] = [
        "", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety",
    ];
    // A rest below a hundred is joined by "and", any other by what the size asks for.
    let with_rest = |head: String, rest: usize, joint: &str| match rest {
        0 => head,
        1..100 => format!("{head} and {}", number_in_words(rest)),
        _ => format!("{head}{joint}{}", number_in_words(rest)),
    };
    match n {
        0..20 => SMALL[n].to_owned(),
        20..100 if n.is_multiple_of(10) => TENS[n / 10].to_owned(),
        20..100 => format!("{}-{}", TENS[n / 10], SMALL[n % 10]),
        100..1000 => with_rest(format!("{} hundred", SMALL[n / 100]), n % 100, " and "),
        1000..1_000_000 => with_rest(
            format!("{} thousand", number_in_words(n / 1000)),
            n % 1000,
            ", ",
        ),
        _ => with_rest(
            format!("{} million", number_in_words(n / 1_000_000)),
            n % 1_000_000,
            ", ",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::number_in_words;

    #[test]
    fn numbers_as_num2words_writes_them() {
        let cases = [
            (0, "zero"),
            (13, "thirteen"),
            (20, "twenty"),
            (64, "sixty-four"),
            (100, "one hundred"),
            (110, "one hundred and ten"),
            (999, "nine hundred and ninety-nine"),
            (1001, "one thousand and one"),
            (1234, "one thousand, two hundred and thirty-four"),
            (20_015, "twenty thousand and fifteen"),
            (1_000_001, "one million and one"),
            (
                1_048_576,
                "one million, forty-eight thousand, five hundred and seventy-six",
            ),
        ];
        for (number, words) in cases {
            assert_eq!(number_in_words(number), words);
        }
    }
}
