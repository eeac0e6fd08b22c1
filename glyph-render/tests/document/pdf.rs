//! PDF files, written here.

use crate::{Fixture, message, open};
use glyph_render::{Block, BlockKind, Document, DocumentError, Limits, OpenOptions};
use std::fmt::Write;

/// A PDF with one page for each content stream; `/F1` is Helvetica, `/Im` an image.
fn pdf(pages: &[String], trailer: &str) -> Vec<u8> {
    let mut objects = vec![
        "<< /Type /Catalog /Pages 2 0 R >>".to_owned(),
        String::new(),
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>".into(),
        "<< /Type /XObject /Subtype /Image /Width 2 /Height 2 /ColorSpace /DeviceGray \
         /BitsPerComponent 8 /Length 4 >>\nstream\n0@P`\nendstream"
            .into(),
        "<< /Type /XObject /Subtype /Form /BBox [0 0 9 9] /Resources << /XObject << /Fm 5 0 R >> \
         >> /Length 6 >>\nstream\n/Fm Do\nendstream"
            .into(),
        "<< /Title (Named) >>".into(),
    ];
    let mut kids = String::new();
    for page in pages {
        let content = objects.len() + 1;
        let length = page.len();
        objects.push(format!("<< /Length {length} >>\nstream\n{page}\nendstream"));
        objects.push(format!(
            "<< /Type /Page /Parent 2 0 R /Contents {content} 0 R >>"
        ));
        let _ = write!(kids, "{} 0 R ", content + 1);
    }
    objects[1] = format!(
        "<< /Type /Pages /Kids [{kids}] /Count {} /MediaBox [0 0 400 400] /Resources << /Font \
         << /F1 3 0 R >> /XObject << /Im 4 0 R /Fm 5 0 R >> >> >>",
        pages.len()
    );
    written(&objects, trailer)
}

/// A PDF of these objects, the first of which is its catalog.
fn written(objects: &[String], trailer: &str) -> Vec<u8> {
    let mut out = "%PDF-1.4\n".to_owned();
    let mut offsets = Vec::new();
    for (number, object) in (1..).zip(objects) {
        offsets.push(out.len());
        let _ = write!(out, "{number} 0 obj\n{object}\nendobj\n");
    }
    let start = out.len();
    let _ = write!(out, "xref\n0 {}\n0000000000 65535 f \n", objects.len() + 1);
    for offset in offsets {
        let _ = writeln!(out, "{offset:010} 00000 n ");
    }
    let size = objects.len() + 1;
    let _ = write!(
        out,
        "trailer\n<< /Size {size} /Root 1 0 R {trailer} >>\nstartxref\n{start}\n%%EOF\n"
    );
    out.into_bytes()
}

/// A PDF of one page with this content; its resources name the sixth object `/X`.
fn one_page(content: &str, more: &[String]) -> Vec<u8> {
    let length = content.len();
    let mut objects = vec![
        "<< /Type /Catalog /Pages 2 0 R >>".to_owned(),
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>".to_owned(),
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 400 400] /Contents 4 0 R /Resources << \
         /Font << /F1 5 0 R >> /XObject << /X 6 0 R >> >> >>"
            .to_owned(),
        format!("<< /Length {length} >>\nstream\n{content}\nendstream"),
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>".into(),
    ];
    objects.extend_from_slice(more);
    written(&objects, "")
}

/// `bytes` spaces and then `text`, as run lengths in hexadecimal.
fn run_lengths(bytes: usize, text: &str) -> String {
    let mut out = "8120".repeat(bytes / 128);
    for byte in text.bytes() {
        let _ = write!(out, "00{byte:02x}");
    }
    out + "80>"
}

/// Lines from the top of the page, 14 points apart; an empty one makes a gap.
fn lines(lines: &[&str]) -> String {
    let mut content = "BT /F1 12 Tf 14 TL 40 360 Td\n".to_owned();
    for line in lines {
        let _ = writeln!(content, "({line}) Tj T*");
    }
    content + "ET"
}

const IMAGE: &str = "q 200 0 0 200 50 50 cm /Im Do Q";

fn texts(document: &Document) -> Vec<(BlockKind, &str, u32)> {
    let texts = document.blocks.iter().filter_map(|block| match block {
        Block::Text {
            kind,
            text,
            source_page,
        } => Some((*kind, text.as_str(), source_page.expect("a page"))),
        _ => None,
    });
    texts.collect()
}

#[test]
fn lines_become_paragraphs() {
    let first = lines(&[
        "The first paragraph of this page is set in lines that are",
        "about as long as each other, and one of them ends in a hy-",
        "phen, which has to go.",
        "",
        "A second one follows after a gap in the page.",
        "- an item",
        "- another item",
    ]);
    let document = open(
        "a.pdf",
        pdf(&[first, lines(&["The text of page two."])], ""),
    );
    let document = document.expect("a document");
    let expected = [
        (
            BlockKind::Paragraph,
            "The first paragraph of this page is set in lines that are about as long as each \
             other, and one of them ends in a hyphen, which has to go.",
            1,
        ),
        (
            BlockKind::Paragraph,
            "A second one follows after a gap in the page.",
            1,
        ),
        (BlockKind::ListItem, "- an item", 1),
        (BlockKind::ListItem, "- another item", 1),
        (BlockKind::Paragraph, "The text of page two.", 2),
    ];
    assert_eq!(texts(&document), expected);
}

