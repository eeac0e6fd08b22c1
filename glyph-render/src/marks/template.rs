//! Templates of banners and watermarks.

use crate::config::invalid;
use crate::document::{Block, Document};
use crate::error::RenderError;

const FIELDS: [&str; 4] = ["page", "pages", "title", "id"];

/// What the fields of a template stand for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fields<'f> {
    pub(super) title: &'f str,
    pub(super) id: &'f str,
    pub(super) page: u32,
    pub(super) pages: u32,
}

#[derive(Debug, PartialEq)]
enum Piece<'t> {
    Text(&'t str),
    Field(&'t str),
}

/// The pieces of a template; what is not one is an error with its text.
fn pieces(template: &str) -> impl Iterator<Item = Result<Piece<'_>, &str>> {
    let mut rest = template;
    std::iter::from_fn(move || {
        let at = rest.find(['{', '}']).unwrap_or(rest.len());
        if at > 0 {
            let (text, after) = rest.split_at(at);
            rest = after;
            return Some(Ok(Piece::Text(text)));
        }
        if rest.is_empty() {
            return None;
        }
        let doubled = rest.starts_with("{{") || rest.starts_with("}}");
        if doubled {
            let (brace, after) = (&rest[..1], &rest[2..]);
            rest = after;
            return Some(Ok(Piece::Text(brace)));
        }
        let end = rest.find('}').map_or(rest.len(), |end| end + 1);
        let (field, after) = rest.split_at(end);
        rest = after;
        let name = field
            .strip_prefix('{')
            .and_then(|name| name.strip_suffix('}'));
        Some(match name {
            Some(name) if FIELDS.contains(&name) => Ok(Piece::Field(name)),
            _ => Err(field),
        })
    })
}

/// Whether every field of a template exists.
///
/// # Errors
/// When a brace opens no field.
pub(crate) fn check_template(key: &str, template: &str) -> Result<(), RenderError> {
    for piece in pieces(template) {
        if let Err(found) = piece {
            let expected = "the fields {page}, {pages}, {title} and {id}; {{ and }} for braces";
            return Err(invalid(key, format!("\"{found}\""), expected));
        }
    }
    Ok(())
}

pub(super) fn has_field(template: &str, field: &str) -> bool {
    pieces(template).any(|piece| piece == Ok(Piece::Field(field)))
}

/// The template with its fields filled in, in one line.
pub(super) fn expand(template: &str, fields: &Fields<'_>) -> String {
    let mut out = String::new();
    for piece in pieces(template) {
        match piece {
            Ok(Piece::Field("page")) => out.push_str(&fields.page.to_string()),
            Ok(Piece::Field("pages")) => out.push_str(&fields.pages.to_string()),
            Ok(Piece::Field("title")) => out.push_str(fields.title),
            Ok(Piece::Field(_)) => out.push_str(fields.id),
            Ok(Piece::Text(text)) | Err(text) => out.push_str(text),
        }
    }
    out.replace(|c: char| c.is_control(), " ")
}

/// Eight hexadecimal digits that depend on the document's content: FNV-1a over its
/// texts and images, folded to 32 bits.
pub(super) fn document_id(document: &Document) -> String {
    let mut hash = 0xcbf2_9ce4_8422_2325u64;
    let mut add = |bytes: &[u8]| {
        for byte in bytes.iter().chain(&[0xFF]) {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
        }
    };
    for block in &document.blocks {
        match block {
            Block::Text { text, .. } => add(text.as_bytes()),
            Block::Page(image) => add(&image.pixels),
        }
    }
    format!("{:08x}", (hash >> 32) as u32 ^ hash as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_filled_in() {
        let fields = Fields {
            title: "On\nTime",
            id: "c0ffee00",
            page: 3,
            pages: 12,
        };
        let expanded = expand("{{{title}}} {page}/{pages} · {id}", &fields);
        assert_eq!(expanded, "{On Time} 3/12 · c0ffee00");
        assert!(has_field("a {pages}", "pages") && !has_field("{{pages}}", "pages"));
        for wrong in ["{pag}", "{page", "}", "{}", "a { b }"] {
            let error = check_template("header", wrong)
                .expect_err(wrong)
                .to_string();
            assert!(
                error.contains("header") && error.contains("{title}"),
                "{error}"
            );
        }
    }

    #[test]
    fn ids_depend_on_the_content() {
        let id = |text: &str| document_id(&Document::from_text(text));
        assert_eq!(id("a").len(), 8);
        assert_eq!(id("a"), id("a"));
        assert_ne!(id("a"), id("b"));
    }
}
