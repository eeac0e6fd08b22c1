//! Markdown: only its block structure; inline markup stays as it is written.

use super::join::push_line;
use super::{Block, BlockKind, Document};

/// Splits Markdown into blocks. The first heading of level 1 is the title.
pub(crate) fn parse(text: &str) -> Document {
    let mut state = State::default();
    for line in text.lines() {
        state.line(line);
    }
    state.flush();
    let mut blocks = state.blocks;
    if blocks.is_empty() {
        // A file of nothing but rules or fences still has its text.
        return Document::from_text(text);
    }
    if let Some(fence) = &state.fence {
        // A fence that is never closed runs to the end, as CommonMark has it.
        push_code(&mut blocks, &fence.lines);
    }
    let title = blocks.iter().find_map(|block| match block {
        Block::Text {
            kind: BlockKind::Heading(1),
            text,
            ..
        } => Some(text.clone()),
        _ => None,
    });
    Document { title, blocks }
}

#[derive(Default)]
struct State {
    blocks: Vec<Block>,
    /// The block that further lines may continue.
    open: Option<(BlockKind, String)>,
    fence: Option<Fence>,
    /// Lines of indented code.
    code: Vec<String>,
    blank: bool,
}

struct Fence {
    mark: char,
    length: usize,
    indent: usize,
    lines: Vec<String>,
}

impl State {
    fn line(&mut self, line: &str) {
        if let Some(fence) = &mut self.fence {
            let body = line.trim();
            let closes = body.chars().all(|c| c == fence.mark) && body.len() >= fence.length;
            if !closes {
                let indent = indent_of(line).min(fence.indent);
                fence.lines.push(line[indent..].to_owned());
            } else if let Some(fence) = self.fence.take() {
                push_code(&mut self.blocks, &fence.lines);
            }
            return;
        }
        let body = line.trim();
        let indent = line.len() - line.trim_start().len();
        if body.is_empty() {
            if self.code.is_empty() {
                // A list item may go on after a blank line, a paragraph may not.
                if !matches!(self.open, Some((BlockKind::ListItem, _))) {
                    self.flush();
                }
            } else {
                self.code.push(String::new());
            }
            self.blank = true;
            return;
        }
        let after_blank = std::mem::take(&mut self.blank);
        let in_list = matches!(self.open, Some((BlockKind::ListItem, _)));
        let tab = line.starts_with('\t') || line.starts_with("    ");
        if tab && (!self.code.is_empty() || self.open.is_none()) {
            let rest = line.strip_prefix('\t').unwrap_or_else(|| &line[4..]);
            self.code.push(rest.to_owned());
            return;
        }
        if !self.code.is_empty() {
            self.flush();
        }
        if let Some((mark, length)) = fence(body) {
            self.flush();
            self.fence = Some(Fence {
                mark,
                length,
                indent: indent_of(line),
                lines: Vec::new(),
            });
        } else if let Some((level, title)) = atx(body) {
            self.flush();
            self.push(BlockKind::Heading(level), title);
        } else if let (Some(level), Some((BlockKind::Paragraph, _))) = (setext(body), &self.open) {
            if let Some((kind, _)) = &mut self.open {
                *kind = BlockKind::Heading(level);
            }
            self.flush();
        } else if is_rule(body) {
            self.flush();
        } else if is_item(body) {
            self.flush();
            let depth = indent / 2 * 2;
            self.open = Some((BlockKind::ListItem, format!("{:depth$}{body}", "")));
        } else if body.starts_with('|') && body.len() > 1 && body.ends_with('|') {
            self.flush();
            self.row(body);
        } else if in_list && after_blank && indent == 0 {
            self.flush();
            self.text(line);
        } else {
            self.text(line);
        }
    }

    /// A line of running text.
    fn text(&mut self, line: &str) {
        let hard = line.ends_with("  ") || line.ends_with('\\');
        let body = line.trim().trim_end_matches('\\');
        match &mut self.open {
            Some((_, text)) if text.ends_with('\n') => text.push_str(body),
            Some((_, text)) => push_line(text, body),
            None => self.open = Some((BlockKind::Paragraph, body.to_owned())),
        }
        if let (true, Some((_, text))) = (hard, &mut self.open) {
            text.push('\n');
        }
    }

    fn row(&mut self, body: &str) {
        let inner = &body[1..body.len() - 1];
        let ruler = |c| matches!(c, '-' | ':' | '|' | ' ');
        if inner.chars().all(ruler) && inner.contains('-') {
            return;
        }
        let inner = inner.replace("\\|", "\u{0}");
        let cells: Vec<_> = inner
            .split('|')
            .map(|cell| cell.trim().replace('\u{0}', "|"))
            .collect();
        self.push(BlockKind::TableRow, &cells.join("\t"));
    }

    fn push(&mut self, kind: BlockKind, text: &str) {
        if !text.trim().is_empty() {
            self.blocks.push(Block::text(kind, text, None));
        }
    }

    fn flush(&mut self) {
        if let Some((kind, text)) = self.open.take() {
            self.push(kind, text.trim_end());
        }
        let code = std::mem::take(&mut self.code);
        push_code(&mut self.blocks, &code);
    }
}

fn push_code(blocks: &mut Vec<Block>, lines: &[String]) {
    let text = lines.join("\n");
    let text = text.trim_end();
    if !text.is_empty() {
        blocks.push(Block::text(BlockKind::Preformatted, text, None));
    }
}

/// Leading spaces, which are one byte each.
fn indent_of(line: &str) -> usize {
    line.len() - line.trim_start_matches(' ').len()
}

fn fence(body: &str) -> Option<(char, usize)> {
    let mark = body.chars().next().filter(|c| matches!(c, '`' | '~'))?;
    let length = body.chars().take_while(|&c| c == mark).count();
    let info = &body[length..];
    (length >= 3 && !(mark == '`' && info.contains('`'))).then_some((mark, length))
}

fn atx(body: &str) -> Option<(u8, &str)> {
    let level = body.chars().take_while(|&c| c == '#').count();
    let rest = &body[level..];
    if !(1..=6).contains(&level) || !(rest.is_empty() || rest.starts_with([' ', '\t'])) {
        return None;
    }
    let title = rest.trim();
    let bare = title.trim_end_matches('#');
    let closed = bare.is_empty() || bare.ends_with([' ', '\t']);
    Some((level as u8, if closed { bare.trim_end() } else { title }))
}

fn setext(body: &str) -> Option<u8> {
    if body.len() >= 2 && body.bytes().all(|b| b == b'=') {
        Some(1)
    } else if body.len() >= 2 && body.bytes().all(|b| b == b'-') {
        Some(2)
    } else {
        None
    }
}

fn is_rule(body: &str) -> bool {
    ['-', '*', '_']
        .into_iter()
        .any(|mark| body.chars().all(|c| c == mark || c == ' ') && body.matches(mark).count() >= 3)
}

fn is_item(body: &str) -> bool {
    let rest = match body.strip_prefix(['-', '*', '+']) {
        Some(rest) => rest,
        None => {
            let digits = body.bytes().take_while(u8::is_ascii_digit).count();
            match body[digits..].strip_prefix(['.', ')']) {
                Some(rest) if (1..=9).contains(&digits) => rest,
                _ => return false,
            }
        }
    };
    rest.starts_with([' ', '\t'])
}
