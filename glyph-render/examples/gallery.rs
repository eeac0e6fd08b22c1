//! Draws six styles as small pictures, English above Chinese:
//! `cargo run --release -p glyph-render --example gallery -- FOLDER`.

#![allow(clippy::print_stdout, reason = "a command-line program prints")]

use std::path::Path;

use glyph_render::{Block, BlockKind, Document, Page, RenderConfig, Renderer, Typesetter};

/// The size of a picture's half in pixels.
const WIDTH: u32 = 560;
const HEIGHT: u32 = 180;

const STYLES: [(&str, &str); 6] = [
    ("builtin", r#"{"preset": "builtin"}"#),
    (
        "glyph",
        r#"{"preset": "glyph-en", "dpi": 96, "page-size": "420,400", "space-after": 5, "auto-crop-width": false, "auto-crop-last-page": false}"#,
    ),
    (
        "dense",
        r#"{"preset": "dense", "dpi": 96, "page-size": "420,400", "space-after": 4, "auto-crop-last-page": false}"#,
    ),
    (
        "columns",
        r#"{"dpi": 96, "page-size": "420,400", "columns": 2, "column-gap": 16, "margin-x": 30, "margin-y": 28, "header": "{title}", "footer": "{page}", "line-numbers": "page", "font-size": 8, "line-height": 11}"#,
    ),
    (
        "dark",
        r#"{"theme": "dark", "dpi": 120, "page-size": "336,300", "space-after": 6, "font-size": 10, "line-height": 15, "margin-x": 16, "margin-y": 16, "alignment": "LEFT"}"#,
    ),
    (
        "watermark",
        r#"{"theme": "sepia", "dpi": 110, "font-size": 10, "line-height": 14, "page-size": "380,230", "margin-x": 24, "margin-y": 18, "watermark": "DRAFT", "corner-marks": true, "first-line-indent": 20}"#,
    ),
];

const ENGLISH: &str = "The lighthouse at Corran Point was built between 1871 and 1874 by the \
    engineer Isobel Tarrant. Its lamp stands 31 metres above the sea, and on clear nights it can \
    be seen from 19 nautical miles away. The tower is of granite, brought by boat from a quarry \
    forty miles to the north; the keepers' houses are of brick. Since 1987 nobody has lived \
    there, and the light is tended from the harbour.";

const CHINESE: &str = "青石镇的茶园在山的南坡，海拔约六百米，共有二百四十亩，由三十二户人家共同管理。园中\
    最老的茶树据说有三百年树龄，镇上的人称它为“祖母树”，每年只采一次，从不出售。清明前后，山上\
    多雾，嫩芽长得慢，叶子却格外厚实；采茶人天不亮就上山，赶在露水干透以前下来。";

fn document(title: &str, text: &str) -> Document {
    let mut document = Document {
        title: Some(title.to_owned()),
        ..Document::default()
    };
    document.blocks = vec![Block::text(BlockKind::Heading(1), title, None)];
    for _ in 0..4 {
        let paragraph = Block::text(BlockKind::Paragraph, text, None);
        document.blocks.push(paragraph);
    }
    document
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::args().nth(1).ok_or("expected a folder")?;
    std::fs::create_dir_all(&folder)?;
    for (name, json) in STYLES {
        let typesetter = Typesetter::new(RenderConfig::from_json(json)?)?;
        let english = typesetter.render(&document("Corran Point", ENGLISH))?;
        let chinese = typesetter.render(&document("青石镇的茶园", CHINESE))?;
        let picture = stack(&english[0], &chinese[0]);
        let path = Path::new(&folder).join(format!("style_{name}.png"));
        picture.write_png(&path)?;
        println!(
            "{}: {} bytes",
            path.display(),
            std::fs::metadata(&path)?.len()
        );
    }
    Ok(())
}

/// The top left of one page above that of another.
fn stack(above: &Page, below: &Page) -> Page {
    let mut picture = above.clone();
    let width = WIDTH.min(above.width).min(below.width);
    picture.pixels.clear();
    picture.lines.clear();
    picture.layout = None;
    picture.width = width;
    picture.height = 0;
    for page in [above, below] {
        let rows = page.pixels.chunks_exact(page.width as usize);
        for row in rows.take(HEIGHT as usize) {
            picture.pixels.extend(&row[..width as usize]);
            picture.height += 1;
        }
    }
    picture
}
