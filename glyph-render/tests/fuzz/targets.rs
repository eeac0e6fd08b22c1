//! What the fuzz targets run, shared by `fuzz/` and by the test that replays the corpus.
//!
//! Nothing here may panic, hang or take much memory, whatever the bytes.

use std::io::Write;

use glyph_render::{
    Document, FontFile, Inverter, Limits, OpenOptions, Page, RenderConfig, Renderer, Typesetter,
};

/// Runs on any bytes.
pub(crate) type Target = fn(&[u8]);

/// Names of the targets; each has a folder of that name in the corpus.
pub(crate) const TARGETS: [(&str, Target); 6] = [
    ("pdf", pdf),
    ("docx", docx),
    ("config", config),
    ("image", image),
    ("font", font),
    ("invert", invert),
];

const SAMPLE: &str = "The 3 quick brown foxes.\n中文，é\u{301}\u{10FFFD}\tx";

/// A file of this content, where files are fast.
fn file(extension: &str, data: &[u8]) -> tempfile::NamedTempFile {
    let mut builder = tempfile::Builder::new();
    let suffix = format!(".{extension}");
    builder.suffix(&suffix);
    let shared_memory = std::path::Path::new("/dev/shm");
    let made = if shared_memory.is_dir() {
        builder.tempfile_in(shared_memory)
    } else {
        builder.tempfile()
    };
    let mut file = made.expect("a temporary file");
    file.write_all(data).expect("its content");
    file
}

fn open(extension: &str, data: &[u8]) {
    let file = file(extension, data);
    let mut limits = Limits::default();
    limits.max_text_bytes = 1 << 20;
    limits.max_unzipped_bytes = 4 << 20;
    limits.max_pages = 20;
    limits.max_image_pixels = 1 << 20;
    limits.max_total_pixels = 4 << 20;
    let options = OpenOptions {
        limits,
        ..OpenOptions::default()
    };
    match Document::open_with(file.path(), &options) {
        Ok(document) => {
            let _ = document.text();
        }
        Err(error) => {
            let message = error.to_string();
            assert!(!message.contains('\n'), "{message}");
        }
    }
}

/// A PDF file.
pub(crate) fn pdf(data: &[u8]) {
    if data.starts_with(b"%PDF-") {
        open("pdf", data);
        return;
    }
    // Whatever else is made a PDF, so that no run is spent on telling text apart.
    open("pdf", &[b"%PDF-1.4\n", data].concat());
}

/// A DOCX file: a zip archive, or its main part as XML.
pub(crate) fn docx(data: &[u8]) {
    if data.starts_with(b"PK") {
        open("docx", data);
        return;
    }
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options =
        zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    // Parts are cut at NUL bytes.
    let names = ["word/document.xml", "word/numbering.xml", "word/styles.xml"];
    for (name, part) in names.iter().zip(data.split(|byte| *byte == 0)) {
        zip.start_file(*name, options).expect("an entry");
        zip.write_all(part).expect("its bytes");
    }
    let bytes = zip.finish().expect("an archive").into_inner();
    open("docx", &bytes);
}

/// A render configuration as JSON; what is valid and small is drawn with.
pub(crate) fn config(data: &[u8]) {
    let Ok(json) = std::str::from_utf8(data) else {
        return;
    };
    if json.contains("font-path") || json.contains("\"fonts\"") {
        return;
    }
    let Ok(config) = RenderConfig::from_json(json) else {
        return;
    };
    if let Some(style) = config.flow() {
        let (width, height) = style.page_pixels().expect("checked when it was read");
        if u64::from(width) * u64::from(height) > 1 << 20 {
            return;
        }
    }
    let Ok(typesetter) = Typesetter::new(config) else {
        return;
    };
    for page in typesetter.pages(&Document::from_text(SAMPLE)).take(3) {
        let page = page.expect("a page");
        let size = page.width as usize * page.height as usize;
        assert_eq!(page.pixels.len(), size);
    }
}

/// A page image.
pub(crate) fn image(data: &[u8]) {
    // The sizes that a header may state are bounded by `Limits`; fuzzing wants them smaller.
    if data.starts_with(b"\x89PNG") && data.len() > 24 {
        let side =
            |at: usize| u32::from_be_bytes([data[at], data[at + 1], data[at + 2], data[at + 3]]);
        if u64::from(side(16)) * u64::from(side(20)) > 1 << 20 {
            return;
        }
    }
    if let Ok(page) = Page::from_image_bytes("page", data) {
        let size = page.width as usize * page.height as usize;
        assert_eq!(page.pixels.len(), size);
        let _ = glyph_render::invert(&[page]);
    }
    open("png", data);
}

/// A font file, which draws a few characters.
pub(crate) fn font(data: &[u8]) {
    let file = file("ttf", data);
    let mut config = RenderConfig::from_json(r#"{"page-size": "200,100", "margin-x": 5}"#)
        .expect("the keys exist");
    let font = |index| FontFile {
        path: file.path().to_owned(),
        index,
    };
    for index in [0, 1] {
        config.fonts = vec![font(index)];
        let Ok(typesetter) = Typesetter::new(config.clone()) else {
            continue;
        };
        let pages = typesetter.render(&Document::from_text(SAMPLE));
        assert!(!pages.expect("pages").is_empty());
    }
}

/// Pages with altered pixels: pairs of a place (24 bits) and a value.
pub(crate) fn invert(data: &[u8]) {
    use std::sync::OnceLock;
    static PAGES: OnceLock<[Vec<Page>; 2]> = OnceLock::new();
    let pages = PAGES.get_or_init(|| {
        ["{}", r#"{"preset": "builtin"}"#].map(|json| {
            let config = RenderConfig::from_json(json).expect("the keys exist");
            let typesetter = Typesetter::new(config).expect("a valid style");
            let text = SAMPLE.repeat(60);
            let pages = typesetter.render(&Document::from_text(&text));
            pages.expect("pages")
        })
    });
    let (style, edits) = data.split_first().unwrap_or((&0, &[]));
    let mut pages = pages[usize::from(style & 1)].clone();
    if style & 2 != 0 {
        pages.reverse();
    }
    if style & 4 != 0 {
        pages.truncate(1);
    }
    for edit in edits.chunks_exact(4) {
        let place = u32::from_be_bytes([0, edit[0], edit[1], edit[2]]) as usize;
        let count = pages.len();
        let page = &mut pages[place % count];
        let size = page.pixels.len();
        // From the end, where the codes of the page lie.
        page.pixels[size - 1 - place % size] = edit[3];
    }
    // What they learn of the fonts takes a second to draw, so it is kept from run to run.
    static INVERTERS: OnceLock<[Inverter; 2]> = OnceLock::new();
    let inverters = INVERTERS.get_or_init(|| {
        let builtin = Inverter::new(&RenderConfig::builtin()).expect("a valid style");
        [Inverter::default(), builtin]
    });
    for inverter in inverters {
        match inverter.invert(&pages) {
            Ok(inversion) => {
                let _ = inversion.damage.len();
            }
            Err(error) => assert!(!error.to_string().contains('\n'), "{error}"),
        }
    }
}
