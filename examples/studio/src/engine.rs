//! Runs tasks: one pipeline, whose runs are bounded in number and in time.

mod cache;
mod features;
mod run;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use glyph_pipeline::encode::FeatureCache;
use glyph_pipeline::pretrained::{is_vision_language, resolve};
use glyph_pipeline::render::Document;
use glyph_pipeline::{DeviceSpec, Pipeline, PipelineError, Scan};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::document::{self, Shelf, StoredInfo, content};
use crate::error::ApiError;
use crate::metrics::Metrics;
use crate::settings::Settings;
use crate::store::Store;
use crate::task::{Event, Outcome, Task};
pub use cache::Cache;
use features::Features;

/// Why an engine cannot be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// The built-in stages cannot be loaded.
    #[error(transparent)]
    Pipeline(#[from] PipelineError),
    /// The device is not understood.
    #[error("device: {0}")]
    Device(String),
}

/// Asks a run to stop.
#[derive(Debug, Clone, Default)]
pub struct CancelToken(Arc<AtomicBool>);

impl CancelToken {
    /// Asks.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether it was asked.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Goes on where nobody asked.
    ///
    /// # Errors
    /// With the code `cancelled` where somebody did.
    pub fn check(&self) -> Result<(), ApiError> {
        match self.is_cancelled() {
            true => Err(PipelineError::Cancelled { pages: 0 }.into()),
            false => Ok(()),
        }
    }

    /// Asks when the guard is dropped, as when a client goes away.
    pub fn on_drop(&self) -> CancelOnDrop {
        CancelOnDrop(Some(self.clone()))
    }
}

/// See [`CancelToken::on_drop`].
#[derive(Debug)]
pub struct CancelOnDrop(Option<CancelToken>);

impl CancelOnDrop {
    /// Drops the guard without asking.
    pub fn disarm(mut self) {
        self.0 = None;
    }
}

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        if let Some(token) = &self.0 {
            token.cancel();
        }
    }
}

/// Is told what happens in a run, from any thread.
pub type Listener = Arc<dyn Fn(Event) + Send + Sync>;

/// The models, and what is kept of documents.
pub struct Engine {
    store: Store,
    metrics: Metrics,
    settings: Settings,
    pipeline: Pipeline,
    writers: Mutex<HashMap<String, WriterPipeline>>,
    documents: Cache<Arc<Document>>,
    infos: Cache<Arc<StoredInfo>>,
    scans: Cache<Arc<Scan>>,
    /// Requests that run.
    running: Arc<Semaphore>,
    /// Requests that wait or run.
    present: AtomicUsize,
}

#[derive(Clone)]
struct WriterPipeline {
    pipeline: Pipeline,
    sees_pages: bool,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").finish_non_exhaustive()
    }
}

impl Engine {
    /// Loads the built-in model.
    ///
    /// # Errors
    /// If it, the device or the cache cannot be used.
    pub fn new(settings: &Settings, store: Store, metrics: Metrics) -> Result<Self, EngineError> {
        let pipeline = builder(settings, &store)?.build()?;
        Ok(Self {
            store,
            metrics,
            pipeline,
            writers: Mutex::default(),
            // By bytes of text and images, by entries, and by rows of text.
            documents: Cache::new(256 << 20),
            infos: Cache::new(10_000),
            scans: Cache::new(1_000_000),
            running: Arc::new(Semaphore::new(settings.runs)),
            present: AtomicUsize::new(0),
            settings: settings.clone(),
        })
    }

    /// Ids of the models that may write.
    pub fn writers(&self) -> Vec<String> {
        let ids = self.settings.writers.iter().map(|writer| writer.id.clone());
        ids.collect()
    }