#[test]
fn large_lines_are_headings() {
    let heading = "BT /F1 24 Tf 40 380 Td (A title) Tj ET\n".to_owned();
    let page = heading + &lines(&["Some text that is longer than the title."]);
    let document = open("a.pdf", pdf(&[page], "/Info 6 0 R"));
    let document = document.expect("a document");
    assert_eq!(document.title.as_deref(), Some("Named"));
    assert_eq!(texts(&document)[0], (BlockKind::Heading(1), "A title", 1));
}

#[test]
fn a_scanned_page_is_drawn() {
    let page = lines(&["This page has enough text to be read."]);
    let document = open("a.pdf", pdf(&[page, IMAGE.into(), String::new()], ""));
    let document = document.expect("a document");
    assert_eq!(document.blocks.len(), 2);
    let Block::Page(page) = &document.blocks[1] else {
        panic!("expected a page image");
    };
    assert_eq!(page.name, "page 2");
    assert_eq!((page.width, page.height), (833, 833));
    assert_eq!(page.pixels.len(), 833 * 833);
    assert!(page.pixels.iter().any(|&pixel| pixel < 100));
    assert_eq!(page.pixels[0], 255);
}

#[test]
fn drawn_pages_keep_to_the_pixel_limit() {
    let fixture = Fixture::new();
    let path = fixture.file("a.pdf", pdf(&[IMAGE.into()], ""));
    let mut limits = Limits::default();
    limits.max_image_pixels = 10_000;
    let options = OpenOptions {
        limits,
        ..OpenOptions::default()
    };
    let document = Document::open_with(path, &options).expect("a document");
    assert!(matches!(&document.blocks[0], Block::Page(page) if page.pixels.len() <= 10_000));
}

#[test]
fn too_many_pages_or_too_much_text() {
    let fixture = Fixture::new();
    let pages = vec![lines(&["Some words of text on a page."]); 3];
    let path = fixture.file("a.pdf", pdf(&pages, ""));
    for (max_pages, max_text_bytes) in [(2, 1000), (3, 50)] {
        let mut options = OpenOptions::default();
        options.limits.max_pages = max_pages;
        options.limits.max_text_bytes = max_text_bytes;
        let error = message(Document::open_with(&path, &options));
        assert!(error.contains("split it"), "{error}");
    }
}

#[test]
fn streams_that_unpack_to_too_much_are_refused() {
    let fixture = Fixture::new();
    let text = lines(&["Some words of text on a page."]);
    let packed = run_lengths(1_000_000, &text);
    let filters = "/Filter [/ASCIIHexDecode /RunLengthDecode]";
    let content = format!(
        "<< /Length {} {filters} >>\nstream\n{packed}\nendstream",
        packed.len()
    );
    let form = content.replacen(
        "<<",
        "<< /Type /XObject /Subtype /Form /BBox [0 0 400 400] /Resources << >>",
        1,
    );
    let page = |contents: &str| {
        let bytes = one_page(&format!("{text}\n/X Do"), &[form.clone(), content.clone()]);
        let bytes = String::from_utf8(bytes).expect("text");
        // The offsets stay as they are.
        bytes.replace("/Contents 4 0 R", contents).into_bytes()
    };
    for contents in ["/Contents 4 0 R", "/Contents 7 0 R"] {
        let path = fixture.file("a.pdf", page(contents));
        let mut options = OpenOptions::default();
        options.limits.max_stream_bytes = 900_000;
        let error = message(Document::open_with(&path, &options));
        assert!(
            error.contains("zip bomb") && error.contains("`Limits::max_stream_bytes`"),
            "{error}"
        );
        options.limits.max_stream_bytes = 1_100_000;
        let opened = Document::open_with(&path, &options);
        assert!(
            !matches!(opened, Err(DocumentError::TooLarge { .. })),
            "{opened:?}"
        );
    }
}

#[test]
fn object_streams_that_unpack_to_too_much_are_refused() {
    let packed = run_lengths(1_000_000, "");
    let objects = format!(
        "<< /Type /ObjStm /N 0 /First 0 /Length {} /Filter [/ASCIIHexDecode /RunLengthDecode] \
         >>\nstream\n{packed}\nendstream",
        packed.len()
    );
    let fixture = Fixture::new();
    let text = lines(&["Some words of text on a page."]);
    let path = fixture.file("a.pdf", one_page(&text, &[objects]));
    let mut options = OpenOptions::default();
    options.limits.max_unzipped_bytes = 900_000;
    let error = message(Document::open_with(&path, &options));
    assert!(error.contains("`Limits::max_unzipped_bytes`"), "{error}");
    options.limits.max_unzipped_bytes = 1_100_000;
    assert!(Document::open_with(&path, &options).is_ok());
}

