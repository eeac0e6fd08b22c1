//! From pages to one document, and what is wrong with it.

use super::{Content, Damage, Inversion, InvertedLine, Line, PageInversion, PageRead};
use crate::code::{BlockStart, Strip};
use crate::document::{Block, Document, PageImage};
use crate::page::Page;

/// Puts pages in order and joins their lines.
pub(super) fn join(pages: &[Page], read: Vec<PageRead>) -> Inversion {
    let mut damage = Vec::new();
    let ordered = order(pages, read, &mut damage);
    let mut joiner = Joiner::default();
    let mut inversions = Vec::with_capacity(ordered.len());
    for (number, mut page) in ordered {
        let position = page.position;
        let content = page.content.take();
        let strip = page.known.as_ref();
        let lines = match content {
            None => {
                joiner.image(&pages[position]);
                Vec::new()
            }
            Some(content) => {
                examine(number, &page, &content, &pages[position], &mut damage);
                joiner.page(number, strip, &content, &mut damage);
                content.lines.into_iter().map(InvertedLine::from).collect()
            }
        };
        inversions.push(PageInversion {
            position,
            number: page.known.as_ref().map(|strip| strip.number),
            lines,
        });
    }
    if let Some((number, false)) = joiner.last {
        damage.push(Damage::Truncated { number });
    }
    Inversion {
        document: Document {
            title: None,
            blocks: joiner.blocks,
        },
        pages: inversions,
        damage,
    }
}

impl From<Line> for InvertedLine {
    fn from(line: Line) -> Self {
        Self {
            is_intact: line.ordinal.is_some(),
            text: line.text,
            y: line.top,
        }
    }
}

/// Gives every page its number and sorts by it; leaves out copies and pages of other documents.
fn order(pages: &[Page], read: Vec<PageRead>, damage: &mut Vec<Damage>) -> Vec<(u32, PageRead)> {
    let document = read
        .iter()
        .find_map(|page| Some(page.known.as_ref()?.document));
    let mut ordered: Vec<(u32, PageRead)> = Vec::new();
    let mut rest = Vec::new();
    for page in read {
        let position = page.position;
        match &page.known {
            None => rest.push(page),
            Some(strip) if Some(strip.document) != document => {
                damage.push(Damage::OtherDocument {
                    number: strip.number,
                    position,
                });
            }
            Some(strip) if ordered.iter().any(|(number, _)| *number == strip.number) => {
                damage.push(Damage::PageRepeated {
                    number: strip.number,
                    position,
                });
            }
            Some(strip) => ordered.push((strip.number, page)),
        }
    }
    // Pages that do not say their number: images, and pages damaged at both edges.
    for page in rest {
        let taken = |number: u32| ordered.iter().any(|(other, _)| *other == number);
        let before = ordered
            .iter()
            .filter(|(_, other)| other.position < page.position)
            .map(|(number, other)| (other.position, *number))
            .max();
        let next = before.map_or(1, |(_, number)| number.saturating_add(1));
        let own = pages[page.position].number;
        let number = if page.content.is_none() && !taken(own) {
            own
        } else {
            next
        };
        ordered.push((number, page));
    }
    ordered.sort_by_key(|(number, page)| (*number, page.position));
    let mut positions: Vec<usize> = ordered.iter().map(|(_, page)| page.position).collect();
    positions.sort_unstable();
    for ((number, page), position) in ordered.iter().zip(positions) {
        if page.position != position && page.known.is_some() {
            damage.push(Damage::PageMoved {
                number: *number,
                position: page.position,
            });
        }
    }
    ordered
}

