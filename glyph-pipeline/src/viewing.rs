//! Tasks that a vision-language model does with what pages show.

use std::ops::ControlFlow;
use std::time::Instant;

use glyph_decode::FinishReason;
use glyph_encode::preprocess::page_to_rgb;
use glyph_encode::{Crop, CropBudget, RegionScore, plan_crops};
use glyph_render::{Block, Document, Page, Renderer};
use image::{Rgb, RgbImage, imageops};

mod costs;
#[cfg(feature = "json-schema")]
mod extract;
mod summarize;

use costs::Costs;

use crate::page_writer::{PageView, PageWriter, ViewRequest, WrittenFromPages};
use crate::pipeline::{finish, region_scores};
use crate::scorer::RegionScorer;
use crate::tasks::{self, Answer, Evidence, ReadLine, Writing};
use crate::writing::name_of;
use crate::{
    Draft, Pipeline, PipelineError, Progress, Reply, Scan, Stage, StageSeconds, TokenAccount,
    TokenCounter,
};

/// Tokens that an answer may have. Models that think aloud need most of them for that.
const ANSWER_TOKENS: usize = 2048;
/// Sides of crops are padded to a multiple of this, so that preprocessors of 28 px tokens leave
/// the letters' size alone.
const CROP_GRAIN: u32 = 28;

/// Pages that are scored at once.
const PAGES_AT_ONCE: usize = 8;

/// What a model is shown of a document.
struct Shown {
    views: Vec<PageView>,
    crops: Vec<Crop>,
    scan: Option<Scan>,
    render: f64,
}

/// Pages up to a budget of vision tokens, or what all of them would cost.
enum WholePages {
    Fit(Vec<PageView>),
    Exceed { vision_tokens: usize },
}

impl Pipeline {
    /// Lets the page writer answer from pictures of the pages: of all pages where they fit its
    /// context, or of the crops that matter where a budget of vision tokens is set.
    pub(crate) fn ask_from_pages(
        &self,
        writer: &dyn PageWriter,
        document: &Document,
        question: &str,
    ) -> Result<Reply<Answer>, PipelineError> {
        let started = Instant::now();
        let shown = self.show(writer, document, question, question)?;
        let request = ViewRequest::new(&shown.views, question, answer_tokens(writer));
        let written = self.write_from_pages(writer, &request, shown.views.len(), |done| done)?;
        let (pages_given, evidence) = (shown.pages(), shown.evidence());
        let reply = shown.account(document, &written);
        let output = answer_of(writer, written, pages_given, evidence);
        Ok(finish(reply, output, started, 0.0))
    }

    /// Chooses what the writer sees: what `question` is about, with room for `task`.
    fn show(
        &self,
        writer: &dyn PageWriter,
        document: &Document,
        question: &str,
        task: &str,
    ) -> Result<Shown, PipelineError> {
        let answer = answer_tokens(writer);
        let text = writer.text_tokens(&ViewRequest::new(&[], task, answer))?;
        let limit = writer.context_length();
        let room = limit.saturating_sub(text + answer);
        let budget = self.max_vision_tokens.map_or(room, |most| most.min(room));
        let drawing = Instant::now();
        let needed = match self.whole_pages(writer, document, budget)? {
            WholePages::Fit(views) => {
                return Ok(Shown {
                    views,
                    crops: Vec::new(),
                    scan: None,
                    render: drawing.elapsed().as_secs_f64(),
                });
            }
            WholePages::Exceed { vision_tokens } => vision_tokens,
        };
        if self.max_vision_tokens.is_none() {
            return Err(PipelineError::TooManyVisionTokens {
                vision_tokens: needed,
                limit: room,
                over: needed - room,
                context_length: limit,
            });
        }
        self.show_crops(writer, document, question, budget)
    }

    /// Pictures of all pages, as long as they fit `budget`.
    fn whole_pages(
        &self,
        writer: &dyn PageWriter,
        document: &Document,
        budget: usize,
    ) -> Result<WholePages, PipelineError> {
        let mut views = Vec::new();
        let mut used = 0;
        let mut costs = Costs::new(writer);
        for page in self.view_renderer.pages(document) {
            let page = page?;
            used += costs.of(page.height, page.width, page.number)?;
            if used > budget {
                // Only counted from here on.
                views.clear();
                continue;
            }
            views.push(PageView {
                picture: page_to_rgb(&page)?,
                page: page.number,
                bbox: None,
            });
        }
        Ok(match used > budget {
            true => WholePages::Exceed {
                vision_tokens: used,
            },
            false if views.is_empty() => return Err(PipelineError::NoText { pages: 0 }),
            false => WholePages::Fit(views),
        })
    }

