//! Set lines back to paragraphs.

use super::lines::Line;
use crate::document::join::{is_cjk, push_set_line};
use crate::document::{Block, BlockKind};
use std::collections::BTreeMap;

/// Turns the lines of page after page into blocks. It counts which size most text has, to
/// tell headings by theirs.
#[derive(Debug, Default)]
pub(super) struct Reflow {
    /// Characters set in each size, in tenths of a point.
    sizes: BTreeMap<u32, usize>,
}

/// A paragraph in the making.
struct Open {
    text: String,
    size: f32,
    lines: usize,
    item: bool,
    /// The left edge and the advance of a monospaced block.
    mono: Option<(f32, f32)>,
}

impl Reflow {
    /// The blocks of one page.
    pub(super) fn page(&mut self, mut lines: Vec<Line>, page: u32) -> Vec<Block> {
        lines.retain(|line| !line.text.trim().is_empty());
        for line in &lines {
            let key = (line.size.clamp(0.0, 1000.0) * 10.0) as u32;
            *self.sizes.entry(key).or_default() += line.text.chars().count();
        }
        let body = self.sizes.iter().max_by_key(|(_, count)| **count);
        let body = body.map_or(10.0, |(size, _)| *size as f32 / 10.0);
        let pitch = pitch(&lines);

        let mut blocks = Vec::new();
        let mut open: Option<Open> = None;
        for (index, line) in lines.iter().enumerate() {
            let item = line.mono.is_none() && is_item(&line.text);
            if let (Some(paragraph), Some(last)) = (&mut open, index.checked_sub(1)) {
                let full = is_full(&lines, last, line);
                if goes_on(paragraph, &lines[last], line, full, pitch, item) {
                    paragraph.push(line, &lines[last], pitch);
                    continue;
                }
            }
            if let Some(done) = open.replace(Open::new(line, item)) {
                blocks.push(done.block(body, page));
            }
        }
        blocks.extend(open.map(|done| done.block(body, page)));
        blocks
    }
}

impl Open {
    fn new(line: &Line, item: bool) -> Self {
        Self {
            text: line.text.trim().to_owned(),
            size: line.size,
            lines: 1,
            item,
            mono: line.mono.map(|advance| (line.x0, advance)),
        }
    }

    fn push(&mut self, line: &Line, last: &Line, pitch: f32) {
        self.lines += 1;
        let Some((left, advance)) = self.mono else {
            if same_baseline(last, line) {
                self.text.push(' ');
            }
            push_set_line(&mut self.text, &line.text);
            return;
        };
        // One blank line where the page has a gap.
        let gap = line.y - last.y > 1.6 * pitch.min(line.size * 1.6);
        self.text.push_str(if gap { "\n\n" } else { "\n" });
        let columns = ((line.x0 - left) / advance.max(0.1)).round();
        let columns = columns.clamp(0.0, 120.0) as usize;
        self.text.extend(std::iter::repeat_n(' ', columns));
        self.text.push_str(line.text.trim());
    }

    fn block(self, body: f32, page: u32) -> Block {
        let ratio = self.size / body.max(1.0);
        let short = self.lines <= 3 && self.text.chars().count() < 200;
        let worded = self.text.chars().any(char::is_alphabetic);
        let kind = if self.mono.is_some() {
            BlockKind::Preformatted
        } else if ratio > 1.12 && short && worded {
            BlockKind::Heading(match ratio {
                r if r > 1.9 => 1,
                r if r > 1.35 => 2,
                _ => 3,
            })
        } else if self.item {
            BlockKind::ListItem
        } else {
            BlockKind::Paragraph
        };
        // A soft hyphen is left where a word goes on after the end of the page.
        let text = self.text.replace('\u{ad}', "-");
        Block::text(kind, text, Some(page))
    }
}

fn same_baseline(a: &Line, b: &Line) -> bool {
    (b.y - a.y).abs() < 0.3 * a.size.max(b.size)
}

/// Whether `line` belongs to the paragraph that ends with `last`.
fn goes_on(open: &Open, last: &Line, line: &Line, full: bool, pitch: f32, item: bool) -> bool {
    let down = line.y - last.y;
    if open.mono.is_some() != line.mono.is_some() {
        // A short line such as `}` or a word of one kind in a block of the other.
        return same_baseline(last, line);
    }
    if let (Some((_, advance)), Some(other)) = (open.mono, line.mono) {
        let alike = (advance - other).abs() < 0.05 * advance;
        return alike && down > 0.0 && down < 3.2 * line.size;
    }
    if same_baseline(last, line) {
        return true;
    }
    let ratio = line.size / last.size.max(0.1);
    if !(0.88..1.13).contains(&ratio) {
        return false;
    }
    let ended = ends_sentence(&last.text);
    if item && (!full || ended || open.item) {
        return false;
    }
    // Dots that lead to a page number: a line of a table of contents ends.
    if last.text.contains(". . . .") || last.text.contains(".....") {
        return false;
    }
    if down < 0.0 {
        // The next column.
        return full && !ended;
    }
    if down > 1.35 * pitch.max(line.size) && down > 1.35 * pitch_of(pitch, line.size) {
        return false;
    }
    let hangs = open.item && open.lines == 1;
    if line.x0 > last.x0 + 0.8 * line.size && !hangs {
        // Indented. Centred lines move both ends alike.
        let centred = ((line.x0 + line.x1) - (last.x0 + last.x1)).abs() < line.size;
        return centred && open.size > 11.5;
    }
    full
}

