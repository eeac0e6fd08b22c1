use glyph_render::{
    Block, BlockKind, Damage, Document, Inversion, InvertError, Inverter, Page, PageText, Renderer,
    invert,
};

use crate::engine;

const FLOW: &str = r#"{"page-size": "160,100", "font-size": 9, "margin-x": 8, "margin-y": 8}"#;
const CELLS: &str = r#"{"preset": "builtin"}"#;

fn text(pages: usize, style: &str) -> String {
    let lines = if style == CELLS { 69 } else { 8 };
    let lines = (0..pages * lines).map(|i| match i % 3 {
        0 => format!("Line {i}, plain\n"),
        1 => format!("第{i}行，АВС\n"),
        _ => format!("ש {i} \u{200B}x\r\n"),
    });
    lines.collect()
}

fn pages(n: usize, style: &str) -> (Vec<Page>, Document) {
    let document = Document::from_text(&text(n, style));
    let pages = engine(style).0.render(&document).unwrap();
    assert!(pages.len() >= n, "{}", pages.len());
    (pages, document)
}

fn inverted(style: &str, pages: &[Page]) -> (Vec<Damage>, String) {
    let inversion = engine(style).1.invert(pages).unwrap();
    (inversion.damage, inversion.document.text())
}

/// One altered pixel, anywhere, by whatever amount, is noticed, and costs one line at most.
#[test]
fn every_altered_pixel_is_noticed() {
    for (style, step) in [(FLOW, 7), (CELLS, 997)] {
        let (whole, document) = pages(1, style);
        let page = &whole[0];
        for at in (0..page.pixels.len()).step_by(step) {
            for change in [1, 8, 128] {
                let mut altered = page.clone();
                altered.pixels[at] ^= change;
                let inversion = match engine(style).1.invert(&[altered]) {
                    Ok(inversion) => inversion,
                    Err(error) => panic!("pixel {at}: {error}"),
                };
                assert!(!inversion.is_exact(), "{style}: pixel {at} ^ {change}");
                let lines = &inversion.pages[0].lines;
                let lost = lines.iter().filter(|line| !line.is_intact).count();
                assert!(
                    lost <= 1,
                    "{style}: pixel {at} ^ {change}: {lost} lines lost"
                );
                for line in lines.iter().filter(|line| line.is_intact) {
                    assert!(document.text().contains(&line.text));
                }
            }
        }
    }
}

#[test]
fn damaged_lines_are_named_and_the_others_come_back() {
    for style in [FLOW, CELLS] {
        let (mut pages, document) = pages(2, style);
        let Block::Text { text: whole, .. } = &document.blocks[0] else {
            unreachable!()
        };
        let lines = pages[1].lines.iter().enumerate();
        let mut plain = lines.filter(|(_, line)| whole[line.source.start..].starts_with("Line"));
        let (i, line) = plain.nth(1).unwrap();
        let line = line.clone();
        let page = &mut pages[1];
        // Across a letter of the line.
        let at = (line.bbox.y + 6) * page.width + line.bbox.x;
        for x in 0..5 {
            page.pixels[(at + x) as usize] ^= 0x50;
        }
        let (damage, text) = inverted(style, &pages);
        let (number, line_number) = (2, i as u32 + 1);
        assert_eq!(
            damage,
            [Damage::LineDamaged {
                number,
                line: line_number
            }]
        );
        assert_eq!(text[..line.source.start], whole[..line.source.start]);
        let after = &whole[line.source.end..];
        assert!(text.ends_with(after));
        let read = &text[line.source.start..text.len() - after.len()];
        assert!(read.contains('\u{FFFD}'), "{read:?}");
    }
}

