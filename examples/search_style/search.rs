//! The styles that are tried, and in which order.

use anyhow::Result;
use glyph_pipeline::TokenCounter;
use glyph_pipeline::render::{Document, FontSize, RenderConfig, Typesetter};

const DPI: [u32; 9] = [45, 54, 60, 72, 84, 96, 108, 120, 150];
const SIZES: [f32; 9] = [5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 11.0, 12.0, 14.0];
const LEADINGS: [f32; 5] = [0.0, 0.5, 1.0, 2.0, 3.0];
const WIDTHS: [f32; 5] = [0.75, 0.8, 0.85, 0.9, 1.0];

/// What is searched over.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Genes {
    /// Pixels an inch.
    pub(crate) dpi: u32,
    /// Font size in points.
    pub(crate) size: f32,
    /// Points between lines beyond the font size.
    pub(crate) leading: f32,
    /// Horizontal scale.
    pub(crate) width: f32,
}

impl Genes {
    /// Indices into the four lists.
    fn at([dpi, size, leading, width]: [usize; 4]) -> Self {
        Self {
            dpi: DPI[dpi],
            size: SIZES[size],
            leading: LEADINGS[leading],
            width: WIDTHS[width],
        }
    }

    /// The keys of a rendering configuration.
    pub(crate) fn to_json(self) -> String {
        format!(
            "{{\n  \"preset\": \"glyph-en\",\n  \"dpi\": {},\n  \"font-size\": {},\n  \
             \"line-height\": {},\n  \"horizontal-scale\": {}\n}}\n",
            self.dpi,
            self.size,
            self.size + self.leading,
            self.width
        )
    }
}

const LENGTHS: [usize; 4] = [DPI.len(), SIZES.len(), LEADINGS.len(), WIDTHS.len()];

/// A style and what the text costs in it.
#[derive(Debug, Clone)]
pub(crate) struct Trial {
    pub(crate) genes: Genes,
    pub(crate) config: RenderConfig,
    /// Vision tokens of 28 x 28 px.
    pub(crate) tokens: usize,
    /// Text tokens for each.
    pub(crate) ratio: f64,
}

/// A style that was judged.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    pub(crate) trial: Trial,
    pub(crate) accuracy: f64,
}

type Evaluate<'e> = dyn FnMut(&Trial) -> Result<f64> + 'e;

/// Vision tokens of a text's pages, whole or cropped.
pub(crate) fn measure(config: &RenderConfig, text: &str) -> Result<usize> {
    let side = |px: u32| ((px as f32 / 28.0).round_ties_even() as usize).max(1);
    let typesetter = Typesetter::new(config.clone())?;
    let document = Document::from_text(text);
    let mut tokens = 0;
    for page in typesetter.pages(&document) {
        let page = page?;
        tokens += side(page.width) * side(page.height);
    }
    Ok(tokens)
}

/// The styles within the budget.
pub(crate) struct Space<'t> {
    base: RenderConfig,
    text: &'t str,
    text_tokens: usize,
    budget: usize,
    least: usize,
}

impl<'t> Space<'t> {
    pub(crate) fn new(base: RenderConfig, text: &'t str, budget: Option<usize>) -> Result<Self> {
        let text_tokens = TokenCounter.count(text);
        Ok(Self {
            base,
            text,
            text_tokens,
            budget: budget.unwrap_or(usize::MAX),
            least: usize::MAX,
        })
    }

    pub(crate) fn text_tokens(&self) -> usize {
        self.text_tokens
    }

    /// Tokens of the densest style that was looked at.
    pub(crate) fn least_tokens(&self) -> usize {
        self.least
    }

    /// The style that these genes make; `None` where it can't be drawn or costs too much.
    fn trial(&mut self, genes: Genes) -> Result<Option<Trial>> {
        let mut config = self.base.clone();
        config.invertible = false;
        let Some(style) = config.flow_mut() else {
            return Ok(None);
        };
        style.dpi = genes.dpi as f32;
        style.font_size = FontSize::Points(genes.size);
        style.line_height = genes.size + genes.leading;
        style.horizontal_scale = genes.width;
        if style.page_pixels().is_err() {
            return Ok(None);
        }
        let tokens = measure(&config, self.text)?;
        self.least = self.least.min(tokens);
        Ok((tokens <= self.budget).then_some(Trial {
            genes,
            config,
            tokens,
            ratio: self.text_tokens as f64 / tokens.max(1) as f64,
        }))
    }
}

/// Tries every other value of each list.
pub(crate) fn grid(space: &mut Space<'_>, evaluate: &mut Evaluate<'_>) -> Result<Vec<Found>> {
    let mut found = Vec::new();
    for dpi in (1..LENGTHS[0]).step_by(2) {
        for size in (0..LENGTHS[1]).step_by(2) {
            for leading in (0..LENGTHS[2]).step_by(2) {
                for width in (0..LENGTHS[3]).step_by(2) {
                    let genes = Genes::at([dpi, size, leading, width]);
                    if let Some(trial) = space.trial(genes)? {
                        let accuracy = evaluate(&trial)?;
                        found.push(Found { trial, accuracy });
                    }
                }
            }
        }
    }
    Ok(found)
}

