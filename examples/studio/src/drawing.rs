//! Draws pages: for one document at a time, and keeps what was drawn.

use std::sync::Arc;

use glyph_pipeline::render::{Document, Page, Typesetter};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use utoipa::ToSchema;

use crate::engine::{Cache, CancelToken, Engine};
use crate::error::ApiError;
use crate::style::Style;

/// Pages that are drawn, written as PNG and kept together.
pub const AT_ONCE: usize = 16;
/// Groups of pages that are kept when a document's pages are counted: those one sees first.
const FIRST: usize = 4;
/// Bytes of drawn pages that are kept.
const PAGE_BYTES: usize = 256 << 20;
/// Pages whose sizes are kept, of all documents together.
const SIZES: usize = 1_000_000;
/// Styles whose fonts and glyphs are kept.
const STYLES: usize = 8;

/// Size of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PageSize {
    /// Its number, from 1.
    pub number: u32,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
}

/// A page that was drawn.
#[derive(Debug)]
pub struct Drawn {
    /// Its size.
    pub size: PageSize,
    /// It as PNG.
    pub png: Vec<u8>,
}

/// Draws pages of one document at a time, and keeps some of them.
#[derive(Debug)]
pub struct Drawing {
    turn: Arc<Semaphore>,
    groups: Cache<Arc<Vec<Drawn>>>,
    sizes: Cache<Arc<Vec<PageSize>>>,
    typesetters: Cache<Arc<Typesetter>>,
}

impl Default for Drawing {
    fn default() -> Self {
        Self {
            turn: Arc::new(Semaphore::new(1)),
            groups: Cache::new(PAGE_BYTES),
            sizes: Cache::new(SIZES),
            typesetters: Cache::new(STYLES),
        }
    }
}

impl Drawing {
    /// Does work that holds pages, after what came before. A thread cannot be stopped from
    /// outside: where the caller is gone the work is told by its token, and only its end makes
    /// room for the next.
    ///
    /// # Errors
    /// Those of the work, or that it panicked.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&CancelToken) -> Result<T, ApiError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let turn = self.turn.clone().acquire_owned().await;
        let turn = turn.map_err(ApiError::internal)?;
        let cancel = CancelToken::default();
        let guard = cancel.on_drop();
        let done = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            cancel.check()?;
            work(&cancel)
        })
        .await;
        guard.disarm();
        done.map_err(ApiError::internal)?
    }

    /// A group of pages that is kept.
    pub fn group(&self, job: &Job, index: usize) -> Option<Arc<Vec<Drawn>>> {
        self.groups.get(&job.group_name(index))
    }

    /// The sizes of all pages, where they are kept.
    pub fn sizes(&self, job: &Job) -> Option<Arc<Vec<PageSize>>> {
        self.sizes.get(&job.name())
    }

    /// What draws the pages.
    ///
    /// # Errors
    /// If a value of the style is out of range.
    pub fn typesetter(&self, job: &Job) -> Result<Arc<Typesetter>, ApiError> {
        if let Some(kept) = self.typesetters.get(&job.render_id) {
            return Ok(kept);
        }
        let typesetter = Arc::new(job.style.typesetter()?);
        (self.typesetters).put(&job.render_id, typesetter.clone(), 1);
        Ok(typesetter)
    }

    /// Draws the `index`th group of [`AT_ONCE`] pages, from 0; it is empty behind the last page.
    ///
    /// # Errors
    /// If the document cannot be had or drawn.
    pub fn draw_group(&self, job: &Job, index: usize) -> Result<Arc<Vec<Drawn>>, ApiError> {
        if let Some(kept) = self.group(job, index) {
            return Ok(kept);
        }
        let document = job.document()?;
        let typesetter = self.typesetter(job)?;
        let pages = typesetter.pages_from(&document, index.saturating_mul(AT_ONCE));
        let pages: Vec<Page> = pages.take(AT_ONCE).collect::<Result<_, _>>()?;
        self.keep(job, index, &pages)
    }

    fn keep(&self, job: &Job, index: usize, pages: &[Page]) -> Result<Arc<Vec<Drawn>>, ApiError> {
        let drawn = Arc::new(encode(pages)?);
        // Numbers behind the last page are without end.
        if !drawn.is_empty() {
            let weight = drawn.iter().map(|page| page.png.len() + 64).sum();
            (self.groups).put(&job.group_name(index), drawn.clone(), weight);
        }
        Ok(drawn)
    }

    /// The sizes of all pages; those that are cropped to their text have to be drawn for that. The
    /// first pages are kept.
    ///
    /// # Errors
    /// If the document cannot be had or drawn, or the work is cancelled.
    pub fn measure(&self, job: &Job, cancel: &CancelToken) -> Result<Arc<Vec<PageSize>>, ApiError> {
        if let Some(kept) = self.sizes(job) {
            return Ok(kept);
        }
        let mut sizes = Vec::new();
        self.each(job, cancel, |index, pages| {
            sizes.extend(pages.iter().map(size));
            if index < FIRST {
                self.keep(job, index, &pages)?;
            }
            Ok(())
        })?;
        let sizes = Arc::new(sizes);
        (self.sizes).put(&job.name(), sizes.clone(), sizes.len() + 1);
        Ok(sizes)
    }

    /// Draws all pages as PNG, a group at a time.
    ///
    /// # Errors
    /// Those of `take`, if the document cannot be had or drawn, or the work is cancelled.
    pub fn draw_all(
        &self,
        job: &Job,
        cancel: &CancelToken,
        mut take: impl FnMut(Drawn) -> Result<(), ApiError>,
    ) -> Result<(), ApiError> {
        self.each(job, cancel, |_, pages| {
            encode(&pages)?.into_iter().try_for_each(&mut take)
        })
    }

    /// Hands out all pages of a document in groups, and looks at the token before each.
    ///
    /// # Errors
    /// Those of `take`, if the document cannot be had or drawn, or the work is cancelled.
    pub fn each(
        &self,
        job: &Job,
        cancel: &CancelToken,
        mut take: impl FnMut(usize, Vec<Page>) -> Result<(), ApiError>,
    ) -> Result<(), ApiError> {
        let document = job.document()?;
        let typesetter = self.typesetter(job)?;
        let mut pages = typesetter.pages(&document);
        for index in 0.. {
            cancel.check()?;
            let some: Vec<Page> = pages.by_ref().take(AT_ONCE).collect::<Result<_, _>>()?;
            if some.is_empty() {
                break;
            }
            take(index, some)?;
        }
        Ok(())
    }
}

