use glyph_render::{
    Block, BlockKind, Document, PageImage, RenderConfig, RenderError, Renderer, Typesetter,
    half_cells,
};

use crate::{cell_lines, document, render, text};

#[test]
fn half_cells_follow_east_asian_width() {
    let widths = [
        ('a', 1),
        ('é', 1),
        ('中', 2),
        ('Ａ', 2),
        ('。', 2),
        ('“', 1),
        ('—', 1),
        ('…', 1),
    ];
    for (c, width) in widths
        .into_iter()
        .chain([('\u{301}', 0), ('\u{200B}', 0), ('\n', 0)])
    {
        assert_eq!(half_cells(c), width, "{c:?}");
    }
}

#[test]
fn geometry_is_exact() {
    let pages = render(
        RenderConfig::builtin(),
        &Document::from_text(&"x\n".repeat(70)),
    );
    assert_eq!(pages.len(), 2);
    let page = &pages[0];
    assert_eq!((page.width, page.height, page.number), (700, 994, 1));
    let grid = page.layout.unwrap();
    assert_eq!(
        (grid.x0, grid.y0, grid.cell_width, grid.line_height),
        (14, 14, 7, 14)
    );
    assert_eq!((grid.columns, grid.rows), (96, 69));
    assert_eq!((page.lines.len(), pages[1].lines.len()), (69, 1));
    assert_eq!(
        (page.lines[68].bbox.y, pages[1].lines[0].bbox.y),
        (14 + 68 * 14, 14)
    );
    assert_eq!(pages[1].lines[0].source, 138..140);
}

#[test]
fn margins_hold_no_ink() {
    let wide = "█".repeat(96 * 69);
    let page = &render(RenderConfig::builtin(), &Document::from_text(&wide))[0];
    for (i, &pixel) in page.pixels.iter().enumerate() {
        let (x, y) = (i % 700, i / 700);
        let inside = (14..686).contains(&x) && (14..980).contains(&y);
        // Codes stay within 7 grey levels of white.
        assert!(inside || pixel >= 248, "ink at {x}, {y}");
    }
}

#[test]
fn words_wrap_one_short_of_the_edge() {
    // 48 + 47 half-cells fit, because a space follows; 48 + 48 do not.
    let fits = format!("{} {} c", "a".repeat(47), "b".repeat(47));
    assert_eq!(cell_lines(&fits), [&fits[..95], "c"]);
    let wraps = format!("{} {} c", "a".repeat(47), "b".repeat(48));
    assert_eq!(cell_lines(&wraps), [&wraps[..47], &wraps[48..]]);
}

#[test]
fn long_words_fill_the_last_cell() {
    let long = "0123456789".repeat(20);
    assert_eq!(
        cell_lines(&long),
        [&long[..96], &long[96..192], &long[192..]]
    );
    let after = format!("see {long}");
    assert_eq!(
        cell_lines(&after),
        [&after[..96], &after[96..192], &after[192..]]
    );
    // A hyphen is no break: the reader could not tell it from a space.
    let hyphen = format!("{} well-known", "a".repeat(90));
    assert_eq!(cell_lines(&hyphen), [&hyphen[..90], "well-known"]);
}

#[test]
fn a_full_line_before_a_line_break_is_followed_by_an_empty_one() {
    let rule = "=".repeat(96);
    assert_eq!(
        cell_lines(&format!("{rule}\nnext")),
        [rule.as_str(), "", "next"]
    );
    assert_eq!(cell_lines(&rule), [rule.as_str()]);
}

#[test]
fn chinese_punctuation_stays_with_its_word() {
    let line = "字".repeat(48);
    assert_eq!(
        cell_lines(&format!("{line}字字。")),
        [line.as_str(), "字字。"]
    );
    let closing = format!("{line}。后面");
    assert_eq!(cell_lines(&closing), [&line[..47 * 3], "字。后面"]);
    let opening = format!("{}（后面）", "字".repeat(47));
    assert_eq!(cell_lines(&opening), [&line[..47 * 3], "（后面）"]);
}

#[test]
fn preformatted_text_keeps_line_breaks_indents_and_tabs() {
    assert_eq!(cell_lines("a\n\n  b\r\n\tc"), ["a", "", "  b", "\tc"]);
    let page = &render(RenderConfig::builtin(), &Document::from_text("ab\tc\t\td"))[0];
    assert_eq!(page.lines[0].bbox.width, 13 * 7);
}

#[test]
fn blank_rows_stand_between_blocks_but_not_between_list_items() {
    let blocks = vec![
        text(BlockKind::Heading(1), "Title"),
        text(BlockKind::Paragraph, "One."),
        text(BlockKind::ListItem, "first"),
        text(BlockKind::ListItem, "second"),
        text(BlockKind::TableRow, "a\tb"),
        text(BlockKind::TableRow, "c\td"),
        text(BlockKind::Paragraph, ""),
        text(BlockKind::Paragraph, "Two."),
    ];
    let page = &render(RenderConfig::builtin(), &document(blocks))[0];
    let rows: Vec<u32> = page
        .lines
        .iter()
        .map(|line| (line.bbox.y - 14) / 14)
        .collect();
    assert_eq!(rows, [0, 2, 4, 5, 7, 8, 10]);
    assert_eq!(page.lines[6].source_block, 7);
    // "a | b" is drawn for three bytes of source.
    assert_eq!(
        (page.lines[4].bbox.width, page.lines[4].source.clone()),
        (5 * 7, 0..3)
    );
}

