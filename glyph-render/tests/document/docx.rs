//! DOCX files, zipped here.

use crate::{Fixture, message, open, parts};
use glyph_render::{BlockKind, Document, DocumentError, Limits, OpenOptions};
use std::io::{Cursor, Write};

fn zipped(entries: &[(&str, &str)]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default();
    for (name, text) in entries {
        zip.start_file(*name, options).expect("an entry");
        zip.write_all(text.as_bytes()).expect("its bytes");
    }
    zip.finish().expect("an archive").into_inner()
}

fn body(inner: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><w:document xmlns:w=\"w\" xmlns:mc=\"mc\" \
         xmlns:wps=\"wps\" xmlns:v=\"v\"><w:body>{inner}<w:sectPr/></w:body></w:document>"
    )
}

fn docx(inner: &str, others: &[(&str, &str)]) -> Vec<u8> {
    let body = body(inner);
    let mut entries = vec![("word/document.xml", body.as_str())];
    entries.extend_from_slice(others);
    zipped(&entries)
}

fn p(text: &str) -> String {
    format!("<w:p><w:r><w:t>{text}</w:t></w:r></w:p>")
}

#[test]
fn runs_tabs_breaks_and_changes() {
    let inner = "<w:p><w:pPr><w:tabs><w:tab w:val=\"left\"/></w:tabs></w:pPr>\
        <w:r><w:t xml:space=\"preserve\">a &amp; b&#8211;</w:t><w:tab/><w:t>c</w:t><w:br/></w:r>\
        <w:ins><w:r><w:t>new</w:t></w:r></w:ins>\
        <w:del><w:r><w:delText>old</w:delText></w:r></w:del>\
        <w:moveFrom><w:r><w:t>moved</w:t></w:r></w:moveFrom>\
        <w:hyperlink><w:r><w:t> link</w:t></w:r></w:hyperlink>\
        <w:sdt><w:sdtPr><w:alias w:val=\"x\"/></w:sdtPr><w:sdtContent><w:r><w:t> sdt 😀</w:t>\
        </w:r></w:sdtContent></w:sdt><w:r><w:instrText> PAGE </w:instrText></w:r></w:p>";
    let document = open("a.docx", docx(inner, &[])).expect("a document");
    let expected = [(BlockKind::Paragraph, "a & b–\tc\nnew link sdt 😀")];
    assert_eq!(parts(&document), expected);
}

#[test]
fn headings_by_style_in_any_language_and_lists() {
    use BlockKind::{Heading, ListItem, Paragraph};
    let styles = "<w:styles xmlns:w=\"w\">\
        <w:style w:styleId=\"berschrift1\"><w:name w:val=\"heading 1\"/></w:style>\
        <w:style w:styleId=\"Mine\"><w:name w:val=\"Mine\"/><w:basedOn w:val=\"berschrift1\"/>\
        </w:style><w:style w:styleId=\"Out\"><w:name w:val=\"Out\"/><w:pPr>\
        <w:outlineLvl w:val=\"2\"/></w:pPr></w:style>\
        <w:style w:styleId=\"L\"><w:name w:val=\"Loop\"/><w:basedOn w:val=\"L\"/></w:style>\
        </w:styles>";
    let numbering = "<w:numbering xmlns:w=\"w\"><w:abstractNum w:abstractNumId=\"0\">\
        <w:lvl w:ilvl=\"0\"><w:start w:val=\"1\"/><w:numFmt w:val=\"decimal\"/>\
        <w:lvlText w:val=\"%1.\"/></w:lvl><w:lvl w:ilvl=\"1\"><w:start w:val=\"1\"/>\
        <w:numFmt w:val=\"lowerLetter\"/><w:lvlText w:val=\"%1.%2)\"/></w:lvl></w:abstractNum>\
        <w:abstractNum w:abstractNumId=\"1\"><w:lvl w:ilvl=\"0\"><w:numFmt w:val=\"bullet\"/>\
        <w:lvlText w:val=\"x\"/></w:lvl></w:abstractNum>\
        <w:num w:numId=\"1\"><w:abstractNumId w:val=\"0\"/></w:num>\
        <w:num w:numId=\"2\"><w:abstractNumId w:val=\"1\"/></w:num></w:numbering>";
    let styled = |style: &str, text: &str| {
        format!(
            "<w:p><w:pPr><w:pStyle w:val=\"{style}\"/></w:pPr><w:r><w:t>{text}</w:t></w:r></w:p>"
        )
    };
    let item = |list: u8, level: u8, text: &str| {
        format!(
            "<w:p><w:pPr><w:numPr><w:ilvl w:val=\"{level}\"/><w:numId w:val=\"{list}\"/>\
             </w:numPr></w:pPr><w:r><w:t>{text}</w:t></w:r></w:p>"
        )
    };
    let inner = [
        styled("berschrift1", "one"),
        styled("Mine", "two"),
        styled("Out", "three"),
        styled("L", "four"),
        item(1, 0, "a"),
        item(1, 1, "b"),
        item(1, 0, "c"),
        item(2, 0, "d"),
    ]
    .concat();
    let core = "<c xmlns:dc=\"dc\"><dc:title>The title</dc:title></c>";
    let others = [
        ("word/styles.xml", styles),
        ("word/numbering.xml", numbering),
        ("docProps/core.xml", core),
    ];
    let document = open("a.docx", docx(&inner, &others)).expect("a document");
    assert_eq!(document.title.as_deref(), Some("The title"));
    let expected = [
        (Heading(1), "one"),
        (Heading(1), "two"),
        (Heading(3), "three"),
        (Paragraph, "four"),
        (ListItem, "1. a"),
        (ListItem, "  1.a) b"),
        (ListItem, "2. c"),
        (ListItem, "• d"),
    ];
    assert_eq!(parts(&document), expected);
}