/// Whose pages are drawn, and how.
#[derive(Debug, Clone)]
pub struct Job {
    engine: Arc<Engine>,
    document_id: String,
    render_id: String,
    style: Style,
}

impl Job {
    /// Pages of a document in a style, whose name is [`Style::id`].
    pub fn new(engine: Arc<Engine>, document_id: &str, render_id: &str, style: Style) -> Self {
        Self {
            engine,
            document_id: document_id.to_owned(),
            render_id: render_id.to_owned(),
            style,
        }
    }

    fn name(&self) -> String {
        format!("{} {}", self.document_id, self.render_id)
    }

    fn group_name(&self, index: usize) -> String {
        format!("{} {} {index}", self.document_id, self.render_id)
    }

    /// The document, on a thread that may wait: whoever asked for its pages may be gone before it
    /// is opened, and then has still its turn.
    fn document(&self) -> Result<Arc<Document>, ApiError> {
        Handle::current().block_on(self.engine.document(&self.document_id))
    }
}

fn size(page: &Page) -> PageSize {
    PageSize {
        number: page.number,
        width: page.width,
        height: page.height,
    }
}

fn encode(pages: &[Page]) -> Result<Vec<Drawn>, ApiError> {
    let drawn = pages.par_iter().map(|page| {
        Ok(Drawn {
            size: size(page),
            png: page.to_png()?,
        })
    });
    drawn.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    /// What a client that goes away has begun still counts, and is told to stop.
    #[tokio::test(flavor = "multi_thread")]
    async fn work_whose_caller_is_gone_keeps_its_turn_until_it_ends() {
        let drawing = Arc::new(Drawing::default());
        let busy = Arc::new(AtomicUsize::new(0));
        let most = Arc::new(AtomicUsize::new(0));
        let work = |cancels: bool| {
            let (busy, most) = (busy.clone(), most.clone());
            move |cancel: &CancelToken| {
                most.fetch_max(busy.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                while cancels && !cancel.is_cancelled() {
                    std::thread::sleep(Duration::from_millis(1));
                }
                // It does not notice at once.
                std::thread::sleep(Duration::from_millis(50));
                busy.fetch_sub(1, Ordering::SeqCst);
                Ok(())
            }
        };
        for _ in 0..5 {
            let given_up = drawing.run(work(true));
            let waited = tokio::time::timeout(Duration::from_millis(20), given_up).await;
            assert!(waited.is_err());
        }
        drawing.run(work(false)).await.unwrap();
        assert_eq!(most.load(Ordering::SeqCst), 1);
        assert_eq!(busy.load(Ordering::SeqCst), 0);
    }
}