#[test]
fn page_images_pass_through() {
    let image = PageImage {
        name: "scan".into(),
        width: 3,
        height: 2,
        pixels: vec![7; 6],
        color: None,
        metadata: Vec::new(),
    };
    let blocks = vec![
        text(BlockKind::Paragraph, "before"),
        Block::Page(image.clone()),
        text(BlockKind::Paragraph, "after"),
    ];
    let pages = render(RenderConfig::builtin(), &document(blocks));
    assert_eq!(pages.len(), 3);
    assert_eq!(
        (pages[1].width, pages[1].height, pages[1].number),
        (3, 2, 2)
    );
    assert!(pages[1].lines.is_empty() && pages[1].layout.is_none());
    assert_eq!(pages[2].lines[0].bbox.y, 14);

    let damaged = document(vec![Block::Page(PageImage { height: 3, ..image })]);
    let error = Typesetter::new(RenderConfig::builtin())
        .unwrap()
        .render(&damaged)
        .unwrap_err();
    assert!(
        matches!(
            error,
            RenderError::PixelCount {
                expected: 9,
                found: 6,
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn empty_documents_have_no_pages() {
    assert!(render(RenderConfig::builtin(), &Document::from_text("")).is_empty());
    assert!(render(RenderConfig::builtin(), &Document::default()).is_empty());
}

#[test]
fn draw_cells_draws_what_pages_hold() {
    let line = "Glyph 字形 ñ→, gj\t龘 \u{10FFFD}";
    let typesetter = Typesetter::new(RenderConfig::builtin()).unwrap();
    let page = &typesetter.render(&Document::from_text(line)).unwrap()[0];
    for (stride, rows) in [(672, 14), (700, 14), (200, 9)] {
        let mut pixels = vec![255u8; stride * rows];
        typesetter.draw_cells(line, &mut pixels, stride);
        for y in 0..rows {
            let room = stride.min(672) / 7 * 7;
            let expected = &page.pixels[(14 + y) * 700 + 14..][..room];
            // A wide character that is cut by the edge is not drawn at all.
            assert_eq!(
                pixels[y * stride..][..room.min(190)],
                expected[..room.min(190)]
            );
        }
    }
    typesetter.draw_cells(line, &mut [], 0);
    typesetter.draw_cells(line, &mut [255; 5], 700);
    let flow = Typesetter::new(RenderConfig::preset("dense").unwrap()).unwrap();
    let (mut a, mut b) = (vec![255u8; 672 * 14], vec![255u8; 672 * 14]);
    typesetter.draw_cells(line, &mut a, 672);
    flow.draw_cells(line, &mut b, 672);
    assert_eq!(a, b);
}

/// Han characters must not touch their neighbours, nor letters be cut.
#[test]
fn glyphs_keep_to_their_cells() {
    let typesetter = Typesetter::new(RenderConfig::builtin()).unwrap();
    let mut pixels = vec![0u8; 0];
    for c in ('\u{4E00}'..='\u{9FA5}').step_by(7) {
        pixels.clear();
        pixels.resize(14 * 14, 255);
        typesetter.draw_cells(c.encode_utf8(&mut [0; 4]), &mut pixels, 14);
        assert!(pixels.iter().any(|&p| p < 128), "{c} is not drawn");
        for i in 0..14 {
            assert!(pixels[i * 14 + 13] > 200, "{c} touches its right neighbour");
            assert!(pixels[13 * 14 + i] > 200, "{c} touches the line below");
        }
    }
    for c in "gjpqy,;()[]{}|_Q@ÀÉÎçß".chars() {
        let mut tall = vec![255u8; 7 * 14];
        typesetter.draw_cells(c.encode_utf8(&mut [0; 4]), &mut tall, 7);
        assert!(tall.iter().any(|&p| p < 160), "{c} is not drawn");
    }
}

#[test]
fn one_bit_pages_hold_two_values() {
    let mut config = RenderConfig::builtin();
    config.antialias = false;
    config.invertible = false;
    let page = &render(config, &Document::from_text("Glyph 字形"))[0];
    assert!(page.pixels.iter().all(|&p| p == 0 || p == 255));
    assert!(page.pixels.contains(&0));
}

/// Codes change no pixel that the built-in reader looks at.
#[test]
fn codes_lie_outside_the_grid() {
    let document = Document::from_text(&crate::SAMPLE.repeat(40));
    let mut plain = RenderConfig::builtin();
    plain.invertible = false;
    let (coded, plain) = (
        render(RenderConfig::builtin(), &document),
        render(plain, &document),
    );
    assert_eq!(coded.len(), plain.len());
    for (coded, plain) in coded.iter().zip(&plain) {
        assert_ne!(coded.pixels, plain.pixels);
        for y in 14..980 {
            let row = y * 700 + 14..y * 700 + 686;
            assert_eq!(coded.pixels[row.clone()], plain.pixels[row]);
        }
    }
}
