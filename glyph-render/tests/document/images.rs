//! Page images.

use crate::{Fixture, message, open};
use glyph_render::{
    Block, Document, DocumentError, Limits, OpenOptions, Page, PageImage, RenderConfig, Renderer,
    Typesetter,
};
use image::{ImageFormat, Rgba, RgbaImage};
use std::io::Cursor;
use std::sync::{Arc, Mutex};

fn encoded(image: &image::DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image.write_to(&mut bytes, format).expect("an encoder");
    bytes.into_inner()
}

fn grey(width: u32, height: u32, value: u8) -> image::DynamicImage {
    image::GrayImage::from_pixel(width, height, image::Luma([value])).into()
}

fn page(document: &Document, index: usize) -> &PageImage {
    match &document.blocks[index] {
        Block::Page(page) => page,
        other => panic!("expected a page image, found {other:?}"),
    }
}

#[test]
fn a_folder_is_read_in_natural_order() {
    let fixture = Fixture::new();
    for (name, value) in [("page_10.png", 10), ("page_2.png", 2), ("page_1.PNG", 1)] {
        fixture.file(name, encoded(&grey(4, 3, value), ImageFormat::Png));
    }
    fixture.file("page_3.jpg", encoded(&grey(4, 3, 128), ImageFormat::Jpeg));
    fixture.file("notes.txt", "not a page");
    let seen = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&seen);
    let options = OpenOptions {
        progress: Some(Arc::new(move |done, total| {
            sink.lock().expect("no panic before").push((done, total));
        })),
        ..OpenOptions::default()
    };
    let document = Document::open_with(fixture.folder.path(), &options).expect("pages");
    assert!(document.is_images());
    let names: Vec<_> = (0..4).map(|i| page(&document, i).name.as_str()).collect();
    assert_eq!(
        names,
        ["page_1.PNG", "page_2.png", "page_3.jpg", "page_10.png"]
    );
    assert_eq!(page(&document, 1).pixels, [2; 12]);
    assert_eq!(
        (page(&document, 1).width, page(&document, 1).height),
        (4, 3)
    );
    assert_eq!(
        *seen.lock().expect("no panic before"),
        [(1, 4), (2, 4), (3, 4), (4, 4)]
    );
}

#[test]
fn alpha_is_put_on_white() {
    let mut image = RgbaImage::from_pixel(3, 1, Rgba([0, 0, 0, 0]));
    image.put_pixel(1, 0, Rgba([0, 0, 0, 255]));
    image.put_pixel(2, 0, Rgba([0, 0, 0, 128]));
    let document = open("a.png", encoded(&image.into(), ImageFormat::Png)).expect("a page");
    assert_eq!(page(&document, 0).pixels, [255, 0, 127]);
}

#[test]
fn colours_are_kept_where_there_are_any() {
    let mut image = RgbaImage::from_pixel(2, 1, Rgba([200, 196, 200, 255]));
    let png = |image: &RgbaImage| encoded(&image.clone().into(), ImageFormat::Png);
    let tinted = open("a.png", png(&image)).expect("a page");
    assert_eq!(page(&tinted, 0).color, None);
    image.put_pixel(1, 0, Rgba([255, 0, 0, 128]));
    let colored = open("b.png", png(&image)).expect("a page");
    let expected = [200, 196, 200, 255, 127, 127];
    assert_eq!(page(&colored, 0).color.as_deref(), Some(&expected[..]));
    // And reach the page.
    let typesetter = Typesetter::new(RenderConfig::builtin()).expect("built in");
    let drawn = typesetter.render(&colored).expect("a page").remove(0);
    assert_eq!(drawn.color.as_deref(), Some(&expected[..]));
    let mut torn = colored;
    if let Block::Page(image) = &mut torn.blocks[0] {
        image.color = Some(vec![1; 5]);
    }
    let error = typesetter.render(&torn).expect_err("an error").to_string();
    assert!(error.contains("bytes of its colours") && error.contains('6') && error.contains('5'));
}