#[test]
fn images_of_too_many_pixels_are_refused_where_they_are_drawn() {
    let image = "<< /Type /XObject /Subtype /Image /Width 30000 /Height 30000 /ColorSpace \
        /DeviceGray /BitsPerComponent 8 /Length 4 >>\nstream\n0@P`\nendstream"
        .to_owned();
    let drawn = "q 200 0 0 200 50 50 cm /X Do Q";
    let images = std::slice::from_ref(&image);
    let error = message(open("a.pdf", one_page(drawn, images)));
    assert!(
        error.contains("900000000") && error.contains("`Limits::max_image_pixels`"),
        "{error}"
    );
    // Nobody looks at the image of a page that has text.
    let text = lines(&["Some words of text on a page."]);
    assert!(open("a.pdf", one_page(&format!("{text} {drawn}"), images)).is_ok());
}

#[test]
fn forms_that_draw_forms_many_times_are_refused() {
    let form = |content: &str, next: &str| {
        format!(
            "<< /Type /XObject /Subtype /Form /BBox [0 0 400 400] /Resources << /Font << /F1 5 0 \
             R >> {next} >> /Length {} >>\nstream\n{content}\nendstream",
            content.len()
        )
    };
    let text = lines(&["Some words of text on a page."]);
    let nested = |levels: usize, draws: usize, last: &str| {
        let mut forms: Vec<String> = (1..levels)
            .map(|level| {
                let next = format!("/XObject << /X {} 0 R >>", 6 + level);
                form(&"/X Do ".repeat(draws), &next)
            })
            .collect();
        forms.push(form(last, ""));
        forms
    };
    // A trillion times, to read the text and to draw the page.
    for (content, last) in [("/X Do", "0 0 m"), (&format!("{text} /X Do"), &*text)] {
        let error = message(open("a.pdf", one_page(content, &nested(12, 10, last))));
        assert!(error.contains("page 1 to draw at most 100000"), "{error}");
    }
    let few = one_page("/X Do", &nested(4, 3, &text));
    let document = open("a.pdf", few).expect("a document");
    assert_eq!(document.text().matches("Some words").count(), 27);
    // A form that draws itself twice.
    let own = form("/X Do /X Do", "/XObject << /X 6 0 R >>");
    let error = message(open("a.pdf", one_page("/X Do", &[own])));
    assert!(error.contains("page 1 to draw at most 100000"), "{error}");
}

#[test]
fn a_page_of_nothing_but_saved_states_is_drawn() {
    let content = format!("{}q 200 0 0 200 50 50 cm /X Do Q", "q ".repeat(200_000));
    let image = "<< /Type /XObject /Subtype /Image /Width 2 /Height 2 /ColorSpace /DeviceGray \
         /BitsPerComponent 8 /Length 4 >>\nstream\n0@P`\nendstream"
        .to_owned();
    let document = open("a.pdf", one_page(&content, &[image])).expect("a document");
    assert!(matches!(&document.blocks[..], [Block::Page(_)]));
}

#[test]
fn bad_files_are_errors() {
    let page = lines(&["Some words of text on a page."]);
    let good = pdf(&[page], "");
    let damaged = message(open("a.pdf", b"%PDF-1.4\nnothing more"));
    assert!(damaged.contains("damaged PDF"), "{damaged}");
    message(open("a.pdf", &good[..300]));
    let blank = open("a.pdf", pdf(&[String::new()], ""));
    assert!(matches!(blank, Err(DocumentError::Empty { .. })));
    message(blank);
    let password = "/Encrypt << /Filter /Standard /V 1 /R 2 /Length 40 /P -4 \
        /O <0101010101010101010101010101010101010101010101010101010101010101> \
        /U <0202020202020202020202020202020202020202020202020202020202020202> >> \
        /ID [<00> <00>]";
    let encrypted = message(open("a.pdf", pdf(&[lines(&["x"])], password)));
    assert!(encrypted.contains("encrypted"), "{encrypted}");
}

#[test]
fn a_page_that_breaks_the_reader_is_no_crash() {
    // pdf-extract panics on an unknown font: an error that names the page, or the page drawn.
    let broken = "BT /F9 12 Tf 40 300 Td (x) Tj ET".to_owned();
    let looped = format!(
        "/Fm Do {}",
        lines(&["A form that draws itself is left out."])
    );
    let document = open("a.pdf", pdf(&[looped], "")).expect("a document");
    assert_eq!(
        texts(&document)[0].1,
        "A form that draws itself is left out."
    );
    let good = lines(&["Some words of text on a page."]);
    match open("a.pdf", pdf(&[good, broken], "")) {
        Ok(document) => assert!(!document.blocks.is_empty()),
        error => assert!(message(error).contains("page 2")),
    }
}

#[cfg(feature = "pdfium")]
#[test]
fn a_wrong_libpdfium_is_an_error() {
    let fixture = Fixture::new();
    let path = fixture.file("a.pdf", pdf(&[lines(&["Some words."])], ""));
    let options = OpenOptions {
        pdfium: Some("/nonexistent/libpdfium.so".into()),
        ..OpenOptions::default()
    };
    let error = message(Document::open_with(path, &options));
    assert!(error.contains("libpdfium"), "{error}");
}
