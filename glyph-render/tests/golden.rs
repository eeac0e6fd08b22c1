//! The bytes of pages in twelve styles: the same on every machine, with any number of threads and
//! in every build profile.
//!
//! `GLYPH_ACCEPT=1 cargo test -p glyph-render --test golden` writes the hashes anew, for a change
//! that means to change pixels. The built-in reader is trained on the style `builtin`, so inside
//! its grid nothing may change.
#![allow(clippy::unwrap_used)]

use std::fmt::Write;
use std::path::Path;

use glyph_render::{Block, BlockKind, Document, Page, RenderConfig, Renderer, Typesetter};

/// Name and configuration of each style.
const STYLES: [(&str, &str); 12] = [
    ("builtin", r#"{"preset": "builtin"}"#),
    (
        "builtin, black and white",
        r#"{"preset": "builtin", "antialias": false}"#,
    ),
    ("glyph-en", r#"{"preset": "glyph-en"}"#),
    ("dense", r#"{"preset": "dense"}"#),
    ("print-300dpi", r#"{"preset": "print-300dpi"}"#),
    ("Glyph's defaults", "{}"),
    (
        "96 dpi, squeezed",
        r#"{"dpi": 96, "font-size": 11, "horizontal-scale": 0.8}"#,
    ),
    (
        "black and white",
        r#"{"dpi": 120, "font-size": 10, "antialias": false, "alignment": "LEFT"}"#,
    ),
    (
        "dark, columns",
        r#"{"theme": "dark", "columns": 2, "column-gap": 12, "line-numbers": "page"}"#,
    ),
    (
        "grey on grey, right, watermark",
        r##"{"dpi": 100, "font-color": "#303030", "page-bg-color": "#D8D8D8", "alignment": "RIGHT", "watermark": "DRAFT", "margin-y": 40, "header": "{title}", "footer": "{page}", "corner-marks": true}"##,
    ),
    (
        "indents and marks",
        r##"{"first-line-indent": 18, "left-indent": 20, "right-indent": 10, "space-after": 5, "newline-markup": "<font color=\"#FF0000\"> \n </font>", "auto-crop-width": true, "han-latin-spacing": true, "letter-spacing": 0.5}"##,
    ),
    (
        "pages by tokens",
        r#"{"dpi": 72, "max-tokens-per-page": 300, "auto-crop-last-page": true}"#,
    ),
];

const ENGLISH: &str = "The quick brown fox jumps over the lazy dog; 0123456789 ~!@#$%^&*()[]{}.\n\
    \tΕλληνικά, Кириллица, ñçåß → ≤ ∑ ① and “quotes” — or a\u{301}ccents…\r\n\n\
    A longer paragraph that has to be broken into several lines, because no page of any of the \
    styles is wide enough to hold all of it, however small the letters are that it is set in.\n";

const CHINESE: &str = "中英文混排：长文本被压缩成页面图像，再由视觉编码器读成视觉词元。“引号”、《书名号》——省略号……\n\
    ひらがな、カタカナ；ＡＢＣ１２３。龘靐齉爩㐀㐁 mixed with Latin，以及 3.14 个数字！😀\u{10FFFD}\n\n\
    一段很长的文字，长到任何一种版式都放不下一行，所以必须折成好几行，而且行首不应该出现标点符号。\n";

fn documents() -> [(&'static str, Document); 2] {
    let block = |kind, text: &str| Block::text(kind, text, None);
    let with = |title: &str, text: &str| {
        let mut blocks = vec![block(BlockKind::Heading(1), title)];
        for i in 0..4 {
            blocks.push(block(BlockKind::Paragraph, &text.repeat(2)));
            blocks.push(block(BlockKind::ListItem, &format!("{i}. {title}")));
            blocks.push(block(BlockKind::ListItem, "- b"));
            blocks.push(block(BlockKind::TableRow, "a\tb\tc"));
        }
        blocks.push(block(BlockKind::Preformatted, &text.repeat(8)));
        Document {
            title: None,
            blocks,
        }
    };
    [
        ("english", with("A heading", ENGLISH)),
        ("chinese", with("一个标题", CHINESE)),
    ]
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

#[test]
fn pages_are_the_bytes_that_were_accepted() {
    let pools = [1, 2].map(|threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
        pool.build().unwrap()
    });
    let mut found = String::new();
    for (name, json) in STYLES {
        let config = RenderConfig::from_json(json).unwrap();
        // A typesetter for each, so that glyphs are drawn in another order.
        let typesetters = [(); 2].map(|()| Typesetter::new(config.clone()).unwrap());
        for (language, document) in documents() {
            let [one, two] = [0, 1].map(|i| {
                let pages = pools[i].install(|| typesetters[i].render(&document));
                let pages = pages.unwrap();
                (hash(&pages), pages.len())
            });
            assert_eq!(one, two, "{name}, {language}: threads change it");
            let streamed = typesetters[0].pages(&document).map(Result::unwrap);
            let streamed: Vec<Page> = streamed.collect();
            assert_eq!(hash(&streamed), one.0, "{name}, {language}: page by page");
            let (hash, pages) = one;
            writeln!(found, "{hash:016x} {pages:3} pages  {name}, {language}").unwrap();
        }
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/pages.txt");
    if std::env::var_os("GLYPH_ACCEPT").is_some() {
        std::fs::write(&path, found).unwrap();
        return;
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    let changed: Vec<&str> = found
        .lines()
        .filter(|line| !expected.lines().any(|other| other == *line))
        .collect();
    assert!(
        changed.is_empty() && found.lines().count() == expected.lines().count(),
        "pages changed, or {} is missing lines; look at them, then accept with GLYPH_ACCEPT=1:\n{}",
        path.display(),
        changed.join("\n")
    );
}
