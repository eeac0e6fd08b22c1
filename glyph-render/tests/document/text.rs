//! TXT and Markdown, and files that are neither.

use crate::{Fixture, message, open, parts};
use glyph_render::{BlockKind, Document, DocumentError, Limits, OpenOptions};

#[test]
fn txt_keeps_its_text() {
    let text = "第一行\n  indented\n\nafter a blank line\n";
    let document = open("a.txt", text).expect("text");
    assert_eq!(document.text(), text);
    assert_eq!(document, Document::from_text(text));
    assert!(!document.is_images());
}

#[test]
fn marks_and_line_ends_are_dropped() {
    let document = open("a.txt", "\u{feff}a\r\nb\rc").expect("text");
    assert_eq!(document.text(), "a\nb\nc");
}

#[test]
fn utf16_with_a_mark_is_decoded() {
    let text = "Grüße, 世界 😀";
    let little = text.encode_utf16().flat_map(u16::to_le_bytes);
    let little: Vec<u8> = [0xff, 0xfe].into_iter().chain(little).collect();
    let big = text.encode_utf16().flat_map(u16::to_be_bytes);
    let big: Vec<u8> = [0xfe, 0xff].into_iter().chain(big).collect();
    assert_eq!(open("a.txt", &little).expect("text").text(), text);
    assert_eq!(open("a.txt", big).expect("text").text(), text);
    let odd = message(open("a.txt", &little[..little.len() - 1]));
    assert!(odd.contains("UTF-16") && odd.contains("offset"), "{odd}");
}

#[test]
fn wrong_bytes_are_named_by_offset() {
    let error = message(open("a.txt", b"abc\xc4\xe3\xba\xc3"));
    assert!(error.contains("byte offset 3"), "{error}");
    assert!(error.contains("iconv -f GB18030 -t UTF-8"), "{error}");
    let error = message(open("a.txt", b"\xef\xbb\xbfabc\xff"));
    assert!(error.contains("byte offset 6"), "{error}");
}

#[test]
fn too_much_text_is_refused() {
    let fixture = Fixture::new();
    let path = fixture.file("a.txt", "x".repeat(20_000));
    let mut limits = Limits::default();
    limits.max_text_bytes = 10_000;
    let options = OpenOptions {
        limits,
        ..OpenOptions::default()
    };
    let error = message(Document::open_with(&path, &options));
    assert!(
        error.contains("20000") && error.contains("10000"),
        "{error}"
    );
    assert!(error.contains("split it"), "{error}");
    let mut limits = Limits::default();
    limits.max_file_bytes = 10_000;
    let options = OpenOptions {
        limits,
        ..OpenOptions::default()
    };
    let error = message(Document::open_with(&path, &options));
    assert!(error.contains("max_file_bytes"), "{error}");
}

#[test]
fn nothing_to_read_is_an_error() {
    for text in ["", " \n\t\n", "\u{feff}\n", "\u{3000}\n"] {
        let result = open("a.txt", text);
        assert!(
            matches!(result, Err(DocumentError::Empty { .. })),
            "{text:?}"
        );
        message(result);
    }
}

#[test]
fn other_content_is_an_error() {
    assert!(message(open("a.bin", b"ab\0cd")).contains("NUL"));
    assert!(message(open("a.xyz", b"\x1f\x8b\x08\x00")).contains("gzip"));
    assert!(message(open("a.txt", b"{\\rtf1 x}")).contains("RTF"));
    assert!(message(open("a.pdf", "no pdf")).contains("%PDF-"));
    assert!(message(open("a.docx", "no zip")).contains("zip"));
    assert!(message(open("a.png", "no png")).contains("PNG"));
    let late = [&[b'x'; 10_000][..], b"\0"].concat();
    assert!(message(open("a.txt", late)).contains("NUL"));
    let wide: Vec<u8> = "hello".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert!(message(open("a.txt", wide)).contains("UTF-16LE"));
}

#[test]
fn missing_files_are_named() {
    let error = message(Document::open("/nonexistent/a.txt"));
    assert!(
        error.starts_with("/nonexistent/a.txt: no such file"),
        "{error}"
    );
}

