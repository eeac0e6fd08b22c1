//! From a coarse scan to the crops that are worth encoding finely.

mod views;

use std::collections::BTreeMap;

pub use views::{JoinedViews, ViewSeparators, ViewToken, joined_tokens};

use glyph_render::BBox;
use serde::{Deserialize, Serialize};

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
/// rows that touch become one crop. Equal scores go to the earlier row, so that the same scores
/// give the same crops.
pub fn plan_crops(scores: &[RegionScore], budget: &CropBudget) -> Vec<Crop> {
    let mut by_position: BTreeMap<(u32, u32), &RegionScore> = BTreeMap::new();
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
        let first = center.row.saturating_sub(budget.context_rows);
        let last = center.row.saturating_add(budget.context_rows);
        let rows: Vec<_> = by_position
            .range((center.page, first)..=(center.page, last))
            .map(|(&k, s)| (k, s.score))
            .collect();
        let new = rows.iter().filter(|(k, _)| !chosen.contains_key(k)).count();
        if chosen.len() + new > max_rows {
            continue;
        }
        chosen.extend(rows);
    }

    let mut crops: Vec<Crop> = Vec::new();
    for (&(page, row), &score) in &chosen {
        let bbox = by_position[&(page, row)].bbox;
        match crops.last_mut() {
            // A blank row between paragraphs is not worth a second crop; it costs no token.
            Some(crop)
                if crop.page == page
                    && (row == crop.last_row + 1
                        || (row == crop.last_row + 2
                            && !by_position.contains_key(&(page, row - 1)))) =>
            {
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
}
