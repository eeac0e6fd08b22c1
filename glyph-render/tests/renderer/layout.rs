//! Columns, spacing, tab stops, headings, and marks beside the text.

use glyph_render::{
    Block, BlockKind, Document, Page, RenderConfig, Renderer, Typesetter, table_of_contents,
};

use crate::{document, render, text};

fn pages(json: &str, document: &Document) -> Vec<Page> {
    render(RenderConfig::from_json(json).unwrap(), document)
}

fn page(json: &str, content: &str) -> Page {
    pages(json, &Document::from_text(content)).swap_remove(0)
}

/// Whether a rectangle has a pixel that differs from the page's corner by 16 levels or more.
fn inked(page: &Page, x: std::ops::Range<u32>, y: std::ops::Range<u32>) -> bool {
    let background = page.pixels[0];
    let mut rows = y.map(|y| (y * page.width) as usize);
    rows.any(|row| {
        let row = &page.pixels[row + x.start as usize..row + x.end as usize];
        row.iter().any(|grey| grey.abs_diff(background) >= 16)
    })
}

#[test]
fn columns_fill_from_left_to_right() {
    let json = r#"{"page-size": "220,60", "columns": 2, "column-gap": 20, "margin-x": 10,
        "margin-y": 10, "font-size": 9, "line-height": 10, "alignment": "LEFT"}"#;
    let lines: Vec<String> = (0..9).map(|i| format!("line {i}")).collect();
    let pages = pages(json, &Document::from_text(&lines.join("\n")));
    assert_eq!(pages.len(), 2);
    let places: Vec<(u32, u32)> = (pages[0].lines.iter())
        .map(|line| (line.bbox.x, line.bbox.y))
        .collect();
    let column = |x: u32| (0..4).map(move |i| (x, 10 + 10 * i));
    assert_eq!(places, column(10).chain(column(120)).collect::<Vec<_>>());
    assert_eq!(
        (pages[1].lines[0].bbox.x, pages[1].lines[0].bbox.y),
        (10, 10)
    );
}

#[test]
fn headings_stay_with_what_follows() {
    let blocks = || {
        vec![
            text(BlockKind::Paragraph, "one\ntwo"),
            text(BlockKind::Heading(1), "Chapter"),
            text(BlockKind::Heading(2), "Section"),
            text(BlockKind::Paragraph, "three\nfour"),
        ]
    };
    let json = |keep: bool| {
        format!(
            r#"{{"page-size": "200,60", "margin-y": 10, "line-height": 10, "keep-headings": {keep}}}"#
        )
    };
    let document = document(blocks());
    let counts = |keep| -> Vec<usize> {
        let pages = pages(&json(keep), &document);
        pages.iter().map(|page| page.lines.len()).collect()
    };
    assert_eq!(counts(true), [2, 4]);
    assert_eq!(counts(false), [4, 2]);
    let kept = pages(&json(true), &document);
    let entries = table_of_contents(&document, &kept);
    let found: Vec<_> = (entries.iter())
        .map(|entry| (entry.level, entry.title.as_str(), entry.page, entry.line))
        .collect();
    assert_eq!(found, [(1, "Chapter", 2, 0), (2, "Section", 2, 1)]);
    // A page that is too small for a heading and a line still ends.
    let tiny = pages(
        r#"{"page-size": "200,32", "margin-y": 10, "line-height": 10}"#,
        &document,
    );
    assert_eq!(tiny.len(), 6);
}

