//! From a coarse scan to the crops that are worth encoding finely.

mod views;

use std::collections::BTreeMap;

pub use views::{JoinedViews, ViewSeparators, ViewToken, joined_tokens};

use glyph_render::BBox;
use serde::{Deserialize, Serialize};

use crate::encoder::takes;

/// How much a row of text matters to the task.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RegionScore {
    /// Page number, from 1.
    pub page: u32,
    /// Row of text on the page, from 1.
    pub row: u32,
    /// The row's pixels.
    pub bbox: BBox,
    /// Higher matters more; zero and below is never cropped.
    pub score: f32,
}

/// A part of a page to encode finely: whole rows of text.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Crop {
    /// Page number, from 1.
    pub page: u32,
    /// First row of text, from 1.
    pub first_row: u32,
    /// Last row of text.
    pub last_row: u32,
    /// The pixels.
    pub bbox: BBox,
    /// The highest score of its rows.
    pub score: f32,
}

/// How much may be encoded finely.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct CropBudget {
    /// Vision tokens that the crops may cost together.
    pub max_vision_tokens: usize,
    /// Vision tokens that one row of text costs.
    pub tokens_per_row: usize,
    /// Rows taken along above and below each chosen row.
    pub context_rows: u32,
}

impl CropBudget {
    /// Every row that scores above zero, and no other.
    pub const UNLIMITED: Self = Self {
        max_vision_tokens: usize::MAX,
        tokens_per_row: 1,
        context_rows: 0,
    };
}

/// Chooses crops: rows by falling score, each with its neighbours, as long as the budget lasts;
/// rows that follow one another become one crop. Equal scores go to the earlier row, so that the
/// same scores give the same crops.
///
/// Where a row and its neighbours have no room, the row goes before them and the nearer ones before
/// the farther. A column's end parts neighbours, and no crop's box takes in a row that the crop does
/// not have ([`EncoderInput::takes`]): what is encoded is what was chosen.
///
/// [`EncoderInput::takes`]: crate::EncoderInput::takes
pub fn plan_crops(scores: &[RegionScore], budget: &CropBudget) -> Vec<Crop> {
    let mut by_position: Rows<'_> = BTreeMap::new();
    for score in scores {
        by_position.insert((score.page, score.row), score);
    }
    let mut order: Vec<&RegionScore> = by_position
        .values()
        .copied()
        .filter(|s| s.score > 0.0)
        .collect();
    order.sort_by(|a, b| {
        b.score
            .total_cmp(&a.score)
            .then((a.page, a.row).cmp(&(b.page, b.row)))
    });

    let max_rows = budget.max_vision_tokens / budget.tokens_per_row.max(1);
    let mut chosen: BTreeMap<(u32, u32), f32> = BTreeMap::new();
    for center in order {
        for row in std::iter::once(center).chain(context(&by_position, center, budget.context_rows))
        {
            if chosen.len() < max_rows {
                chosen.insert((row.page, row.row), row.score);
            }
        }
        if chosen.len() >= max_rows {
            break;
        }
    }

    let mut crops: Vec<Crop> = Vec::new();
    for (&(page, row), &score) in &chosen {
        let bbox = by_position[&(page, row)].bbox;
        match crops.last_mut() {
            Some(crop) if goes_on(&by_position, crop, (page, row), bbox) => {
                crop.last_row = row;
                crop.bbox = crop.bbox.union(bbox);
                crop.score = crop.score.max(score);
            }
            _ => crops.push(Crop {
                page,
                first_row: row,
                last_row: row,
                bbox,
                score,
            }),
        }
    }
    crops
}

/// Rows by page and number.
type Rows<'a> = BTreeMap<(u32, u32), &'a RegionScore>;

/// The neighbours of a row, the nearest first, and of two as near the one that scores higher. Where
/// the text goes back up, a column ends, and with it what is near.
fn context<'a>(rows: &Rows<'a>, center: &RegionScore, most: u32) -> Vec<&'a RegionScore> {
    let page = center.page;
    // By distance, upwards and downwards; a blank row has no entry, but is a step.
    let (mut above, mut below) = (Some(center.bbox), Some(center.bbox));
    let mut out = Vec::new();
    for step in 1..=most {
        let step_of = |edge: &mut Option<BBox>, number: Option<u32>, upwards: bool| {
            let row = number.and_then(|number| rows.get(&(page, number)).copied())?;
            let (upper, lower) = match upwards {
                true => (row.bbox, (*edge)?),
                false => ((*edge)?, row.bbox),
            };
            *edge = (!goes_up(upper, lower)).then_some(row.bbox);
            edge.map(|_| row)
        };
        let up = step_of(&mut above, center.row.checked_sub(step), true);
        let down = step_of(&mut below, center.row.checked_add(step), false);
        match (up, down) {
            (Some(up), Some(down)) if down.score > up.score => out.extend([down, up]),
            _ => out.extend(up.into_iter().chain(down)),
        }
        if above.is_none() && below.is_none() {
            break;
        }
    }
    out
}

