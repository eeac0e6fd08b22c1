//! What can be wrong with a document.

use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};

/// The error underneath a [`DocumentError`].
pub(crate) type Cause = Box<dyn Error + Send + Sync>;

/// Why a document could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DocumentError {
    /// There is nothing at the path.
    #[error("{}: no such file or folder; check the path", path.display())]
    Missing {
        /// The path as given.
        path: PathBuf,
        /// The operating system's error.
        #[source]
        source: io::Error,
    },
    /// The path cannot be read.
    #[error("{}: cannot be read ({source}); check its permissions", path.display())]
    Io {
        /// The path as given.
        path: PathBuf,
        /// The operating system's error.
        #[source]
        source: io::Error,
    },
    /// The content is none of the supported formats.
    #[error(
        "{}: expected TXT, Markdown, PDF, DOCX, PNG or JPEG, found {found}; {hint}",
        path.display()
    )]
    UnknownType {
        /// The file.
        path: PathBuf,
        /// What the content looks like.
        found: &'static str,
        /// What to do.
        hint: &'static str,
    },
    /// A text file is not valid in its encoding.
    #[error(
        "{}: not valid {encoding} at byte offset {offset}; convert it first, e.g. \
         `iconv -f GB18030 -t UTF-8 FILE`",
        path.display()
    )]
    Encoding {
        /// The file.
        path: PathBuf,
        /// The encoding it was read in.
        encoding: &'static str,
        /// The offset of the first wrong byte in the file.
        offset: u64,
    },
    /// A limit of [`Limits`](super::Limits) is exceeded.
    #[error(
        "{}: {what} {found}, over the limit of {limit}; {hint}, or raise `Limits::{name}`",
        path.display()
    )]
    TooLarge {
        /// The file or folder.
        path: PathBuf,
        /// What was counted.
        what: &'static str,
        /// How much was found: where counting stopped early, the least it can be.
        found: u64,
        /// The limit.
        limit: u64,
        /// The name of the field of [`Limits`](super::Limits).
        name: &'static str,
        /// What to do.
        hint: &'static str,
    },
    /// There is nothing to read in the document.
    #[error("{}: the document is empty: {found}; pick one with text", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
        /// What was found instead of text.
        found: &'static str,
    },
    /// A folder holds no page image.
    #[error(
        "{}: expected a folder of page images, found no PNG or JPEG file in it; name a file, \
         or put the pages into it",
        path.display()
    )]
    NoImages {
        /// The folder.
        path: PathBuf,
    },
    /// A page image cannot be decoded.
    #[error(
        "{}: not a readable PNG or JPEG image ({source}); replace it or take it out",
        path.display()
    )]
    Image {
        /// The file.
        path: PathBuf,
        /// The decoder's error.
        #[source]
        source: Cause,
    },
    /// The document is protected by a password.
    #[error("{}: {what} is encrypted; remove the password first{hint}", path.display())]
    Encrypted {
        /// The file.
        path: PathBuf,
        /// What kind of file it is.
        what: &'static str,
        /// How to remove it.
        hint: &'static str,
    },
    /// An OLE file, that is a Word document of before 2007.
    #[error(
        "{}: expected a DOCX file, found the older binary DOC format; save it as DOCX, e.g. \
         `soffice --convert-to docx FILE`",
        path.display()
    )]
    OldWord {
        /// The file.
        path: PathBuf,
    },
    /// The file breaks the rules of its format.
    #[error("{}: damaged {format}: {detail}; {hint}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The format it was read as.
        format: &'static str,
        /// What was expected and found.
        detail: String,
        /// What to do.
        hint: &'static str,
        /// The reader's error, where there is one.
        #[source]
        source: Option<Cause>,
    },
    /// A page of a PDF without text could not be turned into an image.
    #[error(
        "{}: page {page} has no text and cannot be drawn ({detail}); turn the pages into PNG \
         files, e.g. with `pdftoppm -r 150 -png`, and open their folder",
        path.display()
    )]
    NoRaster {
        /// The file.
        path: PathBuf,
        /// The 1-based page.
        page: u32,
        /// Why not.
        detail: String,
    },
    /// The libpdfium that was asked for cannot be loaded.
    #[error(
        "{}: libpdfium cannot be loaded from here ({source}); name the library file or its \
         folder, or none to read PDF in pure Rust",
        path.display()
    )]
    Pdfium {
        /// Where it was looked for.
        path: PathBuf,
        /// The loader's error.
        #[source]
        source: Cause,
    },
    /// Support for the format is not part of this build, or not of this machine.
    #[error("{}: {what}; {hint}", path.display())]
    Unavailable {
        /// The file.
        path: PathBuf,
        /// What is missing.
        what: &'static str,
        /// What to do.
        hint: &'static str,
    },
}

impl DocumentError {
    pub(crate) fn io(path: &Path, source: io::Error) -> Self {
        let path = path.to_path_buf();
        match source.kind() {
            io::ErrorKind::NotFound => Self::Missing { path, source },
            _ => Self::Io { path, source },
        }
    }

    pub(crate) fn image(path: &Path, source: impl Into<Cause>) -> Self {
        Self::Image {
            path: path.to_path_buf(),
            source: one_line(source.into()),
        }
    }
}

/// `error` itself, or its message in one line where it has several.
pub(crate) fn one_line(error: Cause) -> Cause {
    let message = error.to_string();
    if message.contains(['\n', '\r']) {
        flat(&message).into()
    } else {
        error
    }
}

/// A message of another library in one line of bounded length.
pub(crate) fn flat(message: &str) -> String {
    let line = message.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() > 160 {
        line.chars().take(157).chain("...".chars()).collect()
    } else {
        line
    }
}
