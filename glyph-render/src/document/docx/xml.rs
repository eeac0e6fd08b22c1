//! Small pieces of XML reading.

use quick_xml::Reader;
use quick_xml::errors::IllFormedError;
use quick_xml::events::{BytesRef, BytesStart, Event};

pub(super) type Error = quick_xml::Error;

/// The elements that are open: a text that was cut ends within some.
#[derive(Default)]
pub(super) struct Open {
    root: String,
    depth: usize,
}

impl Open {
    /// Counts an event.
    ///
    /// # Errors
    /// At the end of the text where an element is still open.
    pub(super) fn see(&mut self, event: &Event<'_>) -> Result<(), Error> {
        match event {
            Event::Start(element) => {
                if self.depth == 0 {
                    self.root = element.name().as_ref().to_owned();
                }
                self.depth += 1;
            }
            Event::End(_) => self.depth = self.depth.saturating_sub(1),
            Event::Eof if self.depth > 0 => {
                let root = std::mem::take(&mut self.root);
                return Err(IllFormedError::MissingEndTag(root).into());
            }
            _ => {}
        }
        Ok(())
    }
}

/// The name of the outermost element, without its prefix.
pub(super) fn root(xml: &str) -> Option<String> {
    let mut reader = Reader::from_str(xml);
    loop {
        match reader.read_event().ok()? {
            Event::Eof => return None,
            Event::Start(element) | Event::Empty(element) => {
                return Some(element.local_name().as_ref().to_owned());
            }
            _ => {}
        }
    }
}

/// The value of the attribute with this local name.
pub(super) fn attribute(element: &BytesStart<'_>, name: &str) -> Option<String> {
    let mut attributes = element.attributes();
    let mut attributes = attributes.with_checks(false).flatten();
    let found = attributes.find(|a| a.key.local_name().as_ref() == name)?;
    let value = found
        .normalized_value(quick_xml::XmlVersion::Implicit1_0)
        .ok()?;
    Some(value.into_owned())
}

/// The text of `&amp;`, `&#8211;` and the like; nothing for an unknown entity.
pub(super) fn reference(reference: &BytesRef<'_>) -> Option<String> {
    if let Ok(Some(c)) = reference.resolve_char_ref() {
        return Some(c.into());
    }
    let name = reference.xml10_content();
    quick_xml::escape::resolve_xml_entity(&name).map(str::to_owned)
}

/// The target of the package's main part.
pub(super) fn office_document(xml: &str) -> Result<Option<String>, Error> {
    let mut reader = Reader::from_str(xml);
    loop {
        match reader.read_event()? {
            Event::Eof => return Ok(None),
            Event::Start(element) | Event::Empty(element) => {
                let kind = attribute(&element, "Type").unwrap_or_default();
                if kind.ends_with("/officeDocument")
                    && let Some(target) = attribute(&element, "Target")
                {
                    return Ok(Some(target.trim_start_matches('/').to_owned()));
                }
            }
            _ => {}
        }
    }
}

/// The `dc:title` of the core properties, where it is not blank.
pub(super) fn title(xml: &str) -> Result<Option<String>, Error> {
    let mut reader = Reader::from_str(xml);
    let mut inside = false;
    let mut title = String::new();
    loop {
        match reader.read_event()? {
            Event::Eof => break,
            Event::Start(element) => inside = element.local_name().as_ref() == "title",
            Event::End(_) => inside = false,
            Event::Text(text) if inside => title.push_str(&text.xml10_content()),
            Event::GeneralRef(entity) if inside => {
                title.push_str(&reference(&entity).unwrap_or_default());
            }
            _ => {}
        }
    }
    let title = title.trim();
    Ok((!title.is_empty()).then(|| title.to_owned()))
}
