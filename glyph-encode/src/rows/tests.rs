use glyph_render::{Document, RenderConfig, Typesetter};

use super::*;

fn blank() -> Page {
    let (width, height) = CellLayout::BUILTIN_PAGE;
    Page {
        number: 1,
        width,
        height,
        pixels: vec![255; width as usize * height as usize],
        color: None,
        lines: Vec::new(),
        layout: None,
    }
}

/// Numbers of 16 bits that look random.
fn noise() -> impl FnMut() -> u32 {
    let mut state = 7u32;
    move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state >> 16
    }
}

#[test]
fn noise_does_not_hide_the_grid() {
    let mut page = blank();
    let mut next = noise();
    for pixel in &mut page.pixels {
        if next().is_multiple_of(50) {
            *pixel = next() as u8;
        }
    }
    assert_eq!(builtin_layout(&page), Some(CellLayout::BUILTIN));
}

#[test]
fn text_in_the_margins_is_no_grid() {
    let mut page = blank();
    assert!(builtin_layout(&page).is_some());
    // Words from edge to edge, every fifth pixel of some rows inked.
    for y in (0..page.height as usize).filter(|y| y % 20 < 9) {
        for x in (0..page.width as usize).step_by(5) {
            page.pixels[y * page.width as usize + x] = 0;
        }
    }
    assert_eq!(builtin_layout(&page), None);
}

const TEXT: &str = "The keeper climbed the stairs twice a night to wind the clockwork \
that turned the lamp. In winter the wind shook the tower, and sea water ran down the glass; he \
wrote both into a book that lay on the desk by the door, with the names of the ships he saw.";

/// Pages in Glyph's proportional style, known by their pixels alone.
fn proportional(json: &str) -> Page {
    let config = RenderConfig::from_json(json).expect("a valid configuration");
    let typesetter = Typesetter::new(config).expect("the embedded fonts");
    let document = Document::from_text(TEXT);
    let mut page = typesetter
        .pages(&document)
        .next()
        .expect("the text takes a page")
        .expect("text can be drawn");
    page.lines.clear();
    page.layout = None;
    page
}

fn sized(size: usize) -> Page {
    proportional(&format!(
        r#"{{"preset": "glyph-en", "dpi": 72, "font-size": {size}, "line-height": {}}}"#,
        size + 2
    ))
}

/// How many letters each word of a page was cut into.
fn words(page: &Page) -> Vec<usize> {
    let segmenter = Segmenter::builtin();
    let lines = text_lines(page);
    let mut words = Vec::new();
    for (line, scale) in lines.iter().zip(scales(segmenter, &lines)) {
        for (i, letter) in letters(segmenter, &line.strip(scale)).iter().enumerate() {
            match words.last_mut() {
                Some(n) if i > 0 && !letter.space => *n += 1,
                _ => words.push(1),
            }
        }
    }
    words
}

/// How many words in a row of one list stand in the other, in the same order.
fn in_common(a: &[usize], b: &[usize]) -> usize {
    let mut row = vec![0; b.len() + 1];
    for x in a {
        let mut diagonal = 0;
        for (j, y) in b.iter().enumerate() {
            let best = if x == y {
                diagonal + 1
            } else {
                row[j].max(row[j + 1])
            };
            diagonal = std::mem::replace(&mut row[j + 1], best);
        }
    }
    row[b.len()]
}

#[test]
fn proportional_lines_are_cut_into_letters_and_words() {
    let expected: Vec<usize> = TEXT.split(' ').map(str::len).collect();
    for size in 8..=14 {
        let found = words(&sized(size));
        assert!(
            found.len().abs_diff(expected.len()) <= 2,
            "words at {size} px"
        );
        // At 8 px an m is four strokes a pixel apart.
        let least = if size == 8 { 60 } else { 90 };
        let right = in_common(&found, &expected);
        assert!(
            right * 100 >= expected.len() * least,
            "{right} of {} words at {size} px: {found:?}",
            expected.len()
        );
    }
}

#[test]
fn each_letter_has_a_cell_and_spaces_are_blank() {
    let page = sized(12);
    let rows = text_rows(&page);
    assert!(
        rows.iter()
            .all(|r| r.pixels.len() == ROW_WIDTH * PATCH_SIZE)
    );
    let inked = |row: &Row<'_>, cell: usize| {
        let columns = cell * 7..cell * 7 + 7;
        (0..PATCH_SIZE).any(|y| columns.clone().any(|x| row.pixels[y * ROW_WIDTH + x] < 200))
    };
    let cells: usize = rows
        .iter()
        .map(|row| (0..ROW_WIDTH / 7).filter(|&c| inked(row, c)).count())
        .sum();
    let letters = TEXT.chars().filter(|c| *c != ' ').count();
    assert!(
        cells.abs_diff(letters) * 50 <= letters,
        "{cells} cells for {letters} letters"
    );
    // "The keeper": a blank cell after three letters.
    let first: Vec<bool> = (0..5).map(|c| inked(&rows[0], c)).collect();
    assert_eq!(first, [true, true, true, false, true]);
}

#[test]
fn a_dark_page_gives_the_rows_of_a_light_one() {
    let light = sized(11);
    let mut dark = light.clone();
    dark.pixels.iter_mut().for_each(|p| *p = 255 - *p);
    let (a, b, c) = (text_rows(&light), text_rows(&light), text_rows(&dark));
    assert!(!a.is_empty() && a.len() == b.len() && a.len() == c.len());
    for ((a, b), c) in a.iter().zip(&b).zip(&c) {
        assert_eq!(a.pixels, b.pixels, "the same page twice");
        assert_eq!(a.pixels, c.pixels, "row {}", a.number);
        assert_eq!(a.bbox, c.bbox);
    }
}

