//! Pages are turned back into the documents that they were rendered from.
#![allow(clippy::unwrap_used)]

mod damage;
mod exact;
mod styles;

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex};

use glyph_render::{Inverter, RenderConfig, Typesetter};

type Engine = Arc<(Typesetter, Inverter)>;

/// Typesetters and inverters by configuration: the shapes they learn serve all cases.
fn engine(json: &str) -> Engine {
    static ENGINES: LazyLock<Mutex<HashMap<String, Engine>>> = LazyLock::new(Mutex::default);
    let mut engines = ENGINES.lock().unwrap();
    let make = || {
        let config = RenderConfig::from_json(json).unwrap();
        Arc::new((Typesetter::new(config).unwrap(), Inverter::default()))
    };
    Arc::clone(engines.entry(json.to_owned()).or_insert_with(make))
}
