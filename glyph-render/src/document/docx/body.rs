//! The body of a DOCX: paragraphs, tables and notes.

use super::numbering::Numbering;
use super::styles::Styles;
use super::xml::{self, Open, attribute, reference};
use crate::document::{Block, BlockKind};
use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

/// Reads the parts that hold text, one event after the other: no tree, no recursion.
pub(super) struct Body<'a> {
    styles: &'a Styles,
    numbering: Numbering,
    blocks: Vec<Block>,
    /// Paragraphs that are open: more than one where a text box lies in a paragraph.
    paragraphs: Vec<Paragraph>,
    /// Tables that are open, and how many paragraphs were open around each.
    tables: Vec<Table>,
    /// Blocks of text boxes, put after the paragraph that anchors them.
    boxes: Vec<Block>,
    /// For each open `mc:AlternateContent`, whether a choice was taken.
    choices: Vec<bool>,
    /// How many elements deep the reader is in something left out.
    skipped: usize,
    /// How many elements deep the reader is in paragraph or run properties.
    properties: usize,
    in_text: bool,
    /// Whether the open properties are those of a run.
    run_properties: bool,
    /// For each open run, whether it is hidden text.
    runs: Vec<bool>,
    /// The foot- and endnotes referred to, in order.
    pub(super) notes: Vec<Note>,
    /// The note being read, as an index into `notes`.
    note: Option<usize>,
    /// Bytes of text so far.
    pub(super) text_bytes: u64,
    limit: u64,
}

/// A footnote or endnote.
pub(super) struct Note {
    pub(super) element: &'static str,
    id: String,
    blocks: Vec<Block>,
}

#[derive(Default)]
struct Paragraph {
    text: String,
    style: Option<String>,
    outline: Option<u8>,
    list: Option<String>,
    level: u8,
}

#[derive(Default)]
struct Table {
    cells: Vec<String>,
    /// Columns that the row's last cell takes besides its own.
    spanned: usize,
    /// Open paragraphs and text boxes around it.
    paragraphs: usize,
}

impl<'a> Body<'a> {
    pub(super) fn new(styles: &'a Styles, numbering: Numbering, limit: u64) -> Self {
        Self {
            styles,
            numbering,
            blocks: Vec::new(),
            paragraphs: Vec::new(),
            tables: Vec::new(),
            boxes: Vec::new(),
            choices: Vec::new(),
            skipped: 0,
            properties: 0,
            in_text: false,
            run_properties: false,
            runs: Vec::new(),
            notes: Vec::new(),
            note: None,
            text_bytes: 0,
            limit,
        }
    }

