use glyph_render::{Block, BlockKind, Document, Renderer};
use proptest::prelude::*;

use crate::engine;

/// Sizes, with and without grey edges, alignments, narrow and wide pages.
const STYLES: [&str; 10] = [
    r#"{"preset": "builtin"}"#,
    r#"{"preset": "builtin", "antialias": false}"#,
    r#"{"page-size": "300,120", "font-size": 7, "line-height": 7.5, "margin-x": 3, "margin-y": 2}"#,
    r#"{"page-size": "300,120", "font-size": 7, "antialias": false, "alignment": "RIGHT"}"#,
    r#"{"page-size": "400,200", "font-size": 9, "alignment": "LEFT", "auto-crop-width": true,
        "auto-crop-last-page": true, "margin-x": 0, "margin-y": 0}"#,
    r##"{"page-size": "200,150", "font-size": 12, "font-color": "#DDDDDD", "alignment": "CENTER",
        "page-bg-color": "#101820", "horizontal-scale": 0.8, "first-line-indent": 9}"##,
    r##"{"page-size": "300,120", "font-size": 10,
        "newline-markup": "<font color=\"#FF0000\"> \\n </font>"}"##,
    r#"{"page-size": "200,150", "font-size": 16, "antialias": false, "space-after": 5}"#,
    r#"{"page-size": "120,90", "dpi": 300, "font-size": 12, "margin-x": 4, "margin-y": 6}"#,
    r#"{"page-size": "70,60", "font-size": 8, "margin-x": 0, "margin-y": 4}"#,
];

/// Characters that are hard to tell apart, to see, or to keep.
fn any_char() -> impl Strategy<Value = char> {
    prop_oneof![
        8 => prop::char::range(' ', '~'),
        2 => prop::sample::select("AΑАaаoοоО0pрcсiіIlǀ|‐-‑−–—ー一―·•∙⋅µμΩΩÅÅKK".chars().collect::<Vec<_>>()),
        2 => prop::sample::select("\t\n\r \u{A0}\u{3000}\u{2003}\u{2009}\u{200B}\u{FEFF}\u{AD}\u{2028}\u{2029}\u{85}\u{B}\u{C}".chars().collect::<Vec<_>>()),
        1 => prop::char::range('\0', '\u{1F}'),
        1 => prop::char::range('\u{7F}', '\u{9F}'),
        1 => prop::sample::select("\u{200E}\u{200F}\u{202A}\u{202E}\u{2066}\u{2069}\u{200C}\u{200D}\u{FE0F}\u{FE0E}\u{E0100}\u{301}\u{20DD}\u{483}\u{64B}\u{E01EF}".chars().collect::<Vec<_>>()),
        3 => prop::char::range('\u{4E00}', '\u{9FFF}'),
        1 => prop::char::range('\u{3000}', '\u{30FF}'),
        1 => prop::char::range('\u{FF00}', '\u{FFEF}'),
        1 => prop::char::range('\u{590}', '\u{6FF}'),
        1 => prop::char::range('\u{900}', '\u{DFF}'),
        1 => prop::char::range('\u{AC00}', '\u{D7A3}'),
        1 => prop::char::range('\u{E000}', '\u{FAFF}'),
        1 => prop::char::range('\u{1F300}', '\u{1FAFF}'),
        1 => prop::char::range('\u{20000}', '\u{323AF}'),
        1 => prop::sample::select(vec!['\u{FFFD}', '\u{FFFE}', '\u{FFFF}', '\u{1FFFE}', '\u{10FFFF}', '\u{FDD0}']),
        2 => prop::char::range('\u{A0}', '\u{7FF}'),
        2 => prop::char::range('\u{1E00}', '\u{2BFF}'),
        2 => any::<char>(),
    ]
}

fn any_text() -> impl Strategy<Value = String> {
    let chars = |most| prop::collection::vec(any_char(), 0..most).prop_map(String::from_iter);
    let piece = prop_oneof![
        4 => chars(12),
        2 => "[a-z]{1,9}[ ,.]",
        1 => "[字文本。，“”]{1,9}",
        1 => "(\r\n|\n|\r| |\t){1,6}",
        1 => (any_char(), 1..60usize).prop_map(|(c, n)| String::from_iter(vec![c; n])),
        1 => "[шжАВС ]{1,9}",
    ];
    prop::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

pub(crate) fn any_block() -> impl Strategy<Value = Block> {
    let kind = prop_oneof![
        any::<u8>().prop_map(BlockKind::Heading),
        Just(BlockKind::Paragraph),
        Just(BlockKind::ListItem),
        Just(BlockKind::TableRow),
        Just(BlockKind::Preformatted),
    ];
    let page = prop_oneof![
        Just(None),
        any::<u32>().prop_map(Some),
        (1..9u32).prop_map(Some)
    ];
    let text = prop_oneof![1 => Just(String::new()), 7 => any_text()];
    (kind, text, page).prop_map(|(kind, text, page)| Block::text(kind, text, page))
}

pub(crate) fn check(style: &str, document: &Document) {
    let engine = engine(style);
    let pages = engine.0.render(document).unwrap();
    if pages.is_empty() {
        assert!(document.text().trim_matches('\n').is_empty());
        return;
    }
    let inversion = engine.1.invert(&pages).unwrap();
    assert_eq!(inversion.document.blocks, document.blocks, "{style}");
    assert!(inversion.is_exact(), "{style}: {:?}", inversion.damage);
}

/// How many cases each of these tests runs: 10,000 in all, or as many times more as the
/// environment variable `GLYPH_INVERT_TIMES` says.
pub(crate) fn cases(times: u32) -> ProptestConfig {
    let more = std::env::var("GLYPH_INVERT_TIMES").ok();
    let more = more.and_then(|n| n.parse::<u32>().ok()).unwrap_or(1);
    ProptestConfig {
        max_shrink_iters: 2000,
        ..ProptestConfig::with_cases(times.saturating_mul(more))
    }
}

proptest! {
    #![proptest_config(cases(8000))]

    #[test]
    fn any_text_comes_back(text in any_text(), style in prop::sample::select(&STYLES[..])) {
        check(style, &Document::from_text(&text));
    }
}

proptest! {
    #![proptest_config(cases(2000))]

    #[test]
    fn any_blocks_come_back(
        blocks in prop::collection::vec(any_block(), 0..7),
        style in prop::sample::select(&STYLES[..]),
    ) {
        check(style, &Document { title: None, blocks });
    }
}
