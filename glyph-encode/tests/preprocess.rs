//! Preprocessing against torchvision and transformers, whose results
//! `tools/parity/preprocess.py` wrote down.

use std::path::{Path, PathBuf};

use glyph_encode::Page;
use glyph_encode::preprocess::{
    ClipConfig, ClipPreprocessor, ImagePreprocessor, PatchConfig, PatchPreprocessor, Resample,
    TileConfig, TilePreprocessor, page_to_rgb, resize, smart_resize_glm4v, smart_resize_qwen2_vl,
};
use image::RgbImage;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/preprocess")
        .join(name)
}

fn json<T: DeserializeOwned>(name: &str) -> T {
    let text = std::fs::read_to_string(fixture(name)).expect("the fixture is there");
    serde_json::from_str(&text).expect("the script wrote it")
}

fn picture(name: &str) -> RgbImage {
    let file = fixture(&format!("{name}.png"));
    image::open(file).expect("a PNG file").into_rgb8()
}

/// Bytes of a linear congruential generator; the script makes the same.
fn noise(width: u32, height: u32) -> RgbImage {
    let mut state = width.wrapping_mul(2_654_435_761).wrapping_add(height);
    RgbImage::from_fn(width, height, |_, _| {
        image::Rgb([0; 3].map(|_: u8| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        }))
    })
}

#[test]
fn resizing_is_torchvisions_to_the_byte() {
    let rows: Vec<(u32, u32, u32, u32, u8, u32)> = json("resize.json");
    assert!(rows.len() > 100);
    for (width, height, to_width, to_height, filter, crc) in rows {
        let filter = match filter {
            1 => Resample::Lanczos,
            2 => Resample::Bilinear,
            _ => Resample::Bicubic,
        };
        let resized = resize(&noise(width, height), to_width, to_height, filter);
        assert_eq!(
            crc32fast::hash(resized.as_raw()),
            crc,
            "{width} x {height} to {to_width} x {to_height}, {filter:?}"
        );
    }
}

#[derive(Deserialize)]
struct Sizes {
    sizes: Vec<(u32, u32)>,
    qwen2_vl: Vec<Resized>,
    glm4v: Vec<Resized>,
    videos: Vec<(usize, u32, u32)>,
    glm4v_videos: Resized,
}

#[derive(Deserialize)]
struct Resized {
    #[serde(default = "default_factor")]
    factor: u32,
    min_pixels: u64,
    max_pixels: u64,
    /// `None` where transformers refuses the size.
    resized: Vec<Option<(u32, u32)>>,
}

fn default_factor() -> u32 {
    28
}

#[test]
fn sizes_are_those_of_transformers() {
    let table: Sizes = json("sizes.json");
    let Sizes { sizes, videos, .. } = table;
    let refused = |column: &Resized| column.resized.iter().filter(|size| size.is_none()).count();
    for column in table.qwen2_vl {
        assert!(refused(&column) > 0);
        for (&(height, width), &expected) in sizes.iter().zip(&column.resized) {
            let Resized {
                factor,
                min_pixels,
                max_pixels,
                ..
            } = column;
            let found = smart_resize_qwen2_vl(height, width, factor, min_pixels, max_pixels);
            assert_eq!(found.ok(), expected, "{height} x {width}");
        }
    }
    for column in table.glm4v {
        assert!(refused(&column) > 0);
        for (&(height, width), &expected) in sizes.iter().zip(&column.resized) {
            let Resized {
                factor,
                min_pixels,
                max_pixels,
                ..
            } = column;
            let found = smart_resize_glm4v(2, height, width, 2, factor, min_pixels, max_pixels);
            assert_eq!(found.ok(), expected, "{height} x {width}");
        }
    }
    let Resized {
        factor,
        min_pixels,
        max_pixels,
        ref resized,
    } = table.glm4v_videos;
    for (&(frames, height, width), &expected) in videos.iter().zip(resized) {
        let found = smart_resize_glm4v(frames, height, width, 2, factor, min_pixels, max_pixels);
        assert_eq!(
            found.ok(),
            expected,
            "{frames} frames of {height} x {width}"
        );
    }
}

#[derive(Deserialize)]
struct Case {
    picture: String,
    /// Of a video; frame `n` is the picture moved up by `3 * n` rows.
    frames: Option<u32>,
    config: Value,
    /// Patches along time, down and across; or tiles, rows and columns; or channels and sides.
    grid: [usize; 3],
    len: usize,
    crc32: u32,
    sum: f64,
    indices: Vec<usize>,
    values: Vec<f32>,
}