    /// Scores the document's regions, and cuts those that matter out of its pages.
    fn show_crops(
        &self,
        writer: &dyn PageWriter,
        document: &Document,
        question: &str,
        budget: usize,
    ) -> Result<Shown, PipelineError> {
        tasks::check_question(question)?;
        let (scan, regions, renderer) = match &self.scorer {
            Some(scorer) => {
                let regions = self.score_views(&**scorer, document, question)?;
                (None, regions, &self.view_renderer)
            }
            None => {
                let scan = self.scan(document)?;
                let scores = tasks::rank(question, &scan.lines);
                let regions = region_scores(&scan, &scores);
                (Some(scan), regions, &self.renderer)
            }
        };
        let drawing = Instant::now();
        // What a region costs depends on how many lie together; so the budget is met step by step.
        let mut share = budget;
        let mut costs = Costs::new(writer);
        loop {
            let tallest = regions.iter().map(|region| region.bbox.height).max();
            let widest = regions.iter().map(|region| region.bbox.width).max();
            let (height, width) = (tallest.unwrap_or(1), widest.unwrap_or(1));
            let padded = writer.vision_tokens(
                height.next_multiple_of(CROP_GRAIN),
                width.next_multiple_of(CROP_GRAIN),
            )?;
            // Rows lower than a token share it with their neighbours.
            let rows = (CROP_GRAIN / height.max(1)).max(1) as usize;
            let plan = CropBudget {
                max_vision_tokens: share,
                tokens_per_row: (padded / rows).max(1),
                context_rows: u32::from(scan.is_some()),
            };
            let crops = plan_crops(&regions, &plan);
            let views = cut_all(&**renderer, document, &crops)?;
            let mut cost = 0;
            for view in &views {
                cost += costs.of(view.picture.height(), view.picture.width(), view.page)?;
            }
            if cost <= budget || views.len() <= 1 {
                return Ok(Shown {
                    views,
                    crops,
                    scan,
                    render: drawing.elapsed().as_secs_f64(),
                });
            }
            share = share * budget / (cost + 1);
        }
    }

    /// The regions of the pages that the page writer would see, a few pages at a time.
    fn score_views(
        &self,
        scorer: &dyn RegionScorer,
        document: &Document,
        question: &str,
    ) -> Result<Vec<RegionScore>, PipelineError> {
        let mut out = Vec::new();
        let mut pages = Vec::new();
        let mut done = 0;
        let mut rest = self.view_renderer.pages(document).peekable();
        while let Some(page) = rest.next() {
            pages.push(page?);
            if pages.len() == PAGES_AT_ONCE || rest.peek().is_none() {
                out.extend(scorer.score(question, &pages)?);
                done += pages.len();
                pages.clear();
                let told = self.progress.as_ref().map(|callback| {
                    callback(Progress {
                        stage: Stage::Scan,
                        pages: done,
                        fraction: if rest.peek().is_none() { 1.0 } else { 0.5 },
                    })
                });
                if told.is_some_and(|flow| flow.is_break()) {
                    return Err(PipelineError::Cancelled { pages: done });
                }
            }
        }
        Ok(out)
    }

    /// Runs a request about so many pages, and tells the callbacks; `span` tells where in the
    /// whole task a share of the request lies.
    fn write_from_pages(
        &self,
        writer: &dyn PageWriter,
        request: &ViewRequest<'_>,
        pages: usize,
        span: impl Fn(f64) -> f64 + Send + Sync,
    ) -> Result<WrittenFromPages, PipelineError> {
        let mut tell = |done: f64| self.tell_writing(pages, span(done.clamp(0.0, 1.0)));
        let mut begins = true;
        let mut draft = |text: &str| self.tell_draft(text, &mut begins);
        let written = writer.stream(request, &mut tell, &mut draft)?;
        if written.finish_reason == FinishReason::Cancelled || tell(1.0).is_break() {
            return Err(PipelineError::Cancelled { pages });
        }
        Ok(written)
    }

    /// Tells the draft callback more of a text; `begins` holds whether it is the first of it.
    pub(crate) fn tell_draft(&self, text: &str, begins: &mut bool) -> ControlFlow<()> {
        let begins = std::mem::take(begins);
        match &self.draft {
            Some(callback) => callback(Draft { text, begins }),
            None => ControlFlow::Continue(()),
        }
    }