#[test]
fn columns_are_read_one_after_the_other() {
    let one = sized(12);
    // A narrow column of its lines, twice, side by side.
    let (width, height, gap) = (one.width as usize, 200, 60);
    let mut page = one.clone();
    page.width = (2 * width + gap) as u32;
    page.height = height as u32;
    page.pixels = vec![255; (2 * width + gap) * height];
    let lines = text_lines(&one);
    let (top, bottom) = (lines[0].bbox.y as usize, lines.last().expect("lines").bbox);
    let block = (bottom.y + bottom.height) as usize - top + 4;
    for y in 0..height {
        let source = top + y % block;
        let row = &one.pixels[source * width..(source + 1) * width];
        let at = y * (2 * width + gap);
        page.pixels[at..at + width].copy_from_slice(row);
        page.pixels[at + width + gap..at + 2 * width + gap].copy_from_slice(row);
    }
    let boxes: Vec<BBox> = text_lines(&page).iter().map(|l| l.bbox).collect();
    let (left, right) = boxes.split_at(boxes.len() / 2);
    assert!(left.len() > 4 && left.len() == right.len(), "{boxes:?}");
    assert!(left.iter().all(|b| ((b.x + b.width) as usize) <= width));
    assert!(right.iter().all(|b| b.x as usize >= width + gap));
}

#[test]
fn pages_without_text_have_no_rows() {
    for (width, height) in [(0, 0), (1, 1), (300, 200)] {
        for grey in [0, 128, 255] {
            let mut page = blank();
            page.width = width;
            page.height = height;
            page.pixels = vec![grey; (width * height) as usize];
            assert!(text_rows(&page).is_empty(), "{width} x {height} of {grey}");
        }
    }
}

#[test]
fn the_second_trunk_is_for_what_the_built_in_style_did_not_draw() {
    let drawn = |antialias: bool| {
        let mut config = RenderConfig::builtin();
        config.antialias = antialias;
        let typesetter = Typesetter::new(config).expect("the built-in style");
        let document = Document::from_text(TEXT);
        let page = typesetter.pages(&document).next().expect("a page");
        page.expect("text can be drawn")
    };
    let foreign = |page: &Page| {
        let rows = text_rows(page);
        assert!(!rows.is_empty());
        rows.iter().any(|row| row.foreign)
    };
    let mut page = drawn(true);
    assert!(!foreign(&page), "as the renderer gives it");
    page.layout = None;
    assert!(!foreign(&page), "as an image");
    let mut next = noise();
    for pixel in &mut page.pixels {
        if next().is_multiple_of(100) {
            *pixel = next() as u8;
        }
    }
    assert!(foreign(&page), "with 1 % noise");
    let mut jagged = drawn(false);
    assert!(
        foreign(&jagged),
        "without grey edges, as the renderer gives it"
    );
    jagged.layout = None;
    assert!(foreign(&jagged), "without grey edges");
    assert!(foreign(&sized(12)), "in a proportional style");
}

#[test]
fn tokens_lie_where_their_letters_do() {
    let page = sized(12);
    let rows = text_rows(&page);
    assert!(rows.len() > 2);
    for row in &rows {
        let parts: Vec<BBox> = (0..12).map(|i| row.part(i, 12)).collect();
        assert_eq!(parts[0].x, row.bbox.x);
        assert!(parts.windows(2).all(|p| p[0].x + p[0].width == p[1].x));
        let end = parts[11].x + parts[11].width;
        assert!((row.bbox.x + row.bbox.width - 1..=page.width).contains(&end));
        let width = page.width as usize;
        for (i, part) in parts.iter().enumerate() {
            let inked = !crate::builtin::is_blank(&row.pixels, row.stride, i * 56, 56);
            let (from, to) = (part.x as usize, (part.x + part.width) as usize);
            let rows = part.y as usize..(part.y + part.height) as usize;
            let on_page = rows
                .clone()
                .any(|y| page.pixels[y * width..][from..to].iter().any(|p| *p < 160));
            assert!(!inked || on_page, "part {i} of row {}", row.number);
        }
    }
}

#[test]
fn staggered_rows_begin_half_a_patch_further_left() {
    let typesetter = Typesetter::new(RenderConfig::builtin()).expect("the embedded fonts");
    let document = Document::from_text(TEXT);
    let page = typesetter.pages(&document).next().expect("a page");
    let page = page.expect("text renders");
    let foreign = proportional("{\"font-size\": 12}");
    for page in [&page, &foreign] {
        for row in text_rows(page) {
            let moved = row.staggered();
            assert_eq!((moved.number, moved.foreign), (row.number, row.foreign));
            assert_eq!(
                (moved.bbox.y, moved.bbox.height),
                (row.bbox.y, row.bbox.height)
            );
            for y in 0..PATCH_SIZE {
                let own = &row.pixels[y * row.stride..][..ROW_WIDTH];
                let line = &moved.pixels[y * ROW_WIDTH..][..ROW_WIDTH];
                assert!(line[..7].iter().all(|&p| p == 255));
                assert_eq!(line[7..], own[..ROW_WIDTH - 7]);
            }
            let columns = ROW_WIDTH / PATCH_SIZE;
            for column in 1..columns {
                let (before, here) = (row.part(column - 1, columns), row.part(column, columns));
                let part = moved.part(column, columns);
                assert_eq!(part.x, before.x + before.width / 2);
                assert_eq!(part.x + part.width, here.x + here.width / 2);
            }
        }
    }
    // On the grid that is a half-width cell.
    let first = text_rows(&page)[0].staggered();
    assert_eq!(first.part(0, 48).x + 7, CellLayout::BUILTIN.x0);
}