#[test]
fn markdown_becomes_blocks() {
    use BlockKind::{Heading, ListItem, Paragraph, Preformatted, TableRow};
    let text = "# Title #\n\nOne\ntwo.\n\n中文\n换行\n\nSub\n---\n- a\n  more\n- b\n  1. c\n\n\
                ```rust\nfn main() {\n\n    x\n}\n```\n\n    indented\n\n***\n\n\
                | a | b |\n|---|:-:|\n| 1 | x\\|y |\n\nhard  \nbreak\n";
    let document = open("a.md", text).expect("markdown");
    assert_eq!(document.title.as_deref(), Some("Title"));
    let expected = [
        (Heading(1), "Title"),
        (Paragraph, "One two."),
        (Paragraph, "中文换行"),
        (Heading(2), "Sub"),
        (ListItem, "- a more"),
        (ListItem, "- b"),
        (ListItem, "  1. c"),
        (Preformatted, "fn main() {\n\n    x\n}"),
        (Preformatted, "indented"),
        (TableRow, "a\tb"),
        (TableRow, "1\tx|y"),
        (Paragraph, "hard\nbreak"),
    ];
    assert_eq!(parts(&document), expected);
}

#[test]
fn tables_need_no_outer_pipes() {
    use BlockKind::{Paragraph, TableRow};
    let text = "Before\na | b\n--- | :-:\n1 | x\\|y\n| 2 | z |\n\nc | d\n\n\
                one\ntwo | three\n--- | --- | ---\n";
    let document = open("a.md", text).expect("markdown");
    let expected = [
        (Paragraph, "Before"),
        (TableRow, "a\tb"),
        (TableRow, "1\tx|y"),
        (TableRow, "2\tz"),
        // No ruler, or one of other columns.
        (Paragraph, "c | d"),
        (Paragraph, "one two | three --- | --- | ---"),
    ];
    assert_eq!(parts(&document), expected);
}

#[test]
fn front_matter_is_no_text() {
    use BlockKind::{Heading, Paragraph};
    let text = "---\ntitle: \"On \\\"Time\\\"\"\ntags:\n  - a\n  - b\n---\n# Head\n\ntext\n";
    let document = open("a.md", text).expect("markdown");
    assert_eq!(document.title.as_deref(), Some("On \"Time\""));
    assert_eq!(
        parts(&document),
        [(Heading(1), "Head"), (Paragraph, "text")]
    );
    let title = |front: &str| {
        let text = format!("---\n{front}\n---\n# Head\n");
        open("a.md", text).expect("markdown").title
    };
    assert_eq!(title("title: 'It''s' # so").as_deref(), Some("It's"));
    assert_eq!(
        title("a: 1\nTitle: C# in depth").as_deref(),
        Some("C# in depth")
    );
    assert_eq!(
        title("title: >-\n  two\n  lines\na: 1").as_deref(),
        Some("two lines")
    );
    assert_eq!(title("layout: post").as_deref(), Some("Head"));
    // Text between two rules.
    let document = open("a.md", "---\n\nNote: this\n\n---\nmore").expect("markdown");
    assert_eq!(
        parts(&document),
        [(Paragraph, "Note: this"), (Paragraph, "more")]
    );
    let document = open("a.md", "---\nkey: value, and no end").expect("markdown");
    assert_eq!(parts(&document), [(Paragraph, "key: value, and no end")]);
}

#[test]
fn quotes_are_marked_once() {
    use BlockKind::{Heading, ListItem, Paragraph};
    let text = "before\n> one\n> two\nlazy\n>\n> three  \n> four\n>> deep\n> > er\n\n\
                - item\n> # Head\n> - a\n> - b\n\n> under\n---\nLast\n---\n";
    let document = open("a.md", text).expect("markdown");
    let expected = [
        (Paragraph, "before"),
        (Paragraph, "> one two lazy"),
        (Paragraph, "> three\nfour"),
        (Paragraph, ">> deep er"),
        (ListItem, "- item"),
        (Paragraph, "> # Head"),
        (Paragraph, "> - a"),
        (Paragraph, "> - b"),
        (Paragraph, "> under"),
        (Heading(2), "Last"),
    ];
    assert_eq!(parts(&document), expected);
}

#[test]
fn an_open_fence_runs_to_the_end() {
    let document = open("a.md", "text\n~~~\ncode\n# no heading").expect("markdown");
    let parts = parts(&document);
    assert_eq!(parts[1], (BlockKind::Preformatted, "code\n# no heading"));
}
