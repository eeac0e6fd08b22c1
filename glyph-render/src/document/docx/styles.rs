//! Paragraph styles: which are headings, and which are lists.

use super::xml::{self, attribute};
use quick_xml::Reader;
use quick_xml::events::Event;
use std::collections::HashMap;

/// The paragraph styles by id.
#[derive(Debug, Default)]
pub(super) struct Styles {
    styles: HashMap<String, Style>,
}

#[derive(Debug, Default)]
struct Style {
    /// The built-in English name, whatever language the id is in.
    name: String,
    based_on: Option<String>,
    outline: Option<u8>,
    list: Option<(String, u8)>,
}

impl Styles {
    pub(super) fn parse(text: &str) -> Result<Self, xml::Error> {
        let mut styles = HashMap::new();
        let mut open: Option<(String, Style)> = None;
        let mut reader = Reader::from_str(text);
        loop {
            let event = reader.read_event()?;
            let (element, empty) = match &event {
                Event::Eof => break,
                Event::End(end) => {
                    if end.local_name().as_ref() == "style" {
                        styles.extend(open.take());
                    }
                    continue;
                }
                Event::Start(element) => (element, false),
                Event::Empty(element) => (element, true),
                _ => continue,
            };
            let value = || attribute(element, "val");
            match (element.local_name().as_ref(), &mut open) {
                ("style", _) if !empty => {
                    open = attribute(element, "styleId").map(|id| (id, Style::default()));
                }
                ("name", Some((_, style))) => {
                    style.name = value().unwrap_or_default().to_lowercase();
                }
                ("basedOn", Some((_, style))) => style.based_on = value(),
                ("outlineLvl", Some((_, style))) => {
                    style.outline = value().and_then(|level| level.parse().ok());
                }
                ("numId", Some((_, style))) => {
                    let level = style.list.take().map_or(0, |(_, level)| level);
                    style.list = value().map(|id| (id, level));
                }
                ("ilvl", Some((_, style))) => {
                    let level = value().and_then(|level| level.parse().ok()).unwrap_or(0);
                    style.list.get_or_insert_default().1 = level;
                }
                _ => {}
            }
        }
        Ok(Self { styles })
    }

    /// The heading level of a style, 1 being the highest.
    pub(super) fn heading(&self, id: &str) -> Option<u8> {
        let found = self.chain(id).find_map(|style| {
            let by_name = match style.name.as_str() {
                "title" => Some(1),
                name => numbered(name),
            };
            // Outline level 9 is body text.
            let by_outline = style.outline.map(|o| if o < 9 { o + 1 } else { 0 });
            by_name.or(by_outline)
        });
        match found {
            Some(level) => Some(level).filter(|&level| level > 0),
            None if self.styles.is_empty() => numbered(&id.to_lowercase()),
            None => None,
        }
    }

    /// The list and level that a style puts its paragraphs in.
    pub(super) fn list(&self, id: &str) -> Option<(String, u8)> {
        let mut lists = self.chain(id).filter_map(|style| style.list.clone());
        lists.next().filter(|(id, _)| !id.is_empty() && id != "0")
    }

    /// A style and what it is based on.
    fn chain(&self, id: &str) -> impl Iterator<Item = &Style> {
        let parent = |style: &&Style| self.styles.get(style.based_on.as_deref()?);
        // A bound, since styles may be based on each other in a circle.
        std::iter::successors(self.styles.get(id), parent).take(32)
    }
}

/// The level in `heading 2` or `Heading2`.
fn numbered(name: &str) -> Option<u8> {
    let level = name.strip_prefix("heading")?.trim().parse().ok()?;
    (1..=9).contains(&level).then_some(level)
}