    /// Reads the main part. Stops early where the text is over the limit.
    pub(super) fn read(&mut self, xml: &str) -> Result<(), xml::Error> {
        let mut reader = Reader::from_str(xml);
        let mut open = Open::default();
        while self.text_bytes <= self.limit {
            let event = reader.read_event()?;
            open.see(&event)?;
            match event {
                Event::Eof => break,
                Event::Start(element) => self.start(&element),
                Event::Empty(element) => {
                    self.start(&element);
                    self.end(element.local_name().as_ref());
                }
                Event::End(element) => self.end(element.local_name().as_ref()),
                Event::Text(text) if self.in_text => self.push(&text.xml10_content()),
                Event::CData(text) if self.in_text => self.push(&text.xml10_content()),
                Event::GeneralRef(entity) if self.in_text => {
                    self.push(&reference(&entity).unwrap_or_default());
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Reads the part that holds the notes of a kind; those not referred to are left out.
    pub(super) fn read_notes(&mut self, xml: &str, element: &str) -> Result<(), xml::Error> {
        let mut reader = Reader::from_str(xml);
        let mut open = Open::default();
        while self.text_bytes <= self.limit {
            let event = reader.read_event()?;
            open.see(&event)?;
            match &event {
                Event::Eof => break,
                Event::Start(start) if start.local_name().as_ref() == element => {
                    let id = attribute(start, "id").unwrap_or_default();
                    let mut notes = self.notes.iter();
                    self.note = notes.position(|n| n.element == element && n.id == id);
                    self.skipped = usize::from(self.note.is_none());
                }
                Event::End(end) if end.local_name().as_ref() == element => {
                    self.skipped = 0;
                    let blocks = std::mem::take(&mut self.boxes);
                    if let Some(note) = self.note.take() {
                        self.notes[note].blocks.extend(blocks);
                    }
                }
                Event::Start(start) => self.start(start),
                Event::Empty(start) => {
                    self.start(start);
                    self.end(start.local_name().as_ref());
                }
                Event::End(end) => self.end(end.local_name().as_ref()),
                Event::Text(text) if self.in_text => self.push(&text.xml10_content()),
                Event::CData(text) if self.in_text => self.push(&text.xml10_content()),
                Event::GeneralRef(entity) if self.in_text => {
                    self.push(&reference(entity).unwrap_or_default());
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The blocks of the body, then those of the notes, each under its mark.
    pub(super) fn finish(mut self) -> Vec<Block> {
        for (number, note) in (1..).zip(self.notes) {
            for (index, mut block) in note.blocks.into_iter().enumerate() {
                if let (0, Block::Text { text, .. }) = (index, &mut block) {
                    *text = format!("[{number}] {}", text.trim_start());
                }
                self.blocks.push(block);
            }
        }
        self.blocks
    }

    fn start(&mut self, element: &BytesStart<'_>) {
        let name = element.local_name();
        let name = name.as_ref();
        if self.skipped > 0 {
            self.skipped += 1;
            return;
        }
        if self.properties > 0 {
            self.properties += 1;
            self.property(name, element);
            return;
        }
        match name {
            // What was deleted or moved away, and the second copy of a drawing.
            "del" | "moveFrom" | "instrText" | "delText" | "rt" | "sectPr" => self.skipped = 1,
            "Fallback" if self.choices.last() == Some(&true) => self.skipped = 1,
            "AlternateContent" => self.choices.push(false),
            "Choice" => {
                if let Some(taken) = self.choices.last_mut() {
                    *taken = true;
                }
            }
            "p" => self.paragraphs.push(Paragraph::default()),
            "r" => self.runs.push(false),
            "pPr" | "rPr" | "tblPr" | "trPr" | "tcPr" | "sdtPr" => {
                self.properties = 1;
                self.run_properties = name == "rPr";
            }
            "t" => self.in_text = true,
            "tab" | "ptab" => self.push("\t"),
            "br" | "cr" => self.push("\n"),
            "noBreakHyphen" => self.push("\u{2011}"),
            "sym" => {
                let code = attribute(element, "char");
                let code = code.and_then(|code| u32::from_str_radix(&code, 16).ok());
                self.push(&symbol(code).to_string());
            }
            "footnoteReference" => self.note_reference("footnote", element),
            "endnoteReference" => self.note_reference("endnote", element),
            "tbl" => self.tables.push(Table {
                cells: Vec::new(),
                spanned: 0,
                paragraphs: self.paragraphs.len(),
            }),
            "tr" => {
                if let Some(table) = self.tables.last_mut() {
                    table.cells.clear();
                    table.spanned = 0;
                }
            }
            "tc" => {
                if let Some(table) = self.tables.last_mut() {
                    // Empty cells keep what follows in its column.
                    let columns = table.cells.len() + std::mem::take(&mut table.spanned);
                    self.text_bytes += (columns - table.cells.len()) as u64;
                    table.cells.resize(columns + 1, String::new());
                }
            }
            _ => {}
        }
    }

    fn end(&mut self, name: &str) {
        if self.skipped > 0 {
            self.skipped -= 1;
            return;
        }
        if self.properties > 0 {
            self.properties -= 1;
            return;
        }
        match name {
            "AlternateContent" => {
                self.choices.pop();
            }
            "t" => self.in_text = false,
            "r" => {
                self.runs.pop();
            }
            "p" => {
                if let Some(paragraph) = self.paragraphs.pop() {
                    self.end_paragraph(paragraph);
                }
            }
            "tr" => self.end_row(),
            "tbl" => {
                self.tables.pop();
            }
            _ => {}
        }
    }

    /// A property of the open paragraph, run, row or cell.
    fn property(&mut self, name: &str, element: &BytesStart<'_>) {
        // What it was before a tracked change.
        if matches!(name, "pPrChange" | "rPrChange") {
            self.skipped = 1;
            self.properties -= 1;
            return;
        }
        let value = attribute(element, "val");
        match (name, self.tables.last_mut(), self.runs.last_mut()) {
            ("gridSpan", Some(table), _) => {
                table.spanned = columns(value.as_deref()).saturating_sub(1);
            }
            ("gridBefore", Some(table), _) => table.spanned = columns(value.as_deref()),
            // Those of a paragraph are about its mark.
            ("vanish", _, Some(hidden)) if self.run_properties && self.properties == 2 => {
                *hidden = !matches!(value.as_deref(), Some("0" | "false" | "off"));
            }
            _ => {}
        }
        let Some(paragraph) = self.paragraphs.last_mut() else {
            return;
        };
        let number = || value.as_deref().and_then(|value| value.parse().ok());
        match name {
            "pStyle" => paragraph.style = value,
            "outlineLvl" => paragraph.outline = number(),
            "numId" => paragraph.list = value,
            "ilvl" => paragraph.level = number().unwrap_or(0),
            _ => {}
        }
    }

    /// Whether what is read now is hidden text.
    fn hidden(&self) -> bool {
        self.runs.contains(&true)
    }

    fn push(&mut self, text: &str) {
        if self.hidden() {
            return;
        }
        if let Some(paragraph) = self.paragraphs.last_mut() {
            self.text_bytes += text.len() as u64;
            paragraph.text.push_str(text);
        }
    }

    fn note_reference(&mut self, element: &'static str, start: &BytesStart<'_>) {
        if self.hidden() {
            return;
        }
        self.notes.push(Note {
            element,
            id: attribute(start, "id").unwrap_or_default(),
            blocks: Vec::new(),
        });
        self.push(&format!("[{}]", self.notes.len()));
    }

    fn end_paragraph(&mut self, paragraph: Paragraph) {
        let depth = self.paragraphs.len();
        let text = paragraph.text.trim_end();
        if let Some(table) = self.tables.last_mut()
            && table.paragraphs == depth
        {
            // One cell is one line: its paragraphs and breaks are joined by spaces.
            let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
            if let (Some(cell), false) = (table.cells.last_mut(), text.is_empty()) {
                if !cell.is_empty() {
                    cell.push(' ');
                }
                cell.push_str(&text);
            }
            return;
        }
        if !text.trim().is_empty() {
            let block = self.block(&paragraph, text);
            self.emit(block);
        }
        if depth == 0 && self.tables.is_empty() && self.note.is_none() {
            self.blocks.append(&mut self.boxes);
        }
    }

    fn block(&mut self, paragraph: &Paragraph, text: &str) -> Block {
        let style = paragraph.style.as_deref().unwrap_or_default();
        let outline = paragraph.outline.filter(|&o| o < 9).map(|o| o + 1);
        let heading = outline.or_else(|| self.styles.heading(style));
        let list = match paragraph.list.as_deref() {
            Some("0") => None,
            Some(list) => Some((list.to_owned(), paragraph.level)),
            None => self.styles.list(style),
        };
        let written = text.len();
        let text = match &list {
            Some((list, level)) => {
                let marker = self.numbering.next_marker(list, *level);
                // A heading keeps its number, but neither a bullet nor an indentation.
                match heading {
                    Some(_) if marker.contains('•') => text.to_owned(),
                    Some(_) => format!("{}{text}", marker.trim_start()),
                    None => format!("{marker}{text}"),
                }
            }
            None => text.to_owned(),
        };
        self.text_bytes += text.len().saturating_sub(written) as u64;
        let kind = match (heading, list) {
            (Some(level), _) => BlockKind::Heading(level),
            (None, Some(_)) => BlockKind::ListItem,
            (None, None) => BlockKind::Paragraph,
        };
        Block::text(kind, text, None)
    }

    fn emit(&mut self, block: Block) {
        match self.note {
            Some(note) => self.notes[note].blocks.push(block),
            None if self.paragraphs.is_empty() && self.tables.is_empty() => {
                self.blocks.push(block);
            }
            None => self.boxes.push(block),
        }
    }

    fn end_row(&mut self) {
        let Some(table) = self.tables.last_mut() else {
            return;
        };
        let row = std::mem::take(&mut table.cells);
        let around = table.paragraphs;
        if row.iter().all(String::is_empty) {
            return;
        }
        let outer = self.tables.len().checked_sub(2);
        // A table in a cell becomes text of the cell.
        if let Some(outer) = outer
            && self.tables[outer].paragraphs == around
        {
            if let Some(cell) = self.tables[outer].cells.last_mut() {
                if !cell.is_empty() {
                    cell.push(' ');
                }
                let row: Vec<_> = row.into_iter().filter(|cell| !cell.is_empty()).collect();
                cell.push_str(&row.join(" "));
            }
            return;
        }
        let block = Block::text(BlockKind::TableRow, row.join("\t"), None);
        match self.note {
            Some(note) => self.notes[note].blocks.push(block),
            None if around == 0 => {
                self.blocks.push(block);
                self.blocks.append(&mut self.boxes);
            }
            None => self.boxes.push(block),
        }
    }
}

/// The number of columns that a cell takes or a row leaves out; Word has 63 at most.
fn columns(value: Option<&str>) -> usize {
    value
        .and_then(|value| value.parse().ok())
        .unwrap_or(0)
        .min(63)
}

/// A character of a symbol font, which Word stores in the private use area.
fn symbol(code: Option<u32>) -> char {
    match code {
        Some(0xf0b7 | 0xf0a7 | 0xf06c | 0xf06e) => '•',
        Some(0xf0fc | 0xf0fe) => '✓',
        Some(0xf0e0) => '→',
        Some(0xf0a8 | 0xf06f | 0xf071) => '□',
        code => code.and_then(char::from_u32).unwrap_or('\u{fffd}'),
    }
}
