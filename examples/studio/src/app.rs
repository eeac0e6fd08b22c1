//! What all handlers share.

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::watch;

use crate::document::open::Opener;
use crate::drawing::Drawing;
use crate::engine::{Engine, EngineError};
use crate::limits::RateLimit;
use crate::metrics::Metrics;
use crate::queue::{Queue, QueueError, Worker};
use crate::settings::Settings;
use crate::store::{Store, StoreError};

/// Why the server cannot start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// A file or folder cannot be used.
    #[error("{}: {source}", path.display())]
    Io {
        /// The path.
        path: PathBuf,
        /// The operating system's error.
        source: std::io::Error,
    },
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address.
        address: std::net::SocketAddr,
        /// The operating system's error.
        source: std::io::Error,
    },
    /// Documents and results cannot be stored.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The queue cannot be opened.
    #[error(transparent)]
    Queue(#[from] QueueError),
    /// The models cannot be loaded.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// What all handlers share.
#[derive(Debug)]
pub struct App {
    /// The settings.
    pub settings: Settings,
    /// Documents and results.
    pub store: Store,
    /// The models.
    pub engine: Arc<Engine>,
    /// Jobs.
    pub queue: Queue,
    /// Runs jobs in this process.
    pub worker: Arc<Worker>,
    /// Opens uploads.
    pub opener: Opener,
    /// Counters.
    pub metrics: Metrics,
    /// How often a client may ask.
    pub rate: RateLimit,
    /// Hashes of the keys that clients may have.
    pub keys: Vec<blake3::Hash>,
    /// Draws pages.
    pub drawing: Arc<Drawing>,
    /// Whether the server is told to stop.
    pub stopping: watch::Sender<bool>,
}

impl App {
    /// Opens everything that settings name.
    ///
    /// # Errors
    /// What cannot be opened.
    pub async fn open(settings: Settings) -> Result<Arc<Self>, StartError> {
        let uploads = settings.data.join("uploads");
        std::fs::create_dir_all(&uploads).map_err(|source| StartError::Io {
            path: uploads.clone(),
            source,
        })?;
        let metrics = Metrics::default();
        let store = Store::open(&settings.store)?;
        let engine = Engine::new(&settings, store.clone(), metrics.clone())?;
        let opener = Opener::new(&settings).map_err(|source| StartError::Io {
            path: PathBuf::from("this program"),
            source,
        })?;
        let engine = Arc::new(engine);
        let queue = Queue::open(&settings.queue, settings.heartbeat, store.clone()).await?;
        let stopping = watch::Sender::new(false);
        let worker = Worker::new(
            &settings,
            queue.clone(),
            engine.clone(),
            metrics.clone(),
            stopping.subscribe(),
        );
        let keys = settings.api_keys.iter();
        Ok(Arc::new(Self {
            store,
            engine,
            queue,
            worker,
            opener,
            metrics,
            rate: RateLimit::new(settings.requests_per_minute),
            keys: keys.map(|key| blake3::hash(key.as_bytes())).collect(),
            drawing: Arc::default(),
            stopping,
            settings,
        }))
    }

    /// Where uploads lie while they are opened.
    pub fn uploads(&self) -> PathBuf {
        self.settings.data.join("uploads")
    }
}
