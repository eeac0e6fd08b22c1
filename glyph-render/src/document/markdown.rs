//! Markdown: only its block structure; inline markup stays as it is written.

use super::join::push_line;
use super::{Block, BlockKind, Document};

/// Splits Markdown into blocks. The title is that of the front matter, else the first heading of
/// level 1.
pub(crate) fn parse(text: &str) -> Document {
    let mut state = State::default();
    let (front_title, body) = front_matter(text);
    for line in body.lines() {
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
    let heading = || {
        blocks.iter().find_map(|block| match block {
            Block::Text {
                kind: BlockKind::Heading(1),
                text,
                ..
            } => Some(text.clone()),
            _ => None,
        })
    };
    Document {
        title: front_title.or_else(heading),
        blocks,
    }
}

/// The title in the YAML front matter of a text, and what comes after it.
fn front_matter(text: &str) -> (Option<String>, &str) {
    let none = (None, text);
    let mut at = 0;
    let mut lines = text.split_inclusive('\n').map(|line| {
        at += line.len();
        (line.trim_end(), at)
    });
    if lines.next().is_none_or(|(line, _)| line != "---") {
        return none;
    }
    let mut title: Option<String> = None;
    // Whether the title's text stands in the indented lines that follow.
    let mut folded = false;
    for (count, (line, end)) in lines.enumerate() {
        if matches!(line, "---" | "...") {
            let title = title.filter(|title| !title.is_empty());
            return (title, &text[end..]);
        }
        // Between two rules there may be text as well.
        let key = line.split_once(':').filter(|(key, value)| {
            let word = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
            !key.is_empty()
                && key.chars().all(word)
                && (value.is_empty() || value.starts_with([' ', '\t']))
        });
        if count == 0 && key.is_none() && !line.starts_with('#') {
            return none;
        }
        if line.starts_with([' ', '\t']) && folded {
            push_line(title.get_or_insert_default(), line);
        } else {
            folded = false;
        }
        if let Some((key, value)) = key
            && key.eq_ignore_ascii_case("title")
        {
            let value = value.trim();
            folded = matches!(value, "" | ">" | "|" | ">-" | "|-" | ">+" | "|+");
            title = (!folded).then(|| scalar(value));
        }
    }
    // It is never closed.
    none
}

/// The text of a YAML scalar that stands on one line.
fn scalar(value: &str) -> String {
    if let Some(rest) = value.strip_prefix('"') {
        let mut out = String::new();
        let mut chars = rest.chars();
        while let Some(c) = chars.next().filter(|c| *c != '"') {
            match c {
                '\\' => out.extend(chars.next()),
                c => out.push(c),
            }
        }
        return out;
    }
    if let Some(rest) = value.strip_prefix('\'') {
        let rest = rest.replace("''", "\0");
        let end = rest.find('\'').unwrap_or(rest.len());
        return rest[..end].replace('\0', "'");
    }
    let end = value.find(" #").unwrap_or(value.len());
    value[..end].trim_end().to_owned()
}

#[derive(Default)]
struct State {
    blocks: Vec<Block>,
    /// The block that further lines may continue.
    open: Option<(BlockKind, String)>,
    /// How deep in block quotes the open paragraph stands.
    quote: usize,
    /// The last line of the open block, and the length of its text before that line: the line may
    /// turn out to be the head of a table.
    last: Option<(String, usize)>,
    /// Columns of the table that further lines may continue.
    table: Option<usize>,
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
        let (depth, quoted) = quote(body);
        if depth > 0 {
            self.quoted(body, depth, quoted, line);
        } else if let Some((mark, length)) = fence(body) {
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
        } else if let (Some(level), Some((BlockKind::Paragraph, _)), 0) =
            (setext(body), &self.open, self.quote)
        {
            if let Some((kind, _)) = &mut self.open {
                *kind = BlockKind::Heading(level);
            }
            self.flush();
        } else if is_rule(body) {
            self.flush();
        } else if self.table_head(body) {
            // The line said no more than that the one before begins a table.
        } else if is_item(body) {
            self.flush();
            let depth = indent / 2 * 2;
            self.open = Some((BlockKind::ListItem, format!("{:depth$}{body}", "")));
        } else if body.starts_with('|') && body.len() > 1 && body.ends_with('|') {
            let table = self.table;
            self.flush();
            self.row(body);
            self.table = table;
        } else if self.table.is_some() {
            self.row(body);
        } else if in_list && after_blank && indent == 0 {
            self.flush();
            self.text(line);
        } else {
            self.text(line);
        }
    }

    /// A line in block quotes.
    fn quoted(&mut self, body: &str, depth: usize, quoted: &str, line: &str) {
        let begins = atx(quoted).is_some() || is_item(quoted) || fence(quoted).is_some();
        if self.quote != depth || quoted.is_empty() || begins {
            self.flush();
        }
        if quoted.is_empty() {
            return;
        }
        // Blanks at the line's end break it.
        let end = &line[line.trim_end().len()..];
        let first = self.open.is_none();
        self.text(&format!("{}{end}", if first { body } else { quoted }));
        self.quote = depth;
    }

    /// Whether `body` is the ruler below a table's head, which is then a row.
    fn table_head(&mut self, body: &str) -> bool {
        let Some(columns) = ruler(body) else {
            return false;
        };
        let (Some((BlockKind::Paragraph, text)), Some((head, before)), 0) =
            (&mut self.open, &self.last, self.quote)
        else {
            return false;
        };
        let head = head.clone();
        if cells(&head).len() != columns {
            return false;
        }
        text.truncate(*before);
        self.flush();
        self.row(&head);
        self.table = Some(columns);
        true
    }

    /// A line of running text.
    fn text(&mut self, line: &str) {
        let before = self.open.as_ref().map_or(0, |(_, text)| text.len());
        self.last = Some((line.trim().to_owned(), before));
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
        let mark = |c| matches!(c, '-' | ':' | '|' | ' ');
        if body.starts_with('|') && body.chars().all(mark) && body.contains('-') {
            return;
        }
        self.push(BlockKind::TableRow, &cells(body).join("\t"));
    }

    fn push(&mut self, kind: BlockKind, text: &str) {
        if !text.trim().is_empty() {
            self.blocks.push(Block::text(kind, text, None));
        }
    }

    fn flush(&mut self) {
        self.quote = 0;
        self.table = None;
        self.last = None;
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

/// The cells of a table's row, with pipes around it or without.
fn cells(body: &str) -> Vec<String> {
    let inner = body.replace("\\|", "\u{0}");
    let inner = inner.strip_prefix('|').unwrap_or(&inner);
    let inner = inner.strip_suffix('|').unwrap_or(inner);
    let cells = inner.split('|');
    cells
        .map(|cell| cell.trim().replace('\u{0}', "|"))
        .collect()
}

/// How many columns the ruler below a table's head has; `None` where a line is no ruler.
fn ruler(body: &str) -> Option<usize> {
    let is_ruled = |cell: &String| {
        let cell = cell.strip_prefix(':').unwrap_or(cell);
        let cell = cell.strip_suffix(':').unwrap_or(cell);
        !cell.is_empty() && cell.bytes().all(|byte| byte == b'-')
    };
    if !body.contains('|') || !body.contains('-') {
        return None;
    }
    let cells = cells(body);
    cells.iter().all(is_ruled).then_some(cells.len())
}

/// How deep in block quotes a line stands, and the line without their marks.
fn quote(body: &str) -> (usize, &str) {
    let (mut depth, mut rest) = (0, body);
    while let Some(inner) = rest.strip_prefix('>') {
        (depth, rest) = (depth + 1, inner.trim_start());
    }
    (depth, rest)
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