#[test]
fn tables_notes_and_text_boxes() {
    use BlockKind::{Paragraph, TableRow};
    let cell = |text: &str| format!("<w:tc><w:tcPr/>{}</w:tc>", p(text));
    let boxed = p("boxed");
    let inner = format!(
        "<w:p><w:r><w:t>see</w:t><w:footnoteReference w:id=\"2\"/></w:r><w:r>\
         <mc:AlternateContent><mc:Choice><wps:txbx><w:txbxContent>{boxed}</w:txbxContent>\
         </wps:txbx></mc:Choice><mc:Fallback><v:textbox><w:txbxContent>{boxed}\
         </w:txbxContent></v:textbox></mc:Fallback></mc:AlternateContent></w:r></w:p>\
         <w:tbl><w:tr>{}{}</w:tr><w:tr><w:tc>{}{}</w:tc><w:tc><w:tbl><w:tr>{}</w:tr></w:tbl>\
         <w:p/></w:tc></w:tr></w:tbl>{}",
        cell("a"),
        cell("b"),
        p("c"),
        p("d"),
        cell("inner"),
        p("end")
    );
    let notes = format!(
        "<w:footnotes xmlns:w=\"w\"><w:footnote w:id=\"0\">{}</w:footnote>\
         <w:footnote w:id=\"2\">{}</w:footnote></w:footnotes>",
        p("separator"),
        p(" the note")
    );
    let document = open("a.docx", docx(&inner, &[("word/footnotes.xml", &notes)]));
    let expected = [
        (Paragraph, "see[1]"),
        (Paragraph, "boxed"),
        (TableRow, "a\tb"),
        (TableRow, "c d\tinner"),
        (Paragraph, "end"),
        (Paragraph, "[1] the note"),
    ];
    assert_eq!(parts(&document.expect("a document")), expected);
}

#[test]
fn cells_keep_to_their_columns() {
    use BlockKind::TableRow;
    let cell = |span: &str, text: &str| format!("<w:tc><w:tcPr>{span}</w:tcPr>{}</w:tc>", p(text));
    let two = "<w:gridSpan w:val=\"2\"/>";
    let row = |cells: &[String]| format!("<w:tr>{}</w:tr>", cells.concat());
    let inner = [
        "<w:tbl>".to_owned(),
        row(&[cell(two, "Name"), cell("", "Age")]),
        row(&[cell("", "Ada"), cell("", "Lovelace"), cell("", "36")]),
        row(&[
            "<w:trPr><w:gridBefore w:val=\"2\"/></w:trPr>".to_owned(),
            cell("", "36"),
        ]),
        row(&[cell("<w:gridSpan w:val=\"3\"/>", "all")]),
        row(&[
            cell("<w:gridSpan w:val=\"4000000000\"/>", "a"),
            cell("", "b"),
        ]),
        "</w:tbl>".to_owned(),
    ]
    .concat();
    let document = open("a.docx", docx(&inner, &[])).expect("a document");
    let wide = format!("a{}b", "\t".repeat(63));
    let expected = ["Name\t\tAge", "Ada\tLovelace\t36", "\t\t36", "all", &wide];
    assert_eq!(parts(&document), expected.map(|text| (TableRow, text)));
}

#[test]
fn hidden_text_is_left_out() {
    let run =
        |properties: &str, text: &str| format!("<w:r><w:rPr>{properties}</w:rPr>{text}</w:r>");
    let inner = [
        "<w:p><w:pPr><w:rPr><w:vanish/></w:rPr></w:pPr>".to_owned(),
        run(
            "<w:vanish/>",
            "<w:t>HIDDEN</w:t><w:footnoteReference w:id=\"1\"/>",
        ),
        run("<w:vanish w:val=\"0\"/>", "<w:t>shown</w:t>"),
        run("<w:webHidden/>", "<w:t> too</w:t>"),
        "</w:p>".to_owned(),
    ]
    .concat();
    let document = open("a.docx", docx(&inner, &[])).expect("a document");
    assert_eq!(parts(&document), [(BlockKind::Paragraph, "shown too")]);
}

