use std::path::PathBuf;

use glyph_render::{Alignment, FlowStyle, FontFile, RenderConfig, RenderError, Style, Typesetter};

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
    assert_eq!(config.style, Style::Flow(FlowStyle::default()));
    let style = config.flow().unwrap();
    assert_eq!(
        (style.margin_x, style.alignment),
        (20.0, Alignment::Justify)
    );
    let larger = RenderConfig::from_json(r#"{"font-size": 12}"#).unwrap();
    assert_eq!(larger.flow().unwrap().line_height, 13.0);
    let dense = RenderConfig::from_json(r#"{"preset": "dense", "font_size": 6}"#).unwrap();
    assert_eq!(dense.flow().unwrap().font_size, 6.0);
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
        (r#"{"border-width": 1}"#, "not implemented"),
        (r##"{"para-bg-color": "#EEEEEE"}"##, "page-bg-color"),
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
