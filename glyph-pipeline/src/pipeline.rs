use std::fmt;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Instant;

use burn::tensor::Device;
use glyph_decode::Readout;
use glyph_encode::{Crop, CropBudget, Detail, RegionScore, VisionEncoder, plan_crops};
use glyph_render::{Document, Page, Renderer};
use rayon::prelude::*;
use serde::Serialize;

use crate::progress::{DraftCallback, ProgressCallback};
use crate::reading::{Pass, Reread};
use crate::tasks::{self, Answer, Extraction, ReadLine, SummarySentence};
use crate::{
    Draft, PageWriter, PipelineBuilder, PipelineError, Progress, RegionScorer, StageSeconds,
    TokenAccount, TokenCounter, Writer,
};

/// Least number of rows that crops may cover by default, so that a short document is read whole.
const MIN_CROP_ROWS: usize = 24;
/// Part of a document's rows that crops may cover by default.
const CROP_SHARE: usize = 12;

/// Document in, answer out. See the [crate's page](crate).
///
/// A clone shares the stages: models are loaded once.
#[derive(Clone)]
pub struct Pipeline {
    pub(crate) renderer: Arc<dyn Renderer>,
    pub(crate) encoder: Arc<dyn VisionEncoder>,
    pub(crate) readout: Arc<dyn Readout>,
    pub(crate) writer: Option<Arc<dyn Writer>>,
    pub(crate) page_writer: Option<Arc<dyn PageWriter>>,
    pub(crate) scorer: Option<Arc<dyn RegionScorer>>,
    /// Draws the pages that the page writer sees.
    pub(crate) view_renderer: Arc<dyn Renderer>,
    pub(crate) max_vision_tokens: Option<usize>,
    pub(crate) reread_below: f32,
    pub(crate) progress: Option<Arc<ProgressCallback>>,
    pub(crate) draft: Option<Arc<DraftCallback>>,
}

impl fmt::Debug for Pipeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pipeline")
            .field("encoder", &self.encoder.fingerprint())
            .field("max_vision_tokens", &self.max_vision_tokens)
            .finish_non_exhaustive()
    }
}

/// What a task made, and what it cost.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Reply<T> {
    /// The result.
    pub output: T,
    /// Text tokens against vision tokens.
    pub tokens: TokenAccount,
    /// Wall seconds of each stage.
    pub seconds: StageSeconds,
    /// What was encoded finely.
    pub crops: Vec<Crop>,
}

/// A whole document, read coarsely.
#[derive(Debug, Clone)]
pub struct Scan {
    /// Every row of text, in reading order.
    pub lines: Vec<ReadLine>,
    /// Pages of the document.
    pub pages: usize,
    /// Vision tokens that the scan cost.
    pub vision_tokens: usize,
    /// Tokens that the text as read would cost a language model.
    pub text_tokens: usize,
    /// Wall seconds so far.
    pub seconds: StageSeconds,
}

impl Pipeline {
    /// The built-in stages on the CPU.
    ///
    /// # Errors
    /// If the crate was built without its feature `cpu`.
    pub fn builtin() -> Result<Self, PipelineError> {
        Self::builder().build()
    }

    /// The built-in stages with a pretrained model that writes: a vision-language checkpoint, which
    /// sees the pages, or a language model, which is given what was read.
    ///
    /// `path_or_id` is a folder, a GGUF file, a name that [`pretrained`](crate::pretrained) knows,
    /// or the hub id of a checkpoint that lies in the hub's cache, for example `zai-org/Glyph`. No
    /// connection is opened: `Hub::fetch` does that, with the feature `hf-hub`. Weights keep the
    /// type of their files, but bf16 becomes f32 where the device would be slow with it; see
    /// [`PipelineBuilder::pretrained`] to choose.
    ///
    /// # Errors
    /// If there is no such model on this machine, or it cannot be loaded.
    pub fn from_pretrained(path_or_id: &str, device: &Device) -> Result<Self, PipelineError> {
        Self::builder()
            .device(device)
            .pretrained(path_or_id, None)?
            .build()
    }

    /// Chooses stages and settings.
    pub fn builder() -> PipelineBuilder {
        PipelineBuilder::default()
    }

    /// The same stages for another run, which is told to `callback` and stopped by it as
    /// [`PipelineBuilder::progress`] says.
    #[must_use]
    pub fn with_progress(
        &self,
        callback: impl Fn(Progress) -> ControlFlow<()> + Send + Sync + 'static,
    ) -> Self {
        Self {
            progress: Some(Arc::new(callback)),
            ..self.clone()
        }
    }

