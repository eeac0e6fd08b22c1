//! Text by pdf-extract, in pure Rust.

use super::guard::{Guard, filters};
use super::lines::{Backend, Line, PageText, Raster};
use super::unpack::{object_streams, unpack};
use super::widths::write_out_ranges;
use super::{quiet, raster};
use crate::document::error::flat;
use crate::document::join::is_cjk;
use crate::document::sniff::Source;
use crate::document::{DocumentError, Limits};
use hayro::hayro_syntax::Pdf;
use pdf_extract::{
    Dictionary, Document, MediaBox, Object, ObjectId, OutputDev, OutputError, Stream, Transform,
};
use std::collections::{HashMap, HashSet};
use std::rc::Rc;

/// A PDF in memory.
pub(super) struct Extract {
    document: Document,
    pages: Vec<ObjectId>,
    /// Page tree nodes made to hold one page each in turn.
    catalog: ObjectId,
    root: ObjectId,
    /// Image objects, whose data is dropped.
    images: HashSet<ObjectId>,
    bytes: Vec<u8>,
    drawable: Option<Pdf>,
    guard: Guard,
    /// Why the page that was checked last is too much for pdf-extract.
    too_much: Option<String>,
}

impl Extract {
    pub(super) fn open(mut source: Source, limits: &Limits) -> Result<Self, DocumentError> {
        let bytes = source.read(limits)?;
        let path = source.path;
        let damaged = |detail: String| DocumentError::Damaged {
            path: path.clone(),
            format: "PDF",
            detail: flat(&detail),
            hint: "download it again, or repair it with `qpdf IN OUT`",
            source: None,
        };
        let encrypted = || DocumentError::Encrypted {
            path: path.clone(),
            what: "the PDF",
            hint: ", e.g. with `qpdf --decrypt --password=... IN OUT`",
        };
        let mut guard = Guard::new(path.clone(), limits);
        // Loading unpacks what holds other objects.
        if object_streams(&bytes, limits.max_unzipped_bytes).is_err() {
            return Err(guard.too_many_objects());
        }
        let loaded = quiet::catch(|| Document::load_mem(&bytes)).map_err(damaged)?;
        let mut document = match loaded {
            Ok(document) => document,
            Err(pdf_extract::Error::Decryption(_) | pdf_extract::Error::InvalidPassword) => {
                return Err(encrypted());
            }
            Err(error) => {
                return Err(DocumentError::Damaged {
                    path,
                    format: "PDF",
                    detail: flat(&error.to_string()),
                    hint: "download it again, or repair it with `qpdf IN OUT`",
                    source: Some(error.into()),
                });
            }
        };
        // Many files are encrypted with an empty password, only to restrict printing.
        if document.trailer.get(b"Encrypt").is_ok() {
            match quiet::catch(|| document.decrypt("")) {
                Ok(Ok(())) => {}
                _ => return Err(encrypted()),
            }
        }
        let pages = quiet::catch(|| document.get_pages()).map_err(damaged)?;
        let pages: Vec<ObjectId> = pages.into_values().collect();
        let catalog = document.trailer.get(b"Root").and_then(Object::as_reference);
        let catalog = catalog.map_err(|error| damaged(error.to_string()))?;
        let images = drop_images(&mut document);
        guard.emptied = Rc::new(break_loops(&mut document, limits.max_stream_bytes));
        write_out_ranges(&mut document);
        let root = document.new_object_id();
        Ok(Self {
            document,
            pages,
            catalog,
            root,
            images,
            bytes,
            drawable: None,
            guard,
            too_much: None,
        })
    }

    /// Makes `page` the only page: finding a page takes time for each one before it else.
    fn select(&mut self, page: ObjectId) {
        let mut tree = Dictionary::new();
        tree.set("Type", Object::Name(b"Pages".to_vec()));
        tree.set("Kids", Object::Array(vec![Object::Reference(page)]));
        tree.set("Count", Object::Integer(1));
        self.document
            .objects
            .insert(self.root, Object::Dictionary(tree));
        if let Ok(catalog) = self.document.get_dictionary_mut(self.catalog) {
            catalog.set("Pages", Object::Reference(self.root));
        }
    }

    fn dictionary<'a>(&'a self, object: &'a Object) -> Option<&'a Dictionary> {
        let (_, object) = self.document.dereference(object).ok()?;
        object.as_dict().ok()
    }

    fn has_images(&self, resources: Option<&Dictionary>, depth: u32) -> bool {
        let objects = resources.and_then(|resources| resources.get(b"XObject").ok());
        let Some(objects) = objects.and_then(|objects| self.dictionary(objects)) else {
            return false;
        };
        objects.iter().any(|(_, object)| {
            let Ok(id) = object.as_reference() else {
                return false;
            };
            let Ok(Object::Stream(form)) = self.document.get_object(id) else {
                return false;
            };
            let inner = form.dict.get(b"Resources").ok();
            let inner = inner.and_then(|inner| self.dictionary(inner));
            self.images.contains(&id) || depth > 0 && self.has_images(inner, depth - 1)
        })
    }
}