#[test]
fn wiped_lines_are_missing() {
    for style in [FLOW, CELLS] {
        let (mut pages, document) = pages(1, style);
        pages.truncate(1);
        let bbox = pages[0].lines[2].bbox;
        let width = pages[0].width as usize;
        let rows = bbox.y as usize * width..(bbox.y + bbox.height) as usize * width;
        pages[0].pixels[rows].fill(255);
        let inversion = engine(style).1.invert(&pages).unwrap();
        assert!(
            inversion
                .damage
                .contains(&Damage::LineMissing { number: 1, line: 3 }),
            "{:?}",
            inversion.damage
        );
        let lines = &inversion.pages[0].lines;
        assert!(lines.iter().all(|line| line.is_intact));
        let kept: usize = lines.iter().map(|line| line.text.len()).sum();
        assert!(kept > 20 && kept < document.text().len());
    }
}

#[test]
fn pages_that_are_missing_or_in_disorder_are_named() {
    for style in [FLOW, CELLS] {
        let (pages, document) = pages(4, style);
        let n = pages.len();
        let without = |lost: usize| {
            let mut pages = pages.clone();
            pages.remove(lost);
            inverted(style, &pages)
        };
        let (damage, text) = without(1);
        assert_eq!(damage, [Damage::PageMissing { number: 2 }]);
        assert!(text.starts_with("Line 0"));
        assert_eq!(without(0).0, [Damage::PageMissing { number: 1 }]);
        let last = n as u32 - 1;
        assert_eq!(without(n - 1).0, [Damage::Truncated { number: last }]);

        let mut swapped = pages.clone();
        swapped.swap(1, 2);
        let (damage, text) = inverted(style, &swapped);
        assert_eq!(text, document.text());
        let moved = |number, position| Damage::PageMoved { number, position };
        assert_eq!(damage, [moved(2, 2), moved(3, 1)]);

        let mut twice = pages.clone();
        twice.push(pages[1].clone());
        let (damage, text) = inverted(style, &twice);
        assert_eq!(text, document.text());
        let position = n;
        assert_eq!(
            damage,
            [Damage::PageRepeated {
                number: 2,
                position
            }]
        );
    }
}

#[test]
fn pages_of_two_documents_are_told_apart() {
    let (pages, document) = pages(2, FLOW);
    let other = Document::from_text(&text(3, FLOW).replace("Line", "line"));
    let other = engine(FLOW).0.render(&other).unwrap();
    let mut mixed = pages.clone();
    mixed.push(other[2].clone());
    let (damage, text) = inverted(FLOW, &mixed);
    assert_eq!(text, document.text());
    let position = pages.len();
    assert_eq!(
        damage,
        [Damage::OtherDocument {
            number: 3,
            position
        }]
    );

    // The same first page, and another second one.
    let (first, rest) = document_with_tail("one");
    let (_, other) = document_with_tail("two");
    let (damage, _) = inverted(
        FLOW,
        &[vec![first], other[..1].to_vec(), rest[1..].to_vec()].concat(),
    );
    assert_eq!(damage, [Damage::Unconnected { number: 3 }]);
}

fn document_with_tail(tail: &str) -> (Page, Vec<Page>) {
    let document = Document::from_text(&format!("{}{}", text(1, FLOW), tail.repeat(200)));
    let mut pages = engine(FLOW).0.render(&document).unwrap();
    assert!(pages.len() > 2);
    (pages.remove(0), pages)
}

/// A page cut from `pixels`, from row `top` on.
fn cropped(page: &Page, top: u32, width: u32, height: u32) -> Page {
    let rows = page.pixels.chunks_exact(page.width as usize);
    let rows = rows.skip(top as usize).take(height as usize);
    Page {
        number: page.number,
        width,
        height,
        pixels: rows
            .flat_map(|row| &row[..width as usize])
            .copied()
            .collect(),
        color: None,
        lines: Vec::new(),
        layout: None,
    }
}

