//! Lines of PDF pages to paragraphs.

use super::super::join::{is_cjk, push_set_line};
use super::super::{Block, BlockKind};

/// Collects pages; a paragraph may go on over a page break.
#[derive(Default)]
pub(super) struct Reflow {
    blocks: Vec<Block>,
    paragraph: String,
    page: u32,
}

impl Reflow {
    pub(super) fn page(&mut self, text: &str, page: u32) {
        let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
        // A line much shorter than the page's usual ends a paragraph.
        let mut widths: Vec<usize> = lines.iter().map(|l| width(l)).filter(|&w| w > 0).collect();
        widths.sort_unstable();
        let usual = widths.get(widths.len() * 4 / 5).copied().unwrap_or(0);
        for line in lines {
            let text = line.trim();
            if text.is_empty() {
                // Page ends leave blank lines: only a finished sentence ends the paragraph.
                if self.ends_sentence() || width(&self.paragraph) < usual {
                    self.flush();
                }
                continue;
            }
            if starts_item(text) || is_leader(text) {
                self.flush();
            }
            if self.paragraph.is_empty() {
                self.page = page;
            }
            push_set_line(&mut self.paragraph, text);
            let short = width(text) * 10 < usual * 7;
            if is_leader(text) || (short && self.ends_sentence()) {
                self.flush();
            }
        }
    }

    pub(super) fn finish(&mut self) -> Vec<Block> {
        self.flush();
        std::mem::take(&mut self.blocks)
    }

    fn ends_sentence(&self) -> bool {
        self.paragraph.trim_end().ends_with(['.', '!', '?', ':', ';', '。', '！', '？', '：', '；', '”', '"', ')', '）'])
    }

    fn flush(&mut self) {
        if !self.paragraph.is_empty() {
            let text = std::mem::take(&mut self.paragraph);
            let kind = if starts_item(&text) { BlockKind::ListItem } else { BlockKind::Paragraph };
            self.blocks.push(Block::text(kind, text, Some(self.page)));
        }
    }
}

fn width(line: &str) -> usize {
    line.trim().chars().map(|c| if is_cjk(c) { 2 } else { 1 }).sum()
}

fn starts_item(line: &str) -> bool {
    line.starts_with(['•', '▪', '◦', '‣', '●', '○', '■', '–', '·']) || line.starts_with("- ") || line.starts_with("* ")
}

/// A row of a table of contents: its dots lead to a page number.
fn is_leader(line: &str) -> bool {
    (line.contains(". . .") || line.contains(".....")) && line.ends_with(|c: char| c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paragraphs_go_on_over_lines_and_pages() {
        let mut reflow = Reflow::default();
        reflow.page("A sentence that is broken over sev-\neral lines of the page and\n", 1);
        reflow.page("goes on here until it ends.\n\n• first item\n• second item\n", 2);
        let texts: Vec<_> = reflow
            .finish()
            .into_iter()
            .map(|b| match b {
                Block::Text { kind, text, source_page } => (kind, text, source_page),
                Block::Page(_) => panic!("no image was given"),
            })
            .collect();
        assert_eq!(texts[0].1, "A sentence that is broken over several lines of the page and goes on here until it ends.");
        assert_eq!((texts[0].0, texts[0].2), (BlockKind::Paragraph, Some(1)));
        assert_eq!((texts[1].0, texts[1].1.as_str()), (BlockKind::ListItem, "• first item"));
        assert_eq!(texts.len(), 3);
    }
}