#[test]
fn markers_of_lists_are_bounded_and_counted() {
    let numbering = format!(
        "<w:numbering xmlns:w=\"w\"><w:abstractNum w:abstractNumId=\"0\"><w:lvl w:ilvl=\"0\">\
         <w:numFmt w:val=\"decimal\"/><w:lvlText w:val=\"{}\"/></w:lvl></w:abstractNum>\
         <w:num w:numId=\"1\"><w:abstractNumId w:val=\"0\"/></w:num></w:numbering>",
        "x".repeat(100_000)
    );
    let item = "<w:p><w:pPr><w:numPr><w:ilvl w:val=\"0\"/><w:numId w:val=\"1\"/></w:numPr>\
        </w:pPr><w:r><w:t>a</w:t></w:r></w:p>";
    let bytes = docx(&item.repeat(100), &[("word/numbering.xml", &numbering)]);
    let fixture = Fixture::new();
    let path = fixture.file("a.docx", bytes);
    let document = Document::open(&path).expect("a document");
    let marked = format!("{} a", "x".repeat(255));
    assert!(parts(&document).iter().all(|(_, text)| *text == marked));
    let mut options = OpenOptions::default();
    options.limits.max_text_bytes = 10_000;
    let error = message(Document::open_with(&path, &options));
    assert!(error.contains("bytes of text"), "{error}");
    // No limit is none.
    options.limits.max_text_bytes = u64::MAX;
    options.limits.max_unzipped_bytes = u64::MAX;
    assert!(Document::open_with(&path, &options).is_ok());
}

#[test]
fn other_office_files_are_named() {
    let rels = "<r><Relationship Type=\"x/officeDocument\" Target=\"xl/workbook.xml\"/></r>";
    let sheet = "<?xml version=\"1.0\"?><x:workbook xmlns:x=\"x\"><sheets/></x:workbook>";
    let bytes = zipped(&[("_rels/.rels", rels), ("xl/workbook.xml", sheet)]);
    let error = open("a.xlsx", bytes);
    assert!(matches!(error, Err(DocumentError::UnknownType { .. })));
    assert!(message(error).contains("XLSX"));
}

#[test]
fn xml_that_was_cut_is_damaged() {
    let whole = body(&p("kept"));
    let cut = format!(
        "{}<w:p><w:r><w:t>lost",
        &whole[..whole.find("<w:sectPr").expect("it")]
    );
    let error = open("a.docx", zipped(&[("word/document.xml", &cut)]));
    assert!(matches!(error, Err(DocumentError::Damaged { .. })));
    let error = message(error);
    assert!(error.contains("</w:document>"), "{error}");
}

#[test]
fn bad_archives_are_named() {
    let no_zip = message(open("a.docx", b"PK\x03\x04 and then no zip"));
    assert!(no_zip.contains("zip archive"), "{no_zip}");
    let other = message(open("a.docx", zipped(&[("xl/workbook.xml", "<x/>")])));
    assert!(other.contains("word/document.xml"), "{other}");
    let empty = open("a.docx", docx("<w:p/>", &[]));
    assert!(matches!(empty, Err(DocumentError::Empty { .. })));
    message(empty);
    let broken = zipped(&[("word/document.xml", "<a><b></a>")]);
    assert!(message(open("a.docx", broken)).contains("XML"));
    let mut cut = docx(&p("text"), &[]);
    cut.truncate(cut.len() - 30);
    message(open("a.docx", cut));
}

#[test]
fn a_zip_bomb_is_refused() {
    let fixture = Fixture::new();
    let bytes = docx(&p(&"x".repeat(3_000_000)), &[]);
    assert!(bytes.len() < 20_000);
    let path = fixture.file("a.docx", bytes);
    let mut limits = Limits::default();
    limits.max_unzipped_bytes = 1_000_000;
    let options = OpenOptions {
        limits,
        ..OpenOptions::default()
    };
    let error = message(Document::open_with(&path, &options));
    assert!(
        error.contains("zip bomb") && error.contains("1000000"),
        "{error}"
    );
    let mut limits = Limits::default();
    limits.max_text_bytes = 1_000_000;
    let options = OpenOptions {
        limits,
        ..OpenOptions::default()
    };
    let error = message(Document::open_with(&path, &options));
    assert!(error.contains("bytes of text"), "{error}");
}

#[test]
fn ole_files_say_what_to_do() {
    let mut bytes = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1".to_vec();
    bytes.resize(20_000, 0);
    assert!(message(open("a.doc", &bytes)).contains("save it as DOCX"));
    bytes.extend("EncryptedPackage".encode_utf16().flat_map(u16::to_le_bytes));
    assert!(message(open("a.docx", &bytes)).contains("encrypted"));
}
