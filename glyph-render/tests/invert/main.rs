//! Pages are turned back into the documents that they were rendered from.
#![allow(clippy::unwrap_used)]

mod damage;
mod exact;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use glyph_render::{Block, Document, Inverter, RenderConfig, Typesetter};

/// Typesetters and inverters by configuration: the shapes they learn serve all cases.
fn engine(json: &str) -> Arc<(Typesetter, Inverter)> {
    static ENGINES: Mutex<Option<HashMap<String, Arc<(Typesetter, Inverter)>>>> = Mutex::new(None);
    let mut engines = ENGINES.lock().unwrap();
    let engines = engines.get_or_insert_default();
    let make = || {
        let config = RenderConfig::from_json(json).unwrap();
        Arc::new((Typesetter::new(config).unwrap(), Inverter::default()))
    };
    Arc::clone(engines.entry(json.to_owned()).or_insert_with(make))
}

/// The blocks of a document in which text that runs on is one block.
fn blocks(document: &Document) -> &[Block] {
    &document.blocks
}