/// The pitch of the page where that fits the size, else what is usual for the size.
fn pitch_of(pitch: f32, size: f32) -> f32 {
    if (1.0..1.8).contains(&(pitch / size.max(0.1))) {
        pitch
    } else {
        1.3 * size
    }
}

/// Whether the first word of the next line had no room at the end of a line.
fn is_full(lines: &[Line], index: usize, next: &Line) -> bool {
    let line = &lines[index];
    let near = &lines[index.saturating_sub(12)..(index + 13).min(lines.len())];
    let beside = |other: &&Line| {
        other.mono.is_some() == line.mono.is_some()
            && (other.x0 - line.x0).abs() < 4.0 * line.size
            && (other.size / line.size - 1.0).abs() < 0.2
    };
    let mut ends: Vec<f32> = near.iter().filter(beside).map(|other| other.x1).collect();
    ends.sort_by(|a, b| b.total_cmp(a));
    // The right edge is where two lines end: a single one may jut out.
    let edge = ends
        .windows(2)
        .find(|pair| pair[0] - pair[1] < 0.05 * line.size);
    let right = edge.map_or(ends.first(), |pair| pair.last());
    let right = right.copied().unwrap_or(line.x1);
    let width = |text: &str| text.chars().map(ems).sum::<f32>();
    let scale = (line.x1 - line.x0) / width(line.text.trim()).max(0.5);
    let mut word = String::new();
    for c in next.text.trim_start().chars() {
        if c.is_whitespace() || (is_cjk(c) && !word.is_empty()) {
            break;
        }
        word.push(c);
        if is_cjk(c) {
            break;
        }
    }
    // CJK punctuation may not start a line, so that a line may end early by some characters.
    let slack = if word.chars().any(is_cjk) { 1.6 } else { 0.0 };
    line.x1 + scale * (0.3 + width(&word) + slack) > right
}

/// A rough width of a character.
fn ems(c: char) -> f32 {
    match c {
        c if is_cjk(c) => 1.0,
        'i' | 'l' | 'j' | '.' | ',' | ';' | ':' | '\'' | '|' | '!' | ' ' | 't' | 'f' => 0.3,
        'm' | 'w' | 'M' | 'W' => 0.85,
        c if c.is_uppercase() => 0.68,
        _ => 0.5,
    }
}

fn ends_sentence(text: &str) -> bool {
    let text = text.trim_end_matches([' ', '"', '\'', ')', '”', '’', '」', '）']);
    text.ends_with(['.', '!', '?', ':', '。', '！', '？', '：', '…'])
}

/// Whether a line starts with a bullet or a number of a list.
fn is_item(text: &str) -> bool {
    let text = text.trim_start();
    let Some(first) = text.chars().next() else {
        return false;
    };
    let rest = &text[first.len_utf8()..];
    if "•‣◦▪▫●○■□◆◇➢✓·∙".contains(first) {
        return true;
    }
    if matches!(first, '-' | '–' | '*') {
        return rest.starts_with(' ');
    }
    let (inner, closed) = match text.strip_prefix(['(', '（']) {
        Some(inner) => (inner, true),
        None => (text, false),
    };
    let digits = inner.bytes().take_while(u8::is_ascii_digit).count();
    let length = match inner.bytes().next() {
        _ if (1..=2).contains(&digits) => digits,
        Some(b'a'..=b'z') => 1,
        _ => return false,
    };
    let mark = &inner[length..];
    let tail = match closed {
        true => mark.strip_prefix([')', '）']),
        false => mark.strip_prefix([')', '.', '、']),
    };
    // A lone letter with a full stop is more often the end of an abbreviation.
    let letter_stop = digits == 0 && mark.starts_with('.');
    !letter_stop && tail.is_some_and(|tail| tail.starts_with(' ') || tail.starts_with(is_cjk))
}

/// The usual distance of two lines of a page.
fn pitch(lines: &[Line]) -> f32 {
    let mut steps: Vec<f32> = lines
        .windows(2)
        .filter(|pair| (pair[0].size - pair[1].size).abs() < 0.5)
        .map(|pair| pair[1].y - pair[0].y)
        .filter(|step| *step > 1.0)
        .collect();
    steps.sort_by(f32::total_cmp);
    // The lower third: gaps between paragraphs only make it larger.
    let usual = steps.get(steps.len() / 3).copied();
    usual.unwrap_or_else(|| lines.first().map_or(12.0, |line| line.size * 1.2))
}
