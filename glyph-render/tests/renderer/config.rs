use std::path::PathBuf;

use glyph_render::{Alignment, FontFile, RenderConfig, RenderError, Style, Typesetter};

fn message(json: &str) -> String {
    RenderConfig::from_json(json).unwrap_err().to_string()
}

#[test]
fn glyphs_shipped_configuration_reads() {
    let json = r##"{"page-size": "595,842", "dpi": 72, "margin-x": 10, "margin-y": 10,
        "font-size": 9, "line-height": 10, "font-color": "#000000", "alignment": "LEFT",
        "horizontal-scale": 1.0, "first-line-indent": 0, "left-indent": 0, "right-indent": 0,
        "space-after": 0, "space-before": 0, "border-width": 0, "border-padding": 0,
        "page-bg-color": "#FFFFFF", "para-bg-color": "#FFFFFF", "para-border-color": "#FFFFFF",
        "auto-crop-width": true, "auto-crop-last-page": true}"##;
    let config = RenderConfig::from_json(json).unwrap();
    assert_eq!(config, RenderConfig::preset("glyph-en").unwrap());
}

#[test]
fn absent_keys_take_the_defaults_of_glyphs_code() {
    let config = RenderConfig::from_json("{}").unwrap();
    assert_eq!(config.style, Style::Flow(Box::default()));
    let style = config.flow().unwrap();
    assert_eq!(
        (style.margin_x, style.alignment),
        (20.0, Alignment::Justify)
    );
    let larger = RenderConfig::from_json(r#"{"font-size": 12}"#).unwrap();
    assert_eq!(larger.flow().unwrap().line_height, 13.0);
    let dense = RenderConfig::from_json(r#"{"preset": "dense", "font_size": 6}"#).unwrap();
    assert!(dense.flow().unwrap().font_size.is(6.0));
}

#[test]
fn units_and_names_are_understood() {
    let json = r#"{"theme": "code-dark", "page-size": "a5-landscape", "dpi": 144,
        "font-size": "20px", "line-height": "1.25em", "margin-x": "10mm"}"#;
    let config = RenderConfig::from_json(json).unwrap();
    let style = config.flow().unwrap();
    assert!(style.font_size.is(10.0));
    assert_eq!((style.line_height, style.page_size), (12.5, (595.0, 420.0)));
    assert!((style.margin_x - 28.346).abs() < 1e-2);
    assert!(style.page_bg_color.grey() < 40 && style.font_color.grey() > 200);
    let percent = RenderConfig::from_json(r#"{"line-height": "120%", "font-size": 10}"#).unwrap();
    assert_eq!(percent.flow().unwrap().line_height, 12.0);
    let sizes = RenderConfig::from_json(r#"{"font-size": {"large": 12, "small": "8px"}}"#).unwrap();
    let sizes = sizes.flow().unwrap();
    assert_eq!(sizes.font_size.classes(), [12.0, 8.0]);
    assert_eq!(sizes.line_height, 13.0);
}

/// The published counts for A4 at these resolutions.
#[test]
fn pages_cost_what_encoders_count() {
    for (dpi, tokens) in [
        (60, 450),
        (72, 630),
        (80, 792),
        (96, 1120),
        (120, 1750),
        (144, 2520),
    ] {
        let config = RenderConfig::from_json(&format!(r#"{{"dpi": {dpi}}}"#)).unwrap();
        assert_eq!(config.tokens_per_page(28).unwrap(), tokens, "{dpi}");
    }
    let builtin = RenderConfig::builtin();
    assert_eq!(builtin.tokens_per_page(14).unwrap(), 50 * 71);
    assert!(builtin.tokens_per_page(0).is_err());
}

/// What presets hold, by setting prose with them.
#[test]
fn budgets_are_about_right() {
    let english = "It is a truth universally acknowledged, that a single man in possession of a \
        good fortune, must be in want of a wife. However little known the feelings or views of \
        such a man may be on his first entering a neighbourhood, this truth is so well fixed. ";
    let chinese =
        "孔乙己是站着喝酒而穿长衫的唯一的人，他身材很高大，青白脸色，皱纹间时常夹些伤痕。";
    for name in RenderConfig::PRESETS {
        let typesetter = Typesetter::new(RenderConfig::preset(name).unwrap()).unwrap();
        let budget = typesetter.page_budget().unwrap();
        for (prose, expected) in [
            (english, budget.latin_characters),
            (chinese, budget.han_characters),
        ] {
            let text = prose.repeat(3 * expected as usize / prose.chars().count() / 2 + 1);
            let document = glyph_render::Document::from_text(&text);
            let page = typesetter.pages(&document).next().unwrap().unwrap();
            let found = text[..page.lines.last().unwrap().source.end]
                .chars()
                .count();
            let off = found as f32 / expected as f32 - 1.0;
            assert!(
                off.abs() < 0.1,
                "{name}: {found} characters, expected {expected}"
            );
            assert!(page.lines.len() as u32 == budget.lines, "{name}");
        }
    }
}

#[test]
fn presets_render() {
    for name in RenderConfig::PRESETS {
        Typesetter::new(RenderConfig::preset(name).unwrap()).unwrap();
    }
    assert!(
        RenderConfig::preset("tiny")
            .unwrap_err()
            .to_string()
            .contains("glyph-en")
    );
}

#[test]
fn bad_values_are_named() {
    let cases = [
        (r#"{"font-sise": 9}"#, "font-sise"),
        (r#"{"font-sise": 9}"#, "line-height"),
        (r#"{"dpi": 0}"#, "1 to 600"),
        (r#"{"dpi": 601}"#, "dpi"),
        (r#"{"dpi": "72"}"#, "a number"),
        (r#"{"font-size": "9em"}"#, "12px"),
        (r#"{"font-size": {"large": 9}}"#, "small"),
        (
            r#"{"font-size": {"large": 9, "small": 10}}"#,
            "at most the 9 pt",
        ),
        (
            r#"{"font-size": {"large": 9, "small": 7, "share": 2}}"#,
            "share",
        ),
        (
            r#"{"font-size": {"large": 9, "little": 7}}"#,
            "font-size.little",
        ),
        (r#"{"line-height": "wide"}"#, "120%"),
        (r#"{"letter-spacing": -1}"#, "letter-spacing"),
        (r#"{"columns": 0}"#, "positive"),
        (r#"{"columns": 17}"#, "1 to 16"),
        (r#"{"columns": 16, "column-gap": 40}"#, "at least one em"),
        (r#"{"tab-stops": [40, 20]}"#, "more than the 40"),
        (r#"{"tab-stops": 40}"#, "[36, 72]"),
        (r#"{"header": "{date}"}"#, "{title}"),
        (r#"{"footer": {"middle": "x"}}"#, "left, center, right"),
        (r#"{"watermark": " "}"#, "some text"),
        (r#"{"watermark": "{page}"}"#, "{id}"),
        (r#"{"watermark": {"text": "x", "levels": 2}}"#, "1, 3 or 7"),
        (
            r##"{"watermark": "x", "para-bg-color": "#EEEEEE"}"##,
            "one background",
        ),
        (
            r##"{"watermark": "x", "font-color": "#909090"}"##,
            "grey levels",
        ),
        (r#"{"dpi": 72, "dpi": 96}"#, "\"dpi\" twice"),
        (r#"{"font-size": 9, "font_size": 10}"#, "spelled one way"),
        (
            r#"{"watermark": {"text": "x", "levels": 1, "text": "y"}}"#,
            "\"text\" twice",
        ),
        (r#"[72]"#, "an object of options"),
        (r#"{"line-numbers": "chapter"}"#, "document"),
        (r#"{"line-numbers": {"every": 0}}"#, "positive"),
        (r#"{"grid": "1px"}"#, "2 px apart"),
        (r#"{"corner-marks": true, "margin-x": 2}"#, "6 px or more"),
        (r#"{"theme": "neon"}"#, "sepia"),
        (r#"{"normalization": "nfd"}"#, "nfkc"),
        (r#"{"page-size": "a9"}"#, "tabloid"),
        (r#"{"font-size": 0}"#, "font-size"),
        (r#"{"font-size": 3, "dpi": 40}"#, "at least 2 px"),
        (r#"{"page-size": "595"}"#, "width,height"),
        (r#"{"page-size": "20000,20000", "dpi": 600}"#, "page-size"),
        (r#"{"page-size": "595,45"}"#, "at least one line"),
        (r#"{"page-size": "45,842"}"#, "at least one em"),
        (r#"{"first-line-indent": -30}"#, "first-line-indent"),
        (r#"{"max-tokens-per-page": 21}"#, "at least one line"),
        (r#"{"max-tokens-per-page": 0}"#, "positive"),
        (r#"{"alignment": "MIDDLE"}"#, "JUSTIFY"),
        (r#"{"font-color": "red"}"#, "#1A2B3C"),
        (r#"{"border-width": -1}"#, "border-width"),
        (r#"{"newline-markup": "<b>x</b>"}"#, "<br/>"),
        (r#"{"preset": "builtin", "dpi": 96}"#, "fixed geometry"),
        (r#"{"fonts": [{"file": "a.ttf"}]}"#, "path"),
        (r#"{"dpi": 72"#, "JSON"),
    ];
    for (json, part) in cases {
        let message = message(json);
        assert!(message.contains(part), "{json}: {message}");
    }
}

#[test]
fn missing_and_damaged_fonts_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let damaged = folder.path().join("damaged.ttf");
    std::fs::write(&damaged, b"not a font").unwrap();
    let config = |path: PathBuf| {
        let mut config = RenderConfig::builtin();
        config.fonts = vec![FontFile { path, index: 0 }];
        config
    };
    let error = Typesetter::new(config(damaged)).unwrap_err();
    assert!(matches!(error, RenderError::Font { .. }));
    assert!(error.to_string().contains("damaged.ttf"), "{error}");
    let error = Typesetter::new(config(folder.path().join("none.ttf"))).unwrap_err();
    assert!(matches!(error, RenderError::Io { .. }));
    assert!(error.to_string().contains("none.ttf"), "{error}");
}

#[test]
fn font_paths_are_relative_to_the_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let assets = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/assets/fonts/dejavu-sans-mono.ttf"
    );
    std::fs::copy(assets, folder.path().join("mono.ttf")).unwrap();
    let path = folder.path().join("style.json");
    std::fs::write(&path, r#"{"font-path": "mono.ttf"}"#).unwrap();
    let config = RenderConfig::from_file(&path).unwrap();
    assert_eq!(config.fonts[0].path, folder.path().join("mono.ttf"));
    Typesetter::new(config).unwrap();
}
