//! What is drawn beside the text, and how it is laid out, takes nothing from inversion.

use glyph_render::{
    Block, BlockKind, Document, FontSize, Importance, RenderConfig, Renderer, Scorer, Typesetter,
    invert,
};
use proptest::prelude::*;

use crate::engine;
use crate::exact::{any_block, check};

const STYLES: [&str; 13] = [
    r#"{"page-size": "300,140", "columns": 2, "column-gap": 4, "line-numbers": true,
        "font-size": 7, "margin-x": 6, "corner-marks": true, "margin-y": 8}"#,
    r#"{"page-size": "400,120", "columns": 3, "column-gap": 0, "margin-x": 0, "margin-y": 0,
        "alignment": "RIGHT", "line-numbers": {"every": 2, "restart": "document"}}"#,
    r#"{"page-size": "240,160", "watermark": {"text": "{id} 机密", "levels": 3}, "grid": 17,
        "header": {"left": "{title}", "right": "{page} of {pages}"}, "footer": "{{{id}}}"}"#,
    r#"{"page-size": "240,160", "theme": "code-dark", "watermark": {"text": "x", "levels": 3},
        "alignment": "LEFT", "auto-crop-width": true, "auto-crop-last-page": true,
        "footer": "- {page} -", "margin-x": 5, "margin-y": 5}"#,
    r#"{"page-size": "240,160", "watermark": {"text": "faint", "levels": 1, "angle": -20},
        "antialias": false, "font-size": 11, "letter-spacing": 2, "word-spacing": 3}"#,
    r#"{"page-size": "240,160", "watermark": {"text": "bold", "levels": 7, "angle": 90}}"#,
    r##"{"page-size": "240,160", "para-bg-color": "#EAEAEA", "border-width": 2,
        "border-padding": 3, "para-border-color": "#884422", "margin-x": 12,
        "line-numbers": "document", "columns": 2}"##,
    r##"{"page-size": "240,160", "theme": "dark", "para-bg-color": "#303030",
        "page-bg-color": "#101010", "footer": "{page}", "margin-x": 0}"##,
    r#"{"page-size": "240,160", "font-size": {"large": 14, "small": 7, "share": 0.4},
        "columns": 2, "space-after": 3, "header": "{title}"}"#,
    r##"{"page-size": "240,160", "font-size": {"large": 20, "small": 10},
        "newline-markup": "<font color=\"#FF0000\">¶</font>", "watermark": "W", "grid": 30}"##,
    r#"{"page-size": "240,160", "tab-stops": [20, 90], "tab-width": 8, "theme": "sepia",
        "han-latin-spacing": true, "letter-spacing": 1, "horizontal-scale": 0.75}"#,
    r#"{"page-size": "240,160", "dpi": 144, "han-latin-spacing": true, "corner-marks": true,
        "auto-crop-width": true, "auto-crop-last-page": true, "line-height": "150%"}"#,
    r#"{"page-size": "500,160", "columns": 2, "auto-crop-width": true, "alignment": "LEFT",
        "auto-crop-last-page": true}"#,
];

proptest! {
    #![proptest_config(crate::exact::cases(600))]

    #[test]
    fn any_blocks_come_back_in_any_style(
        blocks in prop::collection::vec(any_block(), 0..7),
        style in prop::sample::select(&STYLES[..]),
    ) {
        check(style, &Document { title: Some("Title 标题".to_owned()), blocks });
    }
}

/// A tab whose stop is a fraction of a pixel away pushed what follows out of a line that ends at
/// the column's edge.
#[test]
fn a_tab_near_its_stop_pushes_nothing_out() {
    for prefix in 0..40 {
        for tail in ["\t𠀀", "\t字", "\t\t字", "一\t𠀀", "一\t\t.\t字"] {
            let text = format!(
                "{}{}",
                "ｧ가׀aАжж.i"[..].repeat(1 + prefix / 20),
                "k".repeat(prefix % 20)
            ) + tail;
            for style in [STYLES[1], STYLES[10], STYLES[3]] {
                check(style, &Document::from_text(&text));
            }
        }
    }
}

fn prose() -> Document {
    let mut document = Document {
        title: Some("A title".to_owned()),
        blocks: Vec::new(),
    };
    for i in 0..12 {
        let level = 1 + i % 3;
        let heading = format!("Heading {i} 标题");
        let text = format!("{i} 正文 with words of text, 混排 mixed. ").repeat(7);
        document
            .blocks
            .push(Block::text(BlockKind::Heading(level), heading, None));
        document
            .blocks
            .push(Block::text(BlockKind::Paragraph, text, Some(u32::from(i))));
    }
    document
}