    /// What the writer of a setting is: `text`, given what was read, or `vision`, shown the pages.
    pub fn writer_kind(&self, id: &str) -> &'static str {
        let setting = self.settings.writers.iter().find(|writer| writer.id == id);
        match setting.map(|writer| resolve(&writer.model)) {
            Some(Ok(path)) if is_vision_language(&path) => "vision",
            _ => "text",
        }
    }

    /// What is known of a document.
    ///
    /// # Errors
    /// If there is no such document, or the store fails.
    pub async fn info(&self, id: &str) -> Result<Arc<StoredInfo>, ApiError> {
        if let Some(info) = self.listed(id).await? {
            return Ok(info);
        }
        // Not kept: it goes by itself, or becomes an upload.
        let info: Option<StoredInfo> = self.store.get_json(&Shelf::Chats.meta(id)).await?;
        Ok(Arc::new(
            info.ok_or_else(|| ApiError::not_found("document", id))?,
        ))
    }

    /// What is known of a document that was uploaded.
    ///
    /// # Errors
    /// If no document can have this id, or the store fails.
    pub async fn listed(&self, id: &str) -> Result<Option<Arc<StoredInfo>>, ApiError> {
        document::check_id(id)?;
        if let Some(info) = self.infos.get(id) {
            return Ok(Some(info));
        }
        let info: Option<StoredInfo> = self.store.get_json(&Shelf::Documents.meta(id)).await?;
        let info = info.map(Arc::new);
        if let Some(info) = &info {
            self.infos.put(id, info.clone(), 1);
        }
        Ok(info)
    }

    /// A document.
    ///
    /// # Errors
    /// If there is no such document, or the store fails.
    pub async fn document(&self, id: &str) -> Result<Arc<Document>, ApiError> {
        document::check_id(id)?;
        let found = self.documents.get(id);
        self.metrics.cache("documents", found.is_some());
        if let Some(document) = found {
            return Ok(document);
        }
        let mut bytes = self.store.get(&Shelf::Documents.content(id)).await?;
        if bytes.is_none() {
            bytes = self.store.get(&Shelf::Chats.content(id)).await?;
        }
        let bytes = bytes.ok_or_else(|| ApiError::not_found("document", id))?;
        let decoded = tokio::task::spawn_blocking(move || content::decode(&bytes)).await;
        let document = decoded.map_err(ApiError::internal)?;
        let document = Arc::new(document.map_err(ApiError::internal)?);
        let weight = document.blocks.iter().map(weight).sum();
        self.documents.put(id, document.clone(), weight);
        Ok(document)
    }

    /// Forgets a document that was deleted.
    pub fn forget(&self, id: &str) {
        self.documents.remove(id);
        self.infos.remove(id);
        self.scans.remove(id);
    }

    /// Runs a task now, after those that came before. Few run at once; the others wait, and where
    /// many wait already, more are refused.
    ///
    /// # Errors
    /// What is wrong with the task, that it was cancelled or took too long, or that too many wait.
    pub async fn run_now(
        self: &Arc<Self>,
        task: Task,
        listener: Listener,
        cancel: CancelToken,
    ) -> Result<Outcome, ApiError> {
        task.check(&self.writers())?;
        self.info(&task.document_id).await?;
        let most = self.settings.runs + self.settings.waiting;
        let present = Present::enter(&self.present);
        if present.0 > most {
            return Err(ApiError::busy(format!(
                "{most} requests run or wait already; try again in a moment, or queue a job"
            )));
        }
        let waiting = Instant::now();
        let turn = self.running.clone().acquire_owned().await;
        let turn = turn.map_err(ApiError::internal)?;
        let wait = waiting.elapsed().as_secs_f64();
        let mut outcome = self.run(task, listener, cancel, Some(turn)).await?;
        outcome.seconds.wait = wait;
        outcome.seconds.total += wait;
        Ok(outcome)
    }

    /// Runs a task without waiting; who calls this bounds how many run at once. `turn` is given
    /// back when the run has really ended, also where its caller is gone by then.
    ///
    /// # Errors
    /// What is wrong with the task, or that it was cancelled or took too long.
    pub async fn run(
        self: &Arc<Self>,
        task: Task,
        listener: Listener,
        cancel: CancelToken,
        turn: Option<OwnedSemaphorePermit>,
    ) -> Result<Outcome, ApiError> {
        task.check(&self.writers())?;
        let opening = Instant::now();
        let document = self.document(&task.document_id).await?;
        let open = opening.elapsed().as_secs_f64();
        let engine = self.clone();
        let mode = task.mode;
        // A thread cannot be stopped from outside: the run looks at the token itself, and is asked
        // to stop if this future is dropped.
        let guard = cancel.on_drop();
        let ran = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                engine.run_blocking(&task, &document, &listener, &cancel)
            }))
        })
        .await;
        guard.disarm();
        let mut outcome = match ran.map_err(ApiError::internal)? {
            Ok(outcome) => outcome,
            Err(_) => Err(ApiError::internal("a run panicked")),
        }
        .inspect_err(|error| self.metrics.failed(mode, &error.code))?;
        outcome.seconds.open = open;
        outcome.seconds.total += open;
        self.metrics.finished(mode, &outcome);
        Ok(outcome)
    }

    fn writer(&self, id: &str) -> Result<WriterPipeline, ApiError> {
        // Held while a model is loaded, so that no two requests load it at once.
        let mut writers = self.writers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(writer) = writers.get(id) {
            return Ok(writer.clone());
        }
        let setting = (self.settings.writers.iter())
            .find(|writer| writer.id == id)
            .ok_or_else(|| ApiError::invalid("writer", format!("there is no writer {id:?}")))?;
        let loaded = || -> Result<WriterPipeline, EngineError> {
            let sees_pages = resolve(&setting.model)
                .map(|path| is_vision_language(&path))
                .map_err(PipelineError::from)?;
            Ok(WriterPipeline {
                pipeline: builder(&self.settings, &self.store)?
                    .pretrained(&setting.model, None)?
                    .build()?,
                sees_pages,
            })
        };
        let writer = loaded().map_err(|error| {
            tracing::error!(writer = id, %error, "a model cannot be loaded");
            ApiError::invalid("writer", format!("the model of {id:?} cannot be loaded"))
        })?;
        writers.insert(id.to_owned(), writer.clone());
        Ok(writer)
    }
}

