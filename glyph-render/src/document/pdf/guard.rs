//! Keeps pages from costing more than the limits allow, before anything else reads them.
//!
//! Forms may draw forms, images may be of any size and streams may unpack to a thousand times
//! their length. Neither pdf-extract nor hayro counts any of it.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::rc::Rc;

use pdf_extract::{Dictionary, Document, Object, ObjectId, Stream};

use super::content::Scan;
use super::unpack::{Excess, surely_within, unpack, unpacked_size};
use crate::document::{DocumentError, Limits};

/// The most objects that a page draws, those drawn by what it draws included.
const MOST_DRAWS: u64 = 100_000;
/// The most bytes of content that a page runs, in units of what one stream may unpack to.
const MOST_CONTENT: u64 = 8;
/// The most operators and operands that are read for text: some 130 bytes each in memory.
const MOST_TOKENS: u64 = 4_000_000;
/// The most graphics states saved at a time: each is a copy of all there is.
const MOST_SAVED: u64 = 4096;
/// Forms in forms are drawn to this depth.
const DEPTH: u8 = 50;

/// Keys that lead to what is not drawn.
const PRIVATE: [&[u8]; 8] = [
    b"Parent",
    b"P",
    b"PieceInfo",
    b"Metadata",
    b"OPI",
    b"Ref",
    b"AF",
    b"StructParent",
];

/// What a page or form costs with all that it draws.
#[derive(Debug, Clone, Copy, Default)]
struct Cost {
    draws: u64,
    bytes: u64,
    /// Those in memory at a time.
    tokens: u64,
    saved: u64,
}

/// The checks of one document, and what was checked.
pub(super) struct Guard {
    path: PathBuf,
    limits: Limits,
    /// Objects that text is read with, and those that pages are drawn with.
    read: HashSet<ObjectId>,
    drawn: HashSet<ObjectId>,
    /// Forms as they stand in the file, where the document has nothing of them any more.
    pub(super) emptied: Rc<HashMap<ObjectId, Stream>>,
    scans: HashMap<ObjectId, Rc<Scan>>,
    /// By form, by the object whose resources it draws with, and by the depth left.
    costs: HashMap<(ObjectId, ObjectId, u8), Cost>,
}

impl Guard {
    pub(super) fn new(path: PathBuf, limits: &Limits) -> Self {
        Self {
            path,
            limits: limits.clone(),
            read: HashSet::new(),
            drawn: HashSet::new(),
            emptied: Rc::default(),
            scans: HashMap::new(),
            costs: HashMap::new(),
        }
    }

    /// What object streams may unpack to is counted for the whole file.
    pub(super) fn too_many_objects(&self) -> DocumentError {
        let limit = self.limits.max_unzipped_bytes;
        DocumentError::TooLarge {
            path: self.path.clone(),
            what: "bytes unpacked from the object streams of the PDF (a zip bomb?):",
            found: limit.saturating_add(1),
            limit,
            name: "max_unzipped_bytes",
            hint: "split it",
        }
    }

    fn too_large(&self, limit: u64) -> DocumentError {
        DocumentError::TooLarge {
            path: self.path.clone(),
            what: "bytes unpacked from a stream of the PDF (a zip bomb?):",
            found: limit.saturating_add(1),
            limit,
            name: "max_stream_bytes",
            hint: "leave out the page that has it",
        }
    }

    /// Whether a page may be read at all. `Ok(Some(…))` says why it is too much for
    /// pdf-extract, which takes far more memory for it than hayro.
    ///
    /// # Errors
    /// When what the page draws unpacks to more than the limits allow, or never ends.
    pub(super) fn page(
        &mut self,
        document: &Document,
        page: ObjectId,
        resources: Option<&Dictionary>,
        number: u32,
    ) -> Result<Option<String>, DocumentError> {
        let limit = self.limits.max_stream_bytes;
        let mut content = Vec::new();
        for id in document.get_page_contents(page) {
            if let Ok(Object::Stream(stream)) = document.get_object(id) {
                let left = limit - content.len() as u64;
                let filters = filters(document, &stream.dict);
                let part = unpack(&stream.content, &filters, left);
                content.extend_from_slice(&part.map_err(|Excess| self.too_large(limit))?);
                content.push(b'\n');
                if content.len() as u64 > limit {
                    return Err(self.too_large(limit));
                }
            }
        }
        let roots = resources.into_iter().collect();
        self.reachable(document, roots, false)?;
        let scan = Scan::of(&content);
        drop(content);
        let cost = self.cost(document, &scan, page, resources, DEPTH);
        let most = limit.saturating_mul(MOST_CONTENT);
        if cost.draws > MOST_DRAWS || cost.bytes > most {
            return Err(DocumentError::Damaged {
                path: self.path.clone(),
                format: "PDF",
                detail: format!(
                    "expected page {number} to draw at most {MOST_DRAWS} objects with at most \
                     {most} bytes of operators, found {} with {}, forms that draw forms counted \
                     each time",
                    cost.draws, cost.bytes
                ),
                hint: "leave the page out, or turn it into a PNG file",
                source: None,
            });
        }
        let reason = if cost.tokens > MOST_TOKENS {
            Some(format!("{} operators and operands", cost.tokens))
        } else if cost.saved > MOST_SAVED {
            Some(format!("{} graphics states saved at a time", cost.saved))
        } else {
            None
        };
        Ok(reason)
    }