    /// The same stages for another run, of which `callback` is told what is written as
    /// [`PipelineBuilder::draft`] says.
    #[must_use]
    pub fn with_draft(
        &self,
        callback: impl Fn(Draft<'_>) -> ControlFlow<()> + Send + Sync + 'static,
    ) -> Self {
        Self {
            draft: Some(Arc::new(callback)),
            ..self.clone()
        }
    }

    /// The same stages with another [`max_vision_tokens`](PipelineBuilder::max_vision_tokens).
    #[must_use]
    pub fn with_max_vision_tokens(&self, tokens: Option<usize>) -> Self {
        Self {
            max_vision_tokens: tokens,
            ..self.clone()
        }
    }

    /// The same stages with another [`view_renderer`](PipelineBuilder::view_renderer).
    #[must_use]
    pub fn with_view_renderer(&self, renderer: impl Renderer + 'static) -> Self {
        Self {
            view_renderer: Arc::new(renderer),
            ..self.clone()
        }
    }

    /// Typesets a document.
    ///
    /// # Errors
    /// If a page cannot be drawn.
    pub fn render(&self, document: &Document) -> Result<Vec<Page>, PipelineError> {
        Ok(self.renderer.render(document)?)
    }

    /// Renders every page, encodes it coarsely and reads it.
    ///
    /// # Errors
    /// If a stage fails, the document has no text, or the progress callback says stop.
    pub fn scan(&self, document: &Document) -> Result<Scan, PipelineError> {
        let reading = self.read_pages(
            document,
            Pass::Whole {
                detail: Detail::Global,
                reread: false,
            },
        )?;
        if reading.lines.is_empty() {
            return Err(PipelineError::NoText {
                pages: reading.pages,
            });
        }
        let counted = Instant::now();
        let text_tokens = count_tokens(&reading.lines);
        let seconds = StageSeconds {
            render: reading.render,
            scan: reading.encode,
            scan_readout: reading.readout,
            answer: counted.elapsed().as_secs_f64(),
            ..StageSeconds::default()
        };
        Ok(Scan {
            lines: reading.lines,
            pages: reading.pages,
            vision_tokens: reading.vision_tokens,
            text_tokens,
            seconds,
        })
    }

    /// Reads a whole document at one detail.
    ///
    /// Coarsely, what is read with less confidence than
    /// [`reread_below`](PipelineBuilder::reread_below) is encoded again finely and read from both;
    /// the account says how many tokens that cost. Fine characters that are doubtful are looked at a
    /// second time, with patches that begin elsewhere. What is uncertain still is marked in
    /// [`ReadLine::uncertain`].
    ///
    /// # Errors
    /// As [`Pipeline::scan`].
    pub fn read(
        &self,
        document: &Document,
        detail: Detail,
    ) -> Result<Reply<Vec<ReadLine>>, PipelineError> {
        let started = Instant::now();
        let reading = self.read_pages(
            document,
            Pass::Whole {
                detail,
                reread: detail == Detail::Global,
            },
        )?;
        if reading.lines.is_empty() {
            return Err(PipelineError::NoText {
                pages: reading.pages,
            });
        }
        let text_tokens = count_tokens(&reading.lines);
        let mut seconds = StageSeconds {
            render: reading.render,
            ..StageSeconds::default()
        };
        let Reread {
            tokens: again,
            encode,
            readout,
        } = reading.reread;
        let tokens = match detail {
            Detail::Global => {
                (seconds.scan, seconds.scan_readout) = (reading.encode, reading.readout);
                (seconds.crops, seconds.crops_readout) = (encode, readout);
                TokenAccount::new(text_tokens, reading.vision_tokens, 0)
            }
            Detail::Local => {
                seconds.crops = reading.encode + encode;
                seconds.crops_readout = reading.readout + readout;
                TokenAccount::new(text_tokens, 0, reading.vision_tokens)
            }
        }
        .with_reread(again);
        seconds.total = started.elapsed().as_secs_f64();
        Ok(Reply {
            output: reading.lines,
            tokens,
            seconds,
            crops: Vec::new(),
        })
    }

    /// Chooses the rows that matter, within the budget, and does not read them. `scores` has one
    /// value per line of the scan; zero and below is never chosen.
    pub fn plan(&self, scan: &Scan, scores: &[f32], context_rows: u32) -> Vec<Crop> {
        plan_crops(
            &region_scores(scan, scores),
            &self.budget(scan, context_rows),
        )
    }

    /// Encodes the rows that [`plan`](Self::plan) chooses finely and reads them.
    ///
    /// # Errors
    /// If a stage fails or the progress callback says stop.
    pub fn crop(
        &self,
        document: &Document,
        scan: &Scan,
        scores: &[f32],
        context_rows: u32,
    ) -> Result<Reply<Vec<ReadLine>>, PipelineError> {
        let choosing = Instant::now();
        let crops = self.plan(scan, scores, context_rows);
        let choosing = choosing.elapsed().as_secs_f64();
        let mut read = self.read_crops(document, scan, crops)?;
        read.seconds.select += choosing;
        Ok(read)
    }

    /// Answers a question with what the pages say.
    ///
    /// Without a writer the answer quotes the document. With one, a language model writes it from
    /// the crops; what the crops do not say is left out, each sentence cites its page, and where
    /// nothing is left the answer quotes after all. [`Answer::writing`] tells.
    ///
    /// A page writer takes the place of both: it sees all pages, or, where
    /// [`max_vision_tokens`](PipelineBuilder::max_vision_tokens) is set and they cost more, the
    /// crops, and its answer stands as it is written.
    ///
    /// # Errors
    /// If the question has no word, a stage fails, or the progress callback says stop;
    /// [`PipelineError::TooManyVisionTokens`] if a page writer has no room for all pages.
    pub fn ask(&self, document: &Document, question: &str) -> Result<Reply<Answer>, PipelineError> {
        tasks::check_question(question)?;
        if let Some(writer) = &self.page_writer {
            return self.ask_from_pages(&**writer, document, question);
        }
        let scan = self.scan(document)?;
        self.ask_scanned(document, &scan, question)
    }

    /// [`Pipeline::ask`] on a document that was scanned before, as for several questions on it.
    /// The scan is counted in tokens and seconds. A page writer is not asked.
    ///
    /// # Errors
    /// As [`Pipeline::ask`].
    pub fn ask_scanned(
        &self,
        document: &Document,
        scan: &Scan,
        question: &str,
    ) -> Result<Reply<Answer>, PipelineError> {
        tasks::check_question(question)?;
        let started = Instant::now();
        let scores = tasks::rank(question, &scan.lines);
        let choosing = started.elapsed().as_secs_f64();
        let mut read = self.crop(document, scan, &scores, 1)?;
        // Where nothing was worth a crop, the scan tells whether it could be read at all.
        let lines = match read.output.is_empty() {
            true => &scan.lines,
            false => &read.output,
        };
        let mut output = tasks::answer(question, lines)?;
        if let Some(writer) = &self.writer {
            output = self.write_answer(&**writer, question, output, &mut read)?;
        }
        Ok(finish_scanned(read, output, scan, started, choosing))
    }

    /// [`Pipeline::ask`] on plain text.
    ///
    /// # Errors
    /// As [`Pipeline::ask`].
    pub fn ask_text(&self, text: &str, question: &str) -> Result<Reply<Answer>, PipelineError> {
        self.ask(&Document::from_text(text), question)
    }

    /// The most central sentences, in the document's order. They are chosen on the scan and read
    /// again finely.
    ///
    /// # Errors
    /// If a stage fails or the progress callback says stop.
    pub fn summarize(
        &self,
        document: &Document,
        sentences: usize,
    ) -> Result<Reply<Vec<SummarySentence>>, PipelineError> {
        let scan = self.scan(document)?;
        self.summarize_scanned(document, &scan, sentences)
    }

    /// [`Pipeline::summarize`] on a document that was scanned before. The scan is counted in
    /// tokens and seconds.
    ///
    /// # Errors
    /// As [`Pipeline::summarize`].
    pub fn summarize_scanned(
        &self,
        document: &Document,
        scan: &Scan,
        sentences: usize,
    ) -> Result<Reply<Vec<SummarySentence>>, PipelineError> {
        let started = Instant::now();
        let chosen = tasks::summarize(&scan.lines, sentences);
        let mut scores = vec![0.0; scan.lines.len()];
        for sentence in &chosen {
            scores[sentence.lines.clone()].fill(1.0);
        }
        let choosing = started.elapsed().as_secs_f64();
        let read = self.crop(document, scan, &scores, 0)?;
        let output = tasks::reread(&chosen, &scan.lines, &read.output);
        Ok(finish_scanned(read, output, scan, started, choosing))
    }

    /// Dates, amounts, addresses, identifiers and the named `fields`, each with its place.
    ///
    /// # Errors
    /// If a stage fails or the progress callback says stop.
    pub fn extract(
        &self,
        document: &Document,
        fields: &[String],
    ) -> Result<Reply<Vec<Extraction>>, PipelineError> {
        let scan = self.scan(document)?;
        self.extract_scanned(document, &scan, fields)
    }

    /// [`Pipeline::extract`] on a document that was scanned before. The scan is counted in tokens
    /// and seconds.
    ///
    /// # Errors
    /// As [`Pipeline::extract`].
    pub fn extract_scanned(
        &self,
        document: &Document,
        scan: &Scan,
        fields: &[String],
    ) -> Result<Reply<Vec<Extraction>>, PipelineError> {
        let started = Instant::now();
        let candidates = tasks::candidate_lines(&scan.lines, fields);
        let scores: Vec<f32> = candidates
            .into_iter()
            .map(|c| if c { 1.0 } else { 0.0 })
            .collect();
        // Every candidate is read: key information is not a matter of budget.
        let crops = plan_crops(&region_scores(scan, &scores), &CropBudget::UNLIMITED);
        let choosing = started.elapsed().as_secs_f64();
        let read = self.read_crops(document, scan, crops)?;
        let output = tasks::extract(&read.output, fields);
        Ok(finish_scanned(read, output, scan, started, choosing))
    }

    /// Encodes crops finely, reads them, and adds their cost to the scan's.
    pub(crate) fn read_crops(
        &self,
        document: &Document,
        scan: &Scan,
        crops: Vec<Crop>,
    ) -> Result<Reply<Vec<ReadLine>>, PipelineError> {
        let budget = self.budget(scan, 0);
        let rows: u32 = crops.iter().map(|c| c.last_row - c.first_row + 1).sum();
        let spare = match self.max_vision_tokens {
            Some(most) => most.saturating_sub(rows as usize * budget.tokens_per_row),
            None => usize::MAX,
        };
        let crops_of = Pass::Crops {
            crops: &crops,
            spare,
        };
        let reading = self.read_pages(document, crops_of)?;
        let mut seconds = scan.seconds;
        seconds.render += reading.render;
        seconds.crops += reading.encode + reading.reread.encode;
        seconds.crops_readout += reading.readout + reading.reread.readout;
        Ok(Reply {
            output: reading.lines,
            tokens: TokenAccount::new(scan.text_tokens, scan.vision_tokens, reading.vision_tokens)
                .with_reread(reading.reread.tokens),
            seconds,
            crops,
        })
    }

    pub(crate) fn budget(&self, scan: &Scan, context_rows: u32) -> CropBudget {
        let row = self.encoder.token_grid(1, u32::MAX, Detail::Local);
        let tokens_per_row = row.tokens().max(1);
        let rows = (scan.lines.len() / CROP_SHARE).max(MIN_CROP_ROWS);
        CropBudget {
            max_vision_tokens: self.max_vision_tokens.unwrap_or(rows * tokens_per_row),
            tokens_per_row,
            context_rows,
        }
    }
}

pub(crate) fn region_scores(scan: &Scan, scores: &[f32]) -> Vec<RegionScore> {
    scan.lines
        .iter()
        .zip(scores)
        .map(|(line, &score)| RegionScore {
            page: line.page,
            row: line.line,
            bbox: line.bbox,
            score,
        })
        .collect()
}

pub(crate) fn finish<A, T>(read: Reply<A>, output: T, started: Instant, choosing: f64) -> Reply<T> {
    finish_after(read, output, started.elapsed().as_secs_f64(), choosing)
}

/// [`finish`] where the scan was made before `started`.
pub(crate) fn finish_scanned<A, T>(
    read: Reply<A>,
    output: T,
    scan: &Scan,
    started: Instant,
    choosing: f64,
) -> Reply<T> {
    let before = &scan.seconds;
    let before = before.render + before.scan + before.scan_readout + before.answer;
    let total = before + started.elapsed().as_secs_f64();
    finish_after(read, output, total, choosing)
}

fn finish_after<A, T>(read: Reply<A>, output: T, total: f64, choosing: f64) -> Reply<T> {
    let mut seconds = read.seconds;
    seconds.select += choosing;
    seconds.total = total;
    let others =
        seconds.render + seconds.scan + seconds.scan_readout + seconds.select + seconds.crops;
    seconds.answer = (seconds.total - others - seconds.crops_readout).max(0.0);
    Reply {
        output,
        tokens: read.tokens,
        seconds,
        crops: read.crops,
    }
}

fn count_tokens(lines: &[ReadLine]) -> usize {
    lines
        .par_iter()
        .map(|line| TokenCounter.count(&line.text))
        .sum()
}
