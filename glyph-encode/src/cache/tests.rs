use super::*;

#[test]
fn a_folder_stays_within_its_bound_while_it_is_used() {
    let dir = tempfile::tempdir().expect("a folder");
    let cache = FeatureCache::open(dir.path(), 10_000).expect("a cache");
    let size = || -> u64 {
        let entries = fs::read_dir(dir.path()).expect("the folder").flatten();
        entries
            .map(|entry| entry.metadata().expect("a file").len())
            .sum()
    };
    for i in 0..100 {
        let key = format!("{i:040x}");
        cache.store(&key, &[i; 500]).expect("room");
        assert_eq!(cache.load(&key).as_deref(), Some(&[i; 500][..]));
        assert!(size() < 12_000, "{} after {i}", size());
    }
}

#[test]
fn files_of_others_stay() {
    let dir = tempfile::tempdir().expect("a folder");
    let old = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1000);
    let names = [
        "notes.features",
        "features",
        &format!("{:039x}.features", 1),
        &format!("{:040X}.features", 0xabc),
        ".new-report",
        ".new-ideas.for.a.book",
    ];
    for name in names {
        let file = fs::File::create(dir.path().join(name)).expect("a file");
        file.set_len(4000).expect("room");
        file.set_modified(old).expect("a time");
    }
    let folder = dir.path().join(format!("{:040x}.features", 2));
    fs::create_dir(&folder).expect("a folder");
    let unfinished = dir.path().join(".new-a1B2c3D4e5");
    let file = fs::File::create(&unfinished).expect("a file");
    file.set_modified(old).expect("a time");
    drop(file);

    let cache = FeatureCache::open(dir.path(), 1500).expect("a cache");
    for i in 10..30 {
        cache.store(&format!("{i:040x}"), &[i; 500]).expect("room");
    }
    drop(cache);
    for name in names {
        assert!(dir.path().join(name).is_file(), "{name} is gone");
    }
    assert!(folder.is_dir() && !unfinished.exists());
    let own = fs::read_dir(dir.path()).expect("the folder").flatten();
    let own = own.filter(|e| e.metadata().is_ok_and(|m| m.is_file() && m.len() == 532));
    // Nine tenths of the bound hold two entries of 532 bytes.
    assert!((1..=2).contains(&own.count()));
}

#[test]
fn what_is_no_key_is_no_path() {
    let dir = tempfile::tempdir().expect("a folder");
    let cache = FeatureCache::open(dir.path(), 10_000).expect("a cache");
    for key in ["", "../../elsewhere", "00"] {
        assert_eq!(cache.load(key), None);
        let e = cache.store(key, b"features").expect_err("no key");
        assert_eq!(e.kind(), io::ErrorKind::InvalidInput);
    }
    assert_eq!(fs::read_dir(dir.path()).expect("the folder").count(), 0);
}

/// One token of two numbers: the first pixel, and the first byte of colour.
#[derive(Debug)]
struct Fixed {
    scale: f32,
    positions: usize,
}

impl VisionEncoder for Fixed {
    fn encode(&self, input: EncoderInput<'_>) -> Result<VisionTokens, EncodeError> {
        let page = input.page;
        let color = page.color.as_ref().map_or(0, |c| c[0]);
        let values = [page.pixels[0], color].map(|v| f32::from(v) * self.scale);
        let position = TokenPosition {
            page: page.number,
            row: 1,
            column: 0,
            detail: input.detail,
            merge_size: 4,
            foreign: false,
            bbox: glyph_render::BBox {
                x: 0,
                y: 0,
                width: 1,
                height: 1,
            },
        };
        Ok(VisionTokens {
            features: Tensor::from_data([values], &Device::default()),
            positions: vec![position; self.positions],
        })
    }

    fn token_grid(&self, _: u32, _: u32, _: Detail) -> TokenGrid {
        TokenGrid {
            rows: 1,
            columns: 1,
        }
    }

    fn hidden_size(&self) -> usize {
        2
    }

    fn fingerprint(&self) -> String {
        "fixed".to_owned()
    }
}

fn page(color: Option<Vec<u8>>) -> glyph_render::Page {
    glyph_render::Page {
        number: 1,
        width: 1,
        height: 1,
        pixels: vec![100],
        color,
        lines: Vec::new(),
        layout: None,
    }
}

fn cached(dir: &Path, scale: f32, positions: usize) -> CachedEncoder<Fixed> {
    let cache = FeatureCache::open(dir, 10_000).expect("a cache");
    CachedEncoder::new(Fixed { scale, positions }, cache, &Device::default())
}

fn features(encoder: &CachedEncoder<Fixed>, color: Option<Vec<u8>>) -> Vec<f32> {
    let page = page(color);
    let tokens = encoder.encode(EncoderInput::page(&page, Detail::Local));
    let data = tokens.expect("one token").features.into_data();
    data.try_to_vec().expect("f32")
}

#[test]
fn pages_that_differ_in_colour_alone_are_two() {
    let dir = tempfile::tempdir().expect("a folder");
    let encoder = cached(dir.path(), 1.0, 1);
    for _ in 0..2 {
        assert_eq!(features(&encoder, None), [100.0, 0.0]);
        assert_eq!(features(&encoder, Some(vec![7, 8, 9])), [100.0, 7.0]);
        assert_eq!(features(&encoder, Some(vec![9, 8, 7])), [100.0, 9.0]);
    }
    assert_eq!(fs::read_dir(dir.path()).expect("the folder").count(), 3);
}

#[test]
fn what_cannot_be_kept_is_not() {
    let dir = tempfile::tempdir().expect("a folder");
    let entries = || fs::read_dir(dir.path()).expect("the folder").count();
    // 100,000 is infinite in half precision.
    let large = cached(dir.path(), 1000.0, 1);
    for _ in 0..2 {
        assert_eq!(features(&large, None), [100_000.0, 0.0]);
    }
    let odd = cached(dir.path(), 1.0, 2);
    let page = page(None);
    let e = odd.encode(EncoderInput::page(&page, Detail::Local));
    assert_eq!(
        e.expect_err("two positions for one row").to_string(),
        "features of the encoder's tokens: expected [2, 2], a row for each position, found [1, 2]"
    );
    assert_eq!(entries(), 0);
}
