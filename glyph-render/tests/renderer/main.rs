//! Pages, layouts and configurations as a user of the crate sees them.
#![allow(clippy::unwrap_used)]

mod cells;
mod config;
mod flow;
mod layout;
mod png;
mod properties;

use glyph_render::{Block, BlockKind, Document, Page, RenderConfig, Renderer, Typesetter};

fn text(kind: BlockKind, text: &str) -> Block {
    Block::Text {
        kind,
        text: text.to_owned(),
        source_page: None,
    }
}

fn document(blocks: Vec<Block>) -> Document {
    Document {
        title: None,
        blocks,
    }
}

fn render(config: RenderConfig, document: &Document) -> Vec<Page> {
    Typesetter::new(config).unwrap().render(document).unwrap()
}

/// The lines of one preformatted text in the built-in style, as drawn.
fn cell_lines(text: &str) -> Vec<String> {
    let pages = render(RenderConfig::builtin(), &Document::from_text(text));
    let lines = pages.iter().flat_map(|page| &page.lines);
    lines
        .map(|line| text[line.source.clone()].trim_end().to_owned())
        .collect()
}

/// FNV-1a over the sizes and pixels of all pages.
fn hash(pages: &[Page]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325u64;
    for page in pages {
        let size = [page.width.to_le_bytes(), page.height.to_le_bytes()].concat();
        for byte in size.iter().chain(&page.pixels) {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
        }
    }
    hash
}

const SAMPLE: &str = "The quick brown fox jumps over the lazy dog 0123456789 ~!@#$%.\n\
    中英文混排：长文本被压缩成页面图像，再由视觉编码器读成视觉词元。“引号”、《书名号》——省略号……\n\
    \tΕλληνικά, Кириллица, ñçåß → ≤ ∑ ①  ひらがな ＡＢＣ 龘 😀 \u{10FFFD}\n";

/// The same bytes whatever the number of threads, and from release to release:
/// a reader that was trained on these pages depends on them.
#[test]
fn pages_are_the_same_bytes_everywhere() {
    let document = Document::from_text(&SAMPLE.repeat(60));
    let mut plain = RenderConfig::builtin();
    plain.invertible = false;
    let cases = [
        (plain, 0x99a0_6155_2bc9_8c0c),
        (RenderConfig::builtin(), 0xe4b7_00a3_1282_5dc1),
    ];
    for (config, expected) in cases {
        let typesetter = Typesetter::new(config).unwrap();
        for threads in [1, 4] {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .unwrap();
            let pages = pool.install(|| typesetter.render(&document)).unwrap();
            assert!(pages.len() > 1);
            assert_eq!(hash(&pages), expected, "{:#x}", hash(&pages));
        }
        let streamed: Vec<Page> = typesetter.pages(&document).map(Result::unwrap).collect();
        assert_eq!(hash(&streamed), expected);
        let rest = typesetter.pages_from(&document, 2).map(Result::unwrap);
        assert_eq!(rest.collect::<Vec<_>>(), streamed[2..]);
    }
}
