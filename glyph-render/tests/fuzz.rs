//! Replays the corpus of the fuzz targets, and mutations of it, without a fuzzer.
#![cfg(all(feature = "pdf", feature = "docx"))]
#![allow(clippy::unwrap_used)]

#[path = "fuzz/targets.rs"]
mod targets;

use std::path::Path;

/// Mutations of each file; `fuzz/run.sh` tries many more.
const MUTATIONS: u32 = 40;

#[test]
fn the_corpus_and_its_mutations_do_no_harm() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus");
    let mutations = match std::env::var("GLYPH_MUTATIONS") {
        Ok(count) => count.parse().unwrap(),
        Err(_) => MUTATIONS,
    };
    for (name, target) in targets::TARGETS {
        let mut files: Vec<_> = std::fs::read_dir(corpus.join(name))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        files.sort();
        assert!(!files.is_empty(), "{name}");
        for file in files {
            let bytes = std::fs::read(&file).unwrap();
            target(&bytes);
            let mut random = Random(0x9E37_79B9 ^ bytes.len() as u64);
            for _ in 0..mutations {
                target(&mutate(&bytes, &mut random));
            }
        }
    }
}

/// Flips, overwrites, cuts and repeats at random places.
fn mutate(bytes: &[u8], random: &mut Random) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for _ in 0..1 + random.below(6) {
        if bytes.is_empty() {
            break;
        }
        let at = random.below(bytes.len());
        match random.below(6) {
            0 => bytes[at] ^= 1 << random.below(8),
            1 => bytes[at] = random.below(256) as u8,
            2 => bytes[at] = [0, 0xFF, 0x7F, 0x80][random.below(4)],
            3 => bytes.truncate(at),
            4 => drop(bytes.drain(at..(at + 1 + random.below(16)).min(bytes.len()))),
            _ => {
                let end = (at + 1 + random.below(64)).min(bytes.len());
                let part = bytes[at..end].to_vec();
                let place = random.below(bytes.len());
                bytes.splice(place..place, part);
            }
        }
    }
    bytes
}

/// A 64-bit xorshift generator (Marsaglia, 2003).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit.max(1) as u64) as usize
    }
}
