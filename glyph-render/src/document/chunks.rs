//! Chunks of bounded size.

use std::ops::Range;

use unicode_segmentation::UnicodeSegmentation;

use super::{Block, BlockKind, Document, is_cjk};

/// Consecutive text of a document, at most as large as was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Chunk {
    /// The headings that its first part stands under, the highest first.
    pub headings: Vec<String>,
    /// Its text: indices into [`Document::blocks`], and bytes of the blocks' texts.
    /// A page image has an empty range.
    pub parts: Vec<(usize, Range<usize>)>,
    /// What its parts measure together.
    pub size: usize,
}

impl Chunk {
    /// The chunk as a document of its own, with the title of the whole.
    pub fn document(&self, whole: &Document) -> Document {
        let part = |(block, range): &(usize, Range<usize>)| match &whole.blocks[*block] {
            Block::Text {
                kind,
                text,
                source_page,
            } => Block::text(*kind, &text[range.clone()], *source_page),
            image => image.clone(),
        };
        Document {
            title: whole.title.clone(),
            blocks: self.parts.iter().map(part).collect(),
        }
    }
}

/// About how many tokens a language model takes for a text: one for every four
/// characters, and for every one and a half Han characters, kana or the like.
pub fn estimate_tokens(text: &str) -> usize {
    let (mut wide, mut narrow) = (0usize, 0usize);
    for c in text.chars() {
        if is_cjk(c) {
            wide += 1;
        } else {
            narrow += 1;
        }
    }
    (narrow * 3 + wide * 8).div_ceil(12)
}

impl Document {
    /// Cuts the document into chunks of at most `limit`, as `measure` counts:
    /// [`estimate_tokens`], a tokenizer's count, or `|text| text.chars().count()`.
    ///
    /// A chunk ends before a section that does not fit in it any more. A section
    /// that is larger than a chunk is cut between blocks, a block that is larger at a
    /// line break, else after a sentence, else after a word, else anywhere between
    /// characters. A heading goes into the same chunk as the start of what
    /// follows it, where that has room for a character of it. `measure` is taken to be additive, but for the last bit;
    /// `limit` 0 counts as 1, and a chunk is larger only where a single character is.
    pub fn chunks(&self, limit: usize, measure: impl Fn(&str) -> usize) -> Vec<Chunk> {
        let mut cutter = Cutter {
            document: self,
            limit: limit.max(1),
            measure,
            chunks: Vec::new(),
            full: true,
        };
        for section in self.sections() {
            let sizes: Vec<usize> = (self.blocks[section.blocks.clone()].iter())
                .map(|block| cutter.size(block))
                .collect();
            let total: usize = sizes.iter().sum();
            cutter.full |= total > cutter.room() && !cutter.ends_with_heading();
            for (block, size) in section.blocks.zip(sizes) {
                cutter.block(block, size, &section.headings);
            }
        }
        cutter.chunks
    }
}

struct Cutter<'d, M> {
    document: &'d Document,
    limit: usize,
    measure: M,
    chunks: Vec<Chunk>,
    /// Whether the next part begins a chunk.
    full: bool,
}

impl<M: Fn(&str) -> usize> Cutter<'_, M> {
    fn size(&self, block: &Block) -> usize {
        match block {
            Block::Text { text, .. } => (self.measure)(text),
            Block::Page(_) => 0,
        }
    }

    /// What the open chunk has room for.
    fn room(&self) -> usize {
        match self.chunks.last() {
            Some(chunk) if !self.full => self.limit.saturating_sub(chunk.size),
            _ => self.limit,
        }
    }

    /// Whether the open chunk ends with a heading.
    fn ends_with_heading(&self) -> bool {
        let last = self.chunks.last().filter(|_| !self.full);
        let part = last.and_then(|chunk| chunk.parts.last());
        part.is_some_and(|(block, _)| is_heading(&self.document.blocks[*block]))
    }

    fn push(&mut self, block: usize, range: Range<usize>, size: usize, headings: &[String]) {
        if self.full {
            self.chunks.push(Chunk {
                headings: headings.to_vec(),
                parts: Vec::new(),
                size: 0,
            });
            self.full = false;
        }
        let chunk = self.chunks.last_mut().expect("one was opened above");
        chunk.parts.push((block, range));
        chunk.size += size;
    }

    fn block(&mut self, block: usize, size: usize, headings: &[String]) {
        let document = self.document;
        let Block::Text { text, .. } = &document.blocks[block] else {
            return self.push(block, 0..0, size, headings);
        };
        if size > self.room() && !self.ends_with_heading() {
            self.full = true;
        }
        if size <= self.room() {
            return self.push(block, 0..text.len(), size, headings);
        }
        let mut start = 0;
        while start < text.len() {
            let rest = &text[start..];
            let mut length = self.fitting(rest, self.room());
            if length == 0 && !self.full {
                self.full = true;
                length = self.fitting(rest, self.limit);
            }
            if length == 0 {
                // Not even a character fits in a chunk of its own.
                length = rest.graphemes(true).next().map_or(rest.len(), str::len);
            }
            let size = (self.measure)(&rest[..length]);
            self.push(block, start..start + length, size, headings);
            start += length;
            self.full |= start < text.len();
        }
    }

    /// How many bytes of `text` fit in `room`: as many whole lines as do, else
    /// sentences, else words, else characters.
    fn fitting(&self, text: &str, room: usize) -> usize {
        let fits = |length: &usize| (self.measure)(&text[..*length]) <= room;
        // Halving keeps the calls of a slow tokenizer few.
        let last = |ends: Vec<usize>| {
            let fitting = ends.partition_point(fits);
            fitting.checked_sub(1).map(|i| ends[i])
        };
        // A character is never smaller than a 64th of what it measures.
        let near = text.len().min(room.saturating_mul(64).max(64));
        let near = (near..=text.len())
            .find(|&at| text.is_char_boundary(at))
            .unwrap_or(text.len());
        // The rest of a long block is not measured for each of its chunks.
        if near == text.len() && (self.measure)(text) <= room {
            return near;
        }
        let near = &text[..near];
        let ends = |starts: &mut dyn Iterator<Item = usize>| -> Vec<usize> {
            starts.filter(|&at| at > 0).collect()
        };
        let lines = ends(&mut near.match_indices('\n').map(|(at, _)| at + 1));
        last(lines)
            .or_else(|| {
                last(ends(
                    &mut near.split_sentence_bound_indices().map(|(at, _)| at),
                ))
            })
            .or_else(|| last(ends(&mut near.split_word_bound_indices().map(|(at, _)| at))))
            .or_else(|| last(ends(&mut near.grapheme_indices(true).map(|(at, _)| at))))
            .unwrap_or(0)
    }
}

