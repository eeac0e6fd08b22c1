//! DOCX: a zip archive of XML parts, read with `zip` and `quick-xml`.

mod body;
mod numbering;
mod styles;
mod xml;

use super::error::flat;
use super::sniff::Source;
use super::{Block, BlockKind, Document, DocumentError, Limits, OpenOptions};
use body::Body;
use numbering::Numbering;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use styles::Styles;
use zip::result::ZipError;

/// Reads a DOCX file: its body, then the foot- and endnotes in the order of their marks.
pub(crate) fn open(source: Source, options: &OpenOptions) -> Result<Document, DocumentError> {
    let path = source.path.clone();
    let mut package = Package::open(source, &options.limits)?;
    let main = package.main_part()?;
    let folder = main.rsplit_once('/').map_or("", |(folder, _)| folder);
    let beside = |name: &str| match folder {
        "" => name.to_owned(),
        folder => format!("{folder}/{name}"),
    };
    let text = package.part(&main)?.ok_or_else(|| DocumentError::Damaged {
        path: path.clone(),
        format: "DOCX",
        detail: format!("expected the part `{main}` in the zip archive, found none"),
        hint: "check that it is a Word document, and export it again",
        source: None,
    })?;
    let other = match xml::root(&text).as_deref() {
        Some("workbook") => Some("an Excel workbook (XLSX)"),
        Some("presentation") => Some("a PowerPoint presentation (PPTX)"),
        _ => None,
    };
    if let Some(found) = other {
        return Err(DocumentError::UnknownType {
            path,
            found,
            hint: "save it as PDF",
        });
    }
    let styles = package.part(&beside("styles.xml"))?;
    let styles = styles.map(|xml| package.parsed("styles.xml", Styles::parse(&xml)));
    let styles = styles.transpose()?.unwrap_or_default();
    let numbering = package.part(&beside("numbering.xml"))?;
    let numbering = numbering.map(|xml| package.parsed("numbering.xml", Numbering::parse(&xml)));
    let numbering = numbering.transpose()?.unwrap_or_default();

    let mut body = Body::new(&styles, numbering, options.limits.max_text_bytes);
    package.parsed(&main, body.read(&text))?;
    for (part, element) in [("footnotes.xml", "footnote"), ("endnotes.xml", "endnote")] {
        if body.notes.iter().any(|note| note.element == element)
            && let Some(xml) = package.part(&beside(part))?
        {
            package.parsed(part, body.read_notes(&xml, element))?;
        }
    }
    let text_bytes = body.text_bytes;
    let blocks = body.finish();
    if text_bytes > options.limits.max_text_bytes {
        return Err(DocumentError::TooLarge {
            path,
            what: "bytes of text:",
            found: text_bytes,
            limit: options.limits.max_text_bytes,
            name: "max_text_bytes",
            hint: "split it",
        });
    }
    if blocks.is_empty() {
        return Err(DocumentError::Empty {
            path,
            found: "the DOCX has no text",
        });
    }
    let title = package.title()?.or_else(|| first_heading(&blocks));
    Ok(Document { title, blocks })
}

fn first_heading(blocks: &[Block]) -> Option<String> {
    blocks.iter().find_map(|block| match block {
        Block::Text {
            kind: BlockKind::Heading(1),
            text,
            ..
        } => Some(text.clone()),
        _ => None,
    })
}

/// The zip archive, with what may still be unpacked of it.
struct Package {
    path: PathBuf,
    zip: zip::ZipArchive<BufReader<File>>,
    left: u64,
    limit: u64,
}

impl Package {
    fn open(source: Source, limits: &Limits) -> Result<Self, DocumentError> {
        let path = source.path.clone();
        let file = source.into_file()?;
        let zip = zip::ZipArchive::new(BufReader::new(file)).map_err(|e| zip_error(&path, e))?;
        Ok(Self {
            path,
            zip,
            left: limits.max_unzipped_bytes,
            limit: limits.max_unzipped_bytes,
        })
    }

    /// The name of the main part, as the package's relationships give it.
    fn main_part(&mut self) -> Result<String, DocumentError> {
        let rels = self.part("_rels/.rels")?;
        let target = rels.map(|xml| self.parsed("_rels/.rels", xml::office_document(&xml)));
        let target = target.transpose()?.flatten();
        Ok(target.unwrap_or_else(|| "word/document.xml".to_owned()))
    }

    /// The text of a part, or `None` where the archive has no such part.
    fn part(&mut self, name: &str) -> Result<Option<String>, DocumentError> {
        let entry = match self.zip.by_name(name) {
            Ok(entry) => entry,
            Err(ZipError::FileNotFound) => return Ok(None),
            Err(error) => return Err(zip_error(&self.path, error)),
        };
        // The sizes that the archive states are not trusted: what comes out is counted.
        let mut bytes = Vec::new();
        let read = entry
            .take(self.left.saturating_add(1))
            .read_to_end(&mut bytes);
        if let Err(error) = read {
            return Err(zip_error(&self.path, error.into()));
        }
        let found = bytes.len() as u64;
        if found > self.left {
            return Err(DocumentError::TooLarge {
                path: self.path.clone(),
                what: "bytes unpacked from the DOCX (a zip bomb?):",
                found: self.limit - self.left + found,
                limit: self.limit,
                name: "max_unzipped_bytes",
                hint: "split it",
            });
        }
        self.left -= found;
        let text = String::from_utf8(bytes).map_err(|error| DocumentError::Damaged {
            path: self.path.clone(),
            format: "DOCX",
            detail: format!("expected UTF-8 in the part `{name}`, found other bytes"),
            hint: "save it again in Word or LibreOffice",
            source: Some(error.into()),
        })?;
        Ok(Some(text))
    }

    /// Gives a parser's error its path and part.
    fn parsed<T>(&self, part: &str, result: Result<T, xml::Error>) -> Result<T, DocumentError> {
        result.map_err(|error| DocumentError::Damaged {
            path: self.path.clone(),
            format: "DOCX",
            detail: format!(
                "the part `{part}` is no valid XML ({})",
                flat(&error.to_string())
            ),
            hint: "save it again in Word or LibreOffice",
            source: Some(error.into()),
        })
    }

    fn title(&mut self) -> Result<Option<String>, DocumentError> {
        let core = self.part("docProps/core.xml")?;
        // A title is not worth failing for.
        Ok(core.and_then(|xml| xml::title(&xml).ok().flatten()))
    }
}

fn zip_error(path: &Path, error: ZipError) -> DocumentError {
    let path = path.to_path_buf();
    match error {
        ZipError::UnsupportedArchive(ZipError::PASSWORD_REQUIRED) | ZipError::InvalidPassword => {
            DocumentError::Encrypted {
                path,
                what: "the zip archive",
                hint: ", or zip it without one",
            }
        }
        error => DocumentError::Damaged {
            path,
            format: "DOCX",
            detail: format!("not a readable zip archive ({})", flat(&error.to_string())),
            hint: "download or export it again",
            source: Some(error.into()),
        },
    }
}
