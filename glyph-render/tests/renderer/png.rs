use glyph_render::{Document, Page, RenderConfig};
use image::{ImageFormat, Rgba, RgbaImage};

use crate::render;

fn encode(image: &RgbaImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    let image = image::DynamicImage::from(image.clone());
    let image = if format == ImageFormat::Jpeg {
        image.to_rgb8().into()
    } else {
        image
    };
    image.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

#[test]
fn pages_come_back_from_png() {
    let pages = render(
        RenderConfig::builtin(),
        &Document::from_text(&"secret 字\n".repeat(100)),
    );
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("page.png");
    pages[1].write_png(&path).unwrap();
    let read = Page::read_png(&path).unwrap();
    assert_eq!((read.number, read.layout), (2, pages[1].layout));
    assert_eq!(
        (read.width, read.height, &read.pixels),
        (700, 994, &pages[1].pixels)
    );
    assert!(read.lines.is_empty());
    let bytes = std::fs::read(&path).unwrap();
    assert!(!bytes.windows(6).any(|window| window == b"secret"));
}

#[test]
fn free_pages_have_no_grid() {
    let page = &render(
        RenderConfig::preset("glyph-en").unwrap(),
        &Document::from_text("a"),
    )[0];
    let read = Page::from_image_bytes("page", &page.to_png().unwrap()).unwrap();
    assert_eq!((read.layout, &read.pixels), (None, &page.pixels));
}

#[test]
fn colour_and_transparency_become_grey_on_white() {
    let mut image = RgbaImage::from_pixel(2, 1, Rgba([255, 0, 0, 255]));
    image.put_pixel(1, 0, Rgba([0, 0, 0, 0]));
    let page = Page::from_image_bytes("x", &encode(&image, ImageFormat::Png)).unwrap();
    assert_eq!((page.number, page.pixels), (1, vec![76, 255]));
    let image = RgbaImage::from_pixel(16, 8, Rgba([90, 90, 90, 255]));
    let page = Page::from_image_bytes("x", &encode(&image, ImageFormat::Jpeg)).unwrap();
    assert_eq!((page.width, page.height), (16, 8));
    assert!(page.pixels.iter().all(|p| p.abs_diff(90) < 3));
}

#[test]
fn bad_images_are_named() {
    let error = Page::read_png("/nowhere/page.png").unwrap_err().to_string();
    assert!(error.contains("/nowhere/page.png"), "{error}");
    let error = Page::from_image_bytes("notes.txt", b"plain text")
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("notes.txt") && error.contains("PNG or JPEG"),
        "{error}"
    );
    let wide = encode(&RgbaImage::new(20_001, 1), ImageFormat::Png);
    assert!(Page::from_image_bytes("wide.png", &wide).is_err());
    let mut cut = encode(&RgbaImage::new(50, 50), ImageFormat::Png);
    cut.truncate(cut.len() / 2);
    let error = Page::from_image_bytes("cut.png", &cut)
        .unwrap_err()
        .to_string();
    assert!(error.contains("cut.png"), "{error}");
}

#[test]
fn a_grid_for_another_size_is_dropped() {
    let mut page = render(RenderConfig::builtin(), &Document::from_text("a")).swap_remove(0);
    page.layout = page.layout.map(|mut grid| {
        grid.columns = 1_000_000;
        grid
    });
    let read = Page::from_image_bytes("page", &page.to_png().unwrap()).unwrap();
    assert_eq!(read.layout, None);
    page.pixels.pop();
    assert!(page.to_png().is_err());
}