    /// Whether a page may be drawn: looks at its images, and at what its annotations show.
    ///
    /// # Errors
    /// When an image is too large, or a stream unpacks to more than the limits allow.
    pub(super) fn drawing(
        &mut self,
        document: &Document,
        page: ObjectId,
        resources: Option<&Dictionary>,
    ) -> Result<(), DocumentError> {
        let mut roots: Vec<&Dictionary> = resources.into_iter().collect();
        let annotations = document.get_dictionary(page).ok().and_then(|page| {
            resolved(document, page.get(b"Annots").ok()?)
                .as_array()
                .ok()
        });
        for annotation in annotations.into_iter().flatten() {
            let annotation = resolved(document, annotation).as_dict().ok();
            let shown = annotation.and_then(|annotation| annotation.get(b"AP").ok());
            roots.extend(shown.and_then(|shown| resolved(document, shown).as_dict().ok()));
        }
        self.reachable(document, roots, true)
    }

    /// Checks every stream that is reached from some dictionaries, images only for `drawing`.
    fn reachable(
        &mut self,
        document: &Document,
        roots: Vec<&Dictionary>,
        drawing: bool,
    ) -> Result<(), DocumentError> {
        let mut todo: Vec<&Object> = Vec::new();
        for root in roots {
            push_members(&mut todo, root);
        }
        while let Some(object) = todo.pop() {
            match object {
                Object::Reference(id) => {
                    let seen = if drawing {
                        &mut self.drawn
                    } else {
                        &mut self.read
                    };
                    if seen.insert(*id)
                        && let Ok(object) = document.get_object(*id)
                    {
                        todo.push(object);
                    }
                }
                Object::Array(objects) => todo.extend(objects),
                Object::Dictionary(dictionary) => push_members(&mut todo, dictionary),
                Object::Stream(stream) => {
                    let dictionary = &stream.dict;
                    let is_image = is_image(dictionary);
                    if drawing || !is_image {
                        let filters = filters(document, dictionary);
                        let mut limit = self.limits.max_stream_bytes;
                        if is_image {
                            let pixels = self.image(document, dictionary, &stream.content)?;
                            // Sixteen bits for each of four colours, and a byte for each row.
                            limit = limit.max(pixels.saturating_mul(9));
                        }
                        if !surely_within(stream.content.len(), &filters, limit) {
                            unpacked_size(&stream.content, &filters, limit)
                                .map_err(|Excess| self.too_large(limit))?;
                        }
                        push_members(&mut todo, dictionary);
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The pixels of an image, by its dictionary and by its own header.
    fn image(
        &self,
        document: &Document,
        dictionary: &Dictionary,
        data: &[u8],
    ) -> Result<u64, DocumentError> {
        let side = |key: &[u8]| {
            let side = dictionary.get(key).ok();
            let side = side.and_then(|side| resolved(document, side).as_i64().ok());
            side.and_then(|side| u64::try_from(side).ok()).unwrap_or(0)
        };
        let stated = side(b"Width").saturating_mul(side(b"Height"));
        let coded = match filters(document, dictionary).as_slice() {
            [b"DCTDecode" | b"DCT"] => jpeg_pixels(data),
            [b"JPXDecode"] => jpx_pixels(data),
            _ => None,
        };
        let found = stated.max(coded.unwrap_or(0));
        let limit = self.limits.max_image_pixels;
        if found > limit {
            return Err(DocumentError::TooLarge {
                path: self.path.clone(),
                what: "pixels in an image of the PDF:",
                found,
                limit,
                name: "max_image_pixels",
                hint: "scale it down",
            });
        }
        Ok(found)
    }

    /// What content costs that draws with `resources`, which belong to `owner`.
    fn cost(
        &mut self,
        document: &Document,
        scan: &Scan,
        owner: ObjectId,
        resources: Option<&Dictionary>,
        depth: u8,
    ) -> Cost {
        let mut cost = Cost {
            draws: 0,
            bytes: scan.bytes,
            tokens: scan.tokens,
            saved: scan.saved,
        };
        let objects = resources.and_then(|resources| resources.get(b"XObject").ok());
        let objects = objects.and_then(|objects| resolved(document, objects).as_dict().ok());
        let mut deeper = 0;
        for (name, times) in &scan.draws {
            cost.draws = cost.draws.saturating_add(*times);
            let object = objects.and_then(|objects| objects.get(name).ok());
            let Some(id) = object.and_then(|object| object.as_reference().ok()) else {
                continue;
            };
            let inner = self.form(document, id, owner, resources, depth);
            let add = |sum: u64, each: u64| sum.saturating_add(each.saturating_mul(*times));
            cost.draws = add(cost.draws, inner.draws);
            cost.bytes = add(cost.bytes, inner.bytes);
            cost.saved = cost.saved.max(inner.saved);
            deeper = deeper.max(inner.tokens);
        }
        cost.tokens = cost.tokens.saturating_add(deeper);
        cost
    }

    fn form(
        &mut self,
        document: &Document,
        id: ObjectId,
        owner: ObjectId,
        resources: Option<&Dictionary>,
        depth: u8,
    ) -> Cost {
        let emptied = Rc::clone(&self.emptied);
        let form = match (emptied.get(&id), document.get_object(id)) {
            (Some(form), _) | (None, Ok(Object::Stream(form))) => form,
            _ => return Cost::default(),
        };
        if depth == 0 || is_image(&form.dict) {
            return Cost::default();
        }
        let own = form.dict.get(b"Resources").ok();
        let own = own.and_then(|own| resolved(document, own).as_dict().ok());
        let (owner, resources) = match own {
            Some(own) => (id, Some(own)),
            None => (owner, resources),
        };
        if let Some(cost) = self.costs.get(&(id, owner, depth)) {
            return *cost;
        }
        let scan = match self.scans.get(&id) {
            Some(scan) => Rc::clone(scan),
            None => {
                let filters = filters(document, &form.dict);
                let content = unpack(&form.content, &filters, self.limits.max_stream_bytes);
                // A stream over the limit is reached from the page, and refused there.
                let scan = Rc::new(Scan::of(&content.unwrap_or_default()));
                self.scans.insert(id, Rc::clone(&scan));
                scan
            }
        };
        let cost = self.cost(document, &scan, owner, resources, depth - 1);
        self.costs.insert((id, owner, depth), cost);
        cost
    }
}

fn push_members<'d>(todo: &mut Vec<&'d Object>, dictionary: &'d Dictionary) {
    let members = dictionary.iter();
    let members = members.filter(|(key, _)| !PRIVATE.contains(&key.as_slice()));
    todo.extend(members.map(|(_, object)| object));
}

fn is_image(dictionary: &Dictionary) -> bool {
    dictionary.get(b"Subtype").and_then(Object::as_name).ok() == Some(b"Image")
}

/// The object that a reference stands for.
fn resolved<'d>(document: &'d Document, object: &'d Object) -> &'d Object {
    document
        .dereference(object)
        .map_or(object, |(_, object)| object)
}

/// The names of a stream's filters, in the order in which they are undone.
pub(super) fn filters<'d>(document: &'d Document, dictionary: &'d Dictionary) -> Vec<&'d [u8]> {
    let Ok(filter) = dictionary.get(b"Filter") else {
        return Vec::new();
    };
    match resolved(document, filter) {
        Object::Array(filters) => filters
            .iter()
            .map_while(|filter| resolved(document, filter).as_name().ok())
            .collect(),
        filter => filter.as_name().into_iter().collect(),
    }
}

/// Width times height as a JPEG's frame header has them.
fn jpeg_pixels(data: &[u8]) -> Option<u64> {
    let mut rest = data.strip_prefix(b"\xFF\xD8")?;
    loop {
        let [0xFF, marker, high, low, after @ ..] = rest else {
            return None;
        };
        match marker {
            0xFF => rest = &rest[1..],
            0xC0..=0xC3 | 0xC5..=0xC7 | 0xC9..=0xCB | 0xCD..=0xCF => {
                let [_, h1, h0, w1, w0, ..] = after else {
                    return None;
                };
                let side = |high, low| u64::from(u16::from_be_bytes([high, low]));
                return Some(side(*h1, *h0) * side(*w1, *w0));
            }
            _ => {
                let length = usize::from(u16::from_be_bytes([*high, *low]));
                rest = rest.get(2 + length..)?;
            }
        }
    }
}

/// Width times height as a JPEG 2000 codestream has them.
fn jpx_pixels(data: &[u8]) -> Option<u64> {
    // The codestream begins with the markers SOC and SIZ, within boxes or without.
    let at = data.windows(4).position(|w| w == b"\xFF\x4F\xFF\x51")?;
    let size = data.get(at + 8..at + 24)?;
    let number = |at: usize| {
        let bytes = size[at..at + 4].try_into().unwrap_or_default();
        u64::from(u32::from_be_bytes(bytes))
    };
    let width = number(0).saturating_sub(number(8));
    let height = number(4).saturating_sub(number(12));
    Some(width.saturating_mul(height))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_headers_of_images_say_their_size() {
        let jpeg =
            b"\xFF\xD8\xFF\xE0\x00\x04ab\xFF\xC2\x00\x0B\x08\x01\x00\x02\x00\x01\x01\x11\x00";
        assert_eq!(jpeg_pixels(jpeg), Some(256 * 512));
        assert_eq!(jpeg_pixels(&jpeg[..14]), None);
        let mut jpx = b"box\xFF\x4F\xFF\x51\x00\x29\x00\x00".to_vec();
        for number in [70_010u32, 90_000, 10, 0] {
            jpx.extend(number.to_be_bytes());
        }
        assert_eq!(jpx_pixels(&jpx), Some(70_000 * 90_000));
        assert_eq!(jpx_pixels(&jpx[..20]), None);
    }
}