    /// Tells the progress callback how far writing is.
    pub(crate) fn tell_writing(&self, pages: usize, fraction: f64) -> ControlFlow<()> {
        match &self.progress {
            Some(callback) => callback(Progress {
                stage: Stage::Write,
                pages,
                fraction: fraction.clamp(0.0, 1.0),
            }),
            None => ControlFlow::Continue(()),
        }
    }
}

/// The tokens that a page writer may write: a quarter of its context at most.
pub(crate) fn answer_tokens(writer: &dyn PageWriter) -> usize {
    ANSWER_TOKENS.min(writer.context_length() / 4).max(1)
}

/// What a page writer wrote, as an answer.
pub(crate) fn answer_of(
    writer: &dyn PageWriter,
    written: WrittenFromPages,
    pages_given: Vec<u32>,
    evidence: Vec<Evidence>,
) -> Answer {
    Answer {
        text: written.text.trim().to_owned(),
        evidence,
        confidence: written.confidence,
        unanswered: None,
        writing: Some(Writing {
            writer: writer.name().to_owned(),
            pages_given,
            draft: written.text,
            thinking: written.thinking,
            checked: false,
            unsupported: Vec::new(),
            foreign_pages: Vec::new(),
            quoted: false,
            finish_reason: name_of(&written.finish_reason),
        }),
    }
}

/// Pictures of crops.
fn cut_all(
    renderer: &dyn Renderer,
    document: &Document,
    crops: &[Crop],
) -> Result<Vec<PageView>, PipelineError> {
    let last = crops.iter().map(|crop| crop.page).max().unwrap_or(0);
    let mut views = Vec::new();
    for page in renderer.pages(document) {
        let page = page?;
        if page.number > last {
            break;
        }
        for crop in crops.iter().filter(|crop| crop.page == page.number) {
            views.push(PageView {
                picture: cut(&page, crop)?,
                page: page.number,
                bbox: Some(crop.bbox),
            });
        }
    }
    Ok(views)
}

impl Shown {
    /// Pages that are seen, each once.
    fn pages(&self) -> Vec<u32> {
        let mut pages: Vec<u32> = self.views.iter().map(|view| view.page).collect();
        pages.dedup();
        pages
    }

    /// What it cost to show this and to write from it.
    fn account(self, document: &Document, written: &WrittenFromPages) -> Reply<()> {
        let (text, global) = match &self.scan {
            Some(scan) => (scan.text_tokens, scan.vision_tokens),
            None => (text_tokens(document), 0),
        };
        let mut tokens = TokenAccount::new(text, global, written.vision_tokens);
        tokens.writer.add(&written.usage);
        let mut seconds = self.scan.map_or_else(StageSeconds::default, |s| s.seconds);
        seconds.render += self.render;
        Reply {
            output: (),
            tokens,
            seconds,
            crops: self.crops,
        }
    }

    /// The lines that were cut out, as the scan read them.
    fn evidence(&self) -> Vec<Evidence> {
        let Some(scan) = &self.scan else {
            return Vec::new();
        };
        let inside = |line: &&ReadLine| {
            self.crops.iter().any(|crop| {
                crop.page == line.page
                    && line.bbox.y >= crop.bbox.y
                    && line.bbox.y + line.bbox.height <= crop.bbox.y + crop.bbox.height
            })
        };
        let lines = scan.lines.iter().filter(inside);
        lines.cloned().map(Evidence::from).collect()
    }
}

/// The part of a page that a crop covers, on white up to whole tokens.
fn cut(page: &Page, crop: &Crop) -> Result<RgbImage, PipelineError> {
    let picture = page_to_rgb(page)?;
    let bbox = crop.bbox;
    let part = imageops::crop_imm(&picture, bbox.x, bbox.y, bbox.width, bbox.height);
    let width = bbox.width.max(1).next_multiple_of(CROP_GRAIN);
    let height = bbox.height.max(1).next_multiple_of(CROP_GRAIN);
    let mut out = RgbImage::from_pixel(width, height, Rgb([255; 3]));
    imageops::replace(&mut out, &part.to_image(), 0, 0);
    Ok(out)
}

fn text_tokens(document: &Document) -> usize {
    let text = |block: &Block| match block {
        Block::Text { text, .. } => TokenCounter.count(text),
        _ => 0,
    };
    document.blocks.iter().map(text).sum()
}