#[test]
fn what_is_left_of_a_cut_page_comes_back() {
    let (pages, document) = pages(1, FLOW);
    let page = &pages[0];
    let whole = document.text();
    let upper = cropped(page, 0, page.width, 60);
    let inversion = engine(FLOW).1.invert(&[upper]).unwrap();
    let text = inversion.document.text();
    assert!(text.len() > 30 && whole.starts_with(&text), "{text:?}");
    let expected = Damage::Resized {
        number: 1,
        expected: (page.width, page.height),
        found: (page.width, 60),
    };
    assert!(inversion.damage.contains(&expected));
    let missing = |damage: &&Damage| matches!(damage, Damage::LineMissing { .. });
    assert!(inversion.damage.iter().filter(missing).count() >= 3);

    let lower = cropped(page, 40, page.width, page.height - 40);
    let inversion = engine(FLOW).1.invert(&[lower]).unwrap();
    let last = &inversion.pages[0].lines.last().unwrap();
    assert!(last.is_intact && whole.contains(&last.text));
}

#[test]
fn resized_and_lossy_pages_say_why() {
    let (pages, _) = pages(1, FLOW);
    let page = &pages[0];
    let gray = image::GrayImage::from_raw(page.width, page.height, page.pixels.clone()).unwrap();
    let (w, h) = (page.width * 3 / 2, page.height * 3 / 2);
    let filter = image::imageops::FilterType::Triangle;
    let resized = image::imageops::resize(&gray, w, h, filter);
    let mut jpeg = std::io::Cursor::new(Vec::new());
    gray.write_to(&mut jpeg, image::ImageFormat::Jpeg).unwrap();
    let jpeg = Page::from_image_bytes("page.jpg", jpeg.get_ref()).unwrap();
    let resized = Page {
        width: w,
        height: h,
        pixels: resized.into_raw(),
        ..page.clone()
    };
    for page in [resized, jpeg] {
        let error = invert(&[page]).unwrap_err();
        assert!(matches!(error, InvertError::NoCode { .. }), "{error}");
        let message = error.to_string();
        assert!(
            message.contains("resized") && message.contains("JPEG"),
            "{message}"
        );
    }
    assert_eq!(invert(&[]), Err(InvertError::NoPages));
}

#[test]
fn a_page_without_strips_is_read_beside_others() {
    let (mut pages, document) = pages(2, FLOW);
    let width = pages[1].width as usize;
    let end = pages[1].pixels.len();
    pages[1].pixels[20] ^= 4;
    pages[1].pixels[end - width + 20] ^= 4;
    let (damage, text) = inverted(FLOW, &pages);
    assert_eq!(text, document.text());
    let expected = Damage::StripDamaged {
        number: None,
        position: 1,
    };
    assert!(damage.contains(&expected), "{damage:?}");
    // Alone it needs the configuration.
    let alone = &pages[1..2];
    assert!(matches!(
        invert(alone),
        Err(InvertError::NoCode { damaged: true, .. })
    ));
    let inversion = Inverter::of(&engine(FLOW).0).invert(alone).unwrap();
    assert!(document.text().contains(&inversion.document.text()));
}

#[test]
fn images_between_pages_keep_their_place() {
    let image = |page: u32| glyph_render::PageImage {
        name: format!("page {page}"),
        width: 3,
        height: 2,
        pixels: vec![7; 6],
        color: None,
        metadata: Vec::new(),
    };
    let blocks = vec![
        Block::text(BlockKind::Heading(1), "before", Some(1)),
        Block::text(BlockKind::ListItem, "", None),
        Block::Page(image(2)),
        Block::text(BlockKind::TableRow, "", Some(3)),
        Block::Page(image(4)),
        Block::text(BlockKind::Paragraph, "", Some(7)),
        Block::text(BlockKind::Paragraph, "after", Some(7)),
    ];
    let document = Document {
        title: None,
        blocks,
    };
    for style in [FLOW, CELLS] {
        let pages = engine(style).0.render(&document).unwrap();
        let inversion = engine(style).1.invert(&pages).unwrap();
        assert_eq!(inversion.damage, []);
        assert_eq!(inversion.document, document);
    }
}