impl Backend for Extract {
    fn pages(&self) -> u32 {
        u32::try_from(self.pages.len()).unwrap_or(u32::MAX)
    }

    fn title(&self) -> Option<String> {
        let info = self.document.trailer.get(b"Info").ok()?;
        let title = self.dictionary(info)?.get(b"Title").ok()?;
        pdf_extract::decode_text_string(title).ok()
    }

    fn check(&mut self, page: u32) -> Result<(), DocumentError> {
        let id = self.pages[page as usize - 1];
        // A page whose resources cannot be found fails where they are needed.
        let resources = resources(&self.document, id).ok().flatten();
        self.too_much = self.guard.page(&self.document, id, resources, page)?;
        Ok(())
    }

    fn check_drawing(&mut self, page: u32) -> Result<(), DocumentError> {
        let id = self.pages[page as usize - 1];
        let resources = resources(&self.document, id).ok().flatten();
        self.guard.drawing(&self.document, id, resources)
    }

    fn text(&mut self, page: u32) -> Result<PageText, String> {
        if let Some(found) = self.too_much.take() {
            return Err(format!("{found}, too much to read text from"));
        }
        let id = self.pages[page as usize - 1];
        let has_images = self.has_images(resources(&self.document, id)?, 2);
        self.select(id);
        let mut lines = Lines::default();
        let done = quiet::catch(|| pdf_extract::output_doc_page(&self.document, &mut lines, 1))?;
        done.map_err(|error| error.to_string())?;
        lines.break_line();
        Ok(PageText {
            lines: lines.done,
            has_images,
        })
    }

    fn draw(&mut self, page: u32, dpi: f32, max_pixels: u64) -> Result<Raster, String> {
        if self.drawable.is_none() {
            self.drawable = Some(raster::load(self.bytes.clone())?);
        }
        let pdf = self.drawable.as_ref().ok_or("no pages")?;
        raster::draw(pdf, page, dpi, max_pixels)
    }
}

/// The resources of a page, its own or inherited; an error where the page tree is circular.
fn resources(document: &Document, page: ObjectId) -> Result<Option<&Dictionary>, String> {
    let mut node = document.get_dictionary(page).map_err(|e| e.to_string())?;
    let mut found = None;
    for _ in 0..64 {
        if let (None, Ok(object)) = (found, node.get(b"Resources")) {
            let object = document.dereference(object).ok();
            found = object.and_then(|(_, object)| object.as_dict().ok());
        }
        let Ok(parent) = node.get(b"Parent").and_then(Object::as_reference) else {
            return Ok(found);
        };
        node = document.get_dictionary(parent).map_err(|e| e.to_string())?;
    }
    Err("the page tree is circular".into())
}

/// Empties the streams of images, which pdf-extract would read as text operators.
fn drop_images(document: &mut Document) -> HashSet<ObjectId> {
    let mut images = HashSet::new();
    for (id, object) in &mut document.objects {
        if let Object::Stream(stream) = object
            && stream.dict.get(b"Subtype").and_then(Object::as_name).ok() == Some(b"Image")
        {
            stream.dict.remove(b"Filter");
            stream.dict.remove(b"DecodeParms");
            stream.content = Vec::new();
            images.insert(*id);
        }
    }
    images
}

/// Empties the form that closes a circle of forms: drawing it would never end. Returns what
/// such forms were.
fn break_loops(document: &mut Document, limit: u64) -> HashMap<ObjectId, Stream> {
    let mut state = HashSet::new();
    let mut closing = Vec::new();
    let forms = document.objects.iter();
    let is_form = |object: &Object| match object {
        Object::Stream(s) => s.dict.get(b"Subtype").and_then(Object::as_name).ok() == Some(b"Form"),
        _ => false,
    };
    let forms: Vec<ObjectId> = forms
        .filter(|(_, o)| is_form(o))
        .map(|(id, _)| *id)
        .collect();
    for start in forms {
        // Depth first, with the way down kept: a form met on it closes a circle.
        let mut way = vec![(start, inner_forms(document, start, limit))];
        if !state.insert(start) {
            continue;
        }
        while let Some((_, next)) = way.last_mut() {
            let Some(id) = next.pop() else {
                way.pop();
                continue;
            };
            if way.iter().any(|(on_way, _)| *on_way == id) || way.len() > 40 {
                closing.push(id);
            } else if state.insert(id) {
                way.push((id, inner_forms(document, id, limit)));
            }
        }
    }
    let mut emptied = HashMap::new();
    for id in closing {
        if let Ok(Object::Stream(stream)) = document.get_object_mut(id) {
            emptied.entry(id).or_insert_with(|| stream.clone());
            stream.dict.remove(b"Filter");
            stream.content = Vec::new();
        }
    }
    emptied
}