#[test]
fn pixel_values_are_those_of_transformers() {
    let cases: Vec<Case> = json("cases.json");
    assert!(cases.len() > 40);
    for case in cases {
        let context = format!("{} with {}", case.picture, case.config);
        let image = picture(&case.picture);
        let preprocessor = ImagePreprocessor::from_json(&case.config.to_string()).unwrap();
        let (values, grid) = match (preprocessor, case.frames) {
            (ImagePreprocessor::Patches(patches), None) => {
                let out = patches.preprocess(&image).unwrap();
                let grid = patches.grid(image.height(), image.width()).unwrap();
                assert_eq!(grid, out.grid_thw, "{context}");
                (out.pixel_values, grid)
            }
            (ImagePreprocessor::Patches(patches), Some(frames)) => {
                let (width, height) = image.dimensions();
                let frames: Vec<RgbImage> = (0..frames)
                    .map(|n| {
                        RgbImage::from_fn(width, height, |x, y| image[(x, (y + 3 * n) % height)])
                    })
                    .collect();
                let out = patches.preprocess_video(&frames).unwrap();
                let grid = patches.video_grid(frames.len(), height, width).unwrap();
                assert_eq!(grid, out.grid_thw, "{context}");
                (out.pixel_values, grid)
            }
            (ImagePreprocessor::Tiles(tiles), _) => {
                let out = tiles.preprocess(&image).unwrap();
                let layout = tiles.layout(image.height(), image.width()).unwrap();
                assert_eq!(
                    (layout.rows, layout.cols),
                    (out.rows, out.cols),
                    "{context}"
                );
                assert_eq!(layout.tiles(), out.tiles(), "{context}");
                assert!(out.pixel_attention_mask.iter().all(|&pixel| pixel));
                let grid = [out.tiles(), out.rows, out.cols];
                (out.pixel_values, grid)
            }
            (ImagePreprocessor::Clip(clip), _) => {
                let out = clip.preprocess(&image).unwrap();
                (out.pixel_values, [3, out.height, out.width])
            }
            (other, _) => panic!("{other:?}"),
        };
        assert_eq!(grid, case.grid, "{context}");
        assert_eq!(values.len(), case.len, "{context}");
        for (&index, &expected) in case.indices.iter().zip(&case.values) {
            let found = values[index];
            assert!(
                (found - expected).abs() <= 1e-5,
                "{context}: {found} at {index}, not {expected}"
            );
        }
        let sum: f64 = values.iter().map(|&value| f64::from(value)).sum();
        assert!(
            (sum - case.sum).abs() <= 1e-7 * case.len as f64,
            "{context}"
        );
        let bytes: Vec<u8> = values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect();
        assert_eq!(crc32fast::hash(&bytes), case.crc32, "{context}");
    }
}

#[test]
fn an_a4_page_costs_glm_what_is_published() {
    let glm = PatchPreprocessor::new(PatchConfig {
        max_pixels: 9_633_792,
        ..PatchConfig::glm4v()
    })
    .unwrap();
    let tokens = [60, 72, 80, 96, 120, 144].map(|dpi| {
        let pixels = |points: u32| points * dpi / 72;
        glm.tokens(pixels(842), pixels(595)).unwrap()
    });
    assert_eq!(tokens, [450, 630, 792, 1120, 1750, 2520]);
}

#[test]
fn an_a4_page_is_thirteen_tiles_for_smolvlm() {
    let smolvlm = TilePreprocessor::new(TileConfig::smolvlm()).unwrap();
    let layout = smolvlm.layout(842, 595).unwrap();
    assert_eq!(
        (layout.rows, layout.cols, layout.tokens(64)),
        (4, 3, 13 * 64)
    );
}

#[test]
fn padding_adds_tiles_that_are_masked() {
    let config = TileConfig {
        tile_size: 16,
        ..TileConfig::idefics3()
    };
    let tiles = TilePreprocessor::new(TileConfig {
        size: None,
        ..config
    })
    .unwrap();
    let mut out = tiles.preprocess(&picture("small")).unwrap();
    assert_eq!((out.tiles(), out.rows, out.cols), (1, 0, 0));
    out.pad_to(3);
    out.pad_to(2);
    assert_eq!(out.tiles(), 3);
    assert_eq!(out.pixel_values[3 * 256..], [0.0; 2 * 3 * 256]);
    assert!(out.pixel_attention_mask[..256].iter().all(|&pixel| pixel));
    assert!(!out.pixel_attention_mask[256..].iter().any(|&pixel| pixel));
}

#[test]
fn grey_pages_become_pictures() {
    let mut page = Page {
        number: 4,
        width: 2,
        height: 1,
        pixels: vec![7, 200],
        color: None,
        lines: Vec::new(),
        layout: None,
    };
    let image = page_to_rgb(&page).unwrap();
    assert_eq!(image.into_raw(), [7, 7, 7, 200, 200, 200]);
    let colors = [9, 7, 0, 255, 190, 180];
    page.color = Some(colors.to_vec());
    assert_eq!(page_to_rgb(&page).unwrap().into_raw(), colors);
    page.color = Some(vec![0; 9]);
    let found = page_to_rgb(&page).unwrap_err().to_string();
    assert_eq!(
        found,
        "page 4: expected 6 bytes of colour (2 x 1 pixels, three each), found 9"
    );
    page.pixels.push(1);
    let found = page_to_rgb(&page).unwrap_err().to_string();
    assert_eq!(found, "page 4: expected 2 grey pixels (2 x 1), found 3");
}