#[test]
fn every_style_inverts_prose_on_many_pages() {
    for style in STYLES {
        check(style, &prose());
    }
}

#[test]
fn every_preset_inverts() {
    for name in RenderConfig::PRESETS {
        check(&format!(r#"{{"preset": "{name}"}}"#), &prose());
    }
}

#[test]
fn altered_marks_are_noticed() {
    for style in STYLES {
        let engine = engine(style);
        let mut pages = engine.0.render(&prose()).unwrap();
        let page = &mut pages[0];
        // A pixel in the middle of the page's right edge, where no text is.
        let at = (page.height / 2 * page.width + page.width - 1) as usize;
        page.pixels[at] ^= 16;
        let inversion = engine.1.invert(&pages).unwrap();
        assert!(!inversion.damage.is_empty(), "{style}");
        assert_eq!(inversion.document.blocks, prose().blocks, "{style}");
    }
}

#[test]
fn masks_come_off_exactly() {
    let render = |watermark: &str| {
        let json = format!(
            r#"{{"page-size": "300,200", "watermark": {watermark}, "footer": "{{page}}"}}"#
        );
        let config = RenderConfig::from_json(&json).unwrap();
        let pages = Typesetter::new(config.clone())
            .unwrap()
            .render(&prose())
            .unwrap();
        let bare: Vec<_> = pages
            .iter()
            .map(|page| page.without_mask(&config))
            .collect();
        (pages, bare)
    };
    let (one, bare_one) = render(r#""CONFIDENTIAL""#);
    let (two, bare_two) = render(r#"{"text": "草稿", "angle": 0, "font-size": 60}"#);
    assert!(
        one.iter()
            .zip(&two)
            .all(|(one, two)| one.pixels != two.pixels)
    );
    // But for the checksum that each page's strips hold of its pixels.
    for (one, two) in bare_one.iter().zip(&bare_two) {
        let inner = 3 * one.width as usize..one.pixels.len() - 3 * one.width as usize;
        assert_eq!(one.pixels[inner.clone()], two.pixels[inner]);
    }
    for pages in [one, two] {
        let inversion = invert(&pages).unwrap();
        assert!(inversion.is_exact());
        assert_eq!(inversion.document.blocks, prose().blocks);
    }
}

#[test]
fn normalised_text_comes_back_and_lines_know_their_source() {
    let text = "Cafe\u{301} ﬁne Ａ\r\n한국어 e\u{301}".repeat(20);
    let json = r#"{"page-size": "200,100", "normalization": "nfkc"}"#;
    let config = RenderConfig::from_json(json).unwrap();
    let pages = Typesetter::new(config)
        .unwrap()
        .render(&Document::from_text(&text))
        .unwrap();
    let inversion = invert(&pages).unwrap();
    assert!(inversion.is_exact());
    let expected = "Café fine A\r\n한국어 é".repeat(20);
    assert_eq!(inversion.document.text(), expected);
    let mut end = 0;
    for line in pages.iter().flat_map(|page| &page.lines) {
        assert_eq!(line.source.start, end);
        assert!(text.is_char_boundary(line.source.end));
        end = line.source.end;
    }
    assert_eq!(end, text.len());
}

#[test]
fn importance_sets_the_size() {
    let mut config = RenderConfig::from_json(r#"{"page-size": "300,300"}"#).unwrap();
    let wanted = Scorer::callback(|text| if text.contains("secret") { 1.0 } else { 0.0 });
    let importance = Importance::new(16.0, 8.0).share(0.15).scorer(wanted);
    let style = config.flow_mut().unwrap();
    style.font_size = FontSize::ByImportance(importance);
    style.line_height = 20.0;
    let texts = [
        "plain and dull",
        "the secret word",
        "plain and dull",
        "plain and dull",
    ];
    let blocks = [BlockKind::Heading(1); 1]
        .into_iter()
        .chain([BlockKind::Paragraph; 12]);
    let blocks = blocks
        .enumerate()
        .map(|(i, kind)| Block::text(kind, texts[i % 4], None));
    let mut document = Document {
        title: None,
        blocks: blocks.collect(),
    };
    // Only one of the three passages with the word may be large.
    let pages = Typesetter::new(config.clone())
        .unwrap()
        .render(&document)
        .unwrap();
    let heights: Vec<u32> = pages[0].lines.iter().map(|line| line.bbox.height).collect();
    assert_eq!(heights[..6], [20, 20, 10, 10, 10, 10]);
    assert_eq!(heights.iter().filter(|height| **height == 20).count(), 2);
    let inversion = invert(&pages).unwrap();
    assert!(inversion.is_exact());
    document.title = inversion.document.title.clone();
    assert_eq!(inversion.document, document);
}