fn builder(
    settings: &Settings,
    store: &Store,
) -> Result<glyph_pipeline::PipelineBuilder, EngineError> {
    let device: DeviceSpec = (settings.device.parse())
        .map_err(|error| EngineError::Device(format!("{:?}: {error}", settings.device)))?;
    let device = device.resolve().map_err(PipelineError::from)?;
    if let Some(note) = &device.note {
        tracing::info!("{note}");
    }
    let builder = Pipeline::builder().device(&device.device);
    let (folder, bytes) = (&settings.features, settings.cache_bytes);
    if bytes == 0 {
        return Ok(builder);
    }
    if store.is_folder() {
        return Ok(builder.cache(folder, bytes));
    }
    let local = FeatureCache::open(folder, bytes).map_err(PipelineError::from)?;
    Ok(builder.feature_store(Features::new(local, store.clone())))
}

fn weight(block: &glyph_pipeline::render::Block) -> usize {
    use glyph_pipeline::render::Block;
    match block {
        Block::Text { text, .. } => text.len() + 64,
        Block::Page(image) => image.pixels.len(),
        _ => 64,
    }
}

/// Counts who is in a place.
struct Present<'a>(usize, &'a AtomicUsize);

impl<'a> Present<'a> {
    fn enter(count: &'a AtomicUsize) -> Self {
        Self(count.fetch_add(1, Ordering::Relaxed) + 1, count)
    }
}

impl Drop for Present<'_> {
    fn drop(&mut self) {
        self.1.fetch_sub(1, Ordering::Relaxed);
    }
}