/// Names what is wrong within one page.
fn examine(
    number: u32,
    page: &PageRead,
    content: &Content,
    pixels: &Page,
    damage: &mut Vec<Damage>,
) {
    if content.strip_damaged {
        damage.push(Damage::StripDamaged {
            number: page.known.as_ref().map(|strip| strip.number),
            position: page.position,
        });
    }
    if let Some(expected) = content.resized {
        damage.push(Damage::Resized {
            number,
            expected,
            found: (pixels.width, pixels.height),
        });
    }
    if let Some(((x, y), count)) = content.stray {
        damage.push(Damage::PixelsAltered {
            number,
            x,
            y,
            count,
        });
    }
    if content.altered {
        damage.push(Damage::MarksAltered { number });
    }
    // Lines are missing where an intact one has a higher number than its place.
    let mut next = 0;
    let mut unread = 0;
    let mut missing = Vec::new();
    for line in &content.lines {
        match line.ordinal {
            None => unread += 1,
            Some(ordinal) => {
                let from = next + unread;
                missing.extend(from..ordinal);
                damage.extend((next..ordinal.min(from)).map(|line| Damage::LineDamaged {
                    number,
                    line: line + 1,
                }));
                (next, unread) = (ordinal + 1, 0);
            }
        }
    }
    let damaged = (next..next + unread).map(|line| Damage::LineDamaged {
        number,
        line: line + 1,
    });
    damage.extend(damaged);
    let lines = page
        .known
        .as_ref()
        .map_or(0, |strip| strip.lines.min(20_000));
    missing.extend(next + unread..lines);
    damage.extend(missing.into_iter().map(|line| Damage::LineMissing {
        number,
        line: line + 1,
    }));
}

#[derive(Default)]
struct Joiner {
    blocks: Vec<Block>,
    /// Number of the page before, and the checksum it ends with where that is known.
    before: Option<(u32, Option<u32>)>,
    /// The last page's number and whether it is the document's last.
    last: Option<(u32, bool)>,
    images: u32,
}

impl Joiner {
    fn image(&mut self, page: &Page) {
        self.images += 1;
        self.blocks.push(Block::Page(PageImage {
            name: format!("page {}", page.number),
            width: page.width,
            height: page.height,
            pixels: page.pixels.clone(),
            color: page.color.clone(),
            metadata: Vec::new(),
        }));
    }

    fn page(
        &mut self,
        number: u32,
        strip: Option<&Strip>,
        content: &Content,
        damage: &mut Vec<Damage>,
    ) {
        let images = std::mem::take(&mut self.images);
        let next = self
            .before
            .map_or(1, |(before, _)| before.saturating_add(1));
        let expected = next.saturating_add(images);
        damage.extend(Damage::missing(expected..number));
        let connected = number == expected;
        if let Some(strip) = strip {
            let follows = self
                .before
                .is_none_or(|(_, after)| after.is_none_or(|after| after == strip.before));
            if connected && !follows {
                damage.push(Damage::Unconnected { number });
            }
            let mut crc = crc32fast::Hasher::new_with_initial(strip.before);
            for line in &content.lines {
                crc.update(line.text.as_bytes());
            }
            let intact = content.lines.iter().all(|line| line.ordinal.is_some())
                && content.lines.len() == strip.lines as usize;
            if intact && crc.finalize() != strip.after {
                damage.push(Damage::TextAltered { number });
            }
        }
        for (i, line) in content.lines.iter().enumerate() {
            let goes_on =
                (i > 0 || connected) && matches!(self.blocks.last(), Some(Block::Text { .. }));
            if line.starts.is_empty() && !goes_on {
                match strip {
                    Some(strip) => self.start(strip.block.1),
                    None => self.start(UNKNOWN),
                }
            }
            line.starts.iter().for_each(|start| self.start(*start));
            if let Some(Block::Text { text, .. }) = self.blocks.last_mut() {
                text.push_str(&line.text);
            }
        }
        self.before = Some((number, strip.map(|strip| strip.after)));
        self.last = Some((number, strip.is_none_or(|strip| strip.last)));
    }

    fn start(&mut self, start: BlockStart) {
        self.blocks.push(Block::Text {
            kind: start.kind,
            text: String::new(),
            source_page: start.source_page,
        });
    }
}

/// The block of a line whose block cannot be told.
const UNKNOWN: BlockStart = BlockStart {
    kind: crate::document::BlockKind::Paragraph,
    source_page: None,
    empty: false,
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_of_any_size_are_named_in_short() {
        let mut joiner = Joiner::default();
        let mut damage = Vec::new();
        joiner.images = u32::MAX;
        joiner.page(60_000_000, None, &Content::default(), &mut damage);
        assert_eq!(damage, []);
        joiner.page(u32::MAX, None, &Content::default(), &mut damage);
        joiner.page(u32::MAX, None, &Content::default(), &mut damage);
        assert_eq!(damage.len(), 1000);
        assert_eq!(damage[0], Damage::PageMissing { number: 60_000_001 });
    }
}