/// Whether a row that is read after another one lies above it: in the next column.
fn goes_up(first: BBox, next: BBox) -> bool {
    next.y.saturating_add(next.height) <= first.y
}

/// Whether a row goes on with a crop, and their common box takes in no row besides.
fn goes_on(rows: &Rows<'_>, crop: &Crop, (page, row): (u32, u32), bbox: BBox) -> bool {
    // A blank row between paragraphs is not worth a second crop; it costs no token.
    let next = row == crop.last_row + 1
        || (row == crop.last_row + 2 && !rows.contains_key(&(page, row - 1)));
    if crop.page != page || !next {
        return false;
    }
    let both = crop.bbox.union(bbox);
    rows.range((page, 0)..=(page, u32::MAX))
        .all(|(&(_, other), s)| (crop.first_row..=row).contains(&other) || !takes(both, s.bbox))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(page: u32, row: u32, score: f32) -> RegionScore {
        RegionScore {
            page,
            row,
            score,
            bbox: BBox {
                x: 14,
                y: row * 14,
                width: 672,
                height: 14,
            },
        }
    }

    #[test]
    fn neighbours_merge_and_the_budget_holds() {
        let scores: Vec<_> = (1..=40)
            .map(|r| {
                row(
                    1,
                    r,
                    if r == 10 || r == 12 {
                        2.0
                    } else if r == 30 {
                        1.0
                    } else {
                        0.1
                    },
                )
            })
            .collect();
        let budget = CropBudget {
            max_vision_tokens: 96,
            tokens_per_row: 12,
            context_rows: 1,
        };
        let crops = plan_crops(&scores, &budget);
        assert_eq!(crops.len(), 2);
        assert_eq!((crops[0].first_row, crops[0].last_row), (9, 13));
        assert_eq!((crops[1].first_row, crops[1].last_row), (29, 31));
        assert_eq!(
            crops[0].bbox,
            BBox {
                x: 14,
                y: 126,
                width: 672,
                height: 70
            }
        );
    }

    #[test]
    fn rows_that_were_not_chosen_are_not_encoded() {
        // Every second row matters; row 5 is blank.
        let scores: Vec<_> = (1..=9)
            .filter(|r| *r != 5)
            .map(|r| row(1, r, if r % 2 == 0 { 1.0 } else { 0.0 }))
            .collect();
        let budget = CropBudget {
            max_vision_tokens: 48,
            tokens_per_row: 12,
            context_rows: 0,
        };
        let crops = plan_crops(&scores, &budget);
        let rows: Vec<_> = crops.iter().map(|c| (c.first_row, c.last_row)).collect();
        assert_eq!(rows, [(2, 2), (4, 6), (8, 8)]);
    }

    #[test]
    fn nothing_relevant_gives_no_crop() {
        let budget = CropBudget {
            max_vision_tokens: 1000,
            tokens_per_row: 12,
            context_rows: 1,
        };
        assert!(plan_crops(&[row(1, 1, 0.0), row(2, 1, -1.0)], &budget).is_empty());
    }

    #[test]
    fn crops_do_not_cross_pages() {
        let budget = CropBudget {
            max_vision_tokens: 1000,
            tokens_per_row: 12,
            context_rows: 2,
        };
        let crops = plan_crops(&[row(1, 69, 1.0), row(2, 1, 1.0)], &budget);
        assert_eq!(crops.iter().map(|c| c.page).collect::<Vec<_>>(), [1, 2]);
    }

    /// Two columns of `rows` rows each, numbered down the first and then down the second; those of
    /// `wanted` score.
    fn two_columns(rows: u32, wanted: &[u32]) -> Vec<RegionScore> {
        (1..=2 * rows)
            .map(|number| {
                let (column, y) = ((number - 1) / rows, (number - 1) % rows);
                RegionScore {
                    page: 1,
                    row: number,
                    score: f32::from(u8::from(wanted.contains(&number))),
                    bbox: BBox {
                        x: 40 + column * 340,
                        y: 40 + y * 16,
                        width: 300,
                        height: 12,
                    },
                }
            })
            .collect()
    }

    #[test]
    fn a_crop_ends_where_its_column_does() {
        let scores = two_columns(48, &[48, 49]);
        let budget = CropBudget {
            max_vision_tokens: 1000,
            tokens_per_row: 12,
            context_rows: 1,
        };
        let crops = plan_crops(&scores, &budget);
        let rows: Vec<_> = crops.iter().map(|c| (c.first_row, c.last_row)).collect();
        assert_eq!(rows, [(47, 48), (49, 50)]);
        // Each box takes in its own rows and no other.
        for crop in &crops {
            let taken: Vec<u32> = scores
                .iter()
                .filter(|s| takes(crop.bbox, s.bbox))
                .map(|s| s.row)
                .collect();
            assert_eq!(taken, [crop.first_row, crop.last_row]);
        }
        // The neighbour that lies in the other column is none.
        let crops = plan_crops(&two_columns(48, &[49]), &budget);
        assert_eq!((crops[0].first_row, crops[0].last_row), (49, 50));
    }

    #[test]
    fn a_crop_takes_in_no_row_beside_it() {
        // A title across the page, then two columns: the title's box is as wide as both.
        let mut scores = two_columns(3, &[]);
        for s in &mut scores {
            s.row += 1;
            s.bbox.y += 30;
            s.score = f32::from(u8::from(s.row <= 3));
        }
        scores.push(RegionScore {
            page: 1,
            row: 1,
            score: 1.0,
            bbox: BBox {
                x: 40,
                y: 40,
                width: 640,
                height: 20,
            },
        });
        let crops = plan_crops(&scores, &CropBudget::UNLIMITED);
        let rows: Vec<_> = crops.iter().map(|c| (c.first_row, c.last_row)).collect();
        assert_eq!(rows, [(1, 1), (2, 3)]);
    }

    #[test]
    fn the_best_row_is_read_before_its_neighbours() {
        let scores: Vec<_> = (1..=9)
            .map(|r| row(1, r, [0.1, 3.0][usize::from(r == 5)] + r as f32 / 100.0))
            .collect();
        let rows = |max_vision_tokens: usize| -> Vec<(u32, u32)> {
            let budget = CropBudget {
                max_vision_tokens,
                tokens_per_row: 12,
                context_rows: 2,
            };
            let crops = plan_crops(&scores, &budget);
            crops.iter().map(|c| (c.first_row, c.last_row)).collect()
        };
        assert_eq!(rows(11), []);
        assert_eq!(rows(12), [(5, 5)]);
        // Of two as near, the one that scores higher.
        assert_eq!(rows(24), [(5, 6)]);
        assert_eq!(rows(36), [(4, 6)]);
        assert_eq!(rows(48), [(4, 7)]);
        assert_eq!(rows(60), [(3, 7)]);
    }

    /// A page in another style, known by its pixels alone.
    #[cfg(feature = "builtin-weights")]
    fn drawn(json: &str) -> glyph_render::Page {
        use glyph_render::{Document, RenderConfig, Typesetter};
        let config = RenderConfig::from_json(json).expect("a valid configuration");
        let typesetter = Typesetter::new(config).expect("the embedded fonts");
        let text = "The keeper climbed the stairs twice a night to wind the clockwork that turned \
                    the lamp. In winter the wind shook the tower, and sea water ran down the glass. ";
        let document = Document::from_text(&text.repeat(40));
        let page = typesetter.pages(&document).next().expect("a page");
        let mut page = page.expect("text can be drawn");
        page.lines.clear();
        page.layout = None;
        page
    }

    #[cfg(feature = "builtin-weights")]
    #[test]
    fn crops_cost_what_was_planned_on_pages_in_other_styles() {
        use crate::{BuiltinEncoder, Detail, EncoderInput, VisionEncoder, text_rows};
        let encoder = BuiltinEncoder::new(&Default::default()).expect("the weights fit");
        let styles = [
            r#"{"dpi": 96, "page-size": "420,300", "columns": 2, "column-gap": 24, "font-size": 8, "line-height": 11}"#,
            // Lines too long for one row: two rows lie side by side.
            r#"{"dpi": 96, "page-size": "900,120", "font-size": 9, "line-height": 12}"#,
        ];
        for json in styles {
            let page = drawn(json);
            let boxes: Vec<BBox> = text_rows(&page).iter().map(|r| r.bbox).collect();
            let below = |a: &BBox, b: &BBox| b.y > a.y && b.x < a.x + a.width;
            let jump = (boxes.windows(2))
                .position(|pair| !below(&pair[0], &pair[1]))
                .expect("a column ends, or a line goes on");
            for context_rows in [0, 1, 3] {
                let scores: Vec<RegionScore> = (0..boxes.len())
                    .map(|i| RegionScore {
                        page: 1,
                        row: i as u32 + 1,
                        bbox: boxes[i],
                        score: f32::from(u8::from(i == jump || i == jump + 1)),
                    })
                    .collect();
                let budget = CropBudget {
                    max_vision_tokens: 60,
                    tokens_per_row: encoder.token_grid(1, u32::MAX, Detail::Local).tokens(),
                    context_rows,
                };
                let crops = plan_crops(&scores, &budget);
                let (mut tokens, mut rows) = (0, Vec::new());
                for crop in &crops {
                    let input = EncoderInput {
                        page: &page,
                        region: Some(crop.bbox),
                        detail: Detail::Local,
                    };
                    let encoded = encoder.encode(input).expect("the pixels fit the page");
                    tokens += encoded.len();
                    let own = encoded.positions.iter().map(|p| p.row);
                    let from = rows.len();
                    rows.extend(own);
                    rows[from..].sort_unstable();
                }
                rows.dedup();
                assert!(tokens <= 60, "{tokens} tokens, {json}, {crops:?}");
                let planned: Vec<u32> = crops
                    .iter()
                    .flat_map(|c| c.first_row..=c.last_row)
                    .collect();
                assert_eq!(rows, planned, "{json}");
                assert!(planned.contains(&(jump as u32 + 1)) && planned.len() >= 2);
            }
        }
    }
}
