//! How an opened document is kept: a line of JSON with its blocks, then its page images as PNG.
//!
//! Uploads are opened once, in a process of their own; all else reads this form.

use glyph_pipeline::render::{Block, BlockKind, Document, Page, PageImage};
use serde::{Deserialize, Serialize};

/// First bytes of the form; the number is its version.
const MAGIC: &[u8] = b"glyph-document-1\n";

#[derive(Serialize, Deserialize)]
struct Head {
    title: Option<String>,
    blocks: Vec<StoredBlock>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum StoredBlock {
    Text {
        kind: StoredKind,
        text: String,
        page: Option<u32>,
    },
    Image {
        name: String,
        bytes: usize,
        metadata: Vec<(String, String)>,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum StoredKind {
    Heading(u8),
    Paragraph,
    ListItem,
    TableRow,
    Preformatted,
}

/// The document as bytes.
///
/// # Errors
/// If a page image has no pixels, or a block is of a kind that is not known here.
pub fn encode(document: &Document) -> Result<Vec<u8>, String> {
    let mut blocks = Vec::with_capacity(document.blocks.len());
    let mut images = Vec::new();
    for block in &document.blocks {
        blocks.push(match block {
            Block::Text {
                kind,
                text,
                source_page,
            } => StoredBlock::Text {
                kind: match kind {
                    BlockKind::Heading(level) => StoredKind::Heading(*level),
                    BlockKind::Paragraph => StoredKind::Paragraph,
                    BlockKind::ListItem => StoredKind::ListItem,
                    BlockKind::TableRow => StoredKind::TableRow,
                    // A kind that is new keeps its line breaks.
                    _ => StoredKind::Preformatted,
                },
                text: text.clone(),
                page: *source_page,
            },
            Block::Page(image) => {
                let page = Page {
                    number: 1,
                    width: image.width,
                    height: image.height,
                    pixels: image.pixels.clone(),
                    color: None,
                    lines: Vec::new(),
                    layout: None,
                };
                let png = page.to_png().map_err(|error| error.to_string())?;
                let bytes = png.len();
                images.push(png);
                StoredBlock::Image {
                    name: image.name.clone(),
                    bytes,
                    metadata: image.metadata.clone(),
                }
            }
            _ => return Err("a block of an unknown kind".to_owned()),
        });
    }
    let head = Head {
        title: document.title.clone(),
        blocks,
    };
    let mut out = MAGIC.to_vec();
    serde_json::to_writer(&mut out, &head).map_err(|error| error.to_string())?;
    out.push(b'\n');
    for image in images {
        out.extend_from_slice(&image);
    }
    Ok(out)
}

/// The document that [`encode`] made bytes of.
///
/// # Errors
/// If the bytes are something else.
pub fn decode(bytes: &[u8]) -> Result<Document, String> {
    let rest = bytes
        .strip_prefix(MAGIC)
        .ok_or("expected a document of version 1")?;
    let end = rest
        .iter()
        .position(|byte| *byte == b'\n')
        .ok_or("it is cut off")?;
    let head: Head = serde_json::from_slice(&rest[..end]).map_err(|error| error.to_string())?;
    let mut images = &rest[end + 1..];
    let mut document = Document {
        title: head.title,
        blocks: Vec::with_capacity(head.blocks.len()),
    };
    for block in head.blocks {
        document.blocks.push(match block {
            StoredBlock::Text { kind, text, page } => {
                let kind = match kind {
                    StoredKind::Heading(level) => BlockKind::Heading(level),
                    StoredKind::Paragraph => BlockKind::Paragraph,
                    StoredKind::ListItem => BlockKind::ListItem,
                    StoredKind::TableRow => BlockKind::TableRow,
                    StoredKind::Preformatted => BlockKind::Preformatted,
                };
                Block::text(kind, text, page)
            }
            StoredBlock::Image {
                name,
                bytes,
                metadata,
            } => {
                let (png, rest) = images.split_at_checked(bytes).ok_or("it is cut off")?;
                images = rest;
                let page = Page::from_image_bytes(&name, png).map_err(|error| error.to_string())?;
                Block::Page(PageImage {
                    name,
                    width: page.width,
                    height: page.height,
                    pixels: page.pixels,
                    color: None,
                    metadata,
                })
            }
        });
    }
    Ok(document)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_come_back() {
        let document = Document {
            title: Some("T\n".to_owned()),
            blocks: vec![
                Block::text(BlockKind::Heading(2), "a\r\n\u{0}b", Some(3)),
                Block::Page(PageImage {
                    name: "p.png".to_owned(),
                    width: 3,
                    height: 2,
                    pixels: vec![0, 1, 2, 253, 254, 255],
                    color: None,
                    metadata: vec![("glyph:page".to_owned(), "4".to_owned())],
                }),
                Block::text(BlockKind::TableRow, "x\ty", None),
            ],
        };
        let bytes = encode(&document).unwrap();
        assert_eq!(decode(&bytes).unwrap(), document);
        for cut in [0, 5, 20, bytes.len() - 1] {
            assert!(decode(&bytes[..cut]).is_err());
        }
    }
}