fn is_heading(block: &Block) -> bool {
    let Block::Text { kind, .. } = block else {
        return false;
    };
    matches!(kind, BlockKind::Heading(_))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::document::markdown;

    fn count(text: &str) -> usize {
        text.chars().count()
    }

    #[test]
    fn sections_stay_whole_where_they_fit() {
        let text = "# One\n\naaaa aaaa\n\n# Two\n\nbbbb bbbb\n\n# Three\n\ncccc";
        let document = markdown::parse(text);
        let chunks = document.chunks(23, count);
        let texts: Vec<String> = (chunks.iter())
            .map(|chunk| chunk.document(&document).text())
            .collect();
        assert_eq!(
            texts,
            ["One\n\naaaa aaaa", "Two\n\nbbbb bbbb\n\nThree\n\ncccc"].map(String::from)
        );
        assert_eq!(chunks[1].headings, ["Two"]);
        assert_eq!(document.chunks(1000, count).len(), 1);
    }

    #[test]
    fn long_blocks_are_cut_at_lines_sentences_and_words() {
        let cuts = |text: &str, limit: usize| -> Vec<String> {
            let document = Document::from_text(text);
            let chunks = document.chunks(limit, count);
            (chunks.iter())
                .map(|chunk| chunk.document(&document).text())
                .collect()
        };
        assert_eq!(cuts("one\ntwo\nthree", 9), ["one\ntwo\n", "three"]);
        assert_eq!(
            cuts("It is. So be it. No.", 12),
            ["It is. ", "So be it. ", "No."]
        );
        assert_eq!(
            cuts("天气很好。我们走吧。", 6),
            ["天气很好。", "我们走吧。"]
        );
        assert_eq!(
            cuts("e\u{301}e\u{301}e\u{301}", 5),
            ["e\u{301}e\u{301}", "e\u{301}"]
        );
        assert_eq!(cuts("abc", 0), ["a", "b", "c"]);
    }

    #[test]
    fn a_long_block_is_not_measured_for_each_chunk() {
        let document = Document::from_text(&"ten bytes\n".repeat(10_000));
        let measured = std::cell::Cell::new(0);
        let chunks = document.chunks(10, |text| {
            measured.set(measured.get() + text.len());
            count(text)
        });
        assert_eq!(chunks.len(), 10_000);
        // Once as a whole, and some 640 bytes a few times for each chunk: not 10,000 times half
        // of it.
        assert!(measured.get() < 5_000 * 10_000, "{}", measured.get());
    }

    #[test]
    fn headings_are_not_left_behind() {
        let text = format!("# Title\n\n## Part\n\n{}", "word ".repeat(40));
        let document = markdown::parse(&text);
        let chunks = document.chunks(30, count);
        assert!(chunks.len() > 5);
        for chunk in &chunks {
            let (last, _) = chunk.parts.last().expect("chunks are not empty");
            assert!(!is_heading(&document.blocks[*last]), "{chunk:?}");
        }
    }

    #[test]
    fn tokens_are_estimated() {
        assert_eq!(estimate_tokens("four char toks!!"), 4);
        assert_eq!(estimate_tokens("一二三四五六"), 4);
        assert_eq!(estimate_tokens(""), 0);
    }

    proptest! {
        #[test]
        fn chunks_are_the_document(
            blocks in prop::collection::vec(("[a-z .\n中。é]{0,40}", 0u8..4), 0..12),
            limit in 1usize..40,
        ) {
            let blocks = blocks.iter().map(|(text, kind)| {
                let kind = match kind {
                    0 => BlockKind::Heading(1),
                    1 => BlockKind::Heading(2),
                    2 => BlockKind::Preformatted,
                    _ => BlockKind::Paragraph,
                };
                Block::text(kind, text.as_str(), None)
            });
            let document = Document { title: None, blocks: blocks.collect() };
            let chunks = document.chunks(limit, count);
            let mut next = (0, 0);
            for chunk in &chunks {
                prop_assert!(chunk.size <= limit);
                for (block, range) in &chunk.parts {
                    if (*block, range.start) != next {
                        prop_assert_eq!((*block, range.start), (next.0 + 1, 0));
                    }
                    next = (*block, range.end);
                }
            }
            if let Some(Block::Text { text, .. }) = document.blocks.last() {
                prop_assert_eq!(next, (document.blocks.len() - 1, text.len()));
            }
        }
    }
}