#[test]
fn tabs_run_to_their_stops() {
    let start = |json: &str, content: &str| {
        let page = page(json, content);
        let bbox = page.lines[0].bbox;
        let rows = bbox.y..bbox.y + bbox.height - 1;
        (bbox.x..page.width)
            .rev()
            .skip_while(|&x| !inked(&page, x..x + 1, rows.clone()))
            .take_while(|&x| inked(&page, x..x + 1, rows.clone()))
            .last()
            .unwrap()
            - bbox.x
    };
    let stops = r#"{"alignment": "LEFT", "tab-stops": [50, 120], "tab-width": 10}"#;
    assert!((50..53).contains(&start(stops, "a\tI")));
    assert!((120..123).contains(&start(stops, "a\tb\tI")));
    let beyond = start(stops, "a\tb\tc\tI");
    assert!(beyond > 122 && beyond < 160, "{beyond}");
    let (narrow, wide) = (
        start(r#"{"alignment": "LEFT", "tab-width": 2}"#, "\tI"),
        start(r#"{"alignment": "LEFT", "tab-width": 8}"#, "\tI"),
    );
    assert!((3 * narrow..5 * narrow).contains(&wide), "{narrow} {wide}");
}

#[test]
fn spacing_widens_lines() {
    let width = |json: &str, content: &str| page(json, content).lines[0].bbox.width;
    let plain = width(r#"{"alignment": "LEFT"}"#, "five words of plain text");
    let letters = width(
        r#"{"alignment": "LEFT", "letter-spacing": 2}"#,
        "five words of plain text",
    );
    assert_eq!(letters, plain + 2 * 24);
    let words = width(
        r#"{"alignment": "LEFT", "word-spacing": 3}"#,
        "five words of plain text",
    );
    assert_eq!(words, plain + 3 * 4);
    let mixed = |on: bool| {
        let json =
            format!(r#"{{"alignment": "LEFT", "font-size": 12, "han-latin-spacing": {on}}}"#);
        width(&json, "用GPU和CPU, 中。a")
    };
    // Four places, a quarter of 12 px each; not beside punctuation and spaces.
    assert_eq!(mixed(true), mixed(false) + 3 * 3);
}

#[test]
fn banners_stand_outside_the_text() {
    let json = r#"{"page-size": "300,200", "margin-x": 20, "margin-y": 20, "footer": "{page}/{pages}",
        "header": {"left": "{title}", "right": "{id}"}, "document-id": "A-17"}"#;
    let mut document = Document::from_text(&"line\n".repeat(40));
    document.title = Some("Title".to_owned());
    let pages = pages(json, &document);
    assert!(pages.len() > 2);
    for page in &pages {
        let (first, last) = (page.lines[0].bbox, page.lines[page.lines.len() - 1].bbox);
        assert!(
            first.y > 27 && last.y + last.height < 173,
            "{first:?} {last:?}"
        );
        assert!(inked(page, 20..60, 20..30) && inked(page, 240..280, 20..30));
        assert!(inked(page, 135..165, 170..182) && !inked(page, 20..100, 170..182));
    }
    // One by one or all at once.
    let typesetter = Typesetter::new(RenderConfig::from_json(json).unwrap()).unwrap();
    let streamed: Vec<Page> = typesetter.pages(&document).map(Result::unwrap).collect();
    assert_eq!(streamed, typesetter.render(&document).unwrap());
    // From the middle, with the numbers and codes that they have among all.
    for skip in [1, streamed.len() - 1, streamed.len(), usize::MAX] {
        let rest = typesetter.pages_from(&document, skip).map(Result::unwrap);
        let rest: Vec<Page> = rest.collect();
        assert_eq!(rest, streamed[skip.min(streamed.len())..], "{skip}");
    }
    // Another number of pages is written on the first one.
    document
        .blocks
        .push(text(BlockKind::Paragraph, &"more\n".repeat(300)));
    let longer = typesetter.render(&document).unwrap();
    assert_ne!(longer[0].pixels, streamed[0].pixels);
}

#[test]
fn line_numbers_stand_left_of_their_lines() {
    let json = |numbers: &str| {
        format!(
            r#"{{"page-size": "200,100", "margin-x": 10, "alignment": "LEFT", "margin-y": 10,
                "line-height": 10, "line-numbers": {numbers}}}"#
        )
    };
    let document = Document::from_text(&"text\n".repeat(12));
    let numbered = |numbers: &str, page: usize| -> Vec<usize> {
        let page = &pages(&json(numbers), &document)[page];
        let has = |line: &usize| {
            let bbox = page.lines[*line].bbox;
            inked(page, 10..bbox.x - 3, bbox.y..bbox.y + 8)
        };
        (0..page.lines.len())
            .filter(has)
            .map(|line| line + 1)
            .collect()
    };
    assert_eq!(numbered("true", 0), (1..=8).collect::<Vec<_>>());
    assert_eq!(numbered(r#"{"every": 3}"#, 0), [3, 6]);
    assert_eq!(numbered(r#"{"every": 3}"#, 1), [3]);
    // The second page's lines are 9 to 12.
    assert_eq!(
        numbered(r#"{"every": 3, "restart": "document"}"#, 1),
        [1, 4]
    );
}

#[test]
fn boxes_keep_off_each_other_and_the_text() {
    let json = r##"{"page-size": "300,200", "margin-x": 20, "margin-y": 20, "line-height": 10,
        "para-bg-color": "#C0C0C0", "border-width": 2, "border-padding": 4, "invertible": false}"##;
    let blocks = vec![
        text(BlockKind::Paragraph, "one"),
        text(BlockKind::Paragraph, "two\nthree"),
    ];
    let page = &pages(json, &document(blocks))[0];
    let tops: Vec<u32> = page.lines.iter().map(|line| line.bbox.y).collect();
    assert_eq!(tops, [26, 26 + 10 + 12, 26 + 20 + 12]);
    // Down the left edge: frame, background, frame, and so on.
    let column: Vec<u8> = (0..200).map(|y| page.pixels[y * 300 + 18]).collect();
    let runs: Vec<(u8, usize)> = column
        .chunk_by(|a, b| a == b)
        .map(|run| (run[0], run.len()))
        .collect();
    let paper = 255 - 64;
    let expected = [
        (255, 20),
        (7, 2),
        (paper, 18),
        (7, 4),
        (paper, 28),
        (7, 2),
        (255, 126),
    ];
    assert_eq!(runs, expected);
}

#[test]
fn corners_are_marked() {
    let json = r#"{"page-size": "300,200", "corner-marks": true, "invertible": false}"#;
    let page = page(json, "x");
    let dark = |x: u32, y: u32| page.pixels[(y * page.width + x) as usize] < 64;
    for (x, y) in [(10, 10), (289, 10), (10, 189)] {
        assert!(dark(x, y), "{x} {y}");
    }
    assert!(!dark(289, 189) && dark(294, 194) && dark(285, 185));
}

#[test]
fn sections_become_pages_and_chunks_documents() {
    let mut document = Document::default();
    for i in 0..4 {
        let words = "word ".repeat(60);
        document.blocks.push(Block::text(
            BlockKind::Heading(1),
            format!("Part {i}"),
            None,
        ));
        document
            .blocks
            .push(Block::text(BlockKind::Paragraph, words, None));
    }
    assert_eq!(document.sections().len(), 4);
    let chunks = document.chunks(100, glyph_render::estimate_tokens);
    assert_eq!(chunks.len(), 4);
    for (i, chunk) in chunks.iter().enumerate() {
        assert_eq!(chunk.headings, [format!("Part {i}")]);
        let pages = render(RenderConfig::builtin(), &chunk.document(&document));
        assert_eq!(pages.len(), 1);
    }
}
