use glyph_render::{BlockKind, Page, RenderConfig, Renderer, Typesetter};
use proptest::prelude::*;

use crate::{document, text};

/// Text of the kinds that break lines in different ways.
fn any_text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => "[a-z]{1,12}[ ,.-]{0,2}",
        2 => "[字文本。，“”（）—…]{1,30}",
        1 => "[\t\r\n \u{3000}\u{a0}\u{200b}]{1,4}",
        1 => "[a-zA-Z0-9/_=]{80,220}",
        1 => "[😀\u{301}\u{200d}한שا]{1,4}",
        1 => any::<String>(),
    ];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

fn any_kind() -> impl Strategy<Value = BlockKind> {
    prop_oneof![
        Just(BlockKind::Heading(2)),
        Just(BlockKind::Paragraph),
        Just(BlockKind::ListItem),
        Just(BlockKind::TableRow),
        Just(BlockKind::Preformatted),
    ]
}

/// The ranges of each block's lines must follow one another, without gap or
/// overlap, on character boundaries.
fn check_ranges(blocks: &[(BlockKind, String)], pages: &[Page]) {
    let mut at = vec![0; blocks.len()];
    let mut last = 0;
    for line in pages.iter().flat_map(|page| &page.lines) {
        assert!(line.source_block >= last);
        last = line.source_block;
        assert_eq!(line.source.start, at[last]);
        assert!(blocks[last].1.get(line.source.clone()).is_some());
        at[last] = line.source.end;
    }
    for (at, (_, text)) in at.iter().zip(blocks) {
        assert_eq!(*at, text.len());
    }
}

fn check_boxes(pages: &[Page]) {
    for page in pages {
        assert_eq!(page.pixels.len(), (page.width * page.height) as usize);
        for pair in page.lines.windows(2) {
            assert!(pair[0].bbox.y + pair[0].bbox.height <= pair[1].bbox.y);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn cells_draw_every_character_once(
        blocks in prop::collection::vec((any_kind(), any_text()), 1..5)
    ) {
        let typesetter = Typesetter::new(RenderConfig::builtin()).unwrap();
        let doc = document(blocks.iter().map(|(kind, s)| text(*kind, s)).collect());
        let pages = typesetter.render(&doc).unwrap();
        check_ranges(&blocks, &pages);
        check_boxes(&pages);
        // The last half-cell is used only where the next line goes on at once.
        let lines: Vec<_> = pages.iter().flat_map(|page| &page.lines).collect();
        for pair in lines.windows(2) {
            let (line, next) = (pair[0], pair[1]);
            assert!(line.bbox.width <= 96 * 7);
            if line.bbox.width == 96 * 7 && next.source_block == line.source_block {
                let drawn = &blocks[line.source_block].1[line.source.clone()];
                assert!(!drawn.ends_with(char::is_whitespace), "{drawn:?}");
            }
        }
    }

    #[test]
    fn flow_draws_every_character_once(
        blocks in prop::collection::vec((any_kind(), any_text()), 1..4),
        marks in any::<bool>(),
        width in 60..400u32,
        alignment in prop_oneof![Just("LEFT"), Just("RIGHT"), Just("CENTER"), Just("JUSTIFY")],
    ) {
        let markup = if marks { "\\\\n" } else { "<br/>" };
        let json = format!(
            r#"{{"page-size": "{width},100", "alignment": "{alignment}", "auto-crop-width": true,
                "first-line-indent": 7, "newline-markup": "{markup}"}}"#
        );
        let typesetter = Typesetter::new(RenderConfig::from_json(&json).unwrap()).unwrap();
        let doc = document(blocks.iter().map(|(kind, s)| text(*kind, s)).collect());
        let pages = typesetter.render(&doc).unwrap();
        check_ranges(&blocks, &pages);
        check_boxes(&pages);
    }
}
