use glyph_render::{BlockKind, Document, Page, RenderConfig};

use crate::{document, render, text};

fn page(json: &str, content: &str) -> Page {
    let config = RenderConfig::from_json(json).unwrap();
    render(config, &Document::from_text(content)).swap_remove(0)
}

const WORDS: &str = "several words that wrap over more than one line when the page is narrow \
    enough for that to happen, which it is here";

/// The first and last inked column of a line.
fn ink(page: &Page, line: usize) -> (u32, u32) {
    let bbox = page.lines[line].bbox;
    let inked = |x: u32| {
        (bbox.y..bbox.y + bbox.height).any(|y| page.pixels[(y * page.width + x) as usize] < 128)
    };
    let columns: Vec<u32> = (0..page.width).filter(|&x| inked(x)).collect();
    (columns[0], columns[columns.len() - 1])
}

#[test]
fn alignments_place_lines() {
    let style = |alignment: &str| {
        format!(r#"{{"page-size": "200,100", "margin-x": 10, "alignment": "{alignment}"}}"#)
    };
    let left = page(&style("LEFT"), WORDS);
    assert!(left.lines.len() > 2);
    let (start, end) = ink(&left, 0);
    assert!((10..12).contains(&start) && end < 188);
    let (start, end) = ink(&page(&style("RIGHT"), WORDS), 0);
    assert!(start > 12 && (187..191).contains(&end));
    let (start, end) = ink(&page(&style("CENTER"), WORDS), 0);
    assert!(start.abs_diff(199 - end) <= 3, "{start} {end}");
    let justified = page(&style("JUSTIFY"), WORDS);
    let (start, end) = ink(&justified, 0);
    assert!(
        (10..12).contains(&start) && (187..191).contains(&end),
        "{start} {end}"
    );
    let last = justified.lines.len() - 1;
    assert_eq!(ink(&justified, last), ink(&left, last));
}

#[test]
fn size_and_dpi_set_the_page() {
    let small = page(r#"{"page-size": "595,842", "dpi": 72}"#, "x");
    assert_eq!((small.width, small.height), (595, 842));
    let large = page(r#"{"page-size": "595,842", "dpi": 144}"#, "x");
    assert_eq!((large.width, large.height), (1190, 1684));
    assert!(large.layout.is_none());
    let squeezed = page(r#"{"horizontal-scale": 0.75}"#, WORDS);
    assert_eq!(squeezed.width, 446);
}

#[test]
fn token_budgets_shorten_pages() {
    let whole = page(r#"{"max-tokens-per-page": 630}"#, "x");
    assert_eq!((whole.width, whole.height), (595, 842));
    let half = page(r#"{"max-tokens-per-page": 300}"#, "x");
    assert_eq!((half.width, half.height), (595, 14 * 28));
}

#[test]
fn auto_crop_keeps_the_margins() {
    let json = r#"{"auto-crop-width": true, "auto-crop-last-page": true, "margin-x": 10,
        "margin-y": 10, "alignment": "LEFT", "line-height": 10}"#;
    let page = page(json, "short\nlonger line");
    let bbox = page.lines[1].bbox;
    assert_eq!((page.width, page.height), (bbox.x + bbox.width + 10, 40));
    assert_eq!(page.pixels.len(), (page.width * page.height) as usize);
}

#[test]
fn indents_and_spacing_move_lines() {
    let json = r#"{"alignment": "LEFT", "margin-x": 10, "margin-y": 10, "left-indent": 20,
        "first-line-indent": -5, "space-before": 4, "space-after": 7, "line-height": 10}"#;
    let config = RenderConfig::from_json(json).unwrap();
    let blocks = vec![
        text(BlockKind::Paragraph, &WORDS.repeat(2)),
        text(BlockKind::Paragraph, "next"),
    ];
    let page = &render(config, &document(blocks))[0];
    let [first, second, .., last] = page.lines.as_slice() else {
        unreachable!()
    };
    assert_eq!((first.bbox.x, second.bbox.x), (25, 30));
    assert_eq!((first.bbox.y, second.bbox.y), (10, 20));
    let before = page.lines[page.lines.len() - 2].bbox.y;
    assert_eq!(last.bbox.y, before + 10 + 7);
}

#[test]
fn colors_become_grey() {
    let json = r##"{"font-color": "#FFFFFF", "page-bg-color": "#000000"}"##;
    let page = page(json, "white on black");
    let middle = page.pixels.len() / 2;
    assert_eq!(page.pixels[middle], 0);
    assert!(page.pixels.iter().any(|&p| p > 200));
}

#[test]
fn newline_marks_join_lines() {
    let json =
        r##"{"alignment": "LEFT", "newline-markup": "<font color=\"#FF0000\"> \\n </font>"}"##;
    let page = page(json, "one\ntwo\r\nthree");
    assert_eq!(page.lines.len(), 1);
    assert_eq!(page.lines[0].source, 0..14);
    // Red is drawn as its grey value, so nothing of the mark is black.
    let only_mark = crate::flow::page(json, "\n");
    assert!(only_mark.pixels.iter().all(|&p| p >= 76));
    assert!(only_mark.pixels.iter().any(|&p| p < 200));
}

#[test]
fn missing_glyphs_are_drawn_as_boxes() {
    for json in [
        r#"{"font-size": 9}"#,
        r#"{"font-size": 30, "horizontal-scale": 0.5}"#,
    ] {
        let page = page(json, "\u{10FFFD}");
        assert!(page.pixels.iter().any(|&p| p < 8));
    }
}

/// How much of a page is darker than its paper.
fn share_inked(page: &Page) -> f32 {
    let inked = page.pixels.iter().filter(|pixel| **pixel < 255).count();
    inked as f32 / page.pixels.len() as f32
}

#[test]
fn watermarks_larger_than_the_page_are_cut() {
    let large = r#"{"page-size": "100,80", "dpi": 600, "watermark":
        {"text": "CONFIDENTIAL", "font-size": 2000}}"#;
    let large = page(large, "x");
    assert_eq!((large.width, large.height), (833, 667));
    // Letters that fill the page and go on beyond it.
    let some = page(
        r#"{"page-size": "100,80", "watermark": {"text": "MMMMMMMM", "font-size": 60, "angle": 0}}"#,
        "x",
    );
    assert!(share_inked(&some) > 0.2, "{}", share_inked(&some));
    let titled = |font_size: &str| {
        let json = format!(
            r#"{{"page-size": "200,160", "header": "{{title}}",
                "watermark": {{"text": "{{title}}"{font_size}}}}}"#
        );
        let mut document = Document::from_text("x");
        document.title = Some("M一".repeat(1_000_000));
        render(RenderConfig::from_json(&json).unwrap(), &document).swap_remove(0)
    };
    let started = std::time::Instant::now();
    assert!(share_inked(&titled(r#", "font-size": 30"#)) > 0.05);
    titled("");
    assert!(started.elapsed().as_secs() < 20, "{:?}", started.elapsed());
}