#[test]
fn pictures_without_pixels_are_refused() {
    let empty = RgbImage::new(0, 9);
    let patches = PatchPreprocessor::new(PatchConfig::qwen2_vl()).unwrap();
    let tiles = TilePreprocessor::new(TileConfig::smolvlm()).unwrap();
    let clip = ClipPreprocessor::new(ClipConfig::default()).unwrap();
    let expected = "expected a picture with pixels, found 0 x 9";
    assert_eq!(
        patches.preprocess(&empty).unwrap_err().to_string(),
        expected
    );
    assert_eq!(tiles.preprocess(&empty).unwrap_err().to_string(), expected);
    assert_eq!(clip.preprocess(&empty).unwrap_err().to_string(), expected);
}

#[test]
fn what_cannot_become_patches_is_refused() {
    let config = PatchConfig {
        do_resize: false,
        ..PatchConfig::qwen2_vl()
    };
    let raw = PatchPreprocessor::new(config).unwrap();
    let found = raw.preprocess(&picture("photo")).unwrap_err().to_string();
    assert!(
        found.ends_with("multiples of 28, because do_resize is false, found 97 x 61"),
        "{found}"
    );

    let qwen = PatchPreprocessor::new(PatchConfig::qwen2_vl_video()).unwrap();
    let frames = [picture("photo"), picture("small")];
    let found = qwen.preprocess_video(&frames).unwrap_err().to_string();
    assert_eq!(
        found,
        "frame 1: expected 97 x 61 as the first has, found 10 x 13"
    );
    let found = qwen.preprocess_video(&[]).unwrap_err().to_string();
    assert_eq!(found, "expected at least 1 frames, found 0");

    let clip = ClipPreprocessor::new(ClipConfig::default()).unwrap();
    let found = clip
        .preprocess(&RgbImage::new(1, 100_000))
        .unwrap_err()
        .to_string();
    assert!(found.contains("would become 224 x 22400000"), "{found}");
}

#[test]
fn configurations_that_cannot_be_used_say_where() {
    let error = |text: &str| ImagePreprocessor::from_json(text).unwrap_err().to_string();
    assert!(error("[").contains("preprocessor configuration: EOF"));
    assert!(error("[]").contains("preprocessor configuration: "));
    assert!(error("{}").contains("image_processor_type: expected"));
    assert!(error("{}").ends_with("found none"));
    let of = |name: &str, rest: &str| {
        error(&format!(
            r#"{{ "image_processor_type": "{name}ImageProcessor", {rest} }}"#
        ))
    };
    for (name, rest, expected) in [
        ("ViT", r#""size": 224"#, "found ViTImageProcessor"),
        (
            "Qwen2VL",
            r#""patch_size": 0"#,
            "patch_size: expected a number from 1 to 1024, found 0",
        ),
        (
            "Qwen2VL",
            r#""size": {"shortest_edge": 3136}"#,
            "a longest_edge above 0, found 3136 and 0",
        ),
        ("Qwen2VL", r#""image_std": [0, 0, 0]"#, "finite"),
        (
            "Glm4v",
            r#""size": "large""#,
            r#"shortest_edge or longest_edge, found "large""#,
        ),
        ("Glm4v", r#""resample": 0"#, "(bicubic), found 0"),
        (
            "Idefics3",
            r#""size": {"shortest_edge": 9}"#,
            "found ShortestEdge(9)",
        ),
        (
            "Idefics3",
            r#""max_image_size": {"longest_edge": 0}"#,
            "from 1 to 4096, found 0",
        ),
        (
            "Idefics3",
            r#""max_image_size": {}"#,
            "a longest_edge, found {}",
        ),
        (
            "CLIP",
            r#""size": {"longest_edge": 9}"#,
            "found LongestEdge(9)",
        ),
        ("CLIP", r#""crop_size": 0"#, "found 0 x 0"),
        (
            "CLIP",
            r#""crop_size": {"shortest_edge": 9}"#,
            "crop_size: expected height and width",
        ),
        (
            "CLIP",
            r#""image_mean": [0.5]"#,
            "preprocessor configuration: ",
        ),
    ] {
        let found = of(name, rest);
        assert!(found.contains(expected), "{name}, {rest}: {found}");
    }
}

#[test]
fn one_file_may_hold_both_processors() {
    let text = r#"{
        "image_processor": { "image_processor_type": "Glm4vImageProcessor" },
        "video_processor": { "video_processor_type": "Glm4vVideoProcessor" },
        "processor_class": "Glm4vProcessor"
    }"#;
    let limit = |preprocessor| match preprocessor {
        ImagePreprocessor::Patches(patches) => patches.config().max_pixels,
        other => panic!("{other:?}"),
    };
    assert_eq!(
        limit(ImagePreprocessor::from_json(text).unwrap()),
        11_760_000
    );
    assert_eq!(
        limit(ImagePreprocessor::video_from_json(text).unwrap()),
        47_040_000
    );
}