/// The objects that a form may draw.
fn inner_forms(document: &Document, id: ObjectId, limit: u64) -> Vec<ObjectId> {
    let dictionary = |object: &Object| {
        let (_, object) = document.dereference(object).ok()?;
        object.as_dict().ok().cloned()
    };
    let Ok(Object::Stream(form)) = document.get_object(id) else {
        return Vec::new();
    };
    let Ok(resources) = form.dict.get(b"Resources") else {
        // It draws what the page names, which may be itself.
        let content = unpack(&form.content, &filters(document, &form.dict), limit);
        let draws = content.map_or(true, |content| {
            crate::document::sniff::contains(&content, b" Do")
        });
        return if draws { vec![id] } else { Vec::new() };
    };
    let objects = dictionary(resources).and_then(|r| dictionary(r.get(b"XObject").ok()?));
    let objects = objects.iter().flat_map(Dictionary::iter);
    objects
        .filter_map(|(_, object)| object.as_reference().ok())
        .collect()
}

/// Gathers characters into lines.
#[derive(Default)]
struct Lines {
    done: Vec<Line>,
    line: Line,
    /// Where the last character ended, and whether a new string starts.
    end: f32,
    word: bool,
    /// The advances of the line's ASCII characters.
    advances: Vec<(char, f32)>,
    top: f64,
}

impl Lines {
    fn break_line(&mut self) {
        let mut line = std::mem::take(&mut self.line);
        let advances = std::mem::take(&mut self.advances);
        if line.text.trim().is_empty() {
            return;
        }
        line.x1 = line.x1.max(line.x0);
        line.mono = monospaced(&advances, &line.text);
        self.done.push(line);
    }
}

/// The advance that all characters share, where they are such as would differ otherwise.
fn monospaced(advances: &[(char, f32)], text: &str) -> Option<f32> {
    let &(_, advance) = advances.first()?;
    let same = advances
        .iter()
        .all(|(_, a)| (a - advance).abs() < 0.01 * advance);
    let mut kinds: Vec<char> = advances.iter().map(|(c, _)| *c).collect();
    kinds.sort_unstable();
    kinds.dedup();
    let worded = kinds.iter().any(|c| !c.is_ascii_digit());
    (same && worded && kinds.len() >= 4 && !text.contains(is_cjk)).then_some(advance)
}

impl OutputDev for Lines {
    fn begin_page(
        &mut self,
        _: u32,
        media: &MediaBox,
        _: Option<(f64, f64, f64, f64)>,
    ) -> Result<(), OutputError> {
        self.top = media.ury;
        Ok(())
    }

    fn end_page(&mut self) -> Result<(), OutputError> {
        Ok(())
    }

    fn output_character(
        &mut self,
        trm: &Transform,
        width: f64,
        _spacing: f64,
        font_size: f64,
        text: &str,
    ) -> Result<(), OutputError> {
        // Along the direction of writing and across it, so that turned text makes lines too.
        let along = trm.m11.hypot(trm.m12);
        let unit = if along > 0.0 { along } else { 1.0 };
        let (dx, dy) = (trm.m11 / unit, -trm.m12 / unit);
        let (left, down) = (trm.m31, self.top - trm.m32);
        let x = (left * dx + down * dy) as f32;
        let y = (down * dx - left * dy) as f32;
        let size = (trm.m21.hypot(trm.m22) * font_size).abs() as f32;
        let advance = (along * font_size * width).abs() as f32;
        if self.word && !self.line.text.is_empty() {
            let moved = (y - self.line.y).abs() > 0.5 * size.max(self.line.size);
            let gap = x - self.end;
            if moved || gap < -size.max(self.line.size) {
                self.break_line();
            } else {
                let cjk = self.line.text.ends_with(is_cjk) && text.starts_with(is_cjk);
                let space = if cjk { 0.6 } else { 0.12 };
                if gap > space * size && !self.line.text.ends_with(' ') && !text.starts_with(' ') {
                    self.line.text.push(' ');
                }
            }
        }
        self.word = false;
        if self.line.text.is_empty() {
            if text.trim().is_empty() {
                return Ok(());
            }
            self.line = Line {
                x0: x,
                y,
                size,
                ..Line::default()
            };
        }
        self.end = x + advance;
        for c in text.chars() {
            // No text has control characters; fonts without a character map yield them.
            if !c.is_control() {
                self.line.text.push(c);
            }
        }
        if !text.trim().is_empty() {
            self.line.x1 = self.line.x1.max(self.end);
            let mut chars = text.chars();
            if let (Some(c @ '!'..='~'), None) = (chars.next(), chars.next()) {
                self.advances.push((c, advance));
            }
        }
        Ok(())
    }

    fn begin_word(&mut self) -> Result<(), OutputError> {
        self.word = true;
        Ok(())
    }

    fn end_word(&mut self) -> Result<(), OutputError> {
        Ok(())
    }

    fn end_line(&mut self) -> Result<(), OutputError> {
        Ok(())
    }
}