/// Styles alive in a generation.
const POPULATION: usize = 24;

/// NSGA-II (Deb et al. 2002): parents win tournaments by rank, then by how alone they are on
/// their front; genes are crossed and now and then moved to a neighbouring value.
pub(crate) fn evolve(
    space: &mut Space<'_>,
    trials: usize,
    seed: u64,
    evaluate: &mut Evaluate<'_>,
) -> Result<Vec<Found>> {
    let mut random = Random::new(seed);
    let mut seen: Vec<[usize; 4]> = Vec::new();
    let mut found: Vec<(Found, [usize; 4])> = Vec::new();
    let mut alive: Vec<usize> = Vec::new();
    // Styles that don't fit count for less: they need no judge.
    let mut left = trials * 4;
    while found.len() < trials && left > 0 {
        left -= 1;
        let genes = if alive.len() < POPULATION {
            LENGTHS.map(|length| random.below(length))
        } else {
            let [a, b] = [0, 1].map(|_| {
                let pick = |random: &mut Random| alive[random.below(alive.len())];
                let (one, two) = (pick(&mut random), pick(&mut random));
                // `alive` is sorted by rank and crowding.
                let place = |i: usize| alive.iter().position(|j| *j == i);
                if place(one) <= place(two) { one } else { two }
            });
            let mut child = found[a].1;
            for (i, gene) in child.iter_mut().enumerate() {
                if random.below(2) == 0 {
                    *gene = found[b].1[i];
                }
                if random.below(3) == 0 {
                    let up = random.below(2) == 0;
                    *gene = match up {
                        true => (*gene + 1).min(LENGTHS[i] - 1),
                        false => gene.saturating_sub(1),
                    };
                }
            }
            child
        };
        if seen.contains(&genes) {
            continue;
        }
        seen.push(genes);
        if let Some(trial) = space.trial(Genes::at(genes))? {
            let accuracy = evaluate(&trial)?;
            found.push((Found { trial, accuracy }, genes));
            alive.push(found.len() - 1);
            if alive.len() > 2 * POPULATION {
                alive = survivors(&found, alive);
            }
        }
    }
    Ok(found.into_iter().map(|(found, _)| found).collect())
}

/// The best by rank and crowding, best first.
fn survivors(found: &[(Found, [usize; 4])], alive: Vec<usize>) -> Vec<usize> {
    let mut rest = alive;
    let mut sorted: Vec<usize> = Vec::new();
    while !rest.is_empty() && sorted.len() < POPULATION {
        let (mut front, others): (Vec<usize>, Vec<usize>) = rest
            .iter()
            .copied()
            .partition(|&i| !(rest.iter()).any(|&j| dominates(&found[j].0, &found[i].0)));
        front.sort_by(|&a, &b| found[a].0.trial.ratio.total_cmp(&found[b].0.trial.ratio));
        let alone: Vec<f64> = (0..front.len())
            .map(|i| {
                let neighbours = i.checked_sub(1).zip(front.get(i + 1));
                neighbours.map_or(f64::INFINITY, |(before, after)| {
                    let (before, after) = (&found[front[before]].0, &found[*after].0);
                    after.trial.ratio - before.trial.ratio + before.accuracy - after.accuracy
                })
            })
            .collect();
        let mut order: Vec<usize> = (0..front.len()).collect();
        order.sort_by(|&a, &b| alone[b].total_cmp(&alone[a]));
        sorted.extend(order.into_iter().map(|i| front[i]));
        rest = others;
    }
    sorted.truncate(POPULATION);
    sorted
}

/// At least as good in both, and better in one.
fn dominates(a: &Found, b: &Found) -> bool {
    a.accuracy >= b.accuracy
        && a.trial.ratio >= b.trial.ratio
        && (a.accuracy > b.accuracy || a.trial.ratio > b.trial.ratio)
}

/// What no other style beats, the most accurate first.
pub(crate) fn front(found: &[Found]) -> Vec<Found> {
    let mut front: Vec<Found> = found
        .iter()
        .filter(|one| !found.iter().any(|other| dominates(other, one)))
        .cloned()
        .collect();
    front.sort_by(|a, b| b.accuracy.total_cmp(&a.accuracy));
    front.dedup_by(|a, b| a.accuracy == b.accuracy && a.trial.ratio == b.trial.ratio);
    front
}

/// SplitMix64.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    /// About normal: the sum of twelve uniform numbers.
    pub(crate) fn normal(&mut self) -> f32 {
        let sum: f32 = (0..3)
            .flat_map(|_| {
                let word = self.next();
                [0, 16, 32, 48].map(|shift| (word >> shift & 0xFFFF) as f32 / 65_536.0)
            })
            .sum();
        sum - 6.0
    }
}