#[test]
fn both_ways_to_load_an_image_agree() {
    let fixture = Fixture::new();
    let colors = |x: u32, y: u32| Rgba([x as u8 * 9, y as u8 * 25, 255 - x as u8 * 3, 200]);
    let image = RgbaImage::from_fn(20, 10, colors);
    let bytes = encoded(&image.into(), ImageFormat::Png);
    let path = fixture.file("a.png", &bytes);
    let opened = Document::open(&path).expect("a page");
    let opened = page(&opened, 0);
    let read = Page::read_png(&path).expect("a page");
    assert_eq!((&read.pixels, &read.color), (&opened.pixels, &opened.color));
    assert!(read.color.is_some());
    let every: Vec<u8> = (0..=255).collect();
    let grey = image::GrayImage::from_raw(16, 16, every.clone()).expect("256 pixels");
    let rgb = image::DynamicImage::from(grey.clone()).to_rgb8();
    for image in [image::DynamicImage::from(grey), rgb.into()] {
        let bytes = encoded(&image, ImageFormat::Png);
        let read = Page::from_image_bytes("a", &bytes).expect("a page");
        assert_eq!((&read.pixels, &read.color), (&every, &None));
        let opened = open("a.png", bytes).expect("a page");
        assert_eq!(page(&opened, 0).pixels, every);
    }
}

#[test]
fn colours_count_towards_all_pixels() {
    let fixture = Fixture::new();
    let colored = RgbaImage::from_pixel(10, 10, Rgba([255, 0, 0, 255]));
    let path = fixture.file("a.png", encoded(&colored.into(), ImageFormat::Png));
    fixture.file("b.png", encoded(&grey(10, 10, 7), ImageFormat::Png));
    let folder = path.parent().expect("a folder");
    let mut options = OpenOptions::default();
    options.limits.max_total_pixels = 500;
    assert!(Document::open_with(folder, &options).is_ok());
    options.limits.max_total_pixels = 499;
    let error = message(Document::open_with(folder, &options));
    assert!(error.contains("500, over the limit of 499"), "{error}");
}

#[test]
fn glyph_text_chunks_are_kept() {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, 1, 1);
    encoder.set_color(png::ColorType::Grayscale);
    let plain = encoder.add_text_chunk("glyph:page".into(), "7".into());
    plain.expect("a keyword");
    let other = encoder.add_text_chunk("Author".into(), "x".into());
    other.expect("a keyword");
    let wide = encoder.add_itxt_chunk("glyph:note".into(), "世界".into());
    wide.expect("a keyword");
    // The text of a page is not for those who read it as an image.
    let text = encoder.add_itxt_chunk("glyph:text".into(), "secret".into());
    text.expect("a keyword");
    // Nor is one that unpacks to far more than any of ours.
    for (keyword, length) in [("glyph:short", 1 << 10), ("glyph:bomb", 4 << 20)] {
        let text = encoder.add_ztxt_chunk(keyword.into(), "x".repeat(length));
        text.expect("a keyword");
    }
    let mut writer = encoder.write_header().expect("a header");
    writer.write_image_data(&[9]).expect("pixels");
    writer.finish().expect("an end");
    let document = open("a.png", bytes).expect("a page");
    let short = "x".repeat(1 << 10);
    let expected = [
        ("glyph:page", "7"),
        ("glyph:short", &short),
        ("glyph:note", "世界"),
    ];
    let expected = expected.map(|(key, value)| (key.to_owned(), value.to_owned()));
    assert_eq!(page(&document, 0).metadata, expected);
}

#[test]
fn bad_images_are_named() {
    let fixture = Fixture::new();
    let empty = Document::open(fixture.folder.path());
    assert!(matches!(empty, Err(DocumentError::NoImages { .. })));
    message(empty);
    fixture.file("1.png", encoded(&grey(1, 1, 0), ImageFormat::Png));
    fixture.file("2.png", "text");
    let error = message(Document::open(fixture.folder.path()));
    assert!(error.contains("2.png"), "{error}");
    let mut cut = encoded(&grey(50, 50, 7), ImageFormat::Png);
    cut.truncate(60);
    assert!(message(open("cut.png", cut)).contains("cut.png"));
}

#[test]
fn too_many_pixels_are_refused_before_decoding() {
    let fixture = Fixture::new();
    let path = fixture.file("a.png", encoded(&grey(100, 100, 7), ImageFormat::Png));
    let mut limits = Limits::default();
    limits.max_image_pixels = 9_999;
    let options = OpenOptions {
        limits,
        ..OpenOptions::default()
    };
    let error = message(Document::open_with(path, &options));
    assert!(error.contains("10000") && error.contains("9999"), "{error}");
}