#[test]
fn codes_can_be_left_out() {
    let config = glyph_render::RenderConfig::from_json(r#"{"invertible": false}"#).unwrap();
    let typesetter = glyph_render::Typesetter::new(config).unwrap();
    let pages = typesetter.render(&Document::from_text("x")).unwrap();
    let error = invert(&pages).unwrap_err();
    assert!(matches!(error, InvertError::NoCode { damaged: false, .. }));
    let low = r##"{"font-color": "#F0F0F0"}"##;
    let config = glyph_render::RenderConfig::from_json(low).unwrap();
    let error = glyph_render::Typesetter::new(config)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("24") && error.contains("invertible"),
        "{error}"
    );
}

/// Fonts of the user's are needed for inversion, and the right ones.
#[test]
fn the_users_fonts_are_checked() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/assets/fonts/dejavu-sans-mono.ttf"
    );
    let mut config = glyph_render::RenderConfig::from_json(FLOW).unwrap();
    config.fonts = vec![glyph_render::FontFile {
        path: path.into(),
        index: 0,
    }];
    let document = Document::from_text("Mono 字 АВС → end");
    let typesetter = glyph_render::Typesetter::new(config.clone()).unwrap();
    let pages = typesetter.render(&document).unwrap();
    let error = invert(&pages).unwrap_err();
    assert!(
        matches!(error, InvertError::Fonts { position: 0, .. }),
        "{error}"
    );
    let inversion = Inverter::new(&config).unwrap().invert(&pages).unwrap();
    assert_eq!(inversion.into_document().unwrap().text(), document.text());
}

/// The text chunk serves where pixels do not, and only those who ask for it see it.
#[test]
fn the_text_chunk_survives_a_resize() {
    for style in [FLOW, CELLS] {
        let (pages, document) = pages(2, style);
        let (typesetter, inverter) = &*engine(style);
        typesetter.verify(&document, &pages).unwrap();
        let mut texts = Vec::new();
        for page in &pages {
            let text = inverter.page_text(page).unwrap();
            let options = glyph_render::PngOptions::default().with_text(&text);
            let png = page.to_png_with(options).unwrap();
            let read = Page::from_image_bytes("page", &png).unwrap();
            assert_eq!((&read.pixels, read.number), (&page.pixels, page.number));
            assert!(read.lines.is_empty());
            assert!(PageText::from_png(&page.to_png().unwrap()).is_none());
            texts.push(PageText::from_png(&png).unwrap());
            // A document of page images does not hold it.
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("page.png");
            std::fs::write(&path, &png).unwrap();
            let images = Document::open(&path).unwrap();
            let Block::Page(image) = &images.blocks[0] else {
                unreachable!()
            };
            assert!(image.metadata.iter().all(|(key, _)| key != "glyph:text"));
        }
        let inversion = Inversion::from_texts(&texts);
        assert_eq!(inversion.damage, []);
        assert_eq!(inversion.document, document);
        let inversion = Inversion::from_texts(&texts[1..]);
        assert_eq!(inversion.damage, [Damage::PageMissing { number: 1 }]);
        texts.swap(0, 1);
        texts.pop();
        assert!(!Inversion::from_texts(&texts).is_exact());
    }
}

#[test]
fn verify_tells_documents_apart() {
    let (pages, document) = pages(1, FLOW);
    let other = Document::from_text(&document.text().replace("Line 3", "Line 4"));
    let error = engine(FLOW).0.verify(&other, &pages).unwrap_err();
    assert_eq!(error, InvertError::Differs { block: 0 });
    let json = r#"{"normalization": "nfc"}"#;
    let document = Document::from_text("a\u{301} \u{212B}");
    let pages = engine(json).0.render(&document).unwrap();
    engine(json).0.verify(&document, &pages).unwrap();
    let text = engine(json).1.invert(&pages).unwrap().document.text();
    assert_eq!(text, "á Å");
}
